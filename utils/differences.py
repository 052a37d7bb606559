"""Difference quotients: the slope of a function along a direction, with an estimate of its own error.

They know nothing of how the function is written, so they can judge autograd too. A central quotient with step h errs by
about h² (truncation) plus ε|f|/h (rounding, ε = 2⁻⁵²). Richardson's extrapolation of two steps removes the h² term, and
the difference of two such results says how far they can be trusted.

Source: Nocedal & Wright (2006), section 8.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Slope", "slope_along", "smallest_normal", "unit_roundoff"]

unit_roundoff = torch.finfo(torch.float64).eps
smallest_normal = torch.finfo(torch.float64).smallest_normal
FIRST_STEP, LAST_STEP = -12, -32  # exponents of two, relative to the direction's own scale


@dataclass(frozen=True)
class Slope:
    """The slope of y = f(x + t d) at t = 0, per entry of y.

    value : shape of y, the derivative by t
    error : shape of y, an estimate of the error of ``value``
    kink : shape of y, true where the slopes from the left and from the right differ however small the step
    """

    value: Tensor
    error: Tensor
    kink: Tensor

    def contradicts(self, expected: Tensor) -> bool:
        """Whether a slope thought to be ``expected`` is further away than the quotients' own error explains.

        The margin is wide, since the error is an estimate: a witness is contradicted only on strong evidence.
        """
        margin = 30 * self.error + 1e-6 * torch.maximum(expected.abs(), self.value.abs())
        return bool(((self.value - expected).abs() > margin).any())


def slope_along(f: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor, expected: Tensor) -> Slope | None:
    """Measure the slope of f at x along a direction, by central difference quotients.

    Two steps are enough where the result agrees with ``expected`` (autograd's word). Otherwise the step shrinks until
    the estimated error is smallest, so that a disagreement is never the step's fault.

    Parameters
    ----------
    f : a function of x, of any output shape
    x : float64, any shape
    direction : the shape of x, of the size of a sensible change of x
    expected : the shape of f(x), what the slope is thought to be

    Returns
    -------
    Slope, or None where f is not finite around x

    >>> x = torch.tensor([0.0, 2.0], dtype=torch.float64)
    >>> along = slope_along(lambda x: x.abs(), x, torch.ones_like(x), torch.ones_like(x))
    >>> along.value.tolist(), along.kink.tolist()
    ([0.0, 1.0], [True, False])
    """
    centre = f(x)
    quotients: list[Tensor] = []
    rounding: list[Tensor] = []
    gaps: list[Tensor] = []
    best: Slope | None = None
    for exponent in range(FIRST_STEP, LAST_STEP - 1, -1):
        step = 2.0 ** exponent
        right, left = f(x + step * direction), f(x - step * direction)
        if not (right.isfinite().all() and left.isfinite().all()):
            quotients.clear(), rounding.clear(), gaps.clear()
            continue
        quotients.append((right - left) / (2 * step))
        largest = torch.stack([right.abs(), left.abs(), centre.abs()]).amax(0)
        rounding.append(8 * (unit_roundoff * largest + smallest_normal) / step)
        gaps.append((right - 2 * centre + left) / step)
        if len(quotients) < 3:
            continue
        coarse, fine = (_richardson(*pair) for pair in (quotients[-3:-1], quotients[-2:]))
        here = Slope(fine, (fine - coarse).abs() + rounding[-1], _is_kink(gaps[-3:], rounding[-1]))
        best = here if best is None else _keep_better(best, here)
        if not here.kink.any() and ((best.value - expected).abs() <= best.error + 1e-9 * expected.abs()).all():
            break
    return best


def _richardson(coarse: Tensor, fine: Tensor) -> Tensor:
    """Remove the h² term from two central quotients, the second with half the step."""
    return (4 * fine - coarse) / 3


def _is_kink(gaps: list[Tensor], rounding: Tensor) -> Tensor:
    """Right slope minus left slope halves with the step where f is smooth, and stays where f has a kink."""
    first, middle, last = (gap.abs() for gap in gaps)
    return (last > 16 * rounding) & (last > 0.9 * middle) & (middle > 0.9 * first)


def _keep_better(best: Slope, here: Slope) -> Slope:
    """Entry by entry, the value of the step with the smaller error; a kink must last down to the smallest step."""
    better = here.error < best.error
    return Slope(torch.where(better, here.value, best.value), torch.where(better, here.error, best.error), here.kink)
