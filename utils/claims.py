"""What is checked: a function's inputs as a flat list of tensors, and what is claimed of each.

Inputs may be tensors, nested dicts, lists and tuples of tensors, or modules, whose parameters are the tensors. Claims are
aligned with them: a tensor, None, or a function of all inputs.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import keystr, tree_flatten, tree_flatten_with_path, tree_unflatten

from utils.layout import Order
from utils.trace import Trace

__all__ = ["Problem", "Reading", "input_names", "kind_of", "readings"]

Function = Callable[..., Tensor]


@dataclass(frozen=True)
class Reading:
    """One way to take a claim: what it is called, and how it becomes a tensor of the output's and the input's axes."""

    kind: Literal["gradient", "Jacobian", "VJP"]
    order: Order | None = None

    def describe(self, name: str) -> str:
        flat = "" if self.order is None else f", flattened in {self.order} order"
        return f"{self.kind} by {name}{flat}"

    def unflatten(self, claim: Tensor, output: torch.Size, shape: torch.Size) -> Tensor:
        """The claim with the axes of the output (none for a gradient or a VJP) and of the input."""
        if self.order is None:
            return claim
        if self.kind != "Jacobian":
            return _unvec(claim, shape, self.order)
        by_output = claim if claim.shape[:-1] == output else _unvec(claim.T, output, self.order).movedim(0, -1)
        return _unvec(by_output, shape, self.order)


def _unvec(flat: Tensor, shape: torch.Size, order: Order) -> Tensor:
    """The last axis as several, counted along rows or down columns."""
    if order == "row" or len(shape) < 2:
        return flat.unflatten(-1, shape) if shape else flat[..., 0]
    return flat.unflatten(-1, shape[::-1]).movedim(tuple(range(-len(shape), 0)), tuple(range(-1, -len(shape) - 1, -1)))


def readings(claim: torch.Size, output: torch.Size, shape: torch.Size, order: Order | None,
             upstream: bool) -> list[Reading]:
    """What a claim of this shape may be, the likeliest first; nothing where the shape fits nothing.

    >>> [reading.describe("W") for reading in readings((2, 6), (2,), (2, 3), None, False)]
    ['Jacobian by W, flattened in row order', 'Jacobian by W, flattened in column order']
    """
    orders: Sequence[Order] = ("row", "column") if order is None else (order,)
    flat = (shape.numel(),) if isinstance(shape, torch.Size) else (_product(shape),)
    claim, output, shape = tuple(claim), tuple(output), tuple(shape)
    scalar: Literal["VJP", "gradient"] = "VJP" if upstream else "gradient"
    if (upstream or not output) and claim == shape:
        return [Reading(scalar)]
    if output and claim == output + shape:
        return [Reading("Jacobian")]
    if order is None and 1 in shape:
        return []  # a flattened claim would be one that merely broadcasts
    if (upstream or not output) and len(shape) == 2 and claim == flat:
        return [Reading(scalar, each) for each in orders]
    if output and max(len(output), len(shape)) == 2 and claim in (output + flat, (_product(output), *flat)):
        return [Reading("Jacobian", each) for each in orders]
    return []


def _product(shape: Sequence[int]) -> int:
    return torch.Size(shape).numel()


class Problem:
    """A function with its inputs as leaves, and the claims.

    leaves : the tensors of the inputs, as given
    names : of the leaves: "x", "params['W']", "layer.weight"
    claimed : the places of the leaves of which something is claimed
    by_function : the places of those whose claim is a function
    """

    def __init__(self, fn: Function, inputs: Any, claims: Any, upstream: Tensor | None, order: Order | None):
        if not callable(fn):
            raise TypeError(f"fn must be a function, but it is {kind_of(fn)}.")
        if order not in (None, "row", "column"):
            raise ValueError(f'order must be "row", "column" or None, but it is {order!r}.')
        self.keywords = list(inputs) if isinstance(inputs, Mapping) else None
        if self.keywords is None and not isinstance(inputs, (tuple, list)):
            raise TypeError(f"inputs must be a tuple, such as (x,), or a dict, but it is {kind_of(inputs)}.")
        arguments = list(inputs.values()) if self.keywords is not None else list(inputs)
        claims = self._aligned(claims, len(arguments))
        self.fn, self.order = fn, order
        self.given, self.claims = arguments, claims
        self.plain = all(isinstance(argument, Tensor) for argument in arguments) and not isinstance(fn, nn.Module)
        names = self.keywords or _names(fn, len(arguments))
        if self.plain:
            self.leaves, self.names = arguments, names
            self.claim_of: list[Any] = claims if isinstance(claims, list) else [claims] * len(arguments)
        else:
            self._flatten(arguments, claims, names)
        self.whole = callable(claims)  # one function for all inputs
        if self.whole:
            self.claim_of = [claims if leaf.is_floating_point() else None for leaf in self.leaves]
        self._require_leaves()
        self.by_function = [i for i, claim in enumerate(self.claim_of) if callable(claim)]
        self.claimed = [i for i, claim in enumerate(self.claim_of) if claim is not None]
        if not self.claimed:
            raise ValueError("Nothing is claimed: give at least one claim that is not None.")
        self.upstream = None if upstream is None else _require_floats(upstream, "upstream")
        self.cast = any(leaf.dtype != torch.float64 and leaf.is_floating_point() for leaf in self.leaves)

    # --- the function ---

    def run(self, leaves: Sequence[Tensor]) -> Any:
        """Call fn with these tensors in place of the leaves."""
        if self.plain:
            return self.fn(**dict(zip(self.keywords, leaves))) if self.keywords else self.fn(*leaves)
        return self._hosted(self.fn, leaves)

    def _hosted(self, function: Callable, leaves: Sequence[Tensor], extra: tuple = ()) -> Any:
        """Call a function of all inputs, rebuilt around these leaves; modules hold them while it runs."""
        arguments = tree_unflatten(self._fill(leaves), self.tree)
        swapped = {name: leaves[i] for name, i in self.parameters.items()}
        # Copies, since a module in training changes its buffers when it runs.
        swapped |= {name: buffer.clone() for name, buffer in self.host.named_buffers()}
        self.host.function = self.module if function is self.fn and self.module is not None else function
        kwargs = dict(zip(self.keywords, arguments)) if self.keywords else {}
        return torch.func.functional_call(self.host, swapped, () if self.keywords else (*arguments, *extra), kwargs)

    def _fill(self, leaves: Sequence[Tensor]) -> list[Any]:
        return [leaves[where] if isinstance(where, int) else where.value for where in self.slots]

    def _flatten(self, arguments: list[Any], claims: Any, names: list[str]) -> None:
        entries, self.tree = tree_flatten_with_path(arguments)
        self.leaves, self.names, self.slots, self.parameters = [], [], [], {}
        modules: list[nn.Module] = []
        places: list[list[tuple[str, int]]] = [[] for _ in arguments]  # of each argument: the path and place of its leaves
        for path, value in entries:
            first, rest = path[0].idx, path[1:]
            name = names[first] + keystr(rest)
            if isinstance(value, nn.Module):
                module = copy.deepcopy(value).double()
                for parameter, tensor in value.named_parameters():
                    self.parameters[f"modules_.{len(modules)}.{parameter}"] = len(self.leaves)
                    places[first].append((keystr(rest) + "." + parameter, len(self.leaves)))
                    self.leaves.append(tensor)
                    self.names.append(f"{name}.{parameter}")
                modules.append(module)
                self.slots.append(_Constant(module))
            elif isinstance(value, Tensor):
                places[first].append((keystr(rest), len(self.leaves)))
                self.slots.append(len(self.leaves))
                self.leaves.append(value)
                self.names.append(name)
            elif rest:
                self.slots.append(_Constant(value))  # a setting among the tensors
            else:
                raise TypeError(f"Input {name} must be a tensor, or a dict, list or module of tensors, but it is "
                                f"{kind_of(value)}.")
        for argument, name, where in zip(arguments, names, places):
            if not where:
                raise TypeError(f"Input {name} must be a tensor, or a dict, list or module of tensors, but it is "
                                f"{kind_of(argument)} without any.")
        # A module that is fn itself runs as a float64 copy too.
        self.module = copy.deepcopy(self.fn).double() if isinstance(self.fn, nn.Module) else None
        self.host = _Host(modules + [self.module] * (self.module is not None))
        self.places = places
        self.own: set[int] = set()  # leaves with a claim function of their own
        self.claim_of = [None] * len(self.leaves)
        for argument, claim, name, where in zip(arguments, claims if isinstance(claims, list) else [claims] * len(arguments),
                                                names, places):
            for place, leaf_claim in self._leaf_claims(argument, claim, name, where):
                self.claim_of[place] = leaf_claim
                if callable(leaf_claim) and leaf_claim is not claim:
                    self.own.add(place)

    def _leaf_claims(self, argument: Any, claim: Any, name: str, places: list[tuple[str, int]]) -> list[tuple[int, Any]]:
        """A claim's parts beside the leaves of its argument."""
        if claim is None or callable(claim) or isinstance(argument, Tensor):
            return [(place, claim) for _, place in places]
        if isinstance(argument, nn.Module):
            parts = {f".{key}": value for key, value in claim.items()} if isinstance(claim, Mapping) else {}
        else:
            parts = {keystr(path): value for path, value in tree_flatten_with_path(
                claim, is_leaf=lambda value: value is None or isinstance(value, Tensor) or callable(value))[0]}
        wanted = {path: place for path, place in places}
        if isinstance(claim, Tensor) or set(parts) != set(wanted):
            missing, strange = sorted(set(wanted) - set(parts)), sorted(set(parts) - set(wanted))
            what = (f"lacks {', '.join(missing)}" if missing else f"has {', '.join(strange)} besides") if parts else \
                f"is {kind_of(claim)}"
            raise ValueError(f"The claim for {name} must have the structure of {name}, with None where nothing is claimed, "
                             f"but it {what}.")
        return [(wanted[path], value) for path, value in parts.items()]

    # --- the claims ---

    def claims_at(self, leaves: Sequence[Tensor], upstream: Tensor | None) -> dict[int, Tensor]:
        """What is claimed at these leaves, checked to be a tensor that can be compared, by place."""
        values: dict[int, Any] = {}
        done: dict[int, Any] = {}
        for i in self.claimed:
            claim = self.claim_of[i]
            if callable(claim):
                if id(claim) not in done:
                    done[id(claim)] = self._call_claim(claim, leaves, upstream, i)
                claim = self._part(done[id(claim)], i)
                if claim is None and self.whole:
                    continue
            values[i] = _require_claim(claim, self.names[i])
        return values

    def _call_claim(self, claim: Callable, leaves: Sequence[Tensor], upstream: Tensor | None, i: int) -> Any:
        name = "all inputs" if self.whole else self.names[i]
        try:
            with Trace(promote=True) if self.cast else contextlib.nullcontext():
                return self.call_claim(claim, [leaf.clone() for leaf in leaves], None if upstream is None else upstream.clone())
        except Exception as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise TypeError(f"The claim for {name} raised {type(error).__name__} on float64 copies of the inputs: "
                            f"{why}") from error

    def takes_upstream(self, claim: Callable) -> bool:
        """Whether a claim function has a parameter for the upstream gradient, behind those for the inputs."""
        return _takes(claim, len(self.given) + 1) if self.keywords is None else \
            _takes_named(claim, [*self.keywords, "upstream"])

    def call_claim(self, claim: Callable, leaves: Sequence[Tensor], upstream: Tensor | None = None) -> Any:
        """What a claim function returns for these leaves; it gets the upstream gradient where it takes it."""
        taken = upstream is not None and self.takes_upstream(claim)
        if self.keywords:
            return claim(**dict(zip(self.keywords, leaves)), **({"upstream": upstream} if taken else {}))
        extra = (upstream,) if taken else ()
        return claim(*leaves, *extra) if self.plain else self._hosted(claim, leaves, extra)

    def _part(self, value: Any, i: int) -> Any:
        """The part of what a claim function returned that belongs to leaf i."""
        if self.whole:
            if isinstance(value, Tensor) and len(self.given) == 1 and isinstance(self.given[0], Tensor):
                return value
            if self.keywords and isinstance(value, Mapping):
                if set(value) != set(self.keywords):
                    raise TypeError(f"The claim must return a claim for each of {', '.join(self.keywords)}, but it returned "
                                    f"{', '.join(map(str, value))}.")
                value = [value[key] for key in self.keywords]
            if not isinstance(value, (tuple, list)) or len(value) != len(self.given):
                came = f"{len(value)}" if isinstance(value, (tuple, list)) else kind_of(value)
                raise TypeError(f"A claim for all inputs must return a tuple of {len(self.given)}, one for each input and None "
                                f"where nothing is claimed, but it returned {came}.")
        if self.plain:
            return value[i] if self.whole else value
        if i in self.own:
            return value
        argument = next(k for k, places in enumerate(self.places) if any(place == i for _, place in places))
        value = value[argument] if self.whole else value
        name = (self.keywords or _names(self.fn, len(self.given)))[argument]
        parts = self._leaf_claims(self.given[argument], value, name, self.places[argument])
        return dict(parts)[i]

    # --- what may be given ---

    def _aligned(self, claims: Any, count: int) -> Any:
        if callable(claims) and not isinstance(claims, Tensor):
            return claims
        if self.keywords is not None:
            if not isinstance(claims, Mapping) or set(claims) != set(self.keywords):
                came = f"names {', '.join(map(str, claims))}" if isinstance(claims, Mapping) else f"is {kind_of(claims)}"
                raise TypeError(f"claims must be a dict with the names {', '.join(self.keywords)}, None where nothing is "
                                f"claimed, but it {came}.")
            return [claims[key] for key in self.keywords]
        if not isinstance(claims, (tuple, list)):
            raise TypeError(f"claims must be a tuple, such as (claim,), or one function of all inputs, but it is "
                            f"{kind_of(claims)}.")
        if len(claims) != count:
            raise ValueError(f"There must be one claim for each input, None where nothing is claimed, but there are "
                             f"{count} inputs and {len(claims)} claims.")
        return list(claims)

    def require_call(self) -> None:
        """Say why fn cannot be called with these inputs, if it cannot."""
        try:
            signature = inspect.signature(self.fn)
        except (TypeError, ValueError):  # some built-in functions have no signature
            return
        try:
            signature.bind(**dict.fromkeys(self.keywords)) if self.keywords else signature.bind(*self.given)
        except TypeError as error:
            how = f"the inputs {', '.join(self.keywords)} by name" if self.keywords else f"{len(self.given)} inputs"
            raise TypeError(f"fn cannot be called with {how}: {error}.") from None

    def _require_leaves(self) -> None:
        for name, value, claim in zip(self.names, self.leaves, self.claim_of):
            # Labels and indices may stand among the inputs, where nothing is claimed of them.
            # So may an infinite mask.
            if claim is not None or not isinstance(value, Tensor):
                _require_floats(value, f"Input {name}")


class _Constant:
    """A value of an input that is not a tensor, in the place where a leaf's number would stand."""

    def __init__(self, value: Any):
        self.value = value


class _Host(nn.Module):
    """Holds modules whose parameters are replaced while a function runs."""

    def __init__(self, modules: Sequence[nn.Module]):
        super().__init__()
        self.modules_ = nn.ModuleList(modules)
        object.__setattr__(self, "function", None)

    def __setattr__(self, name: str, value: Any) -> None:
        # A module that is called must not be registered a second time.
        if name == "function":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def _takes(function: Callable, count: int) -> bool:
    """Whether a function has so many parameters; those with a default are settings, and do not count."""
    try:
        signature = inspect.signature(function)
        signature.bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    parameters = list(signature.parameters.values())
    return any(p.kind == p.VAR_POSITIONAL for p in parameters) or \
        sum(p.default is p.empty or p.name == "upstream" for p in parameters) == count


def _takes_named(function: Callable, names: Sequence[str]) -> bool:
    try:
        inspect.signature(function).bind(**dict.fromkeys(names))
    except (TypeError, ValueError):
        return False
    return True


def input_names(fn: Function, inputs: Sequence[Any] | Mapping[str, Any]) -> list[str]:
    """The names of the inputs: their keys, or fn's parameters."""
    return list(inputs) if isinstance(inputs, Mapping) else _names(fn, len(inputs))


def _names(fn: Function, count: int) -> list[str]:
    """The names of fn's parameters, where it has one for each input; else x0, x1, …"""
    code = getattr(fn, "__code__", None)
    if code is not None and not hasattr(fn, "__self__"):
        plain = list(code.co_varnames[:code.co_argcount])
    else:
        try:
            parameters = inspect.signature(fn).parameters.values()
        except (TypeError, ValueError):  # some built-in functions have no signature
            parameters = []
        plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return plain[:count] if len(plain) >= count else [f"x{i}" for i in range(count)]


def _require_floats(value: Any, name: str) -> Tensor:
    """A dense tensor of finite real floating-point numbers."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, but it is {kind_of(value)}.")
    if value.layout != torch.strided or value.is_nested or value.is_meta:
        raise TypeError(f"{name} must be a dense tensor with values: write it with .to_dense().")
    if value.is_complex():
        raise TypeError(f"{name} is {value.dtype}: only real inputs can be checked, so pass .real and .imag.")
    if not value.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, but it is {value.dtype}: write it with .double().")
    if value.numel() == 0:
        raise ValueError(f"{name} is an empty tensor of shape {tuple(value.shape)}: there is nothing to check.")
    if not all_finite(value):
        raise ValueError(f"{name} has {first_bad(value)}: every input must be finite.")
    return value


def all_finite(value: Tensor) -> bool:
    # A finite sum has finite terms, and is cheap; only an infinite one may also have overflowed.
    return math.isfinite(value.detach().sum().item()) or bool(value.isfinite().all())


def first_bad(values: Tensor) -> str:
    entry = (~values.isfinite()).nonzero()[0].tolist()
    return f"{values[tuple(entry)].item()}" + (f" at entry {entry}" if entry else "")


def _require_claim(claim: Any, name: str) -> Tensor:
    if not isinstance(claim, Tensor):
        raise TypeError(f"The claim for {name} must be a tensor or a function that returns one, but it is {kind_of(claim)}.")
    if not claim.is_floating_point():
        raise TypeError(f"The claim for {name} must be a floating-point tensor, but it is {claim.dtype}: write it with "
                        ".double().")
    if claim.layout != torch.strided:
        raise TypeError(f"The claim for {name} must be dense: write it with .to_dense().")
    if torch.finfo(claim.dtype).eps > 1e-6:
        raise TypeError(f"The claim for {name} is {claim.dtype}, too coarse to be judged: compute it in float32 or float64.")
    return claim.detach()


def kind_of(value: object) -> str:
    """What a value is, for a message: "None", or "of type list"."""
    return "None" if value is None else f"of type {type(value).__name__}"
