"""Check a claimed gradient, Jacobian or vector-Jacobian product of a function.

Two witnesses are heard: autograd, which gives every entry, and difference quotients along random directions, which know
nothing of how the function is written and so can judge autograd as well. Everything runs in float64. No tolerance is
fixed in absolute terms: where a strict comparison fails, the rounding noise of the reference is measured, and only a
difference beyond that noise is a mistake. A claim given as a function is tried on other inputs too, since some inputs
hide mistakes.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from utils.claims import Problem, Reading, readings
from utils.diagnose import explain_shape, explain_values
from utils.differences import smallest_normal, unit_roundoff
from utils.layout import Order
from utils.memory import give_back, take
from utils.masks import masks
from utils.noise import rounding_noise
from utils.point import Point, Reference
from utils.redraw import other_sizes, redraw
from utils.report import ClaimReport, GradientMismatch, Report, number_text
from utils.trace import captured_modules

__all__ = ["check_gradient", "expect_mismatch", "gradient_report"]

Function = Callable[..., Tensor]
_NOTHING_TO_DO = contextlib.nullcontext()
GRADIENT = Reading("gradient")

REDRAWS = 3        # further inputs on which a claim given as a function is tried
# What two ways to compute one number may differ by, relative to it, before the noise is measured; a mistake of 1e-9 is
# many times larger.
STRICT = {torch.float64: 2.0**-36, torch.float32: 2.0**-15}
FEW = 2**15        # entries up to which asking for equality costs less than taking the difference
CHUNK = 2**17      # entries that are compared at once: enough for two threads, few enough for the cache
STRICT_UNITS = 256  # the same where numbers are too small for their format, in its smallest units
EVEN = 1e3         # ratio of the largest entries of a Jacobian's rows up to which a sum of rows shows each of them
COMBINED = 32      # the same for a sum over a Jacobian's rows, in units of the sum of sizes
NOISE = 16         # multiples of the measured noise that are still noise
SINGLE = 8         # units of float32 of the largest entry that a claim in float32 may be off by
JITTERED = 64      # the same for what runs with inputs a little off show
JITTERS = 3        # such runs at most


def check_gradient(fn: Function, inputs: Sequence[Any] | Mapping[str, Any], claims: Any, *,
                   upstream: Tensor | None = None, order: Order | None = None, seed: int = 0) -> Report:
    """Check claimed gradients of a function, and raise if one is wrong.

    Parameters
    ----------
    fn : a function of all ``inputs``, returning one tensor
    inputs : a tuple of floating-point tensors, of dicts, lists or tuples of them, or of modules, whose parameters are
        meant; or a dict, whose entries fn takes by name
    claims : aligned with ``inputs``, with the structure of each; or one function of all inputs that returns such claims
        A claim is a tensor, None where nothing is claimed, or a function of the inputs that returns the claim, which is
        also tried on other inputs. If fn returns a scalar, of shape (), the claim is the gradient and has the input's
        shape. If fn returns a tensor, it is the full Jacobian: the output's axes, then the input's; or the same
        flattened to a matrix.
    upstream : the output's shape; then a claim of the input's shape is the vector-Jacobian product with it, and a claim
        function may take it as one more, last parameter
    order : "row" or "column", the vec of flattened claims; None takes either
    seed : of the random directions and redrawn inputs

    Returns
    -------
    Report, which shows itself at the end of a cell

    Raises
    ------
    GradientMismatch
        If a claim is wrong: names the input, the entry, what was expected and what came, and the mistake where it is
        certain.
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
    >>> check_gradient(lambda x: x @ A @ x, (x,), (x @ (A + A.T) / 2,))
    Traceback (most recent call last):
    utils.report.GradientMismatch: The gradient by x is wrong: at x[0], expected -6.5, got -3.25 (2 of 2 entries differ). \
It is the gradient times the constant factor 1/2 (2 is also the size of axis 0 of x).
    """
    report = gradient_report(fn, inputs, claims, upstream=upstream, order=order, seed=seed)
    wrong = [claim.finding for claim in report.claims if claim.verdict == "wrong"]
    if wrong:
        raise GradientMismatch(" ".join(wrong))
    for claim in report.claims:
        if claim.verdict == "not judged":
            # A warning reaches a reader without losing the work, and stops the build of the book.
            warnings.warn(f"The {claim.quantity} was not judged: {claim.finding}", stacklevel=2)
    return report


def gradient_report(fn: Function, inputs: Sequence[Any] | Mapping[str, Any], claims: Any, *,
                    upstream: Tensor | None = None, order: Order | None = None, seed: int = 0) -> Report:
    """Check claimed gradients of a function, and return what was found, right or wrong.

    Parameters, bad-input errors and source: see :func:`check_gradient`. A wrong claim is reported, not raised.

    >>> x = torch.tensor([0.5, -1.5], dtype=torch.float64)
    >>> gradient_report(lambda x: (x ** 2).sum(), (x,), (x,))
    ✗ gradient by x (2,): The gradient by x is wrong: at x[0], expected 1, got 0.5 (2 of 2 entries differ). \
It is the gradient times the constant factor 1/2 (2 is also the size of axis 0 of x).
    """
    problem = Problem(fn, inputs, claims, upstream, order)
    generator = torch.Generator().manual_seed(seed)
    notes: list[str] = []
    if problem.cast:
        notes.append("The check ran in float64, on exact copies of the inputs.")
    with _following(fn):
        leaves = [_plain(leaf) for leaf in problem.leaves]
        given = None if problem.upstream is None else problem.upstream.detach().to(torch.float64)
        here = _Judge(problem, leaves, given, generator)
        reports = here.judge()
        if problem.by_function:
            _try_elsewhere(problem, here, generator, reports, notes)
    hidden = any(report.verdict == "right" for report in reports.values())
    return Report(tuple(reports[i] for i in sorted(reports)), tuple(notes),
                  _Masks(here.point, all(i in problem.by_function for i in reports)) if hidden else tuple)


def expect_mismatch(fn: Function, inputs: Sequence[Any] | Mapping[str, Any], claims: Any, *,
                    upstream: Tensor | None = None, order: Order | None = None, seed: int = 0) -> Report:
    """Show the report on claims that are wrong on purpose, and raise if one of them is not found wrong.

    Parameters, bad-input errors and source: see :func:`check_gradient`. A chapter shows a mistake with it, so that the
    book cannot be built on a check that has stopped to see the mistake.

    Raises
    ------
    AssertionError
        If a claim is right, or was not judged.

    >>> x = torch.tensor([0.5, -1.5], dtype=torch.float64)
    >>> expect_mismatch(lambda x: (x ** 2).sum(), (x,), (-2 * x,))
    ✗ gradient by x (2,): The gradient by x is wrong: at x[0], expected 1, got -1 (2 of 2 entries differ). \
It is the gradient times the constant factor -1: the sign is wrong.
    """
    report = gradient_report(fn, inputs, claims, upstream=upstream, order=order, seed=seed)
    for claim in report.claims:
        if claim.verdict != "wrong":
            raise AssertionError(f"The {claim.quantity} was to be found wrong, but it is {claim.verdict}: {claim.finding}.")
    return report


def _plain(leaf: Tensor) -> Tensor:
    """A leaf in float64, without what autograd or inference mode keeps of it."""
    if leaf.is_inference():
        leaf = leaf.clone()
    if not leaf.is_floating_point() or (leaf.dtype == torch.float64 and not leaf.requires_grad):
        return leaf
    return leaf.detach().to(torch.float64)


def _following(fn: Function) -> contextlib.AbstractContextManager:
    """Where autograd follows what runs, and fn leaves no traces; without cost where nothing has to be done for that."""
    modules = captured_modules(fn)
    if not modules and torch.is_grad_enabled() and not torch.is_inference_mode_enabled():
        return _NOTHING_TO_DO
    return _unchanged_modules(modules)


@contextlib.contextmanager
def _unchanged_modules(modules: Sequence[torch.nn.Module]) -> Iterator[None]:
    """Give modules that fn takes from outside their buffers back: one in training changes them whenever it runs."""
    kept = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)


class _Masks:
    """What the inputs hide, looked for when the report is shown: it takes longer than the check."""

    def __init__(self, point: Point, tried: bool):
        self.point, self.tried, self.versions = point, tried, self._versions(point)
        point.forget()

    @staticmethod
    def _versions(point: Point) -> list[int]:
        return [leaf._version for leaf in point.problem.leaves if not leaf.is_inference()]

    def __call__(self) -> list[str]:
        with _following(self.point.problem.fn):
            if self._versions(self.point) != self.versions or not torch.allclose(self.point.value({}), self.point.output, 1e-9):
                return ["The inputs, or what fn takes from outside, have changed since the check, so what they hide is not "
                        "said."]
            return masks(self.point, self.tried)


def _try_elsewhere(problem: Problem, here: _Judge, generator: torch.Generator, reports: dict[int, ClaimReport],
                   notes: list[str]) -> None:
    """Try claims given as functions on other values, on other signs, and on other sizes."""
    lost = 0
    # The last redraws are wide and of both signs: inputs that are all positive hide a relu. They do not count as lost.
    for attempt in range(2 * REDRAWS):
        signed = attempt >= REDRAWS
        # All inputs once; then only those with claims, since another may have to stay positive.
        wide = range(len(problem.leaves)) if attempt == REDRAWS else problem.claimed if signed else ()
        try:
            elsewhere = _Judge(problem, redraw(here.point.leaves, generator, problem.claimed, wide),
                               _other_upstream(problem, here.point, generator), generator)
            # A formula for positive inputs, as with a logarithm, need not say anything of others.
            verdicts = elsewhere.judge("on redrawn inputs", problem.by_function, finite_only=signed)
        except Exception:  # fn may not be defined or smooth everywhere; what it raises there is its own affair
            lost += not signed
            continue
        _combine(reports, verdicts)
    if lost:
        notes.append(f"{lost} of {REDRAWS} redrawn inputs lay outside the function's domain.")
    if any(report.verdict == "wrong" for i, report in reports.items() if i in problem.by_function):
        return
    for leaves, upstream, sizes in other_sizes(problem, here.point, generator):
        try:
            elsewhere = _Judge(problem, leaves, upstream, generator)
            verdicts = elsewhere.judge(f"on redrawn inputs of other sizes ({sizes})", problem.by_function, shapes=False)
        except Exception:  # a claim, too, may be written for the given sizes only
            continue
        _combine(reports, verdicts)


def _other_upstream(problem: Problem, point: Point, generator: torch.Generator) -> Tensor | None:
    """Another upstream gradient, where the claims take it; one that they know from elsewhere must stay."""
    if point.upstream is None or not all(problem.takes_upstream(problem.claim_of[i]) for i in problem.by_function):
        return point.upstream
    return torch.randn(point.upstream.shape, generator=generator, dtype=torch.float64)


def _combine(reports: dict[int, ClaimReport], elsewhere: dict[int, ClaimReport]) -> None:
    """One verdict from the given point and another: a mistake anywhere counts, a kink is judged elsewhere."""
    for i, there in elsewhere.items():
        here = reports.get(i, there)
        if here.verdict == "wrong":
            continue
        if there.verdict == "wrong" and here.verdict == "right":
            there = replace(there, finding=there.finding + " At the given inputs it is right.")
        if there.verdict == "wrong" or (here.verdict == "not judged" and there.verdict == "right"):
            reports[i] = there
        elif there.verdict == "right" and (there.worst_error or 0) > (here.worst_error or 0):
            reports[i] = replace(here, finding=there.finding, worst_error=there.worst_error)


class _Judge:
    """The verdicts on the claims at one point."""

    def __init__(self, problem: Problem, leaves: Sequence[Tensor], upstream: Tensor | None, generator: torch.Generator):
        self.problem, self.generator = problem, generator
        try:
            self.point = Point(problem, leaves, upstream, generator)
        except TypeError as error:
            if "argument" in str(error):
                problem.require_call()
            raise
        except (RuntimeError, ValueError) as error:
            if not problem.cast or (isinstance(error, ValueError) and "dtype" not in str(error)):
                raise
            raise TypeError(f"fn does not run on float64 copies of its inputs ({str(error).splitlines()[0]}): write the "
                            "inputs, and the tensors that fn takes from outside, with .double().") from error

    def judge(self, where: str = "", only: Sequence[int] | None = None, finite_only: bool = False,
              shapes: bool = True) -> dict[int, ClaimReport]:
        """Judge the claims, or only some of them.

        finite_only : leave out claims that are not finite
        shapes : whether a claim of the wrong shape counts; if not, only one that lacks a sum does
        """
        claims = self.problem.claims_at(self.point.leaves, self.point.upstream)
        reports = {}
        for i, claim in claims.items():
            if (only is not None and i not in only) or (finite_only and not claim.isfinite().all()):
                continue
            report = self._judge(i, claim, where)
            if report.mistake == "shape" and not shapes:
                continue
            reports[i] = report
        return reports

    def _judge(self, i: int, claim: Tensor, where: str) -> ClaimReport:
        point, name = self.point, self.problem.names[i]
        shape, output = point.leaves[i].shape, point.output_shape
        if claim.shape == shape and not output and point.upstream is None:  # nearly always
            return self._compare(point, i, claim, claim, GRADIENT, where)
        found = readings(claim.shape, output, shape, self.problem.order, point.upstream is not None)
        if not found:
            return self._wrong_shape(i, claim, where)
        if found[0].kind == "Jacobian" and point.upstream is not None:
            # Beside an upstream gradient, a claim of the Jacobian's shape is one: fn itself is judged.
            point = Point(self.problem, point.leaves, None, self.generator)
        reports = []
        for reading in found:
            values = reading.unflatten(claim, output, shape)
            reports.append(self._compare(point, i, claim, values, reading, where))
            if reports[-1].verdict == "right":
                return reports[-1]
        if len(reports) > 1:
            report = reports[0]
            return replace(report, finding=f"{report.finding} In the other vec order it is wrong too.")
        if self.problem.order and reports[0].verdict == "wrong":
            other: Order = "column" if self.problem.order == "row" else "row"
            values = Reading(found[0].kind, other).unflatten(claim, output, shape)
            if found[0].order and self._compare(point, i, claim, values, found[0], where).verdict == "right":
                found_wrong, differ, _ = reports[0].finding.partition(" entries differ).")
                return replace(reports[0], mistake="the other vec order",
                               finding=f"{found_wrong}{differ} It is right in the other vec order, {other} order.")
        return reports[0]

    def _wrong_shape(self, i: int, claim: Tensor, where: str) -> ClaimReport:
        point, name = self.point, self.problem.names[i]
        kind = "VJP" if point.upstream is not None else "Jacobian" if point.output_shape else "gradient"
        shape = tuple(point.leaves[i].shape) if kind != "Jacobian" else (*point.output_shape, *point.leaves[i].shape)
        why = f"the output's axes, then those of {name}" if kind == "Jacobian" else f"the shape of {name}"
        mistake, words = explain_shape(point, i, claim)
        flat = f" or flattened {(point.output.numel(), point.leaves[i].numel())}" if kind == "Jacobian" and self.problem.order \
            else ""
        finding = (f"The {kind} by {name} has the wrong shape{' ' + where if where else ''}: expected {shape}{flat}, {why}, "
                   f"got {tuple(claim.shape)}.{' ' + words if words else ''}")
        return ClaimReport(f"{kind} by {name}", shape, "wrong", finding, mistake=mistake or "shape")

    def _compare(self, point: Point, i: int, claim: Tensor, values: Tensor, reading: Reading, where: str) -> ClaimReport:
        quantity, shape = reading.describe(self.problem.names[i]), tuple(claim.shape)
        got = values if values.dtype == torch.float64 else values.to(torch.float64)
        precision = torch.finfo(claim.dtype)
        quick = self._agrees_combined(point, i, got, precision) if point.output.numel() > 1 else None
        if quick is not None:
            return ClaimReport(quantity, shape, "right", f"agrees with autograd and difference quotients, {_error(quick)}",
                               quick)
        reference = point.reference(i, got)
        if reference.silent:
            verdict = "wrong" if reference.silent.startswith("wrong: ") else "not judged"
            words = (f"The {quantity} is {reference.silent}." + self._decided(reference) if verdict == "wrong"
                     else reference.silent)
            return ClaimReport(quantity, shape, verdict, words)
        expected = reference.value
        if not reference.overruled and (worst := _strictly_equal(got, expected, precision)) is not None:
            return ClaimReport(quantity, shape, "right", f"agrees with {reference.witness}, {_error(worst)}", worst)
        difference = (got - expected).abs()
        allowed = self._allowed(point, i, precision, reference, difference, claim)
        wrong = ~(difference <= allowed)  # written so that NaN is wrong
        largest, furthest = expected.abs().max().item(), difference.max().item()
        worst = furthest / largest if largest else furthest
        if wrong.any():
            return self._wrong(point, i, got, reference, wrong, worst, reading, claim, where)
        if worst < 1e-3:
            error = _error(worst)
        elif largest <= allowed.max() and point.is_flat(i, largest):
            error = f"zero up to rounding ({largest:.0e})"
        else:
            return ClaimReport(quantity, shape, "not judged", "the function magnifies rounding so much here that its "
                               f"derivative by {self.problem.names[i]} has no digit left to compare; choose another point")
        return ClaimReport(quantity, shape, "right", f"agrees with {reference.witness}, {error}", worst)

    def _agrees_combined(self, point: Point, i: int, got: Tensor, precision: torch.finfo) -> float | None:
        """The error of a random combination of a large Jacobian's rows, where that is enough to call it right."""
        if point.weights is None or not point.audited(i) or i in point.known:
            return None
        rows = got.reshape(point.output.numel(), -1)
        sizes = rows.abs()
        largest = sizes.amax(1)
        zero = largest == 0
        if precision.eps > unit_roundoff or zero.all() or not largest.max() <= EVEN * largest[~zero].min():
            return None  # a small row would drown in the sum
        if zero.any() and ((alone := point.combine_rows(i, zero)) is None or alone.any()):
            return None  # so would a row of zeros, which is looked at by itself
        combined, expected = point.weights @ rows, point.combined[i].reshape(-1)
        difference = (combined - expected).abs()
        allowed = COMBINED * max(unit_roundoff, precision.eps) * (point.weights.abs() @ sizes)
        if not (difference <= allowed).all():
            return None
        return (difference.max() / expected.abs().max()).item()

    def _allowed(self, point: Point, i: int, precision: torch.finfo, reference: Reference, difference: Tensor, claim: Tensor) -> Tensor:
        """What rounding explains, entry by entry: a few units in the last place, or the noise, where that is not enough."""
        roundoff, underflow = _units(precision)
        allowed = _strict(precision) * reference.value.abs() + STRICT_UNITS * underflow + reference.tolerance
        if precision.eps > unit_roundoff:  # kernels in float32 round as their largest numbers do
            allowed = allowed + SINGLE * precision.eps * reference.value.abs().max()
        exceeds = ~(difference <= allowed)
        if not exceeds.any():
            return allowed
        if callable(self.problem.claim_of[i]):  # the claim's own formula may cancel
            self._require_same_claim_again(i)

            def again() -> Tensor:
                return self.problem.claims_at(point.leaves, self.point.upstream)[i].to(torch.float64)
            noise = rounding_noise(again, claim.to(torch.float64), self.generator)
            allowed = allowed + NOISE * noise.reshape(allowed.shape) if noise.numel() == allowed.numel() else allowed
            if (difference <= allowed).all():
                return allowed
        return allowed if point.jacobian(i) is None else \
            self._allowed_noise(point, i, roundoff / unit_roundoff, difference, allowed)

    def _allowed_noise(self, point: Point, i: int, units: float, difference: Tensor, allowed: Tensor) -> Tensor:
        """The same with the noise of autograd's derivative, measured as closely as is needed to find the first mistake."""
        allowed = allowed.clone(memory_format=torch.contiguous_format)
        rows, differences = allowed.view(point.output.numel(), -1), difference.reshape(point.output.numel(), -1)
        for row in (~(differences <= rows).all(1)).nonzero().reshape(-1).tolist():
            # A run with inputs a little off is cheap, and mostly shows enough; the noise proper takes several, each slower.
            strict, jitter = rows[row].clone(), torch.zeros_like(rows[row])
            for _ in range(JITTERS):
                jitter = torch.maximum(jitter, point.jitter(i, row).reshape(-1))
                rows[row] = strict + JITTERED * units * jitter
                if (differences[row] <= rows[row]).all():
                    break
            else:
                rows[row] += NOISE * units * point.noise(i, row).reshape(-1)
                if not (differences[row] <= rows[row]).all():
                    break  # a mistake: what the other rows hold need not be known so closely
        return allowed

    def _wrong(self, point: Point, i: int, got: Tensor, reference: Reference, wrong: Tensor, worst: float, reading: Reading,
               claim: Tensor, where: str) -> ClaimReport:
        shape, precision = tuple(claim.shape), claim.dtype
        quantity = reading.describe(self.problem.names[i])
        entry = tuple(wrong.nonzero()[0].tolist())
        place = int(wrong.reshape(-1).nonzero()[0]) % point.leaves[i].numel()
        if not reference.overruled and point.kink_at(i, place, reference.value, entry[:point.output.ndim]):
            return ClaimReport(quantity, shape, "not judged", "the function has a kink here: its slopes to the two sides "
                               f"differ, at {self._entry(point, entry, i)}; check at a point away from it")
        expected, came = reference.value[entry].item(), got[entry].item()
        finding = (f"The {quantity} is wrong{' ' + where if where else ''}: at {self._entry(point, entry, i)}, expected "
                   f"{number_text(expected, came)}, got {number_text(came, expected)} "
                   f"({int(wrong.sum())} of {wrong.numel()} entries differ).")
        finding += self._decided(reference)
        mistake, words = explain_values(point, i, got, reference.value, wrong, precision)
        return ClaimReport(quantity, shape, "wrong", f"{finding} {words}" if words else finding, worst, entry, expected, came,
                           mistake)

    def _decided(self, reference: Reference) -> str:
        if reference.overruled:
            return " Autograd contradicts the difference quotients here; they decide."
        return " Autograd gives no gradient here; the difference quotients decide." if "decide" in reference.witness else ""

    def _require_same_claim_again(self, i: int) -> None:
        if not callable(self.problem.claim_of[i]):
            return
        one, two = (self.problem.claims_at(self.point.leaves, self.point.upstream)[i] for _ in range(2))
        if one.shape != two.shape or not torch.equal(one.nan_to_num(), two.nan_to_num()):
            raise ValueError(f"The claim for {self.problem.names[i]} gave two different results for the same inputs: make it "
                             "deterministic.")

    def _entry(self, point: Point, entry: tuple[int, ...], i: int) -> str:
        of_output, of_input = entry[:point.output.ndim], entry[point.output.ndim:]
        place = f"{self.problem.names[i]}{list(of_input) if of_input else ''}"
        return f"output{list(of_output)}, {place}" if of_output else place


def _units(precision: torch.finfo) -> tuple[float, float]:
    """The relative and the absolute error of one rounded operation in the claim's format, or in ours."""
    # Below its smallest normal number a format loses digits: nothing there is a mistake.
    return max(unit_roundoff, precision.eps), max(smallest_normal, precision.smallest_normal * precision.eps)


def _strict(precision: torch.finfo) -> float:
    return STRICT[torch.float64 if precision.eps <= unit_roundoff else torch.float32]


def _strictly_equal(got: Tensor, expected: Tensor, precision: torch.finfo) -> float | None:
    """The worst error, over the largest entry, where no entry is further away than a few units of roundoff; else None."""
    _, underflow = _units(precision)
    worst = largest = 0.0
    if got.numel() <= FEW and torch.equal(got, expected):
        return 0.0
    got, expected = got.detach().reshape(-1), expected.detach().reshape(-1)
    piece = min(len(got), CHUNK)
    room = take(2 * piece)
    for begin in range(0, len(got), piece):  # in pieces that stay in the cache
        reference = expected[begin:begin + piece]
        difference, size = room[:len(reference)], room[piece:piece + len(reference)]
        torch.sub(got[begin:begin + piece], reference, out=difference)
        furthest = difference.abs_().max().item()
        if furthest == 0:
            continue
        torch.abs(reference, out=size)
        largest, worst = max(largest, size.max().item()), max(worst, furthest)
        excess = difference.sub_(size, alpha=_strict(precision)).max().item()
        if not excess <= STRICT_UNITS * underflow:  # written so that NaN is wrong
            return None
    if piece == CHUNK:
        give_back(room)
    if not worst:
        return 0.0
    return worst / largest if largest else None


def _error(worst: float) -> str:
    return f"worst error {worst:.0e}" if worst else "worst error 0"
