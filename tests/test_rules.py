"""The page of rules: the code in its tables is the code that its cells check."""

import re

import pytest
import torch
from conftest import ROOT

from utils import commutation_matrix, equation_report

PAGE = (ROOT / "chapters/rules.md").read_text("utf-8")


def code(row: str) -> str:
    """The last code of a row; the first may be a name in the text."""
    return re.findall(r"`([^`]+)`", re.sub(r"{eq}`[^`]+`", "", row))[-1]


def rows_and_cells(page: str) -> list[tuple[str, str]]:
    """Each row of a table of rules, with the cell below that table."""
    pairs = []
    for section in page.split("\n## ")[1:]:
        (cell,) = re.findall(r"```\{code-cell\}.*?```", section, re.S)
        pairs += [(row, cell) for row in section.splitlines() if row.startswith("|") and "{eq}" in row]
    return pairs


def is_checked(code: str, cell: str) -> bool:
    """Whether a cell claims this code in a check: as a claim, or by a name that it is given."""
    return bool(re.search(rf"(lambda [\w, ]*: |, |\(| = |return |\n +){re.escape(code)}(?=[,)\n]| @ )", cell))


@pytest.mark.parametrize(("row", "cell"), [pytest.param(*pair, id=code(pair[0])) for pair in rows_and_cells(PAGE)])
def test_the_code_of_a_rule_is_run_and_checked_below_its_table(row, cell):
    assert is_checked(code(row), cell)


def test_a_rule_whose_code_is_not_checked_is_noticed():
    cell = "check(lambda x: x @ A @ x, (x,), lambda x: x @ (A + A.T))"
    assert is_checked("x @ (A + A.T)", cell) and not is_checked("x @ (A + A)", cell) and not is_checked("A.T", cell) and not is_checked("A", cell)


@pytest.mark.parametrize("chapter", ["vector-rules", "tensor-jacobian", "kronecker-jacobians", "xw-backprop", "rms-norm"])
def test_every_rule_that_a_chapter_sums_up_is_on_the_page(chapter):
    text = (ROOT / f"chapters/{chapter}.md").read_text("utf-8")
    summary = text.split("\n## Summary\n")[1].split("\n## References\n")[0]
    labels = {label for row in summary.splitlines() if row.startswith("|") for label in re.findall(r"\{eq\}`([^`]+)`", row)}
    assert labels and labels <= set(re.findall(r"\{eq\}`([^`]+)`", PAGE))


# --- the formula of a row is what its code computes -----------------------------------------------------------------------------

SCALE = "(a.square().mean() + eps).sqrt()"
LETTERS = {  # of each table: the symbols of its formulas, as its section says
    "Vectors": {"v": "n", "x": "n", "y": "m", "A": "m n", "S": "n n symmetric"},
    "A matrix times a vector, by the matrix": {"W": "m n", "x": "n", "v": "m", "D": "m n", "B": "h m", "C": "n s", "J_y": "m"},
    "Backpropagation through a layer": {"J_Y": "N m", "X": "N m", "B": "N m"},
    "RMS-norm of one layer": {"a": "m", "eps": "positive", "g": "m", "J_v": "m", "J_a": "m", "x": "n", "W": "m n"},
}
NAMES = {"y_grad": "J_Y", "J_row": "kron(eye(m), x[None])", "J_hat": "(g * J_v)", "u": f"({SCALE})", "a_hat": f"(a / {SCALE})"}
# Derivatives of any function, single entries, and a matrix that is defined by what it does: the cell below checks them.
BY_THE_CELL = {"chain-rule-of-jacobians", "matrix-vector-tensor-jacobian", "matrix-vector-slice", "commutation-matrix", "quotient-rule-vector"}


def rows_of(page: str) -> list:
    rows = [(section.splitlines()[0], row) for section in page.split("\n## ")[1:] for row in section.splitlines()
            if row.startswith("|") and "{eq}" in row]
    return [pytest.param(title, row, id=label) for title, row in rows
            if (label := re.search(r"{eq}`([^`]+)`", row)[1]) not in BY_THE_CELL]


def compare(title: str, row: str):
    """Compare the last side of a row's formula with its code, in the row's shape and on random values."""
    name, formula, shape, *_ = (cell.strip(" |$") for cell in row.split(" | "))
    side, sizes, letters = formula.split("=")[-1], " ".join(shape.split(r"\times")), dict(LETTERS[title])
    if title == "Vectors" and "quadratic" in name or "its gradient" in name:
        letters["A"] = "n n"
    if title.startswith("Back") and ("product $" in name and "odot" not in name or "vec" in name):
        letters |= {"X": "N n", "W": "n m"}
    run = code(row)
    if "matrix-vector-gradient-by-vector" in row:
        run = run.replace("v", "J_y")  # the code of this table calls every cotangent v
    for old, new in NAMES.items():
        run = re.sub(rf"\b{old}\b", lambda match, new=new: new, run)
    if title.startswith("RMS"):
        letters |= {"u": ("scalar", eval(f"lambda a, eps: {SCALE}")), "a_hat": ("m", eval(f"lambda a, eps: a / {SCALE}")),
                    "R": ("m m", jacobian_of_norm)}
    letters["K"] = ("mn mn", lambda m, n: commutation_matrix(m, n))
    said = {glyph: value for glyph, value in letters.items() if isinstance(value, str)}
    scope = {"torch": torch, "kron": torch.kron, "outer": torch.outer, "commutation_matrix": commutation_matrix,
             "eye": lambda size: torch.eye(size, dtype=torch.float64)}
    used = [word for word in dict.fromkeys(re.findall(r"[A-Za-z_]+", f"{run} {sizes}")) if word in said]
    numbers = sorted(set(re.findall(r"[a-zA-Z]", sizes + " " + " ".join(re.findall(r"\b[mnN]\b", run)))))
    extent = ", ".join("*".join(part if part.isdigit() else list(part)) for part in sizes.split())
    function = eval(f"lambda {', '.join(dict.fromkeys([*used, *numbers]))}: ({run}).reshape({extent})", scope)
    needed = {glyph: value for glyph, value in letters.items() if glyph in used or glyph_in(glyph, side)}
    for glyph, value in list(needed.items()):
        if callable(value[-1]):
            needed |= {word: letters[word] for word in value[1].__code__.co_varnames[:value[1].__code__.co_argcount] if word in letters}
    return equation_report(rf"\mathbf F = {side}", **needed, F=(sizes, function))


def jacobian_of_norm(a, eps):
    return torch.autograd.functional.jacobian(lambda a: a / (a.square().mean() + eps).sqrt(), a)


def glyph_in(name: str, tex: str) -> bool:
    """Whether a formula has the symbol of this name."""
    sign = {"eps": r"\varepsilon", "a_hat": r"\hat{\mathbf a}", "u": "u"}.get(
        name, rf"\mathbf J_{{\mathbf {name[2:]}}}" if name.startswith("J_") else rf"\mathbf {name}")
    return re.search(re.escape(sign) + ("" if sign.endswith("}") else "(?![a-zA-Z])"), tex.replace("mu", "m u")) is not None


@pytest.mark.parametrize(("title", "row"), rows_of(PAGE))
def test_the_formula_of_a_rule_is_what_its_code_computes(title, row):
    report = compare(title, row)
    assert report.ok, report


def test_a_formula_that_is_not_what_the_code_computes_is_noticed():
    row = next(param.values[1] for param in rows_of(PAGE) if param.id == "product-jacobian-by-weights-row-major")
    assert not compare("Backpropagation through a layer", row.replace(r"\mathbf X\otimes\mathbf I_m", r"\mathbf I_m\otimes\mathbf X")).ok
