r"""The signs of a formula: TeX as the book writes it, cut into tokens.

Spacing and the size of brackets mean nothing and are dropped. Whatever else stands in the TeX becomes a token, or is
refused with its place: nothing is skipped in silence. A font, an accent and a letter are one sign, written in one
canonical way, so that ``\hat{\mathbf a}`` and ``\hat{\mathbf{a}}`` are the same name. Every argument is put in braces:
``\frac1m`` gives the tokens of ``\frac{1}{m}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["FormulaError", "Sign", "plain_brackets", "signs"]

GREEK = """alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi
    varphi chi psi omega Gamma Delta Theta Lambda Xi Phi Psi Omega""".split()
ACCENTS = ("hat", "bar", "tilde", "dot")
FUNCTIONS = ("exp", "log", "sin", "cos", "tanh", "max", "diag", "tr", "ReLU")
MATRICES = ("bmatrix", "pmatrix")
ALIGNED = ("aligned", "split")

_SPACING = re.compile(r"(?:\s|\\[,;:! ]|~|%.*(?:\n|$))+")
_SIZE = re.compile(r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle)(?![A-Za-z])")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)", re.DOTALL)
_ROW = re.compile(r"\\\\(?:\[[^\]]*\])?")
_BRACED = re.compile(r"\s*\{\s*([A-Za-z*]+)\s*\}")
_PUNCTUATION = {"+": "PLUS", "-": "MINUS", "=": "EQUALS", "(": "LEFT", ")": "RIGHT", "[": "OPEN", "]": "CLOSE",
                ",": "COMMA", ":": "COLON", "<": "RELATION", ">": "RELATION", "&": "AND"}
_COMMANDS = {"top": "TRANSPOSE", "odot": "HADAMARD", "otimes": "KRONECKER", "partial": "PARTIAL", "sum": "SUM",
             "lVert": "NORM", "rVert": "END_NORM", "ge": "RELATION", "le": "RELATION"}
_RELATIONS = {"ge": ">=", "le": "<="}


class FormulaError(ValueError):
    """A formula that cannot be read, or that has no meaning. The message shows the place.

    reason : one sentence, what was found and what was wanted
    place : the first and the last character of the place, in the TeX
    """

    def __init__(self, reason: str, tex: str, place: tuple[int, int]):
        self.reason, self.tex, self.place = reason, tex, place
        super().__init__(f"{reason}\n{_marked(tex, *place)}")


def _marked(tex: str, start: int, end: int) -> str:
    """The line of the TeX where the place is, and arrows below it."""
    first = tex.rfind("\n", 0, start) + 1
    last = tex.find("\n", start)
    line = tex[first:last if last >= 0 else len(tex)]
    return f"  {line}\n  {' ' * (start - first)}{'^' * max(1, min(end, first + len(line)) - start)}"


@dataclass(frozen=True)
class Sign:
    """One sign of a formula.

    kind : the name of the token in the grammar
    text : what it is, in canonical TeX
    start, end : its place in the TeX
    """

    kind: str
    text: str
    start: int
    end: int


def signs(tex: str) -> list[Sign]:
    r"""Cut a formula into its signs.

    Raises
    ------
    FormulaError
        At anything that the book's language does not have.

    >>> [sign.text for sign in signs(r"\frac1m\,\mathbf x^\top")]
    ['frac', '{', '1', '}', '{', 'm', '}', '\\mathbf{x}', '^', '{', '^T', '}']
    """
    return list(_Reader(tex).all())


def plain_brackets(tex: str) -> str:
    r"""The same formula without the commands that only give brackets their size.

    >>> plain_brackets(r"\left(\mathbf x\right)^\top")
    '(\\mathbf x)^\\top'
    """
    return _SIZE.sub("", tex)


class _Reader:
    """A position in the TeX, and the environments that are open there."""

    def __init__(self, tex: str):
        self.tex, self.at, self.open = tex, 0, []
        self.aligned = 0  # how often & has stood in this row
        self.depth = 0    # of brackets and arguments
        self.begun = self.closed = False  # whether a sign has been read, and whether the rows' environment has ended

    def all(self) -> Iterator[Sign]:
        while self._next():
            if self.closed:
                raise self._error("Something stands behind the end of the rows.", self.at, self.at + 1)
            yield from self._sign()
            self.begun = True
        if self.open:
            raise FormulaError(rf"\begin{{{self.open[-1]}}} has no \end.", self.tex, (len(self.tex), len(self.tex)))

    def _next(self) -> bool:
        """Go to the next sign; false at the end of the formula."""
        while match := _SPACING.match(self.tex, self.at) or _SIZE.match(self.tex, self.at):
            self.at = match.end()
        return self.at < len(self.tex)

    def _sign(self) -> Iterator[Sign]:
        start, character = self.at, self.tex[self.at]
        if character == "\\":
            yield from self._command()
        elif match := _NUMBER.match(self.tex, start):
            self.at = match.end()
            yield Sign("NUMBER", match[0], start, self.at)
        elif character in "_^":
            self.at += 1
            yield Sign("SUB" if character == "_" else "SUPER", character, start, self.at)
            yield from self._argument("an index" if character == "_" else "an exponent")
        elif character == "{":
            yield from self._argument("a formula")
        elif character == "&" and not (self.open and self.open[-1] in MATRICES):
            self.at += 1  # between rows it only says where to align
            self.aligned += 1
            if self.aligned > 1:
                raise self._error("A second & stands in this row: write each equation in a row of its own.", start, start + 1)
            if self.depth:
                raise self._error("An & stands inside a bracket or an argument.", start, start + 1)
        elif character == "}":
            raise self._error("This brace closes nothing that is open.", start, start + 1)
        elif character in _PUNCTUATION:
            self.at += 1
            self.depth += (character in "([") - (character in ")]")
            yield Sign(_PUNCTUATION[character], character, start, self.at)
        elif character.isascii() and character.isalpha():
            self.at += 1
            yield Sign("NAME", character, start, self.at)
        else:
            raise self._error(f"The sign {character!r} is not in the book's language.", start, start + 1)

    def _argument(self, wanted: str) -> Iterator[Sign]:
        """A group in braces, or the one sign that TeX takes where there are none: a digit, a letter, a command."""
        if not self._next() or self.tex[self.at] in "}&_^":
            raise self._error(f"Here {wanted} is missing.", self.at, self.at + 1)
        start = self.at
        if self.tex[start] in "([":
            raise self._error(f"Here {wanted} begins with {self.tex[start]!r}: write it in braces (and of roots only square ones are read).", start, start + 1)
        if self.tex[start] != "{":
            yield Sign("BEGIN", "{", start, start)
            if self.tex[start] in "0123456789":
                self.at += 1
                yield Sign("NUMBER", self.tex[start], start, self.at)
            else:
                yield from self._sign()
            yield Sign("END", "}", self.at, self.at)
            return
        self.at += 1
        self.depth += 1
        yield Sign("BEGIN", "{", start, self.at)
        while self._next() and self.tex[self.at] != "}":
            yield from self._sign()
        self.depth -= 1
        if self.at >= len(self.tex):
            raise self._error("This brace is not closed.", start, start + 1)
        self.at += 1
        yield Sign("END", "}", self.at - 1, self.at)

    def _command(self) -> Iterator[Sign]:
        start = self.at
        if match := _ROW.match(self.tex, start):
            self.at, self.aligned = match.end(), 0
            yield Sign("MATRIX_ROW" if self.open and self.open[-1] in MATRICES else "ROW", "\\\\", start, self.at)
            return
        match = _COMMAND.match(self.tex, start)
        if not match:
            raise self._error("A lone backslash ends the formula.", start, start + 1)
        name, self.at = match[0][1:], match.end()
        if name in ("begin", "end"):
            yield from self._environment(name, start)
        elif name in ("mathbf", "boldsymbol", *ACCENTS):
            yield self._letter(name, start)
        elif name == "mathrm":
            yield self._upright(start)
        elif name in ("operatorname", *FUNCTIONS):
            yield self._function(name, start)
        elif name == "frac":
            yield Sign("FRACTION", "frac", start, self.at)
            yield from self._argument("the numerator")
            yield from self._argument("the denominator")
        elif name == "sqrt":
            yield Sign("ROOT", "sqrt", start, self.at)
            yield from self._argument("what the root is of")
        elif name in GREEK:
            yield Sign("DELTA" if name == "delta" else "NAME", f"\\{name}", start, self.at)
        elif name in _COMMANDS:
            text = _RELATIONS.get(name, {"top": "^T"}.get(name, name))
            yield Sign(_COMMANDS[name], text, start, self.at)
        elif name in ("quad", "qquad"):
            raise self._error(f"{match[0]} parts two statements: write each in a row or a display of its own.", start, self.at)
        else:
            raise self._error(f"The command {match[0]} is not in the book's language; the notation chapter lists what is.",
                              start, self.at)

    def _environment(self, which: str, start: int) -> Iterator[Sign]:
        match = _BRACED.match(self.tex, self.at)
        if not match or match[1] not in (*MATRICES, *ALIGNED):
            raise self._error(f"Only these environments are in the book's language: {', '.join((*MATRICES, *ALIGNED))}.",
                              start, self.at)
        self.at = match.end()
        if match[1] in ALIGNED and which == "begin" and self.begun:
            raise self._error("Rows begin in the middle of a formula: they can only be around the whole.", start, self.at)
        if which == "begin":
            self.open.append(match[1])
        elif not self.open or self.open.pop() != match[1]:
            raise self._error(rf"This \end{{{match[1]}}} closes nothing that is open.", start, self.at)
        self.closed = which == "end" and match[1] in ALIGNED
        if match[1] in MATRICES:
            yield Sign("MATRIX" if which == "begin" else "END_MATRIX", match[1], start, self.at)

    def _letter(self, font: str, start: int) -> Sign:
        inner = list(self._argument("a letter"))[1:-1]
        if len(inner) != 1 or inner[0].kind not in ("NAME", "NUMBER"):
            raise self._error(f"\\{font} takes one letter: write a product letter by letter.", start, self.at)
        text = inner[0].text
        if font in ACCENTS:
            return Sign("NAME", f"\\{font}{{{text}}}", start, self.at)
        if match := re.fullmatch(r"\\(hat|bar|tilde|dot)\{(\\?\w+)\}", text):  # \mathbf{\hat a} is \hat{\mathbf a}
            return Sign("NAME", f"\\{match[1]}{{\\mathbf{{{match[2]}}}}}", start, self.at)
        if inner[0].kind == "NUMBER":
            if text not in "01":
                raise self._error(r"Of the digits only \mathbf 0 and \mathbf 1 have a meaning.", start, self.at)
            return Sign("ZEROS" if text == "0" else "ONES", text, start, self.at)
        return Sign("NAME", f"\\mathbf{{{text}}}", start, self.at)

    def _upright(self, start: int) -> Sign:
        inner = list(self._argument("a letter"))[1:-1]
        if [sign.text for sign in inner] != ["d"]:
            raise self._error(r"Of upright letters only the \mathrm d of a differential has a meaning.", start, self.at)
        return Sign("DIFFERENTIAL", "d", start, self.at)

    def _function(self, name: str, start: int) -> Sign:
        if name == "operatorname":
            match = _BRACED.match(self.tex, self.at)
            if not match or match[1] not in (*FUNCTIONS, "vec"):
                raise self._error(f"Only these functions are in the book's language: {', '.join((*FUNCTIONS, 'vec_r, vec_c'))}.",
                                  start, self.at)
            name, self.at = match[1], match.end()
        if name == "vec":
            order = re.compile(r"\s*_\s*(?:([rc])|\{\s*([rc])\s*\})").match(self.tex, self.at)
            if not order:
                raise self._error("vec needs its order: vec_r by rows or vec_c by columns.", start, self.at)
            name, self.at = f"vec_{order[1] or order[2]}", order.end()
        return Sign("FUNCTION", name, start, self.at)

    def _error(self, reason: str, start: int, end: int) -> FormulaError:
        return FormulaError(reason, self.tex, (min(start, len(self.tex)), min(end, len(self.tex))))
