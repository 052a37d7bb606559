r"""The symbols of a formula: what stands for what, and in which shape.

A shape is written as in the prose, by the letters of its sizes: ``x="n"`` is a column of n entries, ``A="m n"`` a matrix,
``b="1 n"`` a row, ``E="m m n"`` an array with three axes, ``eps="positive"`` a positive number. Vectors and matrices are
printed bold, their entries plain: ``x`` is \mathbf x, and x_i an entry of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from utils.tex import ACCENTS, GREEK

__all__ = ["PROPERTIES", "Shape", "Size", "Symbol", "read_symbols", "shape_text"]

PROPERTIES = {
    "scalar": "one number",
    "positive": "every entry is greater than 0",
    "symmetric": "equal to its transpose",
    "kinks": "some entries are exactly 0, where ReLU has its kink",
}


class Size(NamedTuple):
    """A number of rows or columns: a product of letters and a number, such as 1, n, or m n.

    >>> Size.read("m") * Size.read("n") == Size.read("nm")
    True
    """

    number: int
    letters: str

    @classmethod
    def read(cls, text: str) -> Size:
        return cls(1, "".join(sorted(text))) if not text.isdigit() else cls(int(text), "")

    def __mul__(self, other: Size) -> Size:
        return Size(self.number * other.number, "".join(sorted(self.letters + other.letters)))

    def value(self, sizes: Mapping[str, int]) -> int:
        product = self.number
        for letter in self.letters:
            product *= sizes[letter]
        return product

    def __str__(self) -> str:
        return self.letters if self.number == 1 and self.letters else f"{self.number}{self.letters}"


ONE = Size(1, "")
Shape = tuple[Size, ...]  # () for a scalar, (rows, columns), or three axes


def shape_text(shape: Shape) -> str:
    """A shape in words, as a message shows it."""
    return " × ".join(map(str, shape)) if shape else "scalar"


@dataclass(frozen=True)
class Symbol:
    """A declared symbol.

    name : as it is written in Python
    glyph : as it is printed, in canonical TeX
    shape : () for a scalar, else two or three sizes
    properties : words of ``PROPERTIES``
    of : names of the symbols that it is a function of; such a symbol stands for any smooth function of them
    value : numbers that are fixed, or the code that makes them from sizes and other symbols
    """

    name: str
    glyph: str
    shape: Shape
    properties: frozenset[str] = frozenset()
    of: tuple[str, ...] = ()
    value: Tensor | Callable[..., Tensor] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """What the symbol stands for, as the ledger says it.

        >>> print(*read_symbols({"S": "n n symmetric", "L": "of x", "x": "n"}).values(), sep="; ")
        S: n × n, symmetric; L: any smooth scalar function of x; x: n × 1
        """
        if self.of:
            kind = shape_text(self.shape) if self.shape else "scalar"
            return f"{self.name}: any smooth {kind} function of {' and '.join(self.of)}"
        words = [shape_text(self.shape), *sorted(self.properties - {"scalar", "kinks"})]
        words += ["from code"] if callable(self.value) else ["these numbers"] if self.value is not None else []
        return f"{self.name}: {', '.join(words)}"


def read_symbols(declared: Mapping[str, object]) -> dict[str, Symbol]:
    r"""The symbols that the keywords of a check declare, by their glyphs.

    Raises
    ------
    ValueError, TypeError
        In one sentence that says which keyword is meant, and how a symbol is declared.

    >>> [symbol.glyph for symbol in read_symbols({"x": "n", "eps": "positive", "a_hat": "m", "J_W": "m n"}).values()]
    ['\\mathbf{x}', '\\varepsilon', '\\hat{\\mathbf{a}}', '\\mathbf{J}_{\\mathbf{W}}']
    """
    symbols = {}
    for name, spec in declared.items():
        symbol = _read_symbol(name, spec)
        symbols[symbol.glyph] = symbol
    sizes = {letter for symbol in symbols.values() for size in symbol.shape for letter in size.letters}
    for symbol in symbols.values():
        if not symbol.shape and symbol.glyph in sizes:
            raise ValueError(f"{symbol.name} is declared as a scalar and used as a size: give one of the two another letter.")
    return symbols


HOW = ('write its sizes, as in x="n", A="m n" or b="1 n", its properties, as in eps="positive" or S="n n symmetric", '
       'what it is a function of, as in L="of Y", a tensor, or a shape with torch code, as in y=("m", lambda A, x: A @ x)')


def _read_symbol(name: str, spec: object) -> Symbol:
    value = None
    if isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], str) and callable(spec[1]):
        spec, value = spec
    elif isinstance(spec, Tensor):
        if spec.ndim > 3 or not spec.is_floating_point() or not spec.isfinite().all():
            raise TypeError(f"The value of {name} must be a tensor of finite floating-point numbers with at most three axes, "
                            f"but it is {spec.dtype} of shape {tuple(spec.shape)}.")
        spec, value = " ".join(map(str, spec.shape)), spec
    if not isinstance(spec, str):
        raise TypeError(f"{name} is declared as {spec!r}: {HOW}.")
    words = spec.split()
    of = words[words.index("of") + 1:] if "of" in words else []
    if "of" in words:
        words = words[:words.index("of")]
        if not of or (bad := [word for word in of if not word.isidentifier()]) or set(words) & set(PROPERTIES) - {"scalar"}:
            raise ValueError(f"{name} is declared as {spec!r}, and what it is a function of stands behind 'of' by name, as in "
                             f"L=\"of Y\"; such a symbol has no other property.")
    properties = frozenset(word for word in words if word in PROPERTIES)
    sizes = [word for word in words if word not in PROPERTIES]
    if bad := [word for word in sizes if not re.fullmatch(r"[A-Za-z]{1,3}|[1-9]\d*", word)]:
        raise ValueError(f"{name} is declared as {spec!r}, and {bad[0]!r} is neither a size nor a property: {HOW}.")
    if len(sizes) > 3:
        raise ValueError(f"{name} is declared with {len(sizes)} sizes, and a symbol has at most three: {HOW}.")
    shape = tuple(map(Size.read, sizes))
    if shape and "scalar" in properties:
        raise ValueError(f"{name} is declared as {spec!r}, a scalar with a size: {HOW}.")
    if len(shape) == 1:
        shape = (shape[0], ONE)
    if "symmetric" in properties and (len(shape) != 2 or shape[0] != shape[1]):
        raise ValueError(f"{name} is declared symmetric, but its shape is {shape_text(shape)}: a symmetric matrix is square.")
    return Symbol(name, glyph(name, bold=bool(shape)), () if shape == (ONE, ONE) else shape, properties, tuple(of), value)


def glyph(name: str, bold: bool) -> str:
    r"""The printed sign of a name in Python.

    >>> glyph("alpha", bold=False), glyph("J_a_hat", bold=True)
    ('\\alpha', '\\mathbf{J}_{\\hat{\\mathbf{a}}}')
    """
    if name.startswith("J_"):
        return rf"\mathbf{{J}}_{{{glyph(name[2:], bold)}}}"
    base, _, accent = name.partition("_")
    base = {"eps": "varepsilon", "epsilon": "epsilon"}.get(base, base)
    if (len(base) != 1 and base not in GREEK) or (accent and accent not in ACCENTS) or base == "delta":
        raise ValueError(f"{name!r} is not the name of a symbol: it must be one letter or a Greek one, such as x, W, alpha or "
                         f"eps (delta is the Kronecker delta), perhaps with an accent, as in a_hat, or a gradient, as in J_W.")
    letter = f"\\{base}" if base in GREEK else base
    letter = rf"\mathbf{{{letter}}}" if bold else letter
    return rf"\{accent}{{{letter}}}" if accent else letter
