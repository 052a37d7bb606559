"""The gate, in the real build: on copies of the book with something broken."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, newest_cache, run_jupyter_book

# One claim of each chapter, a mistake that a person could make in it, and what the gate must name.
BREAKS = {
    "vector-rules": ("check_gradient(quadratic, (x, A), (lambda x, A: x @ (A + A.T), None))",
                     "check_gradient(quadratic, (x, A), (lambda x, A: x @ (A + A), None))", "gradient by x"),
    "tensor-jacobian": ("(None, lambda v, A, x: torch.outer(v, x), None))",
                        "(None, lambda v, A, x: torch.outer(torch.ones(len(v)), x), None))", "gradient by A"),
    "kronecker-jacobians": ("(lambda w, x: torch.kron(torch.eye(m), x[None]), None))",
                            "(lambda w, x: torch.kron(x[None], torch.eye(m)), None))", "Jacobian by w"),
    "xw-backprop": ("(None, lambda X, W: X.T @ y_grad))", "(None, lambda X, W: X.T @ y_grad / len(X)))", "gradient by W"),
    "rms-norm": ("lambda W, x, g, b: J_v * (W @ x) / rms(W @ x, eps),", "lambda W, x, g, b: J_v * (W @ x),",
                 "gradient by g"),
    "check-a-gradient": ("(2e-12 * x,)", "(3e-12 * x,)", "gradient by x"),
    "errata-museum": ("(lambda X, W, J_Y: J_Y @ W.T, None, None))", "(lambda X, W, J_Y: 2 * J_Y @ W.T, None, None))",
                      "gradient by X"),
}


def copy_book(folder: Path, executed: bool = False) -> Path:
    """The book without what was built or installed, and links to its Node packages.

    Where ``executed`` is true it has the cells that the build of the site has executed, so that its own build executes what
    a test changes, and no more.
    """
    made = shutil.ignore_patterns(".git", ".venv", "_build", "node_modules", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, folder, ignore=made, dirs_exist_ok=True)
    for node_modules in ("_ext/typeset/node_modules", "_ext/slides/node_modules", "_ext/notebooks/node_modules"):
        os.symlink(ROOT / node_modules, folder / node_modules)
    if executed:
        cache = newest_cache()
        shutil.copytree(cache, folder / "_build/.jupyter_cache" / cache.name)  # with other utils it has another name
    return folder


def replace_once(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) == 1, f"{file.name} holds {text.count(old)} times: {old}"
    file.write_text(text.replace(old, new), "utf-8")


@pytest.fixture(scope="module")
def broken(build, tmp_path_factory):
    """A copy with one gradient broken in each chapter, its build, and another with that of one chapter left."""
    book = copy_book(tmp_path_factory.mktemp("broken"), executed=True)
    for chapter, (right, wrong, _) in BREAKS.items():
        replace_once(book / f"chapters/{chapter}.md", right, wrong)
    first = run_jupyter_book(book)
    for chapter in list(BREAKS)[1:]:  # what the others broke takes a minute to execute again
        shutil.copy2(ROOT / f"chapters/{chapter}.md", book / f"chapters/{chapter}.md")
    return book, first, run_jupyter_book(book)


def test_every_chapter_has_a_gradient_that_this_test_breaks():
    numbered = re.findall(r"file: chapters/(\S+)", (ROOT / "_toc.yml").read_text("utf-8"))
    assert set(BREAKS) == set(numbered) - {"notation", "rules", "glossary", "ledger", "run-it-yourself", "teach", "write-a-chapter", "bibliography"}


@pytest.mark.parametrize(("chapter", "run"), [*((chapter, 1) for chapter in BREAKS), (list(BREAKS)[0], 2)])
def test_a_broken_gradient_fails_the_build_naming_chapter_cell_quantity_entry_expected_and_got(broken, chapter, run):
    result = broken[run]
    assert result.returncode != 0
    sentence = (rf"chapters/{chapter}\.md, code cell \d+ \(line \d+\): GradientMismatch: "
                rf"The {re.escape(BREAKS[chapter][2])} .*expected .+, got .+")
    assert re.search(sentence, result.stdout), result.stdout[-5000:]


def test_the_line_named_is_where_the_broken_cell_begins(broken):
    _, first, _ = broken
    for chapter, (right, wrong, _) in BREAKS.items():
        line = int(re.search(rf"chapters/{chapter}\.md, code cell \d+ \(line (\d+)\)", first.stdout)[1])
        lines = (ROOT / f"chapters/{chapter}.md").read_text("utf-8").replace(right, wrong).splitlines()
        cell = "\n".join(lines[line - 1:]).split("```")[0]
        assert wrong in cell


def test_a_build_says_which_chapter_it_executes(broken):
    for chapter in BREAKS:
        assert re.search(rf"chapters/{chapter}\.md: Executing notebook", broken[1].stdout)


@pytest.fixture(scope="module")
def mended(broken):
    """The broken copy with its chapters put back."""
    book = broken[0]
    for chapter in list(BREAKS)[:1]:
        shutil.copy2(ROOT / f"chapters/{chapter}.md", book / f"chapters/{chapter}.md")
    return book, run_jupyter_book(book)


def test_putting_the_gradients_back_opens_the_gate(mended):
    assert mended[1].returncode == 0, mended[1].stdout[-5000:]


def test_a_build_with_nothing_changed_executes_nothing(mended):
    again = run_jupyter_book(mended[0])
    assert again.returncode == 0 and "Executing notebook" not in again.stdout


@pytest.fixture(scope="module")
def wrong_utils(small_book):
    """A book with the cells of a chapter up to its first vec, built; then a mistake in utils alone, and two builds.

    The mistake: row-major vec walks down the columns.
    """
    chapter = (ROOT / "chapters/kronecker-jacobians.md").read_text("utf-8")
    cells = re.findall(r"^```\{code-cell\}.*?^```$", chapter, re.DOTALL | re.MULTILINE)
    first = next(number for number, cell in enumerate(cells) if 'vec(A, "row")' in cell)
    write_page(small_book, "\n\n".join(cell for cell in cells[:first + 1] if "check_equation(" not in cell and "slideshow" not in cell))
    right = run_jupyter_book(small_book)
    utils = small_book / "utils/layout.py"
    before = utils.read_text("utf-8")
    replace_once(utils, 'return order == "row"', 'return order != "row"')
    yield right, run_jupyter_book(small_book), run_jupyter_book(small_book)
    utils.write_text(before, "utf-8")


@pytest.mark.parametrize("run", [1, 2], ids=["first", "second"])
def test_a_change_of_utils_alone_executes_the_chapters_again_and_fails(wrong_utils, run):
    assert wrong_utils[0].returncode == 0, wrong_utils[0].stdout[-5000:]
    assert wrong_utils[run].returncode != 0
    assert re.search(r"chapters/page\.md, code cell \d+ \(line \d+\): AssertionError", wrong_utils[run].stdout), (
        wrong_utils[run].stdout[-5000:])


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    """A copy with a page that each test writes."""
    book = copy_book(tmp_path_factory.mktemp("small"))
    for chapter in (book / "chapters").glob("*.md"):
        chapter.unlink()
    (book / "_toc.yml").write_text("format: jb-book\nroot: chapters/index\nchapters:\n- file: chapters/page\n", "utf-8")
    write_page(book, "The root.", "index")
    return book


def write_page(book: Path, body: str, name: str = "page") -> None:
    header = (ROOT / "chapters/notation.md").read_text("utf-8").split("\n---\n")[0]
    (book / f"chapters/{name}.md").write_text(f"{header}\n---\n\n# A page\n\n{body}\n", "utf-8")


@pytest.mark.parametrize(("body", "words"), [
    ("```{code-cell} ipython3\n1 / 0\n```", "page.md, code cell 1 (line 18): ZeroDivisionError: division by zero"),
    ("```{code-cell} ipython3\n:tags: [raises-exception]\n1 / 0\n```", "page.md, code cell 1 (line 19): the tag raises-exception"),
    ("```{code-cell} ipython3\nimport warnings\nwarnings.warn('a point is a kink')\n```", "stderr was found"),
    ("```{code-cell} ipython3\n:tags: [skip-execution]\n1 / 1\n```", "page.md, code cell 1 (line 19): this cell was not executed"),
    ("```{code-cell} ipython3\nobject()\n```", "page.md, code cell 1 (line 18): the output shows where an object lies in memory"),
    ("See {ref}`nowhere`.", "undefined label: 'nowhere'"),
    ("See {eq}`no-such-equation`.", "no-such-equation"),
    ("$$\n\\frac{1\n$$", "page.md:17: WARNING"),
])
def test_a_cell_that_raises_or_warns_and_any_warning_of_sphinx_fail_the_build_twice(small_book, body, words):
    write_page(small_book, body)
    for _ in range(2):
        result = run_jupyter_book(small_book)
        assert result.returncode != 0 and words in result.stdout, result.stdout[-3000:]


def test_a_page_that_was_mended_opens_the_gate(small_book):
    write_page(small_book, "```{code-cell} ipython3\n1 / 0\n```\n\nSee {ref}`nowhere`.")
    assert run_jupyter_book(small_book).returncode != 0
    write_page(small_book, "All is well.")
    assert run_jupyter_book(small_book).returncode == 0


def test_a_change_of_words_alone_executes_nothing_and_leaves_the_gate_open(small_book):
    cells = "```{code-cell} ipython3\n1 + 1\n```\n"
    write_page(small_book, f"{cells}Some words.")
    assert run_jupyter_book(small_book).returncode == 0
    write_page(small_book, f"{cells}Other words.")
    result = run_jupyter_book(small_book)
    assert result.returncode == 0 and "Executing notebook" not in result.stdout, result.stdout[-3000:]


def test_a_change_of_the_bibliography_reaches_the_pages_that_cite_it(small_book):
    write_page(small_book, "See {cite:t}`goldberg1991`.\n\n```{bibliography}\n```")
    assert run_jupyter_book(small_book).returncode == 0
    replace_once(small_book / "chapters/references.bib", "author  = {Goldberg, David}", "author  = {Silverhill, David}")
    assert run_jupyter_book(small_book).returncode == 0
    assert "Silverhill [" in (small_book / "_build/html/chapters/page.html").read_text("utf-8")


def test_a_page_that_is_not_executed_fails_the_build(small_book):
    write_page(small_book, "```{code-cell} ipython3\n1 / 0\n```")
    page = small_book / "chapters/page.md"
    page.write_text(page.read_text("utf-8").replace("myst:\n", "mystnb:\n  execution_mode: \"off\"\nmyst:\n", 1), "utf-8")
    result = run_jupyter_book(small_book)
    assert result.returncode != 0 and "code cell 1 (line 20): this cell was not executed" in result.stdout


def test_a_page_that_nobody_named_in_the_contents_fails_the_build(small_book):
    write_page(small_book, "All is well.")
    write_page(small_book, "Forgotten.", "forgotten")
    result = run_jupyter_book(small_book)
    (small_book / "chapters/forgotten.md").unlink()
    assert result.returncode != 0 and "chapters/forgotten.md is not in _toc.yml" in result.stdout


def test_a_build_that_was_killed_is_not_trusted_by_the_next(small_book):
    write_page(small_book, "See {ref}`nowhere`.")
    process = subprocess.Popen([Path(sys.executable).with_name("jupyter-book"), "build", "."], cwd=small_book, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with process:
        for line in process.stdout:
            if "preparing documents" in line:  # the page was read and stored; its warning will not come again by itself
                process.kill()
    result = run_jupyter_book(small_book)
    assert result.returncode != 0 and "undefined label: 'nowhere'" in result.stdout
