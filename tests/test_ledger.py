"""The ledger and the gate of equations, in the real build."""

import random
import re
from dataclasses import replace
from pathlib import Path

import collect
import pytest
from conftest import ROOT, run_jupyter_book
from test_gate import BREAKS, copy_book, replace_once, write_page

from utils import mutants
from utils.equations import read_page

# torch says this of a function of its own when a chapter first calls it.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
# The chapters that print equations: of each, one is changed.
CHAPTERS = [chapter for chapter in BREAKS if read_page((ROOT / f"chapters/{chapter}.md").read_text("utf-8"), chapter)]
CHANGED = CHAPTERS[1::2]  # to execute a chapter takes a quarter of a minute; every one has a gradient that test_gate breaks
CHECK = '```{{code-cell}} ipython3\nfrom utils import check_equation\n{}\n```\n'
SQUARE = "$$\n\\frac{\\partial}{\\partial\\mathbf x}\\left(\\mathbf x^\\top\\mathbf x\\right) = 2\\,\\mathbf x^\\top\n$$ (square)\n"
CHECKED = SQUARE + "\n" + CHECK.format('check_equation("square", x="n")')


# --- the site ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def equations():
    return [equation for page in sorted((ROOT / "chapters").glob("*.md"))
            for equation in read_page(page.read_text("utf-8"), page.stem)]


def test_each_checked_equation_has_a_mark_that_leads_to_its_row_and_no_other_has(site, equations):
    import bs4

    pages = {path.stem: bs4.BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in (site / "chapters").glob("*.html")
             if not path.stem.endswith("-slides")}
    rows = {row["id"]: row for row in pages["ledger"].select("tr[id^=ledger-]")}
    marks = 0
    for equation in equations:
        block = pages[equation.page].find(id=f"equation-{equation.label}")
        mark = block.select_one("a.checked")
        assert bool(mark) == (equation.reason is None), equation.label
        if mark:
            marks += 1
            page, _, row = mark["href"].partition("#")
            assert page == "ledger.html" and equation.label in rows[row].get_text()
            assert mark["aria-label"].startswith(f"Equation {block.select_one('.eqno').get_text().split(')')[0]})")
    assert marks == len(rows) > 150
    assert sum(len(page.select("a.checked")) for page in pages.values()) == marks


def test_the_ledger_says_of_each_equation_with_what_it_was_compared_how_often_and_how_exactly(site, equations):
    import bs4

    page = bs4.BeautifulSoup((site / "chapters/ledger.html").read_text("utf-8"), "html.parser")
    for row in page.select("tr[id^=ledger-]"):
        facts = {dt.get_text().rstrip(":"): dd.get_text().strip() for dt, dd in zip(row.select("dt"), row.select("dd"))}
        assert set(facts) >= {"Compared with", "Symbols", "Draws", "Worst error", "Exactly", "Mistakes tried"}, row["id"]
        assert float(facts["Worst error"]) < 1e-12
        assert "<" not in facts.get("Given", ""), "each given equation is a link or a formula, not its source"
        assert re.match(r"proved|numeric only: ", facts["Exactly"])
        tried, caught = map(int, re.match(r"(\d+), of which (\d+) were caught", facts["Mistakes tried"]).groups())
        same = len(row.select("details li"))
        assert tried == caught + same and caught > 3
    for equation in equations:
        if equation.reason:
            assert equation.reason in page.get_text()


# --- the gate, on a small book ----------------------------------------------------------------------------------------


def book_of(folder: Path, *pages: str) -> Path:
    """A copy of the book with pages that the tests write, and its ledger."""
    book = copy_book(folder)
    ledger = (book / "chapters/ledger.md").read_text("utf-8").replace("{ref}`notation-language`", "The notation")
    for chapter in (book / "chapters").glob("*.md"):
        chapter.unlink()
    (book / "chapters/ledger.md").write_text(ledger, "utf-8")
    files = "".join(f"- file: chapters/{page}\n" for page in (*pages, "ledger"))
    (book / "_toc.yml").write_text(f"format: jb-book\nroot: chapters/index\nchapters:\n{files}", "utf-8")
    for page in ("index", *pages):
        write_page(book, "Nothing yet.", page)
    return book


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    return book_of(tmp_path_factory.mktemp("ledger"), "page", "other")


def test_equations_that_were_not_checked_fail_the_build_twice_each_with_what_to_do(small_book):
    write_page(small_book, "\n".join([
        SQUARE.replace("square", "unchecked"),
        "$$\na = b\n$$\n",
        SQUARE.replace("square", "not-shown") + "\n" + CHECK.format('check_equation("not-shown", x="n");'),
        "% illustration:\n$$\na = c\n$$ (without-reason)\n",
        "% illustration: only drawn\n" + CHECKED,
        CHECK.format("check_equation(r'\\frac{\\partial u}{\\partial\\mathbf x} = \\mathbf x^\\top', x='n', "
                     "given=r'u = \\frac12\\mathbf x^\\top\\mathbf x')")]))
    for _ in range(2):
        result = run_jupyter_book(small_book)
        assert result.returncode != 0
        for words in [
            r"unchecked: this displayed equation is not checked: \frac{\partial}{\partial\mathbf x}",
            'check it in a cell that ends with check_equation("unchecked", …)',
            "an equation without a label: this displayed equation is not checked: a = b",
            "give it a label for that",
            "not-shown: this displayed equation is not checked",
            "without-reason: an illustration needs a reason",
            "square: this equation is checked, so it is not an illustration",
            "but no check on this page compares it with code",
            "2 of 5 displayed equations are marked as illustrations, and at most one in 10 may be",
        ]:
            assert words in result.stdout, (words, result.stdout[-4000:])


def test_a_checked_equation_passes_and_a_changed_one_is_executed_again_although_its_cell_is_not(small_book):
    write_page(small_book, CHECKED)
    result = run_jupyter_book(small_book)
    assert result.returncode == 0, result.stdout[-3000:]
    assert 'class="checked"' in (small_book / "_build/html/chapters/page.html").read_text("utf-8")
    write_page(small_book, CHECKED.replace("= 2\\,", "= 3\\,"))
    for _ in range(2):
        result = run_jupyter_book(small_book)
        assert result.returncode != 0, result.stdout[-3000:]
        assert re.search(r"page\.md, code cell 1 \(line \d+\): EquationMismatch: The equation square is wrong: at entry \(1, 1\), "
                         r"the left side is \S+, the right side is \S+ .* It holds with 2 in place of 3", result.stdout)
    assert 'class="checked"' not in (small_book / "_build/html/chapters/page.html").read_text("utf-8")


def test_a_change_of_words_executes_nothing_and_keeps_the_mark(small_book):
    write_page(small_book, CHECKED)
    assert run_jupyter_book(small_book).returncode == 0
    write_page(small_book, "Some words.\n\n" + CHECKED)
    result = run_jupyter_book(small_book)
    assert result.returncode == 0 and "Executing notebook" not in result.stdout, result.stdout[-3000:]
    assert 'class="checked"' in (small_book / "_build/html/chapters/page.html").read_text("utf-8")


def test_an_equation_of_another_page_that_changes_executes_the_page_that_takes_it_as_given(small_book):
    defined = "$$\nu = \\mathbf x^\\top\\mathbf x\n$$ (length)\n\n" + CHECK.format(
        'check_equation("length", x="n", u=("scalar", lambda x: x.square().sum()))')
    by_x = "$$\n\\frac{\\partial u}{\\partial\\mathbf x} = 2\\,\\mathbf x^\\top\n$$ (length-by-x)\n\n" + CHECK.format(
        'check_equation("length-by-x", x="n", given="length")')
    write_page(small_book, by_x)
    write_page(small_book, defined, "other")
    result = run_jupyter_book(small_book)
    assert result.returncode == 0, result.stdout[-3000:]
    write_page(small_book, defined.replace("u = ", "u = 3\\,").replace("x.square()", "3 * x.square()"), "other")
    result = run_jupyter_book(small_book)
    assert re.search(r"page\.md, code cell 1 .*EquationMismatch: The equation length-by-x is wrong", result.stdout), result.stdout[-3000:]
    write_page(small_book, "Nothing yet.", "other")


def test_a_check_that_sees_no_mistake_fails_the_build(small_book):
    write_page(small_book, "$$\n\\mathbf x = \\mathbf x + \\mathbf y\n$$ (blind)\n\n" + CHECK.format(
        'check_equation("blind", x="n", y=("n", lambda x: x.new_zeros(len(x))))'))
    result = run_jupyter_book(small_book)
    assert result.returncode != 0 and "does not see a mistake" in result.stdout, result.stdout[-3000:]


# --- the gate, on the book --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wrong_equations(build, tmp_path_factory):
    """A copy of the book with one printed equation of some chapters changed, as a person gets it wrong, and its build."""
    book = copy_book(tmp_path_factory.mktemp("mutants"), executed=True)
    chance, changed = random.Random(3), {}
    for chapter in CHANGED:
        page = book / f"chapters/{chapter}.md"
        checks = collect.checks(page)
        labels = [label for label in checks if "given" not in label][:6]  # the chapter is executed as far as there
        while True:
            label = chance.choice(labels)
            check = replace(checks[label], tex=mutants.plain_brackets(checks[label].tex))
            mutant = chance.choice(mutants.mutants(check))
            if not mutants.passes(check, mutant, 3):
                break
        replace_once(page, f"$$\n{checks[label].tex}\n$$ ({label})", f"$$\n{mutant.tex}\n$$ ({label})")
        changed[chapter] = (label, mutant.tex)
    return changed, run_jupyter_book(book)


@pytest.mark.parametrize("chapter", CHANGED)
def test_a_printed_equation_that_is_changed_in_the_text_fails_the_build(wrong_equations, chapter):
    changed, result = wrong_equations
    assert result.returncode != 0
    assert re.search(rf"chapters/{chapter}\.md, code cell \d+ \(line \d+\): (EquationMismatch|FormulaError): .", result.stdout), (
        changed[chapter], result.stdout[-6000:])


def test_a_chapter_made_from_the_example_for_authors_passes_the_gate(tmp_path_factory):
    page = (ROOT / "chapters/write-a-chapter.md").read_text("utf-8")
    shown = re.search(r"^````text\n(.*?)^````$", page, re.DOTALL | re.MULTILINE)[1]
    assert shown.strip() in page.split("\n````\n", 1)[1], "what the page shows is what the build executes"
    book = book_of(tmp_path_factory.mktemp("author"), "mine")
    # The equations of other chapters that the example refers to are not in this small book.
    write_page(book, re.sub(r"\{eq\}`[^`]+`", "that equation", shown.replace("squared-length", "my-length")), "mine")
    result = run_jupyter_book(book)
    assert result.returncode == 0, result.stdout[-5000:]
    html = (book / "_build/html/chapters/mine.html").read_text("utf-8")
    assert html.count('class="checked"') == 3
