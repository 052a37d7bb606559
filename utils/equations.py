r"""Check the printed equations of the book.

The TeX of an equation is taken from the chapter's own text, by its label, or given as a string. It is read
(``utils.formula``), and every = in it is compared on random values of distinct sizes (``utils.evaluate``): derivatives by
autograd, which difference quotients audit; definitions against independent torch code, since no gradient check can see
that the wrong function was defined; and, on small shapes, exactly with sympy.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from utils import tries
from utils.differences import unit_roundoff
from utils.evaluate import Evaluation, Exact, Numbers, Unprovable, World, glyphs
from utils.exact import is_zero
from utils.expression import Chain, Definition, Equation
from utils.formula import define, python_name, read_equation
from utils.printed import RECORD, PrintedEquation, read_page
from utils.report import number_text
from utils.symbols import Symbol, read_symbols
from utils.tex import FormulaError

__all__ = ["Check", "EquationMismatch", "EquationReport", "PrintedEquation", "check_equation", "equation_report",
           "find_equation", "read_page"]

DRAWS = 3
ROUNDINGS = 256  # units of roundoff that two ways to compute one number may differ by
NOISE = 16       # multiples of a measured noise that are still noise
JITTERS = 8      # times that it is measured
JITTER = 2.0**-20  # how far values are moved for it, relative to their size: far enough to round anew
LABEL = re.compile(r"[A-Za-z0-9][\w.:-]*")


class EquationMismatch(AssertionError):
    """A printed equation is wrong. The message says where, what was expected and what came, and how it is wrong."""


# --- the text of the chapters -----------------------------------------------------------------------------------------


def chapters() -> Path:
    """The folder of the chapters: beside the package in a clone, inside it where it was installed."""
    beside = Path(__file__).parents[1] / "chapters"
    return beside if beside.is_dir() else Path(__file__).parent / "chapters"


def find_equation(label: str) -> PrintedEquation:
    """The equation of the book with this label.

    Raises
    ------
    KeyError
        If there is none, with the nearest labels.
    """
    labelled = {}
    for path in sorted(chapters().glob("*.md")):
        labelled |= {equation.label: equation for equation in _read_file(path, path.stat().st_mtime_ns) if equation.label}
    if label not in labelled:
        near = difflib.get_close_matches(label, labelled, 3)
        raise KeyError(f"No displayed equation of the book has the label {label!r}; "
                       f"{'near it are ' + ', '.join(near) if near else 'a label stands behind the closing $$, in brackets'}.")
    tries.depend_on(labelled[label].tex)
    return labelled[label]


@functools.lru_cache(256)
def _read_file(path: Path, changed: int) -> list[PrintedEquation]:
    return read_page(path.read_text("utf-8"), path.stem)


# --- one check --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a comparison found.

    ok : whether every two sides agree in every draw
    finding : one sentence
    compared : what the equation was compared with
    sizes : of each draw
    worst : the largest difference of two sides, over the largest entry
    """

    ok: bool
    finding: str
    compared: tuple[str, ...] = ()
    sizes: tuple[Mapping[str, int], ...] = ()
    worst: float = 0.0


@dataclass(frozen=True, eq=False)
class Check:
    """An equation, and all that is needed to compare its sides: a definition too, whose left side is given by code.

    tex : of the equation
    symbols : what is declared, by glyph
    given : the TeX of the equations that define the other symbols, in order
    first : what indices count from, 1 or 0
    """

    tex: str
    symbols: Mapping[str, Symbol]
    given: tuple[str, ...] = ()
    first: int = 1
    seed: int = 0
    definitions: Mapping[str, Definition] = field(default_factory=dict)

    @classmethod
    def of(cls, tex: str, declared: Mapping[str, object], given: Sequence[str] = (), first: int = 1,
           seed: int = 0) -> Check:
        """A check of an equation; what the given equations define is read here."""
        symbols = read_symbols(declared)
        definitions: dict[str, Definition] = {}
        for text in given:
            for definition in define(text, symbols, {glyph: d.shape for glyph, d in definitions.items()}):
                if definition.glyph in definitions:
                    raise FormulaError(f"{python_name(definition.glyph)} is defined twice in given.", text, (0, len(text)))
                symbol = symbols.get(definition.glyph)
                if symbol is not None and (symbol.value is not None or symbol.of):
                    raise FormulaError(f"{symbol.name} is declared with a value of its own and defined in given: leave one of the "
                                       "two out.", text, (0, len(text)))
                definitions[definition.glyph] = definition
        check = cls(tex, symbols, tuple(given), first, seed, definitions)
        check._refuse_circles()
        return check

    def _refuse_circles(self) -> None:
        def visit(glyph: str, above: tuple[str, ...]) -> None:
            if glyph in above:
                raise ValueError(f"{python_name(glyph)} depends on itself: {' ← '.join(map(python_name, (*above, glyph)))}.")
            for used in self._uses(glyph):
                visit(used, (*above, glyph))

        for glyph in (*self.definitions, *self.symbols):
            visit(glyph, ())

    def _uses(self, glyph: str) -> Iterable[str]:
        """The symbols from which a symbol's value is made."""
        if glyph in self.definitions:
            return glyphs(self.definitions[glyph].node)
        symbol = self.symbols.get(glyph)
        if symbol is None:
            return ()
        if symbol.of:
            return self._sources(symbol)
        by_name = self._by_name()
        return [by_name[name] for name in _parameters(symbol.value) if name in by_name] if callable(symbol.value) else ()

    @functools.cached_property
    def used(self) -> set[str]:
        """The symbols that take part in the equation."""
        open_glyphs = [glyph for chain in self.equation.chains for side in chain.sides for glyph in glyphs(side)]
        found: set[str] = set()
        while open_glyphs:
            glyph = open_glyphs.pop()
            if glyph not in found:
                found.add(glyph)
                open_glyphs += self._uses(glyph)
        return found

    @functools.cached_property
    def at_kinks(self) -> set[str]:
        """The symbols of which a kink is taken: draws with zeros in them tell > from ≥."""
        nodes = [side for chain in self.equation.chains for side in chain.sides]
        nodes += [definition.node for definition in self.definitions.values()]
        places = [part.args[0] for node in nodes for part in node.walk() if part.op in ("relu", "indicator")]
        return {(place.args[0] if place.op == "select" else place).data for place in places
                if (place.args[0] if place.op == "select" else place).op == "symbol"}

    @functools.cached_property
    def equation(self) -> Equation:
        return read_equation(self.tex, self.symbols, {glyph: d.shape for glyph, d in self.definitions.items()})

    @property
    def coded(self) -> list[Symbol]:
        """The symbols of the equation whose values come from code."""
        return [symbol for glyph, symbol in self.symbols.items() if callable(symbol.value) and glyph in self.used]

    @property
    def letters(self) -> list[str]:
        """The letters of the sizes, in the order in which the symbols name them."""
        shapes = [symbol.shape for symbol in self.symbols.values()]
        return list(dict.fromkeys(letter for shape in shapes for size in shape for letter in size.letters))

    # --- in numbers ---

    def compare(self, draws: int = DRAWS, begin: int = 0, audit: bool = True) -> Outcome:
        """Compare the sides on random values; the audit by difference quotients is made in the first draw.

        Raises
        ------
        FormulaError
            If the equation cannot be read or has no meaning.
        """
        equation = self.equation
        compared: dict[str, None] = {}
        sizes, worst = [], 0.0
        fixed = not self.letters and all(symbol.value is not None for symbol in self.symbols.values())
        for draw in range(begin, begin + (1 if fixed else draws)):
            drawn = self._sizes(draw)
            sizes.append(drawn)
            for chain, free in zip(equation.chains, equation.free):
                numbers = Numbers(audit=audit and draw == begin)
                evaluation = Evaluation(self._world(numbers, drawn, draw), equation)
                values = [evaluation(side) for side in chain.sides]
                outcome = self._difference(values, free, evaluation, chain, lambda run: self._world(Numbers(), drawn, draw, run))
                if isinstance(outcome, str):
                    return Outcome(False, outcome + _sizes_text(drawn), tuple(compared), tuple(sizes), np.inf)
                worst = max(worst, outcome)
        operations = {node.op for chain in equation.chains for side in chain.sides for node in side.walk()}
        if operations & {"derivative", "gradient", "differential"}:
            compared |= {"autograd": None, "difference quotients": None}
        elif not self.coded:
            compared["its other side" if all(len(chain.sides) == 2 for chain in equation.chains) else "its other sides"] = None
        if self.coded:
            compared["torch code"] = None
        return Outcome(True, "", tuple(compared), tuple(sizes), worst)

    def _sizes(self, draw: int) -> dict[str, int]:
        """Distinct sizes, so that a wrong shape cannot fit by chance, and others than in the draw before."""
        letters, sizes = self.letters, []
        chance = random.Random(f"{self.seed} {draw // 3}")
        for _ in range(draw % 3 + 1):
            before, sizes = sizes, chance.sample(range(2, 6 + len(letters)), len(letters))
            while any(one == other for one, other in zip(before, sizes)):
                sizes = chance.sample(range(2, 6 + len(letters)), len(letters))
        return dict(zip(letters, sizes))

    def _world(self, backend: Numbers, sizes: Mapping[str, int], draw: int, jitter: int = 0) -> World:
        """The values of a draw; with a ``jitter``, each moved a little, in that many ways."""
        generator = torch.Generator().manual_seed(1000003 * self.seed + draw)
        free: dict[str, Tensor] = {}
        functions: dict[str, Callable] = {}
        world = World(backend, sizes, self.symbols, free, functions, self.definitions, self.first)
        for glyph, symbol in self.symbols.items():
            shape = [size.value(sizes) for size in symbol.shape] or [1, 1]
            if glyph in self.definitions:
                continue
            if symbol.of:
                functions[glyph] = _Smooth(self._sources(symbol), shape, generator)
            elif callable(symbol.value):
                functions[glyph] = _FromCode(symbol, shape, self._by_name())
            elif symbol.value is not None:
                free[glyph] = symbol.value.to(torch.float64).reshape(shape)
            else:
                free[glyph] = _draw(symbol, shape, generator, kinks=draw > 0 and (glyph in self.at_kinks or "kinks" in symbol.properties))
            world.directions[glyph] = _draw(replace(symbol, properties=symbol.properties - {"positive"}), shape, generator, False)
        if jitter:
            moves = torch.Generator().manual_seed(jitter)
            for values in (free, world.directions):
                for glyph in values:
                    units = 2 * torch.rand(values[glyph].shape, generator=moves, dtype=torch.float64) - 1
                    if "symmetric" in self.symbols[glyph].properties:
                        units = units + units.T
                    values[glyph] = values[glyph] * (1 + JITTER * units)
        return world

    def _by_name(self) -> dict[str, str]:
        """The glyph of each name that code may ask for."""
        return {python_name(glyph): glyph for glyph in (*self.definitions, *self.symbols)}

    def _sources(self, symbol: Symbol) -> tuple[str, ...]:
        by_name = self._by_name()
        if missing := [name for name in symbol.of if name not in by_name]:
            raise ValueError(f"{symbol.name} is declared as a function of {missing[0]}, which is neither declared nor defined in "
                             f"given; known are {', '.join(by_name)}.")
        return tuple(by_name[name] for name in symbol.of)

    def _difference(self, values: list[Tensor], free: list[str], evaluation: Evaluation, chain: Chain,
                    jittered: Callable[[int], World]) -> float | str:
        """The largest difference of the sides over the largest entry, or a sentence on the first that differs."""
        first, worst = values[0], 0.0
        for place, other in enumerate(values[1:], 1):
            difference, size = (first - other).abs(), torch.maximum(first.abs(), other.abs())
            allowed = ROUNDINGS * unit_roundoff * size
            exceeds = ~(difference <= allowed)
            largest = size.max().item()
            if exceeds.any() and difference.max() <= 1e-6 * max(largest, 1.0):
                allowed = allowed + NOISE * self._noise(chain, place, first - other, jittered)
                exceeds = ~(difference <= allowed)
            if exceeds.any():
                full, got = torch.broadcast_tensors(first, other)
                where = tuple(exceeds.nonzero()[0].tolist())
                side = "the right side" if len(chain.sides) == 2 else f"side {place + 1}"
                left, right = full[where].item(), got[where].item()
                return (f"{self._where(where, free, evaluation, chain.sides[0])}the left side is {number_text(left, right)}, "
                        f"{side} is {number_text(right, left)} ({int(exceeds.sum())} of {exceeds.numel()} entries differ)")
            if largest > allowed.max():
                worst = max(worst, difference.max().item() / largest)
        return worst

    def _noise(self, chain: Chain, place: int, gap: Tensor, jittered: Callable[[int], World]) -> Tensor:
        """How far the difference of two sides moves when the values move a little.

        Where it is rounding, it moves as far as it is large; where it is a mistake, it nearly stays.
        """
        noise = torch.zeros_like(gap)
        for run in range(1, JITTERS + 1):
            evaluation = Evaluation(jittered(run), self.equation)
            noise = torch.fmax(noise, (evaluation(chain.sides[0]) - evaluation(chain.sides[place]) - gap).abs())
        return noise

    def _where(self, where: tuple[int, ...], free: list[str], evaluation: Evaluation, side) -> str:
        lead = len(evaluation.lead)
        names = [f"{name} = {where[evaluation.axes[name]] + self.first}" for name in free]
        rest = where[lead:]
        if side.shape:
            names.append("entry (" + ", ".join(str(place + self.first) for place in rest) + ")")
        return f"at {', '.join(names)}, " if names else ""

    # --- exactly ---

    def exact(self) -> tuple[bool, str]:
        """Whether the sides are equal as rational functions, on small shapes, and a half sentence that says so."""
        sizes = {letter: 3 if k == 1 else 2 for k, letter in enumerate(self.letters)}
        try:
            backend = Exact()
            for chain in self.equation.chains:
                evaluation = Evaluation(self._exact_world(backend, sizes), self.equation)
                values = [evaluation(side) for side in chain.sides]
                for other in values[1:]:
                    if not all(is_zero(backend.sympy.sympify(entry)) for entry in set((values[0] - other).reshape(-1))):
                        return False, "numeric only: not settled by rational functions"
        except (Unprovable, FormulaError) as why:
            return False, f"numeric only: {why if isinstance(why, Unprovable) else 'small shapes do not fit'}"
        return True, "proved" + (f" for {_sizes_words(sizes)}" if sizes else "")

    def _exact_world(self, backend: Exact, sizes: Mapping[str, int]) -> World:
        free: dict[str, np.ndarray] = {}
        functions: dict[str, Callable] = {}
        world = World(backend, sizes, self.symbols, free, functions, self.definitions, self.first)
        for glyph, symbol in self.symbols.items():
            shape = tuple(size.value(sizes) for size in symbol.shape) or (1, 1)
            if glyph in self.definitions:
                continue
            if glyph not in self.used:
                continue
            if symbol.of:
                functions[glyph] = _Affine(self._sources(symbol), shape, symbol.name)
            elif callable(symbol.value):
                if uses_symbols(symbol, self.letters):
                    raise Unprovable(f"{symbol.name} is torch code")
                free[glyph] = backend.array(_FromCode(symbol, shape, {})(world))
            elif symbol.value is not None:
                free[glyph] = backend.array(symbol.value.to(torch.float64).reshape(shape))
            else:
                free[glyph] = _letters(symbol, shape)
            world.directions[glyph] = _letters(
                replace(symbol, name=f"d{symbol.name}", properties=symbol.properties - {"positive"}), shape)
        return world


def _draw(symbol: Symbol, shape: Sequence[int], generator: torch.Generator, kinks: bool) -> Tensor:
    value = torch.randn(*shape, generator=generator, dtype=torch.float64)
    if "positive" in symbol.properties:
        value = 0.5 + torch.rand(*shape, generator=generator, dtype=torch.float64)
    if "symmetric" in symbol.properties:
        value = value + value.T
    if kinks:
        value.view(-1)[::3] = 0.0
    return value


def _letters(symbol: Symbol, shape: Sequence[int]) -> np.ndarray:
    """An array of sympy's symbols."""
    import sympy

    positive = True if "positive" in symbol.properties else None
    array = np.empty(tuple(shape), dtype=object)
    for place in np.ndindex(*shape):
        key = tuple(sorted(place)) if "symmetric" in symbol.properties else place
        array[place] = sympy.Symbol(f"{symbol.name}_{'_'.join(map(str, key))}", real=True, positive=positive)
    return array


class _Smooth:
    """Any smooth function of some symbols: random, nonlinear, with a full Jacobian."""

    def __init__(self, uses: tuple[str, ...], shape: Sequence[int], generator: torch.Generator):
        self.uses, self.shape, self.generator = uses, tuple(shape), generator
        self.weights: list[Tensor] = []

    def __call__(self, world: World) -> Tensor:
        inputs = torch.cat([world.value(glyph).reshape(-1) for glyph in self.uses])
        count = int(np.prod(self.shape))
        if not self.weights:
            self.weights = [torch.randn(count, len(inputs), generator=self.generator, dtype=torch.float64) for _ in range(2)]
        bent, straight = self.weights
        return (torch.tanh(bent @ inputs / len(inputs) ** 0.5) + straight @ inputs).reshape(self.shape)


class _Affine:
    """The same, exactly: a statement on first derivatives at a point knows of a function its value and slopes there, and
    an affine function with free coefficients has any value and any slopes."""

    def __init__(self, uses: tuple[str, ...], shape: tuple[int, ...], name: str):
        self.uses, self.shape, self.name = uses, shape, name

    def __call__(self, world: World) -> np.ndarray:
        import sympy

        inputs = np.concatenate([world.value(glyph).reshape(-1) for glyph in self.uses])
        value = np.empty(self.shape, dtype=object)
        for place in np.ndindex(*self.shape):
            tag = f"{self.name}_{'_'.join(map(str, place))}"
            value[place] = sympy.Symbol(tag, real=True) + sum(
                sympy.Symbol(f"{tag}_by_{k}", real=True) * entry for k, entry in enumerate(inputs))
        return value


class _FromCode:
    """A symbol whose value the chapter's code makes from sizes and other symbols."""

    def __init__(self, symbol: Symbol, shape: Sequence[int], by_name: Mapping[str, str]):
        self.symbol, self.shape, self.by_name = symbol, tuple(shape), by_name
        self.uses = tuple(by_name[name] for name in _parameters(symbol.value) if name in by_name)

    def __call__(self, world: World) -> Tensor:
        value = _call(self.symbol, world, self.by_name)
        shape = () if not self.symbol.shape else self.shape[:1] if self.shape[1:] == (1,) else self.shape
        if not isinstance(value, Tensor) or tuple(value.shape) not in (shape, self.shape):
            came = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a value of type {type(value).__name__}"
            raise ValueError(f"The code of {self.symbol.name} must return a tensor of shape {shape}, but it returned {came}.")
        return value.to(torch.float64).reshape(self.shape)


def uses_symbols(symbol: Symbol, letters: Sequence[str]) -> bool:
    """Whether a symbol's code takes more than sizes."""
    return any(name not in letters for name in _parameters(symbol.value))


def _parameters(code: Callable) -> list[str]:
    try:
        parameters = inspect.signature(code).parameters.items()
    except ValueError:
        raise TypeError(f"{code} does not say what its parameters are called: wrap it, as in lambda x: torch.relu(x).") from None
    return [name for name, parameter in parameters
            if parameter.default is parameter.empty and parameter.kind == parameter.POSITIONAL_OR_KEYWORD]


def _call(symbol: Symbol, world: World, by_name: Mapping[str, str]) -> Tensor:
    """Call a symbol's code with the symbols and sizes that its parameters name; a column comes with one axis."""
    arguments = []
    for name in _parameters(symbol.value):
        if name in by_name:
            value = world.value(by_name[name])
            if value.shape == (1, 1):
                value = value.reshape(())
            elif value.ndim == 2 and value.shape[1] == 1:
                value = value[:, 0]
            arguments.append(value.clone())  # code may work in place
        elif name in world.sizes:
            arguments.append(world.sizes[name])
        else:
            raise ValueError(f"The code of {symbol.name} asks for {name}, which is neither a symbol nor a size; known are "
                             f"{', '.join([*by_name, *world.sizes])}.")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # what the code makes itself, such as torch.eye, is of the type of the rest
    try:
        return symbol.value(*arguments)
    except Exception as error:
        why = (str(error).splitlines() or [""])[0]
        raise TypeError(f"The code of {symbol.name} raised {type(error).__name__}: {why}") from error
    finally:
        torch.set_default_dtype(before)


def _sizes_words(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{letter} = {size}" for letter, size in sizes.items())


def _sizes_text(sizes: Mapping[str, int]) -> str:
    return f" with {_sizes_words(sizes)}" if sizes else ""


# --- what a chapter calls ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EquationReport:
    """The verdict on one equation.

    label : None for an equation given as a string
    ok : whether every two sides agree
    finding : one sentence
    compared, symbols, sizes, worst, exact, given, mutants : for the ledger
    hint : how it would be right, where one change makes it so
    """

    label: str | None
    tex: str
    ok: bool
    finding: str
    compared: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    sizes: tuple[Mapping[str, int], ...] = ()
    worst: float = 0.0
    exact: str = ""
    given: tuple[str, ...] = ()
    hint: str = ""
    mutants: Mapping[str, object] | None = None


@dataclass(frozen=True)
class EquationReports:
    """The verdicts of one call, which show themselves a line each."""

    reports: tuple[EquationReport, ...]

    @property
    def ok(self) -> bool:
        return all(report.ok for report in self.reports)

    def __repr__(self) -> str:
        return "\n".join(f"{'✓' if report.ok else '✗'} {_title(report)}: {report.finding}{report.hint}" for report in self.reports)

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        """What a notebook shows, and beside it, unseen, the records that the ledger of the book is made of."""
        lines = []
        for report in self.reports:
            verdict = "right" if report.ok else "wrong"
            title = (f'<a href="#equation-{escape(report.label)}">{escape(report.label)}</a>' if report.label
                     else f'<span class="tex">${escape(" ".join(report.tex.split()))}$</span>')
            mark = f'<span class="mc-{verdict}"><span role="img" aria-label="{verdict}">{"✓" if report.ok else "✗"}</span></span>'
            lines.append(f"<p>{mark} {title}: {escape(report.finding)}{_typeset(report.hint)}</p>")
        records = [{"label": report.label, "tex": report.tex, "ok": report.ok, "compared": list(report.compared),
                    "symbols": list(report.symbols), "sizes": [dict(sizes) for sizes in report.sizes], "worst": report.worst,
                    "exact": report.exact, "given": list(report.given), "mutants": report.mutants}
                   for report in self.reports]
        shown = {"text/plain": repr(self), "text/html": f'<div class="mc-report">{"".join(lines)}</div>'}
        return shown, {RECORD: records}


def _typeset(hint: str) -> str:
    """A hint as HTML, with its formulas to be typeset where it names two."""
    repair = re.fullmatch(r"( It holds with )(.+)( in place of )(.+)(\.)", hint)
    parts = repair.groups() if repair else (hint,)
    return "".join(f'<span class="tex">${escape(part)}$</span>' if place % 2 and part != "nothing" else escape(part)
                   for place, part in enumerate(parts))


def _title(report: EquationReport) -> str:
    return report.label or " ".join(report.tex.split())


def check_equation(*equations: str, given: str | Sequence[str] = (), count_from: int = 1, draws: int = DRAWS, seed: int = 0,
                   **symbols: object) -> EquationReports:
    r"""Check printed equations, and raise if one is wrong.

    Parameters
    ----------
    equations : labels of displayed equations of the book, or TeX
    given : labels or TeX of the equations that define what else stands in them
    count_from : what the indices of the equations count from, 1 or 0
    draws : on how many random values, of distinct sizes
    seed : of the random values
    symbols : what the letters are
        Sizes and properties, as in x="n", A="m n", b="1 n", eps="positive", S="n n symmetric"; L="of y" for any smooth
        function of y; a tensor for numbers; and a shape with torch code, as in y=("m", lambda A, x: A @ x), for what a
        definition must agree with. The code's parameters name symbols and sizes; a column has one axis in it.

    Returns
    -------
    EquationReports, which show themselves at the end of a cell

    Raises
    ------
    EquationMismatch
        If two sides differ: says where, what was expected and what came, and how the equation would be right.
    FormulaError
        If an equation cannot be read or its shapes do not fit; shows the place.
    KeyError, ValueError, TypeError
        If a label, a symbol's declaration or the code is not what it must be.

    >>> check_equation(r"\frac{\partial}{\partial\mathbf x}(\mathbf x^\top\mathbf A\mathbf x) "
    ...                r"= \mathbf x^\top(\mathbf A + \mathbf A^\top)", x="n", A="n n").ok
    True
    """
    reports = equation_report(*equations, given=given, count_from=count_from, draws=draws, seed=seed, **symbols)
    wrong = [f"{_title(report)} is wrong: {report.finding}{report.hint}" for report in reports.reports if not report.ok]
    if wrong:
        raise EquationMismatch("The equation " + "\nThe equation ".join(wrong))
    return reports


def equation_report(*equations: str, given: str | Sequence[str] = (), count_from: int = 1, draws: int = DRAWS, seed: int = 0,
                    **symbols: object) -> EquationReports:
    """Check printed equations, and return what was found, right or wrong.

    Parameters and errors: see :func:`check_equation`. Two sides that differ are reported, not raised.
    """
    if not equations:
        raise ValueError("Nothing is to be checked: give the label of an equation, or its TeX.")
    if count_from not in (0, 1):
        raise ValueError(f"count_from is 1 or 0, but it is {count_from!r}.")
    if not isinstance(draws, int) or draws < 1:
        raise ValueError(f"draws is a number of random values, at least 1, but it is {draws!r}.")
    if not isinstance(seed, int):
        raise ValueError(f"seed is a whole number, but it is {seed!r}.")
    if not isinstance(given, (str, tuple, list)):
        raise TypeError(f"given names equations by their labels or TeX, as in given=(\"length\",), but it is of type "
                        f"{type(given).__name__}.")
    given = (given,) if isinstance(given, str) else tuple(given)
    texts = tuple(_text(name)[0] for name in given)
    reports = []
    for name in equations:
        tex, label = _text(name)
        check = Check.of(tex, symbols, texts, count_from, seed)
        reports.append(_report(check, label, given, draws))
    return EquationReports(tuple(reports))


def _text(name: str) -> tuple[str, str | None]:
    if not isinstance(name, str):
        raise TypeError(f"An equation is given by its label or its TeX, but this is of type {type(name).__name__}.")
    if "=" not in name and LABEL.fullmatch(name):
        return find_equation(name).tex, name
    return name, None


def _report(check: Check, label: str | None, given: tuple[str, ...], draws: int) -> EquationReport:
    from utils.mutants import repairs, survey

    try:
        outcome = check.compare(draws)
    except FormulaError as error:
        if hint := repairs(check):
            raise FormulaError(error.reason + hint, error.tex, error.place) from None
        raise
    if not outcome.ok:
        return EquationReport(label, check.tex, False, outcome.finding + ".", hint=repairs(check))
    proved, exact = check.exact()
    mutants = None
    if os.environ.get("BOOK_MUTANTS"):
        mutants = tries.remembered(lambda: survey(check), [check.tex, *check.given])
    error = f"{outcome.worst:.0e}".replace("0e+00", "0")
    finding = (f"agrees with {_and(outcome.compared)}, {len(outcome.sizes)} {'draw' if len(outcome.sizes) == 1 else 'draws'}, "
               f"worst error {error}; {exact}.")
    symbols = tuple(str(symbol) for glyph, symbol in check.symbols.items() if glyph in check.used)
    return EquationReport(label, check.tex, True, finding, outcome.compared, symbols, outcome.sizes, outcome.worst, exact, given,
                          mutants=mutants)


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
