r"""Exercises: a reader's answer, as torch code or as TeX, judged by the checker and never answered with a traceback."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from utils.check import gradient_report
from utils.claims import input_names, kind_of
from utils.evaluate import DERIVATIVES, Numbers, World
from utils.expression import Definition
from utils.formula import define
from utils.layout import Order
from utils.report import ClaimReport, Report
from utils.symbols import Symbol, read_symbols
from utils.tex import FormulaError

__all__ = ["check_answer", "formula_function"]

UNANSWERED = "not answered yet: write your answer in place of ... and run the cell again"
NOTHING = "not answered yet: the function returned None, so perhaps its return is missing"
LONGEST = 80                     # signs of a formula that a message quotes
LETTERS = "nmpqrstuvw"           # of sizes that the exercise does not name
LEFT_SIDES = ("Omega", "Xi", "Psi", "Upsilon")  # one of them stands on the left of a formula that is read alone
UNSEEN = ("Gamma", "Lambda", "Sigma", "Theta", "Phi", "Pi", "Delta")  # symbols for sizes that no input has


def check_answer(fn: Callable[..., Tensor], inputs: Sequence[Any] | Mapping[str, Any], answers: Any, *,
                 upstream: Tensor | None = None, order: Order | None = None, sizes: Mapping[str, int] | None = None,
                 seed: int = 0) -> Report:
    r"""Judge a reader's answers to an exercise; whatever they are, the result is a report.

    Parameters
    ----------
    fn, inputs, upstream, order, seed : see :func:`utils.check.check_gradient`
    answers : a tuple aligned with ``inputs``, of functions of the inputs, tensors, TeX, None where nothing is asked, and
        ``...`` where nothing is answered yet; or one function of all inputs that returns an answer for each
        In TeX, an input ``x`` with one axis is the column \mathbf x, an input ``A`` the matrix \mathbf A, an input ``J_Y``
        is \mathbf J_{\mathbf Y}.
    sizes : names of sizes in TeX, {"m": 2, "n": 3}, for answers such as \mathbf I_m

    Returns
    -------
    Report, with the verdict "not answered" or "not judged" where there is nothing to judge

    >>> x, A = torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 3.0], [0.0, 2.0]])
    >>> check_answer(lambda x, A: x @ A @ x, (x, A), (..., None))
    … gradient by x (2,): not answered yet: write your answer in place of ... and run the cell again
    >>> check_answer(lambda x, A: x @ A @ x, (x, A), (r"\mathbf x^\top(\mathbf A + \mathbf A^\top)", None)).ok
    True
    >>> print(check_answer(lambda x, A: x @ A @ x, (x, A), (lambda x, A: x @ B, None)).claims[0].finding)
    The answer for x raised NameError on float64 copies of the inputs: name 'B' is not defined
    """
    return _Exercise(fn, inputs, upstream, order, sizes, seed).judge(answers)


class _Exercise:
    """What an exercise asks."""

    def __init__(self, fn: Callable, inputs: Any, upstream: Tensor | None, order: Order | None,
                 sizes: Mapping[str, int] | None, seed: int):
        self.fn, self.inputs, self.upstream, self.sizes = fn, inputs, upstream, sizes
        self.options = {"upstream": upstream, "order": order, "seed": seed}
        self.keywords = list(inputs) if isinstance(inputs, Mapping) else None
        self.arguments = list(inputs.values()) if self.keywords else list(inputs)
        self.names = input_names(fn, inputs)
        with torch.no_grad():
            output = self._call(fn)
        self.output = tuple(output.shape) if isinstance(output, Tensor) else ()

    def judge(self, answers: Any) -> Report:
        if callable(answers):
            return self._judge_whole(answers)
        try:
            given = self._aligned(answers)
        except TypeError as error:
            return self._only(0, "not judged", str(error), "the answers")
        reports: dict[int, Report] = {}
        claims: dict[int, Any] = {}
        for k, answer in given.items():
            try:
                claims[k], notes = self._claim(answer, k)
            except Exception as error:  # whatever a reader writes
                reports[k] = self._only(k, "not judged", _words(error))
                continue
            if isinstance(claims[k], Report):
                reports[k] = claims.pop(k)
            elif notes:
                reports[k] = Report((), notes)
        try:
            found = self._report(self._tuple(claims)) if claims else Report(())
            if len(found.claims) != len(claims):  # an input with several tensors has several lines
                others = [reports[k].claims[0] for k in sorted(given) if k not in claims]
                return Report((*found.claims, *others), found.notes)
            judged = dict(zip(sorted(claims), found.claims))
        except Exception:  # one of them broke: each for itself
            judged, found = {}, Report(())
            for k in claims:
                try:
                    (judged[k],) = self._report(self._tuple({k: claims[k]})).claims
                except Exception as error:
                    (judged[k],) = self._only(k, "not judged", _words(error)).claims
        notes = [note for k in sorted(reports) for note in reports[k].notes] + list(found.notes)
        lines = [judged[k] if k in judged else reports[k].claims[0] for k in sorted(given)]
        return Report(tuple(lines), tuple(dict.fromkeys(notes)))

    def _judge_whole(self, answers: Callable) -> Report:
        """One function that answers for all inputs."""
        asked = [k for k, x in enumerate(self.arguments) if not isinstance(x, Tensor) or x.is_floating_point()]
        try:
            value = self._call(answers)
            if value is None or value is ...:
                return Report(tuple(self._only(k, "not answered", UNANSWERED if value is ... else NOTHING).claims[0]
                                    for k in asked))
            parts = self._parts(value)
        except (Exception, SystemExit) as error:
            return self._only(asked[0], "not judged", _words(error, "The answer"), "all gradients")
        answered = [k for k in asked if parts[k] is not ... and parts[k] is not None]

        @functools.wraps(answers)
        def claim(*args: Any, **kwargs: Any) -> Any:
            found = [_number(part) if k in answered else None for k, part in enumerate(self._parts(answers(*args, **kwargs)))]
            return dict(zip(self.keywords, found)) if self.keywords else tuple(found)

        try:
            found = self._report(claim) if answered else Report(())
        except Exception as error:
            return self._only(asked[0], "not judged", _words(error), "all gradients")
        judged = dict(zip(answered, found.claims)) if len(found.claims) == len(answered) else None
        if judged is None:  # an input with several tensors has several lines
            return found
        return Report(tuple(judged[k] if k in judged else self._only(k, "not answered", UNANSWERED).claims[0] for k in asked),
                      found.notes)

    def _report(self, claims: Any) -> Report:
        with contextlib.redirect_stdout(io.StringIO()):  # a reader's print shows once, not at every try
            report = gradient_report(self.fn, self.inputs, claims, **self.options)
        hint = " For a vector-Jacobian product of this shape, pass the upstream gradient as upstream=."
        return Report(tuple(replace(claim, finding=claim.finding.removesuffix(hint)) for claim in report.claims), report.notes)

    def _only(self, k: int, verdict: str, finding: str, quantity: str | None = None) -> Report:
        shape = tuple(getattr(self.arguments[k], "shape", ()))
        kind = "VJP" if self.upstream is not None else "Jacobian" if self.output else "gradient"
        shape = None if quantity else (*self.output, *shape) if kind == "Jacobian" else shape
        return Report((ClaimReport(quantity or f"{kind} by {self.names[k]}", shape, verdict, finding),))

    def _aligned(self, answers: Any) -> dict[int, Any]:
        """The answers by the places of their inputs; None inside a tuple means that nothing is asked."""
        every = range(len(self.arguments))
        if answers is ... or answers is None:
            return {k: ... for k in every if isinstance(self.arguments[k], Tensor) and self.arguments[k].is_floating_point()}
        if isinstance(answers, Mapping):
            if unknown := [str(name) for name in answers if name not in self.names]:
                raise TypeError(f"There is no input {unknown[0]}: the inputs are {', '.join(self.names)}.")
            return {k: answers[name] for k, name in enumerate(self.names) if answers.get(name) is not None} or {0: ...}
        numbers = isinstance(answers, list) and all(isinstance(answer, (int, float)) for answer in answers)
        if numbers or not isinstance(answers, (tuple, list)):
            answers = (answers,)  # a lone answer to an exercise with one input
        if len(answers) > len(self.arguments):
            raise TypeError(f"There must be one answer for each of {', '.join(self.names)}, but there are {len(answers)}.")
        return {k: answer for k, answer in zip(every, answers) if answer is not None} or {0: ...}

    def _tuple(self, claims: Mapping[int, Any]) -> Any:
        values = [claims.get(k) for k in range(len(self.arguments))]
        return dict(zip(self.keywords, values)) if self.keywords else tuple(values)

    def _call(self, function: Callable) -> Any:
        """A function of copies of the inputs, with the upstream gradient where it takes it."""
        copies = torch.utils._pytree.tree_map(lambda x: x.detach().clone() if isinstance(x, Tensor) else x, self.arguments)
        if self.keywords:
            return function(**dict(zip(self.keywords, copies)))
        if self.upstream is not None and function is not self.fn:
            with contextlib.suppress(TypeError, ValueError):
                inspect.signature(function).bind(*copies, self.upstream)
                copies.append(self.upstream.clone())
        return function(*copies)

    def _parts(self, value: Any) -> list[Any]:
        count = len(self.arguments)
        if isinstance(value, Mapping):
            return [value.get(name, ...) for name in self.names]
        if not isinstance(value, (tuple, list)):
            value = (value,)
        if len(value) != count:
            raise ValueError(f"The answer must return {count} values, one for each of {', '.join(self.names)} and None where "
                             f"nothing is asked, but it returned {len(value)}.")
        return list(value)

    def _claim(self, answer: Any, k: int) -> tuple[Any, tuple[str, ...]]:
        """An answer as a claim, with a note; or a report where there is nothing to judge."""
        if answer is ... or (isinstance(answer, str) and not answer.strip()):
            return self._only(k, "not answered", UNANSWERED), ()
        if isinstance(answer, str):
            return self._shaped(formula_function(_plain(answer), dict(zip(self.names, self.arguments)), self.sizes), k)
        if not callable(answer):
            return _number(answer), ()
        try:
            value = self._call(answer)
        except SystemExit:
            return self._only(k, "not judged", "The answer ends Python: leave exit out."), ()
        except Exception:  # the checker says what it raises
            return answer, ()
        if value is ... or value is None:
            return self._only(k, "not answered", UNANSWERED if value is ... else NOTHING), ()
        if isinstance(value, Tensor):
            return answer, ()
        return functools.wraps(answer)(lambda *args, **kwargs: _number(answer(*args, **kwargs))), ()

    def _shaped(self, formula: Callable[..., Tensor], k: int) -> tuple[Callable[..., Tensor], tuple[str, ...]]:
        """A formula's matrix as a claim in the shape that the checker takes, and the form in which it was given."""
        of_scalar, axes = not self.output or self.upstream is not None, self.arguments[k].ndim

        def claim(*values: Tensor, **named: Tensor) -> Tensor:
            value = formula(*(values or named.values()))
            if axes == 1 and of_scalar and 1 in value.shape or axes == 0 and 1 in value.shape and len(self.output) == 1:
                return value.reshape(-1)
            return value.reshape(()) if axes == 0 and not self.output and value.numel() == 1 else value

        value = formula(*self.arguments)
        if not (axes == 1 and of_scalar and value.numel() > 1 and 1 in value.shape):
            return claim, ()
        return claim, ("The formula is a row: it was taken for the derivative, in numerator layout." if value.shape[0] == 1 else
                       "The formula is a column: it was taken for the gradient, which has the shape of the input.",)


def _number(value: Any) -> Any:
    """A plain number, or a NumPy array, as a tensor."""
    if isinstance(value, (float, int, np.ndarray, np.floating)) and not isinstance(value, bool):
        return torch.as_tensor(value, dtype=torch.float64)
    if isinstance(value, (list, tuple)):
        if all(isinstance(part, (float, int)) for part in value):
            return torch.as_tensor(value, dtype=torch.float64)
        return type(value)(_number(part) for part in value)
    if value is None or isinstance(value, Tensor):
        return value
    if value is ...:
        return None
    if isinstance(value, Mapping):
        return {key: part if callable(part) else _number(part) for key, part in value.items()}
    raise TypeError(f"An answer must be a tensor, TeX, or a function that returns a tensor, but it is {kind_of(value)}.")


def _words(error: Exception, who: str = "") -> str:
    """An exception in one sentence."""
    if isinstance(error, FormulaError):
        start, end = error.place
        part = error.tex[start:end] or error.tex
        return f"{error.reason} Look at “{part if len(part) <= LONGEST else part[:LONGEST] + '…'}”."
    words = (str(error).splitlines() or [""])[0].removesuffix(f": {type(error.__cause__).__name__}")
    if who and not words.startswith(who):
        return f"{who} raised {type(error).__name__}{': ' + words if words else ''}"
    return words.replace("The claim for", "The answer for") or f"The answer raised {type(error).__name__}"


def _plain(tex: str) -> str:
    r"""The formula itself, without dollars.

    >>> _plain("$x$")
    'x'
    """
    if control := re.search(r"[\a\b\f\r\t\v]", tex):
        letter = repr(control[0])[1:-1].replace("x07", "a").replace("x08", "b").replace("x0b", "v").replace("x0c", "f")
        raise ValueError(f'Put r before the string, as in r"\\mathbf x^\\top": without it Python reads {letter} as one sign.')
    tex = tex.strip().strip("$").strip()
    if "=" in tex:
        raise ValueError("Write only what stands on the right of the =.")
    return tex


def formula_function(tex: str, inputs: Mapping[str, Tensor], sizes: Mapping[str, int] | None = None) -> Callable[..., Tensor]:
    r"""Read TeX as a function of some tensors.

    Parameters
    ----------
    tex : an expression, without = and without derivatives
    inputs : tensors of at most two axes by name; one axis means a column
    sizes : names of sizes

    Returns
    -------
    a function of tensors in the order of ``inputs`` that returns a matrix, (rows, columns)

    Raises
    ------
    FormulaError
        If the TeX cannot be read, or has no meaning.

    >>> f = formula_function(r"\mathbf I_m \otimes \mathbf x^\top", {"x": torch.tensor([1.0, 2.0])}, {"m": 3, "n": 2})
    >>> f(torch.tensor([1.0, 2.0])).shape
    torch.Size([3, 6])
    """
    numbers = {int(number): letter for letter, number in (sizes or {}).items()}
    spare = [letter for letter in LETTERS if letter not in numbers.values()]

    def letter(size: int) -> str:
        if size == 1 and 1 not in numbers:
            return "1"
        if size not in numbers:
            numbers[size] = spare.pop(0)
        return numbers[size]

    symbols: dict[str, Symbol] = {}
    places: list[tuple[str, tuple[str, ...]] | None] = []
    for name, value in inputs.items():
        if not isinstance(value, Tensor):  # a dict or a module has no sign
            places.append(None)
            continue
        axes = tuple(letter(size) for size in value.shape)
        try:
            (symbol,) = read_symbols({name: " ".join(axes) or "scalar"}).values()
        except ValueError:  # an input whose name cannot be printed cannot stand in a formula
            places.append(None)
            continue
        symbols[symbol.glyph] = symbol
        places.append((symbol.glyph, axes))
    known = list(symbols)
    # The sizes that no input has are declared by a symbol of their own, so that the formula may name them.
    unseen = [size for size in numbers.values() if all(place is None or size not in place[1] for place in places)]
    symbols |= read_symbols({word: f"{size} {size}" for word, size in zip(UNSEEN, unseen, strict=False)})
    definition = _read(tex, symbols, known)

    def function(*values: Tensor) -> Tensor:
        free: dict[str, Tensor] = {}
        lengths = {letter: number for number, letter in numbers.items() if letter in unseen}
        for value, place in zip(values, places):
            if place is None:
                continue
            glyph, axes = place
            for axis, size in zip(axes, value.shape):
                if axis != "1" and lengths.setdefault(axis, size) != size:
                    raise ValueError(f"the size {axis} is {lengths[axis]} and {size}")
            value = value.detach().to(torch.float64)
            free[glyph] = value.reshape(-1, 1) if value.ndim < 2 else value
        return World(Numbers(), lengths, symbols, free, {}, {}).value_of(definition)

    return function


def _read(tex: str, symbols: Mapping[str, Symbol], known: Sequence[str]) -> Definition:
    """Read an expression as the right side of a definition, with messages that speak of it alone."""
    prefix = rf"\mathbf{{\{next(word for word in LEFT_SIDES if word not in tex)}}} = "
    try:
        (definition,) = define(prefix + tex, symbols)
    except FormulaError as error:
        reason = error.reason
        if any(words in reason for words in ("declare it", "needs a loss", "printed as it is elsewhere", "Nothing says what")):
            reason = f"This is none of the known symbols, {', '.join(known)}."
        start, end = (max(0, position - len(prefix)) for position in error.place)
        raise FormulaError(reason, tex, (start, max(end, start + 1))) from None
    if any(node.op in DERIVATIVES for node in definition.node.walk()):
        raise FormulaError("An answer holds no derivative: write what it is.", tex, (0, len(tex)))
    return definition
