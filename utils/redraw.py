"""Other inputs for a claim given as a function: other values, and other sizes where the given ones hide something.

Inputs of which nothing is claimed keep what a formula may rely on: targets, labels, permutations, probabilities and sorted
ones stay what they are, and so do single numbers; positive inputs stay positive. Symmetry, orthogonality, equal entries and
unit gains do not survive: they are what hides mistakes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from utils.claims import Problem
from utils.point import Point, typical_size
from utils.trace import Trace, captured, outside

__all__ = ["other_sizes", "redraw"]

WIDE = 4     # how much larger than the given inputs the widest are
SPLITS = 24  # ways to give two groups of axes of one size different sizes, that are tried


def redraw(leaves: Sequence[Tensor], generator: torch.Generator, free: Sequence[int] = (),
           wide: Sequence[int] = ()) -> list[Tensor]:
    """Random tensors of the same shapes and sizes, float64.

    free : the places of the leaves of which something is claimed; the others keep what a formula may rely on
    wide : the places of those that become larger, and of both signs also where all given entries are positive: so every
        branch is met

    >>> target, scale = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([2.0, 2.0])
    >>> target, scale = redraw([target, scale], torch.Generator().manual_seed(0))
    >>> sorted(target.tolist()), bool((scale > 0).all()), bool(scale[0] == scale[1])
    ([0.0, 0.0, 1.0], True, False)
    """
    fresh = [None if i in free else _keeping_its_kind(leaf, generator) for i, leaf in enumerate(leaves)]
    return [_draw(leaf, leaf.shape, generator, i in wide) if kept is None else kept
            for i, (leaf, kept) in enumerate(zip(leaves, fresh))]


def _draw(x: Tensor, shape: Sequence[int], generator: torch.Generator, wide: bool) -> Tensor:
    fresh = typical_size(x) * torch.randn(tuple(shape), generator=generator, dtype=torch.float64)
    if wide:
        fresh = WIDE * fresh
        if (x > 0).all() and (fresh > 0).all():  # a sign that was not there is wanted
            fresh.view(-1)[0] *= -1
        return fresh
    return fresh.abs() if (x > 0).all() else fresh


def _keeping_its_kind(x: Tensor, generator: torch.Generator) -> Tensor | None:
    """Another tensor of the same kind, where it is of a kind that formulas rely on; symmetry and ones are none of them."""
    if not x.ndim or not x.isfinite().all():  # a setting, such as an exponent, or a mask
        return x.clone()
    if x.dtype == torch.bool or not x.is_floating_point():
        return _labels(x, generator)
    square = x.ndim == 2 and x.shape[0] == x.shape[1] > 1
    two = ((x == 0) | (x == 1)).all() and 0 < x.sum() < x.numel() or ((x.abs() == 1).all() and x.min() < 0)
    if two and square and torch.equal(x, x.T) and not torch.equal(x, torch.eye(len(x), dtype=x.dtype)):
        order = torch.randperm(len(x), generator=generator)
        return x[order][:, order].to(torch.float64)  # the edges of a graph
    if two and square and (x.sum(0) == 1).all() and (x.sum(1) == 1).all():
        return x[torch.randperm(len(x), generator=generator)].to(torch.float64)  # a permutation
    if two:  # targets, signs or a mask: each row keeps its numbers
        places = torch.rand(x.shape, generator=generator, dtype=torch.float64).argsort(-1)
        return x.to(torch.float64).gather(-1, places)
    fresh = typical_size(x) * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    if x.shape[-1] > 1 and (x >= 0).all() and torch.allclose(x.sum(-1), torch.ones_like(x.sum(-1)), 1e-12, 1e-12):
        return fresh.softmax(-1)
    if x.ndim == 1:
        if len(x) > 2 and torch.allclose(x.diff(), x.diff()[0].expand(len(x) - 1), 1e-9) and x[0] != x[1]:
            return x.clone()  # a grid
        if len(x) > 2 and ((x.diff() > 0).all() or (x.diff() < 0).all()):
            return fresh.abs().sort(descending=bool(x[0] > x[-1])).values if (x > 0).all() else \
                fresh.sort(descending=bool(x[0] > x[-1])).values
    return None


def _labels(x: Tensor, generator: torch.Generator) -> Tensor:
    """Labels and indices: a permutation stays one, sorted ones stay sorted, and none is new."""
    flat = x.reshape(-1)
    if x.ndim == 1 and x.dtype != torch.bool and torch.equal(flat.sort().values, torch.arange(len(flat), dtype=x.dtype)):
        return torch.randperm(len(flat), generator=generator).to(x.dtype)
    if x.ndim == 1 and len(flat) > 1 and x.dtype != torch.bool and (flat.diff() >= 0).all():
        return x.clone()
    return flat[torch.randperm(len(flat), generator=generator)].reshape(x.shape)


def other_sizes(problem: Problem, point: Point,
                generator: torch.Generator) -> Iterator[tuple[list[Tensor], Tensor | None, str]]:
    """Inputs of other shapes on which fn runs: axes of size 1 made longer, and axes that need not be equal made unequal.

    Yields the leaves, the upstream gradient, and the sizes in words. Nothing where fn or a claim takes tensors from
    outside, since these have the given sizes.
    """
    if not problem.plain or captured(point.run.calls, point.run.passed):
        return
    known = [leaf.clone() for leaf in point.leaves] + ([] if point.upstream is None else [point.upstream.clone()])
    with Trace() as trace:
        for claim in {problem.claim_of[i] for i in problem.by_function}:
            problem.call_claim(claim, known[:len(point.leaves)], *known[len(point.leaves):])
    if captured(trace.calls, known):
        return
    shapes = [tuple(leaf.shape) for leaf in point.leaves]
    taken = {size for shape in shapes for size in shape} | set(point.output_shape)

    def fresh_size() -> int:
        size = next(size for size in range(3, 99) if size not in taken)  # 2 would be taken for the factor 2
        taken.add(size)
        return size

    def drawn(shapes: list[tuple[int, ...]]) -> tuple[list[Tensor], Tensor | None, str] | None:
        leaves = [_draw(leaf, shape, generator, False) if i in problem.claimed or tuple(leaf.shape) != tuple(shape) else
                  redraw([leaf], generator)[0] for i, (leaf, shape) in enumerate(zip(point.leaves, shapes))]
        try:
            output = problem.run([leaf.clone() for leaf in leaves])
            if output.ndim != len(point.output_shape) or not output.isfinite().all():
                return None
        except Exception:  # these sizes do not go together
            return None
        if point.upstream is not None and not all(problem.takes_upstream(problem.claim_of[i]) for i in problem.by_function):
            return None
        upstream = None if point.upstream is None else torch.randn(output.shape, generator=generator, dtype=torch.float64)
        return leaves, upstream, ", ".join(f"{name} {shape}" for name, shape in zip(problem.names, shapes))

    def resized(shapes: list[tuple[int, ...]], axes: Sequence[tuple[int, int]], size: int) -> list[tuple[int, ...]]:
        return [tuple(size if (i, axis) in axes else old for axis, old in enumerate(shape)) for i, shape in enumerate(shapes)]

    groups: dict[int, list[tuple[int, int]]] = {}
    for i, shape in enumerate(shapes):
        for axis, size in enumerate(shape):
            groups.setdefault(size, []).append((i, axis))
    ones = groups.pop(1, [])
    written = _numbers_in(problem.fn, *(problem.claim_of[i] for i in problem.by_function))
    if _may_be_sizes(written, point, 1):
        ones = []
    for axes in ([ones] if ones else []) + ([[axis] for axis in ones] if len(ones) > 1 else []):
        if (found := drawn(resized(shapes, axes, fresh_size()))) is not None:
            yield found
            break
    split, tried = shapes, 0
    waiting = [axes for size, axes in groups.items() if len(axes) > 1 and not _may_be_sizes(written, point, size)]
    changed = False
    while waiting:
        axes = waiting.pop()
        for chosen in _parts(axes):
            if (tried := tried + 1) > SPLITS * len(groups):
                break
            candidate = resized(split, chosen, fresh_size())
            if drawn(candidate) is not None:
                split, changed = candidate, True
                waiting += [part for part in (chosen, [axis for axis in axes if axis not in chosen]) if len(part) > 1]
                break
            taken.discard(max(taken))
    if changed and (found := drawn(split)) is not None:
        yield found


def _numbers_in(*functions: Any) -> set[int]:
    """The numbers that functions contain or take from outside; they may be sizes, right for the given ones alone."""
    numbers: set[int] = set()
    waiting, seen = [(function, True) for function in functions], set()
    while waiting:
        value, inside = waiting.pop()
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if float(value).is_integer():
                numbers.add(int(value))
        elif isinstance(value, functools.partial):
            waiting += [(part, inside) for part in (value.func, *value.args, *value.keywords.values())]
        elif inside and id(value) not in seen and (code := getattr(value, "__code__", None)) is not None:
            seen.add(id(value))
            waiting += [(part, False) for part in (*code.co_consts, *(value.__defaults__ or ()))]
            # Helpers that stand beside the function are read too, but no libraries.
            waiting += [(part, getattr(part, "__module__", None) == value.__module__) for part in outside(value)]
            waiting += [(part, False) for part in getattr(getattr(value, "__self__", None), "__dict__", {}).values()]
    return numbers


def _may_be_sizes(numbers: set[int], point: Point, size: int) -> bool:
    """Whether a number in the code may be this size, or a product of it: of entries, rows or a batch."""
    counts = {count for leaf in point.leaves for count in (*leaf.shape, leaf.numel())}
    return any(number > 2 and (number % size == 0 if size > 1 else number in counts) for number in numbers)


def _parts(axes: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """The ways to take some of the axes away from the first one, few at a time."""
    rest = axes[1:]
    numbers = sorted(range(1, 2 ** min(len(rest), 8)), key=lambda number: (number.bit_count(), number))
    for number in numbers:
        yield [axis for k, axis in enumerate(rest[:8]) if number >> k & 1]
