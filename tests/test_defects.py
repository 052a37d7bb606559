"""Defects that the checker and the exercises had once."""

import pytest
import torch
from tensors import draws, eye
from test_exercises import A, X, U, W, b, x, quadratic, verdicts
from test_names import DESCRIPTIVE, explained
from torch import nn

from utils import check_answer, gradient_report


class WrongTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, upstream):
        return upstream * (1 - ctx.saved_tensors[0] ** 2)


def test_what_a_wrong_custom_backward_gives_is_called_no_path():
    x, d = draws(3, (4,), (4,))
    assert explained(lambda x: d @ WrongTanh.apply(x), (x,), d * (1 - x**2))[0] != "a path left out"


@pytest.mark.parametrize("sign", [1.0, -0.5, -3.0])
def test_a_projection_of_softmax_with_a_wrong_factor_is_not_called_missing(sign):
    (x,) = draws(3, (4,))
    p = torch.softmax(x, 0)
    mistake, finding = explained(lambda x: torch.softmax(x, 0), (x,), torch.diag(p) + sign * torch.outer(p, p))
    assert mistake in DESCRIPTIVE, finding


@pytest.mark.parametrize("factor", [1.0, -1.0, -0.2])
def test_a_centring_with_a_wrong_factor_is_not_called_missing(factor):
    (x,) = draws(3, (4,))
    mistake, finding = explained(lambda x: x - x.mean(), (x,), eye(4) - factor)
    assert mistake in DESCRIPTIVE, finding


def test_a_gain_that_scales_the_columns_of_a_jacobian_is_said_to():
    S, g, x = draws(4, (3, 3), (3,), (3,))
    assert "columns instead of the rows" in explained(lambda x: g * (S @ x), (x,), S * g)[1]


def test_clamp_and_maximum_have_no_kink_at_zero():
    (d,), z = draws(1, (3,)), torch.tensor([.1, .5, .9], dtype=torch.float64)
    y = torch.tensor([.4, .2, -.7], dtype=torch.float64)
    assert not gradient_report(lambda z: d @ z.clamp(0.2, 0.8), (z,), (d * (z > 0.2) * (z < 0.8),)).notes
    assert not gradient_report(lambda z, y: d @ torch.maximum(z, y), (z, y), (d * (z > y), None)).notes


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_positive_inputs_of_a_relu_are_tried_with_other_signs(n, seed):
    z = torch.arange(1.0, n + 1, dtype=torch.float64)
    assert not gradient_report(lambda z: z.relu().sum(), (z,), (torch.ones_like,), seed=seed).ok


def test_a_leaf_of_a_nested_claim_may_be_a_function():
    fn = lambda p, X: (U * (X @ p["W"] + p["b"])).sum()
    assert gradient_report(fn, ({"W": W, "b": b}, X), ({"W": lambda p, X: X.T @ U, "b": None}, None)).ok


def test_nested_inputs_and_modules_are_answered_with_their_structure():
    parameters = {"W": W, "b": b}
    fn = lambda p, X: (U * (X @ p["W"] + p["b"])).sum()
    assert verdicts(fn, (parameters, X), (lambda p, X: {"W": X.T @ U, "b": U.sum(0)}, None)) == ["right", "right"]
    assert verdicts(fn, (parameters, X), ({"W": X.T @ U, "b": U.mean(0)}, None)) == ["right", "wrong"]
    assert verdicts(fn, (parameters, X), lambda p, X: ({"W": X.T @ U, "b": U.sum(0)}, U @ p["W"].T)) == ["right"] * 3
    module = nn.Linear(4, 3).double()
    assert verdicts(lambda module, X: (U * module(X)).sum(), (module, X),
                    (lambda module, X: {"weight": U.T @ X, "bias": U.mean(0)}, None)) == ["right", "wrong"]


@pytest.mark.parametrize("answers", [{}, {"B": x}, {"x": None}])
def test_a_dict_that_answers_nothing_is_not_answered(answers):
    report = check_answer(quadratic, (x, A), answers)
    assert not report.ok and report.claims


def test_tex_beside_a_nested_input_gets_one_sentence_about_it():
    fn = lambda p, X: (U * (X @ p["W"] + p["b"])).sum()
    report = check_answer(fn, ({"W": W, "b": b}, X), (None, r"\mathbf X"))
    assert "attribute" not in report.claims[0].finding
