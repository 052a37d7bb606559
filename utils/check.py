"""Check a claimed gradient or Jacobian of a function.

Two witnesses are heard: autograd, which gives every entry, and difference quotients along random directions, which know
nothing of how the function is written and so can judge autograd as well. Everything runs in float64. No tolerance is
fixed in absolute terms: where a strict comparison fails, the rounding noise of the reference is measured, and only a
difference beyond that noise is a mistake.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from utils.differences import Slope, slope_along, smallest_normal, unit_roundoff
from utils.noise import rounding_noise
from utils.report import ClaimReport, GradientMismatch, Report, number_text

__all__ = ["check_gradient", "expect_mismatch", "gradient_report"]

Function = Callable[..., Tensor]
Claim = Tensor | Function | None

REDRAWS = 3        # further inputs on which a claim given as a function is tried
DIRECTIONS = 2     # random directions of difference quotients for each input
STRICT = 256       # units of roundoff that two ways to compute one number may differ by
NOISE = 16         # multiples of the measured noise that are still noise


def check_gradient(fn: Function, inputs: Sequence[Tensor], claims: Sequence[Claim], *, seed: int = 0) -> Report:
    """Check claimed gradients of a function, and raise if one is wrong.

    Parameters
    ----------
    fn : a function of all ``inputs``, returning one tensor
    inputs : a tuple of floating-point tensors
    claims : a tuple aligned with ``inputs``
        A tensor, None where nothing is claimed, or a function of the inputs that returns the claim; such a function is
        also tried on redrawn inputs. If fn returns a scalar, of shape (), the claim is the gradient and has the input's
        shape. If fn returns a tensor, the claim is the full Jacobian: the output's axes, then the input's.
    seed : of the random directions and redrawn inputs

    Returns
    -------
    Report, which shows itself at the end of a cell

    Raises
    ------
    GradientMismatch
        If a claim is wrong: names the input, the entry, what was expected and what came.
    ValueError, TypeError
        If the check cannot be made, in one sentence that says why.

    Warns
    -----
    UserWarning
        If a claim was not judged, because the function has a kink at the given point.

    Source: central differences as in Nocedal & Wright (2006), section 8.1.

    >>> A = torch.tensor([[1., 2.], [3., 5.]], dtype=torch.float64)
    >>> x = torch.tensor([0.5, -1.5], dtype=torch.float64)
    >>> report = check_gradient(lambda x: x @ A @ x, (x,), (x @ (A + A.T),))
    >>> report.ok
    True
    >>> check_gradient(lambda x: x @ A @ x, (x,), (2 * x @ A,))
    Traceback (most recent call last):
    utils.report.GradientMismatch: The gradient by x is wrong: at x[0], expected -6.5, got -8 (2 of 2 entries differ).
    """
    report = gradient_report(fn, inputs, claims, seed=seed)
    wrong = [claim.finding for claim in report.claims if claim.verdict == "wrong"]
    if wrong:
        raise GradientMismatch(" ".join(wrong))
    for claim in report.claims:
        if claim.verdict == "not judged":
            # A warning reaches a reader without losing the work, and stops the build of the book.
            warnings.warn(f"The {claim.quantity} was not judged: {claim.finding}", stacklevel=2)
    return report


def gradient_report(fn: Function, inputs: Sequence[Tensor], claims: Sequence[Claim], *, seed: int = 0) -> Report:
    """Check claimed gradients of a function, and return what was found, right or wrong.

    Parameters, bad-input errors and source: see :func:`check_gradient`. A wrong claim is reported, not raised.

    >>> x = torch.tensor([0.5, -1.5], dtype=torch.float64)
    >>> gradient_report(lambda x: (x ** 2).sum(), (x,), (x,))
    ✗ gradient by x (2,): The gradient by x is wrong: at x[0], expected 1, got 0.5 (2 of 2 entries differ).
    """
    names = _names(fn, inputs)
    _require_inputs(fn, inputs, claims, names)
    point = tuple(value.detach().to(torch.float64).clone() for value in inputs)
    notes = []
    cast = any(value.dtype != torch.float64 for value in inputs)
    if cast:
        notes.append("The check ran in float64, on exact copies of the inputs.")
    generator = torch.Generator().manual_seed(seed)
    with torch.enable_grad():
        try:
            here = _Point(fn, point, names, generator)
        except RuntimeError as error:
            if not cast:
                raise
            raise TypeError(f"fn does not run on float64 copies of its inputs ({str(error).splitlines()[0]}): write the "
                            "inputs, and the tensors that fn takes from outside, with .double().") from error
        reports = {i: here.judge(i, claim) for i, claim in enumerate(claims) if claim is not None}
        by_function = [i for i, claim in enumerate(claims) if callable(claim)]
        tried = 0
        # The last redraw drops the signs as well: inputs that are all positive hide a relu. It does not count as lost.
        for signed in ([False] * REDRAWS + [True]) if by_function else ():
            try:
                elsewhere = _Point(fn, _redraw(point, generator, signed), names, generator)
                # A formula for positive inputs, as with a logarithm, need not say anything of others.
                verdicts = {i: elsewhere.judge(i, claims[i], "on redrawn inputs") for i in by_function
                            if not signed or elsewhere.claimed(i, claims[i]).isfinite().all()}
            except Exception:  # fn may not be defined or smooth everywhere; what it raises there is its own affair
                continue
            tried += not signed
            for i, verdict in verdicts.items():
                if reports[i].verdict != "wrong":
                    reports[i] = _combine(reports[i], verdict)
        if by_function and tried < REDRAWS:
            notes.append(f"{REDRAWS - tried} of {REDRAWS} redrawn inputs lay outside the function's domain.")
    return Report(tuple(reports[i] for i in sorted(reports)), tuple(notes))


def expect_mismatch(fn: Function, inputs: Sequence[Tensor], claims: Sequence[Claim], *, seed: int = 0) -> Report:
    """Show the report on claims that are wrong on purpose, and raise if one of them is not found wrong.

    Parameters, bad-input errors and source: see :func:`check_gradient`. A chapter shows a mistake with it, so that the
    book cannot be built on a check that has stopped to see the mistake.

    Raises
    ------
    AssertionError
        If a claim is right, or was not judged.

    >>> x = torch.tensor([0.5, -1.5], dtype=torch.float64)
    >>> expect_mismatch(lambda x: (x ** 2).sum(), (x,), (x,))
    ✗ gradient by x (2,): The gradient by x is wrong: at x[0], expected 1, got 0.5 (2 of 2 entries differ).
    """
    report = gradient_report(fn, inputs, claims, seed=seed)
    for claim in report.claims:
        if claim.verdict != "wrong":
            raise AssertionError(f"The {claim.quantity} was to be found wrong, but it is {claim.verdict}: {claim.finding}.")
    return report


class _Point:
    """A function at one point: its value, autograd's Jacobians, their noise, and the difference quotients."""

    def __init__(self, fn: Function, point: tuple[Tensor, ...], names: list[str], generator: torch.Generator):
        self.fn, self.point, self.names, self.generator = fn, point, names, generator
        self.output = self._value(point)
        if not all(torch.equal(self.output, self._value(point)) for _ in range(3)):
            raise ValueError("fn gave two different results for the same inputs: make it deterministic (fix the random "
                             "numbers outside of it) before checking its gradient.")

    def judge(self, i: int, claim: Claim, where: str = "") -> ClaimReport:
        """Compare one claim with both witnesses."""
        kind = "Jacobian" if self.output.ndim else "gradient"
        quantity, name = f"{kind} by {self.names[i]}", self.names[i]
        shape = tuple(self.output.shape) + tuple(self.point[i].shape)
        got = self.claimed(i, claim)
        if callable(claim) and not torch.equal(got.nan_to_num(), self.claimed(i, claim).nan_to_num()):
            raise ValueError(f"The claim for {name} gave two different results for the same inputs: make it deterministic.")
        if tuple(got.shape) != shape:
            why = f"the shape of {name}" if kind == "gradient" else f"the output's axes, then those of {name}"
            return ClaimReport(quantity, shape, "wrong", f"The {quantity} has the wrong shape: expected {shape}, {why}, "
                               f"got {tuple(got.shape)}.")
        autograd = self._jacobian(i, self.point)
        if not autograd.isfinite().all():
            raise ValueError(f"Autograd's derivative by {name} is {_first_bad(autograd)}: the function has no derivative at "
                             "this point; choose another one.")
        slopes = self._slopes(i, autograd)
        # The first direction sees every kink; the second may step over one that is merely near a small entry.
        if slopes and slopes[0][0].kink.any():
            return ClaimReport(quantity, shape, "not judged", f"the function has a kink here, along {name}: its slopes to "
                               "the two sides differ; check at a point away from it.")
        reference, tolerance = autograd, torch.zeros_like(autograd)
        if not all(slope.agrees(expected).all() for slope, expected in slopes):
            # Entry by entry, each on its own scale, before autograd is overruled.
            quotients, errors, agrees = self._difference_jacobian(i, autograd)
            reference, tolerance = torch.where(agrees, autograd, quotients), torch.where(agrees, 0.0, errors)
        overruled = not torch.equal(reference, autograd)
        witness = ("difference quotients (autograd contradicts them, and they decide)" if overruled
                   else "autograd and difference quotients")

        difference = (got.to(torch.float64) - reference).abs()
        allowed = tolerance + self._allowed(i, got, autograd, difference - tolerance, claim)
        wrong = ~(difference <= allowed)  # written so that NaN is wrong
        largest, furthest = reference.abs().max().item(), difference.max().item()
        worst = furthest / largest if largest else furthest
        if wrong.any():
            entry = tuple(wrong.nonzero()[0].tolist())
            expected, came = reference[entry].item(), got[entry].item()
            finding = (f"The {quantity} is wrong{' ' + where if where else ''}: at {self._entry(entry, i)}, expected "
                       f"{number_text(expected, came)}, got {number_text(came, expected)} "
                       f"({int(wrong.sum())} of {wrong.numel()} entries differ).")
            if overruled:
                finding += " Autograd contradicts the difference quotients here; they decide."
            return ClaimReport(quantity, shape, "wrong", finding, worst, entry, expected, came)
        if worst < 1e-3:
            error = f"worst error {worst:.0e}".replace("0e+00", "0")
        elif largest <= allowed.max():
            error = f"zero up to rounding ({largest:.0e})"
        else:
            return ClaimReport(quantity, shape, "not judged", "the function magnifies rounding so much here that its "
                               f"derivative by {name} has no digit left to compare; choose another point.")
        return ClaimReport(quantity, shape, "right", f"agrees with {witness}, {error}", worst)

    def _allowed(self, i: int, got: Tensor, autograd: Tensor, difference: Tensor, claim: Claim) -> Tensor:
        """What rounding explains, entry by entry: a few units in the last place, or the noise, where that is not enough."""
        precision = torch.finfo(got.dtype)
        roundoff = max(unit_roundoff, precision.eps)
        # Below its smallest normal number a format loses digits: nothing there is a mistake.
        underflow = max(smallest_normal, precision.smallest_normal * precision.eps)
        allowed = STRICT * (roundoff * autograd.abs() + underflow)
        exceeds = ~(difference <= allowed)
        if not exceeds.any():
            return allowed
        rows = exceeds.reshape(self.output.numel(), -1).any(1)  # the noise of the other rows is not needed
        in_rows = rows.reshape(self.output.shape + (1,) * self.point[i].ndim)
        noise = rounding_noise(lambda: self._jacobian(i, self.point, rows), torch.where(in_rows, autograd, 0.0),
                               self.generator)
        allowed = allowed + NOISE * roundoff / unit_roundoff * noise
        if callable(claim):  # the claim's own formula may cancel too
            allowed = allowed + NOISE * rounding_noise(lambda: self.claimed(i, claim).to(torch.float64),
                                                       got.to(torch.float64), self.generator)
        return allowed

    def _entry(self, entry: tuple[int, ...], i: int) -> str:
        of_output, of_input = entry[:self.output.ndim], entry[self.output.ndim:]
        place = f"{self.names[i]}{list(of_input) if of_input else ''}"
        return f"output{list(of_output)}, {place}" if of_output else place

    def _value(self, point: tuple[Tensor, ...]) -> Tensor:
        output = self.fn(*(value.clone() for value in point))
        if not isinstance(output, Tensor):
            raise TypeError(f"fn must return one tensor, but it returned {_kind(output)}.")
        if not output.is_floating_point():
            raise TypeError(f"fn must return a floating-point tensor, but it returned {output.dtype}: such a result has no "
                            "gradient.")
        if output.numel() == 0:
            raise ValueError(f"fn returned an empty tensor of shape {tuple(output.shape)}: there is nothing to check.")
        if not output.isfinite().all():
            raise ValueError(f"fn returned {_first_bad(output)}: choose inputs where it is finite.")
        return output.detach().to(torch.float64)

    def claimed(self, i: int, claim: Claim) -> Tensor:
        """What is claimed at this point, a tensor fit to be compared."""
        if callable(claim):
            try:
                claim = claim(*(value.clone() for value in self.point))
            except Exception as error:
                why = (str(error).splitlines() or [type(error).__name__])[0]
                raise TypeError(f"The claim for {self.names[i]} raised {type(error).__name__} on float64 copies of the inputs: "
                                f"{why}") from error
        if not isinstance(claim, Tensor):
            raise TypeError(f"The claim for {self.names[i]} must be a tensor or a function that returns one, but it is "
                            f"{_kind(claim)}.")
        if not claim.is_floating_point():
            raise TypeError(f"The claim for {self.names[i]} must be a floating-point tensor, but it is {claim.dtype}: "
                            "write it with .double().")
        if claim.layout != torch.strided:
            raise TypeError(f"The claim for {self.names[i]} must be dense: write it with .to_dense().")
        if torch.finfo(claim.dtype).eps > 1e-6:
            raise TypeError(f"The claim for {self.names[i]} is {claim.dtype}, too coarse to be judged: compute it in "
                            "float32 or float64.")
        return claim.detach()

    def _jacobian(self, i: int, point: tuple[Tensor, ...], wanted: Tensor | None = None) -> Tensor:
        """Autograd's Jacobian: one backward pass for each output; zero in rows that are not wanted."""
        leaves = [value.clone().requires_grad_(j == i) for j, value in enumerate(point)]
        output = self.fn(*(leaf.clone() for leaf in leaves))  # fn may change its arguments in place
        name = self.names[i]
        no_path = (f"There is no gradient path from {name} to the result of fn: is {name} used, or is it cut off by "
                   "detach(), .item(), .data, no_grad() or NumPy?")
        if not output.requires_grad:
            raise ValueError(no_path)
        rows = []
        for k, entry in enumerate(output.reshape(-1)):
            if wanted is not None and not wanted[k]:
                rows.append(torch.zeros_like(point[i]))
                continue
            (row,) = torch.autograd.grad(entry, leaves[i], retain_graph=True, allow_unused=True)
            if row is None:
                raise ValueError(no_path)
            rows.append(row)
        return torch.stack(rows).reshape((*output.shape, *point[i].shape)).detach()

    def _restricted(self, i: int) -> Callable[[Tensor], Tensor]:
        """The function of input i alone, the others held, without autograd's bookkeeping."""
        def restricted(value: Tensor) -> Tensor:
            # With gradients enabled, since fn may take a gradient inside.
            points = (value if j == i else other for j, other in enumerate(self.point))
            return self.fn(*(point.clone() for point in points)).detach().to(torch.float64)
        return restricted

    def _slopes(self, i: int, reference: Tensor) -> list[tuple[Slope, Tensor]]:
        """Difference quotients along random directions, each with what autograd expects there."""
        x, slopes = self.point[i], []
        typical = _typical_size(x)
        # One direction changes each entry in proportion to itself, which keeps badly scaled inputs in their domain;
        # the others change all entries alike, so that entries which are small or zero are seen.
        for scale in [torch.where(x == 0, typical, x.abs())] + [torch.full_like(x, typical)] * (DIRECTIONS - 1):
            signs = torch.randint(0, 2, x.shape, generator=self.generator) * 2.0 - 1.0
            direction = signs * scale * (0.5 + torch.rand(x.shape, generator=self.generator, dtype=torch.float64) / 2)
            expected = _along(reference, direction)
            f = self._restricted(i)
            slope = slope_along(f, x, direction, expected)
            if slope is not None and (slope.kink.any() or not slope.agrees(expected).all()):
                slope = slope_along(f, x, direction, expected, self._output_noise(i))  # again, with the noise measured
            if slope is not None:
                slopes.append((slope, expected))
        return slopes

    def _difference_jacobian(self, i: int, reference: Tensor) -> tuple[Tensor, ...]:
        """The Jacobian by difference quotients, the error of each entry, and where autograd agrees with them."""
        x = self.point[i]
        typical = _typical_size(x)
        values, errors, agrees = [], [], []
        noise = self._output_noise(i)
        for place in range(x.numel()):
            scale = x.reshape(-1)[place].abs().item() or typical
            direction = torch.zeros(x.numel(), dtype=torch.float64)
            direction[place] = scale
            direction = direction.reshape(x.shape)
            expected = _along(reference, direction)
            slope = slope_along(self._restricted(i), x, direction, expected, noise)
            if slope is None:
                raise ValueError(f"The difference quotients by {self.names[i]} are not finite around this point; choose "
                                 "another one.")
            agrees.append(slope.agrees(expected))
            values.append(slope.value / scale)
            errors.append((10 * slope.error + 1e-8 * slope.value.abs()) / scale)
        shape = (*self.output.shape, *x.shape)
        return tuple(torch.stack(part, -1).reshape(shape) for part in (values, errors, agrees))

    def _output_noise(self, i: int) -> Tensor:
        return rounding_noise(lambda: self._restricted(i)(self.point[i]), self.output, self.generator)


def _along(jacobian: Tensor, direction: Tensor) -> Tensor:
    """The Jacobian applied to a direction: the slope of every output along it."""
    return torch.tensordot(jacobian, direction, dims=direction.ndim)


def _typical_size(x: Tensor) -> float:
    largest = x.abs().max().item()
    return largest * (x / largest).square().mean().sqrt().item() if largest > smallest_normal else 1.0


def _redraw(point: tuple[Tensor, ...], generator: torch.Generator, signed: bool = False) -> tuple[Tensor, ...]:
    """Random inputs of the same shapes and sizes; positive ones stay positive, so that a logarithm stays defined."""
    def redraw(x: Tensor) -> Tensor:
        fresh = _typical_size(x) * torch.randn(x.shape, generator=generator, dtype=torch.float64)
        return fresh.abs() if (x > 0).all() and not signed else fresh
    return tuple(redraw(x) for x in point)


def _combine(here: ClaimReport, elsewhere: ClaimReport) -> ClaimReport:
    """One verdict from the given point and a redrawn one: a mistake anywhere counts, a kink is judged elsewhere."""
    if elsewhere.verdict == "wrong" or (here.verdict == "not judged" and elsewhere.verdict == "right"):
        return elsewhere
    if elsewhere.verdict == "right" and (elsewhere.worst_error or 0) > (here.worst_error or 0):
        return replace(here, finding=elsewhere.finding, worst_error=elsewhere.worst_error)
    return here


def _names(fn: Function, inputs: Sequence[Tensor]) -> list[str]:
    """The names of fn's parameters, where it has one for each input; else x0, x1, …"""
    count = len(inputs) if isinstance(inputs, (tuple, list)) else 0
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):  # some built-in functions have no signature
        parameters = []
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return plain[:count] if len(plain) >= count else [f"x{i}" for i in range(count)]


def _require_inputs(fn: Function, inputs: Sequence[Tensor], claims: Sequence[Claim], names: list[str]) -> None:
    if not callable(fn):
        raise TypeError(f"fn must be a function, but it is {_kind(fn)}.")
    for what, value in (("inputs", inputs), ("claims", claims)):
        if not isinstance(value, (tuple, list)):
            raise TypeError(f"{what} must be a tuple, such as ({'x' if what == 'inputs' else 'claim'},), but it is "
                            f"{_kind(value)}.")
    if len(inputs) != len(claims):
        raise ValueError(f"There must be one claim for each input, None where nothing is claimed, but there are "
                         f"{len(inputs)} inputs and {len(claims)} claims.")
    if all(claim is None for claim in claims):
        raise ValueError("Nothing is claimed: give at least one claim that is not None.")
    try:
        inspect.signature(fn).bind(*inputs)
    except TypeError as error:
        raise TypeError(f"fn cannot be called with {len(inputs)} inputs: {error}.") from None
    except ValueError:  # some built-in functions have no signature
        pass
    for name, value in zip(names, inputs):
        if not isinstance(value, Tensor):
            raise TypeError(f"Input {name} must be a tensor, but it is {_kind(value)}.")
        if value.layout != torch.strided or value.is_nested or value.is_meta:
            raise TypeError(f"Input {name} must be a dense tensor with values: write it with .to_dense().")
        if value.is_complex():
            raise TypeError(f"Input {name} is {value.dtype}: only real inputs can be checked, so pass .real and .imag.")
        if not value.is_floating_point():
            raise TypeError(f"Input {name} must be a floating-point tensor, but it is {value.dtype}: write it with "
                            ".double().")
        if value.numel() == 0:
            raise ValueError(f"Input {name} is an empty tensor of shape {tuple(value.shape)}: there is nothing to check.")
        if not value.isfinite().all():
            raise ValueError(f"Input {name} has {_first_bad(value)}: every input must be finite.")


def _first_bad(values: Tensor) -> str:
    entry = (~values.isfinite()).nonzero()[0].tolist()
    return f"{values[tuple(entry)].item()}" + (f" at entry {entry}" if entry else "")


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
