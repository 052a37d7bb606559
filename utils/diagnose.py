"""Name the mistake in a wrong claim.

Each name is a hypothesis with a value: the transpose, the gradient times a constant, the gradient with one path held
constant, with a gain moved to the other side, and so on. A name is given only where the claim has this value, to the last
digits; where none does, the sentence says where the wrong entries are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from utils.point import Point
from utils.trace import Trace, call_name, captured, expressions, names_of_captured

__all__ = ["explain_shape", "explain_values"]

MATCH = {torch.float64: 2.0**-30, torch.float32: 2.0**-16}  # of the largest entry: what a claim may be off a hypothesis
SHARE = 2.0**-8       # and relative to what it differs from the gradient by
LARGE = 2**18 - 1     # entries; of larger claims only what one pass shows is said
RUNS = 64             # gradients of a changed function that are tried
CALLS = 4000          # torch calls that they may make in all
OFFSETS = frozenset("add __add__ __radd__ clamp clamp_min layer_norm rms_norm group_norm batch_norm normalize".split())
SMALL_NUMBER = 1e-2   # a number in a function that may be an ε
SCALING = frozenset("mul __mul__ __rmul__ multiply layer_norm rms_norm group_norm batch_norm".split())  # what a gain does
TWO_NAMES = 2         # as many names as still help, where the inputs do not tell them apart


@dataclass(frozen=True)
class Name:
    """A name of a mistake, and a sentence that says it of this claim."""

    short: str
    sentence: str


def explain_values(point: Point, i: int, got: Tensor, truth: Tensor, wrong: Tensor,
                   precision: torch.dtype = torch.float64) -> tuple[str | None, str]:
    """The name of the mistake in a claim of the right shape, or None, and a sentence.

    Parameters
    ----------
    point : the function at the inputs
    i : the place of the leaf
    got, truth : the claim and the derivative, with the axes of the output, then those of the leaf
    wrong : where they differ
    precision : the claim's own
    """
    case = _Case(point, i, got, truth, wrong, MATCH[precision])
    if not got.isfinite().all():
        bad = int((~got.isfinite()).sum())
        return "not finite", f"{bad} of its entries {'is' if bad == 1 else 'are'} not finite."
    if truth.abs().max() <= 1e-12 * got.abs().max():
        return "not zero", "The derivative is zero here."
    found: list[Name] = []
    for hypotheses in ((case.factor,), (case.rearranged, case.other_input, case.products, case.gains), (case.of_the_jacobian,),
                       (case.small_numbers,), (case.terms,), (case.projections,), (case.places_of_the_input,), (case.paths,),
                       (case.signs,)):
        if got.numel() <= LARGE or hypotheses in ((case.factor,), (case.signs,)):
            found += [name for find in hypotheses for name in find()]
        if found:
            break
    if found:
        sentences = list(dict.fromkeys(name.sentence for name in found[:TWO_NAMES]))
        words = sentences[0] if len(sentences) == 1 else \
            f"{sentences[0]} Here this is the same: {sentences[1][0].lower()}{sentences[1][1:]}"
        return found[0].short, words
    return None, case.pattern()


def explain_shape(point: Point, i: int, claim: Tensor) -> tuple[str | None, str]:
    """The name of the mistake in a claim of the wrong shape, or None, and a sentence."""
    jacobian = point.jacobian(i)
    if jacobian is None or claim.numel() > LARGE or jacobian.numel() > LARGE:
        return None, ""
    got, name, match = claim.to(torch.float64), point.problem.names[i], MATCH[claim.dtype]
    leaf, output = tuple(point.leaves[i].shape), tuple(point.output.shape)
    wanted = tuple(jacobian.shape)

    def same(value: Tensor) -> bool:
        return value.shape == jacobian.shape and _close(value, jacobian, match=match)

    flat = jacobian.reshape(point.output.numel(), point.leaves[i].numel())
    columns = flat if len(leaf) < 2 else jacobian.reshape(-1, *leaf).transpose(-1, -2).reshape(flat.shape)
    if got.ndim >= 2 and (same(got.mT) or (output and got.shape == flat.T.shape and
                                           (_close(got, flat.T, match=match) or _close(got, columns.T, match=match)))):
        return "transposed", "It is transposed: the right entries, with the axes exchanged."
    if output and tuple(got.shape) == leaf + output and same(got.movedim(tuple(range(len(leaf))),
                                                                         tuple(range(-len(leaf), 0)))):
        return "transposed", f"It is transposed: the axes of {name} come first, and belong last."
    if got.numel() == jacobian.numel():
        if _close(got.reshape(wanted), jacobian, match=match):
            return "shape", f"Its entries are right: reshape it to {wanted}."
        if jacobian.ndim == 2 and _close(got.reshape(-1), jacobian.T.reshape(-1), match=match):
            return "the other vec order", f"Its entries are right, in column order: unvec it to {wanted} down the columns."
    for axes in _subsets(got.ndim):
        for keep in (False, True):
            if same(got.sum(axes, keepdim=keep)):
                return ("missing sum over an axis", f"The sum over {_axes(axes, got.shape)} is missing: "
                        "summed over it, the claim is right.")
            if same(got.mean(axes, keepdim=keep)):
                return "missing sum over an axis", f"The mean over {_axes(axes)} is missing."
    for axes in _subsets(jacobian.ndim):
        for keep in (False, True):
            total = jacobian.sum(axes, keepdim=keep)
            if total.shape == got.shape and _close(got, total, match=match):
                if output and axes == tuple(range(len(output))):
                    return ("summed over the outputs", "It is the sum over all outputs, the vector-Jacobian product of an "
                            "upstream gradient of ones, and not the Jacobian.")
                return "summed over an axis", f"It is summed over {_axes(axes)}, which must stay."
    gradients = _all_gradients(point)
    for j, gradient in gradients.items():
        if j != i and gradient.shape == got.shape and not output and _close(got, gradient, match=match):
            return "gradient by another input", f"It is the gradient by {point.problem.names[j]}."
    if output and tuple(got.shape) == leaf and point.upstream is None:
        return None, "For a vector-Jacobian product of this shape, pass the upstream gradient as upstream=."
    return None, ""


class _Case:
    """A wrong claim beside the derivative, and the hypotheses about it, each a method that gives names."""

    def __init__(self, point: Point, i: int, got: Tensor, truth: Tensor, wrong: Tensor, match: float):
        self.match = match
        self.point, self.i, self.got, self.truth, self.wrong = point, i, got, truth, wrong
        self.name, self.shape = point.problem.names[i], point.leaves[i].shape
        self.jacobian = point.output.ndim > 0
        self.difference = got - truth
        self.distance = self.difference.abs().max().item()
        # One random combination of a Jacobian's rows stands for it where the function is run again.
        self.combined = self._combine(got)
        self._pool: list[tuple[str, Tensor]] | None = None
        self._unedited: Tensor | None = None

    @property
    def runs(self) -> int:
        """How often the function may be run again: less often the longer it is."""
        return max(1, min(RUNS, CALLS // max(1, len(self.point.run.calls))))

    def _combine(self, value: Tensor) -> Tensor:
        if not self.jacobian:
            return value
        return (self.point.weights @ value.reshape(self.point.output.numel(), -1)).reshape(self.shape)

    def close(self, got: Tensor, value: Tensor, distance: float = float("inf")) -> bool:
        return _close(got, value, distance, self.match)

    def is_(self, value: Tensor) -> bool:
        """Whether the claim has this value, and the derivative has not."""
        return value.shape == self.got.shape and self.close(self.got, value, self.distance)

    def runs_to(self, value: Tensor | None) -> bool:
        """The same for a value that came from running the function again."""
        if value is None:
            return False
        if self._unedited is None:
            self._unedited = self._run(lambda number, func, args, kwargs: (args, kwargs))
        if self._unedited is None or self.close(self.combined, self._unedited):
            return False  # it is what autograd, which is wrong, has; changing nothing shows the same
        distance = (self.combined - self._combine(self.truth)).abs().max().item()
        return value.shape == self.combined.shape and self.close(self.combined, value, distance)

    # --- what the values alone show ---

    def factor(self) -> list[Name]:
        if not self.got.any():
            return [Name("zero", "The claim is zero everywhere.")]
        square = (self.truth * self.truth).sum()
        if not 0 < square < float("inf"):
            return []
        factor = ((self.got * self.truth).sum() / square).item()
        number = _number(factor, 1e-10 if self.match < 1e-6 else 1e-5)
        if not self.is_(factor * self.truth) or (self.truth.count_nonzero() < 2 and number is None):
            return []
        for name, value in _named(self.point):
            if value.numel() == 1 and name != self.name and abs(value.item()) not in (0, 1):
                for sign, how in ((1, "times"), (-1, "divided by")):
                    if abs(factor - value.item() ** sign) <= 1e-9 * abs(factor):
                        return [Name("a factor", f"It is the {self._kind()} {how} {name} = {value.item():g}.")]
        if number is None and abs(factor - 1) > 1e-3:
            # A factor that may well depend on the inputs is no constant.
            return [Name("a factor", f"Every entry is {factor:.6g} times what it should be at these inputs.")]
        text = number or f"1 {'+' if factor > 1 else '-'} {abs(factor - 1):.2g}"
        sizes = self._sizes(factor)
        words = f"It is the {self._kind()} times the constant factor {text}"
        if factor == -1 or number == "-1":
            return [Name("constant factor -1", f"{words}: the sign is wrong.")]
        if sizes and self._written(factor):
            # The function contains this number, and may have it from an exponent as well as from a sum.
            return [Name(f"constant factor {text}", f"{words} ({_size_text(factor)} is also {sizes}).")]
        if sizes and abs(factor) < 1:
            return [Name("mean in place of a sum", f"{words}, and {_size_text(factor)} is {sizes}: a mean stands where a sum "
                         "belongs.")]
        if sizes:
            return [Name("sum in place of a mean", f"{words}, which is {sizes}: a sum stands where a mean belongs.")]
        return [Name(f"constant factor {text}", f"{words}.")]

    def _written(self, factor: float) -> bool:
        """Whether the function contains the number itself; squares and products of two equal factors contain a 2."""
        size = round(factor if factor > 1 else 1 / factor)
        if size == 2:
            return True
        numbers = [value for call in self.point.run.calls for value in tree_flatten((call.args, call.kwargs))[0]]
        return any(isinstance(value, (int, float)) and value == size or isinstance(value, Tensor) and value.ndim == 0
                   and value.is_floating_point() and value.item() == size for value in numbers)

    def _sizes(self, factor: float) -> str:
        """The axes whose size is a factor, or one over it."""
        if factor <= 0:
            return ""
        size = round(factor if factor > 1 else 1 / factor)
        if size < 2 or abs((factor if factor > 1 else 1 / factor) - size) > 1e-9 * size:
            return ""
        point = self.point
        known = [*zip(point.problem.names, (leaf.shape for leaf in point.leaves)), ("the output", point.output_shape)]
        if not point.output_shape:  # of a loss, what was summed may be an intermediate result
            known += [(name, value.shape) for name, value in self.pool()]
        places = [f"the size of axis {axis} of {name}" for name, shape in known for axis, length in enumerate(shape)
                  if length == size]
        places += [f"the number of entries of {name}" for name, shape in known if len(shape) > 1 and shape.numel() == size]
        return places[0] if places else ""

    def _kind(self) -> str:
        return "Jacobian" if self.jacobian else "gradient"

    def rearranged(self) -> list[Name]:
        """The right entries in other places."""
        found = []
        output, ndim = self.point.output.ndim, self.truth.ndim
        for order in itertools.permutations(range(ndim)) if ndim <= 4 else ():
            if order == tuple(range(ndim)) or tuple(self.truth.shape[k] for k in order) != tuple(self.got.shape):
                continue
            if not self.is_(self.truth.permute(order)):
                continue
            moved = [k for k in range(ndim) if order[k] != k]
            if not self.jacobian or (output == 1 and ndim == 2):
                found.append(Name("transposed", "It is transposed."))
            elif min(moved) >= output:
                found.append(Name("transposed", f"It is transposed: the axes of {self.name} are exchanged."))
            else:
                found.append(Name("transposed", f"It is transposed: axes of the output and of {self.name} are exchanged."))
        return found[:1] or self._other_vec()

    def _other_vec(self) -> list[Name]:
        """Rows or columns numbered as by the vec in the other order, for inputs or outputs that are flat."""
        if not self.jacobian:
            if self.truth.ndim != 1:
                return []
            return [Name("the other vec order", f"Its entries are in the other vec order, as of a matrix {a} × {b}.")
                    for a, b in _factors(len(self.truth)) if self.is_(self.truth[_commuted(a, b)])][:1]
        rows, columns = self.point.output.numel(), self.shape.numel()
        got, truth = self.got.reshape(rows, columns), self.truth.reshape(rows, columns)
        for r, c in itertools.product([None, *_factors(rows)], [None, *_factors(columns)]):
            if (r, c) == (None, None):
                continue
            value = truth if r is None else truth[_commuted(*r)]
            value = value if c is None else value[:, _commuted(*c)]
            if not self.close(got, value, self.distance):
                continue
            if r is not None and c is not None:
                return [Name("swapped factors", "Its rows and its columns are in the other vec order: the factors of the "
                             "Kronecker product are swapped.")]
            if c is not None:
                return [Name("the other vec order", f"Its columns are in the other vec order, as of a matrix {c[0]} × {c[1]}; "
                             "swapped factors of a Kronecker product do that.")]
            return [Name("the other vec order", f"Its rows are in the other vec order, as of a matrix {r[0]} × {r[1]}.")]
        return []

    def other_input(self) -> list[Name]:
        found = []
        if self.jacobian:
            others = {j: self.point.jacobian(j) for j in self.point.problem.claimed if j != self.i
                      and self.point.leaves[j].shape == self.shape}
        else:
            others = {j: gradient for j, gradient in _all_gradients(self.point).items() if j != self.i}
        for j, other in others.items():
            if other is None:
                continue
            name = self.point.problem.names[j]
            if self.is_(other):
                found.append(Name("gradient by another input", f"It is the {self._kind()} by {name}."))
            elif not self.jacobian and other.ndim == 2 and self.is_(other.mT):
                found.append(Name("gradient by another input", f"It is the transposed {self._kind()} by {name}."))
        return found

    def of_the_jacobian(self) -> list[Name]:
        """A square matrix that is right on its diagonal only."""
        if self.truth.ndim != 2 or self.truth.shape[0] != self.truth.shape[1] or len(self.truth) < 2:
            return []
        on = torch.eye(len(self.truth), dtype=torch.bool)
        if self.wrong[on].any() or not self.truth[on].any() or not self.wrong[~on].all():
            return []
        if not self.got[~on].any():
            return [Name("right on the diagonal only", "It is right on the diagonal only, and zero off it.")]
        return [Name("right on the diagonal only", "It is right on the diagonal only.")]

    def signs(self) -> list[Name]:
        if not self.close(self.got.abs(), self.truth.abs(), self.distance):
            return []
        return [Name("signs", f"The entries are right but for the signs of {int(self.wrong.sum())}.")]

    def pattern(self) -> str:
        """Where the wrong entries are, when nothing better is known."""
        wrong = self.wrong
        if wrong.all() or wrong.numel() < 3 or wrong.numel() > LARGE:
            return ""
        if wrong.sum() == 1:
            return "All other entries are right."
        if wrong.ndim == 2 and wrong.shape[0] == wrong.shape[1]:
            on = torch.eye(len(wrong), dtype=torch.bool)
            if not wrong[~on].any():
                return "Only entries on the diagonal are wrong."
            if not wrong[on].any():
                return "Only entries off the diagonal are wrong."
        for axis in range(wrong.ndim):
            others = tuple(k for k in range(wrong.ndim) if k != axis)
            hit = wrong.any(others) if others else wrong
            if hit.sum() == 1 and wrong.shape[axis] > 1 and others:
                return f"All wrong entries have index {int(hit.nonzero()[0])} on axis {axis}."
        return ""

    # --- what the tensors of the function show ---

    def pool(self) -> list[tuple[str, Tensor]]:
        """Tensors that a claim may be made of, with their names: inputs, from outside, intermediate results."""
        if self._pool is None:
            self._pool = _named(self.point) + _intermediate(self.point)
        return self._pool

    def products(self) -> list[Name]:
        """A product of two known matrices where another product of them belongs."""
        if self.jacobian or self.truth.ndim not in (1, 2):
            return []
        factors: list[tuple[str, Tensor]] = []
        for name, value in _named(self.point):
            if value.ndim == 2:
                factors += [(name, value), (f"{name}.T", value.mT)]
            elif value.ndim == 1:
                factors.append((name, value))
        right = self._product(factors, self.truth)
        claimed = self._product(factors, self.got) if right else None
        if right is None or claimed is None:
            return []
        bare = [tuple(sorted(name.removesuffix(".T") for name in pair)) for pair in (right, claimed)]
        said = f"It is {' @ '.join(claimed)}, where {' @ '.join(right)} belongs"
        if bare[0] != bare[1]:
            return [Name("wrong factor", f"{said}.")]
        if claimed == right[::-1]:
            return [Name("swapped factors", f"{said}: the factors are swapped.")]
        if [name.removesuffix(".T") for name in claimed] == [name.removesuffix(".T") for name in right]:
            return [Name("transposed factor", f"{said}: a factor is transposed.")]
        return [Name("swapped factors", f"{said}: the factors are swapped, and not transposed as they must be.")]

    def _product(self, factors: Sequence[tuple[str, Tensor]], wanted: Tensor) -> tuple[str, str] | None:
        for (left, A), (right, B) in itertools.product(factors, repeat=2):
            if A.ndim == 1 and B.ndim == 1 or A.shape[-1] != B.shape[0]:
                continue
            value = A @ B
            if value.shape == wanted.shape and self.close(wanted, value):
                return left, right
        return None

    def projections(self) -> list[Name]:
        """A claim that lacks a part along a known vector: the projection, or the centring of RMS-norm's relatives."""
        ndim = self.truth.ndim
        for axis in {ndim - 1, *range(self.point.output.ndim, ndim)} if ndim else ():
            size = self.truth.shape[axis]
            if size < 2:
                continue
            got, truth, gap = (value.movedim(axis, -1) for value in (self.got, self.truth, self.difference))
            centred = got - got.mean(-1, keepdim=True)
            if self.close(truth, centred, self.distance):
                if self._is_bare(got) or self.paths() or any(
                        call_name(call) in ("layer_norm", "batch_norm", "group_norm") for call in self.point.run.calls):
                    return [Name("missing centring", f"The centring is missing: subtract the mean over axis {axis}.")]
                return [Name("the part along a vector", f"Its mean over axis {axis} must be zero, as that of the "
                             f"{self._kind()} is: a centring is missing or incomplete.")]
            for name, value in self.pool():
                vector = _fitting(value, gap)
                if vector is None or (vector == vector[..., :1]).all():
                    continue
                square = (vector * vector).sum(-1, keepdim=True)
                if not (square > 0).all():
                    continue
                part = (gap * vector).sum(-1, keepdim=True) / square * vector
                if not self.close(gap, part, self.distance) or self._constant_factor():
                    continue
                left, before = (truth * vector).sum(-1).abs(), (got * vector).sum(-1).abs()
                if (left <= 0.1 * before).all():
                    return self._along(name, got, axis)
                total = got.abs().sum(-1)
                if (truth.sum(-1).abs() <= 1e-9 * total).all() and (got.sum(-1).abs() > 1e-6 * total).any() \
                        and self._is_bare(got):
                    return [Name("missing projection", f"The projection is missing: subtract so much of {name} that the sum "
                                 f"over axis {axis} is zero.")]
            found = self._centred_projection(got, truth, gap, axis)
            if found:
                return found
        return []

    def _along(self, name: str, got: Tensor, axis: int) -> list[Name]:
        """What is said of a claim that differs from a projection by a part along its normal.

        The projection is missing where the rows are what they are before it: multiples of a known vector. Otherwise it may
        be there with a wrong factor.
        """
        if self._is_bare(got):
            return [Name("missing projection", f"The projection is missing: subtract the part along {name}.")]
        return self.paths() or [Name("the part along a vector", f"It has the wrong part along {name}: the {self._kind()} is (nearly) orthogonal "
                     f"to {name}, so a projection is missing or incomplete.")]

    def _is_bare(self, rows: Tensor) -> bool:
        """Whether each row is a multiple of a known vector, or of the product of two, or has one entry."""
        if (rows.count_nonzero(-1) <= 1).all() and rows.shape[-1] > 1:
            return True
        known = [vector for _, value in _named(self.point) if (vector := _fitting(value, rows)) is not None]
        for vector in [*known, *(x * y for x, y in itertools.combinations(known, 2))]:
            for other in (vector, vector - vector.mean(-1, keepdim=True)):
                square = (other * other).sum(-1, keepdim=True)
                if (square > 0).all() and self.close(rows, (rows * other).sum(-1, keepdim=True) / square * other):
                    return True
        return False

    def _centred_projection(self, got: Tensor, truth: Tensor, gap: Tensor, axis: int) -> list[Name]:
        """LayerNorm's gradient without either of its two corrections."""
        if gap.shape[-1] < 3 or (truth.sum(-1).abs() > 1e-6 * got.abs().sum(-1)).any():
            return []
        for name, value in self.pool():
            vector = _fitting(value, gap)
            if vector is None:
                continue
            vector = vector - vector.mean(-1, keepdim=True)
            square = (vector * vector).sum(-1, keepdim=True)
            if not (square > 0).all():
                continue
            rest = gap - gap.mean(-1, keepdim=True)
            part = (rest * vector).sum(-1, keepdim=True) / square * vector
            if (self.close(rest, part, self.distance)
                    and ((truth * vector).sum(-1).abs() <= 0.1 * (got * vector).sum(-1).abs()).all()):
                if (got.sum(-1).abs() <= 1e-9 * got.abs().sum(-1)).all():
                    return self._along(f"{name} minus its mean", got, axis)
                if not self._is_bare(got):
                    continue
                return [Name("missing projection", f"The projection and the centring are missing: subtract the mean over axis "
                             f"{axis} and the part along {name}.")]
        return []

    def _constant_factor(self) -> bool:
        return bool(self.factor())

    def terms(self) -> list[Name]:
        """A claim that differs from the derivative by exactly a known tensor."""
        if self.got.numel() < 2:
            return []
        for name, value in self.pool():
            if value.shape != self.difference.shape or not value.any():
                continue
            for sign, words in ((1, "plus {0}: subtract {0}"), (-1, "without the term {0}: add it")):
                if self.close(self.difference, sign * value, self.distance):
                    return [Name("a term", f"It is the {self._kind()} {words.format(name)}.")]
        return []

    # --- what the function shows when it is run again, with one thing changed ---

    def _run(self, edit: Callable) -> Tensor | None:
        point = self.point
        copies = [leaf.clone() for leaf in point.leaves]
        copies[self.i].requires_grad_()
        try:
            with Trace(promote=point.problem.cast, edit=edit):
                output = point.problem.run(copies)
            target = point._target(output)
            scalar = target if point.weights is None else point.weights @ target.reshape(-1)
            (gradient,) = torch.autograd.grad(scalar, copies[self.i], allow_unused=True)
        except Exception:  # the changed function need not run
            return None
        return gradient

    def _places(self) -> Iterator[tuple[int, int, Tensor]]:
        """Each place of a tensor, on which autograd's gradient depends, among the arguments of the function's calls."""
        for number, call in enumerate(self.point.run.calls):
            for position, value in enumerate(tree_flatten((call.args, call.kwargs))[0]):
                if isinstance(value, Tensor) and value.requires_grad and call_name(call) != "__get__":
                    yield number, position, value

    def _same_places(self) -> Iterator[list[tuple[int, int, Tensor]]]:
        """The places of each tensor together; a tensor that is computed twice is one."""
        words = self._words()
        groups: dict[object, list[tuple[int, int, Tensor]]] = {}
        for number, position, value in self._places():
            groups.setdefault(words.get(id(value), id(value)), []).append((number, position, value))
        yield from groups.values()

    def _words(self) -> dict[int, str]:
        names = {id(value): name for name, value in zip(self.point.problem.names, self.point.run.passed)}
        names |= names_of_captured(self.point.problem.fn)
        return {**expressions(self.point.run.calls, names), **names}

    def paths(self) -> list[Name]:
        """The gradient with one intermediate result held constant: a path of the chain rule that was forgotten."""
        words, found = self._words(), []
        for number, position, value in itertools.islice(self._places(), self.runs):
            if not self.runs_to(self._run(_replacing({(number, position): lambda tensor: tensor.detach()}))):
                continue
            call = self.point.run.calls[number]
            what = words.get(id(value))
            result = words.get(id(call.result)) if isinstance(call.result, Tensor) else None
            where = f" in {result}" if result and what != result else f" in a call of {call_name(call)}"
            found.append(Name("a path left out", f"It is the {self._kind()} with {what or 'an intermediate result'} held "
                              f"constant{where}: the path through it is missing."))
        return found[:1]

    def places_of_the_input(self) -> list[Name]:
        """An input that stands in several places of the function, each counted another number of times."""
        passed = self.point.run.passed[self.i]
        places = [(number, position) for number, position, value in self._places() if value is passed]
        if not 2 <= len(places) <= 6 or self.jacobian and self.point.output.numel() > self.combined.numel() * 8:
            return []
        parts = [self._run(_replacing({other: (lambda tensor: tensor.detach()) for other in places if other != place}))
                 for place in places]
        if any(part is None for part in parts) or self.combined.numel() < len(parts):
            return []
        matrix = torch.stack([part.reshape(-1) for part in parts], 1)
        if torch.linalg.matrix_rank(matrix) < len(parts):
            return []
        weights = torch.linalg.lstsq(matrix, self.combined.reshape(-1, 1)).solution.reshape(-1)
        counts = weights.round()
        if not self.runs_to((matrix @ counts).reshape(self.combined.shape)) or counts.abs().max() > 4:
            return []
        counted = " and ".join(f"{int(count)}" for count in counts.tolist())
        return [Name("places of an input", f"{self.name} stands in {len(places)} places of the function, each of which counts "
                     f"once; the claim counts them {counted} times.")]

    def gains(self) -> list[Name]:
        """A factor that was forgotten, or applied before instead of behind another step."""
        for name, original in _named_passed(self.point):
            value = original.detach().to(torch.float64)
            if original is self.point.run.passed[self.i] or not original.is_floating_point() or value.numel() < 2 or not (value != 0).all() or _constant(value):
                continue
            places = [(number, position) for number, call in enumerate(self.point.run.calls)
                      for position, other in enumerate(tree_flatten((call.args, call.kwargs))[0]) if other is original]
            if not places or not all(call_name(self.point.run.calls[number]) in SCALING for number, _ in places):
                continue
            ones: dict[tuple[int, int], Callable] = dict.fromkeys(places, torch.ones_like)
            without = self._run(_replacing(ones))
            if without is None:
                continue
            if self.runs_to(without):
                return [Name("gain forgotten", f"It does not contain {name}: the factor {name} is forgotten.")]
            moved = [without * scale for scale in _broadcasts(value, without.shape)]
            for group in itertools.islice(self._same_places(), self.runs):
                if group[0][2].shape[-value.ndim:] == value.shape:
                    scaled = {(number, position): _scaling(value) for number, position, _ in group}
                    moved.append(self._run(_replacing({**scaled, **ones})))
            if any(self.runs_to(each) for each in moved):
                if self.jacobian:
                    return [Name("gain on the wrong side", f"{name} is applied on the wrong side: it scales the columns instead "
                                 "of the rows, or the rows instead of the columns.")]
                return [Name("gain on the wrong side", f"{name} is applied on the wrong side: it multiplies the result, and "
                             "belongs to what comes before.")]
        for name, value in _named(self.point):
            if value.numel() < 2 or not (value != 0).all() or _constant(value):
                continue
            if name.startswith("a tensor"):
                continue
            for scale in _broadcasts(value, self.truth.shape):
                if self.is_(self.truth * scale):
                    return [Name("gain too often", f"It has the factor {name} once too often.")]
                if self.is_(self.truth / scale):
                    return [Name("gain forgotten", f"It does not contain {name}: the factor {name} is forgotten.")]
            if self.jacobian and value.ndim == 1 and self.truth.ndim == 2 and self.truth.shape == (len(value), len(value)) \
                    and (self.is_(self.truth / value[:, None] * value) or self.is_(self.truth * value[:, None] / value)):
                return [Name("gain on the wrong side", f"{name} is applied on the wrong side: it scales the columns instead of "
                             "the rows, or the rows instead of the columns.")]
        return []

    def small_numbers(self) -> list[Name]:
        """The gradient without a small constant, such as the ε under a root."""
        for number, call in enumerate(self.point.run.calls):
            if call_name(call) not in OFFSETS:
                continue
            for position, value in enumerate(tree_flatten((call.args, call.kwargs))[0]):
                if isinstance(value, float) and 0 < value <= SMALL_NUMBER:
                    if self.runs_to(self._run(_replacing({(number, position): lambda constant: 0.0}))):
                        return [Name("missing ε", f"It is the {self._kind()} without the constant {value:g} in a call of "
                                     f"{call_name(call)}: ε is missing.")]
        return []


# --- running a function with one thing changed ---


class _Scaled(torch.autograd.Function):
    """The identity, whose backward multiplies by a scale."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None]:
        return upstream * ctx.scale, None


def _scaling(scale: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda tensor: _Scaled.apply(tensor, scale)


def _replacing(changes: dict[tuple[int, int], Callable]) -> Callable:
    """An edit that changes single arguments of single calls."""
    numbers = {number for number, _ in changes}

    def edit(number: int, func: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        if number not in numbers:
            return args, kwargs
        values, spec = tree_flatten((args, kwargs))
        values = [changes[(number, position)](value) if (number, position) in changes else value
                  for position, value in enumerate(values)]
        return tree_unflatten(values, spec)

    return edit


# --- small tools ---


def _close(got: Tensor, value: Tensor, distance: float = float("inf"), match: float = MATCH[torch.float64]) -> bool:
    """Whether two tensors agree to the last digits, and far better than the claim and the derivative do."""
    if got.shape != value.shape or not value.isfinite().all():
        return False
    largest = max(value.abs().max().item(), got.abs().max().item())
    return bool((got - value).abs().max() <= min(match * largest, SHARE * distance))


def _named_passed(point: Point) -> list[tuple[str, Tensor]]:
    """Inputs and tensors from outside, as the function got them, with their names."""
    found = list(zip(point.problem.names, point.run.passed))
    names = names_of_captured(point.problem.fn)
    for value in captured(point.run.calls, point.run.passed):
        found.append((names.get(id(value), f"a tensor {tuple(value.shape)}"), value))
    return found


def _named(point: Point) -> list[tuple[str, Tensor]]:
    found = [(name, value.detach().to(torch.float64)) for name, value in _named_passed(point) if value.is_floating_point()]
    if point.upstream is not None:
        found.append(("the upstream gradient", point.upstream))
    return found


def _intermediate(point: Point) -> list[tuple[str, Tensor]]:
    names = {id(value): name for name, value in _named_passed(point)}
    words = expressions(point.run.calls, names)
    found = []
    for call in point.run.calls:
        if isinstance(call.result, Tensor) and call.result.is_floating_point() and call.result.ndim:
            name = words.get(id(call.result), f"a result of {call_name(call)}")
            found.append((name, call.result.detach().to(torch.float64)))
    return found


def _all_gradients(point: Point) -> dict[int, Tensor]:
    """The gradients of the scalar by all leaves, claimed or not."""
    copies = [leaf.clone().requires_grad_(leaf.is_floating_point()) for leaf in point.leaves]
    try:
        target = point._target(point._call(copies))
        if target.ndim:
            return {}
        places = [j for j, copy in enumerate(copies) if copy.requires_grad]
        gradients = dict(zip(places, torch.autograd.grad(target, [copies[j] for j in places], allow_unused=True)))
    except Exception:  # autograd may have nothing to say
        return {}
    return {j: gradient for j, gradient in gradients.items() if gradient is not None}


def _fitting(value: Tensor, gap: Tensor) -> Tensor | None:
    """A tensor as one vector for each row of another, where it fits."""
    if value.ndim == 0 or value.shape[-1] != gap.shape[-1] or value.ndim > gap.ndim:
        return None
    if value.ndim == 1 or value.shape == gap.shape[gap.ndim - value.ndim:]:
        return value.expand(gap.shape)
    return None


def _broadcasts(value: Tensor, shape: Sequence[int]) -> Iterator[Tensor]:
    """The ways to let a factor multiply a tensor along one of its axes, or all of them."""
    shape = tuple(shape)
    if value.shape == shape:
        yield value
    elif value.ndim == 1:
        for axis, size in enumerate(shape):
            if size == len(value):
                yield value.reshape([-1 if k == axis else 1 for k in range(len(shape))])


def _constant(value: Tensor) -> bool:
    return bool((value == value.reshape(-1)[0]).all())


def _commuted(rows: int, columns: int) -> Tensor:
    """Where each entry of a vec by rows stands in the vec by columns."""
    return torch.arange(rows * columns).reshape(columns, rows).T.reshape(-1)


def _factors(number: int) -> list[tuple[int, int]]:
    return [(a, number // a) for a in range(2, number // 2 + 1) if number % a == 0]


def _subsets(ndim: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), count)


def _axes(axes: Sequence[int], shape: Sequence[int] = ()) -> str:
    axes = [axis for axis in axes if not shape or shape[axis] > 1] or list(axes)
    return f"axis {axes[0]}" if len(axes) == 1 else "axes " + " and ".join(map(str, axes))


def _number(value: float, tolerance: float) -> str | None:
    """A plain number or fraction, where a value is one."""
    fraction = Fraction(value).limit_denominator(64)
    if fraction == 0 or abs(float(fraction) - value) > tolerance * abs(value):
        return None
    return str(fraction)


def _size_text(factor: float) -> str:
    return str(round(factor if factor > 1 else 1 / factor))
