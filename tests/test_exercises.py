"""check_answer: right answers in code and in TeX, wrong ones explained, and never a traceback."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensors import draws, eye, seeds, sizes
from torch import nn

from utils import check_answer

few = settings(max_examples=12)
A, x, W, X, U, b, J_Y = draws(7, (4, 4), (4,), (4, 3), (5, 4), (5, 3), (3,), (5, 3))
quadratic = lambda x, A: x @ A @ x


def verdicts(*args, **options):
    return [claim.verdict for claim in check_answer(*args, **options).claims]


def one(answer, fn=quadratic, inputs=(x, A), **options):
    """The line and the notes on an answer for the first input."""
    report = check_answer(fn, inputs, (answer, *(None,) * (len(inputs) - 1)), **options)
    (claim,) = report.claims
    return claim, " ".join(report.notes)


# Not answered yet

@pytest.mark.parametrize("answer", [..., "", "  ", lambda x, A: ..., lambda x, A: None])
def test_an_unanswered_cell_says_so(answer):
    claim, _ = one(answer)
    assert claim.verdict == "not answered" and claim.finding.startswith("not answered yet")
    assert claim.quantity == "gradient by x" and claim.shape == (4,) and claim.mistake is None


@pytest.mark.parametrize("answers", [..., None, (..., ...), lambda x, A: ..., lambda x, A: None,
                                     lambda x, A: (..., ...), lambda x, A: (None, None),
                                     {"x": ..., "A": ...}, lambda x, A: {}])
def test_an_exercise_without_any_answer_says_so_for_each_input(answers):
    report = check_answer(quadratic, (x, A), answers)
    assert [claim.verdict for claim in report.claims] == ["not answered"] * 2 and not report.ok
    assert "not answered yet" in str(report) and str(report).startswith("…")
    assert "not answered yet" in report._repr_html_()


def test_a_forgotten_return_is_told_from_a_cell_that_was_not_touched():
    assert "perhaps its return is missing" in one(lambda x, A: None)[0].finding
    assert "write your answer in place of ..." in one(lambda x, A: ...)[0].finding
    assert "write your answer in place of ..." in one(...)[0].finding


def test_nothing_is_asked_where_none_stands():
    report = check_answer(quadratic, (x, A), (None, torch.outer(x, x)))
    assert [claim.quantity for claim in report.claims] == ["gradient by A"] and report.ok
    assert [claim.quantity for claim in check_answer(quadratic, (x, A), (None, ...)).claims] == ["gradient by A"]


def test_a_jacobian_and_a_vjp_that_are_not_answered_have_their_names():
    assert check_answer(lambda x: A @ x, (x,), (...,)).claims[0].quantity == "Jacobian by x"
    report = check_answer(lambda x: A @ x, (x,), (...,), upstream=x)
    assert report.claims[0].quantity == "VJP by x" and report.claims[0].shape == (4,)


# TeX

GRADIENTS = [r"(\mathbf A + \mathbf A^\top) \mathbf x", r"\mathbf A\mathbf x + \mathbf A^\top\mathbf x",
             r"$(\mathbf A + \mathbf A^\top) \mathbf x$", r"$$(\mathbf A + \mathbf A^\top) \mathbf x$$",
             r"  \mathbf A^{\top}\mathbf{x} + \mathbf{A}\mathbf x "]
DERIVATIVES = [r"\mathbf x^\top(\mathbf A + \mathbf A^\top)",
               r"\mathbf x^\top\mathbf A + \mathbf x^\top \mathbf A^\top"]


@pytest.mark.parametrize("tex", GRADIENTS + DERIVATIVES)
def test_a_right_formula_is_right_as_a_row_and_as_a_column_and_the_report_says_which(tex):
    claim, notes = one(tex)
    assert claim.verdict == "right"
    assert ("The formula is a row: it was taken for the derivative" in notes) == (tex in DERIVATIVES)
    assert ("The formula is a column: it was taken for the gradient" in notes) == (tex in GRADIENTS)


@pytest.mark.parametrize(("tex", "mistake"), [
    (r"2\mathbf A\mathbf x", "places of an input"), (r"2(\mathbf A + \mathbf A^\top)\mathbf x", "constant factor 2"),
    (r"-\mathbf x^\top(\mathbf A + \mathbf A^\top)", "constant factor -1"),
    (r"\frac{1}{2}(\mathbf A + \mathbf A^\top)\mathbf x", "constant factor 1/2")])
def test_a_wrong_formula_is_explained(tex, mistake):
    claim, _ = one(tex)
    assert claim.verdict == "wrong" and claim.mistake == mistake and "The gradient by x is wrong" in claim.finding


def test_formulas_of_matrices_jacobians_and_vjps_are_read():
    layer = lambda X, W, b, J_Y: (J_Y * (X @ W + b)).sum()
    answers = (r"\mathbf J_{\mathbf Y}\mathbf W^\top", r"\mathbf X^\top\mathbf J_{\mathbf Y}", None, None)
    assert verdicts(layer, (X, W, b, J_Y), answers) == ["right", "right"]
    swapped = (r"\mathbf J_{\mathbf Y}\mathbf W^\top", r"2\mathbf X^\top\mathbf J_{\mathbf Y}", None, None)
    assert verdicts(layer, (X, W, b, J_Y), swapped) == ["right", "wrong"]
    assert verdicts(lambda x, A: A @ x, (x, A), (r"\mathbf A", None)) == ["right"]
    assert verdicts(lambda x, A: A @ x, (x, A), (r"\mathbf A^\top", None)) == ["wrong"]
    assert verdicts(lambda y, A: y @ A, (x, A), (r"\mathbf A^\top", None)) == ["right"]
    assert check_answer(lambda x, A: A @ x, (x, A), (r"\mathbf A^\top", None)).claims[0].mistake == "transposed"
    loss = lambda A, x, J_y: J_y @ (A @ x)
    answers = (r"\mathbf J_{\mathbf y}\mathbf x^\top", r"\mathbf A^\top\mathbf J_{\mathbf y}", None)
    assert verdicts(loss, (A, x, x + 1), answers) == ["right", "right"]


@few
@given(m=st.integers(2, 3), n=st.integers(4, 5), seed=seeds)
def test_a_formula_may_name_the_sizes_of_the_exercise(m, n, seed):
    W, x = draws(seed, (m, n), (n,))
    fn = lambda W, x: W @ x
    options = {"sizes": {"m": m, "n": n}}
    row, column = r"\mathbf I_m \otimes \mathbf x^\top", r"\mathbf x^\top \otimes \mathbf I_m"
    for tex, order in ((row, "row"), (column, "column")):
        report = check_answer(fn, (W, x), (tex, None), **options)
        assert report.ok and f"flattened in {order} order" in str(report)
        assert check_answer(fn, (W, x), (tex, None), order=order, **options).ok
    report = check_answer(fn, (W, x), (column, None), order="row", **options)
    assert report.claims[0].mistake == "the other vec order"
    assert not check_answer(fn, (W, x), (r"\mathbf I_n \otimes \mathbf x^\top", None), **options).ok


@pytest.mark.parametrize(("tex", "words"), [
    ("\\mathbf x^\top \\mathbf A", 'Put r before the string, as in r"\\mathbf x^\\top"'),
    ("2\frac{1}{2}", "without it Python reads \\f as one sign"),
    (r"\nabla f = \mathbf A\mathbf x", "Write only what stands on the right of the ="),
    (r"\frac{\partial}{\partial\mathbf x}(\mathbf x^\top\mathbf A\mathbf x)", "An answer holds no derivative"),
    (r"\mathbf x^\top \mathbf B", "This is none of the known symbols, \\mathbf{x}, \\mathbf{A}"),
    (r"\mathbf A\mathbf x + \mathbf x^\top", "Look at"),
    (r"\mathbf A \mathbf A \mathbf x^\top", "Look at"),
    (r"\mathbf A\mathbf x) + 3", "Look at"),
    (r"\frac{1}{2", "Look at"),
    (r"\foo\mathbf x", "Look at"),
    (r"\mathbf{", "Look at"),
    (r"A x", "Look at"),
    (r"hello", "Look at"),
    ("x^TA", "Look at"),
    (r"}{", "Look at"),
    (r"$\mathbf x$ and $\mathbf A$", "Look at"),
])
def test_a_formula_that_cannot_be_read_gets_one_sentence(tex, words):
    claim, _ = one(tex)
    assert claim.verdict == "not judged" and words in claim.finding and "\n" not in claim.finding, claim


def test_a_derivative_written_as_jacobian_symbol_is_no_answer():
    assert one(r"\mathbf J_{\mathbf x}")[0].verdict == "not judged"


# Code

def test_right_answers_in_code_are_right():
    assert one((A + A.T) @ x)[0].verdict == "right"
    assert one(lambda x, A: x @ (A + A.T))[0].verdict == "right"
    assert verdicts(quadratic, (x, A), lambda x, A: (x @ (A + A.T), torch.outer(x, x))) == ["right", "right"]
    assert verdicts(quadratic, (x, A), {"x": x @ (A + A.T)}) == ["right"]
    assert verdicts(quadratic, (x, A), [x @ (A + A.T), ...]) == ["right", "not answered"]
    assert one(lambda x, A: ((A + A.T) @ x).numpy())[0].verdict == "right"
    assert one(((A + A.T) @ x).numpy())[0].verdict == "right"
    assert verdicts(lambda t: t * t, (torch.tensor(1.5),), (3.0,)) == ["right"]
    assert verdicts(lambda t: t * t, (torch.tensor(1.5),), (lambda t: 2 * t.item(),)) == ["right"]


def test_the_verdicts_on_wrong_code_have_the_names_of_mistakes():
    assert one(lambda x, A: 2 * x @ (A + A.T))[0].mistake == "constant factor 2"
    assert one(lambda x, A: x @ A)[0].verdict == "wrong"
    report = check_answer(lambda A, x: x @ (A @ x.flip(0)), (A, x), (lambda A, x: torch.outer(x.flip(0), x), None))
    assert report.claims[0].mistake == "transposed"


def test_an_answer_right_by_luck_is_tried_on_other_inputs():
    S = A + A.T
    report = check_answer(quadratic, (x, S), (lambda x, A: 2 * A @ x, None))
    assert report.claims[0].verdict == "wrong" and "on redrawn inputs" in report.claims[0].finding
    report = check_answer(quadratic, (x, S), (r"2\mathbf A\mathbf x", None))
    assert report.claims[0].verdict == "wrong" and "on redrawn inputs" in report.claims[0].finding


def raises(x, A):
    raise ZeroDivisionError("on line one\nand two")


def raises_silently(x, A):
    raise RuntimeError


@pytest.mark.parametrize(("answer", "words"), [
    (raises, "The answer for x raised ZeroDivisionError on float64 copies of the inputs: on line one"),
    (raises_silently, "The answer for x raised RuntimeError"),
    (lambda x, A: x @ B, "NameError"),  # noqa: F821
    (lambda x: x, "TypeError"),
    (lambda x, A: A @ A[0, :3], "RuntimeError"),
    (lambda x, A: "text", "An answer must be a tensor"),
    (lambda x, A: True, "An answer must be a tensor"),
    (lambda x, A: (A + A.T) @ x > 0, "must be a floating-point tensor"),
    (torch.ones(4, dtype=torch.int64), "must be a floating-point tensor"),
    (lambda x, A: torch.rand_like(x), "two different results for the same inputs"),
    (torch.ones(4, dtype=torch.complex128), "The answer for x must be a floating-point tensor"),
    (object(), "An answer must be a tensor"),
    ({"a": x}, "must be a tensor or a function"),
])
def test_an_answer_that_cannot_be_judged_gets_one_sentence(answer, words):
    claim, _ = one(answer)
    assert claim.verdict == "not judged" and words in claim.finding and "\n" not in claim.finding, claim
    assert "claim" not in claim.finding.lower()


@pytest.mark.parametrize("answer", [lambda x, A: A, lambda x, A: x[:2], lambda x, A: x.sum(), 3.0,
                                    lambda x, A: x[:, None], torch.full((4,), torch.nan), lambda x, A: x / 0])
def test_an_answer_of_the_wrong_shape_or_without_finite_numbers_is_wrong(answer):
    claim, _ = one(answer)
    assert claim.verdict == "wrong", claim


def test_one_answer_that_breaks_leaves_the_others_judged():
    report = check_answer(quadratic, (x, A), (raises, torch.outer(x, x)))
    assert [claim.verdict for claim in report.claims] == ["not judged", "right"]
    report = check_answer(quadratic, (x, A), (r"\mathbf{", lambda x, A: torch.outer(x, x)))
    assert [claim.verdict for claim in report.claims] == ["not judged", "right"]
    report = check_answer(quadratic, (x, A), (..., 2 * torch.outer(x, x)))
    assert [claim.verdict for claim in report.claims] == ["not answered", "wrong"]


# A whole backward

def whole(X, W, b, v):
    return v @ W.T, X.T @ v, v.sum(0)


affine = lambda X, W, b: X @ W + b


def test_a_whole_backward_may_be_answered_in_parts():
    parts = lambda *places: (lambda X, W, b, v: tuple(claim if k in places else ...
                                                      for k, claim in enumerate(whole(X, W, b, v))))
    assert verdicts(affine, (X, W, b), whole, upstream=U) == ["right"] * 3
    assert verdicts(affine, (X, W, b), parts(1), upstream=U) == ["not answered", "right", "not answered"]
    assert verdicts(affine, (X, W, b), parts(0, 2), upstream=U) == ["right", "not answered", "right"]
    assert verdicts(affine, (X, W, b), lambda X, W, b, v: (v @ W.T, None, v.mean(0)), upstream=U) == \
        ["right", "not answered", "wrong"]
    assert verdicts(affine, (X, W, b), lambda X, W, b: whole(X, W, b, U), upstream=U) == ["right"] * 3


@pytest.mark.parametrize(("answers", "words"), [
    (lambda X, W, b, v: (v, v), "The answer must return 3 values, one for each of X, W, b"),
    (lambda X, W, b, v: v, "but it returned 1"),
    (lambda X, W, b, v: whole(X, W, b, v) * 2, "but it returned 6"),
    (lambda X, W, b, v: whole(X, W.T, b, v), "The answer raised RuntimeError"),
    (lambda: 3, "The answer raised TypeError"),
    (lambda X, W, b, v: ("v", ..., ...), "An answer must be a tensor"),
])
def test_a_whole_backward_that_cannot_be_judged_gets_one_sentence(answers, words):
    report = check_answer(affine, (X, W, b), answers, upstream=U)
    (claim,) = report.claims
    assert claim.verdict == "not judged" and words in claim.finding and "\n" not in claim.finding, claim


def test_inputs_by_keyword_are_answered_by_name():
    inputs = {"X": X, "W": W, "b": b}
    fn = lambda b, W, X: X @ W + b
    assert verdicts(fn, inputs, {"W": lambda X, W, b, upstream: X.T @ upstream, "b": ...}, upstream=U) == \
        ["right", "not answered"]
    assert verdicts(fn, inputs, ..., upstream=U) == ["not answered"] * 3
    loss = lambda b, W, X: (U * (X @ W + b)).sum()
    assert verdicts(loss, inputs, lambda X, W, b: {"X": U @ W.T, "W": X.T @ U, "b": U}) == ["right", "right", "wrong"]
    assert verdicts(loss, inputs, lambda X, W, b: {"X": U @ W.T}) == ["right", "not answered", "not answered"]
    assert verdicts(loss, inputs, lambda X, W, b: (U @ W.T, X.T @ U, ...)) == ["right", "right", "not answered"]


def test_nested_inputs_and_modules_that_are_not_answered_say_so():
    parameters = {"W": W, "b": b}
    fn = lambda p, X: (U * (X @ p["W"] + p["b"])).sum()
    assert verdicts(fn, (parameters, X), (..., U @ W.T)) == ["not answered", "right"]
    assert verdicts(fn, (parameters, X), (None, lambda p, X: U @ p["W"].T)) == ["right"]
    assert verdicts(fn, (parameters, X), lambda p, X: ...) == ["not answered"] * 2
    module = nn.Linear(4, 3).double()
    fn = lambda module, X: (U * module(X)).sum()
    assert verdicts(fn, (module, X), (..., lambda module, X: U @ module.weight)) == ["not answered", "right"]


# What stays as it was

def test_an_answer_that_writes_into_its_arguments_changes_nothing():
    given = [X.clone(), W.clone(), b.clone(), U.clone()]

    def greedy(X, W, b, v):
        results = whole(X, W, b, v)
        for tensor in (X, W, b, v):
            tensor.mul_(0)
        return results
    assert verdicts(affine, tuple(given[:3]), greedy, upstream=given[3]) == ["right"] * 3
    single = lambda X, W, b, v: greedy(X, W, b, v)[0]
    assert verdicts(affine, tuple(given[:3]), (single, None, None), upstream=given[3]) == ["right"]
    assert all(torch.equal(one, other) for one, other in zip(given, (X, W, b, U), strict=True))


@pytest.mark.parametrize("several", [False, True])
def test_what_an_answer_prints_is_shown_once(several, capsys):
    def answer(x, A):
        print("once")
        return (x @ (A + A.T), torch.outer(x, x)) if several else x @ (A + A.T)
    assert all(verdict == "right" for verdict in verdicts(quadratic, (x, A), answer if several else (answer, None)))
    assert capsys.readouterr().out == "once\n"


# Never an exception

FRAGMENTS = [r"\mathbf x", r"\mathbf A", r"\mathbf{x}", r"^\top", r"\top", r"\frac", "{", "}", "(", ")", r"\left(",
             r"\right)", "1", "2", "3.5", "0", "+", "-", r"\cdot", r"\otimes", r"\odot", "/", "^", "_", "^2", "^{-1}",
             r"\mathbf I_n", r"\mathbf 1", r"\operatorname{diag}", r"\operatorname{vec}", r"\operatorname{tr}",
             r"\sum_i", r"x_i", r"\partial", r"\mathbf J_{\mathbf x}", r"\mathbf J_{\mathbf Y}", r"\lVert", r"\rVert",
             "|", r"\sqrt", r"\exp", r"\log", "=", "&", r"\\", "$", " ", "%", "#", "~", r"\begin{aligned}",
             r"\end{aligned}", "é", "\n", "\t", "'", '"', r"\text{a}", "n", r"\alpha", "\x00", r"\Omega"]


def is_a_report(report, count=None):
    for claim in report.claims:
        assert claim.verdict in ("right", "wrong", "not judged", "not answered")
        assert claim.finding and "Traceback" not in claim.finding
    assert report.claims and (count is None or len(report.claims) == count)
    return bool(str(report)) and bool(report._repr_html_())


@settings(max_examples=250)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join))
def test_no_tex_raises(tex):
    assert is_a_report(check_answer(quadratic, (x, A), (tex, None)), 1)


@settings(max_examples=60)
@given(st.text(max_size=12))
def test_no_text_raises(text):
    assert is_a_report(check_answer(quadratic, (x, A), (text, None)), 1)


SHAPES = [(), (1,), (4,), (4, 1), (1, 4), (4, 4), (3,), (0,), (4, 4, 4), (16,)]
VALUES = st.one_of(
    st.sampled_from([..., None, True, 0, 1, -2.5, float("nan"), float("inf"), "", "x", (), [], {}, 3j, b"x", object(),
                     int]),
    st.sampled_from(SHAPES).map(lambda shape: torch.randn(shape, generator=torch.Generator().manual_seed(1))),
    st.sampled_from(SHAPES).map(lambda shape: torch.zeros(shape, dtype=torch.int64)),
    st.sampled_from(SHAPES).map(lambda shape: torch.full(shape, torch.nan)),
    st.sampled_from(SHAPES).map(np.ones),
    st.sampled_from(SHAPES).map(lambda shape: torch.ones(shape, dtype=torch.float16)),
    st.just(torch.eye(4).to_sparse()), st.just(np.array(["a", "b"])), st.just(np.array(None)),
)
ERRORS = st.sampled_from([ValueError("a"), KeyError("a"), RuntimeError(), NotImplementedError("x\ny"), StopIteration(),
                          AssertionError(), RecursionError("deep"), MemoryError(), IndexError(3)])


def raiser(error):
    def answer(*args, **kwargs):
        raise error
    return answer


ANSWERS = st.one_of(VALUES, VALUES.map(lambda value: lambda x, A: value), ERRORS.map(raiser),
                    st.just(lambda: 1), st.just(lambda x: x), st.just(lambda x, A, v, w: x))


NO_DICT = ANSWERS.filter(lambda answer: not isinstance(answer, dict))


NAMED = st.dictionaries(st.sampled_from(["A", "B", "0"]), ANSWERS).map(lambda named: {"x": ...} | named)
WHOLE = st.tuples(VALUES, VALUES).map(lambda pair: lambda x, A: pair)


@settings(max_examples=150)
@given(answers=st.one_of(st.tuples(ANSWERS, ANSWERS), NO_DICT, st.lists(ANSWERS, max_size=3), NAMED, WHOLE),
       by_name=st.booleans(), jacobian=st.booleans())
def test_no_answer_raises(answers, by_name, jacobian):
    inputs = {"x": x, "A": A} if by_name else (x, A)
    fn = (lambda x, A: A @ x) if jacobian else quadratic
    assert is_a_report(check_answer(fn, inputs, answers))


@settings(max_examples=25)
@given(answers=st.one_of(st.tuples(ANSWERS, ANSWERS), NO_DICT))
def test_no_answer_to_a_question_with_an_upstream_gradient_raises(answers):
    assert is_a_report(check_answer(lambda x, A: A @ x, (x, A), answers, upstream=x, order="row"))
