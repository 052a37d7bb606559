"""Each chapter as a notebook that needs no book around it: it reads well and runs wherever it is opened.

The theme offers the notebook that was executed in the build, which is full of MyST. What a reader gets in its place is
made from the page: ``markdown`` writes its text, ``pictures`` draws its figures, and ``cells`` puts both together with the
code and what it gave. ``collect`` gathers the files (`make notebooks`), which the workflow publishes on a branch.
"""

from __future__ import annotations

import re
from pathlib import Path

import gate
import nbformat
from docutils import nodes

from .cells import elsewhere, led_to, notebook
from .markdown import Page, pieces
from .pictures import Pictures

BRANCH = "notebooks"  # where the workflow publishes the notebooks, and the folder that Binder makes of them


def write(app, pagename, templatename, context, doctree) -> None:
    """Put a reader's notebook where the theme has copied the executed one."""
    if "ipynb_source" not in context:
        return
    path = Path(app.outdir, "_sources", context["ipynb_source"])
    executed = nbformat.read(path, as_version=4).cells
    given = iter(gate.executed_cells(app, pagename))  # what was in the cache has its outputs there alone
    executed = [next(given) if cell.cell_type == "code" else cell for cell in executed]
    linked, equations = led_to(executed), app.env.get_domain("math").equations
    pages = {nodes.make_id(f"equation-{label}"): known[0] for label, known in equations.items()}
    made = notebook(
        pieces(doctree, page(app, pagename, frozenset(linked))), executed, app.config.book_repository.pip_requirement, app.pictures,
        elsewhere(linked, pages, pagename, app.config.html_baseurl))
    path.write_text(nbformat.writes(made) + "\n", encoding="utf-8")


def page(app, pagename: str, linked: frozenset[str]) -> Page:
    """What the notebook of a page is told of the book."""
    address = app.config.html_baseurl + app.builder.get_target_uri(pagename)
    chapter = ".".join(map(str, app.env.toc_secnumbers.get(pagename, {}).get("") or ()))
    from_book = "" if pagename == app.config.root_doc else f" of [{app.config.html_title}]({app.config.html_baseurl})"
    told = f"*[A page]({address}){from_book}, as a notebook. Code is under the MIT licence, text and figures are under CC BY 4.0.*"
    return Page(address, app.env.toc_fignumbers.get(pagename, {}), app.config.numfig_format, chapter, linked, told)


def lead(app, pagename, templatename, context, doctree) -> None:
    """Let the launch buttons lead to the notebook of a page, which is on no branch but its own."""
    if "ipynb_source" not in context:
        return
    name = f"{Path(pagename).name}.ipynb"
    for group in context["header_buttons"]:
        for button in group["buttons"] if group.get("label") == "launch-buttons" else ():
            button["url"] = launch(button["url"], name)


def launch(url: str, name: str) -> str:
    """The address at which a service opens a notebook, from the one that the theme gives for the page's source.

    >>> launch("https://mybinder.org/v2/gh/ada/notes/main?urlpath=lab/tree/chapters/one.md", "one.ipynb")
    'https://mybinder.org/v2/gh/ada/notes/main?urlpath=lab/tree/notebooks/one.ipynb'
    >>> launch("https://colab.research.google.com/github/ada/notes/blob/main/chapters/one.md", "one.ipynb")
    'https://colab.research.google.com/github/ada/notes/blob/notebooks/one.ipynb'
    """
    return re.sub(r"(/lab/tree|=lab/tree|/blob)/.*$", rf"\1/{BRANCH}/{name}", url)


def start(app) -> None:
    app.pictures = Pictures(Path(app.doctreedir) / "pictures")


def finish(app, error) -> None:
    """Remove the notebooks of pages that have left the book, or are none any more."""
    app.pictures.close()
    if error is None and app.builder.format == "html":
        sources = Path(app.outdir, "_sources")
        for path in sources.rglob("*.ipynb"):
            if "kernelspec" not in app.env.metadata.get(path.relative_to(sources).with_suffix("").as_posix(), {}):
                path.unlink()


def setup(app):
    app.connect("builder-inited", start)
    app.connect("html-page-context", lead, priority=502)  # when the theme has its buttons
    app.connect("html-page-context", write, priority=600)  # the theme copies at 501
    app.connect("build-finished", finish)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
