"""The page of rules: the code in its tables is the code that its cells check."""

import re

import pytest
from conftest import ROOT

PAGE = (ROOT / "chapters/rules.md").read_text("utf-8")
CELLS = "\n".join(re.findall(r"```\{code-cell\}.*?```", PAGE, re.S))
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and "{eq}" in line]


def code(row: str) -> str:
    """The last code of a row; the first may be a name in the text."""
    return re.findall(r"`([^`]+)`", re.sub(r"{eq}`[^`]+`", "", row))[-1]


@pytest.mark.parametrize("row", ROWS, ids=code)
def test_the_code_of_a_rule_is_run_and_checked_below_its_table(row):
    assert re.search(rf"(?<![\w.]){re.escape(code(row))}(?![\w.])", CELLS)


@pytest.mark.parametrize("chapter", ["vector-rules", "tensor-jacobian", "kronecker-jacobians", "xw-backprop", "rms-norm"])
def test_every_rule_that_a_chapter_sums_up_is_on_the_page(chapter):
    text = (ROOT / f"chapters/{chapter}.md").read_text("utf-8")
    summary = text.split("\n## Summary\n")[1].split("\n## References\n")[0]
    labels = {label for row in summary.splitlines() if row.startswith("|") for label in re.findall(r"\{eq\}`([^`]+)`", row)}
    assert labels and labels <= set(re.findall(r"\{eq\}`([^`]+)`", PAGE))
