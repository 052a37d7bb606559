"""Other inputs for a claim given as a function: other values, and other sizes where the given ones hide something.

Values keep what a function may rely on: positive inputs stay positive, zeros and ones stay zeros and ones, rows that sum to
one still do. Symmetry, equal entries and unit gains do not survive: they are what hides mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import CellType

import torch
from torch import Tensor

from utils.claims import Problem
from utils.point import Point, typical_size
from utils.trace import Trace, captured

__all__ = ["other_sizes", "redraw"]

WIDE = 4     # how much larger than the given inputs the widest are
SPLITS = 24  # ways to give two groups of axes of one size different sizes, that are tried


def redraw(leaves: Sequence[Tensor], generator: torch.Generator, wide: bool = False,
           free: Sequence[int] = ()) -> list[Tensor]:
    """Random tensors of the same shapes and sizes, float64.

    wide : larger ones, and of both signs also where all given entries are positive: so every branch of a function is met
    free : the places of the leaves that need not stay targets or probabilities, since something is claimed of them

    >>> target, scale = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([2.0, 2.0])
    >>> target, scale = redraw([target, scale], torch.Generator().manual_seed(0))
    >>> sorted(target.tolist()), bool((scale > 0).all()), bool(scale[0] == scale[1])
    ([0.0, 0.0, 1.0], True, False)
    """
    return [_redraw(leaf, leaf.shape, generator, wide, i in free) for i, leaf in enumerate(leaves)]


def _redraw(x: Tensor, shape: Sequence[int], generator: torch.Generator, wide: bool, free: bool) -> Tensor:
    shape = torch.Size(shape)
    if not x.is_floating_point():  # labels and indices: which of them are allowed is known from the given ones
        return x.reshape(-1)[torch.randint(x.numel(), shape, generator=generator)]
    if not free and x.ndim and ((x == 0) | (x == 1)).all() and 0 < x.sum() < x.numel():
        # Targets or a mask: each row keeps its number of ones.
        places = torch.rand(shape, generator=generator, dtype=torch.float64).argsort(-1)
        if shape == x.shape:
            return x.to(torch.float64).gather(-1, places)
        return (places == 0).to(torch.float64)
    fresh = typical_size(x) * torch.randn(shape, generator=generator, dtype=torch.float64)
    if not free and x.ndim and x.shape[-1] > 1 and (x >= 0).all() \
            and torch.allclose(x.sum(-1), torch.ones_like(x.sum(-1)), 1e-12, 1e-12):
        return fresh.softmax(-1)
    if wide:
        return WIDE * fresh
    return fresh.abs() if (x > 0).all() else fresh


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
        leaves = [_redraw(leaf, shape, generator, False, i in problem.claimed)
                  for i, (leaf, shape) in enumerate(zip(point.leaves, shapes))]
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
    for axes in ([ones] if ones else []) + ([[axis] for axis in ones] if len(ones) > 1 else []):
        if (found := drawn(resized(shapes, axes, fresh_size()))) is not None:
            yield found
            break
    split, tried = shapes, 0
    written = _numbers_in(problem.fn, *(problem.claim_of[i] for i in problem.by_function))
    waiting = [axes for size, axes in groups.items() if len(axes) > 1 and size not in written]
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


def _numbers_in(*functions: Callable) -> set[int]:
    """The numbers that functions contain or take from outside; they may be sizes, right for the given ones alone."""
    numbers: set[int] = set()
    for function in functions:
        code = getattr(function, "__code__", None)
        if code is None:
            continue
        outside = [function.__globals__.get(name) for name in code.co_names]
        outside += [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
        numbers.update(value for value in (*code.co_consts, *outside) if isinstance(value, (int, float)))
    return numbers


def _filled(cell: CellType) -> bool:
    try:
        cell.cell_contents
    except ValueError:
        return False
    return True


def _parts(axes: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """The ways to take some of the axes away from the first one, few at a time."""
    rest = axes[1:]
    numbers = sorted(range(1, 2 ** min(len(rest), 8)), key=lambda number: (number.bit_count(), number))
    for number in numbers:
        yield [axis for k, axis in enumerate(rest[:8]) if number >> k & 1]
