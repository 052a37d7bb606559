"""The displayed equations of a page, as its text has them.

Nothing is imported here that takes time: every build of the book begins by reading all pages so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

RECORD = "matrix-calculus-checked"  # the key of the records of checks in the metadata of a cell's output


@dataclass(frozen=True)
class PrintedEquation:
    """A displayed equation of a page.

    label : None where it has none
    page : the file's name without .md
    line : where its TeX begins, counted from 1
    reason : why it is an illustration and not checked, where a comment says so
    """

    tex: str
    label: str | None
    page: str
    line: int
    reason: str | None = None


_DISPLAY = re.compile(r"^(?P<before>[ \t]*%[ \t]*illustration:[ \t]*(?P<reason>[^\n]*)\n)?"
                      r"(?P<indent>[ \t]*)\$\$\n(?P<tex>.*?)\n(?P=indent)\$\$(?:[ \t]*\((?P<label>[^)\s]+)\))?[ \t]*$",
                      re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"^(```+)\{?(?:code-cell|python|bash|md|markdown|text|none)\b.*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)


def read_page(text: str, page: str) -> list[PrintedEquation]:
    r"""The displayed equations of a page, in their order.

    A line ``% illustration: why`` above an equation marks one that is not to be checked.

    >>> read_page("Text\n\n$$\na = b\n$$ (same)\n", "page")
    [PrintedEquation(tex='a = b', label='same', page='page', line=4, reason=None)]
    """
    text = _CODE.sub(lambda match: "\n" * match[0].count("\n"), text)
    return [PrintedEquation(match["tex"], match["label"], page, text.count("\n", 0, match.start("tex")) + 1, match["reason"])
            for match in _DISPLAY.finditer(text)]
