"""A measuring set for the gradient checker: wrong gradients, right ones that are hard to judge, and kinks.

The mistakes are those that people make when they derive a gradient by hand: a term left out, a transpose, a sum over
the batch forgotten, a backward pass that was tried on friendly numbers only. They were written down without a look at
the checker or at the names it gives to mistakes, so that its score here says something.

``wrong_cases`` have a wrong claim and the right one beside it. In the masked ones both agree at the given inputs, and
the claims are functions: only other inputs tell them apart. ``right_cases`` are correct, and a checker that complains
about one raises a false alarm. ``kink_cases`` lie exactly on a kink, where several slopes are defensible.

All three take a seed, which changes the numbers and most sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, einsum, eye, ones_like, outer, zeros_like
from torch.linalg import det, solve
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

torch_double = partial(torch.tensor, dtype=torch.float64)
identity = partial(eye, dtype=torch.float64)


def inv(matrix: Tensor) -> Tensor:
    return torch.linalg.inv(matrix).contiguous()            # column by column in memory as torch returns it


def kron(left: Tensor, right: Tensor) -> Tensor:
    return torch.kron(left.contiguous(), right.contiguous())


@dataclass(frozen=True)
class Case:
    """A function, its inputs, and claims about its derivatives.

    ``right`` and ``wrong`` are tuples aligned with the inputs, None where nothing is claimed, or one function of all
    inputs that returns such a tuple: a whole backward. ``options`` go to ``check_gradient`` as they are.
    """

    name: str
    family: str
    fn: Callable
    inputs: Any
    right: Any
    wrong: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    masked: bool = False


def step(x: Tensor, below: float = 0) -> Tensor:
    """1 where x is positive, and a number elsewhere."""
    return below + (1 - below) * (x > 0).double()


class Draw:
    """Random float64 tensors and sizes from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.rng, dtype=torch.float64)

    def positive(self, *shape: int) -> Tensor:
        """Between 0.4 and 1.6, so that no logarithm and no root comes near its edge."""
        return torch.rand(shape, generator=self.rng, dtype=torch.float64) * 1.2 + 0.4

    def signed(self, *shape: int) -> Tensor:
        """Both signs, and nothing near 0."""
        signs = 1.0 - 2.0 * (torch.arange(math.prod(shape)) % 2)
        return self.positive(*shape) * signs[torch.randperm(len(signs), generator=self.rng)].reshape(shape)

    def symmetric(self, n: int) -> Tensor:
        matrix = self(n, n)
        return matrix + matrix.T

    def invertible(self, n: int) -> Tensor:
        return self(n, n) * 0.3 + 2 * identity(n)

    def orthogonal(self, n: int) -> Tensor:
        return torch.linalg.qr(self(n, n))[0]

    def sizes(self, count: int) -> list[int]:
        """Different sizes, none smaller than 3."""
        return (torch.randperm(6, generator=self.rng)[:count] + 3).tolist()


def settle(claims: tuple, inputs: tuple, upstream: Tensor | None) -> tuple:
    """The values of claims that are functions of the inputs and, if there is one, of the upstream gradient."""
    given = inputs if upstream is None else (*inputs, upstream)
    return tuple(claim(*given) if callable(claim) else claim for claim in claims)


def family(title: str, fn: Callable, inputs: tuple, right: Any, wrong: dict[str, Any], *, functions: bool = False,
           masked: bool = False, **options: Any) -> Iterator[Case]:
    """A wrong case for every mistake. One claim alone is about the first input; `...` stands for the right claim."""
    def aligned(claims: Any) -> tuple:
        claims = claims if isinstance(claims, tuple) else (claims,)
        return claims + (None,) * (len(inputs) - len(claims))

    right = aligned(right)
    for mistake, claims in wrong.items():
        claims = tuple(r if c is ... else c for c, r in zip(aligned(claims), right))
        pair = [right, claims]
        if not (functions or masked):
            pair = [settle(each, inputs, options.get("upstream")) for each in pair]
        yield Case(f"{title}: {mistake}", title, fn, inputs, *pair, options, masked)


def custom(forward: Callable, backward: Callable) -> Callable:
    """A torch function whose backward is written by hand: backward(v, *inputs) is the gradient by each input."""
    class Custom(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, v):
            return backward(v, *ctx.saved_tensors)

    return Custom.apply


# Wrong gradients


def vectors(draw: Draw) -> Iterator[Case]:
    m, n = draw.sizes(2)
    x, a, S, A = draw(n), draw(n), draw(n, n), draw(m, n)
    yield from family("dot product", lambda x, a: x @ a, (x, a), (lambda x, a: a, lambda x, a: x), {
        "the input for the other factor": (lambda x, a: x, ...), "a factor two": lambda x, a: 2 * a,
        "a column for a flat vector": lambda x, a: a[:, None], "a row for a flat vector": lambda x, a: a[None]})
    yield from family("quadratic form", lambda x, S: x @ S @ x, (x, S),
                      (lambda x, S: (S + S.T) @ x, lambda x, S: outer(x, x)), {
        "as if the matrix were symmetric": lambda x, S: 2 * S @ x, "the left x only": (lambda x, S: S @ x, ...),
        "the right x only": lambda x, S: S.T @ x, "half the sum": lambda x, S: (S + S.T) @ x / 2,
        "by the matrix, twice": (None, lambda x, S: 2 * outer(x, x)),
        "by the matrix, squares on the diagonal": (None, lambda x, S: torch.diag(x * x))})
    yield from family("bilinear form", lambda x, S, y: x @ S @ y, (x, S, a),
                      (lambda x, S, y: S @ y, lambda x, S, y: outer(x, y), lambda x, S, y: S.T @ x), {
        "by x, the transpose": lambda x, S, y: S.T @ y, "by y, no transpose": (..., ..., lambda x, S, y: S @ x),
        "by the matrix, y first": (None, lambda x, S, y: outer(y, x)),
        "by x, the gradient by y": lambda x, S, y: S.T @ x}, functions=True)
    yield from family("matrix times vector", lambda x, S: S @ x, (x, S), lambda x, S: S, {
        "denominator layout": lambda x, S: S.T, "the product again": lambda x, S: torch.diag(S @ x)})
    yield from family("rectangular matrix times vector", lambda x, A: A @ x, (x, A), lambda x, A: A, {
        "shape of the transpose": lambda x, A: A.T, "the sum over outputs": lambda x, A: A.sum(0)})
    yield from family("norm", lambda x: x.norm(), (x,), lambda x: x / x.norm(), {
        "not divided": lambda x: x, "divided by the square": lambda x: x / (x @ x),
        "a two left": lambda x: 2 * x / x.norm()})
    unit = lambda x: x / x.norm()
    yield from family("unit vector", unit, (x,), lambda x: (identity(len(x)) - outer(unit(x), unit(x))) / x.norm(), {
        "the norm as a constant": lambda x: identity(len(x)) / x.norm(),
        "projection not divided by the norm": lambda x: identity(len(x)) - outer(unit(x), unit(x)),
        "plus for minus": lambda x: (identity(len(x)) + outer(unit(x), unit(x))) / x.norm(),
        "one power of the norm short": lambda x: identity(len(x)) / x.norm() - outer(x, x) / (x @ x)})
    yield from family("cosine similarity", lambda x, y: unit(x) @ unit(y), (x, a),
                      lambda x, y: (unit(y) - unit(x) * (unit(x) @ unit(y))) / x.norm(), {
        "norms as constants": lambda x, y: unit(y) / x.norm(),
        "norm of x forgotten": lambda x, y: unit(y) - unit(x) * (unit(x) @ unit(y))})
    yield from family("elementwise product with Sx", lambda x, S: x * (S @ x), (x, S),
                      lambda x, S: torch.diag(S @ x) + x[:, None] * S, {
        "first factor only": lambda x, S: torch.diag(S @ x), "second factor only": lambda x, S: x[:, None] * S,
        "columns scaled for rows": lambda x, S: torch.diag(S @ x) + S * x})
    yield from family("outer square", lambda x: outer(x, x), (x,),
                      lambda x: einsum("ik,j->ijk", identity(len(x)), x) + einsum("jk,i->ijk", identity(len(x)), x), {
        "half of it": lambda x: einsum("ik,j->ijk", identity(len(x)), x),
        "the half twice": lambda x: 2 * einsum("ik,j->ijk", identity(len(x)), x)})
    yield from family("Rayleigh quotient", lambda x, S: x @ S @ x / (x @ x), (x, S),
                      lambda x, S: ((S + S.T) @ x - 2 * x * (x @ S @ x) / (x @ x)) / (x @ x), {
        "denominator as a constant": lambda x, S: (S + S.T) @ x / (x @ x),
        "symmetric S assumed": lambda x, S: 2 * (S @ x - x * (x @ S @ x) / (x @ x)) / (x @ x)})


def statistics(draw: Draw) -> Iterator[Case]:
    m, n = draw.sizes(2)
    x, X = draw(n) + 1, draw(m, n)
    yield from family("mean of a matrix", lambda X: X.mean(), (X,), lambda X: ones_like(X) / X.numel(), {
        "divided by the rows only": lambda X: ones_like(X) / len(X), "not divided": ones_like,
        "one number for all": lambda X: torch_double(1 / X.numel())}, functions=True)
    yield from family("variance", lambda x: x.var(correction=0), (x,), lambda x: 2 * (x - x.mean()) / len(x), {
        "mean forgotten": lambda x: 2 * x / len(x), "n - 1 for n": lambda x: 2 * (x - x.mean()) / (len(x) - 1),
        "mean moves with its own sign": lambda x: 2 * (x - x.mean()) * (1 - 1 / len(x)) / len(x)})
    yield from family("centring", lambda x: x - x.mean(), (x,), lambda x: identity(len(x)) - 1 / len(x), {
        "mean as a constant": lambda x: identity(len(x)), "sum for mean": lambda x: identity(len(x)) - 1})
    score = lambda x: (x - x.mean()) / x.std(correction=0)
    yield from family("standard score", score, (x,),
                      lambda x, v: (v - v.mean() - score(x) * (v * score(x)).mean()) / x.std(correction=0), {
        "both statistics constant": lambda x, v: v / x.std(correction=0),
        "deviation constant": lambda x, v: (v - v.mean()) / x.std(correction=0)}, upstream=draw(n))
    p, q = torch.softmax(draw(n), 0), torch.softmax(draw(n), 0)
    yield from family("Kullback-Leibler divergence", lambda p, q: (p * (p / q).log()).sum(), (p, q),
                      (lambda p, q: (p / q).log() + 1, lambda p, q: -p / q), {
        "the one forgotten": (lambda p, q: (p / q).log(), ...), "sign by q": (..., lambda p, q: p / q)})


def least_squares(draw: Draw) -> Iterator[Case]:
    m, n, k = draw.sizes(3)
    A, S, x, b, X = draw(m, n), draw(n, n), draw(n), draw(m), draw(n, k)
    half = lambda A, x, b: (A @ x - b).square().sum() / 2
    yield from family("least squares", half, (A, x, b),
                      (lambda A, x, b: outer(A @ x - b, x), lambda A, x, b: A.T @ (A @ x - b),
                       lambda A, x, b: b - A @ x), {
        "a two that the half cancels": (None, lambda A, x, b: 2 * A.T @ (A @ x - b)),
        "residual the other way": (..., lambda A, x, b: A.T @ (b - A @ x), ...),
        "by b, the residual's sign": (..., ..., lambda A, x, b: A @ x - b),
        "by A, in the shape of its transpose": lambda A, x, b: outer(x, A @ x - b)})
    yield from family("square least squares", half, (S, x, draw(n)),
                      (lambda A, x, b: outer(A @ x - b, x), lambda A, x, b: A.T @ (A @ x - b)), {
        "A not transposed": (None, lambda A, x, b: A @ (A @ x - b)),
        "by A, transposed": lambda A, x, b: outer(x, A @ x - b)}, functions=True)
    yield from family("ridge regression", lambda x, lam: (A @ x - b).square().sum() + lam * x @ x,
                      (x, torch_double(0.7)),
                      (lambda x, lam: 2 * A.T @ (A @ x - b) + 2 * lam * x, lambda x, lam: x @ x), {
        "penalty without its two": lambda x, lam: 2 * A.T @ (A @ x - b) + lam * x,
        "penalty forgotten": lambda x, lam: 2 * A.T @ (A @ x - b),
        "by the weight, the norm": (None, lambda x, lam: x.norm())})
    M = draw(m, m)
    yield from family("weighted least squares", lambda x: (A @ x - b) @ M @ (A @ x - b), (x,),
                      lambda x: A.T @ (M + M.T) @ (A @ x - b), {
        "unsymmetric weights taken for symmetric": lambda x: 2 * A.T @ M @ (A @ x - b),
        "weights forgotten": lambda x: 2 * A.T @ (A @ x - b)})
    Y = draw(m, k)
    yield from family("mean squared error", lambda X, Y: (A @ X - Y).square().mean(), (X, Y),
                      lambda X, Y: 2 * A.T @ (A @ X - Y) / Y.numel(), {
        "averaged over the batch only": lambda X, Y: 2 * A.T @ (A @ X - Y) / len(Y),
        "not averaged": lambda X, Y: 2 * A.T @ (A @ X - Y),
        "two forgotten": lambda X, Y: A.T @ (A @ X - Y) / Y.numel()})
    W, D, t = draw(n, 2), draw(m, n), 3 * draw(m)
    yield from family("linear autoencoder with tied weights", lambda W: (D - D @ W @ W.T).square().sum() / 2, (W,),
                      lambda W: -(D.T @ (D - D @ W @ W.T) + (D - D @ W @ W.T).T @ D) @ W, {
        "encoder only": lambda W: -D.T @ (D - D @ W @ W.T) @ W, "decoder only": lambda W: -(D - D @ W @ W.T).T @ D @ W})
    yield from family("column of targets against flat predictions", lambda y: (y - t).square().sum(), (draw(m, 1),),
                      lambda y: 2 * (y - t).sum(1, keepdim=True), {
        "what was meant": lambda y: 2 * (y - t[:, None]), "the square table itself": lambda y: 2 * (y - t)})
    y = torch.sign(draw.signed(m))
    yield from family("logistic regression with labels of both signs", lambda x: F.softplus(-y * (A @ x)).sum(), (x,),
                      lambda x: -A.T @ (y * torch.sigmoid(-y * (A @ x))), {
        "label left out": lambda x: -A.T @ torch.sigmoid(-y * (A @ x)),
        "sigmoid of the margin": lambda x: -A.T @ (y * torch.sigmoid(y * (A @ x)))})


def kronecker(draw: Draw) -> Iterator[Case]:
    m, n, p, q = draw.sizes(4)
    A, X, B, x = draw(m, n), draw(n, p), draw(p, q), draw(n)
    C, S, W, T = draw(p, p), draw(n, n), draw(m, n), lambda M: M.T.contiguous()
    product = lambda X: A @ X @ B
    yield from family("AXB, row order", product, (X,), lambda X: kron(A, T(B)), {
        "the column order's": lambda X: kron(T(B), A)}, order="row")
    yield from family("AXB, column order", product, (X,), lambda X: kron(T(B), A), {
        "the row order's": lambda X: kron(A, T(B))}, order="column")
    yield from family("AXC with square C, no order", lambda X: A @ X @ C, (X,), lambda X: kron(A, T(C)), {
        "C not transposed": lambda X: kron(A, C), "C not transposed and first": lambda X: kron(C, A)}, functions=True)
    flat = lambda w: w.reshape(m, n) @ x
    yield from family("Wx by the rows of W in line", flat, (W.flatten(),), lambda w: kron(identity(m), x[None]), {
        "factors swapped": lambda w: kron(x[None], identity(m)), "outputs summed": lambda w: x.repeat(m)[None]})
    yield from family("Wx by the columns of W in line", lambda w: w.reshape(n, m).T @ x, (T(W).flatten(),),
                      lambda w: kron(x[None], identity(m)), {"factors swapped": lambda w: kron(identity(m), x[None])})
    yield from family("xS by S, a tensor", lambda S, x: x @ S, (S, x),
                      lambda S, x: einsum("p,jq->jpq", x, identity(n)), {
        "indices of S exchanged": lambda S, x: einsum("q,jp->jpq", x, identity(n)),
        "output axis last": lambda S, x: einsum("p,jq->pqj", x, identity(n))})
    commute = einsum("iq,jp->ijpq", identity(n), identity(m))
    yield from family("transposition", lambda W: T(W), (W,), lambda W: commute.reshape(m * n, m * n), {
        "the identity": lambda W: identity(m * n),
        "permutation of the way back": lambda W: T(commute.reshape(m * n, -1)),
        }, order="row")
    yield from family("gram matrix XXᵀ", lambda X: X @ X.T, (X,),
                      lambda X: einsum("ip,jq->ijpq", identity(n), X) + einsum("jp,iq->ijpq", identity(n), X), {
        "one X only": lambda X: einsum("ip,jq->ijpq", identity(n), X),
        "one X twice": lambda X: 2 * einsum("ip,jq->ijpq", identity(n), X)})
    square = {"second factor not transposed": lambda X: kron(identity(n), X) + kron(X, identity(n)),
              "like a number, 2X": lambda X: 2 * kron(X, identity(n)),
              "first factor only": lambda X: kron(X, identity(n))}
    yield from family("matrix square", lambda X: X @ X, (S,), lambda X: kron(identity(n), T(X)) + kron(X, identity(n)),
                      square)
    yield from family("inverse", inv, (draw.invertible(n),), lambda X: -kron(inv(X), T(inv(X))), {
        "sign": lambda X: kron(inv(X), T(inv(X))), "no transpose": lambda X: -kron(inv(X), inv(X)),
        "elementwise, as 1/x²": lambda X: -torch.diag((inv(X) ** 2).flatten())}, order="row")
    yield from family("elementwise product of matrices", lambda X: X * W, (draw(m, n),),
                      lambda X: torch.diag(W.flatten()), {
        "listed by columns": lambda X: torch.diag(T(W).flatten())}, order="row")
    half, full = torch.tril_indices(n, n), draw.invertible(n)

    def symmetric(h):
        lower = torch.zeros(n, n, dtype=h.dtype).index_put((half[0], half[1]), h)
        return lower + lower.tril(-1).T

    lower = (full @ full.T)[half[0], half[1]]
    counted = 2.0 - (half[0] == half[1]).double()
    yield from family("log det of a symmetric matrix by its lower half", lambda h: symmetric(h).logdet(), (lower,),
                      lambda h: inv(symmetric(h))[half[0], half[1]] * counted, {
        "off the diagonal counted once": lambda h: inv(symmetric(h))[half[0], half[1]],
        "all counted twice": lambda h: inv(symmetric(h))[half[0], half[1]] * 2})


def layers(draw: Draw) -> Iterator[Case]:
    m, n, k = draw.sizes(3)
    X, W, b, V = draw(m, n), draw(n, k), draw(k), draw(m, k)
    affine = lambda X, W, b: X @ W + b
    right = (lambda X, W, b, v: v @ W.T, lambda X, W, b, v: X.T @ v, lambda X, W, b, v: v.sum(0))
    yield from family("affine layer", affine, (X, W, b), right, {
        "bias averaged over the batch": (..., ..., lambda X, W, b, v: v.mean(0)),
        "bias not summed over the batch": (None, None, lambda X, W, b, v: v),
        "bias keeps an axis": (None, None, lambda X, W, b, v: v.sum(0, keepdim=True)),
        "bias summed to one number": (None, None, lambda X, W, b, v: v.sum()),
        "weights divided by the batch": (..., lambda X, W, b, v: X.T @ v / len(X), ...),
        "weights in the shape of their transpose": (None, lambda X, W, b, v: v.T @ X)}, upstream=V)
    yield from family("affine layer, all square", affine, (draw(n, n), draw(n, n), draw(n)), right, {
        "W not transposed": (lambda X, W, b, v: v @ W, ..., ...),
        "W on the left": (lambda X, W, b, v: W.T @ v, ..., ...),
        "X not transposed": (..., lambda X, W, b, v: X @ v, ...), "v first": (..., lambda X, W, b, v: v.T @ X, ...),
        "X where W belongs": lambda X, W, b, v: v @ X.T,
        "bias summed over features": (..., ..., lambda X, W, b, v: v.sum(1)),
        }, upstream=draw(n, n), functions=True)
    yield Case("affine layer, whole backward: bias of the first example only", "affine layer, whole backward", affine,
               (X, W, b), lambda X, W, b, v: (v @ W.T, X.T @ v, v.sum(0)),
               lambda X, W, b, v: (v @ W.T, X.T @ v, v[0]), {"upstream": V})
    P = draw(k, n)
    yield from family("XPᵀ, as torch stores weights", lambda X, P: X @ P.T, (X, P),
                      (lambda X, P, v: v @ P, lambda X, P, v: v.T @ X), {
        "the other convention's shape": (..., lambda X, P, v: X.T @ v)}, upstream=V)
    D, G = draw(2, m, n), draw(2, m, k)
    yield from family("affine layer on a batch of sequences", lambda D, W, b: D @ W + b, (D, W, b),
                      (lambda D, W, b, v: v @ W.T, lambda D, W, b, v: einsum("btn,btk->nk", D, v),
                       lambda D, W, b, v: v.sum((0, 1))), {
        "bias summed over the batch only": (..., ..., lambda D, W, b, v: v.sum(0)),
        "bias averaged over time": (..., ..., lambda D, W, b, v: v.sum(0).mean(0)),
        "weights of the last sequence": (..., lambda D, W, b, v: D[-1].T @ v[-1], ...),
        "weights not summed over the batch": (None, lambda D, W, b, v: D.mT @ v)}, upstream=G)
    A = draw(n, n)
    yield from family("two uses of one matrix", lambda A, x: A @ torch.tanh(A @ x), (A, draw(n)),
                      lambda A, x, v: outer(v, torch.tanh(A @ x)) + outer((A.T @ v) * (1 - torch.tanh(A @ x) ** 2),
                      x), {
        "outer use only": lambda A, x, v: outer(v, torch.tanh(A @ x)),
        "inner use only": lambda A, x, v: outer((A.T @ v) * (1 - torch.tanh(A @ x) ** 2), x)}, upstream=draw(n))
    W1, W2, x = draw(m, n), draw(k, m), draw(n)
    up, other = draw(k), 1 - 2.0 * (torch.arange(m) % 2).double()             # both signs before and behind the ReLU
    W1, W2 = W1 * (torch.sign(W1 @ x) * other)[:, None], -W2 * torch.sign(W2.T @ up) * other
    slope = lambda x: (W1 @ x > 0).double()
    yield from family("two-layer network", lambda x, W1, W2: W2 @ torch.relu(W1 @ x), (x, W1, W2),
                      (lambda x, W1, W2, v: W1.T @ (slope(x) * (W2.T @ v)),
                       lambda x, W1, W2, v: outer(slope(x) * (W2.T @ v), x),
                       lambda x, W1, W2, v: outer(v, torch.relu(W1 @ x))), {
        "mask of the ReLU forgotten": (lambda x, W1, W2, v: W1.T @ (W2.T @ v), None, ...),
        "mask taken from the gradient": (None, lambda x, W1, W2, v: outer(torch.relu(W2.T @ v), x), ...),
        "activation for its mask": (None, lambda x, W1, W2, v: outer(torch.relu(W1 @ x) * (W2.T @ v), x)),
        "layer fed with what precedes the ReLU": (..., ..., lambda x, W1, W2, v: outer(v, W1 @ x))}, upstream=up)
    index, table = torch.tensor([2, 0, 2, 1, 2]), draw(4, n)
    yield from family("embedding with a repeated word", lambda E: E[index], (table,),
                      lambda E, v: zeros_like(E).index_put((index,), v, accumulate=True), {
        "assigned, not added": lambda E, v: zeros_like(E).index_copy(0, index[2:], v[2:]).index_copy(0, index[1:2],
        v[1:2]),
        }, upstream=draw(5, n))
    g = draw(n)
    yield from family("rows times a vector", lambda X, g: X * g, (X, g),
                      (lambda X, g, v: v * g, lambda X, g, v: (v * X).sum(0)), {
        "not summed": (None, lambda X, g, v: v * X), "averaged": (..., lambda X, g, v: (v * X).mean(0)),
        "the input's sum for the product's": (..., lambda X, g, v: v.sum(0) * X.sum(0))}, upstream=draw(m, n))
    yield from family("column plus row", lambda c, r: c + r, (draw(n, 1), draw(1, n)),
                      (lambda c, r, v: v.sum(1, keepdim=True), lambda c, r, v: v.sum(0, keepdim=True)), {
        "summed over the other axis": (lambda c, r, v: v.sum(0)[:, None], ...),
        "kept axis lost": lambda c, r, v: v.sum(1)}, upstream=draw(n, n))
    yield from family("number times matrix", lambda s, X: s * X, (torch_double(1.7), X),
                      (lambda s, X, v: (v * X).sum(), lambda s, X, v: s * v), {
        "not summed": lambda s, X, v: v * X, "averaged": (lambda s, X, v: (v * X).mean(), ...),
        "number forgotten": (..., lambda s, X, v: v)}, upstream=draw(m, n))


def activations(draw: Draw) -> Iterator[Case]:
    sig, pdf = torch.sigmoid, lambda x: (-x * x / 2).exp() / math.sqrt(2 * math.pi)
    cdf = lambda x: (1 + torch.erf(x / math.sqrt(2))) / 2
    inner = lambda x: math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    table = [
        ("relu", torch.relu, lambda x: step(x), {
            "one everywhere": ones_like, "mask inverted": lambda x: (x < 0).double(), "its value": torch.relu}),
        ("leaky relu", lambda x: F.leaky_relu(x, 0.1), lambda x: step(x, 0.1), {
            "zero below": lambda x: step(x), "sides swapped": lambda x: step(-x, 0.1),
            "slope with a sign": lambda x: step(x, -0.1)}),
        ("tanh", torch.tanh, lambda x: 1 - torch.tanh(x) ** 2, {
            "input for output": lambda x: 1 - x**2, "square forgotten": lambda x: 1 - torch.tanh(x),
            "sech for its square": lambda x: 1 / torch.cosh(x)}),
        ("sigmoid", sig, lambda x: sig(x) * (1 - sig(x)), {
            "input for output": lambda x: x * (1 - x), "plus": lambda x: sig(x) * (1 + sig(x)), "value": sig,
            "applied to the output again": lambda x: sig(sig(x)) * (1 - sig(sig(x)))}),
        ("softplus", F.softplus, sig, {"sigmoid of -x": lambda x: sig(-x), "softplus again": F.softplus}),
        ("gelu", F.gelu, lambda x: cdf(x) + x * pdf(x), {
            "product rule forgotten": cdf, "root of 2π forgotten": lambda x: cdf(x) + x * (-x * x / 2).exp(),
            "that of the tanh form": lambda x: (1 + torch.tanh(inner(x))) / 2 + x / 2 * (1 - torch.tanh(inner(x)) ** 2)
            * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)}),
        ("silu", F.silu, lambda x: sig(x) * (1 + x * (1 - sig(x))), {
            "sign": lambda x: sig(x) * (1 - x * (1 - sig(x))), "x left out": lambda x: sig(x) * (2 - sig(x))}),
        ("elu", lambda x: F.elu(x, 0.6), lambda x: torch.where(x > 0, 1.0, 0.6 * x.exp()), {
            "its α forgotten": lambda x: torch.where(x > 0, 1.0, x.exp()),
            "value below": lambda x: torch.where(x > 0, 1.0, 0.6 * (x.exp() - 1))}),
        ("absolute value", torch.abs, torch.sign, {"one": ones_like, "itself": torch.abs}),
        ("clamp", lambda x: x.clamp(-0.9, 0.9), lambda x: (x.abs() < 0.9).double(), {
            "lower bound forgotten": lambda x: (x < 0.2).double(), "one everywhere": ones_like}),
        ("reciprocal", torch.reciprocal, lambda x: -1 / x**2,
        {"sign": lambda x: x**-2, "log": lambda x: x.abs().log()}),
        ("cube", lambda x: x**3, lambda x: 3 * x**2, {"power kept": lambda x: 3 * x**3, "no three": lambda x: x**2}),
    ]
    for turn, (name, f, slope, mistakes) in enumerate(table):
        x = draw.signed(8)
        x = x + 0.03 * torch.sign(x.abs() - 0.9)                    # away from the bounds of the clamp
        c = draw.signed(8)
        if turn % 3 == 0:
            claim, fn, options = (lambda d, c=c: lambda x: c * d(x)), (lambda x, f=f, c=c: c @ f(x)), {}
        elif turn % 3 == 1:
            claim, fn, options = (lambda d: lambda x: torch.diag(d(x))), f, {}
        else:
            claim, fn, options = (lambda d: lambda x, v: v * d(x)), f, {"upstream": c}
        yield from family(name, fn, (x,), claim(slope), {k: claim(d) for k, d in mistakes.items()}, **options,
                          functions=turn % 2 == 0)
    x = draw(6)
    yield from family("elementwise exponential", torch.exp, (x,), lambda x: torch.diag(x.exp()), {
        "the diagonal alone": torch.exp, "constant rows": lambda x: x.exp()[:, None].expand(6, 6)})
    W, V = draw(5, 4), draw(5, 4)
    slope = lambda x: sig(x) * (1 + x * (1 - sig(x)))
    yield from family("gated unit", lambda x, W, V: F.silu(x @ W) * (x @ V), (draw(5), W, V),
                      lambda x, W, V, v: W @ (v * (x @ V) * slope(x @ W)) + V @ (v * F.silu(x @ W)), {
        "gate as a constant": lambda x, W, V, v: V @ (v * F.silu(x @ W)),
        "through the gate only": lambda x, W, V, v: W @ (v * (x @ V) * slope(x @ W))}, upstream=draw(4))


def classifiers(draw: Draw) -> Iterator[Case]:
    m, n = draw.sizes(2)
    x, Z = draw(n), draw(m, n)
    soft, log_soft = partial(torch.softmax, dim=-1), partial(torch.log_softmax, dim=-1)
    yield from family("softmax", soft, (x,), lambda x: torch.diag(soft(x)) - outer(soft(x), soft(x)), {
        "diagonal only": lambda x: torch.diag(soft(x) * (1 - soft(x))), "plus": lambda x: torch.diag(soft(x))
        + outer(soft(x), soft(x)), "normalizer as a constant": lambda x: torch.diag(soft(x)),
        "sign off the diagonal": lambda x: torch.diag(soft(x)) - outer(soft(x), soft(x)) * (2 * identity(n) - 1)})
    yield from family("softmax of rows", soft, (Z,), lambda Z, v: soft(Z) * (v - (soft(Z) * v).sum(-1, keepdim=True)), {
        "summed over the batch": lambda Z, v: soft(Z) * (v - (soft(Z) * v).sum(0)),
        "mean of v for the weighted": lambda Z, v: soft(Z) * (v - v.mean(-1, keepdim=True)),
        "p(1 - p)": lambda Z, v: soft(Z) * (1 - soft(Z)) * v,
        "outer p forgotten": lambda Z, v: v - (soft(Z) * v).sum(-1, keepdim=True)}, upstream=draw(m, n), functions=True)
    yield from family("log softmax", log_soft, (x,), lambda x: identity(n) - soft(x), {
        "rows for columns": lambda x: identity(n) - soft(x)[:, None], "softmax's": lambda x: torch.diag(soft(x))
        - outer(soft(x), soft(x)), "identity": lambda x: identity(n)})
    yield from family("softmax with temperature", lambda x, t: soft(x / t), (x, torch_double(0.6)),
                      (lambda x, t, v: soft(x / t) * (v - soft(x / t) @ v) / t,
                       lambda x, t, v: -(soft(x / t) * (v - soft(x / t) @ v)) @ x / t**2), {
        "temperature forgotten": (lambda x, t, v: soft(x / t) * (v - soft(x / t) @ v), ...),
        "times for divided": (lambda x, t, v: soft(x / t) * (v - soft(x / t) @ v) * t, ...),
        "by the temperature, sign": (..., lambda x, t, v: (soft(x / t) * (v - soft(x / t) @ v)) @ x / t**2)},
        upstream=draw(n))
    target = torch.arange(m) % n
    Y = F.one_hot(target, n).double()
    right = lambda Z: (soft(Z) - Y) / m
    yield from family("cross-entropy of logits", lambda Z: F.cross_entropy(Z, target), (Z,), right, {
        "not averaged": lambda Z: soft(Z) - Y, "averaged over classes too": lambda Z: (soft(Z) - Y) / (m * n),
        "averaged over classes instead": lambda Z: (soft(Z) - Y) / n, "sign": lambda Z: (Y - soft(Z)) / m,
        "by probabilities": lambda Z: -Y / soft(Z) / m, "target forgotten": lambda Z: soft(Z) / m,
        "right class only": lambda Z: (soft(Z) - 1) * Y / m})
    Q = draw.positive(m, n)
    yield from family("cross-entropy with targets that do not sum to one", lambda Z, Q: -(Q * log_soft(Z)).sum(),
                      (Z, Q),
                      (lambda Z, Q: soft(Z) * Q.sum(-1, keepdim=True) - Q, lambda Z, Q: -log_soft(Z)), {
        "p - y all the same": (lambda Z, Q: soft(Z) - Q, ...), "by the targets, p": (..., lambda Z, Q: -soft(Z))})
    t = (torch.arange(n) % 2).double()
    yield from family("binary cross-entropy of logits", lambda x: F.binary_cross_entropy_with_logits(x, t), (x,),
                      lambda x: (torch.sigmoid(x) - t) / n, {
        "not averaged": lambda x: torch.sigmoid(x) - t,
        "slope of the sigmoid once more": lambda x: (torch.sigmoid(x) - t) * torch.sigmoid(x) * torch.sigmoid(-x) / n})
    correct = torch.arange(m)
    margins = lambda Z: Z - Z[correct, target][:, None] + 1
    over = lambda Z: (margins(Z) > 0).double() * (1 - Y)
    yield from family("multiclass hinge", lambda Z: (margins(Z).relu() * (1 - Y)).sum() / m, (Z,),
                      lambda Z: (over(Z) - Y * over(Z).sum(1, keepdim=True)) / m, {
        "right class counted once": lambda Z: (over(Z) - Y) / m, "right class left out": lambda Z: over(Z) / m})
    yield from family("log-sum-exp", lambda x: x.logsumexp(0), (x,), soft, {
        "not normalized": torch.exp, "one at the largest": lambda x: F.one_hot(x.argmax(), n).double(),
        "logarithm": log_soft, "a mean": lambda x: soft(x) / n}, functions=True)


EPS = 0.02


def rms_backward(x: Tensor, g: Tensor, v: Tensor, *, eps: float = EPS, inside: bool = True, projection: float = 1,
                 power: int = 3, gain: bool = True, size: int | None = None) -> Tensor:
    """The gradient of x / rms(x) * g by x; the keywords make it wrong."""
    r = ((x * x).mean(-1, keepdim=True) + eps).sqrt()
    u = v * g if gain and inside else v
    size = x.shape[-1] if size is None else size
    grad = u / r - projection * x * (u * x).sum(-1, keepdim=True) / (size * r**power)
    return grad if inside or not gain else grad * g


def standardize(x: Tensor, eps: float = EPS, dim: int = -1) -> tuple[Tensor, Tensor]:
    s = (x.var(dim, correction=0, keepdim=True) + eps).sqrt()
    return (x - x.mean(dim, keepdim=True)) / s, s


def norm_backward(x: Tensor, g: Tensor, v: Tensor, *, dim: int = -1, eps: float = EPS, inside: bool = True,
                  mean: bool = True, projection: bool = True, scale: bool = True) -> Tensor:
    """The gradient of a standardized x times g by x, along an axis; the keywords make it wrong."""
    h, s = standardize(x, eps, dim)
    u = v * g if inside else v
    grad = u - mean * u.mean(dim, keepdim=True) - projection * h * (u * h).mean(dim, keepdim=True)
    return (grad / s if scale else grad) * (1 if inside else g)


def normalizations(draw: Draw) -> Iterator[Case]:
    m, n = draw.sizes(2)
    X, g, b, V = draw(m, n) + 0.5, draw.positive(n) + torch.arange(n) / 3, draw(n), draw(m, n)
    rms = lambda X, g: X / ((X * X).mean(-1, keepdim=True) + EPS).sqrt() * g
    unit = lambda X: rms(X, 1.0)
    make = lambda **how: (lambda X, g, v: rms_backward(X, g, v, **how))
    right = (make(), lambda X, g, v: (v * unit(X)).sum(0))
    yield from family("RMS norm", rms, (X, g), right, {
        "projection missing": make(projection=0), "projection with a plus": (make(projection=-1), ...),
        "gain outside": (make(inside=False), ...), "gain forgotten": make(gain=False), "epsilon forgotten": make(eps=0),
        "one over n forgotten": make(size=1), "a power of r short": make(power=2), "batch for features": make(size=m),
        "gain by the input": (..., lambda X, g, v: (v * X).sum(0)),
        "gain not summed": (None, lambda X, g, v: v * unit(X)),
        "gain averaged": (..., lambda X, g, v: (v * unit(X)).mean(0)), "gain by its own output":
        (..., lambda X, g, v: (v * rms(X, g)).sum(0))}, upstream=V, functions=True)
    tiny = lambda e: (lambda X: X / ((X * X).mean(-1, keepdim=True) + e).sqrt())
    for e in (1e-5, 1e-8):
        yield from family(f"RMS norm with epsilon {e:g}", tiny(e), (X,),
                          lambda X, v, e=e: rms_backward(X, 1, v, eps=e), {
            "left out": lambda X, v: rms_backward(X, 1, v, eps=0), "added to the root": lambda X, v, e=e: rms_backward(
                X, 1, v, eps=0) * (X * X).mean(-1, keepdim=True).sqrt() / ((X * X).mean(-1, keepdim=True).sqrt() + e),
            }, upstream=V)
    layer = lambda X, g, b: standardize(X)[0] * g + b
    make = lambda **how: (lambda X, g, b, v: norm_backward(X, g, v, **how))
    right = (make(), lambda X, g, b, v: (v * standardize(X)[0]).sum(0), lambda X, g, b, v: v.sum(0))
    yield from family("layer norm", layer, (X, g, b), right, {
        "mean term missing": (make(mean=False), ..., ...), "variance as a constant": make(projection=False),
        "both as constants": make(mean=False, projection=False), "gain outside": (make(inside=False), ..., ...),
        "epsilon forgotten": make(eps=0), "not divided by the deviation": make(scale=False),
        "gain by the raw input": (..., lambda X, g, b, v: (v * X).sum(0), ...), "shift averaged":
        (..., ..., lambda X, g, b, v: v.mean(0)), "shift not summed": (None, None, lambda X, g, b, v: v),
        "sample deviation": lambda X, g, b, v: norm_backward(X, g, v) * ((n - 1) / n) ** 0.5}, upstream=V)
    batch = lambda X, g, b: standardize(X, dim=0)[0] * g + b
    Xs = draw(n, n)
    make = lambda **how: (lambda X, g, b, v: norm_backward(X, g, v, **({"dim": 0} | how)))
    right = (make(), lambda X, g, b, v: (v * standardize(X, dim=0)[0]).sum(0), lambda X, g, b, v: v.sum(0))
    yield from family("batch norm", batch, (Xs, g, b), right, {
        "statistics as constants": make(mean=False, projection=False),
        "mean as a constant": (make(mean=False), ..., ...),
        "layer norm's": make(dim=1), "gain summed over features": (..., lambda X, g, b, v: (v * standardize(
            X, dim=0)[0]).sum(1), ...), "shift summed over features": (..., ..., lambda X, g, b, v: v.sum(1)),
        "gain forgotten": lambda X, g, b, v: norm_backward(X, 1, v, dim=0)}, upstream=draw(n, n))


def sequences(draw: Draw) -> Iterator[Case]:
    m, n, d = draw.sizes(3)
    scores = lambda Q, K: Q @ K.T / math.sqrt(Q.shape[1])
    yield from family("attention scores", scores, (draw(m, d), draw(n, d)),
                      (lambda Q, K, v: v @ K / math.sqrt(d), lambda Q, K, v: v.T @ Q / math.sqrt(d)), {
        "scale forgotten": (lambda Q, K, v: v @ K, ...), "scale without its root": (lambda Q, K, v: v @ K / d, ...),
        "scale of the sequence": (..., lambda Q, K, v: v.T @ Q / math.sqrt(n))}, upstream=draw(m, n))
    yield from family("attention scores, as many queries as keys", scores, (draw(m, d), draw(m, d)),
                      (lambda Q, K, v: v @ K / math.sqrt(d), lambda Q, K, v: v.T @ Q / math.sqrt(d)), {
        "by the keys, not transposed": (..., lambda Q, K, v: v @ Q / math.sqrt(d)),
        "by the queries, transposed": (lambda Q, K, v: v.T @ K / math.sqrt(d), ...),
        "queries for keys": (lambda Q, K, v: v @ Q / math.sqrt(d), ...)}, upstream=draw(m, m))
    table = lambda Q, K: torch.softmax(scores(Q, K), -1)

    def back(Q, K, V, v, *, subtract=True, dim=-1, scale=True):
        P, up = table(Q, K), v @ V.T
        S = P * (up - subtract * (P * up).sum(dim, keepdim=True))
        return S / math.sqrt(Q.shape[1]) if scale else S

    right = (lambda Q, K, V, v: back(Q, K, V, v) @ K, lambda Q, K, V, v: back(Q, K, V, v).T @ Q,
             lambda Q, K, V, v: table(Q, K).T @ v)
    yield from family("attention", lambda Q, K, V: table(Q, K) @ V, (draw(m, d), draw(m, d), draw(m, 2)), right, {
        "by the values, not transposed": (..., ..., lambda Q, K, V, v: table(Q, K) @ v),
        "softmax as a product only": (lambda Q, K, V, v: back(Q, K, V, v, subtract=False) @ K, ..., ...),
        "softmax summed over queries": (lambda Q, K, V, v: back(Q, K, V, v, dim=0) @ K, ..., ...),
        "scale forgotten": (..., lambda Q, K, V, v: back(Q, K, V, v, scale=False).T @ Q, ...),
        "softmax passed over": (lambda Q, K, V, v: v @ V.T @ K / math.sqrt(d), ..., ...)}, upstream=draw(m, 2))
    attend = lambda X: table(X, X) @ X
    paths = [lambda X, v: back(X, X, X, v) @ X, lambda X, v: back(X, X, X, v).T @ X, lambda X, v: table(X, X).T @ v]
    yield from family("self-attention", attend, (draw(m, d),), lambda X, v: sum(path(X, v) for path in paths), {
        "as values only": paths[2], "keys left out": lambda X, v: paths[0](X, v) + paths[2](X, v),
        "queries twice for keys": lambda X, v: 2 * paths[0](X, v) + paths[2](X, v)}, upstream=draw(m, d),
        functions=True)
    x, w, v = draw(9), draw(3), draw(7)
    slide = lambda x, w: F.conv1d(x[None, None], w[None, None])[0, 0]
    spread = lambda v, w: torch.stack([v[max(0, i - 2):i + 1] @ w[i - torch.arange(9)[max(0, i - 2):min(i, 6) + 1]]
                                       for i in range(9)])
    yield from family("convolution", slide, (x, w), (lambda x, w, v: spread(v, w), lambda x, w, v: slide(x, v)), {
        "kernel turned once too often": (lambda x, w, v: spread(v, w.flip(0)), ...),
        "kernel's gradient turned": (..., lambda x, w, v: slide(x, v).flip(0)),
        "shifted by one": (lambda x, w, v: spread(v, w).roll(1), ...),
        "kernel's gradient averaged": (..., lambda x, w, v: slide(x, v) / 7)}, upstream=v)
    I, K, b = draw(2, 3, 6, 5), draw(4, 3, 3, 2), draw(4)
    yield from family("convolution of images", lambda I, K, b: F.conv2d(I, K, b), (I, K, b),
                      (lambda I, K, b, v: F.conv_transpose2d(v, K), lambda I, K, b, v: F.conv2d(
                          I.transpose(0, 1), v.transpose(0, 1)).transpose(0, 1), lambda I, K, b, v: v.sum((0, 2, 3))), {
        "bias summed over the batch only": (..., ..., lambda I, K, b, v: v.sum(0)),
        "bias averaged over pixels": (..., ..., lambda I, K, b, v: v.sum(0).mean((1, 2))),
        "kernel turned once too often": (lambda I, K, b, v: F.conv_transpose2d(v, K.flip((2, 3))), ..., ...)},
        upstream=draw(2, 4, 4, 4))
    y = draw(12)
    yield from family("average pooling", lambda y: y.reshape(4, 3).mean(1), (y,),
                      lambda y, v: v.repeat_interleave(3) / 3, {
        "not divided": lambda y, v: v.repeat_interleave(3), "tiled for repeated": lambda y, v: v.repeat(3) / 3,
        "to the first of each": lambda y, v: (v[:, None] * torch_double([1, 0, 0])).flatten()}, upstream=draw(4))
    yield from family("cumulative sum", lambda y: y.cumsum(0), (y,), lambda y, v: v.flip(0).cumsum(0).flip(0), {
        "summed from the front": lambda y, v: v.cumsum(0), "nothing carried": lambda y, v: v}, upstream=draw(12))
    cos, sin = math.cos(0.7), math.sin(0.7)
    turn = lambda x, s: torch.stack([x[0] * cos - s * x[1] * sin, s * x[0] * sin + x[1] * cos])
    yield from family("rotary embedding", lambda x: turn(x, 1), (draw(2, n),), lambda x, v: turn(v, -1), {
        "turned the same way": lambda x, v: turn(v, 1)}, upstream=draw(2, n))
    W, x0, u = 0.5 * draw(n, n), draw(n), draw(n)
    advance = lambda W, h: torch.tanh(W @ h + u)

    def unroll(W, v, first):
        hs = [x0]
        for _ in range(4):
            hs.append(advance(W, hs[-1]))
        total = zeros_like(W)
        for t in range(4, first, -1):
            v = v * (1 - hs[t] ** 2)
            total, v = total + outer(v, hs[t - 1]), W.T @ v
        return total

    def recur(W):
        h = x0
        for _ in range(4):
            h = advance(W, h)
        return h

    yield from family("recurrent network of four steps", recur, (W,), lambda W, v: unroll(W, v, 0), {
        "last step only": lambda W, v: unroll(W, v, 3), "first step left out": lambda W, v: unroll(W, v, 1)},
        upstream=draw(n))


def blocks(draw: Draw) -> Iterator[Case]:
    m, n = draw.sizes(2)
    x, W1, W2, v = draw(n), draw(m, n), draw(n, m), draw(n)
    branch = lambda x, v: W1.T @ ((1 - torch.tanh(W1 @ x) ** 2) * (W2.T @ v))
    yield from family("residual block", lambda x: x + W2 @ torch.tanh(W1 @ x), (x,), lambda x, v: v + branch(x, v), {
        "skip left out": branch, "branch left out": lambda x, v: v, "branch by its own output": lambda x, v: v
        + branch(x, v + branch(x, v)), "slope left out": lambda x, v: v + W1.T @ (W2.T @ v)}, upstream=v,
        functions=True)
    S = draw(n, n)
    unit = lambda x: x / ((x * x).mean() + EPS).sqrt()
    yield from family("residual block with a norm first", lambda x: x + S @ unit(x), (x,),
                      lambda x, v: v + rms_backward(x, 1, S.T @ v), {
        "skip left out": lambda x, v: rms_backward(x, 1, S.T @ v), "norm passed over": lambda x, v: v + S.T @ v,
        "norm as a number": lambda x, v: v + rms_backward(x, 1, S.T @ v, projection=0)}, upstream=v)


def matrices(draw: Draw) -> Iterator[Case]:
    n, m = draw.sizes(2)
    A, X, R, a, b = draw(n, n), draw.invertible(n), draw(n, m), draw(n), draw(n)
    tr = torch.trace
    yield from family("tr AX", lambda X: tr(A @ X), (X,), lambda X: A.T, {
        "not transposed": lambda X: A, "diagonal only": lambda X: torch.diag(A.diagonal())})
    yield from family("tr XᵀAX", lambda X, A: tr(X.T @ A @ X), (R, A), lambda X, A: (A + A.T) @ X, {
        "symmetric A assumed": lambda X, A: 2 * A @ X, "one X only": lambda X, A: A @ X})
    yield from family("tr exp X", lambda X: tr(torch.matrix_exp(X)), (A,), lambda X: torch.matrix_exp(X).T, {
        "not transposed": torch.matrix_exp, "exponential of entries": torch.exp})
    yield from family("log det", lambda X: X.logdet(), (X,), lambda X: inv(X).T, {
        "not transposed": inv, "determinant left in": lambda X: X.logdet().exp() * inv(X).T,
        "sign": lambda X: -inv(X).T})
    yield from family("det", det, (X,), lambda X: det(X) * inv(X).T, {
        "log det's": lambda X: inv(X).T, "adjugate not transposed": lambda X: det(X) * inv(X)}, functions=True)
    yield from family("tr X⁻¹A", lambda X: tr(inv(X) @ A), (X,), lambda X: -(inv(X) @ A @ inv(X)).T, {
        "sign": lambda X: (inv(X) @ A @ inv(X)).T, "not transposed": lambda X: -inv(X) @ A @ inv(X),
        "inverse on one side": lambda X: -(A @ inv(X) @ inv(X)).T})
    yield from family("solution of a system", solve, (X, b),
                      (lambda X, b, v: -outer(inv(X).T @ v, solve(X, b)), lambda X, b, v: inv(X).T @ v), {
        "by the right side, not transposed": (..., lambda X, b, v: inv(X) @ v),
        "by the matrix, sign": (lambda X, b, v: outer(inv(X).T @ v, solve(X, b)), ...),
        "by the matrix, factors exchanged": (lambda X, b, v: -outer(solve(X, b), inv(X).T @ v), ...)}, upstream=a)
    low = lambda X: torch.linalg.eigh((X + X.T) / 2)
    yield from family("smallest eigenvalue of the symmetric part", lambda X: low(X)[0][0], (A,),
                      lambda X: outer(low(X)[1][:, 0], low(X)[1][:, 0]), {
        "of the largest": lambda X: outer(low(X)[1][:, -1], low(X)[1][:, -1]),
        "rows of V for columns": lambda X: outer(low(X)[1][0], low(X)[1][0])})


def hidden(draw: Draw) -> Iterator[Case]:
    """Where autograd does not know the derivative: the claim is what autograd says, and it is wrong."""
    m, n = draw.sizes(2)
    x, X, W, b, v, V, Z = draw(n), draw(m, n), draw(n, 4), draw(4), draw(n), draw(m, 4), draw(m, n)
    soft = partial(torch.softmax, dim=-1)
    wrong = [
        ("square", (x,), torch.square, lambda v, x: v * x, lambda x, v: 2 * v * x, v),
        ("exponential, chain forgotten", (x,), torch.exp, lambda v, x: x.exp(), lambda x, v: v * x.exp(), v),
        ("tanh from its input", (x,), torch.tanh, lambda v, x: v * (1 - x * x), lambda x, v: v / torch.cosh(x) ** 2, v),
        ("relu without a mask", (draw.signed(n),), torch.relu, lambda v, x: v, lambda x, v: v * (x > 0), v),
        ("softmax without its sum", (Z,), soft, lambda v, Z: v * soft(Z) * (1 - soft(Z)),
         lambda Z, v: soft(Z) * (v - (v * soft(Z)).sum(-1, keepdim=True)), draw(m, n)),
        ("rms without projection", (X,), lambda X: X / ((X * X).mean(-1, keepdim=True) + EPS).sqrt(),
         lambda v, X: rms_backward(X, 1, v, projection=0), lambda X, v: rms_backward(X, 1, v), draw(m, n)),
        ("reversed gradient", (x,), lambda x: 2 * x, lambda v, x: -2 * v, lambda x, v: 2 * v, v),
    ]
    for name, inputs, forward, backward, right, up in wrong:
        yield from family(f"custom backward, {name}", custom(forward, backward), inputs, right, {
            "as autograd has it": lambda *given, backward=backward: backward(given[-1], *given[:-1])}, upstream=up)
    layer = custom(lambda X, W, b: X @ W + b, lambda v, X, W, b: (v @ W.T, X.T @ v, v.mean(0)))
    yield from family("custom affine layer", layer, (X, W, b), (lambda X, W, b, v: v @ W.T, lambda X, W, b, v: X.T @ v,
                                                                lambda X, W, b, v: v.sum(0)), {
        "mean for the bias, as autograd has it": (..., ..., lambda X, W, b, v: v.mean(0))}, upstream=V)
    unsummed = custom(lambda X, W, b: X @ W + b, lambda v, X, W, b: (v @ W.T, X.T @ v, v))
    yield from family("custom affine layer that autograd mends", unsummed, (X, W, b),
                      (None, None, lambda X, W, b, v: v.sum(0)), {
        "batch not summed": (None, None, lambda X, W, b, v: v)}, upstream=V)
    yield from family("a factor detached", lambda x: x @ x.detach(), (x,), lambda x: 2 * x, {"half": lambda x: x})

    def no_grad(X):
        with torch.no_grad():
            mean, s = X.mean(0), standardize(X, dim=0)[1]
        return (X - mean) / s

    yield from family("statistics under no_grad", no_grad, (X,), lambda X, v: norm_backward(X, 1, v, dim=0), {
        "as constants": lambda X, v: v / standardize(X, dim=0)[1]}, upstream=draw(m, n))
    yield from family("a Python number inside", lambda x: x.sum() * x.sum().item(), (x,),
                      lambda x: 2 * x.sum() * ones_like(x), {
        "half": lambda x: x.sum() * ones_like(x)})
    yield from family("through numpy and back", lambda x: x.sum() + torch.from_numpy(x.detach().numpy() ** 2).sum(),
                      (x,),
                      lambda x: 1 + 2 * x, {"what torch sees": ones_like})

    def hooked(x):
        y = x * 3
        if y.requires_grad:
            y.register_hook(lambda grad: grad / 2)
        return (y * y).sum()

    yield from family("a hook that halves", hooked, (x,), lambda x: 18 * x, {"halved": lambda x: 9 * x})


def numbers(draw: Draw) -> Iterator[Case]:
    """Right formulas with a wrong number somewhere: small relative errors, one wrong entry, tiny gradients."""
    m, n, k = draw.sizes(3)
    S, x, X, g, W, A = draw(n, n), draw(n), draw(m, n), draw.positive(n), draw(n, k), draw.invertible(n)
    V, soft = draw(m, n), partial(torch.softmax, dim=-1)
    smooth = [
        ("of a quadratic form", lambda x: x @ S @ x, (x,), lambda x: (S + S.T) @ x, {}),
        ("of a log det", lambda A: A.logdet(), (A,), lambda A: inv(A).T, {}),
        ("of RMS norm", lambda X: X / ((X * X).mean(-1, keepdim=True) + EPS).sqrt() * g, (X,),
         lambda X, v: rms_backward(X, g, v), {"upstream": V}),
        ("of a softmax", soft, (x,), lambda x: torch.diag(soft(x)) - outer(soft(x), soft(x)), {}),
        ("of a tanh layer", lambda W: torch.tanh(X @ W), (W,), lambda W, v: X.T @ (v * (1 - torch.tanh(X @ W) ** 2)),
         {"upstream": draw(m, k)}),
    ]
    for turn, error in enumerate([1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9]):
        for name, fn, inputs, right, options in (smooth[turn % 5], smooth[(turn + 2) % 5]):
            noise = draw(*settle((right,), inputs, options.get("upstream"))[0].shape)
            scaled = lambda *given, right=right, error=error: right(*given) * (1 + error)
            factor = 1 + error * (1 + noise.abs())
            noisy = lambda *given, right=right, factor=factor: right(*given) * factor
            yield from family(f"relative error {error:g}", fn, inputs, right, {f"{name}, all entries alike": scaled,
                              f"{name}, entries at random": noisy}, **options)
    for n in (2, 9, 32, 100, 300):
        W, x, i, j = draw(n, n), draw(n), n - 1, n // 2

        def put(value, i=i, j=j):
            def claim(*given):
                J = (1 - torch.tanh(given[0] @ given[1]) ** 2)[:, None] * given[0]
                J[i, j] = value(J[i, j], J)
                return J
            return claim
        fn, right = (lambda W, x: torch.tanh(W @ x)), (None, put(lambda old, J: old))
        W = W / math.sqrt(n)
        yield from family(f"Jacobian of {n} by {n}", fn, (W, x), right, {
            f"one entry off by {off:g}": (None, put(lambda old, J, off=off: old + off)) for off in (1, 1e-2, 1e-4)} | {
            "one sign": (None, put(lambda old, J: -old)), "one entry zero": (None, put(lambda old, J: 0 * old))})

        def swapped(W, c):
            G = 2 * (W - c)
            G[[0, -1], j] = G[[-1, 0], j]
            return G
        yield from family(f"gradient of {n} by {n}", lambda W, c: (W - c).square().sum(), (W, draw(n, n)),
                          lambda W, c: 2 * (W - c), {
            "two entries exchanged": swapped, "last entry zero": lambda W, c: 2 * (W - c) * (torch.arange(W.numel())
                                                                            < W.numel() - 1).reshape(W.shape)})
    for scale in (1e-12, 1e-30, 1e-100, 1e-150):
        q = draw(6)
        yield from family(f"gradient of size {scale:g}", lambda x, s=scale: s * (x**3).sum(), (q,), lambda x, s=scale:
                          3 * s * x**2, {"claimed zero": zeros_like, "sign": lambda x, s=scale: -3 * s * x**2,
                                         "three forgotten": lambda x, s=scale: s * x**2})
        yield from family(f"Jacobian of size {scale:g}", lambda x, s=scale: s * torch.sin(x), (q,), lambda x, s=scale:
                          s * torch.diag(x.cos()), {"claimed zero": lambda x: torch.zeros(6, 6).double()})
    scales = torch.logspace(-10, 10, 6, dtype=torch.float64)
    yield from family("gradient with entries of all sizes", lambda x: scales @ x**2, (draw.signed(6),),
                      lambda x: 2 * scales * x, {
        "the small ones claimed zero": lambda x: 2 * scales * x * (scales > 1e-3),
        "sign of the smallest": lambda x: 2 * scales * x * (1 - 2.0 * (scales < 1e-9))})


def masks(draw: Draw) -> Iterator[Case]:
    """At these inputs the wrong claim and the right one are the same."""
    m, n, k = draw.sizes(3)
    hidden = partial(family, masked=True)
    S, x, y, v, W, X = draw.symmetric(n), draw(n), draw(n), draw(n), draw(n, k), draw(m, n)
    I, tr, soft, T = identity(n), torch.trace, partial(torch.softmax, dim=-1), lambda M: M.T.contiguous()
    ones = lambda *shape: torch.ones(shape, dtype=torch.float64)
    name = "masked by a symmetric matrix"
    yield from hidden(name, lambda x, S: x @ S @ x, (x, S), (lambda x, S: (S + S.T) @ x, lambda x, S: outer(x, x)), {
        "quadratic form, 2Sx": (lambda x, S: 2 * S @ x, ...), "quadratic form, 2Sᵀx": (lambda x, S: 2 * S.T @ x, None)})
    yield from hidden(name, lambda X, S: tr(S @ X), (draw(n, n), S), (lambda X, S: S.T, lambda X, S: X.T), {
        "tr SX, not transposed": (lambda X, S: S, ...)})
    yield from hidden(name, lambda X: tr(X @ X @ X), (S,), lambda X: 3 * (X @ X).T, {"tr X³": lambda X: 3 * X @ X})
    yield from hidden(name, lambda X: torch.linalg.slogdet(X)[1], (S,), lambda X: inv(X).T, {"log |det X|": inv})
    yield from hidden(name, lambda x, S: S @ x, (x, S), lambda x, S: S, {"Sx, denominator layout": lambda x, S: S.T})
    yield from hidden(name, lambda X: X @ X, (S,), lambda X: kron(I, T(X)) + kron(X, I), {
        "X², not transposed": lambda X: kron(I, X) + kron(X, I)}, order="row")
    yield from hidden(name, inv, (S,), lambda X: -kron(inv(X), T(inv(X))), {
        "inverse, not transposed": lambda X: -kron(inv(X), inv(X))}, order="row")
    yield from hidden(name, lambda X, a, b: a @ solve(X, b), (S, x, y),
                      lambda X, a, b: -inv(X).T @ outer(a, b) @ inv(X).T, {
        "aᵀX⁻¹b, not transposed": lambda X, a, b: -inv(X) @ outer(a, b) @ inv(X)})
    yield from hidden(name, lambda x, S: S @ x, (x, S), (lambda x, S, v: S.T @ v, lambda x, S, v: outer(v, x)), {
        "layer, S not transposed": (lambda x, S, v: S @ v, ...)}, upstream=v)
    yield from hidden("masked by an orthogonal matrix", lambda x, Q: Q @ x, (x, draw.orthogonal(n)),
                      lambda x, Q, v: Q.T @ v, {
        "inverse for transpose": lambda x, Q, v: solve(Q, v)}, upstream=v)
    yield from hidden("masked by an identity matrix", lambda X, L: L @ X @ W, (draw(n, n), I),
                      lambda X, L, v: L.T @ v @ W.T, {
        "left factor forgotten": lambda X, L, v: v @ W.T, "left factor not transposed": lambda X, L, v: L @ v @ W.T},
        upstream=draw(n, k))
    yield from hidden("masked by two equal vectors", lambda S, x, y: x @ S @ y, (draw(n, n), x, x.clone()),
                      lambda S, x, y: outer(x, y),
                      {"y first": lambda S, x, y: outer(y, x), "x twice": lambda S, x, y: outer(x, x)})
    rms = lambda X, g: X / ((X * X).mean(-1, keepdim=True) + EPS).sqrt() * g
    by_g = lambda X, g, v: (v * rms(X, 1)).sum(0)
    how = lambda **how: (lambda X, g, v: rms_backward(X, g, v, **how))
    yield from hidden("masked by unit gain, RMS norm", rms, (X, ones(n)), (how(), by_g), {
        "gain outside": (how(inside=False), ...), "gain forgotten": (how(gain=False), ...),
        "gain by the output": (..., lambda X, g, v: (v * rms(X, g)).sum(0))}, upstream=draw(m, n))
    yield Case("masked by unit gain, RMS norm: whole backward, gain outside", "masked by unit gain, RMS norm", rms,
               (X, ones(n)), lambda X, g, v: (rms_backward(X, g, v), by_g(X, g, v)),
               lambda X, g, v: (rms_backward(X, g, v, inside=False), by_g(X, g, v)), {"upstream": draw(m, n)}, True)
    layer = lambda X, g: standardize(X)[0] * g
    how = lambda **how: (lambda X, g, v: norm_backward(X, g, v, **how))
    yield from hidden("masked by unit gain, layer norm", layer, (X, ones(n)), how(), {
        "gain outside": how(inside=False), "gain forgotten": lambda X, g, v: norm_backward(X, 1, v)},
        upstream=draw(m, n))
    yield from hidden("masked by unit gain and an upstream of ones", layer, (X, ones(n)), how(), {
        "deviation forgotten": how(scale=False), "claimed zero": lambda X, g, v: zeros_like(X)}, upstream=ones(m, n))
    plain = lambda x: x / (x * x).mean().sqrt()
    how = lambda **how: (lambda x, v: rms_backward(x, 1, v, **({"eps": 0} | how)))
    yield from hidden("masked by an upstream along the output", plain, (x,), how(), {
        "not divided by r": lambda x, v: v - x * (v @ x) / (x @ x), "claimed zero": lambda x, v: zeros_like(x)},
        upstream=2 * plain(x))
    yield from hidden("masked by an upstream orthogonal to x", plain, (x,), how(), {
        "projection missing": how(projection=0)}, upstream=v - x * (v @ x) / (x @ x))
    yield from hidden("masked by a mean square of 1", plain, (plain(x),), how(), {
        "not divided by r": lambda x, v: v - x * (v * x).mean(), "a power short": how(power=2)}, upstream=v)
    yield from hidden("masked by a unit vector", lambda x: x / x.norm(), (x / x.norm(),), lambda x:
                      (identity(len(x)) - outer(x, x) / (x @ x)) / x.norm(),
                      {"norm forgotten": lambda x: identity(len(x)) - outer(x, x)})
    yield from hidden("masked by an upstream of ones, softmax", soft, (x,), lambda x, v: soft(x) * (v - soft(x) @ v), {
        "outer p forgotten": lambda x, v: v - soft(x) @ v, "claimed zero": lambda x, v: zeros_like(x)},
        upstream=ones(n))
    yield from hidden("masked by an upstream of ones, log softmax", partial(torch.log_softmax, dim=-1), (x,),
                      lambda x, v: v - soft(x) * v.sum(), {"n for the sum of v": lambda x, v: v - len(x) * soft(x)},
                      upstream=ones(n))
    affine = lambda X, W, b: X @ W + b
    right = (lambda X, W, b, v: v @ W.T, lambda X, W, b, v: X.T @ v, lambda X, W, b, v: v.sum(0))
    yield from hidden("masked by an upstream of ones, affine layer", affine, (X, W, draw(k)), right, {
        "sums of X in every column": (..., lambda X, W, b, v: X.sum(0)[:, None].expand_as(W), ...),
        "row sums of W": (lambda X, W, b, v: W.sum(1).expand_as(X), ..., ...),
        "batch size for the bias": (..., ..., lambda X, W, b, v: len(X) * ones_like(b))}, upstream=ones(m, k))
    yield from hidden("masked by a batch of one", affine, (draw(1, n), W, draw(k)), right, {
        "mean for the bias": (..., ..., lambda X, W, b, v: v.mean(0)), "weights averaged":
        (..., lambda X, W, b, v: X.T @ v / len(X), ...), "first example's bias": (..., ..., lambda X, W, b, v: v[0])},
        upstream=draw(1, k))
    yield from hidden("masked by a batch of one, mean squared error", lambda X, y: (X @ y).square().mean(),
                      (draw(1, n), x), (
        lambda X, y: 2 * outer(X @ y, y) / len(X), lambda X, y: 2 * X.T @ (X @ y) / len(X)), {
        "not averaged": (lambda X, y: 2 * outer(X @ y, y), ...)})
    yield from hidden("masked by one output", lambda X, W: (X @ W).square().mean(), (X, draw(n, 1)), (
        lambda X, W: 2 * (X @ W) @ W.T / (len(X) * W.shape[1]),
        lambda X, W: 2 * X.T @ (X @ W) / (len(X) * W.shape[1])), {
        "averaged over the batch only": (..., lambda X, W: 2 * X.T @ (X @ W) / len(X))})
    name, positive, up = "masked by positive inputs", draw.positive(9), draw(9)
    for title, f, slope, wrong in [("relu", torch.relu, lambda x: step(x), ones_like),
                                   ("absolute value", torch.abs, torch.sign, ones_like),
                                   ("leaky relu", lambda x: F.leaky_relu(x, 0.1), lambda x: step(x, 0.1),
                                    lambda x: step(x))]:
        yield from hidden(name, f, (positive,), lambda x, v, slope=slope: v * slope(x), {
            title: lambda x, v, wrong=wrong: v * wrong(x)}, upstream=up)
    yield from hidden(name, lambda X, W: torch.relu(X @ W), (X.abs() + 0.1, W.abs() + 0.1),
                      (lambda X, W, v: (v * (X @ W > 0)) @ W.T,
                      lambda X, W, v: X.T @ (v * (X @ W > 0))),
                      {"relu layer without a mask": (lambda X, W, v: v @ W.T, ...)},
                      upstream=draw(m, k))
    yield from hidden(name, F.prelu, (positive, torch_double([0.2])),
                      (None, lambda x, a, v: (v * x.clamp(max=0)).sum()[None]), {
        "slope of a PReLU claimed zero": (None, lambda x, a, v: zeros_like(a))}, upstream=up)
    flat = 0.7 * ones(n)
    yield from hidden("masked by equal entries", lambda x: x * x.mean(), (flat,),
                      lambda x: x.mean() * identity(len(x)) + x[:, None]
                      .expand(len(x), len(x)) / len(x),
                      {"transposed": lambda x: x.mean() * identity(len(x)) + x / len(x)})
    yield from hidden("masked by equal entries", lambda x: x.logsumexp(0), (flat,), soft, {
        "log-sum-exp, the mean's": lambda x: ones_like(x) / len(x)})
    yield from hidden("masked by equal entries", soft, (flat,),
                      lambda x: torch.diag(soft(x)) - outer(soft(x), soft(x)), {
        "softmax, centring": lambda x: (identity(len(x)) - 1 / len(x)) / len(x)})
    yield from hidden("masked by a zero input", lambda x, M: torch.tanh(M @ x), (0 * x, draw(m, n)),
                      lambda x, M: (1 - torch.tanh(M @ x) ** 2)[:, None] * M,
                      {"slope of tanh forgotten": lambda x, M: M})
    yield from hidden("masked by a temperature of 1", lambda x, t: soft(x / t), (x, torch_double(1.0)), (
        lambda x, t, v: soft(x / t) * (v - soft(x / t) @ v) / t,
        lambda x, t, v: -(soft(x / t) * (v - soft(x / t) @ v)) @ x / t**2), {
        "forgotten": (lambda x, t, v: soft(x / t) * (v - soft(x / t) @ v), ...),
        "once for twice": (..., lambda x, t, v: -(soft(x / t) * (v - soft(x / t) @ v)) @ x / t)}, upstream=v)
    yield from hidden("masked by centred entries", lambda x: x.var(correction=0), (x - x.mean(),),
                      lambda x: 2 * (x - x.mean()) / len(x), {"mean forgotten": lambda x: 2 * x / len(x)})
    cross = lambda Z, Q: -(Q * torch.log_softmax(Z, -1)).sum()
    yield from hidden("masked by targets that sum to 1", cross, (X, soft(draw(m, n))), (
        lambda Z, Q: soft(Z) * Q.sum(-1, keepdim=True) - Q, lambda Z, Q: -torch.log_softmax(Z, -1)), {
        "p - y": (lambda Z, Q: soft(Z) - Q, ...)})
    M = draw(m, n)
    yield from hidden("masked by a residual branch that starts at zero", lambda x, Z: x + Z @ torch.tanh(M @ x),
                      (x, torch.zeros(n, m).double()),
                      (lambda x, Z, v: v + M.T @ ((1 - torch.tanh(M @ x) ** 2) * (Z.T @ v)),
                       lambda x, Z, v: outer(v, torch.tanh(M @ x))), {
        "branch left out": (lambda x, Z, v: v, ...), "slope left out": (lambda x, Z, v: v + M.T @ (Z.T @ v), ...)},
        upstream=v)
    yield from hidden("masked by an exact fit", lambda A, x, b: (A @ x - b).square().sum() / 2, (X, x, X @ x), (
        lambda A, x, b: outer(A @ x - b, x), lambda A, x, b: A.T @ (A @ x - b), lambda A, x, b: b - A @ x), {
        "sign": (..., lambda A, x, b: A.T @ (b - A @ x), ...),
        "a two": (..., lambda A, x, b: 2 * A.T @ (A @ x - b), ...)})
    near, up = (lambda y: 0.4 * y / y.abs().max())(draw(9)), draw(9)
    yield from hidden("masked by small residuals",
                      lambda r: F.huber_loss(r, zeros_like(r), delta=0.5, reduction="sum"), (near,),
                      lambda r: r.clamp(-0.5, 0.5), {"Huber, never clipped": lambda r: r})
    yield from hidden("masked by values inside the bounds", lambda r: r.clamp(-0.5, 0.5), (near,),
                      lambda r, v: v * (r.abs() < 0.5), {"clamp, one everywhere": lambda r, v: v}, upstream=up)
    yield from hidden("masked by a square shape", lambda X: X / ((X * X).mean(-1, keepdim=True) + EPS).sqrt(),
                      (draw(n, n),),
                      lambda X, v: rms_backward(X, 1, v), {
        "batch size for features": lambda X, v: rms_backward(X, 1, v, size=len(X))}, upstream=draw(n, n))
    yield from hidden("masked by a square shape", lambda Q, K: Q @ K.T / math.sqrt(Q.shape[1]),
                      (draw(n, n), draw(n, n)), (
        lambda Q, K, v: v @ K / math.sqrt(Q.shape[1]), lambda Q, K, v: v.T @ Q / math.sqrt(Q.shape[1])), {
        "attention scaled by the sequence": (lambda Q, K, v: v @ K / math.sqrt(len(K)), ...)}, upstream=draw(n, n))


def wrong_cases(seed: int) -> list[Case]:
    """Claims that are wrong, each with the right one beside it."""
    groups = (vectors, statistics, least_squares, kronecker, layers, activations, classifiers, normalizations,
              sequences, blocks, matrices, hidden, numbers, masks)
    return [case for number, group in enumerate(groups) for case in group(Draw(100 * seed + number))]


# Right gradients that are hard to judge


def sound(title: str, fn: Callable, inputs: Any, *claims: Any, kind: str, functions: bool = False,
    **options: Any) -> Case:
    """A right case; claims written as functions are given as their values unless they are to stay functions."""
    claims += (None,) * (len(inputs) - len(claims))
    if not functions:
        claims = settle(claims, inputs, options.get("upstream"))
    return Case(title, kind, fn, inputs, claims, None, options)


def sizes_of_numbers(draw: Draw) -> Iterator[Case]:
    case = partial(sound, kind="large, tiny and badly scaled")
    m, n = draw.sizes(2)
    S, A, x, a = draw(n, n), draw(m, n), draw(n), draw(n)
    for scale in (1e-150, 1e-12, 1e8, 1e150):
        yield case(f"linear form at {scale:g}", lambda x: x @ a, (scale * x,), lambda x: a)
        yield case(f"norm at {scale:g}", lambda x: x.norm(), (scale * x,), lambda x: x / x.norm())
        yield case(f"layer of weights {scale:g}", lambda x, A: A @ x, (x, scale * A), lambda x, A: A)
    for scale in (1e-70, 1e-9, 1e8, 1e70):
        yield case(f"quadratic form at {scale:g}", lambda x: x @ S @ x, (scale * x,), lambda x: (S + S.T) @ x)
        yield case(f"rms norm at {scale:g}", lambda x: x / (x * x).mean().sqrt(), (scale * x,), lambda x, v:
                   rms_backward(x, 1, v, eps=0), upstream=a)
    spread = torch.logspace(-12, 12, 7, dtype=torch.float64)
    yield case("entries from 1e-12 to 1e12", lambda x: (x * x).sum(), (draw.signed(7) * spread,), lambda x: 2 * x)
    yield case("outputs from 1e-12 to 1e12", lambda x: spread * x.sin(), (draw(7),),
               lambda x: torch.diag(spread * x.cos()))
    yield case("columns from 1e-12 to 1e12", lambda X, W: X @ W, (draw(n, m), draw(m, 7) * spread),
               lambda X, W, v: v @ W.T,
               lambda X, W, v: X.T @ v, upstream=draw(n, 7))
    yield case("logarithm near zero", lambda x: x.log().sum(), (1e-12 * draw.positive(n),), lambda x: 1 / x)
    yield case("exponential of fifty", lambda x: x.exp().sum(), (50 + x,), torch.exp)
    yield case("twentieth power", lambda x: (x**20).sum(), (3 * draw.signed(n),), lambda x: 20 * x**19)
    yield case("fast oscillation", lambda x: (1e6 * x).sin().sum(), (x,), lambda x: 1e6 * (1e6 * x).cos())
    yield case("steep sigmoid", lambda x: torch.sigmoid(1e5 * x).sum(), (1e-5 * x,), lambda x:
               1e5 * torch.sigmoid(1e5 * x) * torch.sigmoid(-1e5 * x))
    yield case("smoothed absolute value", lambda x: (x * x + 1e-12).sqrt().sum(), (1e-6 * x,),
               lambda x: x / (x * x + 1e-12).sqrt())


def cancellation(draw: Draw) -> Iterator[Case]:
    case = partial(sound, kind="cancellation and noise")
    n, m = draw.sizes(2)
    x, v, A = draw(n), draw(n), draw.invertible(n)
    soft = partial(torch.softmax, dim=-1)
    yield case("variance far from zero", lambda x: x.var(correction=0), (1e6 + x,),
               lambda x: 2 * (x - x.mean()) / len(x))
    yield case("offset added and taken away", lambda x: ((x + 1e8) - 1e8).square().sum(), (x,), lambda x: 2 * x)
    yield case("layer norm far from zero", lambda X: standardize(X, 1e-5)[0], (1e5 + draw(m, n),), lambda X, v:
               norm_backward(X, 1, v, eps=1e-5), upstream=draw(m, n))
    yield case("log-sum-exp far from zero", lambda x: x.logsumexp(0), (1e6 + x,), soft)
    yield case("small change of a large constant", lambda x: 1e12 + (x * x).sum(), (x,), lambda x: 2 * x)
    for size in (6, 8, 10):
        i = torch.arange(size, dtype=torch.float64)
        hilbert, b = 1 / (i[:, None] + i + 1), draw(size)
        yield case(f"solve with the Hilbert matrix of {size}", solve, (hilbert, b),
                   lambda H, b, v: -outer(solve(H.T, v), solve(H, b)),
                   lambda H, b, v: solve(H.T, v), upstream=draw(size))
    yield case("log det of the Hilbert matrix", lambda H: H.logdet(), (1 / (i[:6, None] + i[:6] + 1),),
               lambda H: inv(H).T)
    part = lambda X: torch.linalg.eigh((X + X.T) / 2)
    c = torch.arange(1.0, n + 1).double()
    yield case("eigenvalues of the symmetric part", lambda X: torch.linalg.eigvalsh((X + X.T) / 2) @ c, (draw(n, n),),
               lambda X: part(X)[1] * c @ part(X)[1].T)
    yield case("sum of eigenvalues is the trace", lambda X: torch.linalg.eigvalsh((X + X.T) / 2).sum(), (draw(n, n),),
               identity(n))
    Q = lambda X: torch.linalg.qr(X)[0]
    zeros = partial(torch.zeros, dtype=torch.float64)
    kind = "gradient exactly zero"
    yield case("QQᵀ of a square matrix", lambda X: Q(X) @ Q(X).T, (A,), zeros(n, n), upstream=draw(n, n), kind=kind)
    yield case("sum of a softmax", lambda x: soft(x).sum(), (x,), zeros(n), kind=kind)
    yield case("length of a unit vector", lambda x: (x / x.norm()).norm(), (x,), zeros(n), kind=kind)
    yield case("sum of layer norm", lambda x: F.layer_norm(x, [n]).sum(), (x,), zeros(n), kind=kind)
    yield case("input that is not used", lambda x, y: x @ x, (x, v), lambda x, y: 2 * x, zeros(n), kind=kind)
    yield case("constant function", lambda x: torch_double(3.0), (x,), zeros(n), kind=kind)
    yield case("at the minimum", lambda x: (x - v).square().sum(), (v.clone(),), zeros(n), kind=kind)
    yield case("floor between integers", lambda x: x.floor().sum(),
               (torch.arange(n) + 0.3 + 0.05 * draw.positive(n),), zeros(n),
               kind=kind)
    yield case("determinant of rank n - 2", det, (torch.diag(torch_double([1, 2, 0, 0])),), zeros(4, 4), kind=kind)
    kind = "saturated"
    logits = torch_double([[900, 3, -5], [0, -800, 1], [2, 2.5, 3]])
    yield case("softmax", soft, (logits,), lambda Z, v: soft(Z) * (v - (soft(Z) * v).sum(-1, keepdim=True)),
               upstream=draw(3, 3), kind=kind)
    yield case("cross-entropy", lambda Z, y: F.cross_entropy(Z, y), (logits, torch.tensor([0, 2, 1])), lambda Z, y:
               (soft(Z) - F.one_hot(y, 3)) / 3, None, kind=kind)
    yield case("sigmoid", torch.sigmoid, (torch_double([-700, -40, 0.5, 39]),),
               lambda x: torch.diag(torch.sigmoid(x) * torch.sigmoid(-x)),
               kind=kind)
    yield case("tanh", lambda x: torch.tanh(x).sum(), (torch_double([-18, 0.3, 19.5, 1]),),
               lambda x: 1 / torch.cosh(x) ** 2, kind=kind)
    kind = "near a kink"
    close = draw.signed(n) * torch.logspace(-12, -6, n).double()
    yield case("relu", torch.relu, (close,), lambda x: torch.diag(step(x)), kind=kind)
    yield case("absolute value", lambda x: x.abs() @ v, (close,), lambda x: torch.sign(x) * v, kind=kind)
    yield case("maximum by a hair", lambda x: x.max(), (torch_double([1, 1 + 1e-10, 0.4]),), torch_double([0, 1, 0]),
               kind=kind)
    yield case("hinge", lambda s: (1 - s).relu().sum(), (1 + close,), lambda s: -(s < 1).double(), kind=kind)
    yield case("norm", lambda x: x.norm(), (1e-9 * x,), lambda x: x / x.norm(), kind=kind)
    yield case("relu squared, at zero", lambda x: torch.relu(x).square().sum(), (torch_double([0, 1.3, -0.4, 0]),),
               lambda x:
               2 * torch.relu(x), kind=kind)


def kinds_of_tensors(draw: Draw) -> Iterator[Case]:
    case = partial(sound, kind="memory layout and shape")
    m, n = draw.sizes(2)
    x, A, W, b = draw(n), draw(m, n), draw(n, m), draw(m)
    quadratic = lambda x: (x * x).sum()
    yield case("transposed input", lambda W: torch.tanh(W).sum(), (A.T,), lambda W: 1 - torch.tanh(W) ** 2)
    yield case("every other entry", quadratic, (draw(2 * n)[::2],), lambda x: 2 * x)
    yield case("expanded input", lambda X: (X * A).sum(), (draw(1, n).expand(m, n),), A)
    yield case("expanded claim", lambda x: x.sum(), (x,), torch_double(1).expand(n))
    yield case("expanded upstream", lambda X: X @ W, (A,), lambda X, v: v @ W.T, upstream=torch_double(1).expand(m, m))
    yield case("input that requires a gradient", quadratic, (x.clone().requires_grad_(),), 2 * x)
    yield case("claim with a graph", quadratic, (leaf := x.clone().requires_grad_(),), 2 * leaf)
    yield case("number in, number out", lambda s: s.sin(), (torch_double(0.6),), torch.cos)
    yield case("axes of size one", lambda X: X.sin().sum(), (draw(1, n, 1),), torch.cos)
    yield case("one by one", lambda W, y: W @ y, (draw(1, 1), draw(1)), lambda W, y: y[None, None], lambda W, y: W)
    yield case("identity", lambda x: x, (x,), identity(n))
    yield case("four axes, convolution", lambda I, K: F.conv2d(I, K, padding=1), (draw(2, 3, 4, 5), draw(2, 3, 3, 3)),
               lambda I, K, v: F.conv_transpose2d(v, K, padding=1), lambda I, K, v: F.conv2d(
                   I.transpose(0, 1), v.transpose(0, 1), padding=1).transpose(0, 1), upstream=draw(2, 2, 4, 5))
    yield case("flattened by rows", lambda X: A @ X @ W, (draw(n, n),), torch.kron(A, W.T.contiguous()))
    yield case("flattened by columns", lambda X: A @ X @ W, (draw(n, n),), torch.kron(W.T.contiguous(), A),
               order="column")
    big = draw(300, 300) / 17
    yield case("Jacobian of 300 by 300", lambda x: torch.tanh(big @ x), (draw(300),), lambda x:
               (1 - torch.tanh(big @ x) ** 2)[:, None] * big)
    yield case("integer labels as an input", lambda X, y: F.cross_entropy(X @ W, y),
               (draw(5, n), torch.arange(5) % m), lambda X, y:
               (torch.softmax(X @ W, 1) - F.one_hot(y, m)) @ W.T / 5, None)
    kind, f32 = "float32", torch.float32
    xf, Af, bf = x.to(f32), A.to(f32), b.to(f32)
    yield case("inputs and claims", lambda x: x.sin() @ x, (xf,), lambda x: x.cos() * x + x.sin(), kind=kind)
    yield case("matrix captured by fn", lambda x: torch.tanh(Af @ x + bf).sum(), (xf,),
               lambda x: Af.T @ (1 - torch.tanh(Af @ x + bf) ** 2),
               kind=kind)
    yield case("float32 input, float64 claim", lambda x: (Af @ x).square().sum(), (xf,),
               2 * Af.double().T @ (Af.double() @ xf.double()),
               kind=kind)
    yield case("float64 input, float32 claim", quadratic, (x,), (2 * x).to(f32), kind=kind)
    yield case("rms norm", lambda X: F.rms_norm(X, [n], eps=EPS), (A.to(f32),), lambda X, v: rms_backward(X, 1, v),
               kind=kind,
               upstream=draw(m, n).to(f32))
    yield case("large and far from zero", lambda x: x.var(correction=0), (1000 + xf,),
               lambda x: 2 * (x - x.mean()) / len(x), kind=kind)
    torch.manual_seed(int(1000 * x[0].abs()))
    net, net64 = torch.nn.Linear(n, m), torch.nn.Linear(n, m).double()
    yield case("float32 linear module captured by fn", lambda x: net(x).square().sum(), (xf,),
               lambda x: 2 * net(x).detach()
               @ net.weight.detach(), kind=kind)
    kind = "dicts, trees and modules"
    tensors = {"W": W, "x": draw(m)}
    yield Case("dict of tensors by keyword", kind, lambda W, x: (W @ x).square().sum(), tensors,
               {"W": 2 * outer(W @ tensors["x"], tensors["x"]), "x": 2 * W.T @ W @ tensors["x"]})
    yield case("dict of tensors as one input", lambda p: (p["W"] @ p["x"]).square().sum(), (tensors,),
               {"W": 2 * outer(W @ tensors["x"], tensors["x"]), "x": 2 * W.T @ W @ tensors["x"]}, kind=kind)
    yield case("list of weights", lambda ws, x: ws[1] @ (ws[0] @ x), ([A, W], x),
               lambda ws, x, v: [outer(ws[1].T @ v, x), outer(
               v, ws[0] @ x)], lambda ws, x, v: ws[0].T @ ws[1].T @ v, upstream=draw(n), kind=kind)
    y = net64(x).detach()
    yield case("linear module", lambda layer, x: layer(x).square().sum(), (net64, x),
               {"weight": 2 * outer(y, x), "bias": 2 * y},
               2 * net64.weight.detach().T @ y, kind=kind)


def programs(draw: Draw) -> Iterator[Case]:
    case = partial(sound, kind="what fn does inside")
    m, n = draw.sizes(2)
    x, v, W, A = draw(n), draw(n), draw(n, n) / n**0.5, draw(m, n)
    slope = lambda x: 1 - torch.tanh(x) ** 2

    def deep(x, depth, f=torch.tanh):
        for _ in range(depth):
            x = f(W @ x)
        return x

    def deep_backward(x, v, depth):
        states = [x]
        for _ in range(depth):
            states.append(torch.tanh(W @ states[-1]))
        for h in reversed(states[1:]):
            v = W.T @ (v * (1 - h * h))
        return v

    yield case("twenty tanh layers", partial(deep, depth=20), (x,), partial(deep_backward, depth=20), upstream=v)
    yield case("hundred shrinking layers", partial(deep, depth=100, f=lambda y: y / 30), (x,),
               lambda x: torch.linalg.matrix_power(W / 30, 100))

    def doubling(x):
        x.mul_(2)
        return (x * x).sum()

    def wiping(x):
        y = (x * v).sum()
        x.data.zero_()
        return y

    def popping(p):
        return (p.pop("x") ** 2).sum()

    yield case("argument changed in place", doubling, (x.clone(),), 8 * x)
    yield case("argument wiped afterwards", wiping, (x.clone(),), v)
    yield case("argument emptied", popping, ({"x": x},), {"x": 2 * x})
    block = lambda x: torch.tanh(A @ x)
    for reentrant in (False, True):
        yield case(f"checkpoint, {'' if reentrant else 'not '}reentrant", lambda x, reentrant=reentrant: checkpoint(
            block, x, use_reentrant=reentrant).sum(), (x,), lambda x: A.T @ slope(A @ x))
    yield case("torch.func.grad", torch.func.grad(lambda x: (x**4).sum()), (x,), lambda x: torch.diag(12 * x**2))
    yield case("torch.func.vmap", torch.func.vmap(lambda row: row @ row), (A,), lambda X, v: 2 * v[:, None] * X,
               upstream=draw(m))

    def slope_by_autograd(x):
        return torch.autograd.grad((x**3).sum(), x, create_graph=True)[0]

    def guarded(x):
        with torch.enable_grad():
            return slope_by_autograd(x if x.requires_grad else x.detach().requires_grad_()).square().sum()

    yield case("autograd.grad, which needs an input that requires a gradient", slope_by_autograd, (x,),
               lambda x: torch.diag(6 * x))
    yield case("autograd.grad, careful", guarded, (x,), lambda x: 36 * x**3)
    exp = custom(torch.exp, lambda v, x: v * x.exp())
    yield case("custom function", exp, (x,), lambda x: torch.diag(x.exp()))
    outside = custom(lambda x: torch.from_numpy(x.detach().numpy() ** 3), lambda v, x: 3 * v * x**2)
    yield case("custom function in numpy", lambda x: outside(x).sum(), (x,), lambda x: 3 * x**2)
    yield case("maximum detached, rightly", lambda x: x.detach().max() + (x - x.detach().max()).exp().sum().log(), (x,),
               partial(torch.softmax, dim=0))

    def seeded(x):
        torch.manual_seed(0)
        return F.dropout(x, 0.5) @ v

    torch.manual_seed(0)
    yield case("dropout with a seed", seeded, (x,), F.dropout(torch.ones(n).double(), 0.5) * v)
    yield case("repeated indices", lambda x: x[torch.tensor([0, 2, 0, 1, 0])].square().sum(), (x,),
               lambda x: 2 * x * torch.bincount(
        torch.tensor([0, 2, 0, 1, 0]), minlength=n))


def functions_as_claims(draw: Draw) -> Iterator[Case]:
    case = partial(sound, kind="claims as functions", functions=True)
    m, n = draw.sizes(2)
    x, A, u, V, p = draw(n), draw(n, n), draw.positive(n), draw(m, n), torch.softmax(draw(n), 0)
    inside, soft = 0.9 * torch.tanh(x), partial(torch.softmax, dim=-1)
    for name, fn, claim, at in [
            ("logarithm", torch.log, lambda x: 1 / x, u), ("square root", torch.sqrt, lambda x: 0.5 / x.sqrt(), u),
            ("arcsine", torch.asin, lambda x: (1 - x * x) ** -0.5, inside),
            ("inverse hyperbolic tangent", torch.atanh, lambda x: 1 / (1 - x * x), inside),
            ("logit", torch.logit, lambda p: 1 / (p * (1 - p)), p), ("log gamma", torch.lgamma, torch.digamma, u),
            ("power with a fraction", lambda x: x**1.3, lambda x: 1.3 * x**0.3, u)]:
        yield case(name, lambda x, fn=fn: fn(x).sum(), (at,), claim)
    yield case("entropy of probabilities", lambda p: -(p * p.log()).sum(), (p,), lambda p: -p.log() - 1)
    yield case("divergence of probabilities", lambda p, q: (p * (p / q).log()).sum(), (p, soft(draw(n))),
               lambda p, q: (p / q).log() + 1,
               lambda p, q: -p / q)
    P = lambda A: A @ A.T + identity(n)
    yield case("Cholesky factor of AAᵀ + I", lambda A: 2 * torch.linalg.cholesky(P(A)).diagonal().log().sum(), (A,),
               lambda A: 2 * solve(P(A), A))
    yield case("log det of a positive definite input",
               lambda C: 2 * torch.linalg.cholesky((C + C.T) / 2).diagonal().log().sum(),
               (P(A),), lambda C: inv((C + C.T) / 2))
    yield case("log det", torch.logdet, (P(A),), lambda A: inv(A).T)
    Y = F.one_hot(torch.arange(m) % n, n).double()
    yield case("cross-entropy with one-hot targets", lambda Z, Y: -(Y * torch.log_softmax(Z, -1)).sum(), (V, Y),
               lambda Z, Y: soft(Z) - Y, None)
    yield case("cross-entropy with labels", lambda Z, y: F.cross_entropy(Z, y), (V, Y.argmax(1)), lambda Z, y:
               (soft(Z) - F.one_hot(y, Z.shape[1])) / len(Z), None)
    yield case("rms norm", lambda X, g: X / ((X * X).mean(-1, keepdim=True) + EPS).sqrt() * g, (V, u), rms_backward,
               lambda X, g, v:
               (v * X / ((X * X).mean(-1, keepdim=True) + EPS).sqrt()).sum(0), upstream=draw(m, n))
    yield case("relu layer", lambda x, A: torch.relu(A @ x), (x, A), lambda x, A, v: A.T @ (v * (A @ x > 0)),
               lambda x, A, v:
               outer(v * (A @ x > 0), x), upstream=draw(n))
    yield case("symmetric matrix, right for every one", lambda x, A: x @ A @ x, (x, A + A.T),
               lambda x, A: (A + A.T) @ x, lambda x, A: outer(x, x))
    yield Case("whole backward of a layer", "claims as functions", lambda X, W, b: X @ W + b, (V, draw(n, 4), draw(4)),
               lambda X, W, b, v: (v @ W.T, X.T @ v, v.sum(0)), None, {"upstream": draw(m, 4)})


def right_cases(seed: int) -> list[Case]:
    """Claims that are right, though the case is hard; ``wrong`` is None."""
    groups = (sizes_of_numbers, cancellation, kinds_of_tensors, programs, functions_as_claims)
    return [case for number, group in enumerate(groups) for case in group(Draw(100 * seed + 50 + number))]


def kink_cases(seed: int) -> list[Case]:
    """Points exactly on a kink; ``right`` is one of the slopes somebody may claim there, a case for each."""
    draw, d = Draw(100 * seed + 90), torch_double
    c, x = draw.signed(4), draw.signed(4)
    x[1] = 0
    unit = (lambda y: y / y.norm())(draw(4))
    W = draw(3, 4)
    at = lambda row, slope: row.index_put((torch.tensor([1]),), slope * c[1])
    relu = c * (x > 0)
    tie = d([1.5, 1.5, -0.2, 0.7])
    edge = d([0.4, 1.0, -0.3, 2.0])
    W0 = W.index_put((torch.tensor([1]),), d(0))
    mask = (W0 @ c > 0).double()
    points = [
        ("relu at 0", lambda x: c @ torch.relu(x), x, [at(relu, s) for s in (0, 0.5, 1)]),
        ("relu of a layer with a dead unit", lambda W: torch.relu(W @ c).sum(), W0,
         [outer(mask + s * d([0, 1, 0]), c) for s in (0, 0.5, 1)]),
        ("relu, a Jacobian at 0", torch.relu, x, [torch.diag((x > 0) + s * d([0, 1, 0, 0])) for s in (0, 1)]),
        ("leaky relu at 0", lambda x: c @ F.leaky_relu(x, 0.1), x, [at(c * step(x, 0.1), s) for s in (0.1, 0.55, 1)]),
        ("absolute value at 0", lambda x: c @ x.abs(), x, [at(c * torch.sign(x), s) for s in (0, 1, -1)]),
        ("sum of distances, one of them 0", lambda y: (y - x).abs().sum(), x * d([2, 1, 3, 0.5]),
         [torch.sign(x) * d([1, 1, 1, -1]) + s * d([0, 1, 0, 0]) for s in (0, 1)]),
        ("maximum of a tie", lambda x: x.max(), tie, [d([1, 0, 0, 0]), d([0, 1, 0, 0]), d([0.5, 0.5, 0, 0])]),
        ("larger of two equal entries", lambda x: torch.maximum(x[0], x[1]), tie, [d([1, 0, 0, 0]), d([0, 1, 0, 0])]),
        ("hinge at 1", lambda s: (1 - s).relu().sum(), edge, [d([-1, s, -1, 0]) for s in (0, -0.5, -1)]),
        ("clamp at its bound", lambda x: x.clamp(-1, 1).sum(), edge, [d([1, s, 1, 0]) for s in (0, 0.5, 1)]),
        ("norm at 0", lambda x: x.norm(), d([0, 0, 0, 0]), [d([0, 0, 0, 0]), unit]),
        ("max pooling of a tie", lambda x: F.max_pool1d(x[None, None], 2)[0, 0] @ c[:2], tie,
         [c[0] * d([s, 1 - s, 0, 0]) + c[1] * d([0, 0, 0, 1]) for s in (1, 0, 0.5)]),
        ("floor at an integer", lambda x: x.floor().sum(), d([2, 0.4, 1.7]), [d([0, 0, 0])]),
    ]
    return [Case(f"{name}, claim {number}", name, fn, (point,), (claim,)) for name, fn, point, claims in points
            for number, claim in enumerate(claims, 1)]
