"""The names of mistakes: each is right where it is given, and none is given where nothing is certain."""

import itertools
import re
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tensors import draws, eye, seeds, sizes
from torch.nn import functional as F

from utils import gradient_report

few = settings(max_examples=6)
distinct = st.permutations([3, 4, 5, 6]).map(lambda order: tuple(order[:3]))
DESCRIPTIVE = (None, "a factor", "the part along a vector")  # what is said where no mistake is certain


def away_from_zero(x):
    return x + x.sign() / 2


def explained(fn, inputs, *claims, **options):
    """The name and the sentence of the one wrong claim."""
    claims = claims + (None,) * (len(inputs) - len(claims))
    report = gradient_report(fn, inputs, claims, **options)
    wrong = [claim for claim in report.claims if claim.verdict == "wrong"]
    assert len(wrong) == 1, report
    return wrong[0].mistake, wrong[0].finding


def is_right(fn, inputs, *claims, **options):
    claims = claims + (None,) * (len(inputs) - len(claims))
    return gradient_report(fn, inputs, claims, **options).ok


def rms(a, eps):
    return (a.square().mean() + eps).sqrt()


# Transposed

@few
@given(n=sizes, seed=seeds)
def test_a_transposed_gradient_of_a_square_matrix_is_named(n, seed):
    A, x, y = draws(seed, (n, n), (n,), (n,))
    fn = lambda A: y @ (A @ x)
    mistake, finding = explained(fn, (A,), torch.outer(x, y))
    assert mistake == "transposed" and finding.endswith("It is transposed.")
    assert is_right(fn, (A,), torch.outer(y, x))


@few
@given(order=distinct, seed=seeds)
def test_a_transposed_claim_of_a_rectangular_matrix_is_named_by_its_shape(order, seed):
    m, n, _ = order
    A, x, y = draws(seed, (m, n), (n,), (m,))
    for fn, inputs, claim, options in ((lambda A: y @ (A @ x), (A,), torch.outer(x, y), {}),
                                       (lambda A: A @ x, (A,), torch.outer(x, y), {"upstream": y}),
                                       (lambda x: A @ x, (x,), A.T, {})):
        mistake, finding = explained(fn, inputs, claim, **options)
        assert mistake == "transposed" and "wrong shape" in finding and "It is transposed" in finding


@few
@given(n=sizes, seed=seeds)
def test_a_transposed_jacobian_and_vjp_are_named(n, seed):
    A, x, u = draws(seed, (n, n), (n,), (n,))
    assert explained(lambda x: A @ x, (x,), A.T)[0] == "transposed"
    assert explained(lambda A: A @ x, (A,), torch.outer(x, u), upstream=u)[0] == "transposed"
    by_A = torch.einsum("ip,q->ipq", eye(n), x)
    mistake, finding = explained(lambda A: A @ x, (A,), by_A.mT)
    assert mistake == "transposed" and "the axes of A are exchanged" in finding
    B, by_A = A, torch.einsum("ip,q->ipq", A, x)
    assert is_right(lambda A: B @ A @ x, (A,), by_A)
    mistake, finding = explained(lambda A: B @ A @ x, (A,), by_A.transpose(0, 1))
    assert mistake == "transposed" and "axes of the output and of A are exchanged" in finding


# The other vec order, and swapped factors

@few
@given(m=sizes, n=sizes, seed=seeds, order=st.sampled_from(["row", "column"]))
def test_a_jacobian_in_the_other_vec_order_is_named_where_the_order_is_asked_for(m, n, seed, order):
    A, x = draws(seed, (m, n), (n,))
    claims = {"row": torch.kron(eye(m), x[None]), "column": torch.kron(x[None], eye(m))}
    other = {"row": "column", "column": "row"}[order]
    mistake, finding = explained(lambda A: A @ x, (A,), claims[other], order=order)
    assert mistake == "the other vec order" and f"It is right in the other vec order, {other} order" in finding
    assert is_right(lambda A: A @ x, (A,), claims[order], order=order)


@few
@given(m=sizes, n=sizes, seed=seeds)
def test_a_flat_input_in_the_other_vec_order_is_named_with_the_shape_of_the_matrix(m, n, seed):
    w, x, u = draws(seed, (m * n,), (n,), (m,))
    layer = lambda w: w.reshape(m, n) @ x
    mistake, finding = explained(layer, (w,), torch.kron(x[None], eye(m)))
    assert mistake == "the other vec order" and "Its columns are in the other vec order" in finding
    loss = lambda w: u @ (w.reshape(m, n) @ x)
    truth, claim = torch.outer(u, x).reshape(-1), torch.outer(x, u).reshape(-1)
    assert is_right(loss, (w,), truth)
    mistake, finding = explained(loss, (w,), claim)
    rows, columns = map(int, re.search(r"as of a matrix (\d+) × (\d+)", finding).groups())
    assert mistake == "the other vec order" and torch.equal(claim, truth.reshape(columns, rows).T.reshape(-1))


@few
@given(m=sizes, n=sizes, p=sizes, q=sizes, seed=seeds)
def test_swapped_factors_of_a_kronecker_product_are_named(m, n, p, q, seed):
    w, B, C = draws(seed, (m * n,), (p, m), (n, q))
    right, swapped = torch.kron(B, C.T.contiguous()), torch.kron(C.T.contiguous(), B)
    product = lambda w: (B @ w.reshape(m, n) @ C).reshape(-1)
    assert is_right(product, (w,), right)
    mistake, finding = explained(product, (w,), swapped)
    assert mistake == "swapped factors" and "the factors of the Kronecker product are swapped" in finding


@few
@given(n=sizes, seed=seeds)
def test_swapped_factors_of_a_matrix_product_are_named_with_both_products(n, seed):
    X, W, J = draws(seed, (n, n), (n, n), (n, n))
    loss = lambda X, W, J: (J * (X @ W)).sum()
    assert is_right(loss, (X, W, J), J @ W.T, X.T @ J)
    mistake, finding = explained(loss, (X, W, J), W.T @ J)
    assert mistake == "swapped factors" and "It is W.T @ J, where J @ W.T belongs: the factors are swapped." in finding
    mistake, finding = explained(loss, (X, W, J), None, J @ X.T)
    assert mistake == "swapped factors" and "It is J @ X.T, where X.T @ J belongs: the factors are swapped." in finding
    mistake, finding = explained(loss, (X, W, J), J @ W)
    assert mistake == "transposed factor" and "It is J @ W, where J @ W.T belongs: a factor is transposed." in finding


@few
@given(n=sizes, seed=seeds)
def test_swapped_factors_of_a_vjp_are_named(n, seed):
    X, W, U = draws(seed, (n, n), (n, n), (n, n))
    mistake, finding = explained(lambda X, W: X @ W, (X, W), W.T @ U, upstream=U)
    assert mistake == "swapped factors" and "W.T @ the upstream gradient" in finding
    mistake, finding = explained(lambda X, W: X @ W, (X, W), U @ W, upstream=U)
    assert mistake == "transposed factor" and "a factor is transposed" in finding


# Off by a constant factor

def factor_said(finding):
    return float(Fraction(re.search(r"times the constant factor (-?\d+(?:/\d+)?)", finding)[1]))


@settings(max_examples=20)
@given(n=sizes, seed=seeds, k=st.sampled_from(["2", "-1", "1/2", "3/4", "-7/5", "-2"]))
def test_a_constant_factor_is_named_and_is_the_factor(n, seed, k):
    A, x, u = draws(seed, (n, n), (n,), (n,))
    by_A = torch.einsum("ip,q->ipq", eye(n), x)
    for fn, inputs, truth, options in ((lambda x: x @ A @ x, (x,), (A + A.T) @ x, {}),
                                       (lambda x: (A @ x).tanh(), (x,), (1 - (A @ x).tanh() ** 2)[:, None] * A, {}),
                                       (lambda A: A @ x, (A,), by_A, {}),
                                       (lambda A: A @ x, (A,), torch.outer(u, x), {"upstream": u})):
        claim = float(Fraction(k)) * truth
        mistake, finding = explained(fn, inputs, claim, **options)
        assert mistake == f"constant factor {k}"
        assert torch.allclose(claim, factor_said(finding) * truth, rtol=1e-12)
        assert ("the sign is wrong" in finding) == (k == "-1")
        assert is_right(fn, inputs, truth, **options)


@few
@given(n=st.integers(3, 5), seed=seeds)
def test_a_factor_that_may_depend_on_the_inputs_is_called_no_constant(n, seed):
    A, x = draws(seed, (n, n), (n,))
    for factor in (x.norm(), x @ A @ x, A.det()):
        assume(abs(factor - 1) > 1e-2)
        mistake, finding = explained(lambda x: x @ A @ x, (x,), factor * (A + A.T) @ x)
        assert mistake == "a factor" and "constant" not in finding
        said = float(re.search(r"Every entry is (\S+) times", finding)[1])
        assert said == pytest.approx(factor.item(), rel=1e-5)


@few
@given(seed=seeds, digits=st.integers(4, 9))
def test_a_small_relative_error_of_all_entries_is_named_by_its_size(seed, digits):
    A, x = draws(seed, (4, 4), (4,))
    mistake, _ = explained(lambda x: x @ A @ x, (x,), (1 + 10.0**-digits) * (A + A.T) @ x)
    assert mistake == f"constant factor 1 + {10.0**-digits:.2g}"


# Means and sums

@few
@given(order=distinct, seed=seeds)
def test_a_mean_in_place_of_a_sum_names_the_batch(order, seed):
    N, n, m = order
    X, W, b, U = draws(seed, (N, n), (n, m), (m,), (N, m))
    words = f"{N} is the size of axis 0 of X: a mean stands where a sum belongs"
    loss = lambda X, W, b: (U * (X @ W + b)).sum()
    for claims in ((None, X.T @ U / N), (None, None, U.mean(0)), (U @ W.T / N,)):
        mistake, finding = explained(loss, (X, W, b), *claims)
        assert mistake == "mean in place of a sum" and words in finding and f"1/{N}" in finding
        mistake, finding = explained(lambda X, W, b: X @ W + b, (X, W, b), *claims, upstream=U)
        assert mistake == "mean in place of a sum" and words in finding
    assert is_right(loss, (X, W, b), U @ W.T, X.T @ U, U.sum(0))


@few
@given(order=distinct, seed=seeds)
def test_a_sum_in_place_of_a_mean_names_the_batch(order, seed):
    N, n, m = order
    X, W, U = draws(seed, (N, n), (n, m), (N, m))
    words = f"{N}, which is the size of axis 0 of X: a sum stands where a mean belongs"
    mistake, finding = explained(lambda X, W: (U * (X @ W)).sum(1).mean(), (X, W), None, X.T @ U)
    assert mistake == "sum in place of a mean" and words in finding
    of_the_sum = eye(n)[:, None, :].expand(n, N, n).contiguous()
    assert is_right(lambda X: X.mean(0), (X,), of_the_sum / N)
    mistake, finding = explained(lambda X: X.mean(0), (X,), of_the_sum)
    assert mistake == "sum in place of a mean" and words in finding


@few
@given(N=st.integers(3, 5), seed=seeds)
def test_a_mean_over_all_entries_taken_over_one_axis_is_named_by_the_other(N, seed):
    (X,) = draws(seed, (N, N + 1))
    mistake, finding = explained(lambda X: X.square().mean(), (X,), 2 * X / N)
    assert mistake == "sum in place of a mean" and f"{N + 1}, which is the size of axis 1 of X" in finding
    mistake, finding = explained(lambda X: X.square().mean(), (X,), 2 * X)
    assert mistake == "sum in place of a mean" and f"{N * (N + 1)}, which is the number of entries of X" in finding


def test_a_factor_two_beside_an_axis_of_two_is_left_open():
    X, U = draws(1, (2, 3), (2, 3))
    mistake, finding = explained(lambda X, b: (U * (X + b)).sum(), (X, X[0]), None, U.mean(0))
    assert mistake == "constant factor 1/2" and "2 is also the size of axis 0 of X" in finding


# Missing sums

@few
@given(order=distinct, seed=seeds)
def test_a_missing_sum_over_an_axis_is_named_with_the_axis(order, seed):
    N, M, n = order
    X, T, b, U, V = draws(seed, (N, n), (N, M, n), (n,), (N, n), (N, M, n))
    words = "The sum over axis 0 is missing: summed over it, the claim is right"
    mistake, finding = explained(lambda b: (U * (X + b)).sum(), (b,), U)
    assert mistake == "missing sum over an axis" and words in finding
    mistake, finding = explained(lambda b: X + b, (b,), U, upstream=U)
    assert mistake == "missing sum over an axis" and words in finding
    mistake, finding = explained(lambda b: (V * (T + b)).sum(), (b,), V)
    assert mistake == "missing sum over an axis"
    assert "over axes 0 and 1 is missing" in finding
    mistake, finding = explained(lambda b: (V * (T + b)).sum(), (b,), V.sum(0))
    assert mistake == "missing sum over an axis" and "over axis 0 is missing" in finding


@few
@given(order=distinct, seed=seeds)
def test_a_missing_sum_over_the_last_axis_of_a_column_or_for_one_number_is_named(order, seed):
    N, n, _ = order
    X, c, U, gamma = draws(seed, (N, n), (N, 1), (N, n), ())
    mistake, finding = explained(lambda c: (U * (X + c)).sum(), (c,), U)
    assert mistake == "missing sum over an axis" and "axis 1 is missing" in finding
    mistake, finding = explained(lambda gamma: (U * gamma * X).sum(), (gamma,), U * X)
    assert mistake == "missing sum over an axis"
    assert "axes 0 and 1 is missing" in finding
    mistake, finding = explained(lambda b: (U * (X + b)).sum(1).mean(), (X[0],), U)
    assert mistake == "missing sum over an axis" and "The mean over axis 0 is missing" in finding


@few
@given(order=distinct, seed=seeds)
def test_a_sum_over_an_axis_that_must_stay_is_named(order, seed):
    N, n, _ = order
    X, U = draws(seed, (N, n), (N, n))
    mistake, finding = explained(lambda X: (U * X).sum(), (X,), U.sum(0))
    assert mistake == "summed over an axis" and "It is summed over axis 0, which must stay" in finding
    (A, x) = draws(seed, (N, n), (n,))
    mistake, finding = explained(lambda x: A @ x, (x,), A.sum(0))
    assert mistake == "summed over the outputs" and "an upstream gradient of ones" in finding


# Missing projections and centrings

EPS = 1e-3


class RMS:
    """An RMS norm g * a / u of a layer a = W x, with the derivatives written out."""

    def __init__(self, m, n, seed):
        self.W, self.x, self.g, self.d = draws(seed, (m, n), (n,), (m,), (m,))
        self.g = away_from_zero(self.g)
        self.a = self.W @ self.x
        self.u = rms(self.a, EPS)
        self.P = (eye(m) - torch.outer(self.a, self.a) / (m * self.u**2)) / self.u
        g, d, W = self.g, self.d, self.W
        self.of_a = lambda a: g * a / rms(a, EPS)
        self.loss_of_a = lambda a: d @ (g * a / rms(a, EPS))
        self.loss_of_W = lambda W, x: d @ (g * (W @ x) / rms(W @ x, EPS))


@few
@given(order=distinct, seed=seeds)
def test_a_missing_projection_of_rms_norm_is_named_with_its_vector(order, seed):
    m, n, _ = order
    case = RMS(m, n, seed)
    a, h = case.a, case.g * case.d
    assume(abs(a @ h) > 1e-2 * a.norm() * h.norm())
    truth, claim = case.P @ h, h / case.u
    assert is_right(case.loss_of_a, (a,), truth)
    for fn, options in ((case.loss_of_a, {}), (case.of_a, {"upstream": case.d})):
        mistake, finding = explained(fn, (a,), claim, **options)
        assert mistake == "missing projection" and "subtract the part along a." in finding
    gap = claim - truth
    assert torch.allclose(gap, gap @ a / (a @ a) * a)
    mistake, finding = explained(case.loss_of_W, (case.W, case.x), torch.outer(claim, case.x))
    assert mistake == "missing projection" and "subtract the part along W @ x." in finding
    mistake, finding = explained(case.of_a, (a,), torch.diag(case.g) / case.u)
    assert mistake == "missing projection" and "subtract the part along a." in finding


@few
@given(n=st.integers(3, 6), seed=seeds)
def test_a_missing_projection_of_a_unit_vector_and_of_softmax_is_named(n, seed):
    x, d = draws(seed, (n,), (n,))
    r = x.norm()
    right = (eye(n) - torch.outer(x, x) / r**2) / r
    assert is_right(lambda x: x / x.norm(), (x,), right)
    assert explained(lambda x: x / x.norm(), (x,), eye(n) / r)[0] == "missing projection"
    mistake, finding = explained(lambda x: x / x.norm(), (x,), d / r, upstream=d)
    assert mistake == "missing projection" and "subtract the part along x." in finding
    p = torch.softmax(x, 0)
    mistake, finding = explained(lambda x: torch.softmax(x, 0), (x,), torch.diag(p))
    assert mistake == "missing projection"
    assert "subtract so much of softmax(x, 0) that the sum over axis 1 is zero" in finding
    right, claim = torch.diag(p) - torch.outer(p, p), torch.diag(p)
    part = claim.sum(1, keepdim=True) / p.sum() * p
    assert torch.allclose(claim - part, right)


class LayerNorm:
    def __init__(self, n, seed):
        self.x, self.g, self.d = draws(seed, (n,), (n,), (n,))
        g, d = self.g, self.d = away_from_zero(self.g), self.d
        self.s = (self.x.var(unbiased=False) + EPS).sqrt()
        self.hat = (self.x - self.x.mean()) / self.s
        self.written = lambda x: d @ (g * (x - x.mean()) / (x.var(unbiased=False) + EPS).sqrt())
        self.layer = lambda x: F.layer_norm(x, (n,), g, None, EPS)

    def gradient(self, h, centre=True, project=True):
        return (h - centre * h.mean() - project * self.hat * (self.hat @ h) / len(h)) / self.s


LAYER_NORMS = {"missing centring": {"centre": False}, "missing projection": {"project": False},
               "both": {"centre": False, "project": False}}


@few
@given(n=st.integers(4, 7), seed=seeds, which=st.sampled_from(list(LAYER_NORMS)))
def test_missing_parts_of_layer_norm_are_named(n, seed, which):
    case = LayerNorm(n, seed)
    x, h = case.x, case.g * case.d
    assume(abs(h.mean()) > 1e-2 and abs(case.hat @ h) > 1e-2)
    claim = case.gradient(h, **LAYER_NORMS[which])
    for fn, options in ((case.written, {}), (case.layer, {"upstream": case.d})):
        assert is_right(fn, (x,), case.gradient(h), **options)
        mistake, finding = explained(fn, (x,), claim, **options)
        if which == "both":
            assert mistake == "missing projection" and "The projection and the centring are missing" in finding
        else:
            assert mistake == which and f"The {which.split()[1]} is missing" in finding
        if which == "missing centring":
            assert "subtract the mean over axis 0" in finding
            assert torch.allclose(claim - claim.mean(), case.gradient(h))


@few
@given(n=st.integers(3, 6), N=st.integers(3, 6), seed=seeds)
def test_a_missing_centring_of_a_mean_free_vector_a_batch_and_a_variance_is_named(n, N, seed):
    x, X, U = draws(seed, (n,), (N, n), (N, n))
    assert is_right(lambda x: x - x.mean(), (x,), eye(n) - 1 / n)
    assert explained(lambda x: x - x.mean(), (x,), eye(n))[0] == "missing centring"
    mistake, finding = explained(lambda X: X - X.mean(0), (X,), U, upstream=U)
    assert mistake == "missing centring" and "subtract the mean over axis 0" in finding
    mistake, finding = explained(lambda X: X - X.mean(1, keepdim=True), (X,), U, upstream=U)
    assert mistake == "missing centring" and "subtract the mean over axis 1" in finding
    assert explained(lambda x: x.var(unbiased=False), (x,), 2 * x / n)[0] == "missing centring"


@settings(max_examples=5)
@given(n=st.integers(3, 6), seed=seeds, share=st.floats(0.2, 0.8))
def test_a_projection_with_a_wrong_factor_is_not_called_missing(n, seed, share):
    case = RMS(n, n + 1, seed)
    h = case.g * case.d
    part = case.a * (case.a @ h) / (n * case.u**2) / case.u
    assume(part.norm() > 1e-2 * h.norm())
    for factor in (share, 1 + share, -share):
        assert explained(case.loss_of_a, (case.a,), h / case.u - factor * part)[0] in DESCRIPTIVE
    layer = LayerNorm(n + 1, seed)
    h = layer.g * layer.d
    assume(abs(layer.hat @ h) > 1e-2 and abs(h.mean()) > 1e-2)
    for centre, project in ((1, share), (share, 1), (share, share), (1, -share), (share, 0), (0, share)):
        mistake, finding = explained(layer.written, (layer.x,), layer.gradient(h, centre, project))
        if project == 1:
            assert mistake in ("missing centring", *DESCRIPTIVE), finding
        else:
            assert mistake in DESCRIPTIVE, finding


# Gains

@few
@given(order=distinct, seed=seeds)
def test_a_gain_on_the_wrong_side_and_a_forgotten_one_are_named(order, seed):
    m, n, _ = order
    case = RMS(m, n, seed)
    inside, outside, without = case.P @ (case.g * case.d), case.g * (case.P @ case.d), case.P @ case.d
    assert is_right(case.loss_of_W, (case.W, case.x), torch.outer(inside, case.x), case.W.T @ inside)
    for name, words, s in (("gain on the wrong side", "g is applied on the wrong side", outside),
                           ("gain forgotten", "the factor g is forgotten", without)):
        for fn, inputs, claims, options in (
                (case.loss_of_a, (case.a,), (s,), {}),
                (case.of_a, (case.a,), (s,), {"upstream": case.d}),
                (case.loss_of_W, (case.W, case.x), (torch.outer(s, case.x),), {}),
                (case.loss_of_W, (case.W, case.x), (None, case.W.T @ s), {})):
            mistake, finding = explained(fn, inputs, *claims, **options)
            assert mistake == name and words in finding


@few
@given(n=st.integers(3, 6), seed=seeds)
def test_a_gain_of_layer_norm_on_the_wrong_side_or_forgotten_is_named(n, seed):
    case = LayerNorm(n + 1, seed)
    for fn, options in ((case.written, {}), (case.layer, {"upstream": case.d})):
        assert explained(fn, (case.x,), case.g * case.gradient(case.d), **options)[0] == "gain on the wrong side"
        assert explained(fn, (case.x,), case.gradient(case.d), **options)[0] == "gain forgotten"


@few
@given(n=st.integers(3, 6), seed=seeds)
def test_a_gain_that_scales_columns_in_place_of_rows_is_named_and_so_is_one_taken_twice(n, seed):
    S, x, g, d = draws(seed, (n, n), (n,), (n,), (n,))
    g = away_from_zero(g)
    layer = lambda x: g * (S @ x)
    assert is_right(layer, (x,), g[:, None] * S)
    mistake, finding = explained(layer, (x,), S * g)
    assert mistake == "gain on the wrong side" and "g is applied on the wrong side" in finding
    assert explained(layer, (x,), S)[0] == "gain forgotten"
    mistake, finding = explained(layer, (x,), g[:, None] ** 2 * S)
    assert mistake == "gain too often" and "It has the factor g once too often" in finding
    assert explained(lambda x: d @ (g * x), (x,), d)[0] == "gain forgotten"
    assert explained(lambda x: d @ (g * x), (x,), d * g * g)[0] == "gain too often"


@few
@given(seed=seeds)
def test_a_factor_that_is_a_single_number_of_the_function_is_said(seed):
    x, d, gamma = draws(seed, (4,), (4,), ())
    gamma = away_from_zero(gamma)
    fn = lambda x, gamma: (d * gamma * x).sum()
    mistake, finding = explained(fn, (x, gamma), d)
    assert mistake == "a factor" and "the gradient divided by gamma" in finding
    mistake, finding = explained(fn, (x, gamma), gamma**2 * d)
    assert mistake == "a factor" and "the gradient times gamma" in finding


# Other names

@few
@given(n=st.integers(3, 6), seed=seeds)
def test_a_matrix_that_is_right_on_its_diagonal_only_is_named(n, seed):
    x, noise = draws(seed, (n,), (n, n))
    p = torch.softmax(x, 0)
    softmax = lambda x: torch.softmax(x, 0)
    mistake, finding = explained(softmax, (x,), torch.diag(p * (1 - p)))
    assert mistake == "right on the diagonal only" and "and zero off it" in finding
    right = torch.diag(p) - torch.outer(p, p)
    claim = right + noise * (1 - eye(n))
    mistake, finding = explained(softmax, (x,), claim)
    assert mistake == "right on the diagonal only" and "zero off it" not in finding
    assert torch.equal(claim.diag(), right.diag())
    A, = draws(seed, (n, n))
    assert explained(lambda X: (A * X).sum(), (noise,), torch.diag(A.diag()))[0] == "right on the diagonal only"


@few
@given(n=st.integers(3, 6), seed=seeds)
def test_the_gradient_by_another_input_is_named_with_the_input(n, seed):
    S, T, x, y = draws(seed, (n, n), (n, n), (n,), (n,))
    bilinear = lambda x, y: x @ S @ y + y.square().sum()
    by_y = x @ S + 2 * y
    mistake, finding = explained(bilinear, (x, y), by_y)
    assert mistake == "gradient by another input" and "It is the gradient by y" in finding
    mistake, finding = explained(bilinear, (x, y), None, S @ y)
    assert mistake == "gradient by another input" and "It is the gradient by x" in finding
    mistake, finding = explained(lambda x, y: (S @ x) * (T @ y), (x, y), (S @ x)[:, None] * T, (S @ x)[:, None] * T)
    assert mistake == "gradient by another input" and "It is the Jacobian by y" in finding
    d = x + y
    mistake, finding = explained(lambda x, y: (S @ x) * (T @ y), (x, y), T.T @ (S @ x * d), upstream=d)
    assert mistake == "gradient by another input" and "by y" in finding


@few
@given(order=distinct, seed=seeds)
def test_the_gradient_by_an_input_of_another_shape_is_named(order, seed):
    N, n, m = order
    X, W, U = draws(seed, (N, n), (n, m), (N, m))
    mistake, finding = explained(lambda X, W: (U * (X @ W)).sum(), (X, W), X.T @ U)
    assert mistake == "gradient by another input" and "It is the gradient by W" in finding


@few
@given(seed=seeds, digits=st.integers(3, 8))
def test_a_missing_epsilon_is_named_with_its_value(seed, digits):
    eps = 10.0**-digits
    a, d = draws(seed, (5,), (5,))
    u = rms(a, 0)
    claim = (d - a * (a @ d) / (5 * u**2)) / u
    mistake, finding = explained(lambda a: d @ (a / rms(a, eps)), (a,), claim)
    assert mistake == "missing ε" and f"without the constant {eps:g}" in finding
    mistake, _ = explained(lambda a: a / rms(a, eps), (a,), (eye(5) - torch.outer(a, a) / (5 * u**2)) / u)
    assert mistake == "missing ε"
    mistake, _ = explained(lambda a: a / rms(a, eps), (a,), claim, upstream=d)
    assert mistake == "missing ε"
    s = a.var(unbiased=False).sqrt()
    hat = (a - a.mean()) / s
    centred = (d - d.mean() - hat * (hat @ d) / 5) / s
    assert explained(lambda a: F.layer_norm(a, (5,), eps=eps), (a,), centred, upstream=d)[0] == "missing ε"


@few
@given(n=st.integers(3, 6), seed=seeds)
def test_a_path_left_out_is_named_with_what_was_held_constant(n, seed):
    S, x, d = draws(seed, (n, n), (n,), (n,))
    rayleigh = lambda x: (x @ S @ x) / (x @ x)
    mistake, finding = explained(rayleigh, (x,), (S + S.T) @ x / (x @ x))
    assert mistake == "a path left out" and "with x @ x held constant" in finding
    gated = lambda x: d @ ((S @ x) * torch.sigmoid(x))
    p = torch.sigmoid(x)
    assert is_right(gated, (x,), S.T @ (d * p) + d * (S @ x) * p * (1 - p))
    mistake, finding = explained(gated, (x,), S.T @ (d * p))
    assert mistake in ("a path left out", "places of an input")
    if mistake == "a path left out":
        assert "sigmoid(x) held constant" in finding


@settings(max_examples=20)
@given(n=st.integers(3, 6), seed=seeds, counts=st.tuples(st.integers(-2, 3), st.integers(-2, 3)))
def test_the_places_of_an_input_are_counted(n, seed, counts):
    S, x = draws(seed, (n, n), (n,))
    assume(counts[0] != counts[1])
    claim = counts[0] * S @ x + counts[1] * x @ S
    mistake, finding = explained(lambda x: x @ S @ x, (x,), claim)
    if counts == (1, 0):
        assert mistake == "a term" and "without the term x @ S: add it" in finding
    else:
        assert mistake == "places of an input"
        assert "2 places of the function, each of which counts once" in finding
        assert f"the claim counts them {counts[0]} and {counts[1]} times" in finding


@few
@given(n=st.integers(3, 6), seed=seeds)
def test_a_term_that_is_forgotten_or_not_subtracted_is_named(n, seed):
    z, U, x = draws(seed, (n,), (n,), (n,))
    t = F.one_hot(torch.tensor(seed % n), n).double()
    p = torch.softmax(z, 0)
    mistake, finding = explained(lambda z: -(t * torch.log_softmax(z, 0)).sum(), (z,), p)
    assert mistake == "a term" and "plus t: subtract t" in finding
    mistake, finding = explained(lambda x: x.tanh() + x, (x,), U * (1 - x.tanh() ** 2), upstream=U)
    assert mistake == "a term" and "without the term the upstream gradient: add it" in finding


@few
@given(n=st.integers(2, 6), seed=seeds, size=st.sampled_from([1, 1e-12, 1e-100]))
def test_a_claim_of_zero_is_named(n, seed, size):
    A, x = draws(seed, (n, n), (n,))
    for fn, claim, options in ((lambda x: size * (x @ A @ x), torch.zeros_like(x), {}),
                               (lambda x: size * (A @ x), torch.zeros_like(A), {}),
                               (lambda x: size * (A @ x), torch.zeros_like(x), {"upstream": x})):
        mistake, finding = explained(fn, (x,), claim, **options)
        assert mistake == "zero" and "The claim is zero everywhere" in finding


@few
@given(n=st.integers(4, 7), seed=seeds, data=st.data())
def test_wrong_signs_are_counted(n, seed, data):
    d, x = draws(seed, (n,), (n,))
    flipped = data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 2))
    signs = torch.tensor([-1.0 if k in flipped else 1.0 for k in range(n)], dtype=torch.float64)
    mistake, finding = explained(lambda x: d @ x.exp(), (x,), signs * d * x.exp())
    assert mistake == "signs" and f"but for the signs of {len(flipped)}." in finding


@few
@given(n=st.integers(3, 6), seed=seeds, data=st.data())
def test_what_is_left_when_no_name_fits_is_where_the_wrong_entries_are(n, seed, data):
    A, x = draws(seed, (n, n + 1), (n + 1,))
    row, column = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n))
    claim = A.clone()
    claim[row, column] += 0.5
    mistake, finding = explained(lambda x: A @ x, (x,), claim)
    assert mistake is None and finding.endswith("All other entries are right.")
    claim = A.clone()
    claim[row] += torch.rand(n + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.1
    mistake, finding = explained(lambda x: A @ x, (x,), claim)
    assert mistake is None and finding.endswith(f"All wrong entries have index {row} on axis 0.")


def test_a_claim_with_numbers_that_are_not_finite_is_named():
    A, x = draws(3, (3, 3), (3,))
    claim = A.clone()
    claim[1, 2] = torch.nan
    assert explained(lambda x: A @ x, (x,), claim)[0] == "not finite"


# No wrong name

def functions(seed):
    """Functions of each kind with an input and the derivative by it, written by hand."""
    case, layer = RMS(4, 5, seed), LayerNorm(5, seed)
    S, x, X, W, U, d = draws(seed + 1, (4, 4), (4,), (5, 4), (4, 3), (5, 3), (4,))
    p = torch.softmax(x, 0)
    return {
        "quadratic form": (lambda x: x @ S @ x, (x,), (S + S.T) @ x),
        "linear map": (lambda x: S @ x, (x,), S),
        "rms norm": (case.loss_of_a, (case.a,), case.P @ (case.g * case.d)),
        "rms norm of a layer": (case.loss_of_W, (case.W, case.x), torch.outer(case.P @ (case.g * case.d), case.x)),
        "Jacobian of rms norm": (case.of_a, (case.a,), case.P * case.g[:, None]),
        "layer norm": (layer.written, (layer.x,), layer.gradient(layer.g * layer.d)),
        "softmax": (lambda x: torch.softmax(x, 0), (x,), torch.diag(p) - torch.outer(p, p)),
        "layer": (lambda X, W: (U * (X @ W)).sum(), (X, W), U @ W.T),
        "square by its matrix": (lambda S, x: (S @ x).square().sum() / 2, (S, x), torch.outer(S @ x, x)),
        "logarithm": (lambda x: d @ (x.square() + 1).log(), (x,), d * 2 * x / (x.square() + 1)),
    }


KINDS = list(functions(0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_derivatives_of_these_functions_are_right(kind):
    assert is_right(*functions(5)[kind])


@settings(max_examples=25)
@given(kind=st.sampled_from(KINDS), seed=seeds)
def test_a_random_claim_gets_no_name(kind, seed):
    fn, inputs, truth = functions(seed)[kind]
    (claim,) = draws(seed + 2, truth.shape)
    mistake, finding = explained(fn, inputs, claim)
    assert mistake in DESCRIPTIVE, finding


@settings(max_examples=25)
@given(kind=st.sampled_from(KINDS), seed=seeds, data=st.data())
def test_a_claim_with_random_wrong_entries_gets_no_name(kind, seed, data):
    fn, inputs, truth = functions(seed)[kind]
    places = data.draw(st.sets(st.integers(0, truth.numel() - 1), min_size=1, max_size=truth.numel() - 2))
    size = 10.0 ** data.draw(st.integers(-6, 1))
    (noise,) = draws(seed + 3, (truth.numel(),))
    claim = truth.clone().reshape(-1)
    for place in places:
        claim[place] += size * noise[place] + size * noise[place].sign() / 2
    mistake, finding = explained(fn, inputs, claim.reshape(truth.shape))
    assert mistake in DESCRIPTIVE, finding


@settings(max_examples=25)
@given(kind=st.sampled_from(KINDS), seed=seeds)
def test_a_claim_whose_factors_depend_on_the_inputs_gets_no_name(kind, seed):
    fn, inputs, truth = functions(seed)[kind]
    x = inputs[0]
    for factor in (x.norm(), x.mean(), 1 + x.square().sum(), truth.abs().sum().rsqrt()):
        assume(abs(factor - 1) > 1e-2)
        mistake, finding = explained(fn, inputs, factor * truth)
        assert mistake in DESCRIPTIVE, finding


def mixed_mistakes(seed):
    """Claims with two mistakes at once, none of which is the whole mistake."""
    case, layer = RMS(4, 5, seed), LayerNorm(5, seed)
    S, x, X, W, J = draws(seed + 1, (4, 4), (4,), (4, 4), (4, 4), (4, 4))
    u0 = rms(case.a, 0)
    P0 = (eye(4) - torch.outer(case.a, case.a) / (4 * u0**2)) / u0
    h, k = case.g * case.d, layer.g * layer.d
    product = lambda X, W, J: (J * (X @ W)).sum()
    p = torch.softmax(x, 0)
    return {
        "transposed, and twice": (product, (X, W, J), 2 * (J @ W.T).T),
        "swapped, and the sign": (product, (X, W, J), -W.T @ J),
        "no projection, and no gain": (case.loss_of_a, (case.a,), case.d / case.u),
        "no projection, and half": (case.loss_of_a, (case.a,), h / case.u / 2),
        "no ε, and the sign": (case.loss_of_a, (case.a,), -P0 @ h),
        "no ε, and the gain outside": (case.loss_of_a, (case.a,), case.g * (P0 @ case.d)),
        "gain outside, and twice": (case.loss_of_W, (case.W, case.x),
                                    2 * torch.outer(case.g * (case.P @ case.d), case.x)),
        "no centring, and a third": (layer.written, (layer.x,), layer.gradient(k, centre=False) / 3),
        "no centring, and no gain": (layer.written, (layer.x,), layer.gradient(layer.d, centre=False)),
        "no projection, and the gain outside": (layer.written, (layer.x,),
                                                layer.g * layer.gradient(layer.d, project=False)),
        "one place, and a wrong entry": (lambda x: x @ S @ x, (x,), S @ x + 3 * eye(4)[0]),
        "no projection, and the sign": (lambda x: torch.softmax(x, 0), (x,), -torch.diag(p)),
        "a sum for a mean, and transposed": (lambda X: (J * X).mean(), (X,), J.T),
    }


@pytest.mark.parametrize("which", list(mixed_mistakes(0)))
@settings(max_examples=5)
@given(seed=seeds)
def test_two_mistakes_at_once_get_no_name_of_one(which, seed):
    mistake, finding = explained(*mixed_mistakes(seed)[which])
    assert mistake in DESCRIPTIVE, finding


# Where inputs let two names coincide, what is said is true

def is_true(mistake, finding, claim, truth):
    """Recompute what a sentence says; None where it cannot be told from the two values alone."""
    if mistake == "transposed":
        return any(order != tuple(range(truth.ndim)) and truth.permute(order).shape == claim.shape
                   and torch.allclose(truth.permute(order), claim)
                   for order in itertools.permutations(range(truth.ndim)))
    if mistake and "constant factor" in finding:
        return torch.allclose(claim, factor_said(finding) * truth)
    if mistake == "zero":
        return not claim.any()
    if mistake == "signs":
        return torch.allclose(claim.abs(), truth.abs())
    if mistake == "right on the diagonal only":
        return torch.allclose(claim.diag(), truth.diag())
    if mistake == "missing centring":
        axis = int(re.search(r"mean over axis (\d)", finding)[1])
        return torch.allclose(claim - claim.mean(axis, keepdim=True), truth)
    if mistake == "a factor":
        return torch.allclose(claim, float(re.search(r"is (\S+) times", finding)[1]) * truth, rtol=1e-4)
    return None


SPECIAL = {
    "symmetric": lambda A: A + A.T,
    "antisymmetric": lambda A: A - A.T,
    "equal entries": lambda A: torch.full_like(A, 1.5),
    "identity": lambda A: eye(len(A)),
    "whole numbers": lambda A: A.round(),
    "diagonal": lambda A: torch.diag(A.diag()),
    "one row": lambda A: torch.outer(torch.ones(len(A), dtype=torch.float64), A[0]),
}
CHANGES = {
    "transposed": lambda J: J.T, "minus": lambda J: -J, "twice": lambda J: 2 * J, "half": lambda J: J / 2,
    "diagonal": lambda J: torch.diag(J.diag()), "sizes": lambda J: J.abs(), "columns reversed": lambda J: J.flip(1),
    "summed": lambda J: J.sum(0).expand(J.shape), "plus one": lambda J: J + 1,
    "symmetric part": lambda J: (J + J.T) / 2,
    "centred": lambda J: J - J.mean(1, keepdim=True), "minus transposed": lambda J: -J.T,
}


@settings(max_examples=60)
@given(n=st.integers(2, 4), seed=seeds, special=st.sampled_from(list(SPECIAL)), change=st.sampled_from(list(CHANGES)),
       scalar=st.booleans())
def test_what_is_said_at_inputs_that_do_not_tell_mistakes_apart_is_true(n, seed, special, change, scalar):
    """The derivative is the special matrix itself: a Jacobian by a vector, or a gradient by a matrix."""
    A, x, X = draws(seed, (n, n), (n,), (n, n))
    A = SPECIAL[special](A)
    claim = CHANGES[change](A)
    fn, inputs = (lambda X: (A * X).sum(), (X,)) if scalar else (lambda x: A @ x, (x,))
    report = gradient_report(fn, inputs, (claim.contiguous(),)).claims[0]
    assert (report.verdict == "right") == torch.equal(claim, A)
    if report.verdict == "wrong":
        assert is_true(report.mistake, report.finding, claim, A) is not False, report


@few
@given(n=st.integers(3, 5), seed=seeds)
def test_a_symmetric_matrix_in_a_quadratic_form_makes_one_place_the_factor_half(n, seed):
    S, x = draws(seed, (n, n), (n,))
    S = S + S.T
    mistake, finding = explained(lambda x: x @ S @ x, (x,), S @ x)
    assert mistake == "constant factor 1/2" and torch.allclose(S @ x, factor_said(finding) * 2 * S @ x)


@few
@given(n=st.integers(3, 5), seed=seeds)
def test_both_names_are_given_where_they_are_the_same(n, seed):
    """The projection of RMS norm is symmetric: the gain on the wrong side is the transpose."""
    case = RMS(n, n + 1, seed)
    mistake, finding = explained(case.of_a, (case.a,), case.P * case.g)
    assert torch.allclose(case.P * case.g, (case.P * case.g[:, None]).T)
    assert mistake == "transposed" and "Here this is the same: g is applied on the wrong side" in finding


@few
@given(n=st.integers(3, 5), seed=seeds)
def test_the_same_values_in_another_function_get_another_name(n, seed):
    """diag(p) is the Jacobian of softmax without its projection, and of a product with p the whole of it."""
    x, = draws(seed, (n,))
    p = torch.softmax(x, 0)
    assert explained(lambda x: torch.softmax(x, 0), (x,), torch.diag(p))[0] == "missing projection"
    assert is_right(lambda x: p * x, (x,), torch.diag(p))
