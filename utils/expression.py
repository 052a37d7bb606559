"""Expressions: what a formula means, once it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from utils.symbols import Shape, Size

__all__ = ["COLON", "FIRST", "Chain", "Definition", "Equation", "Index", "Node"]


@dataclass(frozen=True)
class Index:
    """One place in a list of indices: a colon, or a sum of products of integers, sizes and at most one index variable.

    terms : for p n + q, ((1, "n", "p"), (1, "", "q")); None for a colon
    """

    terms: tuple[tuple[int, str, str | None], ...] | None

    @property
    def variable(self) -> str | None:
        """The index variable, where the index is nothing else."""
        if self.terms and len(self.terms) == 1 and self.terms[0][:2] == (1, ""):
            return self.terms[0][2]
        return None


COLON = Index(None)
FIRST = Index(())  # the only place of an axis of length 1


@dataclass(frozen=True, eq=False)
class Node:
    """An expression: an operation, its arguments, and the shape of its value.

    op : names a method of ``utils.evaluate.Evaluation``
    span : its place in the TeX
    data : what else the operation needs: a glyph, a number, indices
    """

    op: str
    args: tuple[Node, ...]
    shape: Shape
    span: tuple[int, int]
    data: object = None

    def walk(self) -> Iterator[Node]:
        """The expression and all its parts."""
        yield self
        for argument in self.args:
            yield from argument.walk()


@dataclass(frozen=True, eq=False)
class Chain:
    """Sides that are said to be equal: a = b = c."""

    sides: tuple[Node, ...]


@dataclass(eq=False)
class Equation:
    """A read equation.

    chains : one for each row that begins anew
    indices : the size that each index variable runs to; a variable bound by a sum has a name of its own, such as i#1
    free : for each chain, the variables that no sum binds, in the order in which they appear
    """

    tex: str
    chains: list[Chain]
    indices: dict[str, Size]
    free: list[list[str]]


@dataclass(frozen=True, eq=False)
class Definition:
    """A symbol that an equation defines.

    variables : of its entries, where the equation defines it entry by entry (y_i = …)
    transposed : where the equation gives its transpose
    """

    glyph: str
    shape: Shape
    node: Node
    equation: Equation
    variables: tuple[str, ...] = ()
    transposed: bool = False
