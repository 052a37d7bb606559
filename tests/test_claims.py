"""What may be given: several inputs, nested ones, modules, one function for all; Jacobians and VJPs in their forms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensors import draws, eye, seeds, sizes
from torch import nn
from torch.nn import functional as F

from utils import check_gradient, gradient_report

few = settings(max_examples=6)


def verdicts(*args, **options):
    return [claim.verdict for claim in gradient_report(*args, **options).claims]


def quantities(*args, **options):
    report = gradient_report(*args, **options)
    assert report.ok, report
    return [claim.quantity for claim in report.claims]


def layer(N, n, m, seed):
    return draws(seed, (N, n), (n, m), (m,), (N, m))


# Several inputs at once

@few
@given(N=sizes, n=sizes, m=sizes, seed=seeds, wrong=st.sets(st.integers(0, 2)))
def test_each_of_several_claims_is_judged_alone(N, n, m, seed, wrong):
    X, W, b, U = layer(N, n, m, seed)
    claims = [U @ W.T, X.T @ U, U.sum(0)]
    claims = tuple(claim + 0.1 if i in wrong else claim for i, claim in enumerate(claims))
    assert verdicts(lambda X, W, b: (U * (X @ W + b)).sum(), (X, W, b), claims) == \
        ["wrong" if i in wrong else "right" for i in range(3)]


@few
@given(n=sizes, m=sizes, seed=seeds)
def test_nothing_is_said_of_inputs_without_a_claim(n, m, seed):
    A, x, d = draws(seed, (m, n), (n,), (m,))
    report = gradient_report(lambda A, x: d @ (A @ x), (A, x), (None, d @ A))
    assert [claim.quantity for claim in report.claims] == ["gradient by x"]


def test_labels_and_indices_may_stand_among_the_inputs():
    (Z,) = draws(3, (4, 3))
    labels = torch.tensor([0, 2, 1, 1])
    claim = (torch.softmax(Z, 1) - F.one_hot(labels, 3)) / 4
    assert check_gradient(lambda Z, labels: F.cross_entropy(Z, labels), (Z, labels), (claim, None)).ok
    whole = lambda Z, labels: ((torch.softmax(Z, 1) - F.one_hot(labels, 3)) / 4, None)
    assert check_gradient(lambda Z, labels: F.cross_entropy(Z, labels), (Z, labels), whole).ok
    with pytest.raises(TypeError, match="Input labels must be a floating-point tensor"):
        check_gradient(lambda Z, labels: F.cross_entropy(Z, labels), (Z, labels), (None, claim))


# Dicts and nested inputs

@few
@given(n=sizes, m=sizes, seed=seeds)
def test_a_dict_of_inputs_is_given_by_keyword(n, m, seed):
    W, x, d = draws(seed, (m, n), (n,), (m,))
    fn = lambda x, W: d @ (W @ x)
    inputs, right = {"W": W, "x": x}, {"x": d @ W, "W": torch.outer(d, x)}
    assert verdicts(fn, inputs, right) == ["right", "right"]
    assert verdicts(fn, inputs, {"W": 2 * right["W"], "x": None}) == ["wrong"]
    assert verdicts(fn, inputs, {"W": lambda W, x: torch.outer(d, x), "x": lambda x, W: d @ W}) == ["right", "right"]
    assert verdicts(fn, inputs, lambda W, x: {"W": torch.outer(d, x), "x": d @ W}) == ["right", "right"]
    assert verdicts(fn, inputs, lambda W, x: {"W": torch.outer(d, x), "x": None}) == ["right"]
    layer = lambda x, W: W @ x
    assert verdicts(layer, inputs, {"W": lambda W, x, upstream: torch.outer(upstream, x), "x": d @ W}, upstream=d) == \
        ["right", "right"]
    assert verdicts(layer, inputs, lambda W, x, upstream: {"W": torch.outer(upstream, x), "x": upstream @ W},
                    upstream=d) == ["right", "right"]


def two_layers(seed):
    W1, b1, W2, b2, x = draws(seed, (4, 3), (4,), (2, 4), (2,), (3,))
    parameters = {"first": {"W": W1, "b": b1}, "rest": [(W2, b2)]}

    def fn(p, x):
        ((W2, b2),) = p["rest"]
        return (W2 @ (p["first"]["W"] @ x + p["first"]["b"]).tanh() + b2).square().sum() / 2

    h = (W1 @ x + b1).tanh()
    y = W2 @ h + b2
    s = (1 - h**2) * (W2.T @ y)
    claims = {"first": {"W": torch.outer(s, x), "b": s}, "rest": [(torch.outer(y, h), y)]}
    return fn, (parameters, x), claims, W1.T @ s


@few
@given(seed=seeds)
def test_nested_inputs_take_nested_claims_and_are_named_by_their_path(seed):
    fn, inputs, claims, by_x = two_layers(seed)
    assert quantities(fn, inputs, (claims, by_x)) == [
        "gradient by p['first']['W']", "gradient by p['first']['b']", "gradient by p['rest'][0][0]",
        "gradient by p['rest'][0][1]", "gradient by x"]
    claims["rest"][0] = (None, claims["rest"][0][1] * 3)
    claims["first"]["b"] = None
    report = gradient_report(fn, inputs, (claims, None))
    assert [claim.verdict for claim in report.claims] == ["right", "wrong"]
    assert "p['rest'][0][1][0], expected" in report.claims[1].finding


def test_nested_claims_may_be_functions_or_come_from_one():
    fn, inputs, claims, by_x = two_layers(2)
    whole = lambda p, x: (claims, by_x)
    assert not gradient_report(fn, inputs, whole).ok  # it gives the same values on redrawn inputs

    def backward(p, x):
        (W1, b1), ((W2, b2),) = p["first"].values(), p["rest"]
        h = (W1 @ x + b1).tanh()
        y = W2 @ h + b2
        s = (1 - h**2) * (W2.T @ y)
        return {"first": {"W": torch.outer(s, x), "b": s}, "rest": [(torch.outer(y, h), y)]}, W1.T @ s
    assert gradient_report(fn, inputs, backward).ok
    assert gradient_report(fn, inputs, (lambda p, x: backward(p, x)[0], None)).ok


def test_settings_may_stand_among_nested_tensors():
    W, x = draws(3, (3, 3), (3,))
    fn = lambda p, x: p["scale"] * (p["W"] @ x).sum()
    report = gradient_report(fn, ({"W": W, "scale": 2.0}, x), ({"W": 2 * x.expand(3, 3)}, None))
    assert report.ok


# Modules

@few
@given(N=sizes, n=sizes, m=sizes, seed=seeds, single=st.booleans())
def test_a_module_among_the_inputs_takes_a_dict_of_its_parameters(N, n, m, seed, single):
    X, W, b, U = layer(N, n, m, seed)
    module = nn.Linear(n, m)
    module.weight.data, module.bias.data = (W.T.float(), b.float()) if single else (W.T.contiguous(), b)
    if single:
        X, U = X.float(), U.float()
    fn = lambda module, X: (U * module(X)).sum()
    claims = {"weight": U.T @ X, "bias": U.sum(0)}, U @ module.weight.detach()
    assert quantities(fn, (module, X), claims) == \
        ["gradient by module.weight", "gradient by module.bias", "gradient by X"]
    assert verdicts(fn, (module, X), ({"weight": U.T @ X, "bias": U.mean(0)}, None)) == ["right", "wrong"]
    assert verdicts(fn, (module, X), (None, U @ module.weight.detach() * 2)) == ["wrong"]
    assert module.weight.dtype == (torch.float32 if single else torch.float64) and module.weight.grad is None


@few
@given(n=sizes, m=sizes, seed=seeds, single=st.booleans())
def test_fn_may_be_a_module_itself_also_of_float32(n, m, seed, single):
    (x,) = draws(seed, (n,))
    module = nn.Sequential(nn.Linear(n, m), nn.Tanh())
    if not single:
        module = module.double()
    x = x.float() if single else x
    with torch.no_grad():
        jacobian = (1 - module(x) ** 2)[:, None] * module[0].weight
    before = [parameter.detach().clone() for parameter in module.parameters()]
    report = gradient_report(module, (x,), (jacobian,))
    assert report.ok and ("float64" in " ".join(report.notes)) == single
    assert verdicts(module, (x,), (jacobian + 1e-3,)) == ["wrong"]
    assert all(torch.equal(old, new) and new.grad is None for old, new in zip(before, module.parameters(), strict=True))


def test_a_module_in_training_keeps_its_buffers():
    (X, U) = draws(4, (6, 3), (6, 3))
    norm = nn.BatchNorm1d(3).double()
    centred = X - X.mean(0)
    s = (X.var(0, unbiased=False) + norm.eps).sqrt()
    hat = centred / s
    claim = (U - U.mean(0) - hat * (hat * U).mean(0)) / s
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    for report in (gradient_report(lambda norm, X: (U * norm(X)).sum(), (norm, X),
                                   ({"weight": (U * hat).sum(0), "bias": U.sum(0)}, claim)),
                   gradient_report(norm, (X,), (claim,), upstream=U)):
        assert report.ok, report
        assert all(torch.equal(before[name], buffer) for name, buffer in norm.named_buffers())
        assert norm.training


class Tied(nn.Module):
    """An autoencoder whose decoder is the transpose of its encoder."""

    def __init__(self, W):
        super().__init__()
        self.encoder = nn.Parameter(W)
        self.same = self.encoder

    def forward(self, x):
        return self.same.T @ (self.encoder @ x)


def test_a_parameter_with_two_names_counts_once():
    W, x, d = draws(5, (2, 4), (4,), (4,))
    module = Tied(W)
    claim = torch.outer(W @ d, x) + torch.outer(W @ x, d)
    fn = lambda module, x: d @ module(x)
    assert quantities(fn, (module, x), ({"encoder": claim}, None)) == ["gradient by module.encoder"]
    assert verdicts(fn, (module, x), ({"encoder": torch.outer(W @ d, x)}, None)) == ["wrong"]


# One function for all inputs

@few
@given(N=sizes, n=sizes, m=sizes, seed=seeds)
def test_one_function_may_claim_all_gradients(N, n, m, seed):
    X, W, b, U = layer(N, n, m, seed)
    fn = lambda X, W, b: (U * (X @ W + b).tanh()).sum()

    def backward(X, W, b):
        S = U * (1 - (X @ W + b).tanh() ** 2)
        return S @ W.T, X.T @ S, S.sum(0)
    assert verdicts(fn, (X, W, b), backward) == ["right"] * 3
    assert verdicts(fn, (X, W, b), lambda X, W, b: [*backward(X, W, b)[:2], backward(X, W, b)[2] / 2]) == \
        ["right", "right", "wrong"]
    assert verdicts(fn, (X, W, b), lambda X, W, b: (None, backward(X, W, b)[1], None)) == ["right"]


def test_one_function_of_one_input_may_return_the_claim_itself():
    (x,) = draws(2, (3,))
    assert verdicts(lambda x: x.square().sum(), (x,), lambda x: 2 * x) == ["right"]
    assert verdicts(lambda x: x.square().sum(), (x,), lambda x: (2 * x,)) == ["right"]
    assert verdicts(lambda x: x.square().sum(), (x,), lambda x: (x,)) == ["wrong"]


# Upstream gradients

@few
@given(N=sizes, n=sizes, m=sizes, seed=seeds)
def test_claims_with_an_upstream_gradient_are_vjps_whether_they_take_it_or_not(N, n, m, seed):
    X, W, b, U = layer(N, n, m, seed)
    fn = lambda X, W, b: X @ W + b
    tensors = (U @ W.T, X.T @ U, U.sum(0))
    assert quantities(fn, (X, W, b), tensors, upstream=U) == ["VJP by X", "VJP by W", "VJP by b"]
    taking = (lambda X, W, b, v: v @ W.T, lambda X, W, b, upstream: X.T @ upstream, lambda X, W, b, v: v.sum(0))
    captured = (lambda X, W, b: U @ W.T, lambda X, W, b: X.T @ U, lambda X, W, b: U.sum(0))
    mixed = (taking[0], captured[1], tensors[2])
    for claims in (taking, captured, mixed):
        assert verdicts(fn, (X, W, b), claims, upstream=U) == ["right"] * 3
    assert verdicts(fn, (X, W, b), lambda X, W, b, v: (v @ W.T, X.T @ v, v.sum(0)), upstream=U) == ["right"] * 3
    assert verdicts(fn, (X, W, b), lambda X, W, b, v: (v @ W.T, X.T @ v, v.mean(0)), upstream=U) == \
        ["right", "right", "wrong"]
    wrong = (lambda X, W, b, v: v @ W.T / 2, lambda X, W, b: X.T @ U / 2, 2 * U.sum(0))
    assert verdicts(fn, (X, W, b), wrong, upstream=U) == ["wrong"] * 3


@few
@given(n=sizes, seed=seeds)
def test_a_jacobian_beside_an_upstream_gradient_is_taken_for_one(n, seed):
    A, x, u = draws(seed, (n + 1, n), (n,), (n + 1,))
    assert quantities(lambda A, x: A @ x, (A, x), (torch.outer(u, x), A), upstream=u) == ["VJP by A", "Jacobian by x"]
    assert verdicts(lambda A, x: A @ x, (A, x), (torch.outer(u, x), 2 * A), upstream=u) == ["right", "wrong"]


def test_an_upstream_gradient_of_the_wrong_shape_is_refused():
    A, x = draws(1, (3, 2), (2,))
    with pytest.raises(ValueError, match=r"shape of fn's output, \(3,\), but it has shape \(2,\)"):
        gradient_report(lambda x: A @ x, (x,), (A.sum(0),), upstream=x)


def test_an_upstream_gradient_of_a_scalar_is_a_number():
    (x,) = draws(1, (3,))
    two = torch.tensor(2.0, dtype=torch.float64)
    assert quantities(lambda x: x.square().sum(), (x,), (4 * x,), upstream=two) == ["VJP by x"]
    assert verdicts(lambda x: x.square().sum(), (x,), (2 * x,), upstream=two) == ["wrong"]


# Jacobians, full and flattened

@few
@given(n=sizes, m=sizes, seed=seeds)
def test_a_jacobian_may_be_full_or_flattened_in_either_order(n, m, seed):
    A, x = draws(seed, (m, n), (n,))
    fn = lambda A: A @ x
    full = torch.einsum("ip,q->ipq", eye(m), x)
    row, column = torch.kron(eye(m), x[None]), torch.kron(x[None], eye(m))
    assert quantities(fn, (A,), (full,)) == ["Jacobian by A"]
    assert quantities(fn, (A,), (row,)) == ["Jacobian by A, flattened in row order"]
    assert quantities(fn, (A,), (column,)) == ["Jacobian by A, flattened in column order"]
    assert quantities(fn, (A,), (lambda A: column,)) == ["Jacobian by A, flattened in column order"]
    for order, right, other in (("row", row, column), ("column", column, row)):
        assert quantities(fn, (A,), (right,), order=order) == [f"Jacobian by A, flattened in {order} order"]
        assert verdicts(fn, (A,), (other,), order=order) == ["wrong"]
        assert verdicts(fn, (A,), (full,), order=order) == ["right"]
    report = gradient_report(fn, (A,), (row + column,))
    assert "In the other vec order it is wrong too" in report.claims[0].finding


@few
@given(n=sizes, m=sizes, p=sizes, seed=seeds)
def test_a_jacobian_of_a_matrix_by_a_matrix_is_flattened_on_both_sides(n, m, p, seed):
    X, W = draws(seed, (n, m), (m, p))
    fn = lambda X: X @ W
    full = torch.einsum("ia,bj->ijab", eye(n), W)
    row, column = torch.kron(eye(n), W.T.contiguous()), torch.kron(W.T.contiguous(), eye(n))
    assert quantities(fn, (X,), (full,)) == ["Jacobian by X"]
    assert quantities(fn, (X,), (row,), order="row") == ["Jacobian by X, flattened in row order"]
    assert quantities(fn, (X,), (column,), order="column") == ["Jacobian by X, flattened in column order"]
    assert verdicts(fn, (X,), (row,)) == verdicts(fn, (X,), (column,)) == ["right"]


@few
@given(n=sizes, m=sizes, seed=seeds)
def test_a_gradient_or_vjp_by_a_matrix_may_be_flattened(n, m, seed):
    A, x, u = draws(seed, (m, n), (n,), (m,))
    right = torch.outer(u, x)
    for fn, options, kind in ((lambda A: u @ (A @ x), {}, "gradient"), (lambda A: A @ x, {"upstream": u}, "VJP")):
        assert quantities(fn, (A,), (right.reshape(-1),), **options) == [f"{kind} by A, flattened in row order"]
        assert quantities(fn, (A,), (right.T.reshape(-1),), **options) == [f"{kind} by A, flattened in column order"]
        assert verdicts(fn, (A,), (right.T.reshape(-1),), order="row", **options) == ["wrong"]


@few
@given(n=sizes, seed=seeds)
def test_scalars_and_vectors_have_the_derivatives_of_their_shapes(n, seed):
    x, t = draws(seed, (n,), ())
    assert quantities(lambda t: t.exp(), (t,), (t.exp(),)) == ["gradient by t"]
    assert quantities(lambda t, x: t.sin() * x, (t, x), (t.cos() * x, t.sin() * eye(n))) == \
        ["Jacobian by t", "Jacobian by x"]
    assert quantities(lambda t, x: t * x, (t, x), (x @ x, t * x), upstream=x) == ["VJP by t", "VJP by x"]


# Wrong structures get one sentence

A33, x3 = draws(8, (3, 3), (3,))
linear = nn.Linear(3, 2).double()
by_keyword = {"A": A33, "x": x3}


@pytest.mark.parametrize(("inputs", "claims", "words"), [
    (by_keyword, (None, x3), "claims must be a dict with the names A, x"),
    (by_keyword, {"x": x3}, "claims must be a dict with the names A, x, None where nothing is claimed, but it names x"),
    (by_keyword, {"x": x3, "B": A33}, "but it names x, B"),
    (by_keyword, lambda A, x: {"x": x}, "The claim must return a claim for each of A, x, but it returned x"),
    ((A33, x3), lambda A, x: x, "must return a tuple of 2, one for each input and None where nothing is claimed"),
    ((A33, x3), lambda A, x: (x, x, x), "but it returned 3"),
    ((A33, x3), {"x": x3}, "claims must be a tuple"),
    (({"A": A33}, x3), (A33, None), "The claim for A must have the structure of A"),
    (({"A": A33}, x3), ({"B": A33}, None), "but it lacks ['A']"),
    (({"A": A33}, x3), ({"A": A33, "B": A33}, None), "but it has ['B'] besides"),
    (([A33, A33], x3), ([A33], None), "but it lacks [1]"),
    ((linear, x3), (linear.weight, None), "The claim for A must have the structure of A"),
    ((linear, x3), ({"weight": linear.weight, "biases": x3}, None), "but it lacks .bias"),
    (({}, x3), (None, x3), "Input A must be a tensor, or a dict, list or module of tensors"),
    ((nn.ReLU(), x3), (None, x3), "of type ReLU without any"),
    ((None, x3), (None, x3), "Input A must be a tensor, or a dict, list or module of tensors, but it is None"),
    (({"A": A33}, x3), ({"A": "A"}, None), "must be a tensor or a function that returns one, but it is of type str"),
    ((A33, x3), (None, 3.0), "but it is of type float"),
])
def test_a_wrong_structure_gets_one_clear_sentence(inputs, claims, words):
    def fn(A, x):
        if isinstance(A, nn.Module):
            return A(x).sum()
        return (A["A"] if isinstance(A, dict) else A[0] if isinstance(A, list) else A).sum()
    with pytest.raises((TypeError, ValueError)) as error:
        gradient_report(fn, inputs, claims)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match='order must be "row", "column" or None'):
        gradient_report(lambda x: x.sum(), (x3,), (x3,), order="C")


# The caller's tensors

def snapshot(tensors):
    return [(x.detach().clone(), x.requires_grad, x.grad, x._version, x.stride(), x.dtype) for x in tensors]


def unchanged(before, tensors):
    return all(torch.equal(old[0], x.detach()) and old[1:] == (x.requires_grad, x.grad, x._version, x.stride(), x.dtype)
               for old, x in zip(before, tensors, strict=True))


@settings(max_examples=5)
@given(seed=seeds, tracked=st.booleans(), single=st.booleans(), transposed=st.booleans())
def test_what_the_caller_gave_stays_as_it_was(seed, tracked, single, transposed):
    X, W, b, U = layer(4, 3, 3, seed)
    given = [X.float(), W.float(), b.float(), U.float()] if single else [X, W, b, U]
    if transposed:
        given[1] = given[1].T
    X, W, b, U = [x.requires_grad_(tracked and k < 3) for k, x in enumerate(given)]
    claims = ((U @ W.T).detach(), (X.T @ U).detach(), U.sum(0))

    def greedy(X, W, b, v):
        results = v @ W.T, X.T @ v, v.sum(0)
        for x in (X, W, b, v):
            x.detach().zero_()
        return results

    def in_place(X, W, b):
        Y = X @ W
        Y += b
        X.detach().mul_(2)
        return Y
    before = snapshot([X, W, b, U, *claims])
    for fn in (lambda X, W, b: X @ W + b, in_place):
        for claim in (claims, greedy, lambda X, W, b, v: (v @ W.T / 2, None, None)):
            str(gradient_report(fn, (X, W, b), claim, upstream=U))
    assert unchanged(before, [X, W, b, U, *claims])


@few
@given(N=sizes, n=sizes, m=sizes, seed=seeds)
def test_everything_may_be_float32(N, n, m, seed):
    X, W, b, U = (x.float() for x in layer(N, n, m, seed))
    claims = U @ W.T, X.T @ U, U.sum(0)
    for fn, options in ((lambda X, W, b: (U * (X @ W + b)).sum(), {}), (lambda X, W, b: X @ W + b, {"upstream": U})):
        report = gradient_report(fn, (X, W, b), claims, **options)
        assert report.ok and "The check ran in float64" in report.notes[0]
        assert verdicts(fn, (X, W, b), (claims[0], claims[1] * 1.001, claims[2]), **options) == \
            ["right", "wrong", "right"]


@few
@given(N=sizes, n=sizes, m=sizes, seed=seeds)
def test_noncontiguous_inputs_claims_and_upstream_gradients_are_right(N, n, m, seed):
    X, W, b, U = layer(N, n, m, seed)
    X, W, U = (x.T.contiguous().T for x in (X, W, U))
    row = b.expand(2 * N, m)[::2]
    claims = (W @ U.T).T, (U.T @ X).T, U
    assert verdicts(lambda X, W, row: X @ W + row, (X, W, row), claims, upstream=U) == ["right"] * 3
    assert verdicts(lambda X, W, row: X @ W + row, (X, W, row), (claims[0], claims[1], U.flip(0)), upstream=U) == \
        ["right", "right", "wrong"]
    every_other = torch.cat([X, 0 * X], 1)[:, ::2]
    assert verdicts(lambda X: (X.square()).sum(), (every_other,), (2 * every_other,)) == ["right"]
