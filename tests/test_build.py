"""The build: nothing is executed twice, nothing is stale, and two builds are the same to the byte."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import make_book
import pytest
from conftest import ROOT, run_jupyter_book
from test_gate import copy_book, replace_once, write_page

UNCHANGED = "Nothing has changed since the last build."
# A figure, a check, an exercise, an equation with a label and a block without one, which MyST names at random.
PAGE = r"""
```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-line
    caption: A line.
---
import torch
from utils import check_equation
from utils.figures import canvas, entries, grid, show

ax = canvas()
grid(ax, entries("a", 2, 3), "weight", title="matrix")
show(ax, alt="A matrix with 2 rows and 3 columns.")
```

$$
\frac{\partial}{\partial\mathbf x}\left(\mathbf x^\top\mathbf x\right) = 2\,\mathbf x^\top
$$ (square)

```{code-cell} ipython3
check_equation("square", x="n")
```
MORE

% illustration: shown to be numbered
\begin{align}
a &= b
\end{align}

+++ {"slideshow": {"slide_type": "slide"}}

**A square has the slope of two factors**

```{show} square
```

+++ {"slideshow": {"slide_type": "notes"}}

**1 min.** Each factor counts.

+++

```{exercise-start}
:label: ex-square
```
What is the slope of $\mathbf x^\top\mathbf x$?
```{exercise-end}
```

```{solution-start} ex-square
:class: dropdown
```
See {eq}`square`.
```{solution-end}
```

```{code-cell} ipython3
from pathlib import Path
print({name for name in ("one", "two", "three")}, list(Path.cwd().iterdir()))
```
"""


MORE = "\n".join(rf"""
$$
\frac{{\partial}}{{\partial\mathbf x}}\left({factor}\,\mathbf x^\top\mathbf x\right) = {2 * factor}\,\mathbf x^\top
$$ (square-{factor})

```{{code-cell}} ipython3
check_equation("square-{factor}", x="n")
```
""" for factor in range(2, 11))  # of ten equations, one may be an illustration
PAGE = PAGE.replace("MORE\n", MORE)


def small_book(folder: Path, *pages: str) -> Path:
    """A copy of the book with pages of the tests, and its ledger."""
    book = copy_book(folder)
    ledger = (book / "chapters/ledger.md").read_text("utf-8").replace("{ref}`notation-language`", "The notation")
    for chapter in (book / "chapters").glob("*.md"):
        chapter.unlink()
    (book / "chapters/ledger.md").write_text(ledger, "utf-8")
    contents = "".join(f"- file: chapters/{page}\n" for page in (*pages, "ledger"))
    (book / "_toc.yml").write_text(f"format: jb-book\nroot: chapters/index\nchapters:\n{contents}", "utf-8")
    write_page(book, "The root.", "index")
    return book


def files(book: Path) -> dict[str, bytes]:
    """Every file of a built site, by its path."""
    site = book / "_build/html"
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def differences(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small book, built, whose pages have a share of everything."""
    book = small_book(tmp_path_factory.mktemp("one"), "page", "other")
    (book / "chapters/numbers.csv").write_text("1\n", "utf-8")
    write_page(book, PAGE)
    write_page(book, "```{code-cell} ipython3\nfrom pathlib import Path\nfrom utils.equations import chapters\n\n"
                     "print('number', (chapters() / 'numbers.csv').read_text())\n```\n\nSee {cite:t}`goldberg1991`.\n\n"
                     "```{bibliography}\n```", "other")
    result = run_jupyter_book(book)
    assert result.returncode == 0, result.stdout[-5000:]
    return book


# --- the same to the byte ---------------------------------------------------------------------------------------------


def test_two_clean_builds_in_two_folders_at_two_times_give_the_same_bytes(small, tmp_path):
    twin = tmp_path / "a folder" / "further down"
    shutil.copytree(small, twin, ignore=shutil.ignore_patterns("_build", "__pycache__"), symlinks=True)
    elsewhere = {**os.environ, "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "12345"}  # another day, other orders of sets
    command = [Path(sys.executable).with_name("jupyter-book"), *make_book.COMMAND]
    result = subprocess.run(command, cwd=twin, env=elsewhere, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert result.returncode == 0 and "page.md: Executed notebook" in result.stdout, result.stdout[-5000:]
    assert differences(files(small), files(twin)) == []
    assert len(files(small)) > 50


def test_a_build_after_a_change_and_back_gives_the_bytes_of_a_clean_one(small):
    before, page = files(small), small / "chapters/page.md"
    text = page.read_text("utf-8")
    page.write_text(text.replace("a &= b", "a &= c").replace("A line.", "Another line."), "utf-8")
    assert run_jupyter_book(small).returncode == 0
    assert "chapters/page.html" in differences(before, files(small))
    page.write_text(text, "utf-8")
    assert run_jupyter_book(small).returncode == 0
    assert differences(before, files(small)) == []


def test_cells_run_in_an_empty_folder(small):
    assert "} []\n" in files(small)["chapters/page.html"].decode()


# --- nothing twice, nothing stale -------------------------------------------------------------------------------------


def test_with_nothing_changed_the_build_ends_without_sphinx(small):
    before = files(small)
    result = run_jupyter_book(small)
    assert result.returncode == 0 and result.stdout.strip() == UNCHANGED
    assert files(small) == before


def edit(path: str, old: str, new: str):
    def change(book: Path) -> None:
        replace_once(book / path, old, new)
    return change


class Change(NamedTuple):
    """A change of one kind of input: what is done, where it shows, and which pages run again for it."""

    kind: str
    make: Callable[[Path], None]
    page: str
    words: str
    executed: tuple[str, ...] = ()


# Those of a line are made at once: none of them would bring about what is asked of another.
CHANGES = [
    [Change("a title of another page", edit("chapters/page.md", "# A page", "# The page of squares"), "index", "The page of squares"),
     Change("a cell", edit("chapters/other.md", "'number'", "'it says'"), "other", "it says 1", ("other",))],
    [Change("an equation that a cell checks", edit("chapters/page.md", "= 2\\,\\mathbf x^\\top", "= \\mathbf x^\\top + \\mathbf x^\\top"), "page",
            r"= \mathbf x^\top + \mathbf x^\top", ("page",))],
    [Change("a table that a cell reads", lambda book: (book / "chapters/numbers.csv").write_text("2\n", "utf-8"), "other", "it says 2",
            ("page", "other"))],
    [Change("utils", edit("utils/equations.py", 'finding = (f"agrees with', 'finding = (f"is equal by'), "page", "is equal by autograd",
            ("page", "other"))],
    [Change("the bibliography", edit("chapters/references.bib", "author  = {Goldberg, David}", "author  = {Silverhill, David}"), "other",
            "Silverhill")],
    [Change("the contents", edit("_toc.yml", "- file: chapters/other\n", "- file: chapters/other\n  title: Another name\n"), "index",
            "Another name")],
    [Change("an extension", edit("_ext/theme_pages.py", "Search the chapters for a word", "Look in the chapters for a word"), "../search",
            "Look in the chapters")],
    [Change("the configuration", edit("_config.yml", "author: the authors of", "author: some friends of"), "index", "some friends of")],
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: " and ".join(change.kind for change in changes))
def test_a_change_of_any_input_reaches_the_site_and_executes_what_depends_on_it(small, changes):
    for change in changes:
        before = make_book.inputs(small)
        change.make(small)
        assert make_book.inputs(small) != before, change.kind
        assert change.words not in read(small, change.page), change.kind
    result = run_jupyter_book(small)
    assert result.returncode == 0, result.stdout[-5000:]
    for change in changes:
        assert change.words in read(small, change.page), change.kind
    executed = {page for page in ("page", "other") if f"{page}.md: Executing notebook" in result.stdout}
    assert executed == {page for change in changes for page in change.executed}


def read(book: Path, page: str) -> str:
    return (book / f"_build/html/chapters/{page}.html").read_text("utf-8")


def test_a_style_sheet_that_is_changed_reaches_the_site(small):
    with (small / "_ext/static/book.css").open("a", encoding="utf-8") as sheet:
        sheet.write("\n.of-a-test{color:red}\n")
    assert run_jupyter_book(small).returncode == 0
    assert any(b".of-a-test" in content for name, content in files(small).items() if name.endswith(".css"))


def test_pages_that_were_removed_or_overwritten_are_written_again(small):
    run_jupyter_book(small)
    before = files(small)
    (small / "_build/html/chapters/page.html").unlink()
    (small / "_build/html/chapters/other.html").write_text("something else")
    result = run_jupyter_book(small)
    assert result.returncode == 0 and "Executing notebook" not in result.stdout
    assert differences(before, files(small)) == []


def test_packages_and_the_environment_are_inputs_and_a_terminal_is_none(small, monkeypatch, tmp_path):
    before = make_book.inputs(small)
    monkeypatch.setenv("COLUMNS", "77")
    assert make_book.inputs(small) == before
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/notes")
    assert make_book.inputs(small) != before
    monkeypatch.delenv("GITHUB_REPOSITORY")
    assert make_book.inputs(small) == before
    monkeypatch.setattr("site.getsitepackages", lambda: [str(tmp_path)])
    without = make_book.inputs(small)
    (tmp_path / "sphinx-9.9.dist-info").mkdir()
    assert make_book.inputs(small) != without


def test_a_failed_build_is_tried_again(small):
    replace_once(small / "chapters/other.md", "See {cite:t}", "See {ref}`nowhere` and {cite:t}")
    for _ in range(2):
        result = run_jupyter_book(small)
        assert result.returncode != 0 and "nowhere" in result.stdout
    replace_once(small / "chapters/other.md", "See {ref}`nowhere` and {cite:t}", "See {cite:t}")
    assert run_jupyter_book(small).returncode == 0


# --- kernels ----------------------------------------------------------------------------------------------------------


def test_two_pages_run_at_the_same_time_and_each_gets_its_own_outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_KERNELS", "2")
    book = small_book(tmp_path, "left", "right")
    meet = """```{code-cell} ipython3
import time
from pathlib import Path

here, there = (Path("%s") / name for name in ("%s", "%s"))
here.touch()
for _ in range(300):
    if there.exists():
        break
    time.sleep(0.1)
print("%s has met the other" if there.exists() else "alone")
```"""
    for here, there in (("left", "right"), ("right", "left")):
        write_page(book, meet % (tmp_path, here + ".here", there + ".here", here), here)
    result = run_jupyter_book(book)
    assert result.returncode == 0, result.stdout[-5000:]
    for page in ("left", "right"):
        assert f"{page} has met the other" in files(book)[f"chapters/{page}.html"].decode()


def test_what_was_tried_on_an_equation_is_remembered_while_the_cells_before_it_stay(tmp_path):
    book = small_book(tmp_path, "page")
    write_page(book, PAGE)
    assert run_jupyter_book(book).returncode == 0
    tries = {path: path.stat().st_mtime_ns for path in (book / "_build").rglob("tries/*.json")}
    assert len(tries) == 10
    replace_once(book / "chapters/page.md", "print({name", "print('again', {name")  # the last cell
    assert "page.md: Executing notebook" in run_jupyter_book(book).stdout
    assert {path: path.stat().st_mtime_ns for path in (book / "_build").rglob("tries/*.json")} == tries
    replace_once(book / "chapters/page.md", 'entries("a", 2, 3)', 'entries("b", 2, 3)')  # the first
    assert run_jupyter_book(book).returncode == 0
    assert len(list((book / "_build").rglob("tries/*.json"))) == 20


def test_the_book_of_the_repository_shows_no_measured_time_but_in_its_tables():
    for page in (ROOT / "chapters").glob("*.md"):
        assert not re.search(r"perf_counter|timeit|time\.time\(", page.read_text("utf-8")), page.name
