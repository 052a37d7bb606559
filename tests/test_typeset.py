"""The formulas of small books, typeset by the extension and compared with what Sphinx does for MathJax."""

import doctest
import io
import re
import subprocess
from collections import Counter

import pytest
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.console import strip_colors
from sphinx.util.docutils import docutils_namespace

from typeset import font, temml

CONTENTS = "# The book\n\n```{{toctree}}\n:numbered:\n{}\n```\n"
ONE = r"""# A vector $\mathbf x$

In the text $\mathbf x^\top\mathbf x$, and a link to {eq}`elsewhere`, {eq}`rows` and {eq}`cases`.

$$
y &= x < 1 \\
z &= x > 1
$$ (rows)

$$ \begin{aligned} a &= b \\ &= c \end{aligned} $$

\begin{align}
u &= v \\
  &= w
\end{align}

\begin{gather*}
\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix} \begin{pmatrix} \underbrace{1}_{n} \\ 2 \end{pmatrix}
\end{gather*}

$$ \operatorname{relu}(x) = \begin{cases} x & x > 0 \\ 0 & \text{otherwise} \end{cases} $$ (cases)

```{figure} none.svg
A caption with $\alpha$
```

```{math}
:label: two-paragraphs
E = m c^2

F = m a
```
"""
TWO = "# Two\n\n$$ \\begin{split} a &= b \\end{split} $$ (elsewhere)\n\n{eq}`cases`, $\\mathbf x^\\top\\mathbf x$.\n"
BOOK = {"index": CONTENTS.format("one\ntwo"), "one": ONE, "two": TWO}


def build(folder, pages, renderer="typeset", prepare=None, **configuration):
    """Write the pages below a folder and build them; return the HTML of each, and the warnings."""
    source, site = folder / "source", folder / "site"
    source.mkdir(exist_ok=True)
    for name, text in pages.items():
        if not (page := source / f"{name}.md").exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")
    (source / "none.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    settings = {
        "extensions": ["myst_parser", *([renderer] if renderer else [])],
        "html_theme": "basic",
        "myst_enable_extensions": ["dollarmath", "amsmath"],
        "myst_update_mathjax": False,
        "numfig": True,
        **configuration,
    }
    warnings = io.StringIO()
    with docutils_namespace():
        app = Sphinx(source, None, site, folder / "doctrees", "html", settings, status=None, warning=warnings)
        if prepare:
            prepare(app)
        app.build()
    return {name: (site / f"{name}.html").read_text("utf-8") for name in pages}, strip_colors(warnings.getvalue())


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    pages, warnings = build(folder, BOOK)
    assert warnings == ""
    return folder, pages


def numbers(page):
    """The equations of a page and the links to them: what stands there, and where it leads."""
    equations = re.findall(r'class="eqno">(\(.*?\))<a .*?href="(#.*?)"', page)
    links = re.findall(r'href="([^"]*#equation-[^"]*)"[^>]*>(\([^<]*\))<', page)
    return [pair for pair in equations if "-display-" not in pair[1] and not re.search("[0-9a-f]{12}$", pair[1])], links


def test_numbers_and_references_are_those_that_sphinx_gives_to_mathjax(book, tmp_path):
    with_mathjax, _ = build(tmp_path, BOOK, renderer=None)
    assert "mathjax" in with_mathjax["one"].lower()
    for name, page in book[1].items():
        assert numbers(page) == numbers(with_mathjax[name])
    assert numbers(book[1]["one"]) == (
        [("(1.1)", "#equation-rows"), ("(1.3)", "#equation-cases"), ("(1.4)", "#equation-two-paragraphs")],
        [("two.html#equation-elsewhere", "(2.1)"), ("#equation-rows", "(1.1)"), ("#equation-cases", "(1.3)")],
    )


def test_every_equation_has_one_number_and_a_link_with_a_name(book):
    page = book[1]["one"]
    assert "tml-eqn" not in page  # Temml's own numbers
    assert page.count('class="eqno"') == 4
    for number in ("(1.1)", "(1.2)", "(1.3)", "(1.4)"):
        assert f'aria-label="Equation {number}"' in page
        assert f'<a aria-label="Link to this equation {number}" class="headerlink"' in page


def test_no_id_of_a_page_stands_for_two_things(book):
    for page in book[1].values():
        assert [name for name, count in Counter(re.findall(r'\bid="([^"]*)"', page)).items() if count > 1] == []


def test_every_formula_is_mathml_that_carries_its_tex(book):
    page = book[1]["one"]
    formulas = re.findall(r"<math\b.*?</math>", page, re.DOTALL)
    assert len(formulas) == page.count('<annotation encoding="application/x-tex">') == 9
    assert page.count('<math display="block" class="tml-display">') == page.count('class="math-scroll"') == 6
    assert "<mi>𝐱</mi>" in page
    assert "<mo>&lt;</mo>" in page


def test_no_formula_has_a_style_of_its_own_which_pages_may_not_have(book):
    for page in book[1].values():
        assert [formula for formula in re.findall(r"<math\b.*?</math>", page, re.DOTALL) if " style=" in formula] == []
        style = (book[0] / "site/_static/typeset/math.css").read_text("utf-8")
        assert [name for name in set(re.findall(r"\btml-[a-z-]+", page)) if f".{name}" not in style] == []


def test_a_long_formula_in_the_text_may_break_but_not_between_a_function_and_its_argument(tmp_path):
    tex = r"y = f(x) + \log(a + b + c + d) + \sin x - \cos x + e"
    pages, _ = build(tmp_path, {"index": f"# A\n\n${tex}$ and $x + y$.\n"})
    long, short = re.findall(r"<math\b.*?</math>", pages["index"], re.DOTALL)
    assert re.match(r'<math><semantics><mrow class="tml-breaks">(<mrow>.*</mrow>)</mrow><annotation', long)
    assert "\u2061</mo></mrow>" not in long
    assert "tml-breaks" not in short


def test_no_circled_operator_grows_in_a_display(tmp_path):
    """Firefox draws these as large as a sum, unless it is told not to."""
    pages, _ = build(tmp_path, {"index": "# One\n\n$$ a\\odot b\\otimes c\\oplus d $$\n"})
    assert re.findall(r"<mo([^>]*)>([⊙⊗⊕])\ufe0e?</mo>", pages["index"]) == [(' largeop="false"', sign) for sign in "⊙⊗⊕"]


def test_a_minus_behind_a_comma_is_a_sign_and_the_sign_of_a_root_is_never_low(tmp_path):
    pages, _ = build(tmp_path, {"index": "# A\n\n$(1,\\,-2)$, $x - y$ and $\\sqrt\\varepsilon$.\n"})
    signed, difference, root = re.findall(r"<math\b.*?</math>", pages["index"], re.DOTALL)
    assert '<mo form="prefix">−</mo>' in signed and "prefix" not in difference
    assert re.search(r'<msqrt><mspace height="[^"]+" depth="[^"]+"></mspace><mi>ε</mi></msqrt>', root)


def test_no_page_asks_for_mathjax_or_for_another_site(book):
    for page in book[1].values():
        assert "mathjax" not in page.lower()
        assert re.findall(r'<(?:script|link)[^>]*(?:src|href)="[^"]*//[^"]*"', page) == []


def test_every_display_scrolls_in_a_box_that_the_keyboard_reaches(book):
    folder, pages = book
    boxes = re.findall(r'<div class="math-scroll"([^>]*)><math display="block"', pages["one"])
    assert len(boxes) == 6
    assert all(re.fullmatch(r' role="group" aria-label="Equation[^"]*" tabindex="0"', box) for box in boxes)
    style = (folder / "site/_static/typeset/math.css").read_text("utf-8")
    assert re.search(r"\.math-scroll \{[^}]*overflow: auto hidden;", style)


def test_the_font_has_the_characters_of_the_formulas_and_no_others(book):
    with TTFont(book[0] / "site/_static/typeset/math.woff2") as written:
        shown, tables = set(written.getBestCmap()), set(written.keys())
    wanted = font.characters(re.findall(r"<math\b.*?</math>", "".join(book[1].values()), re.DOTALL))
    assert {ord(character) for character in wanted} == shown
    assert {"𝐱", "𝛼", "⊤", "𝑚"} <= wanted and "Z" not in wanted
    assert "MATH" in tables  # brackets and roots grow by what it says


def test_the_title_of_the_tab_is_plain_and_the_contents_are_typeset(book):
    assert "<title>1. A vector x &#8212;" in book[1]["one"]
    assert "<mi>𝐱</mi>" in book[1]["index"]


def test_pages_without_mathematics_do_not_load_its_style(tmp_path):
    pages, _ = build(tmp_path, {"index": CONTENTS.format("with\nwithout"), "with": "# A\n\n$x$\n", "without": "# B\n"})
    assert "typeset/math.css" in pages["with"]
    assert "typeset" not in pages["without"]


def test_two_builds_of_the_same_book_are_the_same_to_the_byte(book, tmp_path):
    again, _ = build(tmp_path, BOOK)
    assert again == book[1]
    index = "site/searchindex.js"
    assert (tmp_path / index).read_bytes() == (book[0] / index).read_bytes()


@pytest.mark.parametrize(
    ("formula", "complaint"),
    [
        (r"\nosuchcommand{x}", r"Unsupported function name: \nosuchcommand"),
        (r"\frac{1}{x", "Unexpected end of input"),
        (r"\begin{bmatrix} x \end{pmatrix}", "Mismatch"),
        ("x⊤", 'Unicode text character "⊤" used in math mode'),
        (r"\color{red}x", "the pages allow no style of its own"),
        (r"\href{there}{x}", r"\href"),
    ],
)
def test_a_formula_with_a_mistake_is_a_warning_that_says_where_and_what(tmp_path, formula, complaint):
    pages, warnings = build(tmp_path, {"index": f"# A\n\nText.\n\n$$\n{formula}\n$$\n"})
    first, second = warnings.strip().splitlines()
    assert re.search(r"index\.md:5: WARNING: a formula cannot be typeset: ", first)
    assert complaint in first
    assert formula in second
    assert 'class="math-error"' in pages["index"]


def test_a_mistake_in_a_heading_is_reported_once_though_it_stands_on_every_page(tmp_path):
    pages = {"index": CONTENTS.format("one\ntwo"), "one": "# A $\\bad$\n", "two": "# B\n"}
    _, warnings = build(tmp_path, pages)
    assert warnings.count("cannot be typeset") == 1
    assert "one.md:1" in warnings


def test_a_mistake_is_reported_again_by_the_next_build_until_it_is_mended(tmp_path):
    wrong, right = {"index": "# A\n\n$\\bad$\n"}, {"index": "# A\n\n$x$\n"}
    assert "\\bad" in build(tmp_path, wrong)[1]
    assert "\\bad" in build(tmp_path, wrong)[1]
    pages, warnings = build(tmp_path, right)
    assert warnings == ""
    assert "<math" in pages["index"]


@pytest.fixture
def processes(monkeypatch):
    """The processes that Temml has been started in."""
    started, start = [], subprocess.Popen
    monkeypatch.setattr(temml.subprocess, "Popen", lambda *a, **k: started.append(start(*a, **k)) or started[-1])
    return started


def test_one_process_typesets_a_book_each_formula_once_and_ends_with_the_build(tmp_path, monkeypatch, processes):
    asked, ask = [], temml.Temml._ask
    monkeypatch.setattr(temml.Temml, "_ask", lambda self, question: asked.append(question) or ask(self, question))
    pages, _ = build(tmp_path, BOOK)
    assert [process.poll() for process in processes] == [0]
    assert len(asked) == len(set(asked)) < "".join(pages.values()).count("<math")


def test_the_process_ends_when_the_build_fails(tmp_path, processes):
    def spoil(app):
        app.connect("html-page-context", lambda *_: 1 / 0)

    with pytest.raises(ExtensionError, match="ZeroDivisionError|division by zero"):
        build(tmp_path, {"index": "# A\n\n$x$\n"}, prepare=spoil)
    assert [process.poll() for process in processes] == [0]


def test_a_process_that_dies_is_one_sentence_too(tmp_path, processes):
    def kill(app, *_):
        processes[0].kill()
        processes[0].wait()

    with pytest.raises(ExtensionError, match="^Temml stopped in the middle of the book"):
        build(tmp_path, {"index": "# A $x$\n\n$y$\n", "z": "---\norphan: true\n---\n\n# Z\n\n$z$\n"},
              prepare=lambda app: app.connect("html-page-context", kill))  # fmt: skip


@pytest.mark.parametrize("missing", ["Temml", "Node"])
def test_a_missing_part_is_one_sentence_that_says_what_to_run(tmp_path, monkeypatch, missing):
    if missing == "Temml":
        monkeypatch.setattr(temml, "PACKAGE", tmp_path / "nowhere")
    else:
        monkeypatch.setattr(temml, "find_spec", lambda name: None)
    with pytest.raises(ExtensionError) as error:
        build(tmp_path, {"index": "# A\n\n$x$\n"})
    assert str(error.value) == f"{missing}, which typesets the formulas, is not installed: run `make book`."


def test_the_examples_of_the_documentation_are_true():
    assert doctest.testmod(temml) == doctest.TestResults(failed=0, attempted=3)
    assert doctest.testmod(font) == doctest.TestResults(failed=0, attempted=2)
