"""The page of rules: the code in its tables is the code that its cells check."""

import re

import pytest
from conftest import ROOT

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
