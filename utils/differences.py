"""Difference quotients: the slope of a function along a direction, with an estimate of its own error.

They know nothing of how the function is written, so they can judge autograd too. A central quotient with step h errs by
about h² (truncation) plus ε|f|/h (rounding, ε = 2⁻⁵²). Richardson's extrapolation of two steps removes the h² term, and
the difference of two such results says how far they can be trusted.

Source: Nocedal & Wright (2006), section 8.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["Slope", "slope_along", "smallest_normal", "unit_roundoff"]

unit_roundoff = torch.finfo(torch.float64).eps
smallest_normal = torch.finfo(torch.float64).smallest_normal
FIRST_STEP, LAST_STEP = -4, -48  # exponents of two, relative to the direction's own scale


@dataclass(frozen=True)
class Slope:
    """The slope of y = f(x + t d) at t = 0, per entry of y.

    value : shape of y, the derivative by t
    error : shape of y, an estimate of the error of ``value``
    kink : shape of y, true where the slopes from the left and from the right differ however small the step
    supported : shape of y, true where a step that can be trusted gave what was expected
    """

    value: Tensor
    error: Tensor
    kink: Tensor
    supported: Tensor

    def agrees(self, expected: Tensor) -> Tensor:
        """Where a slope thought to be ``expected`` is no further away than the quotients' own error explains.

        The margin is wide, since the error is an estimate: a witness is contradicted only on strong evidence.
        """
        margin = 30 * self.error + 1e-6 * torch.maximum(expected.abs(), self.value.abs())
        return self.supported | ((self.value - expected).abs() <= margin)


def slope_along(f: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor, expected: Tensor,
                noise: Tensor | float = 0.0) -> Slope | None:
    """Measure the slope of f at x along a direction, by central difference quotients.

    A few steps are enough where the result agrees with ``expected`` (autograd's word). Otherwise the step shrinks until
    the estimated error is smallest, so that a disagreement is never the step's fault.

    Parameters
    ----------
    f : a function of x, of any output shape
    x : float64, any shape
    direction : the shape of x, of the size of a sensible change of x
    expected : the shape of f(x), what the slope is thought to be
    noise : the measured rounding noise of f(x), where it is known

    Returns
    -------
    Slope, or None where f is not finite around x

    >>> x = torch.tensor([0.0, 2.0], dtype=torch.float64)
    >>> along = slope_along(lambda x: x.abs(), x, torch.ones_like(x), torch.ones_like(x))
    >>> along.value.tolist(), along.kink.tolist()
    ([0.0, 1.0], [True, False])
    """
    centre = f(x)
    steps: list[tuple[Tensor, Tensor]] = []  # for each step, the central quotient, and right slope minus left slope
    best: Slope | None = None
    for exponent in range(FIRST_STEP, LAST_STEP - 1, -1):
        step = 2.0 ** exponent
        right, left = f(x + step * direction), f(x - step * direction)
        quotient, gap = (right - left) / (2 * step), ((right - centre) - (centre - left)) / step
        if not ((8 * quotient).isfinite().all() and gap.isfinite().all()):  # with room for the extrapolation
            steps.clear()
            continue
        steps.append((quotient, gap))
        largest = torch.stack([right.abs(), left.abs(), centre.abs()]).amax(0)
        rounding = (8 * (unit_roundoff * largest + smallest_normal) + 4 * noise) / step
        if len(steps) < 4:
            continue
        # Far in the saturation of a function its values do not move at all: that says nothing of a slope below x's rounding.
        still = (quotient == 0) & (expected.abs() <= 64 * unit_roundoff * x.abs().max())
        here = _judge([quotient for quotient, _ in steps[-4:]], [gap for _, gap in steps[-3:]], rounding, expected)
        best = here if best is None else _keep_better(best, here, steps[-1][1], rounding, expected)
        best = replace(best, supported=best.supported | still)
        settled = (best.value - expected).abs() <= best.error + 1e-9 * expected.abs()
        if (settled & best.error.isfinite() & ~here.kink).all():
            break
    return best


def _judge(quotients: list[Tensor], gaps: list[Tensor], rounding: Tensor, expected: Tensor) -> Slope:
    """The slope from four steps, each half of the one before; Richardson's extrapolation removes the h² term."""
    coarser, coarse, fine = ((4 * half - whole) / 3 for whole, half in pairwise(quotients))
    # Three values must agree: two may do so by chance where the step is far too large.
    truncation = torch.maximum((fine - coarse).abs(), (coarse - coarser).abs() / 4)
    unsettled = truncation > torch.maximum(0.1 * fine.abs(), rounding)
    error = torch.where(unsettled, torch.inf, truncation + rounding)
    size = torch.maximum(fine.abs(), expected.abs())
    supported = ((fine - expected).abs() <= 1e-6 * size) & (error <= 1e-3 * size)
    # The two slopes' difference halves with the step where f is smooth, and stays where f has a kink.
    first, middle, last = (gap.abs() for gap in gaps)
    kink = (last > 16 * rounding) & (last > 0.9 * middle) & (middle > 0.9 * first)
    return Slope(fine, error, kink, supported)


def _keep_better(best: Slope, here: Slope, gap: Tensor, rounding: Tensor, expected: Tensor) -> Slope:
    """Entry by entry, the value of the step with the smaller error."""
    size = torch.stack([here.value.abs(), expected.abs(), gap.abs()]).amax(0)
    sharp = 16 * rounding < 0.05 * size  # rounding would not blur a kink at this step
    # Once a step is short enough to leave a near kink outside, the longer steps have nothing to say.
    better = (here.error < best.error) | (best.kink & sharp & ~here.kink)
    return Slope(torch.where(better, here.value, best.value), torch.where(better, here.error, best.error),
                 torch.where(sharp, here.kink, best.kink), best.supported | here.supported)
