"""Inputs that hide mistakes: what a check at this point cannot see.

With a symmetric matrix a wrong transpose has the right numbers; with a gain of ones a forgotten gain has. Such inputs are
recognised by their values and by what the function does with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from utils.point import Point
from utils.trace import call_name, captured, expressions, names_of_captured, tensors_of

__all__ = ["masks"]

BRANCHING = frozenset("relu relu_ leaky_relu abs absolute elu selu celu prelu __abs__ clamp clamp_min clamp_max relu6 "
                      "hardtanh threshold".split())
BOUNDING = frozenset("clamp clamp_min clamp_max relu6 hardtanh threshold".split())
NORMALISING = frozenset("div true_divide __truediv__ rsqrt softmax layer_norm rms_norm normalize group_norm".split())
QUIET = 1e-4    # of the loss's own size
LARGE = 2**16   # entries; of larger tensors right angles are not looked for
LINEAR_ENDS = ("SumBackward", "MeanBackward")
WEIGHTED = ("Mul", "Div", "Where", "Gather", "Index", "Select", "Slice", "MaskedFill")


def masks(point: Point, tried: bool = False) -> list[str]:
    """One sentence for each thing about the inputs that would hide a mistake.

    Parameters
    ----------
    point : the function at the given inputs
    tried : whether all claims were tried on other inputs too; then only what stays the same there is said
    """
    outside = captured(point.run.calls, point.run.passed if point.problem.plain else [*point.run.passed, *point.problem.host.buffers()])
    given = [value.detach() for value in (*point.leaves, *outside, *([] if point.upstream is None else [point.upstream]))]
    found = [*_of_values(point, given), *_of_the_run(point), *_of_the_loss(point), *_orthogonal(point, outside)]
    if tried:
        redrawn = set(range(len(point.leaves))) | ({len(given) - 1} if _redraws_upstream(point) else set())
        found = [(sentence, places) for sentence, places in found
                 if places and not redrawn & set(places) and not sentence.startswith("axis")]
    if not found:
        return []
    names = [*point.problem.names, *_names(point.problem.fn, outside), "the upstream gradient"]
    sentences = dict.fromkeys(sentence.format(*(names[place] for place in places)) for sentence, places in found)
    return [f"The inputs hide mistakes: {sentence}." for sentence in sentences]


def _redraws_upstream(point: Point) -> bool:
    problem = point.problem
    return point.upstream is not None and all(problem.takes_upstream(problem.claim_of[i]) for i in problem.by_function)


def _names(fn: Callable, outside: Sequence[Tensor]) -> list[str]:
    names = names_of_captured(fn) if outside else {}
    return [names.get(id(value), f"a tensor {tuple(value.shape)} from outside") for value in outside]


# A sentence with the places of the tensors that it speaks of.
Finding = tuple[str, tuple[int, ...]]


def _of_values(point: Point, given: Sequence[Tensor]) -> Iterator[Finding]:
    # NumPy looks at single entries much faster than torch, and they tell most tensors from those looked for.
    arrays = [x.numpy() if x.dtype in (torch.float64, torch.float32) and x.device.type == "cpu" else None for x in given]
    for k, x in enumerate(arrays):
        if x is None or not x.ndim:
            continue
        if _equal_entries(x):
            if x.item(0) == 1:
                yield "{0} is all ones, so a claim that forgets {0}, or puts it on the wrong side, has the same values", (k,)
            elif x.item(0) == 0:
                if k == len(given) - 1 and point.upstream is not None:
                    yield "{0} is zero, so every claim of zero passes", (k,)
            else:
                yield ("all entries of {0} are equal, so a wrong index, transpose or order of factors changes nothing about "
                       "{0}", (k,))
        elif x.ndim >= 2 and 1 < x.shape[-1] == x.shape[-2] and _symmetric(x):
            yield "{0} is symmetric, so {0} and its transpose cannot be told apart", (k,)
        elif 1 in x.shape:
            yield (f"axis {x.shape.index(1)} of {{0}} has size 1, so a missing sum or mean over it changes nothing", (k,))
        for j, other in enumerate(arrays[:k]):
            if other is not None and k < len(point.leaves) and other.shape == x.shape and x.size > 1 and other.item(0) == x.item(0) \
                    and np.array_equal(other, x) and not _equal_entries(x):
                yield "{0} and {1} are equal, so one in place of the other has the same values", (j, k)
    if 1 in point.output_shape and not any(1 in x.shape for x in given):
        yield "the output has an axis of size 1, so a missing sum over the outputs changes nothing", ()


def _of_the_run(point: Point) -> Iterator[Finding]:
    for call in point.run.calls:
        name = call_name(call)
        if name in BRANCHING:
            x = next((value for value in tensors_of((call.args, call.kwargs)) if value.is_floating_point()), None)
            sign = None if x is None or x.numel() < 2 or name in BOUNDING else \
                "positive" if (x > 0).all() else "negative" if (x < 0).all() else None
            if name in BOUNDING and x is not None and isinstance(call.result, Tensor) and torch.equal(call.result, x):
                yield f"{name.strip('_')} meets numbers inside its bounds only, so the slope outside is not tried", ()
            elif sign:
                yield f"{name.strip('_')} meets {sign} numbers only, so the slope for the others is not tried", ()


def _of_the_loss(point: Point) -> Iterator[Finding]:
    """A scalar function that ends in an unweighted sum has an upstream gradient of ones, or one tied to the output."""
    if point.output_shape or point.upstream is not None:
        return
    node = point.run.grad_fn
    if node is None or not node.name().startswith(LINEAR_ENDS):
        return
    before = node.next_functions[0][0]
    if before is None or not before.next_functions:
        return  # the inputs themselves are summed
    name = before.name()
    if name.startswith(WEIGHTED) and len({id(function) for function, _ in before.next_functions}) > 1:
        return
    quiet = [i for i in point.problem.claimed
             if point.leaves[i].numel() > 1 and point.leaves[i].any() and (gradient := point.jacobian(i)) is not None
             and gradient.norm() * point.leaves[i].norm() <= QUIET * point.output.abs()]
    if quiet:
        for i in quiet:
            yield ("the loss hardly changes with {0}, so claims that are wrong along the output pass; weigh the outputs with "
                   "a random upstream gradient", (i,))
        return
    inner = before.next_functions[0][0]
    if name.startswith("Pow") or (name.startswith("Mul") and len({id(f) for f, _ in before.next_functions}) == 1):
        if inner is not None and any(call_name(call) in NORMALISING for call in point.run.calls):
            yield ("the loss is a sum of squares, so the upstream gradient is tied to the output and a mistake along it is "
                   "hidden; weigh the outputs with a random upstream gradient", ())
    elif not name.startswith(WEIGHTED) and inner is not None and \
            not (len(before.next_functions) == 1 and "AccumulateGrad" in inner.name()):  # a function of each entry alone
        yield ("the outputs are summed with equal weights, an upstream gradient of ones, so a forgotten upstream gradient "
               "or a sum in the wrong place may have the same values; weigh the outputs with a random one", ())


def _orthogonal(point: Point, outside: Sequence[Tensor]) -> Iterator[Finding]:
    """Tensors at a right angle to each other: a term with their inner product is zero."""
    first = [*outside, *([] if point.upstream is None else [point.upstream])]
    by_shape: dict[torch.Size, dict[int, Tensor]] = {x.shape: {} for x in first if x.ndim and 1 < x.numel() <= LARGE}
    for x in (*point.run.passed, *first, *(call.result for call in point.run.calls)):
        if isinstance(x, Tensor) and x.shape in by_shape and x.dtype == torch.float64:
            by_shape[x.shape][id(x)] = x
    flat = {key: x.detach().numpy().reshape(-1) for group in by_shape.values() if len(group) > 1
            for key, x in group.items() if x.device.type == "cpu"}
    squares = {key: x @ x for key, x in flat.items()}
    for k, x in enumerate(first):
        others = by_shape.get(x.shape, {})
        if id(x) not in flat or x.shape[-1] < 2:
            continue
        for y in others.values():
            if y is x or any(y is before for before in first[:k]):
                continue
            # Rows at right angles have a sum of products that is nearly zero; cheap, and enough nearly always.
            left, right = flat[id(x)], flat[id(y)]
            if (left @ right) ** 2 > 1e-12 * squares[id(x)] * squares[id(y)]:
                continue
            x_, y_ = left.reshape(x.shape), right.reshape(y.shape)
            norms = np.linalg.norm(x_, axis=-1) * np.linalg.norm(y_, axis=-1)
            if not ((norms > 0) & (abs((x_ * y_).sum(-1)) <= 1e-14 * x.shape[-1] * norms)).all() \
                    or _equal_entries(x_) or _equal_entries(y_):
                continue
            names = {id(value): name for name, value in zip(point.problem.names, point.run.passed)}
            names |= names_of_captured(point.problem.fn)
            if point.upstream is not None:
                names[id(point.upstream)] = "the upstream gradient"
            words = {**expressions(point.run.calls, names), **names}
            if id(x) in words and id(y) in words:
                one, other = (words[id(value)].replace("{", "{{").replace("}", "}}") for value in (x, y))
                yield f"{one} is orthogonal to {other}, so a term with their inner product is not seen", ()
                return


def _symmetric(x: np.ndarray) -> bool:
    if x.ndim == 2 and x[0, 1] != x[1, 0]:
        return False
    return np.array_equal(x, x.swapaxes(-1, -2))


def _equal_entries(x: np.ndarray) -> bool:
    return x.size > 1 and x.item(0) == x.item(1) and bool((x == x.item(0)).all())
