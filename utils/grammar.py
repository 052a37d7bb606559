r"""The grammar of an equation: from signs to a parse tree.

It knows brackets, indices, fractions, + and −. A product stays a flat list, since its meaning depends on its factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput
from lark.lexer import Lexer

from utils.tex import FormulaError, signs

__all__ = ["WORDS", "inside", "only_item", "parse", "span_of"]

GRAMMAR = r"""
start: row (ROW row)*
row: EQUALS? sum (EQUALS sum)*
sum: (PLUS | MINUS)? term ((PLUS | MINUS) term)*
term: (item | HADAMARD | KRONECKER)+
item: atom script*
script: SUB BEGIN subscript END             -> subscript
      | SUPER BEGIN TRANSPOSE END           -> transpose
      | SUPER BEGIN sum END                 -> power
subscript: (inner | NUMBER | COLON | COMMA | PLUS | MINUS | EQUALS)+
inner: NAME script*
atom: NAME                                  -> name
    | NUMBER                                -> number
    | DELTA                                 -> delta
    | ONES                                  -> ones
    | ZEROS                                 -> zeros
    | FUNCTION                              -> function
    | SUM                                   -> summation
    | PARTIAL                               -> partial
    | DIFFERENTIAL                          -> differential
    | BEGIN sum END                         -> group
    | LEFT sum (COMMA sum)* RIGHT           -> bracket
    | OPEN sum (RELATION sum)? CLOSE        -> square
    | NORM sum END_NORM                     -> norm
    | FRACTION BEGIN sum END BEGIN sum END  -> fraction
    | ROOT BEGIN sum END                    -> root
    | MATRIX cells (MATRIX_ROW cells)* END_MATRIX -> matrix
cells: sum (AND sum)*
%declare ROW EQUALS PLUS MINUS HADAMARD KRONECKER SUB SUPER BEGIN END TRANSPOSE NAME NUMBER COLON COMMA DELTA ONES ZEROS
%declare FUNCTION SUM PARTIAL DIFFERENTIAL LEFT RIGHT OPEN CLOSE RELATION NORM END_NORM FRACTION ROOT MATRIX MATRIX_ROW
%declare END_MATRIX AND
"""
WORDS = {"ROW": "a new row", "EQUALS": "=", "PLUS": "+", "MINUS": "−", "HADAMARD": "⊙", "KRONECKER": "⊗", "SUB": "an index",
         "SUPER": "an exponent", "BEGIN": "{", "END": "}", "TRANSPOSE": "⊤", "NAME": "a symbol", "NUMBER": "a number",
         "COLON": ":", "COMMA": "a comma", "DELTA": "δ", "ONES": "a bold 1", "ZEROS": "a bold 0", "FUNCTION": "a function",
         "SUM": "Σ", "PARTIAL": "∂", "DIFFERENTIAL": "d", "LEFT": "(", "RIGHT": ")", "OPEN": "[", "CLOSE": "]",
         "RELATION": "a relation such as >", "NORM": "a norm", "END_NORM": "the end of a norm", "FRACTION": "a fraction",
         "ROOT": "a root", "MATRIX": "a matrix", "MATRIX_ROW": "a new row of a matrix", "END_MATRIX": "the end of a matrix",
         "AND": "&", "$END": "the end"}
OPERANDS = {"NAME", "NUMBER", "DELTA", "ONES", "ZEROS", "FUNCTION", "SUM", "PARTIAL", "DIFFERENTIAL", "LEFT", "OPEN", "NORM",
            "FRACTION", "ROOT", "MATRIX", "BEGIN"}


class _Signs(Lexer):
    def __init__(self, conf):
        pass

    def lex(self, tex):
        for sign in signs(tex):
            yield Token(sign.kind, sign.text, start_pos=sign.start, end_pos=sign.end)


@lru_cache(None)
def _grammar() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer=_Signs, propagate_positions=True)


@lru_cache(4096)
def parse(tex: str) -> Tree:
    """The parse tree of an equation or a chain, row by row; products are flat lists.

    Raises
    ------
    FormulaError
        Where the TeX is not in the book's language: says what stands there and what may stand there.
    """
    try:
        return _grammar().parse(tex)
    except UnexpectedInput as error:
        token = error.token
        expected = set(error.accepts or error.expected)
        wanted = ["a term"] if expected & OPERANDS else []
        wanted += sorted(WORDS[kind] for kind in expected - (OPERANDS | {"HADAMARD", "KRONECKER"} if wanted else set()))
        found = "the formula ends" if token.type == "$END" else f"{WORDS[token.type]} stands"
        place = (len(tex), len(tex)) if token.type == "$END" else (token.start_pos, token.end_pos)
        raise FormulaError(f"Here {found}, where {_either(wanted)} was expected.", tex, place) from None


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def span_of(tree: Tree | Token) -> tuple[int, int]:
    """The place of a part of the tree in the TeX."""
    return (tree.start_pos, tree.end_pos) if isinstance(tree, Token) else (tree.meta.start_pos, tree.meta.end_pos)


def inside(tree: Tree) -> Tree:
    """What stands between the brackets, in an index, or in an exponent."""
    return next(part for part in tree.children if isinstance(part, Tree))


def only_item(tree: Tree) -> Tree | None:
    """The one item of a sum of one term of one factor."""
    if len(tree.children) == 1 and len(tree.children[0].children) == 1 and isinstance(tree.children[0].children[0], Tree):
        return tree.children[0].children[0]
    return None
