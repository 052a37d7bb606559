"""Each chapter as a notebook that needs no book around it: it says what its page says, in plain Markdown, and runs alone."""

import base64
import functools
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from html import escape
from pathlib import Path
from types import ModuleType

import browser as look
import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, newest_cache
from docutils import nodes
from IPython.core.interactiveshell import InteractiveShell
from jupyter_cache import get_cache
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from PIL import Image
from test_gate import copy_book
from test_site import NOTEBOOKS, every_notebook

from notebooks import cells, collect, markdown, pictures

PIP = cells.first_cell("matrix-calculus-checked @ https://example.org/a.zip", played=True)
# What MathJax 3 (Jupyter, Colab, GitHub) and KaTeX (VS Code) both know; each was typeset by both.
KNOWN = set(r"""\ \, \; \\ \Delta \alpha \approx \begin \beta \cdot \cdots \cos \ddots \delta \det \dots \ell \end \eta \exp \frac \gamma \ge
\gt \hat \in \lVert \langle \le \left \lim \log \lt \mapsto \mathbb \mathbf \mathrm \max \mu \nabla \ne \odot \operatorname \otimes \partial
\psi \rVert \rangle \rho \right \sigma \sin \sqrt \star \sum \tag \tanh \text \tfrac \times \to \top \varepsilon \vdots \vert \Vert""".split()) | {"\\ "}
ENVIRONMENTS = {"aligned", "split", "bmatrix", "pmatrix", "vmatrix", "cases"}


@pytest.fixture(scope="module")
def pages(site):
    return look.read_pages(site)


@pytest.fixture(scope="module")
def read(site):
    """Read the notebook of a page, and its text as viewers render it."""
    @functools.cache
    def of(name):
        return nbformat.read(site / "_sources" / f"{name}.ipynb", as_version=4)
    return of


def test_rounding_is_no_difference_between_outputs_and_a_larger_error_is_one():
    one, other, wrong = ([{"text": f"✓ by x, worst error {error}"}] for error in ("4e-16", "5e-15", "4e-6"))
    assert plain(one) == plain(other) != plain(wrong)


def rendered(text: str) -> BeautifulSoup:
    """A text cell as HTML, with each formula as <m>."""
    formula = lambda content, options: f'<m class="{"block" if options["display_mode"] else "inline"}">{escape(content)}</m>'  # noqa: E731
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).use(dollarmath_plugin, renderer=formula)
    return BeautifulSoup(reader.render(text), "html.parser")


def text_cells(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def executed(site, name) -> list:
    """The cells of a page as the build executed them, without those of its deck."""
    made = nbformat.read(site.parent / f"jupyter_execute/{name}.ipynb", as_version=4)
    _, digest = get_cache(newest_cache()).create_hashed_notebook(made)
    ran = nbformat.read(newest_cache() / f"executed/{digest}/base.ipynb", as_version=4)
    return [cell for cell in ran.cells if "deck" not in cell.metadata.get("tags", [])]


# --- the file -----------------------------------------------------------------------------------------------------------


@every_notebook
def test_a_notebook_is_valid_and_tells_nothing_of_the_machine_that_built_it(site, read, name):
    text = (site / "_sources" / f"{name}.ipynb").read_text("utf-8")
    nbformat.validate(read(name))
    assert str(ROOT) not in text and not re.search(r"/tmp/|/home/|/root/|site-packages|0x[0-9a-f]{6}", text)
    assert read(name).metadata == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                                   "language_info": {"name": "python"}}
    assert len({cell.id for cell in read(name).cells}) == len(read(name).cells)
    assert all(set(cell.metadata) <= {"tags", "jupyter", "cellView"} for cell in read(name).cells)
    assert all(set(output.get("metadata", {})) <= {"image/png"} for cell in code_cells(read(name)) for output in cell.outputs)


def test_make_notebooks_gathers_the_very_files_that_the_pages_offer(site, pages, tmp_path):
    subprocess.run([sys.executable, ROOT / "_ext/notebooks/collect.py", site, tmp_path / "made"], check=True, stdout=subprocess.DEVNULL)
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    offered = {}
    for name in NOTEBOOKS:
        link = pages[f"{name}.html"].select_one("a.btn-download-notebook-button")["href"]
        offered[Path(link).name] = (site / f"{name}.html").parent.joinpath(link).resolve().read_bytes()
    assert made == offered and len(made) == len(NOTEBOOKS) >= 7


def test_two_notebooks_of_one_name_are_refused(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / "_sources" / folder).mkdir(parents=True)
        (tmp_path / "_sources" / folder / "same.ipynb").touch()
    with pytest.raises(ValueError, match="names of their own"):
        collect.collect(tmp_path, tmp_path / "made")


def test_make_notebooks_builds_the_book_first_and_what_it_makes_is_in_no_commit():
    said = subprocess.run(["make", "--dry-run", "--always-make", "notebooks"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.index("_ext/make_book.py") < said.index("_ext/notebooks/collect.py _build/html _build/notebooks")
    assert {"/notebooks/", "/_build/"} <= set((ROOT / ".gitignore").read_text("utf-8").splitlines())


# --- the text -----------------------------------------------------------------------------------------------------------

LEFT_OF_MYST = re.compile(r"\{[a-z:-]+\}[`\[(]|^\s*(?:`{3,}|~{3,}|:{3,})\{|^\s*:{3,}|^\(.+\)=\s*$|^%|^\+\+\+|\{\{|\{-\}", re.MULTILINE)


def prose(text: str) -> str:
    """The Markdown of a text cell without its code, where anything may stand."""
    return re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", re.sub(r"^(`{3,})[^`\n]*\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE))


@every_notebook
def test_no_myst_is_left(read, name):
    assert [text for text in text_cells(read(name)) if LEFT_OF_MYST.search(re.sub(r"\$\$.+?\$\$|\$[^$]+\$", "", prose(text), flags=re.DOTALL))] == []


@pytest.mark.parametrize("text", ["See {eq}`a`.", "```{note}\nx\n```", ":::{margin}\nx\n:::", "(label)=\n# A", "% a remark", "+++", "{{ name }}"])
def test_myst_that_is_left_is_seen(text):
    assert LEFT_OF_MYST.search(text)


def words_of_page(page: BeautifulSoup) -> list[str]:
    """What a page says outside of its cells: words, and formulas as their TeX."""
    article = BeautifulSoup(str(page.article), "html.parser")
    for formula in article.select("math"):
        formula.replace_with(f" {said(formula.annotation.get_text())} ")
    for block in article.select("pre"):
        block.replace_with(block.get_text())  # colours cut words
    for cell in article.select("div.cell"):
        for part in cell.select("div.cell_input, details, div.output"):
            part.decompose() if part.name != "figcaption" else None
    unsaid = (".headerlink, .checked, button, form, svg, script, details.solution > summary, .prev-next-area, .toctree-wrapper, "
              "div.mc-figure, div.mc-report")
    for part in article.select(unsaid):
        part.decompose()
    return words(article.get_text(" "))


def words_of_notebook(notebook) -> list[str]:
    found = []
    for text in text_cells(notebook):
        cell = rendered(text)
        for formula in cell.select("m"):
            shown, _, number = formula.get_text().partition(r"\tag{")
            formula.replace_with(f" {said(shown)} {'(' + number if number else ''} ")
        for part in cell.select("summary"):
            part.decompose()
        added = ("as a notebook. Code is under", "Run the cell to play with this figure", "It is in the next cell.")
        for part in cell.select("p"):
            if any(sign in part.get_text() for sign in added):
                part.decompose()
        found.append(cell.get_text(" "))
    return words(" ".join(found))


def said(tex: str) -> str:
    """TeX as one word, without what differs between writing for a page and for a notebook."""
    tex = re.sub(r"\\lt\b", "<", re.sub(r"\\gt\b", ">", tex.replace(r"\vert ", "|")))
    return base64.b16encode("".join(tex.split()).encode()).decode()


def words(text: str) -> list[str]:
    return re.findall(r"\w+(?:\.\d+)*|✓|✗|…", text)


@every_notebook
def test_a_notebook_says_what_its_page_says_with_the_same_numbers_and_the_same_formulas(pages, read, name):
    of_page, of_notebook = words_of_page(pages[f"{name}.html"]), words_of_notebook(read(name))
    at = next((i for i, (one, other) in enumerate(zip(of_page, of_notebook)) if one != other), min(len(of_page), len(of_notebook)))
    assert of_page[at - 5 : at + 15] == of_notebook[at - 5 : at + 15]
    assert of_page == of_notebook and len(of_page) > 150


@every_notebook
def test_every_number_of_a_page_is_told_where_it_stands(pages, read, name):
    page, text = pages[f"{name}.html"], "\n".join(text_cells(read(name)))
    equations = [number.get_text()[1:].partition(")")[0] for number in page.select("article .eqno")]
    assert re.findall(r"\\tag\{([\d.]+)\}", text) == equations
    figures = [caption.get_text().strip() for caption in page.select("article figcaption .caption-number")]
    assert re.findall(r"^\*\*(Fig\. [\d.]+)\.\*\*", text, re.MULTILINE) == figures
    exercises = [number.get_text().strip() for number in page.select("article .exercise .caption-number")]
    assert re.findall(r"^#+ (Exercise [\d.]+)", text, re.MULTILINE) == exercises
    assert re.findall(r"<summary>Solution to (Exercise [\d.]+)</summary>", text) == (
        exercises if page.select_one("details.solution") else [])


@every_notebook
def test_every_link_leads_somewhere(site, pages, read, book, name):
    parts = [rendered(text) for text in text_cells(read(name))]
    parts += [BeautifulSoup(output.data["text/html"], "html.parser") for cell in code_cells(read(name)) for output in cell.outputs
              if "text/html" in output.get("data", {})]
    anchors = [link["id"] for part in parts for link in part.select("a[id]")]
    assert len(anchors) == len({*anchors})
    for link in (link for part in parts for link in part.select("a[href]")):
        address, _, anchor = link["href"].partition("#")
        if not address:
            assert anchor in anchors, link
        elif address.startswith(book.base_url):
            path = address.removeprefix(book.base_url) or "index.html"
            assert (site / path).is_file(), link
            assert not anchor or pages[path].find(id=anchor), link
        else:
            assert address.startswith("https://"), link


# --- the formulas -------------------------------------------------------------------------------------------------------


INLINE = re.compile(r"(?<!\\)\$([^$]+)(?<!\\)\$(.?)")


def formula_faults(text: str) -> list[str]:
    """What a viewer would read otherwise than it was meant, in a text cell."""
    faults = []
    for formula in rendered(text).select("m"):
        tex = formula.get_text()
        used = set(re.findall(r"\\(?:[A-Za-z]+|.|$)", tex.replace("\n", " ")))
        faults += [f"{command} is not known everywhere" for command in sorted(used - KNOWN)]
        faults += [f"{name} is not known everywhere" for name in re.findall(r"\\begin\{(\w+\*?)\}", tex) if name not in ENVIRONMENTS]
        faults += [f"{sign} in {tex}" for sign in "<>$`" if sign in tex]
        faults += [f"an empty line in {tex}"] * bool(re.search(r"\n\s*\n", tex.strip()))
        faults += [f"lines in a quote: {tex}"] * (formula.find_parent("blockquote") is not None and "\n" in tex.strip())
    bare = re.sub(r"\$\$.+?\$\$", "", prose(text), flags=re.DOTALL)
    for inside, behind in INLINE.findall(bare):  # as KaTeX in VS Code wants it
        faults += [f"a space inside of ${inside}$"] * (inside != inside.strip()) + [f"a digit behind ${inside}$"] * behind.isdigit()
    if "$" in INLINE.sub("", bare).replace(r"\$", ""):
        faults.append("a sign $ alone")
    for row in re.findall(r"^\|.*\|$", text, re.MULTILINE):
        faults += [f"a bar in a table: {inside}" for inside, _ in INLINE.findall(row) if "|" in inside]
    return faults


@every_notebook
def test_every_formula_is_read_alike_by_every_viewer(read, name):
    assert {text: faults for text in text_cells(read(name)) if (faults := formula_faults(text))} == {}


@pytest.mark.parametrize("text", [r"$\bm x$", "$a < b$", r"$$\begin{align}a\end{align}$$", "| a |\n|---|\n| $|x|$ |", "$x$2", "$ x $", "costs 5$",
                                  "$$\na\n\nb\n$$", "> $$\n> a\n> b\n> $$"])
def test_a_formula_that_is_read_otherwise_is_seen(text):
    assert formula_faults(text)


# --- the cells ----------------------------------------------------------------------------------------------------------


@every_notebook
def test_a_notebook_has_the_cells_that_the_build_executed_with_what_they_gave(site, read, book, name):
    first, *made = code_cells(read(name))
    assert book.pip_requirement in first.source and read(name).cells[0] is first
    ran = executed(site, name)
    assert [re.sub(r"^# Solution to .*\n", "", cell.source) for cell in made] == [cell.source for cell in ran]
    for one, other in zip(made, ran):
        assert [output.output_type for output in one.outputs] == [output.output_type for output in other.outputs]
        for new, old in zip(one.outputs, other.outputs):
            assert new.get("text") == old.get("text")
            assert new.get("data", {}).get("text/plain") == old.get("data", {}).get("text/plain")


@every_notebook
def test_every_figure_is_a_picture_that_viewers_show_without_trust(pages, read, name):
    found = [output for cell in code_cells(read(name)) for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(found) == len(pages[f"{name}.html"].select("article div.cell div.mc-figure"))
    for output in found:
        assert "text/html" not in output.data and "igure" in output.data["text/plain"]
        picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
        shown = output.metadata["image/png"]
        assert abs(picture.width - 2 * shown["width"]) <= 2 and abs(picture.height - 2 * shown["height"]) <= 2
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24)}
        assert picture.mode == "P" and "transparency" not in picture.info and (255, 255, 255) in colours  # ink is read on paper
        assert len(colours) > 2, "something is drawn"
    assert not any("<svg" in json.dumps(cell.outputs) or "widget" in json.dumps(cell.outputs) for cell in code_cells(read(name)))


@every_notebook
def test_what_the_page_folds_away_is_folded_in_the_notebook(pages, read, name):
    made = code_cells(read(name))[1:]
    hidden = [cell for cell in made if cell.metadata.get("jupyter", {}).get("source_hidden")]
    page = pages[f"{name}.html"]
    assert len(hidden) == len({*map(id, page.select("article div.cell.tag_hide-input, details.solution div.cell"))})
    assert all(cell.metadata["cellView"] == "form" for cell in hidden)
    solutions = [cell for cell in made if cell.metadata.get("jupyter", {}).get("outputs_hidden")]
    assert len(solutions) == len(page.select("details.solution div.cell"))
    assert all(cell.source.startswith("# Solution to Exercise") for cell in solutions), "the line that stays to be seen gives nothing away"


# --- the first cell -----------------------------------------------------------------------------------------------------


def run_first_cell(monkeypatch, there: bool, colab: bool = False) -> tuple[list[str], list[str]]:
    """What the first cell installs, and what it asks of Colab."""
    installed, asked = [], []
    monkeypatch.setitem(sys.modules, "utils.layout", ModuleType("utils.layout") if there else None)  # None: there is none
    google = ModuleType("google.colab")
    google.output = type("output", (), {"enable_custom_widget_manager": staticmethod(lambda: asked.append("widgets"))})
    monkeypatch.setitem(sys.modules, "google.colab", google if colab else None)
    if colab:
        monkeypatch.setitem(sys.modules, "google", ModuleType("google"))
    shell = InteractiveShell()
    shell.register_magic_function(installed.append, magic_name="pip")
    shell.run_cell(PIP).raise_error()
    return installed, asked


def test_the_first_cell_does_nothing_where_the_package_is(monkeypatch):
    assert run_first_cell(monkeypatch, there=True) == ([], [])


def test_the_first_cell_fetches_the_package_where_it_is_not(monkeypatch):
    assert run_first_cell(monkeypatch, there=False) == (['install --quiet "matrix-calculus-checked @ https://example.org/a.zip"'], [])


def test_the_first_cell_asks_colab_for_figures_to_play_with(monkeypatch):
    assert run_first_cell(monkeypatch, there=True, colab=True) == ([], ["widgets"])
    assert "google" not in cells.first_cell("x")


# --- what no chapter has yet ----------------------------------------------------------------------------------------------


def written(*children, **page) -> list:
    document = nodes.document(None, None)
    document += children
    return markdown.pieces(document, markdown.Page("https://example.org/book/chapters/one.html", **page))


def cell(index, **attributes):
    return nodes.container("", nb_element="cell_code", cell_index=index, **attributes)


def paragraph(text="words"):
    return nodes.paragraph("", text)


def test_a_box_goes_on_behind_a_code_cell_in_it():
    box = nodes.note("", paragraph("before"), cell(3), paragraph("after"))
    assert written(box) == ["> **Note**\n>\n> before", markdown.Code(3), "> after"]


def test_lists_formulas_and_code_keep_their_place():
    items = nodes.bullet_list("", nodes.list_item("", paragraph("one"), nodes.math_block("", "a\n< b")), nodes.list_item("", paragraph("two")))
    assert written(items) == ["- one\n\n  $$a \\lt b$$\n- two"]
    numbered = nodes.enumerated_list("", nodes.list_item("", paragraph("third")), start=3)
    assert written(numbered, nodes.literal_block("", "a ``` b", language="md")) == ["3. third\n\n````md\na ``` b\n````"]


def test_links_lead_to_the_site_or_to_an_anchor_in_the_notebook():
    inside = nodes.reference("", "there", refid="place")
    outside = nodes.reference("", "two", refuri="two.html#x", internal=True)
    text = nodes.paragraph("", "", inside, nodes.Text(" and "), outside)
    assert written(text, nodes.paragraph("", "here", ids=["place"])) == [
        '[there](#place) and [two](https://example.org/book/chapters/two.html#x)\n\n<a id="place"></a>here']


@pytest.mark.parametrize("node", [nodes.line_block("", nodes.line("", "verse")), nodes.paragraph("", "", nodes.footnote_reference("", "1"))])
def test_what_a_notebook_cannot_show_is_named(node, caplog, monkeypatch):
    said = []
    monkeypatch.setattr(markdown.logger, "warning", lambda message, *values, **_: said.append(message % values))
    written(node)
    assert len(said) == 1 and "cannot show a " in said[0] and "_ext/notebooks/markdown.py" in said[0]


def test_a_cell_that_the_page_leaves_out_stays_in_the_notebook_folded_away(tmp_path):
    ran = [nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["remove-cell"]}), nbformat.v4.new_code_cell("print(x)"),
           nbformat.v4.new_code_cell("of the deck", metadata={"tags": ["deck"]})]
    made = cells.notebook(["text", markdown.Code(1)], ran, "name", pictures.Pictures(tmp_path), {})
    assert [one.source for one in made.cells[1:]] == ["text", "x = 1", "print(x)"]
    assert made.cells[2].metadata["jupyter"] == {"outputs_hidden": True, "source_hidden": True}


# --- alone --------------------------------------------------------------------------------------------------------------

RUN = """
import json, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
print(json.dumps([cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code"]))
"""


@pytest.fixture(scope="session")
def notebook_python(tmp_path_factory):
    """A Python that has what pip installs for a reader of a notebook, and torch, as Colab has; nothing else of the book's.

    The package is installed by the form of name that the first cell gives to pip, from an archive with all in one folder.
    """
    folder = tmp_path_factory.mktemp("reader")
    copy_book(folder / "book-main")
    with zipfile.ZipFile(folder / "main.zip", "w") as archive:
        for path in sorted((folder / "book-main").rglob("*")):
            if path.is_file() and not path.is_relative_to(folder / "book-main/_ext"):
                archive.write(path, path.relative_to(folder))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    python = folder / "python/bin/python"
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    import torch

    here = Path(torch.__file__).parents[1]
    for entry in [*here.glob("torch"), *here.glob("torchgen"), *here.glob("functorch"), *here.glob("torch-*.dist-info")]:
        (packages / entry.name).symlink_to(entry)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "ipykernel", "nbclient",
                    f"matrix-calculus-checked @ {(folder / 'main.zip').as_uri()}"], check=True, cwd=folder, env=environment)
    assert (packages / "torch").is_symlink(), "pip has fetched another torch in place of the one that was there"
    shutil.rmtree(folder / "book-main")
    return python


@pytest.mark.slow
def test_the_python_of_a_reader_has_the_package_and_nothing_that_only_the_build_needs(notebook_python):
    ask = "import sys, utils; from importlib.util import find_spec as f; print(utils.__file__.startswith(sys.prefix), f('sphinx'), f('pytest'))"
    said = subprocess.run([notebook_python, "-I", "-c", ask], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "None", "None"]


@pytest.mark.slow
@every_notebook
def test_a_notebook_runs_alone_and_gives_what_the_book_prints(site, read, notebook_python, name, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    ran = subprocess.run([notebook_python, "-I", "-c", RUN, site / "_sources" / f"{name}.ipynb", tmp_path], env=environment,
                         capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    outputs = json.loads(ran.stdout)
    assert outputs[0] == [], "the package is there already"
    for given, cell in zip(outputs, code_cells(read(name)), strict=True):
        assert [output for output in given if output["output_type"] == "error" or output.get("name") == "stderr"] == [], cell.source
        assert plain(given) == plain(cell.outputs), cell.source
    assert list(tmp_path.iterdir()) == []


def plain(outputs) -> str:
    """What outputs say in plain text, however they are cut into pieces; how a sum is rounded differs between machines."""
    text = "".join(output["text"] if "text" in output else output["data"]["text/plain"] for output in outputs)
    return re.sub(r"\b\d+e-1[5-7]\b", "rounding", text)
