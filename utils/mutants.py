r"""The ways in which a person gets an equation wrong, as changes of its printed text.

They serve twice. A check that passes is tried on them: every changed equation must fail, or be proved to say the same;
so the check is shown to see the mistakes that it is there for. And where an equation is wrong, the one change that makes
it right says how.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lark import Token, Tree

from utils.formula import define
from utils.grammar import inside, parse, span_of
from utils.tex import FormulaError, plain_brackets, signs

if TYPE_CHECKING:
    from utils.equations import Check

__all__ = ["Mutant", "deletions", "mutants", "repairs", "survey"]

OPERATORS = ("function", "summation", "partial", "differential")


@dataclass(frozen=True)
class Mutant:
    """A changed equation.

    tex : the whole text
    kind : of the mistake, in a few words
    old, new : what was changed, and into what
    """

    tex: str
    kind: str
    old: str
    new: str


def mutants(check: Check) -> list[Mutant]:
    r"""Every single change of an equation that a person makes by mistake, each once.

    >>> from utils.equations import Check
    >>> check = Check.of(r"\mathbf z = \mathbf A\mathbf x", {"x": "n", "A": "m n", "z": "m"})
    >>> [mutant.tex for mutant in mutants(check) if mutant.kind == "factors exchanged"]
    ['\\mathbf z = {\\mathbf x}{\\mathbf A}']
    """
    seen = {_canonical(check.tex)}
    found = []
    for mutant in _Changes(check).all():
        key = _canonical(mutant.tex)
        if key not in seen:
            seen.add(key)
            found.append(mutant)
    return found


def _canonical(tex: str) -> tuple:
    try:
        return tuple(sign.text for sign in signs(tex) if sign.kind not in ("BEGIN", "END"))
    except FormulaError:
        return (tex,)


class _Changes:
    def __init__(self, check: Check):
        self.check, self.tex = check, plain_brackets(check.tex)
        self.tree = parse(self.tex)
        names = [*check.symbols, *check.definitions]
        self.bold = [name for name in dict.fromkeys(names) if "mathbf" in name and not name.startswith(r"\mathbf{J}_")]
        self.scalars = [name for name in dict.fromkeys(names) if "mathbf" not in name]
        self.letters = check.letters
        self.indices = sorted({sign.text for sign in self._index_signs() if sign.kind == "NAME"})
        self.differentiated = {span_of(item)[0] for term in self.tree.find_data("term") for item in term.children[1:]
                               if isinstance(item, Tree) and isinstance(term.children[0], Tree)
                               and term.children[0].children[0].data == "partial"}
        self.entries = sorted({str(item.children[0].children[0]) for item in self.tree.find_data("item")
                               if item.children[0].data == "name" and _index_script(item) is not None
                               and "mathbf" not in item.children[0].children[0]})

    def all(self) -> Iterator[Mutant]:
        for row in self.tree.find_data("row"):
            sides = [child for child in row.children if isinstance(child, Tree)]
            yield from self.of_sides(sides if row.children[0] == "=" else sides[1:])
        for total in self.tree.find_data("sum"):
            yield from self.of_sum(total)
        for term in self.tree.find_data("term"):
            yield from self.of_term(term)
        for item in self.tree.find_data("item"):
            yield from self.of_item(item)
        yield from self.of_signs()

    def changed(self, kind: str, start: int, end: int, new: str, around: Tree | None = None) -> Mutant:
        first, last = span_of(around) if around is not None else (start, end)
        return Mutant(self.tex[:start] + new + self.tex[end:], kind, self.tex[first:last],
                      self.tex[first:start] + new + self.tex[end:last])

    def of_sides(self, sides: list[Tree]) -> Iterator[Mutant]:
        for side in sides:
            start, end = span_of(side)
            text = self.tex[start:end]
            if text.strip() in ("0", r"\mathbf 0", r"\mathbf{0}"):
                continue  # a changed zero is still zero
            yield self.changed("sign", start, end, f"-({text})")
            yield self.changed("factor 2", start, end, f"2({text})")
            yield self.changed("factor 1/2", start, end, rf"\frac{{1}}{{2}}({text})")
            for letter in self.letters:
                yield self.changed("sum for mean", start, end, rf"\frac{{1}}{{{letter}}}({text})")
            yield self.changed("⊤ added", start, end, rf"({text})^\top")

    def of_sum(self, total: Tree) -> Iterator[Mutant]:
        """A sign, or a term left out."""
        pieces = total.children
        terms = [place for place, piece in enumerate(pieces) if isinstance(piece, Tree)]
        for place, piece in enumerate(pieces):
            if isinstance(piece, Token):
                yield self.changed("sign", piece.start_pos, piece.end_pos, "-" if piece == "+" else "+", total)
        if terms[0] == 0 and len(terms) > 1:
            start = span_of(total)[0]
            yield self.changed("sign", start, start, "-", total)
        if len(terms) > 1:
            for place in terms:
                start = span_of(pieces[place])[0]
                yield self.changed("factor 2", start, start, r"2\,", total)
            for number, place in enumerate(terms):
                start, end = span_of(pieces[place])
                if place and isinstance(pieces[place - 1], Token):
                    start = pieces[place - 1].start_pos
                elif number == 0 and isinstance(pieces[place + 1], Token) and pieces[place + 1] == "+":
                    end = pieces[place + 1].end_pos
                yield self.changed("term left out", start, end, " ", total)

    def of_term(self, term: Tree) -> Iterator[Mutant]:
        """Factors exchanged, left out, or multiplied in another way."""
        factors = _factors(term)
        for left, right in zip(factors, factors[1:]):
            (a, b), (c, d) = left.span, right.span
            between = self.tex[b:c]
            yield self.changed("factors exchanged", a, d, f"{{{self.tex[c:d]}}}{between}{{{self.tex[a:b]}}}")
            if left.name and right.name:
                (e, f), (g, h) = left.name, right.name
                swapped = f"{self.tex[a:e]}{{{self.tex[g:h]}}}{self.tex[f:g]}{{{self.tex[e:f]}}}{self.tex[h:d]}"
                yield self.changed("letters exchanged", a, d, swapped)
            if right.operator:
                for kind, other in (("HADAMARD", r"\odot "), ("KRONECKER", r"\otimes "), ("", r"\,")):
                    if kind != right.operator.type:
                        yield self.changed("another product", right.operator.start_pos, right.operator.end_pos, other, term)
            elif not left.number:
                for other in (r"\odot ", r"\otimes "):
                    yield self.changed("another product", b, c, other, term)
        for place, factor in enumerate(factors):
            if factor.function and place + 1 < len(factors) and not factors[place + 1].operator:
                inner, following = factor.function, factors[place + 1].span
                moved = f"{self.tex[factor.span[0]:inner[1] - 1]} {self.tex[slice(*following)]}){self.tex[inner[1]:factor.span[1]]}"
                yield self.changed("bracket moved", factor.span[0], following[1], moved)
        if len(term.children) > 1:
            for place, factor in enumerate(factors):
                start, end = factor.span
                if factor.operator:
                    start = factor.operator.start_pos
                elif place + 1 < len(factors) and factors[place + 1].operator:
                    end = factors[place + 1].operator.end_pos
                yield self.changed("factor left out", start, end, " ", term)
        first, last = term.children[0], term.children[-1]
        if isinstance(last, Tree) and first is not last and first.children[0].data == "summation" \
                and last.children[-1].data == "power":
            power = span_of(last.children[-1])
            yield self.changed("power of the sum", span_of(term)[0], power[1],
                               f"({self.tex[span_of(term)[0]:power[0]]}){self.tex[slice(*power)]}")

    def of_item(self, item: Tree) -> Iterator[Mutant]:
        atom, scripts = item.children[0], item.children[1:]
        start, end = span_of(item)
        for script in scripts:
            first, last = span_of(script)
            if script.data == "transpose":
                yield self.changed("⊤ left out", first, last, "", item)
            elif script.data == "power" and atom.data != "summation":
                yield self.changed("power left out", first, last, "", item)
        matrixlike = atom.data in ("bracket", "ones", "matrix") or (atom.data == "name" and "mathbf" in atom.children[0])
        if matrixlike and not any(script.data == "transpose" for script in scripts):
            yield self.changed("⊤ added", end, end, r"^\top", item)
        if atom.data == "fraction" and not _is_derivative(atom):
            above, below = ((self.tex[slice(*span_of(part))]) for part in atom.children if isinstance(part, Tree))
            a, b = span_of(atom)
            yield self.changed("denominator left out", a, b, f"({above})", item)
            yield self.changed("fraction turned over", a, b, rf"\frac{{{below}}}{{{above}}}", item)
        if atom.data == "root":
            a, b = span_of(atom)
            inner = inside(atom)
            yield self.changed("root left out", a, b, f"({self.tex[slice(*span_of(inner))]})", item)
            if len(inner.children) > 2:
                c, d = span_of(inner)
                last = inner.children[-2].start_pos
                yield self.changed("term outside of the root", a, b,
                                   rf"(\sqrt{{{self.tex[c:last]}}} {self.tex[last:d]})", item)
        if atom.data == "function":
            yield from self.of_function(item)
        if atom.data == "summation":
            yield from self.of_bounds(item)
        if atom.data == "name":
            if not scripts and str(atom.children[0]) in self.scalars and start not in self.differentiated:
                yield self.changed("power added", end, end, "^2", item)
                yield self.changed("root added", start, end, rf"\sqrt{{{self.tex[start:end]}}}", item)
            yield from self.of_name(atom, _index_script(item) is not None and "mathbf" not in atom.children[0], item)

    def of_function(self, item: Tree) -> Iterator[Mutant]:
        start, end = span_of(item)
        name = str(item.children[0].children[0])
        if name.startswith("vec"):
            other = "c" if name == "vec_r" else "r"
            yield self.changed("the other vec", start, end, rf"\operatorname{{vec}}_{other}", item)
            return
        yield self.changed("function left out", start, end, " ", item)
        for other in ("sin", "cos", "tanh", "exp"):
            if name in ("sin", "cos", "tanh", "exp") and other != name:
                yield self.changed("another function", start, end, rf"\{other}", item)
        if name == "ReLU":
            yield self.changed("another function", start, end, r"\tanh", item)

    def of_bounds(self, item: Tree) -> Iterator[Mutant]:
        for script in item.children[1:]:
            for token in script.scan_values(lambda token: isinstance(token, Token)):
                if token.type == "NUMBER":
                    for other in {"0", "2"} - {str(token)}:
                        yield self.changed("bound of a sum", token.start_pos, token.end_pos, other, item)
                elif script.data == "power" and token.type == "NAME":
                    for letter in self.letters:
                        if letter != token:
                            yield self.changed("bound of a sum", token.start_pos, token.end_pos, letter, item)

    def of_name(self, atom: Tree, entry: bool, item: Tree) -> Iterator[Mutant]:
        start, end = span_of(atom)
        letter = str(atom.children[0])
        if entry:
            others = self.entries
        elif "mathbf" in letter and letter not in (r"\mathbf{J}", r"\mathbf{I}", r"\mathbf{e}"):
            others = self.bold
        elif letter in self.scalars or letter in self.letters:
            others = [*self.scalars, *self.letters]
        else:
            others = []
        for other in others:
            if other != letter:
                yield self.changed("another symbol", start, end, f"{{{other}}}" if other.startswith("\\") else other, item)

    def of_signs(self) -> Iterator[Mutant]:
        """What the signs alone tell: indices, numbers, sizes, relations, the subscripts of gradients."""
        index_signs = self._index_signs()
        for place, sign in enumerate(index_signs):
            # The other letters of the same list of indices.
            following = [other for other in index_signs[place + 1:place + 3] if other.kind == "NAME"
                         and not set(self.tex[sign.end:other.start]) & set("_^{}()=")]
            if sign.kind == "NUMBER":
                for place, digit in enumerate(sign.text):
                    other = "2" if digit == "1" else "1"
                    new = sign.text[:place] + other + sign.text[place + 1:]
                    yield self.changed("another index", sign.start, sign.end, new)
                if len(sign.text) == 2:
                    yield self.changed("indices exchanged", sign.start, sign.end, sign.text[::-1])
            elif sign.kind == "NAME":
                for other in self.indices:
                    if other != sign.text:
                        yield self.changed("another index", sign.start, sign.end, other)
                if sign.text in self.letters:
                    for other in self.letters:
                        if other != sign.text:
                            yield self.changed("another size", sign.start, sign.end, other)
                for other in following:
                    yield self.changed("indices exchanged", sign.start, other.end,
                                       f"{other.text}{self.tex[sign.end:other.start]}{sign.text}")
        inside = {(sign.start, sign.end) for sign in index_signs}
        for sign in signs(self.tex):
            if sign.kind == "NUMBER" and (sign.start, sign.end) not in inside and "." not in sign.text:
                for other in {int(sign.text) + 1, int(sign.text) - 1, 1}:
                    if other >= 0:
                        yield self.changed("another number", sign.start, sign.end, str(other))
            elif sign.kind == "NUMBER" and "." in sign.text:
                yield self.changed("another number", sign.start, sign.end, f"{float(sign.text) + 1:g}")
            elif sign.kind == "RELATION":
                for other in (">", "<", r"\ge ", r"\le "):
                    yield self.changed("another relation", sign.start, sign.end, other)
            elif sign.kind == "NAME" and self._is_gradient_subscript(sign):
                for other in self.bold:
                    if other != sign.text:
                        yield self.changed("gradient by another symbol", sign.start, sign.end, f"{{{other}}}")

    def _index_signs(self) -> list:
        """The signs that stand as indices of entries, slices, sizes and δ, in their order."""
        found = []
        for item in self.tree.find_data("item"):
            if item.children[0].data == "summation":
                continue
            script = _index_script(item)
            if script is None:
                continue
            for token in script.scan_values(lambda token: isinstance(token, Token) and token.type in ("NAME", "NUMBER")):
                if not token.startswith("\\"):
                    found.append(token)
        by_place = {sign.start: sign for sign in signs(self.tex)}
        return sorted({by_place[token.start_pos] for token in found if token.start_pos in by_place}, key=lambda sign: sign.start)

    def _is_gradient_subscript(self, sign) -> bool:
        return any(item.children[0].data == "name" and item.children[0].children[0] == r"\mathbf{J}"
                   and len(item.children) > 1 and span_of(item.children[1])[0] <= sign.start < span_of(item.children[1])[1]
                   and sign.text.startswith("\\") for item in self.tree.find_data("item"))


@dataclass(frozen=True)
class _Factor:
    """A factor of a term: an item, or an operator with what it takes.

    operator : the ⊙ or ⊗ in front of it
    name : the place of its letter, where it is a symbol with or without scripts
    function : the place of the bracket, where it is a function of one
    """

    span: tuple[int, int]
    operator: Token | None
    number: bool
    name: tuple[int, int] | None
    function: tuple[int, int] | None


def _factors(term: Tree) -> list[_Factor]:
    """The factors of a term up to a Σ, which takes the rest, and from it on."""
    found, operator, start, function = [], None, None, False
    for piece in term.children:
        if isinstance(piece, Token):
            operator = piece
            continue
        atom = piece.children[0]
        if atom.data == "summation":
            operator = None
            continue
        if start is None and (atom.data in OPERATORS or _is_operator(piece)):
            start, function = span_of(piece)[0], atom.data == "function"
            continue
        span = span_of(piece)
        bracket = span_of(atom) if function and atom.data == "bracket" else None
        name = span_of(atom) if start is None and atom.data == "name" and "mathbf" in atom.children[0] else None
        found.append(_Factor((span[0] if start is None else start, span[1]), operator, atom.data == "number", name, bracket))
        operator, start, function = None, None, False
    return found


def _index_script(item: Tree) -> Tree | None:
    for script in item.children[1:]:
        if script.data == "subscript":
            return script
    return None


def _is_derivative(fraction: Tree) -> bool:
    return any(True for _ in fraction.find_data("partial"))


def _is_operator(item: Tree) -> bool:
    """Whether an item is ∂/∂x, or the bold 1 of an indicator, which take what follows."""
    atom = item.children[0]
    if atom.data == "ones":
        return len(item.children) == 1
    if atom.data != "fraction" or not _is_derivative(atom):
        return False
    above = inside(atom)
    return isinstance(above.children[0], Tree) and len(above.children[0].children) == 1


def deletions(check: Check) -> list[Mutant]:
    r"""The equation with one visible sign left out, for each of its signs.

    >>> from utils.equations import Check
    >>> [mutant.tex for mutant in deletions(Check.of(r"z = 2", {"z": "scalar"}))]
    ['  = 2', 'z   2', 'z =  ']
    """
    tex = plain_brackets(check.tex)
    return [Mutant(f"{tex[:sign.start]} {tex[sign.end:]}", "sign left out", tex[sign.start:sign.end], "") for sign in signs(tex)
            if sign.kind not in ("BEGIN", "END", "MATRIX", "END_MATRIX", "ROW") and sign.end > sign.start]


def passes(check: Check, mutant: Mutant, draws: int) -> bool:
    """Whether a changed equation would pass the check."""
    try:
        return replace(check, tex=mutant.tex).compare(draws, audit=False).ok
    except (FormulaError, ValueError, TypeError, RuntimeError):
        return False  # refused: it cannot be read, its shapes do not fit, or the code computes something else


def is_equal(check: Check, mutant: Mutant) -> bool:
    """Whether sympy proves that a changed equation is right as well."""
    try:
        return replace(_without_code(check), tex=mutant.tex).exact()[0]
    except FormulaError:
        return False


def _without_code(check: Check) -> Check:
    """The check with the equation's own words in the place of the code that they were compared with, and no other code."""
    from utils.equations import uses_symbols

    # Whatever else comes from code may be anything: what is true of every value is true of the code's.
    symbols = {glyph: replace(symbol, value=None) if symbol in check.coded and uses_symbols(symbol, check.letters) else symbol
               for glyph, symbol in check.symbols.items()}
    try:
        own = define(check.tex, symbols, {glyph: definition.shape for glyph, definition in check.definitions.items()})
    except FormulaError:  # it does not define
        return replace(check, symbols=symbols)
    coded = {symbol.glyph for symbol in check.coded}
    return replace(check, symbols=symbols,
                   definitions={**check.definitions, **{each.glyph: each for each in own if each.glyph in coded}})


def survey(check: Check, found: list[Mutant] | None = None) -> dict[str, object]:
    """Try a check on every mutant of its equation.

    Returns
    -------
    how many were tried and caught, and those that sympy proves to say the same

    Raises
    ------
    AssertionError
        If the check passes a mutant that is not proved to be right.
    """
    found = mutants(check) if found is None else found
    survivors = [mutant for mutant in found if passes(check, mutant, 3)]
    for mutant in survivors:
        if not is_equal(check, mutant):
            raise AssertionError(f"The check of this equation does not see a mistake in it ({mutant.kind}):\n  {check.tex}\n"
                                 f"passes as well with {mutant.new!r} in place of {mutant.old!r}. Check it with sizes, symbols "
                                 "or given equations that tell the two apart.")
    return {"tried": len(found), "caught": len(found) - len(survivors),
            "equal": [" ".join(mutant.tex.split()) for mutant in survivors]}


def repairs(check: Check) -> str:
    """How a wrong equation would be right, where one change or a symmetric matrix makes it so; else nothing."""
    for glyph, symbol in check.symbols.items():
        if len(symbol.shape) == 2 and symbol.shape[0] == symbol.shape[1] and symbol.value is None and not symbol.of:
            special = replace(symbol, properties=symbol.properties | {"symmetric"})
            if passes(replace(check, symbols={**check.symbols, glyph: special}), Mutant(check.tex, "", "", ""), 2):
                return f" It holds where {symbol.name} is symmetric."
    try:
        left = _left_sides(check.tex)
        right = [mutant for mutant in mutants(check) if passes(check, mutant, 2) and _left_sides(mutant.tex) == left]
    except FormulaError:  # it cannot even be read
        return ""
    if not right:
        return ""
    best = min(right, key=lambda mutant: len(mutant.new))
    return f" It holds with {_inline(best.new)} in place of {_inline(best.old)}."


def _left_sides(tex: str) -> list[str]:
    tex = plain_brackets(tex)
    rows = [row for row in parse(tex).find_data("row") if row.children[0] != "="]
    return ["".join(tex[slice(*span_of(row.children[0]))].split()) for row in rows]


def _inline(tex: str) -> str:
    tex = " ".join(tex.split())
    if re.fullmatch(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", tex):
        tex = tex[1:-1]
    return tex or "nothing"
