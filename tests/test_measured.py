"""The checker is measured on mistakes that were written down without a look at it."""

import pytest
import torch
from wrong_gradients import kink_cases, right_cases, wrong_cases

from utils import gradient_report

SEED = 3
PARTS = 6   # of the wrong cases, so that no test takes long

# Some of the cases run a checkpoint, also where nothing asks for a gradient.
pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True:UserWarning")


@pytest.fixture(scope="module")
def wrong():
    return wrong_cases(SEED)


known: dict[str, list[str]] = {}    # verdicts on the wrong claims, for the tests that ask twice


def first_verdicts(case):
    if case.name not in known:
        known[case.name] = verdicts(case, case.wrong)
    return known[case.name]


def verdicts(case, claims):
    return [claim.verdict for claim in gradient_report(case.fn, case.inputs, claims, **case.options).claims]


def unlike(cases, claims, expected):
    """The cases whose verdicts are not as expected, with the verdicts."""
    found = {case.name: verdicts(case, claims(case)) for case in cases}
    return {name: came for name, came in found.items() if not expected(came)}


def all_right(came):
    return set(came) == {"right"}


def test_the_set_is_large_and_has_masked_cases_and_whole_backwards(wrong):
    assert len(wrong) >= 100 and len({case.name for case in wrong}) == len(wrong)
    assert sum(case.masked for case in wrong) >= 20
    assert any(callable(case.wrong) for case in wrong)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_wrong_claim_is_found_wrong(wrong, part):
    assert not [case.name for case in wrong[part::PARTS] if "wrong" not in first_verdicts(case)]


def test_every_right_claim_beside_a_wrong_one_is_right(wrong):
    assert not unlike(wrong, lambda case: case.right, all_right)


def test_a_right_claim_stays_right_beside_a_wrong_one(wrong):
    """The verdicts are of each claim alone: where the wrong case repeats a right claim, only the other is wrong."""
    mixed = {case.name: (case, [i for i, (one, other) in enumerate(zip(case.right, case.wrong, strict=True))
                                if one is not None and same(one, other)])
             for case in wrong if isinstance(case.wrong, tuple) and isinstance(case.right, tuple)}
    mixed = {name: (case, repeated) for name, (case, repeated) in mixed.items() if repeated}
    assert mixed
    for name, (case, repeated) in mixed.items():
        claimed = [i for i, claim in enumerate(case.wrong) if claim is not None]
        came = dict(zip(claimed, first_verdicts(case), strict=True))
        assert {came[i] for i in repeated} == {"right"}, name


def same(one, other):
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    return one is other


def test_the_hidden_mistakes_are_right_at_the_given_inputs(wrong):
    """Masked claims are wrong as functions, and right as the numbers that they give at the given inputs."""
    masked = [case for case in wrong if case.masked and isinstance(case.wrong, tuple)]
    assert len(masked) >= 20

    def values(case):
        given = (*case.inputs, case.options["upstream"]) if "upstream" in case.options else case.inputs
        return tuple(claim(*given[:takes(claim)]) if callable(claim) else claim for claim in case.wrong)

    def takes(claim):
        return claim.__code__.co_argcount

    assert not unlike(masked, values, all_right)


def test_no_right_claim_raises_a_false_alarm():
    assert not unlike(right_cases(SEED), lambda case: case.right, all_right)


def test_on_a_kink_nothing_is_judged_but_at_a_jump_the_two_sides_agree():
    """floor has the slope 0 on both sides of its jump: a claim of 0 there is judged, and right."""
    kinks = kink_cases(SEED)
    assert len(kinks) >= 20
    jump = [case for case in kinks if case.family == "floor at an integer"]
    assert not unlike([case for case in kinks if case not in jump], lambda case: case.right,
                      lambda came: came == ["not judged"])
    assert jump and not unlike(jump, lambda case: case.right, all_right)
