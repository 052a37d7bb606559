"""Inputs that hide mistakes are recognised, and claims given as functions are tried on others."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensors import draws, seeds
from torch.nn import functional as F

from utils import gradient_report

few = settings(max_examples=5)
sizes = st.integers(3, 5)


def ones(*shape):
    return torch.ones(*shape, dtype=torch.float64)


def rms(a):
    return (a.square().mean() + 1e-3).sqrt()


def rms_gradient(a, h):
    u = rms(a)
    return (h - a * (a @ h) / (len(a) * u**2)) / u


def notes(fn, inputs, *claims, **options):
    """The notes on right claims given as tensors."""
    claims = claims + (None,) * (len(inputs) - len(claims))
    report = gradient_report(fn, inputs, claims, **options)
    assert report.ok, report
    return " ".join(report.notes)


def caught(fn, inputs, claim, **options):
    """Whether a claim that agrees at the given inputs is found wrong when given as a function, elsewhere."""
    takes_upstream = claim.__code__.co_argcount > len(inputs)
    values = (*inputs, options["upstream"]) if takes_upstream else inputs
    rest = (None,) * (len(inputs) - 1)
    assert gradient_report(fn, inputs, (claim(*values), *rest), **options).ok
    return verdict(fn, inputs, claim, **options) == "wrong"


def verdict(fn, inputs, claim, **options):
    report = gradient_report(fn, inputs, (claim, *(None,) * (len(inputs) - 1)), **options)
    if report.claims[0].verdict == "wrong":
        assert "on redrawn inputs" in report.claims[0].finding
    else:
        assert not report.notes
    return report.claims[0].verdict


# What each mask hides is said

@few
@given(n=sizes, seed=seeds)
def test_a_symmetric_matrix_is_noted_and_a_transpose_caught_without_it(n, seed):
    x, A, d = draws(seed, (n,), (n, n), (n,))
    S = A + A.T
    quadratic = lambda x, S: x @ S @ x
    words = "S is symmetric, so S and its transpose cannot be told apart"
    assert words in notes(quadratic, (x, S), 2 * S @ x)
    assert words in notes(lambda x: x @ S @ x, (x,), 2 * S @ x)
    assert "A is symmetric" not in notes(lambda x: x @ A @ x, (x,), (A + A.T) @ x)
    assert words in notes(lambda x, S: S @ x, (x, S), S @ d, upstream=d)
    assert caught(quadratic, (x, S), lambda x, S: 2 * S @ x)
    assert caught(lambda x, S: S @ x, (x, S), lambda x, S, upstream: S @ upstream, upstream=d)
    assert verdict(quadratic, (x, S), lambda x, S: (S + S.T) @ x) == "right"
    assert verdict(lambda x, S: S @ x, (x, S), lambda x, S, upstream: S.T @ upstream, upstream=d) == "right"


@few
@given(n=sizes, seed=seeds)
def test_the_identity_is_noted_as_symmetric(n, seed):
    x, d = draws(seed, (n,), (n,))
    W = torch.eye(n, dtype=torch.float64)
    loss = lambda x, W: d @ (W @ x)
    assert "W is symmetric" in notes(loss, (x, W), W.T @ d)
    assert caught(loss, (x, W), lambda x, W: W @ d)
    assert verdict(loss, (x, W), lambda x, W: W.T @ d) == "right"


@few
@given(n=sizes, seed=seeds, value=st.sampled_from([0.5, 2.0, -3.0]))
def test_equal_entries_are_noted_and_a_wrong_index_caught_without_them(n, seed, value):
    W, d = draws(seed, (n, n), (n,))
    x = value * ones(n)
    loss = lambda W, x: x @ (W @ x)
    words = "all entries of x are equal, so a wrong index, transpose or order of factors changes nothing about x"
    assert words in notes(loss, (W, x), torch.outer(x, x))
    product = lambda x, d: (d * x).flip(0) @ (d * x)
    assert "all entries of x are equal" in notes(product, (x, d), 2 * d * (d * x).flip(0))
    assert caught(product, (x, d), lambda x, d: 2 * d * d.flip(0) * x)
    assert verdict(product, (x, d), lambda x, d: 2 * d * (d * x).flip(0)) == "right"


@few
@given(n=sizes, m=sizes, seed=seeds)
def test_an_upstream_of_ones_is_noted_in_each_form(n, m, seed):
    W, x = draws(seed, (m, n), (n,))
    layer = lambda W, x: W @ x
    u = ones(m)
    assert "the upstream gradient is all ones, so a claim that forgets the upstream gradient" in \
        notes(layer, (W, x), torch.outer(u, x), upstream=u)
    assert "u is all ones, so a claim that forgets u" in notes(lambda W, x: u @ (W @ x), (W, x), torch.outer(u, x))
    for loss, claim in ((lambda W, x: (W @ x).sum(), x.expand(m, n)), (lambda W, x: (W @ x).mean(), x.expand(m, n) / m),
                        (lambda W, x: (W @ x).sigmoid().sum(), torch.outer((W @ x).sigmoid() * (-W @ x).sigmoid(), x))):
        said = notes(loss, (W, x), claim)
        assert "the outputs are summed with equal weights, an upstream gradient of ones" in said
        assert "weigh the outputs with a random one" in said
    forgotten = lambda W, x, upstream: x.expand(m, n)
    assert caught(layer, (W, x), forgotten, upstream=u)
    assert verdict(layer, (W, x), lambda W, x, upstream: torch.outer(upstream, x), upstream=u) == "right"


@few
@given(n=sizes, seed=seeds)
def test_a_unit_gain_is_noted_and_a_forgotten_gain_caught_without_it(n, seed):
    a, d = draws(seed, (n,), (n,))
    g = ones(n)
    norm = lambda a, g: d @ (g * a / rms(a))
    words = "g is all ones, so a claim that forgets g, or puts it on the wrong side, has the same values"
    assert words in notes(norm, (a, g), rms_gradient(a, d))
    assert words in notes(lambda a: d @ (g * a / rms(a)), (a,), rms_gradient(a, d))
    assert caught(norm, (a, g), lambda a, g: rms_gradient(a, d))
    assert caught(norm, (a, g), lambda a, g: g * rms_gradient(a, d))
    assert verdict(norm, (a, g), lambda a, g: rms_gradient(a, g * d)) == "right"


@few
@given(n=sizes, seed=seeds)
def test_an_upstream_orthogonal_to_the_input_is_noted_and_a_missing_projection_caught(n, seed):
    x, v = draws(seed, (n,), (n,))
    u = v - v @ x / (x @ x) * x
    u = u - u @ x / (x @ x) * x
    unit = lambda x: x / x.norm()
    assert "the upstream gradient is orthogonal to x, so a term with their inner product is not seen" in \
        notes(unit, (x,), u / x.norm(), upstream=u)
    assert "u is orthogonal to x" in notes(lambda x: u @ (x / x.norm()), (x,), u / x.norm())
    assert caught(unit, (x,), lambda x, upstream: upstream / x.norm(), upstream=u)
    right = lambda x, upstream: (upstream - x * (x @ upstream) / (x @ x)) / x.norm()
    assert verdict(unit, (x,), right, upstream=u) == "right"


@few
@given(n=sizes, m=sizes, seed=seeds)
def test_a_batch_of_one_is_noted_and_a_missing_sum_caught_with_a_larger_one(n, m, seed):
    X, W, b = draws(seed, (1, n), (n, m), (m,))
    loss = lambda b, X, W: (X @ W + b).tanh().square().sum()
    slope = lambda b, X, W: 2 * (X @ W + b).tanh() * (1 - (X @ W + b).tanh() ** 2)
    assert "axis 0 of X has size 1, so a missing sum or mean over it changes nothing" in \
        notes(loss, (b, X, W), slope(b, X, W).sum(0))
    for claim in (lambda b, X, W: slope(b, X, W).mean(0), lambda b, X, W: slope(b, X, W)[0]):
        assert caught(loss, (b, X, W), claim)
    report = gradient_report(loss, (b, X, W), (lambda b, X, W: slope(b, X, W).mean(0), None, None))
    assert "other sizes (b" in report.claims[0].finding and report.claims[0].mistake == "mean in place of a sum"
    assert verdict(loss, (b, X, W), lambda b, X, W: slope(b, X, W).sum(0)) == "right"


@few
@given(n=sizes, N=sizes, seed=seeds)
def test_an_output_of_size_one_is_noted_and_a_missing_sum_over_it_caught(n, N, seed):
    X, w, u = draws(seed, (N, n), (n, 1), (N,))
    layer = lambda w, X: X @ w
    assert "axis 1 of w has size 1" in notes(layer, (w, X), X.T @ u[:, None], upstream=u[:, None])
    squares = lambda w, X: (X @ w).square().mean(1).sum()
    assert caught(squares, (w, X), lambda w, X: 2 * X.T @ (X @ w))
    assert verdict(squares, (w, X), lambda w, X: 2 * X.T @ (X @ w) / w.shape[1]) == "right"
    assert "the output has an axis of size 1" in notes(lambda x: x.sum(0, keepdim=True), (u,), ones(1, N))


@few
@given(n=sizes, seed=seeds)
def test_positive_inputs_of_a_relu_are_noted_and_a_slope_of_one_everywhere_caught(n, seed):
    x, d = draws(seed, (4 * n,), (4 * n,))
    x = x.abs() + 0.1
    for name, fn, slope in (("relu", lambda x: d @ x.relu(), lambda x: d * (x > 0)),
                            ("abs", lambda x: d @ x.abs(), lambda x: d * x.sign())):
        assert f"{name} meets positive numbers only, so the slope for the others is not tried" in notes(fn, (x,), d)
        assert caught(fn, (x,), lambda x: d * torch.ones_like(x))
        assert verdict(fn, (x,), slope) == "right"
    assert "relu meets negative numbers only" in notes(lambda x: d @ x.relu(), (-x,), 0 * x)


@few
@given(n=sizes, seed=seeds)
def test_a_clamp_inside_its_bounds_is_noted_and_a_slope_of_one_everywhere_caught(n, seed):
    x, d = draws(seed, (4 * n,), (4 * n,))
    x = x.tanh()
    clamp = lambda x: d @ x.clamp(-1, 1)
    assert "clamp meets numbers inside its bounds only, so the slope outside is not tried" in notes(clamp, (x,), d)
    assert caught(clamp, (x,), lambda x: d * torch.ones_like(x))
    assert verdict(clamp, (x,), lambda x: d * (x.abs() < 1)) == "right"
    assert "inside its bounds" not in notes(clamp, (5 * x,), d * (5 * x.abs() < 1))


@few
@given(n=sizes, seed=seeds)
def test_a_loss_that_is_the_square_of_a_normed_vector_is_noted(n, seed):
    a, g, d = draws(seed, (n,), (n,), (n,))
    loss = lambda a, g: (g * a / rms(a)).square().sum()
    claim = rms_gradient(a, 2 * g * g * a / rms(a))
    assert "the loss is a sum of squares, so the upstream gradient is tied to the output" in notes(loss, (a, g), claim)
    unit = lambda a: (a / a.square().mean().sqrt()).square().sum()
    assert "the loss hardly changes with a, so claims that are wrong along the output pass" in notes(unit, (a,), 0 * a)
    assert not notes(lambda a, g: d @ (g * a / rms(a)), (a, g), rms_gradient(a, g * d))


@few
@given(n=sizes, seed=seeds)
def test_a_summed_softmax_is_noted_as_a_loss_that_hides_everything(n, seed):
    x, d = draws(seed, (n,), (n,))
    for loss in (lambda x: torch.softmax(x, 0).sum(), lambda x: F.softmax(x, -1).sum()):
        assert "the loss hardly changes with x" in notes(loss, (x,), 0 * x)
    p = torch.softmax(x, 0)
    assert not notes(lambda x: d @ torch.softmax(x, 0), (x,), p * (d - p @ d))


@few
@given(n=sizes, seed=seeds)
def test_two_equal_inputs_are_noted_and_one_in_place_of_the_other_caught(n, seed):
    A, x, d = draws(seed, (n, n), (n,), (n,))
    y = x.clone()
    loss = lambda A, x, y: d @ (A @ x) * (x @ y)
    assert "x and y are equal, so one in place of the other has the same values" in \
        notes(loss, (A, x, y), torch.outer(d, x) * (x @ y))
    assert caught(loss, (A, x, y), lambda A, x, y: torch.outer(d, y) * (x @ y))
    assert verdict(loss, (A, x, y), lambda A, x, y: torch.outer(d, x) * (x @ y)) == "right"


# Nothing is noted where nothing is hidden

def generic(seed):
    """Right claims at random inputs, each with a fn, inputs, claims and options."""
    A, x, X, W, b, U, a, d, g = draws(seed, (4, 4), (4,), (5, 4), (4, 3), (3,), (5, 3), (6,), (6,), (6,))
    p, z = torch.softmax(a, 0), X @ W + b
    slope = 1 - z.tanh() ** 2
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(3)
    mixed = (a.abs() + 0.2) * signs
    s = (a.var(unbiased=False) + 1e-3).sqrt()
    hat = (a - a.mean()) / s
    return {
        "quadratic form": (lambda x, A: x @ A @ x, (x, A), ((A + A.T) @ x, torch.outer(x, x)), {}),
        "linear map": (lambda A, x: A @ x, (A, x), (None, A), {}),
        "layer": (lambda X, W, b: (U * (X @ W + b)).sum(), (X, W, b), (U @ W.T, X.T @ U, U.sum(0)), {}),
        "layer with an upstream": (lambda X, W, b: X @ W + b, (X, W, b), (U @ W.T, X.T @ U, U.sum(0)), {"upstream": U}),
        "tanh layer": (lambda X, W, b: (X @ W + b).tanh(), (X, W, b), (None, X.T @ (U * slope), None), {"upstream": U}),
        "rms norm": (lambda a, g: d @ (g * a / rms(a)), (a, g), (rms_gradient(a, g * d), d * a / rms(a)), {}),
        "layer norm": (lambda a: d @ F.layer_norm(a, (6,), eps=1e-3), (a,),
                       ((d - d.mean() - hat * (hat @ d) / 6) / s,), {}),
        "softmax": (lambda a: torch.softmax(a, 0), (a,), (torch.diag(p) - torch.outer(p, p),), {}),
        "relu": (lambda x: d @ x.relu(), (mixed,), (d * (mixed > 0),), {}),
        "clamp": (lambda x: d @ x.clamp(-0.7, 0.7), (5 * mixed,), (0 * d,), {}),
        "distance": (lambda a, g: (a - g).square().sum(), (a, g), (2 * (a - g), None), {}),
        "scalar": (lambda x: x.exp(), (a[0],), (a[0].exp(),), {}),
    }


@settings(max_examples=30)
@given(kind=st.sampled_from(list(generic(0))), seed=seeds)
def test_nothing_is_noted_at_random_inputs(kind, seed):
    fn, inputs, claims, options = generic(seed)[kind]
    report = gradient_report(fn, inputs, claims, **options)
    assert report.ok and not report.notes, report


# When a note is given

def test_a_wrong_claim_gets_no_note_about_what_is_hidden():
    x, A = draws(3, (3,), (3, 3))
    S = A + A.T
    report = gradient_report(lambda x, S: x @ S @ x, (x, S), (S @ x, None))
    assert not report.ok and not report.notes


def test_a_claim_given_as_a_function_gets_no_note_beside_a_tensor_that_does():
    x, A = draws(3, (3,), (3, 3))
    S = A + A.T
    quadratic = lambda x, S: x @ S @ x
    as_function = gradient_report(quadratic, (x, S), (lambda x, S: (S + S.T) @ x, None))
    assert as_function.ok and not as_function.notes
    mixed = gradient_report(quadratic, (x, S), (lambda x, S: (S + S.T) @ x, torch.outer(x, x)))
    assert mixed.ok and "S is symmetric" in str(mixed)


def test_a_note_is_shown_in_text_and_in_a_notebook():
    x, A = draws(3, (3,), (3, 3))
    S = A + A.T
    report = gradient_report(lambda x, S: x @ S @ x, (x, S), (2 * S @ x, None))
    assert "The inputs hide mistakes: S is symmetric" in str(report) and "S is symmetric" in report._repr_html_()


@pytest.mark.parametrize("outside", [False, True])
def test_inputs_that_changed_since_the_check_are_not_spoken_of(outside):
    x, A = draws(3, (3,), (3, 3))
    S = A + A.T
    if outside:
        report = gradient_report(lambda x: x @ S @ x, (x,), (2 * S @ x,))
    else:
        report = gradient_report(lambda x, S: x @ S @ x, (x, S), (2 * S @ x, None))
    S[0, 1] += 1
    assert report.ok and "have changed since the check" in str(report) and "symmetric" not in str(report)


def test_redrawn_inputs_keep_labels_and_targets_what_they_are():
    z, = draws(5, (4, 3))
    labels = torch.tensor([0, 2, 1, 1])
    target = F.one_hot(labels, 3).double()
    right = lambda z, t: (torch.softmax(z, 1) - t) / len(z)
    by_label = lambda z, labels: (torch.softmax(z, 1) - F.one_hot(labels, 3)) / len(z)
    assert gradient_report(lambda z, t: F.cross_entropy(z, t), (z, target), (right, None)).ok
    assert gradient_report(lambda z, labels: F.cross_entropy(z, labels), (z, labels), (by_label, None)).ok
    summed = lambda z, t: right(z, t) * len(z)
    assert not gradient_report(lambda z, t: F.cross_entropy(z, t), (z, target), (summed, None)).ok


def test_redrawn_inputs_outside_the_domain_are_counted():
    x, = draws(5, (4,))
    x = x.abs() / 10
    report = gradient_report(lambda x: (0.3 - x).log().sum(), (x,), (lambda x: -1 / (0.3 - x),))
    assert report.ok and all("lay outside the function's domain" in note for note in report.notes)
