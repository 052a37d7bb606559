"""What a build costs beside its floor, and whether two builds are the same: `make bench-build` prints the table.

The floor of a chapter is a bare kernel and the chapter's cells in it, without the mistakes that the book tries on its
equations. The floor of the book is the sum over its chapters, one after the other.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat
from conftest import ROOT
from myst_nb.core.read import read_myst_markdown_notebook
from nbclient import NotebookClient
from test_build import differences, files
from test_gate import copy_book

ENVIRONMENT = dict(os.environ)
SURROUNDINGS = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "BOOK_MUTANTS": ""}


class Cost(NamedTuple):
    """Seconds by the clock, and of all processors together."""

    clock: float
    work: float

    def __str__(self) -> str:
        return f"{self.clock:8.1f} s {self.work:8.1f} s"


def cost(run: Callable[[], object]) -> Cost:
    """What a run costs that starts processes and waits for them."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(time.perf_counter() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def execute(notebook: nbformat.NotebookNode) -> None:
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()


def floors() -> dict[str, Cost]:
    """The floor of each chapter that has cells; the kernel's own start is in it."""
    found = {}
    os.environ.update(SURROUNDINGS, PYTHONPATH=str(ROOT))
    for page in sorted((ROOT / "chapters").glob("*.md")):
        text = page.read_text("utf-8")
        if "kernelspec:" in text and "```{code-cell}" in text:
            found[page.stem] = cost(lambda: execute(read_myst_markdown_notebook(text)))
            line(f"floor of {page.stem}", found[page.stem])
    return found


def build(book: Path, **surroundings: str) -> Cost:
    def run() -> None:
        environment = {**ENVIRONMENT, **surroundings}
        result = subprocess.run([sys.executable, "_ext/make_book.py"], cwd=book, env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        if result.returncode:
            sys.exit(result.stdout[-5000:])

    return cost(run)


def edit_cell(page: Path, which: int) -> None:
    """Change one of the plain cells of a page, counted from its first or from its last."""
    text = page.read_text("utf-8")
    begin = [match.end() for match in re.finditer(r"^```\{code-cell\} ipython3\n(?!:|---)", text, re.MULTILINE)][which]
    page.write_text(f"{text[:begin]}edited = True\n{text[begin:]}", "utf-8")


def line(what: str, came: Cost, floor: Cost | None = None) -> None:
    print(f"{what:52}{came}" + (f"{came.clock / floor.clock:8.2f}" if floor else ""), flush=True)


def main() -> int:
    print(f"{'':52}{'clock':>10} {'all cores':>10}{'/ floor':>8}")
    empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("pass")])
    line("a bare kernel", cost(lambda: execute(empty)))
    floor = floors()
    whole = Cost(*(sum(parts) for parts in zip(*floor.values())))
    line("floor of the book", whole)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        book = copy_book(Path(one))
        line("clean build", build(book), whole)
        line("nothing changed", build(book))
        clean = files(book)
        for chapter in sorted(floor, key=lambda name: floor[name].clock)[-1:-4:-2]:
            for which, said in ((-1, "last"), (0, "first")):
                edit_cell(book / f"chapters/{chapter}.md", which)
                line(f"the {said} cell of {chapter} edited", build(book), floor[chapter])
        twin = copy_book(Path(other, "further", "down"))
        line("clean build, one kernel at a time", build(twin, BOOK_KERNELS="1", TZ="Pacific/Kiritimati"), whole)
        unlike = differences(clean, files(twin))
    print("The two clean builds are the same to the byte." if not unlike else f"The two clean builds differ in {', '.join(unlike)}.")
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
