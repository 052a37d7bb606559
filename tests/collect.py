"""The checks of equations that the chapters make, collected by running their cells in this process."""

import builtins
import contextlib
import io
import os
import re
from pathlib import Path
from unittest import mock

import torch

from utils import equations

ROOT = Path(__file__).parents[1]
_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_SHOWN = re.compile(r"^````text\n.*?^````$", re.DOTALL | re.MULTILINE)  # source that is shown, not run
_OPTIONS = re.compile(r"\A(?:---\n.*?\n---\n|(?::[^\n]*\n)+\n?)", re.DOTALL)


def cells(page: Path) -> list[str]:
    """The source of a page's code cells, without their options."""
    text = _SHOWN.sub("", page.read_text("utf-8"))
    return [_OPTIONS.sub("", source) for source in _CELL.findall(text)]


def checks(page: Path) -> dict[str, equations.Check]:
    """The checks of labelled equations that a page makes, by label."""
    found: dict[str, equations.Check] = {}
    report = equations._report

    def note(check, label, given, draws):
        if label:
            found[label] = check
        return report(check, label, given, draws)

    names = {"__name__": "__main__"}
    before, dtype = Path.cwd(), torch.get_default_dtype()
    os.chdir(page.parent)
    try:
        with mock.patch.object(equations, "_report", note), contextlib.redirect_stdout(io.StringIO()), \
                mock.patch.object(builtins, "display", lambda *shown: None, create=True):
            for source in cells(page):
                exec(compile(source, str(page), "exec"), names)  # noqa: S102  our own chapters
    finally:
        os.chdir(before)
        torch.set_default_dtype(dtype)
    return found
