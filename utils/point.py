"""A function at one point, and what the two witnesses say of its derivatives there.

Autograd gives every entry. Difference quotients along one random direction of all inputs at once know nothing of how the
function is written; where they contradict autograd, they are taken entry by entry, and decide.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from utils.claims import Problem, all_finite, first_bad, kind_of
from utils.differences import Slope, slope_along, smallest_normal, unit_roundoff
from utils.memory import LARGE, give_back, take
from utils.noise import rounding_noise
from utils.trace import Call, Trace

__all__ = ["Point", "Reference", "typical_size"]

DIRECTIONS = 2       # random directions of difference quotients for each input, where one for all is not enough
FEW_OUTPUTS = 8      # up to so many outputs autograd gives each row of a Jacobian; of more, a random combination
ENTRIES = 256        # up to so many entries of an input difference quotients are taken one by one
FEW_ZEROS = 4096     # entries among which it is cheap to look for zeros
STEP = 2.0**-17      # of a single central quotient: about the cube root of the roundoff
AGREEMENT = 1e-7     # relative difference that such a quotient may have
FLAT = 2.0**-20      # of its own size, by which a function may change when it does not change
AUDIBLE = 1e-3       # the part of the largest slope that another must have to be heard beside it
CURVATURE = 64       # how much faster than its relative step the slope may change before it is looked at more closely


@dataclass(frozen=True)
class Reference:
    """The derivative by one input, from both witnesses.

    value : the axes of the output (none for a scalar), then those of the input
    tolerance : the shape of ``value``, the error of entries that difference quotients decided
    witness : who was heard
    silent : why nothing can be said, where that is so
    """

    value: Tensor
    tolerance: Tensor | float = 0.0
    witness: str = "autograd and difference quotients"
    silent: str | None = None

    @property
    def overruled(self) -> bool:
        return "contradicts" in self.witness


@dataclass(frozen=True)
class Run:
    """One recorded run of a function.

    calls : of torch
    passed : the leaves as the function got them
    grad_fn : autograd's node of the result
    """

    calls: list[Call]
    passed: list[Tensor]
    grad_fn: Any


class Point:
    """A function at one point.

    Parameters
    ----------
    problem : the function and its claims
    leaves : float64, one tensor for each leaf; they are not changed
    upstream : a cotangent of the output's shape, for vector-Jacobian products; the function is then ⟨upstream, fn⟩
    generator : of the random weights and directions
    """

    def __init__(self, problem: Problem, leaves: Sequence[Tensor], upstream: Tensor | None, generator: torch.Generator):
        self.problem, self.leaves, self.upstream, self.generator = problem, leaves, upstream, generator
        self.in_place = False  # whether fn changes its arguments
        self._jacobians: dict[int, Tensor | None] = {}
        inputs, output = self._connected(problem.claimed)
        self._inputs = inputs
        self.output_shape = output.shape  # of fn itself
        target = self._target(output)
        self.output = target.detach().clone()  # not a view of a leaf, whose memory is used again
        if target.ndim == 0:
            self.weights = None
            self._jacobians = self.combined = self._gradients(target, inputs)
        else:
            flat = target.reshape(-1)
            self.weights = self._random(len(flat))
            self.combined = self._gradients(self.weights @ flat, inputs, retain=True)
            if len(flat) <= FEW_OUTPUTS:
                self._jacobians = self._derivatives(target, inputs)
        self._audit()
        for i in inputs:
            room = self._room(i)
            if room is not None and room.numel() >= LARGE and room.is_contiguous():
                give_back(room.view(-1))
        del self._inputs

    # --- the function ---

    def value(self, changed: dict[int, Tensor]) -> Tensor:
        """The function with some leaves changed, without autograd's bookkeeping."""
        leaves = [self._given(changed.get(i, leaf), i in changed) for i, leaf in enumerate(self.leaves)]
        try:
            output = self._call(leaves)
        except RuntimeError as error:
            if "does not require grad" not in str(error):
                raise
            # fn differentiates its inputs itself.
            output = self._call([leaf.clone().requires_grad_() if leaf.is_floating_point() else leaf for leaf in leaves])
        target = self._target(output)
        return target.detach() if target.requires_grad else target

    def _given(self, leaf: Tensor, changed: bool) -> Tensor:
        """A leaf for fn, which may write into it: a copy, unless it is known not to write into what we made."""
        return leaf.detach() if changed and not self.in_place else leaf.clone()

    def _call(self, leaves: Sequence[Tensor]) -> Tensor:
        if self.problem.cast:
            with Trace(promote=True):
                return self.problem.run(leaves)
        return self.problem.run(leaves)

    def _target(self, output: Tensor) -> Tensor:
        if output.dtype != torch.float64:
            output = output.to(torch.float64)
        return output if self.upstream is None else (self.upstream * output).sum()

    def _connected(self, wanted: Sequence[int], leaves: Sequence[Tensor] | None = None) -> tuple[dict[int, Tensor], Tensor]:
        """Leaves that autograd follows, by place, and fn of them."""
        copies = [_copy(leaf) for leaf in self.leaves] if leaves is None else list(leaves)
        for i in wanted:
            copies[i].requires_grad_()
        try:
            output = self._call(copies)
        except RuntimeError as error:
            if "in-place" not in str(error):
                raise
            self.in_place = True  # which it must not do to leaves
            output = self._call([copy.clone() for copy in copies])
        self._require_output(output)
        self.in_place = self.in_place or any(copy._version for copy in copies)
        return {i: copies[i] for i in wanted}, output

    @functools.cached_property
    def run(self) -> Run:
        """What fn does at this point: its calls, recorded when they are first asked for."""
        passed = [leaf.clone() for leaf in self.leaves]
        for i in self.problem.claimed:
            passed[i].requires_grad_()
        try:
            return self._record(passed)
        except RuntimeError as error:
            if "in-place" not in str(error):
                raise
            return self._record([leaf.clone() for leaf in passed])

    def _record(self, passed: list[Tensor]) -> Run:
        with Trace(promote=self.problem.cast) as trace:
            output = self.problem.run(passed)
        return Run(trace.calls, passed, self._target(output).grad_fn)

    def _require_output(self, output: Tensor) -> None:
        if not isinstance(output, Tensor):
            raise TypeError(f"fn must return one tensor, but it returned {kind_of(output)}.")
        if not output.is_floating_point():
            raise TypeError(f"fn must return a floating-point tensor, but it returned {output.dtype}: such a result has no "
                            "gradient.")
        if output.numel() == 0:
            raise ValueError(f"fn returned an empty tensor of shape {tuple(output.shape)}: there is nothing to check.")
        if not (math.isfinite(output.item()) if output.ndim == 0 else all_finite(output)):
            raise ValueError(f"fn returned {first_bad(output)}: choose inputs where it is finite.")
        if self.upstream is not None and self.upstream.shape != output.shape:
            raise ValueError(f"upstream must have the shape of fn's output, {tuple(output.shape)}, but it has shape "
                             f"{tuple(self.upstream.shape)}.")

    def require_deterministic(self) -> None:
        """A function that draws random numbers has no derivative to check."""
        # The runs that autograd follows may take other kernels, so these are compared with each other.
        first = self.value({})
        if not all(torch.equal(first, self.value({})) for _ in range(4)):
            raise ValueError("fn gave two different results for the same inputs: make it deterministic (fix the random "
                             "numbers outside of it) before checking its gradient.")

    # --- autograd ---

    def _gradients(self, scalar: Tensor, inputs: dict[int, Tensor], retain: bool = False) -> dict[int, Tensor | None]:
        """Autograd's gradients by leaves; None where it has none to give."""
        if not scalar.requires_grad:
            return dict.fromkeys(inputs)
        try:
            gradients = torch.autograd.grad(scalar, tuple(inputs.values()), retain_graph=retain, allow_unused=True)
        except (RuntimeError, NotImplementedError):
            # A backward that is missing, or not made for autograd.grad.
            return dict.fromkeys(inputs)
        return dict(zip(inputs, gradients))

    def _derivatives(self, target: Tensor, inputs: dict[int, Tensor]) -> dict[int, Tensor | None]:
        """Autograd's derivatives, one backward pass for each output."""
        if target.ndim == 0:
            return self._gradients(target, inputs)
        rows = [self._gradients(entry, inputs, retain=True) for entry in target.reshape(-1)]
        return {i: None if any(row[i] is None or not all_finite(row[i]) for row in rows) else
                torch.stack([row[i] for row in rows]).reshape(*self.output.shape, *leaf.shape).detach()
                for i, leaf in inputs.items()}

    def jacobian(self, i: int) -> Tensor | None:
        """Autograd's derivative by leaf i: the axes of the output, then those of the leaf."""
        if i not in self._jacobians:
            self._jacobians[i] = self._recompute(i)
        return self._jacobians[i]

    def is_flat(self, i: int, largest: float) -> bool:
        """Whether a derivative whose largest entry this is moves the function by no more than its rounding, or nearly so."""
        moved, size = largest * typical_size(self.leaves[i]), self.output.abs().max().item()
        if moved <= FLAT * size or moved <= self._noise_of(lambda: self.value({}), self.output).max() / FLAT:
            return True
        # Or the derivative is rounding beside what it is elsewhere, as at a minimum.
        elsewhere = [leaf + typical_size(leaf) * self._random(*leaf.shape) if leaf.is_floating_point() and all_finite(leaf) else
                     leaf.clone() for leaf in self.leaves]
        row = self.jacobian(i).reshape(self.output.numel(), -1).abs().amax(1).argmax() if self.jacobian(i) is not None else 0
        return largest <= FLAT**2 * self._row(i, int(row), elsewhere).abs().nan_to_num().max().item()

    def _recompute(self, i: int) -> Tensor | None:
        inputs, output = self._connected([i])
        derivative = self._derivatives(self._target(output), inputs)[i]
        return derivative if derivative is None or all_finite(derivative) else None

    def combine_rows(self, i: int, wanted: Tensor) -> Tensor | None:
        """The random combination of some rows only of the derivative by leaf i."""
        inputs, output = self._connected([i])
        return self._gradients((self.weights * wanted) @ self._target(output).reshape(-1), inputs)[i]

    def _row(self, i: int, row: int, leaves: Sequence[Tensor] | None = None) -> Tensor:
        """Autograd's gradient of one output by leaf i, computed anew."""
        inputs, output = self._connected([i], leaves)
        gradient = self._gradients(self._target(output).reshape(-1)[row], inputs)[i]
        return torch.zeros_like(self.leaves[i]) if gradient is None else gradient.detach()

    def jitter(self, i: int, row: int) -> Tensor:
        """How far one row of autograd's derivative by leaf i moves when all inputs move by about a unit in the last place."""
        leaves = [torch.addcmul(leaf, leaf, self._factors(leaf), value=unit_roundoff)
                  if leaf.is_floating_point() and all_finite(leaf) else leaf.clone() for leaf in self.leaves]
        return (self._row(i, row, leaves) - self._known_row(i, row)).abs().nan_to_num(0.0)

    def noise(self, i: int, row: int) -> Tensor:
        """The rounding noise of one row of autograd's derivative by leaf i."""
        return self._noise_of(lambda: self._row(i, row), self._known_row(i, row))

    def _known_row(self, i: int, row: int) -> Tensor:
        return self.jacobian(i).reshape(-1, *self.leaves[i].shape)[row]

    def _factors(self, x: Tensor) -> Tensor:
        """Random factors, one for each entry; of a large tensor, products of one for each row and one for each column."""
        if x.numel() < LARGE or x.ndim < 2:
            return self._random(*x.shape)
        return self._random(*x.shape[:-1], 1) * self._random(x.shape[-1])

    def _noise_of(self, compute: Callable[[], Tensor], result: Tensor) -> Tensor:
        """The rounding noise of a computation, or nothing where fn uses vmap, grad or jvp, whose tensors are not ours to round."""
        if any(call.wrapped for call in self.run.calls):
            return torch.zeros_like(result)
        return rounding_noise(compute, result, self.generator)

    # --- difference quotients ---

    def _audit(self) -> None:
        """Compare autograd with one central quotient along a random direction of all claimed inputs at once.

        Only agreement counts; anything else is looked at closely, input by input.
        """
        known = [i for i in self.problem.claimed if self.combined[i] is not None]
        self._audited = dict.fromkeys(self.problem.claimed, False)
        rooms = {i: self._room(i) for i in known}
        slopes = self._slopes_along(known, rooms)
        for i in known:
            # A slope that is not finite shows that autograd's gradient is not, or that it is very large.
            if not math.isfinite(slopes[i][0]) and not all_finite(self.combined[i]):
                self.combined[i] = None
                if not self.output.ndim:
                    self._jacobians[i] = None
        known = [i for i in known if self.combined[i] is not None]
        loudest = max((abs(slopes[i][0]) for i in known), default=0.0)
        # A slope that is small beside the others would not be heard in the sum.
        together = [i for i in known if abs(slopes[i][0]) >= AUDIBLE * loudest]
        for group in [together] * bool(together) + [[i] for i in known if i not in together]:
            agreed = self._quotient_agrees({i: slopes[i] for i in group})
            if not agreed and sum(self.leaves[i].numel() for i in group) > FEW_ZEROS:
                # Before much work begins, another direction: a slope that is small by chance is hard to measure.
                agreed = self._quotient_agrees(self._slopes_along(group, {i: slopes[i][1] for i in group}, 1))
            self._audited |= dict.fromkeys(group, agreed)

    def _slopes_along(self, leaves: Sequence[int], rooms: dict[int, Tensor | None],
                      attempt: int = 0) -> dict[int, tuple[float, Tensor]]:
        """For each leaf, a random direction, and the slope along it as autograd has it."""
        found = {}
        for i in leaves:
            # Each leaf has factors of its own: with the same ones, a mistake in one could make up for that in another.
            direction = self._direction(self.leaves[i], rooms[i], 2 * i + attempt)
            found[i] = torch.dot(self.combined[i].reshape(-1), direction.reshape(-1)).item(), direction
        return found

    def _room(self, i: int) -> Tensor | None:
        """The memory of a leaf's copy, where it is not needed any more once autograd has run."""
        copy, gradient = self._inputs[i].detach(), self.combined[i]
        if self.output.ndim or self.in_place or gradient is None:
            return None
        # A backward may return what it has saved, the copy itself.
        return None if gradient.untyped_storage().data_ptr() == copy.untyped_storage().data_ptr() else copy

    def _quotient_agrees(self, slopes: dict[int, tuple[float, Tensor]]) -> bool:
        """Compare slopes with the quotient along their directions, whose memory is used for the moved leaves."""
        expected, moved = sum(slope for slope, _ in slopes.values()), {i: direction for i, (_, direction) in slopes.items()}
        for i, direction in moved.items():
            torch.add(self.leaves[i], direction, alpha=STEP, out=direction)
        right = self._weigh(self.value(moved))
        for i, there in moved.items():
            torch.lerp(there, self.leaves[i], 2.0, out=there)  # to the other side
        left = self._weigh(self.value(moved))
        centre = self._weigh(self.output)
        quotient = (right - left) / (2 * STEP)
        rounding = 8 * unit_roundoff * max(abs(right), abs(left)) / STEP
        size = max(abs(expected), abs(quotient))
        gap = abs((right - centre) - (centre - left)) / STEP
        return (0 < size < math.inf and abs(quotient - expected) <= AGREEMENT * size
                and rounding <= AGREEMENT * size and gap <= CURVATURE * STEP * size)

    def _weigh(self, output: Tensor) -> float:
        return output.item() if self.weights is None else torch.dot(self.weights, output.reshape(-1)).item()

    def _random(self, *shape: int) -> Tensor:
        return _between_half_and_one(shape, self.generator)

    def _direction(self, x: Tensor, room: Tensor | None, attempt: int = 0) -> Tensor:
        """A random change of x, in proportion to each entry; entries that are zero change as the others do on average.

        Of a large x, one random number for each place on the last axis must do, and zeros stay: drawing one for each entry, or
        looking for zeros, would cost more than the check.
        """
        shape = x.shape if x.numel() < LARGE else x.shape[-1:]
        direction = torch.mul(x, _pattern(self.generator.initial_seed() + attempt, shape), out=room)
        if x.numel() <= FEW_ZEROS and torch.count_nonzero(direction).item() != x.numel():  # several times faster than all()
            zero = x == 0
            direction[zero] = typical_size(x) * self._random(int(zero.sum()))
        return direction if direction.is_contiguous() else direction.contiguous()

    def reference(self, i: int, claim: Tensor) -> Reference:
        """The derivative by leaf i, after hearing both witnesses."""
        autograd = self.jacobian(i)
        if self._audited[i] and autograd is not None:
            return Reference(autograd)
        self.require_deterministic()
        hint = claim if autograd is None else autograd
        slopes = self._slopes(i, hint)
        missing = ("the function is not finite on both sides of this point" if autograd is None and not slopes else
                   "the function has a kink here: its slopes to the two sides differ"
                   if slopes and slopes[0][0].kink.any() else None)
        if missing:
            return Reference(hint, silent=f"{missing}, along {self.problem.names[i]}; check at a point away from it")
        if all(slope.agrees(expected).all() for slope, expected in slopes):
            return Reference(hint) if autograd is not None else Reference(hint, 1e-8 * hint.abs(), self._no_autograd(i))
        if autograd is not None and self._symmetric_slopes_agree(i, autograd):
            return Reference(autograd, witness="autograd and difference quotients along symmetric changes")
        if self.leaves[i].numel() > ENTRIES:
            return self._by_directions(i, claim, autograd)
        quotients, errors, agrees, kinks = self._entry_by_entry(i, hint)
        if kinks.any():
            return Reference(hint, silent="the function has a kink here: its slopes to the two sides differ, along "
                             f"{self.problem.names[i]}; check at a point away from it")
        if not errors.isfinite().all():
            return Reference(hint, silent="the difference quotients do not settle here, as at a jump or a kink, along "
                             f"{self.problem.names[i]}; check at a point away from it")
        if autograd is None:
            return Reference(quotients, errors, self._no_autograd(i))
        if agrees.all():
            return Reference(autograd)
        # Where autograd is wrong somewhere, it is not trusted to the last digit anywhere.
        return Reference(torch.where(agrees, autograd, quotients), errors + torch.where(agrees, autograd - quotients, 0.0).abs(),
                         "difference quotients (autograd contradicts them, and they decide)")

    def _no_autograd(self, i: int) -> str:
        return f"difference quotients (autograd gives no gradient by {self.problem.names[i]}, and they decide)"

    def _by_directions(self, i: int, claim: Tensor, autograd: Tensor | None) -> Reference:
        """For an input too large to go through its entries: whether the claim has the slopes of the function."""
        slopes = self._slopes(i, claim)
        agree = all(slope.agrees(expected).all() for slope, expected in slopes)
        witness = (self._no_autograd(i) if autograd is None else
                   "difference quotients along random directions (autograd contradicts them, and they decide)")
        if agree:
            return Reference(claim, 1e-8 * claim.abs(), witness)
        return self._first_disagreement(i, claim, witness)

    def _first_disagreement(self, i: int, claim: Tensor, witness: str) -> Reference:
        """An entry of a large input at which the claim has not the slope of the function, found by halving."""
        x, scale = self.leaves[i], typical_size(self.leaves[i])
        noise = self._noise_of(lambda: self.value({}), self.output)
        factors = self._random(x.numel())

        def slope_of(places: Tensor) -> tuple[Slope | None, Tensor]:
            direction = torch.zeros(x.numel(), dtype=torch.float64)
            direction[places] = scale * factors[places]
            direction = direction.reshape(x.shape)
            expected = along(claim, direction)
            return slope_along(lambda value: self.value({i: value}), x, direction, expected, noise), expected

        places = torch.arange(x.numel())
        while len(places) > 1:
            half = places[:len(places) // 2]
            slope, expected = slope_of(half)
            places = half if slope is not None and not slope.agrees(expected).all() else places[len(half):]
        slope, expected = slope_of(places)
        if slope is None or slope.agrees(expected).all():  # what differs is spread over many entries
            return Reference(claim, silent="wrong: its slope along a random direction is not the function's", witness=witness)
        output = int((~slope.agrees(expected)).reshape(-1).nonzero()[0])
        unit = scale * factors[places].item()
        entry = [int(k) for k in torch.unravel_index(places[0], x.shape)] if x.ndim else []
        return Reference(claim, silent=f"wrong: at {self.problem.names[i]}{entry}, expected "
                         f"{slope.value.reshape(-1)[output].item() / unit:.6g}, got {expected.reshape(-1)[output].item() / unit:.6g}",
                         witness=witness)

    def forget(self) -> None:
        """Let go of the derivatives, which take as much memory as the claims."""
        self._jacobians, self.combined = {}, {}

    @property
    def known(self) -> dict[int, Tensor | None]:
        """The derivatives that autograd has been asked for in full."""
        return self._jacobians

    def audited(self, i: int) -> bool:
        """Whether difference quotients bear autograd's derivative by leaf i out."""
        return self._audited[i]

    def kink_at(self, i: int, place: int, reference: Tensor, output: tuple[int, ...]) -> bool:
        """Whether the slopes of one output to the two sides differ where one entry of leaf i moves."""
        x = self.leaves[i]
        direction = torch.zeros(x.numel(), dtype=torch.float64)
        direction[place] = x.reshape(-1)[place].abs().item() or typical_size(x)
        direction = direction.reshape(x.shape)
        expected = along(reference, direction)[output]
        noise = self._noise_of(lambda: self.value({})[output], self.output[output])
        slope = slope_along(lambda value: self.value({i: value})[output], x, direction, expected, noise)
        return slope is not None and bool(slope.kink)

    def _slopes(self, i: int, reference: Tensor, symmetric: bool = False) -> list[tuple[Slope, Tensor]]:
        """Difference quotients along random directions, each with what the reference expects there."""
        x, slopes = self.leaves[i], []
        typical = typical_size(x)
        # One direction changes each entry in proportion to itself, which keeps badly scaled inputs in their domain;
        # the others change all entries alike, so that entries which are small or zero are seen.
        for scale in [torch.where(x == 0, typical, x.abs())] + [torch.full_like(x, typical)] * (DIRECTIONS - 1):
            direction = self._random(*x.shape) * scale
            if symmetric:
                direction = direction + direction.mT
            expected = along(reference, direction)
            f = lambda value: self.value({i: value})
            slope = slope_along(f, x, direction, expected)
            if slope is not None and (slope.kink.any() or not slope.agrees(expected).all()):
                noise = self._noise_of(lambda: self.value({}), self.output)
                slope = slope_along(f, x, direction, expected, noise)  # again, with the noise measured
            if slope is not None:
                slopes.append((slope, expected))
        return slopes

    def _symmetric_slopes_agree(self, i: int, autograd: Tensor) -> bool:
        """Whether fn reads a symmetric matrix by one of its triangles, as eigvalsh and cholesky do."""
        x = self.leaves[i]
        if x.ndim < 2 or x.shape[-1] != x.shape[-2] or not torch.equal(x, x.mT):
            return False
        slopes = self._slopes(i, autograd, symmetric=True)
        return bool(slopes) and all(slope.agrees(expected).all() and not slope.kink.any() for slope, expected in slopes)

    def _entry_by_entry(self, i: int, reference: Tensor) -> tuple[Tensor, ...]:
        """The Jacobian by difference quotients, the error of each entry, where the reference agrees, and the kinks."""
        x = self.leaves[i]
        typical = typical_size(x)
        values, errors, agrees, kinks = [], [], [], []
        noise = self._noise_of(lambda: self.value({}), self.output)
        for place in range(x.numel()):
            scale = x.reshape(-1)[place].abs().item() or typical
            direction = torch.zeros(x.numel(), dtype=torch.float64)
            direction[place] = scale
            direction = direction.reshape(x.shape)
            expected = along(reference, direction)
            slope = slope_along(lambda value: self.value({i: value}), x, direction, expected, noise)
            if slope is None:
                raise ValueError(f"The difference quotients by {self.problem.names[i]} are not finite around this point; "
                                 "choose another one.")
            agrees.append(slope.agrees(expected))
            kinks.append(slope.kink & ~slope.agrees(expected))
            values.append(slope.value / scale)
            errors.append((10 * slope.error + 1e-8 * slope.value.abs()) / scale)
        shape = (*self.output.shape, *x.shape)
        return tuple(torch.stack(part, -1).reshape(shape) for part in (values, errors, agrees, kinks))


def _between_half_and_one(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Random numbers between 1/2 and 1 in size, of both signs."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64).sub_(0.5)
    return uniform.add_(uniform.sign(), alpha=0.5)


@functools.lru_cache(64)
def _pattern(seed: int, shape: torch.Size) -> Tensor:
    """The random part of a direction, kept: checks of one shape and seed would draw it again and again."""
    return _between_half_and_one(shape, torch.Generator().manual_seed(seed))


def _copy(leaf: Tensor) -> Tensor:
    """A clone that fn may have; of a large leaf in memory that an earlier check has left."""
    if leaf.numel() < LARGE or not leaf.is_contiguous() or leaf.dtype != torch.float64:
        return leaf.clone()
    # As data, so that the copying does not count as a change by fn.
    return take(leaf.numel()).view(leaf.shape).copy_(leaf).data


def along(jacobian: Tensor, direction: Tensor) -> Tensor:
    """The Jacobian applied to a direction: the slope of every output along it."""
    return torch.tensordot(jacobian, direction, dims=direction.ndim)


def typical_size(x: Tensor) -> float:
    """The root mean square of the entries, or 1 where they are all zero."""
    largest = x.abs().max().item()
    return largest * (x / largest).square().mean().sqrt().item() if largest > smallest_normal else 1.0
