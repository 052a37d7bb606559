"""Each chapter as a notebook that runs wherever it is opened.

The theme offers the notebook that was executed in the build. What a reader gets is that notebook without the traces of
the machine that built the book, and with a first cell that fetches the package which the chapters import.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from slides.cells import DECK

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def first_cell(requirement: str) -> str:
    """Source of the cell that makes ``import utils`` work; with the package at hand it does nothing."""
    return (
        "# Fetches the package that the chapters of this book import, unless it is here already.\n"
        "try:\n"
        "    import utils.layout\n"
        "except ImportError:\n"
        f'    %pip install --quiet "{requirement}"'
    )


def portable(executed: nbformat.NotebookNode, requirement: str) -> nbformat.NotebookNode:
    """Return the notebook for a reader: same cells, no outputs, nothing of the machine, the same in every build.

    Parameters
    ----------
    executed : as the build left it
    requirement : what pip installs when the book's package is missing
    """
    v4 = nbformat.v4
    cells = [v4.new_code_cell(first_cell(requirement))]
    for cell in executed.cells:
        if for_deck_alone(cell):
            continue
        make = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}[cell.cell_type]
        kept = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        cells.append(make(cell.source, metadata=kept))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the ids that nbformat makes up differ from build to build
    notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
    nbformat.validate(notebook)
    return notebook


def for_deck_alone(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell is no part of the chapter's page, but of its slides."""
    if cell.cell_type == "code":
        return DECK in cell.metadata.get("tags", [])
    return cell.metadata.get("slideshow", {}).get("slide_type", "skip") != "skip"


def rewrite(app, pagename, templatename, context, doctree) -> None:
    """Put the portable notebook where the theme has copied the executed one."""
    if "ipynb_source" in context:
        path = Path(app.outdir, "_sources", context["ipynb_source"])
        notebook = portable(nbformat.read(path, as_version=4), app.config.book_repository.pip_requirement)
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def setup(app):
    app.connect("html-page-context", rewrite, priority=600)  # the theme copies at 501
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
