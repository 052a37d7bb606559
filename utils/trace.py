"""What a function does with its tensors: the torch calls of one run, and the same run with one thing changed.

The recorded calls tell which tensors a function takes from outside and where it meets a relu; a run with one value held
constant, or one tensor replaced, shows which gradient a derivation would give that forgot it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["Call", "Trace", "call_name", "captured", "captured_modules", "expressions", "names_of_captured", "outside"]

SIGNS = {"add": "+", "__add__": "+", "__radd__": "+", "sub": "-", "__sub__": "-", "mul": "*", "__mul__": "*",
         "__rmul__": "*", "div": "/", "__truediv__": "/", "true_divide": "/", "matmul": "@", "__matmul__": "@"}
SILENT = frozenset("clone detach requires_grad_ contiguous double to view_as item __get__".split())
READABLE = 40  # characters of an expression that a reader still takes in


@dataclass(frozen=True)
class Call:
    """One torch call: the function, what it took, and what it gave; nothing of that where vmap, grad or jvp wrap it."""

    func: Callable
    args: tuple
    kwargs: dict
    result: Any
    wrapped: bool = False


class Trace(TorchFunctionMode):
    """Record the torch calls of the code inside the ``with``.

    Parameters
    ----------
    promote : take float32 tensors as float64 where they meet float64 ones, as a check of float32 inputs does
    edit : what to put in place of a call's arguments, given the call's number, function, args and kwargs

    >>> x = torch.tensor([1.0, 2.0])
    >>> with Trace() as trace:
    ...     y = (x * x).sum()
    >>> [call_name(call) for call in trace.calls]
    ['mul', 'sum']
    """

    def __init__(self, promote: bool = False, edit: Callable | None = None):
        super().__init__()
        self.calls: list[Call] = []
        self.promote, self.edit = promote, edit

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.promote and not _writes(func, kwargs):
            args, kwargs = _promoted(args, kwargs)
        if self.edit is not None:
            args, kwargs = self.edit(len(self.calls), func, args, kwargs)
        result = func(*args, **kwargs)
        # What vmap and grad wrap must not leave them; the call keeps its number.
        wrapped = any(map(is_functorch_wrapped_tensor, tensors_of((args, kwargs, result))))
        self.calls.append(Call(func, (), {}, None, wrapped) if wrapped else Call(func, args, kwargs, result))
        return result


    def __enter__(self) -> Trace:
        if self.promote:  # tensors that the code makes are to meet float64 ones too
            self._default = torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        if self.promote:
            torch.set_default_dtype(self._default)
        super().__exit__(*raised)


def _writes(func: Callable, kwargs: dict) -> bool:
    """Whether a call writes into its first argument, which a promoted copy would lose."""
    name = getattr(func, "__name__", "")
    return name == "__setitem__" or name.endswith("_") and not name.endswith("__") or name.startswith("__i") or "out" in kwargs


def _promoted(args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    dtypes = {value.dtype for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)}
    if torch.float64 not in dtypes or torch.float32 not in dtypes:
        return args, kwargs
    return tree_map(lambda value: value.double() if isinstance(value, Tensor) and value.dtype == torch.float32 else value,
                    (args, kwargs))


def call_name(call: Call) -> str:
    """The short name of a call's function: "matmul", "relu"; "__get__" for attributes such as .T."""
    return getattr(call.func, "__name__", None) or (resolve_name(call.func) or "").rsplit(".", 1)[-1]


def tensors_of(values: Any) -> Iterator[Tensor]:
    """The tensors in a call's arguments or result, in lists and dicts too."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from tensors_of(value)
    elif isinstance(values, dict):
        yield from tensors_of(list(values.values()))


def captured(calls: list[Call], inputs: Sequence[Tensor]) -> list[Tensor]:
    """The floating-point tensors that a function took from outside: neither inputs nor results of its own calls.

    Those without axes are left out: a single number hides nothing.
    """
    known = set(map(id, inputs))
    found: list[Tensor] = []
    for call in calls:
        for value in _operands(call):
            if id(value) not in known:
                known.add(id(value))
                if value.is_floating_point() and value.ndim:
                    found.append(value)
        known.add(id(call.result))
        if not isinstance(call.result, Tensor):
            known.update(map(id, tensors_of(call.result)))
    return found


def _operands(call: Call) -> Iterator[Tensor]:
    """The tensors that a call took."""
    for value in call.args:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from tensors_of(value)
    if call.kwargs:
        yield from tensors_of(call.kwargs)


def names_of_captured(*functions: Callable) -> dict[int, str]:
    """The names, by identity, that functions have for the tensors they take from outside."""
    names: dict[int, str] = {}
    for function in functions:
        code = getattr(function, "__code__", None)
        if code is None:
            continue
        for name in code.co_names:
            if isinstance(value := function.__globals__.get(name), Tensor):
                names.setdefault(id(value), name)
        for name, cell in zip(code.co_freevars, function.__closure__ or ()):
            try:
                value = cell.cell_contents
            except ValueError:  # not filled yet
                continue
            if isinstance(value, Tensor):
                names.setdefault(id(value), name)
            elif callable(value) and value not in functions:
                names |= names_of_captured(value) | names
    return names


def captured_modules(function: Callable) -> list[torch.nn.Module]:
    """The modules that a function takes from outside, by its closure or as globals."""
    if isinstance(function, torch.nn.Module):
        return [function]
    return [value for value in outside(function) if isinstance(value, torch.nn.Module)]


def outside(function: Callable) -> list[Any]:
    """What a function takes from its closure and from globals."""
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    known = function.__globals__
    values = [known[name] for name in code.co_names if name in known]
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # a cell that is not filled yet
            continue
    return values


def expressions(calls: list[Call], names: dict[int, str]) -> dict[int, str]:
    """Short expressions, by identity, of what a function computed on its way, "W @ x"; long ones are left out."""
    known = dict(names)
    for call in calls:
        if not isinstance(call.result, Tensor):
            continue
        name, taken = call_name(call), list(call.args)
        words = [known.get(id(value)) if isinstance(value, Tensor) else f"{value:g}" if isinstance(value, (int, float))
                 else None for value in taken]
        if name in SILENT and name != "__get__" and words[:1] != [None]:
            known.setdefault(id(call.result), words[0])
        elif name == "__get__":
            attribute = (resolve_name(call.func) or "").split(".")[-2:-1]
            if words[:1] != [None] and attribute in (["T"], ["mT"]):
                known.setdefault(id(call.result), f"{_bracketed(words[0])}.{attribute[0]}")
        elif None not in words and words:
            sign = SIGNS.get(name)
            text = (f" {sign} ".join(_bracketed(word) for word in words) if sign and len(words) == 2
                    else f"{name}({', '.join(words)})")
            if len(text) <= READABLE:
                known.setdefault(id(call.result), text)
    return {key: text for key, text in known.items() if key not in names}


def _bracketed(text: str) -> str:
    return f"({text})" if " " in text and not text.endswith(")") else text
