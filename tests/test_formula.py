r"""Reading a formula: the language table is complete, equal TeX reads equally, and what cannot be read shows its place."""

import random
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from utils import FormulaError, check_equation, tex
from utils.formula import define, parse, read_equation
from utils.symbols import read_symbols
from utils.tex import plain_brackets, signs

NOTATION = Path(__file__).parents[1] / "chapters" / "notation.md"


# The table of the language

def language_table(text):
    """The rows of the table in the section "What an equation may be made of": construct, written, means."""
    section = text.partition("(notation-language)=")[2].partition("\n(notation-symbols)=")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def code_spans(cell):
    return re.findall(r"`([^`]+)`", cell)


def left_out(table, constructs):
    """The constructs that no code span of the table shows as a word of its own."""
    shown = " ".join(span for row in table for cell in row for span in code_spans(cell))
    return [name for name in constructs if not re.search(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z*])", shown)]


TABLE = language_table(NOTATION.read_text("utf-8"))
EXAMPLES = [example for row in TABLE for example in code_spans(row[1])]
CONSTRUCTS = [*tex.FUNCTIONS, *tex._COMMANDS, *tex.MATRICES, *tex.ALIGNED, *tex.ACCENTS, "vec}_r", "vec}_c", "frac", "sqrt",
              "mathbf", "mathrm d"]


def test_the_table_of_the_notation_chapter_has_three_columns_and_many_rows():
    assert len(TABLE) > 25 and all(len(row) == 3 for row in TABLE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_table_can_be_read(example):
    assert parse(example)


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_the_table_shows_every_construct_that_the_language_knows(construct):
    assert left_out(TABLE, [construct]) == []


def test_a_construct_left_out_of_the_table_is_noticed():
    assert left_out(TABLE, ["frac", "underbrace"]) == ["underbrace"]
    for construct, row in (("odot", "entrywise product"), ("tanh", "functions"), ("bmatrix", "written-out matrix")):
        shorter = [cells for cells in TABLE if cells[0] != row]
        assert len(shorter) == len(TABLE) - 1 and left_out(shorter, [construct]) == [construct]


SYMBOLS = dict(alpha="of x", u="positive", eps="positive", x="n", v="n", a="m", a_hat="m", b="m", g="m", y="m of x A W", A="m n",
               B="m n", W="m n", X="m n", S="n n", E="m n r", L="of Y W", Y="m n", c="scalar")
# What stands beside an example or in its place, where it says something together with another factor only.
FRAMES = {r"\delta_{ij}": r"S_{ij}\,\delta_{ij}", r"\mathbf e_i": r"x_i\,\mathbf e_i",
          r"\operatorname{vec}_r(\mathbf A)_{p\,n+q}": r"a_{pq}\operatorname{vec}_r(\mathbf A)_{p\,n+q}"}
RIGHT_SIDES = {"scalar": "z",
**dict.fromkeys(["n", "m", "1 n", "m n", "n m", "m m", "n n", "mm nn", "mn", "2 2", "m mn"], r"\mathbf z")}


def has_a_meaning(formula, symbols):
    try:
        return bool(read_equation(formula, read_symbols(symbols)).chains)
    except FormulaError:
        return False


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_table_has_a_meaning(example):
    others = {"X": "b m n"} if example == r"\mathbf X_t" else {}
    if "=" in example and "sum" not in example:
        assert has_a_meaning(example, dict(a="scalar", b="scalar", c="scalar"))
    elif example == r"\mathbf 0":
        assert has_a_meaning(r"\mathbf x = \mathbf 0", SYMBOLS)
    else:
        assert any(has_a_meaning(f"{FRAMES.get(example, example)} = {right}", SYMBOLS | {"z": shape} | others)
                   for shape, right in RIGHT_SIDES.items())


# One formula, written in several ways

@pytest.mark.parametrize(("one", "other"), [
    (r"\frac1m", r"\frac{1}{m}"),
    (r"\frac1{m u}", r"\frac{1}{m\,u}"),
    (r"\hat{\mathbf a}", r"\hat{\mathbf{a}}"),
    (r"\hat\alpha", r"\hat{\alpha}"),
    (r"\mathbf x^\top", r"\mathbf{x}^{\top}"),
    (r"x_i", r"x_{i}"),
    (r"x_12", r"x_{1}2"),
    (r"u^23", r"u^{2}3"),
    (r"\left(\mathbf x\right)", r"(\mathbf x)"),
    (r"\bigl(u\bigr)\Bigl[u\Bigr]", r"(u)[u]"),
    (r"\mathbf A \; \mathbf x~\!u", r"\mathbf A\mathbf x u"),
    (r"\mathbf{\hat a}", r"\hat{\mathbf a}"),
    ("u % a comment\n+ v", "u+v"),
    (r"\boldsymbol x", r"\mathbf x"),
    (r"\boldsymbol\alpha", r"\mathbf{\alpha}"),
    (r"\operatorname{vec}_r", r"\operatorname{vec}_{r}"),
    (r"\operatorname{ tanh }(u)", r"\tanh(u)"),
    (r"\begin{aligned} u &= v \\[2pt] &= v \end{aligned}", r"u = v \\ = v"),
    (r"\sum^{n}_{i=1}x_i", r"\sum^n_{i=1}x_i"),
])
def test_equal_formulas_have_equal_signs(one, other):
    def visible(formula):
        return [(sign.kind, sign.text) for sign in signs(formula)]
    assert visible(one) == visible(other)


@pytest.mark.parametrize(("one", "other"), [
    (r"\mathbf x", "x"), (r"\mathbf x^\top", r"\mathbf x"), (r"\hat{\mathbf a}", r"\bar{\mathbf a}"), ("u > v", r"u \ge v"),
    (r"\operatorname{vec}_r(u)", r"\operatorname{vec}_c(u)"), (r"\varepsilon", r"\epsilon"), (r"a\odot b", r"a\otimes b"),
    ("u^23", "u^{23}"), (r"\frac12 3", r"\frac1{23}"), (r"u \\ v", r"u v"), (r"\phi", r"\varphi"),
])
def test_different_formulas_have_different_signs(one, other):
    assert [sign.text for sign in signs(one)] != [sign.text for sign in signs(other)]


@pytest.mark.parametrize("example", [*EXAMPLES, r"\left(\frac{\partial\mathbf y}{\partial\mathbf x}\right)_{ij} = -u^{-2}"])
def test_the_signs_and_the_spacing_between_them_are_the_whole_formula(example):
    places = [(sign.start, sign.end) for sign in signs(plain_brackets(example))]
    assert places == sorted(places)
    covered = {place for start, end in places for place in range(start, end)}
    rest = "".join(character for place, character in enumerate(plain_brackets(example)) if place not in covered)
    assert re.sub(r"\\begin\{aligned\}|\\end\{aligned\}|\\,|[{}&\s]", "", rest) == ""


# Shapes

@pytest.mark.parametrize(("side", "shape"), [
    (r"\alpha", "scalar"), (r"\mathbf x", "n 1"), (r"\mathbf x^\top", "1 n"), (r"\mathbf A", "m n"), (r"\mathbf A^\top", "n m"),
    (r"\mathbf A\mathbf x", "m 1"), (r"\mathbf x^\top\mathbf x", "scalar"), (r"\mathbf x\mathbf x^\top", "n n"),
    (r"\mathbf A\otimes\mathbf x^\top", "m nn"), (r"\mathbf x\otimes\mathbf A", "mn n"), (r"\mathbf I_{mn}", "mn mn"),
    (r"\operatorname{vec}_r(\mathbf A)", "mn 1"), (r"\operatorname{diag}(\mathbf x)", "n n"), (r"\mathbf A_{1:}", "1 n"),
    (r"\mathbf A_{:1}", "m 1"), (r"\mathbf E_{:12}", "m 1"), (r"\mathbf E_{1::}", "n p"), (r"\mathbf E_1", "n p"),
    (r"\frac{\partial\mathbf y}{\partial\mathbf x}", "m n"), (r"\frac{\partial\alpha}{\partial\mathbf x}", "1 n"),
    (r"\frac{\partial\mathbf y}{\partial\mathbf A}", "m m n"), (r"\frac{\partial\alpha}{\partial\mathbf A}", "m n"),
    (r"\frac{\partial\mathbf y}{\partial\operatorname{vec}_c(\mathbf A)}", "m mn"),
     (r"\frac{\partial\mathbf A}{\partial u}", "m n"),
    (r"\frac{\partial\mathbf y}{\partial a_{12}}", "m 1"), (r"\mathbf J_{\mathbf A}", "m n"), (r"\mathbf J_{\mathbf b}", "1 n"),
    (r"\mathrm d\mathbf x", "n 1"), (r"\lVert\mathbf A\rVert", "scalar"), (r"\mathbf 1[\mathbf A > 0]", "m n"),
    (r"\begin{bmatrix} u & 1 & 2 \\ 3 & u & 4 \end{bmatrix}", "2 3"), (r"\begin{bmatrix} u \end{bmatrix}", "scalar"),
])
def test_an_expression_has_the_shape_of_the_books_layout(side, shape):
    right = "z" if shape == "scalar" else r"\mathbf z"
    symbols = read_symbols(dict(alpha="of x A", u="scalar", x="n", A="m n", E="m n p", y="m of x A", L="of y b", b="1 n",
    z=shape))
    (chain,) = read_equation(f"{side} = {right}", symbols).chains
    sizes = () if shape == "scalar" else tuple("".join(sorted(word)) for word in shape.split())
    assert tuple(map(str, chain.sides[0].shape)) == sizes


@given(sizes=st.permutations("mnp"))
def test_sizes_are_compared_by_their_letters_in_any_order(sizes):
    m, n, p = sizes
    symbols = read_symbols({"A": f"{m} {n}", "b": f"{m}{n}", "B": f"{n} {p}"})
    assert read_equation(r"\operatorname{vec}_r(\mathbf A) = \mathbf b", symbols).chains
    with pytest.raises(FormulaError, match=f"{m} × {n} times {m} × {n}"):
        read_equation(r"\mathbf A\mathbf A = \mathbf B", symbols)


# What cannot be read, and where

def refused(formula, given=(), **symbols):
    """The error of a check, and the part of the formula above its arrows."""
    with pytest.raises(FormulaError) as caught:
        check_equation(formula, given=given, **symbols)
    first, line, arrows = str(caught.value).split("\n")
    assert first == caught.value.reason
    assert line.startswith("  ") and line[2:] in caught.value.tex.split("\n") and set(arrows) <= {" ", "^"}
    return first, line[arrows.index("^"):arrows.rindex("^") + 1]


scalars = dict(u="scalar", v="scalar")
vectors = dict(x="n", v="m", A="m n")

UNREADABLE = [
    # what is not in the language
    (r"u = 1 + \cdots + v", scalars, r"The command \cdots is not in the book's language", r"\cdots"),
    (r"u = \text{if } v", scalars, r"The command \text is not in the book's language", r"\text"),
    (r"u = \lim_{h} v", scalars, r"The command \lim is not in the book's language", r"\lim"),
    (r"u = v\cdot v", scalars, r"The command \cdot is not in the book's language", r"\cdot"),
    (r"u = \|v\|", scalars, r"The command \| is not in the book's language", r"\|"),
    (r"u = \nabla v", scalars, r"The command \nabla is not in the book's language", r"\nabla"),
    (r"u = v.", scalars, "The sign '.' is not in the book's language.", "."),
    (r"u = v;", scalars, "The sign ';' is not in the book's language.", ";"),
    (r"u = v'", scalars, "The sign \"'\" is not in the book's language.", "'"),
    (r"u = u / v", scalars, "The sign '/' is not in the book's language.", "/"),
    ("u = \N{LATIN SMALL LETTER E WITH ACUTE}", scalars, "is not in the book's language.", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
    (r"u = v,", scalars, "Here a comma stands, where =, a new row or the end was expected.", ","),
    (r"u = \operatorname{rank}(v)", scalars, "Only these functions are in the book's language: exp, log,", r"\operatorname"),
    (r"u = \begin{cases} v \end{cases}", scalars, "Only these environments are in the book's language: bmatrix,", r"\begin"),
    (r"u = \mathrm{rms}", scalars, r"Of upright letters only the \mathrm d of a differential", r"\mathrm{rms}"),
    (r"u = \mathbf{AB}", scalars, r"\mathbf takes one letter: write a product letter by letter.", r"\mathbf{AB}"),
    (r"u = \mathbf 2", scalars, r"Of the digits only \mathbf 0 and \mathbf 1 have a meaning.", r"\mathbf 2"),
    ("u = \\", scalars, "A lone backslash ends the formula.", "\\"),
    # what is missing, or not closed
    (r"u = \frac{1}", scalars, "Here the denominator is missing.", ""),
    (r"u = \frac{1}^2", scalars, "Here the denominator is missing.", "^"),
    (r"u = \frac", scalars, "Here the numerator is missing.", ""),
    (r"u = \sqrt", scalars, "Here what the root is of is missing.", ""),
    (r"u = v^", scalars, "Here an exponent is missing.", ""),
    (r"u = x_", scalars, "Here an index is missing.", ""),
    (r"{u = v", scalars, "This brace is not closed.", "{"),
    (r"u = \frac{v}{2", scalars, "This brace is not closed.", "{"),
    (r"u = (v", scalars, "Here the formula ends, where ) or a comma was expected.", ""),
    (r"u = [v)", scalars, "Here ) stands, where ] or a relation such as > was expected.", ")"),
    (r"u = v)", scalars, "Here ) stands, where =, a new row or the end was expected.", ")"),
    (r"u = \begin{bmatrix} v", scalars, r"\begin{bmatrix} has no \end.", ""),
    (r"u = \begin{aligned} v", scalars, "Rows begin in the middle of a formula", r"\begin{aligned}"),
    (r"\begin{aligned} u = v", scalars, r"\begin{aligned} has no \end.", ""),
    (r"u = v\end{bmatrix}", scalars, r"This \end{bmatrix} closes nothing that is open.", r"\end{bmatrix}"),
    (r"u = \begin{bmatrix} v \end{pmatrix}", scalars, r"This \end{pmatrix} closes nothing that is open.", r"\end{pmatrix}"),
    (r"u + v", scalars, "Here is no equation: an = is missing.", "u + v"),
    (r"u = v \\ u", scalars, "Here is no equation: an = is missing.", "u"),
    (r"= u", scalars, "The equation begins with =: its left side is missing.", "= u"),
    (r"u = = v", scalars, "Here = stands, where a term", "="),
    (r"u = v +", scalars, "Here the formula ends, where a term", ""),
    (r"u = 2 3", scalars, "Two numbers stand side by side: write their product as one number.", "3"),
    (r"u = (u, v, u)", scalars, "Three things stand in one bracket.", "(u, v, u)"),
    # shapes
    (r"\mathbf A\mathbf v = \mathbf v", vectors, "This product does not exist: m × n times m × 1.", r"\mathbf A\mathbf v"),
    (r"\mathbf x + \mathbf v = \mathbf x", vectors, "Terms of different shapes are added: n × 1 and m × 1.", r"\mathbf v"),
    (r"\mathbf x + 1 = \mathbf x", vectors, "Terms of different shapes are added: n × 1 and scalar.", "1"),
    (r"\mathbf x\odot\mathbf v = \mathbf x", vectors, "⊙ needs two factors of one shape, but they are n × 1 and m × 1.",
     r"\mathbf x\odot\mathbf v"),
    (r"u = u\odot v", scalars, "⊙ needs two factors of one shape, but they are scalar and scalar.", r"u\odot v"),
    (r"u\otimes\mathbf x = \mathbf x", vectors | {"u": "scalar"}, "⊗ needs two matrices, but they are scalar and n × 1.",
     r"u\otimes\mathbf x"),
    (r"\mathbf x = \mathbf v", vectors, "The left side is n × 1, but this side is m × 1.", r"\mathbf v"),
    (r"\mathbf A = \mathbf A^\top", vectors, "The left side is m × n, but this side is n × m.", r"\mathbf A^\top"),
    (r"\mathbf v = \mathbf v = \mathbf x", vectors, "The left side is m × 1, but this side is n × 1.", r"\mathbf x"),
    (r"\mathbf A = \mathbf B", {"A": "n n", "B": "n nn"}, "The left side is n × n, but this side is n × nn.", r"\mathbf B"),
    (r"\mathbf x\odot\mathbf x\otimes\mathbf x = \mathbf x", vectors, "⊙ and ⊗ stand in one product: put brackets around",
     r"\otimes"),
    (r"\mathbf A\mathbf x\odot\mathbf v = \mathbf v", vectors, "A matrix product stands beside ⊙: put brackets around it.",
     r"\mathbf A"),
    (r"\mathbf A\mathbf x\otimes\mathbf v = \mathbf v", vectors, "A matrix product stands beside ⊗: put brackets around it.",
     r"\mathbf A"),
    (r"\mathbf x\odot = \mathbf x", vectors, "A factor is missing beside ⊙.", r"\mathbf x\odot"),
    (r"\mathbf E\mathbf x = \mathbf x", {"E": "m n p", "x": "p"}, "An array with three axes cannot be multiplied",
     r"\mathbf E\mathbf x"),
    (r"\mathbf E^\top = \mathbf E", {"E": "m n p"}, "An array with three axes has no transpose.", r"\mathbf E^\top"),
    (r"\mathbf x^2 = \mathbf x", vectors, "Only a scalar has powers, and this is n × 1: write the product.", r"\mathbf x^2"),
    (r"\mathbf A^{-1} = \mathbf A", {"A": "n n"}, "Only a scalar has powers, and this is n × n", r"\mathbf A^{-1}"),
    (r"u^v = u", scalars, "An exponent is a number.", "^v"),
    (r"\frac{1}{\mathbf x} = \mathbf x", vectors, "A denominator is a scalar, but this is n × 1.", r"\mathbf x"),
    (r"\sqrt{\mathbf x} = \mathbf x", vectors, "A root is taken of a scalar, but this is n × 1.", r"\mathbf x"),
    (r"\lVert u\rVert = u", scalars, "A norm is of a vector or a matrix, but this is scalar.", r"\lVert u\rVert"),
    (r"\operatorname{diag}(\mathbf A) = \mathbf x", vectors, "diag takes a column, but this is m × n.", r"(\mathbf A)"),
    (r"\operatorname{tr}(\mathbf A) = 1", vectors, "tr takes a square matrix, but this is m × n.", r"(\mathbf A)"),
    (r"\operatorname{vec}_r(u) = u", scalars, "vec_r takes a matrix, but this is scalar.", "(u)"),
    (r"\begin{bmatrix} u & v \\ u \end{bmatrix} = \mathbf A", scalars | {"A": "2 2"},
     "The rows of this matrix have different lengths.", r"\begin{bmatrix} u & v \\ u \end{bmatrix}"),
    (r"\begin{bmatrix} \mathbf x & 1 \end{bmatrix} = \mathbf b", {"x": "2", "b": "1 2"},
     "An entry of a matrix is a scalar, but this is 2 × 1.", r"\mathbf x"),
    (r"\mathbf 1[\mathbf x > \mathbf v] = \mathbf x", vectors, "A condition compares every entry with one number, or two values",
     r"\mathbf 1[\mathbf x > \mathbf v]"),
    # symbols
    (r"\mathbf x = \mathbf y", vectors, 'Nothing says what y is (known are x, v, A): declare it, as in y="n"', r"\mathbf y"),
    (r"u = w", scalars, "Nothing says what w is", "w"),
    (r"\mathbf I = \mathbf A", {"A": "m m"}, r"\mathbf I needs its size as an index.", r"\mathbf I"),
    (r"\mathbf I_k = \mathbf A", {"A": "m m"}, "'k' is not a size that is known here; known are m.", "_k"),
    (r"\mathbf x = \mathbf 1", vectors, "A bold 1 without a size must be followed by a condition such as [x > 0].", r"\mathbf 1"),
    (r"\mathbf 1[\mathbf x] = \mathbf x", vectors, "needs a condition in it, such as [x > 0].", r"[\mathbf x]"),
    # indices
    (r"u = x_i", vectors | {"u": "scalar"}, "The index i stands free on this side and not on the left.", "x_i"),
    (r"\delta_{ij} = \delta_{ji}", {}, "Nothing says how far the index i runs.", r"\delta_{ij} = \delta_{ji}"),
    (r"\mathbf e_i = \mathbf x", vectors, "Nothing says how many entries this unit vector has", r"\mathbf e_i"),
    (r"x_i = a_{ij}", vectors, "The index i runs to n elsewhere, and to m here.", "a_{ij}"),
    (r"v_i\,x_j\,\delta_{ij} = 0", vectors, "δ compares an index that runs to m with one that runs to n.", r"\delta_{ij}"),
    (r"x_9 = 1", vectors, "An index points outside of its axis, which has", "x_9"),
    (r"x_0 = 1", vectors, "counted from 1.", "x_0"),
    (r"x_7 = 1", {"x": "7", "count_from": 0}, "which has 7 places here, counted from 0.", "x_7"),
    (r"v_i = x_{i+2}", {"x": "n", "v": "n"}, "An index points outside of its axis", "x_{i+2}"),
    (r"x_n = 1", vectors, "n is a size, and no index: write another letter.", "_n"),
    (r"x_{ij} = x_{ij}", vectors, "x stands with 2 indices, but x has shape n × 1.", "x_{ij}"),
    (r"a_i = x_i", {"A": "m n", "x": "n"}, "a stands with 1 indices, but A has shape m × n.", "a_i"),
    (r"\mathbf x_i = x_i", vectors, "An entry is printed plain: write x with its indices.", r"\mathbf x_i"),
    (r"\mathbf x_{t,i} = x_i", vectors, "An entry is printed plain", r"\mathbf x_{t,i}"),
    (r"\mathbf X_{t,i} = \mathbf x", {"X": "b n p", "x": "n"}, "2 indices stand at a value of shape b × n × p.",
     r"\mathbf X_{t,i}"),
    (r"u_i = u", scalars, "A scalar has no entries: an index stands here.", "_i"),
    (r"u = v_1", scalars, "A scalar has no entries: an index stands here.", "_1"),
    (r"(u + v)_1 = u", scalars, "A scalar has no entries: an index stands here.", "_1"),
    (r"(\mathbf A\mathbf x)_{i=1} = v_i", vectors, "An = stands in an index.", "="),
    (r"x_{i+} = x_1", vectors, "An index is incomplete.", "_{i+}"),
    (r"A_{ij,1} = A_{11}", {"A": "m n"}, "A product of two index variables stands in an index.", "_{ij,1}"),
    (r"\delta = 1", {}, "δ needs its two indices.", r"\delta"),
    (r"\delta_i = 1", {}, "δ needs two indices.", r"\delta_i"),
    (r"\lVert\mathbf x\rVert_2 = u", vectors | {"u": "scalar"}, "A norm stands without an index", "_2"),
    # sums
    (r"\sum_i x_i = u", vectors | {"u": "scalar"}, r"Σ needs both bounds, as in \sum_{i=1}^{n}.", r"\sum_i"),
    (r"\sum_{i}^{n} x_i = u", vectors | {"u": "scalar"}, "The lower bound of Σ names the index and where it begins", "_{i}"),
    (r"\sum_{i=1}^{k} x_i = u", vectors | {"u": "scalar"}, "The upper bound of Σ is a size; known are m, n.", "^{k}"),
    (r"\sum_{i=1}^{n} u = u", vectors | {"u": "scalar"}, "The index i of this sum does not appear in what is added up.",
     r"\sum_{i=1}^{n}"),
    (r"\sum_{i=1}^{m} x_i = u", vectors | {"u": "scalar"}, "The index i runs to m elsewhere, and to n here.", "_i"),
    (r"x_i = \sum_{i=1}^{n} x_i", vectors, "The index i of this sum has another meaning already.", r"\sum_{i=1}^{n}"),
    (r"u = \sum_{n=1}^{n} x_n", vectors | {"u": "scalar"}, "The index n of this sum has another meaning already.",
     r"\sum_{n=1}^{n}"),
    (r"u = \sum_{i=1}^{n}", vectors | {"u": "scalar"}, "Σ has nothing to add up.", r"\sum_{i=1}^{n}"),
    # functions
    (r"\operatorname{vec}(\mathbf A) = \mathbf x", vectors, "vec needs its order: vec_r by rows or vec_c by columns.",
     r"\operatorname{vec}"),
    (r"\max_i x_i = u", vectors | {"u": "scalar"}, "An index or exponent stands where none can be.", "_i"),
    (r"\max(\mathbf x) = \mathbf x", vectors, r"max is read as \max(0, …) only.", r"(\mathbf x)"),
    (r"\max(u, 0) = u", scalars, r"max is read as \max(0, …) only.", "(u, 0)"),
    (r"\sin^2(u) = u", scalars, "An index or exponent stands where none can be.", "^2"),
    (r"\exp u = u", scalars, "exp must be followed by a bracket.", r"\exp"),
    (r"\exp(u, v) = u", scalars, "exp takes one argument.", "(u, v)"),
    # derivatives
    (r"\frac{\partial\mathbf y}{\partial\mathbf b} = \mathbf A", {"b": "1 n", "y": "m of b", "A": "m n"},
     "A derivative by b, of shape 1 × n, has no fixed layout", r"\frac{\partial\mathbf y}{\partial\mathbf b}"),
    (r"\frac{\partial\mathbf X}{\partial\mathbf A} = \mathbf A", {"A": "m n", "X": "m n of A"},
     "The derivative of a value of shape m × n by a matrix has four axes: write entries, or vec_r or vec_c of both.",
     r"\frac{\partial\mathbf X}{\partial\mathbf A}"),
    (r"\frac{\partial\mathbf x^\top}{\partial\mathbf x} = \mathbf I_n", {"x": "n"},
     "a column is differentiated by a column, but this is 1 × n.", r"\frac{\partial\mathbf x^\top}{\partial\mathbf x}"),
    (r"\frac{\partial\mathbf A}{\partial\mathbf x} = \mathbf A", {"x": "n", "A": "m n of x"},
     "a column is differentiated by a column, but this is m × n.", r"\frac{\partial\mathbf A}{\partial\mathbf x}"),
    (r"\frac{\partial u}{\partial v} = 0", scalars, "What is differentiated here does not depend on v: name the equation",
     r"\frac{\partial u}{\partial v}"),
    (r"\mathbf J_{\mathbf A} = \mathbf A", {"A": "m n", "x": "n", "L": "of x"}, "does not depend on A", r"\mathbf J_{\mathbf A}"),
    (r"\mathbf J_{\mathbf A} = \mathbf A", {"A": "m n"}, 'A gradient needs a loss: say what L is', r"\mathbf J_{\mathbf A}"),
    (r"\frac{\partial^2 u}{\partial v} = 1", {"v": "scalar", "u": "of v"}, "A higher derivative is not in the book's language.",
     r"\partial^2"),
    (r"\frac{\partial}{\partial v}\left(\frac{\partial u}{\partial v}\right) = 1", {"v": "scalar", "u": "of v"},
     "A derivative of a derivative is not in the book's language.",
     r"\frac{\partial}{\partial v}\left(\frac{\partial u}{\partial v}\right)"),
    (r"\frac{\partial}{\partial v} u = 1", {"v": "scalar", "u": "of v"}, "∂/∂ must be followed by a bracket.",
     r"\frac{\partial}{\partial v}"),
    (r"\frac{\partial}{\partial\mathbf x}(\mathbf x)^\top = \mathbf I_n", {"x": "n"},
     "∂/∂ acts on this bracket, so what is written at it is ambiguous", r"\frac{\partial}{\partial\mathbf x}(\mathbf x)"),
    (r"\frac{\partial u + v}{\partial v} = 1", scalars, "∂ stands before one quantity: put brackets around a sum.",
     r"\partial u + v"),
    (r"\frac{\partial u}{v} = 1", scalars, "∂ stands on one side of the fraction only.", r"\frac{\partial u}{v}"),
    (r"\partial u = v", scalars, r"∂ stands outside of a fraction: write \frac{\partial …}{\partial …}.", r"\partial"),
    (r"\frac{\partial}{\partial(u v)}(u v) = 1", scalars, "A derivative is by a symbol, an entry of a symbol, or the vec",
     r"\partial(u v)"),
    (r"\frac{\partial\mathbf y}{\partial\mathbf A_{1:}} = \mathbf A", {"A": "m n", "y": "m of A"},
     "A derivative is by a symbol, an entry of a symbol, or the vec of a symbol.", r"\partial\mathbf A_{1:}"),
    (r"\frac{\mathrm d u}{\mathrm d v} = 1", scalars, r"An ordinary derivative is written with \partial.",
     r"\frac{\mathrm d u}{\mathrm d v}"),
    (r"\mathrm d(u v) = v", scalars, "d must be followed by a symbol.", r"\mathrm d"),
    (r"\mathrm d x_1 = 0", {"x": "n"}, "d stands before a symbol.", "x_1"),
    # equations that say nothing
    (r"\mathbf J_{\mathbf X} = \mathbf J_{\mathbf X}\odot\mathbf 1[\mathbf X > 0]", {"X": "m n", "L": "of X"},
     "This side uses the gradient that it is said to equal: that states nothing.", r"\mathbf J_{\mathbf X}"),
    (r"\mathbf y = \mathbf y + \mathbf x - \mathbf x", {"x": "n", "y": ("n", lambda x: x)},
     "The right side uses y, which it is to define.", r"\mathbf y + \mathbf x - \mathbf x"),
]


@pytest.mark.parametrize(("formula", "symbols", "words", "place"), UNREADABLE, ids=[case[0] for case in UNREADABLE])
def test_what_cannot_be_read_gets_one_sentence_and_its_place(formula, symbols, words, place):
    reason, marked = refused(formula, **symbols)
    assert words in reason and marked.strip() == place.strip()
    sentence = re.sub(r" It holds (with|where) .*", "", reason)
    assert sentence.endswith(".") and ". " not in sentence


def test_the_place_is_shown_in_the_line_where_it_stands():
    with pytest.raises(FormulaError) as error:
        check_equation("u\n  = v\n  + \\foo\n", u="scalar", v="scalar")
    assert str(error.value).split("\n")[1:] == ["    + \\foo", "      ^^^^"]
    assert error.value.tex[slice(*error.value.place)] == r"\foo"


@pytest.mark.parametrize(("formula", "symbols"), [
    (r"\frac{d\alpha}{d\beta} = \frac{\alpha}{\beta}", {"alpha": "scalar", "beta": "positive"}),
    (r"\frac{df}{dx} = f", {"f": "scalar", "x": "scalar"}),
    (r"f'(x) = f x", {"f": "scalar", "x": "scalar"}),
    (r"\frac{d\alpha}{d\beta} = \frac{\alpha}{\beta}", {"alpha": "scalar", "beta": "positive", "x": "d"}),
])
def test_an_ordinary_derivative_is_never_read_as_a_quotient(formula, symbols):
    with pytest.raises(FormulaError):
        check_equation(formula, **symbols)


# Definitions

@pytest.mark.parametrize(("formula", "words"), [
    (r"u + v = 2", "A definition has on its left a symbol, its transpose, or its entries."),
    (r"\frac{1}{u} = 2", "A definition has on its left a symbol"),
    (r"y_{ii} = v", "A definition has on its left a symbol"),
    (r"y_{1} = v", "A definition has on its left a symbol"),
    (r"y_i = v", "Nothing says how far the index i runs."),
    (r"y_i = x_i x_j", "The index j stands free on this side and not on the left."),
    (r"\mathbf y = x_i\mathbf x", "The index i stands free on this side and not on the left."),
    (r"y_i = x_i\mathbf x^\top", "An entry is a scalar, but this side is 1 × n."),
    (r"n = 2", "n is a size, and cannot be defined."),
    (r"\mathbf x = \mathbf A\mathbf x", "x is declared as n × 1, but this side is m × 1."),
    (r"\mathbf y", "Here is no equation: an = is missing."),
])
def test_what_defines_nothing_is_refused(formula, words):
    with pytest.raises(FormulaError) as error:
        define(formula, read_symbols(dict(x="n", A="m n", v="scalar")))
    assert words in error.value.reason


def test_a_definition_gives_a_symbol_its_shape():
    symbols = read_symbols(dict(x="n", A="m n", W="p n", b="1 p", z="1 p", X="b n p"))
    shapes = {definition.glyph: " ".join(map(str, definition.shape)) for formula in [
        r"\mathbf y = \mathbf A\mathbf x", r"h_i = y_i", r"\alpha = \mathbf y^\top\mathbf y", r"\mathbf r^\top = \mathbf y",
        r"Q_{ji} = a_{ij}", r"\mathbf Y_t = \mathbf A\mathbf X_t", r"z_j = b_j"]
        for definition in define(formula, symbols,
        {r"\mathbf{y}": symbols[r"\mathbf{A}"].shape[:1] + symbols[r"\mathbf{x}"].shape[1:]})}
    assert shapes == {r"\mathbf{y}": "m 1", r"\mathbf{h}": "m 1", r"\alpha": "", r"\mathbf{r}": "1 m", r"\mathbf{Q}": "n m",
                      r"\mathbf{Y}": "b m p", r"\mathbf{z}": "1 p"}


# Declarations

@pytest.mark.parametrize(("declared", "words"), [
    (dict(x=3), 'x is declared as 3: write its sizes, as in x="n"'),
    (dict(x=None), "x is declared as None"),
    (dict(x=("n", 3)), "x is declared as ('n', 3)"),
    (dict(x=("n",)), "x is declared as ('n',)"),
    (dict(x="n?"), "x is declared as 'n?', and 'n?' is neither a size nor a property"),
    (dict(x="n postive"), "x is declared as 'n postive', and 'postive' is neither a size nor a property"),
    (dict(x="0"), "'0' is neither a size nor a property"),
    (dict(E="m n p q"), "E is declared with 4 sizes, and a symbol has at most three"),
    (dict(S="m n symmetric"), "S is declared symmetric, but its shape is m × n: a symmetric matrix is square."),
    (dict(S="n symmetric"), "S is declared symmetric, but its shape is n × 1"),
    (dict(x=torch.tensor([1, 2])), "must be a tensor of finite floating-point numbers with at most three axes, "
                                   "but it is torch.int64 of shape (2,)."),
    (dict(x=torch.tensor([1.0, torch.nan])), "The value of x must be a tensor of finite floating-point numbers"),
    (dict(x=torch.tensor([1.0, torch.inf])), "The value of x must be a tensor of finite floating-point numbers"),
    (dict(x=torch.zeros(2, 2, 2, 2)), "with at most three axes, but it is torch.float32 of shape (2, 2, 2, 2)."),
    (dict(n="scalar", x="n"), "n is declared as a scalar and used as a size: give one of the two another letter."),
    (dict(weights="n"), "'weights' is not the name of a symbol: it must be one letter or a Greek one"),
    (dict(delta="n"), "delta is the Kronecker delta"),
    (dict(x_check="n"), "'x_check' is not the name of a symbol"),
    (dict(x="n of 3"), "x is declared as 'n of 3', and what it is a function of stands behind 'of' by name"),
    (dict(u="scalar n"), "scalar"),
])
def test_a_wrong_declaration_gets_one_sentence_with_the_keyword(declared, words):
    with pytest.raises((TypeError, ValueError)) as error:
        read_symbols(declared)
    assert words in str(error.value) and str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "spec", "glyph", "shape"), [
    ("x", "n", r"\mathbf{x}", "n 1"), ("A", "m n", r"\mathbf{A}", "m n"), ("b", "1 n", r"\mathbf{b}", "1 n"), ("u", "", "u", ""),
    ("alpha", "scalar", r"\alpha", ""), ("eps", "positive", r"\varepsilon", ""), ("epsilon", "positive", r"\epsilon", ""),
    ("alpha", "n", r"\mathbf{\alpha}", "n 1"), ("a_hat", "m", r"\hat{\mathbf{a}}", "m 1"), ("u_bar", "", r"\bar{u}", ""),
    ("J_W", "m n", r"\mathbf{J}_{\mathbf{W}}", "m n"), ("J_a_hat", "m", r"\mathbf{J}_{\hat{\mathbf{a}}}", "m 1"),
    ("E", "m m n", r"\mathbf{E}", "m m n"), ("y", "mn of x", r"\mathbf{y}", "mn 1"), ("L", "of x", "L", ""),
    ("x", torch.ones(3), r"\mathbf{x}", "3 1"), ("u", torch.tensor(2.0), "u", ""), ("A", torch.ones(2, 3), r"\mathbf{A}", "2 3"),
    ("y", ("m", lambda x: x), r"\mathbf{y}", "m 1"),
])
def test_a_declaration_gives_a_sign_and_a_shape(name, spec, glyph, shape):
    (symbol,) = read_symbols({name: spec}).values()
    assert (symbol.glyph, " ".join(map(str, symbol.shape))) == (glyph, shape)


# Slips that were once misread, or crashed

@pytest.mark.parametrize(("formula", "symbols"), [
    (r"u = (u, v)", scalars),
    (r"u = (u, v)^\top", scalars),
    (r"\frac{\partial}{\partial u}(u, v) = 1", scalars),
    (r"u = [u > 0]^2", scalars),
    (r"\exp[\mathbf x > 0] = \mathbf x", {"x": "n"}),
    (r"\operatorname{diag}[\mathbf x > 0] = \mathbf A", {"x": "n", "A": "n n"}),
    (r"\mathbf e_{ik} = \mathbf x", {"x": "n"}),
    (r"\frac{-\partial u}{\partial v} = v", {"v": "scalar", "u": "of v"}),
])
def test_what_has_no_meaning_is_refused_with_its_place(formula, symbols):
    with pytest.raises(FormulaError):
        check_equation(formula, **symbols)


@pytest.mark.parametrize(("formula", "symbols", "words"), [
    (r"\mathbf A^T = \mathbf A", {"A": "n n"}, r"\top"),
    (r"\sqrt[3]{u} = u", scalars, "["),                                                     # "Here } stands"
    (r"u^(2) = u", scalars, "("),                                                           # "Here } stands"
    (r"\frac{u}{v}} = u", scalars, "brace"),
     # "The sign '}' is not in the language"
    (r"\frac{\partial^2 u}{\partial v\,\partial w} = 1", {"v": "scalar", "w": "scalar", "u": "of v w"}, "higher derivative"),
    (r"\frac{\partial^2 u}{\partial v^2} = 1", {"v": "scalar", "u": "of v"}, "higher derivative"),
    (r"\mathbf J_u = 2u", {"u": "scalar", "given": "L = u^2"}, "radient"),
    (r"\frac{df}{dx} = f", {"f": "scalar", "x": "scalar"}, r"\partial"),                    # "Nothing says what d is"
    (r"x_{i=1} = x_1", {"x": "n"}, "= stands in an index"),                                 # "x stands with 3 indices"
    (r"\mathbf x + \mathbf 0 = \mathbf x", {"x": "n"}, "zeros"),                            # "n × 1 and scalar are added"
    (r"\mathbf x - \mathbf x = \mathbf 0_n", {"x": "n"}, "zeros"),                          # "A scalar has no entries"
])
def test_a_common_slip_is_named_for_what_it_is(formula, symbols, words):
    assert words in refused(formula, **symbols)[0].partition(" It holds ")[0]


def test_a_size_may_be_a_term_of_an_index():
    assert read_equation(r"\operatorname{vec}_r(\mathbf A)_{p\,n-n+q} = a_{pq}", read_symbols(dict(A="m n")))


def test_an_index_may_get_its_range_from_what_stands_behind_a_unit_vector():
    assert read_equation(r"\mathbf e_i^\top\mathbf x = x_i", read_symbols(dict(x="n")))


def test_an_entry_of_every_accent_is_printed_plain():
    for accent in tex.ACCENTS:
        with pytest.raises(FormulaError, match="An entry is printed plain"):
            read_equation(rf"\{accent}{{\mathbf x}}_i = x_i", read_symbols({"x": "n", f"x_{accent}": "n"}))


@pytest.mark.parametrize("formula", [r"\mathbf v = (\mathbf A & \mathbf x)", r"\mathbf v^{&\top} = (\mathbf A\mathbf x)^\top",
                                     r"\mathbf v = (\mathbf A \begin{aligned} \mathbf x \end{aligned})"])
def test_signs_of_alignment_stand_between_rows_only(formula):
    with pytest.raises(FormulaError):
        read_equation(formula, read_symbols(vectors | {"v": "m"}))


FORMULAS = [
    r"\frac{\partial}{\partial\mathbf x}(\mathbf x^\top\mathbf S\mathbf x) = \mathbf x^\top(\mathbf S + \mathbf S^\top)",
    r"\sum_{i=1}^{n} v_j\,\delta_{ik} x_i = -v_j x_k^{2}",
    r"\mathbf J_{\mathbf x} = (\frac{\partial L}{\partial\mathbf x})^\top\odot\max(0,\mathbf x)\otimes\mathbf I_m",
    r"\mathrm d\mathbf y = \frac{\partial\mathbf y}{\partial x_{2}}\mathrm d\mathbf x + \mathbf 1[\mathbf x > 0]",
    r"\operatorname{vec}_r(\mathbf A)_{p\,n+q} = \begin{bmatrix} u & 0 \\ 1 & \sqrt{u} \end{bmatrix} \\ = \exp(u)\,E_{1:2}",
    r"\mathbf E_{:jk} = \lVert\mathbf e_j\rVert\,\hat{\mathbf x}\,\operatorname{tr}(\mathbf S)\frac{1}{n u}",
]


@pytest.mark.parametrize("seed", range(4))
def test_signs_in_a_random_order_are_read_or_refused(seed):
    """Nothing else than a FormulaError comes of nonsense. (Fails where the formulas above fail.)"""
    rng = random.Random(seed)
    symbols = read_symbols(dict(x="n", A="m n", v="m", u="positive", E="m n p", S="n n", y="m of x", L="of y", x_hat="n"))
    cut = [[formula[sign.start:sign.end] for sign in signs(formula) if sign.end > sign.start] for formula in FORMULAS]
    every = sorted({sign for formula in cut for sign in formula})
    for _ in range(1500):
        formula = list(rng.choice(cut))
        for _ in range(rng.randint(1, 3)):
            place, other = rng.randrange(len(formula)), rng.choice(cut)
            begin = rng.randrange(len(other))
            change = rng.choice([[], [rng.choice(every)], [formula[place], rng.choice(every)], other[begin:begin + 6]])
            formula[place:place + rng.choice([1, 1, 4])] = change
            formula = formula or ["u"]
        try:
            read_equation(" ".join(formula), symbols)
        except FormulaError as error:
            assert 0 <= error.place[0] <= error.place[1] <= len(error.tex)
