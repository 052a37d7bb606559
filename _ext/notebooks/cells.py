"""The cells of a reader's notebook, from those that the build executed."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urljoin

import nbformat
from slides.cells import DECK

from .markdown import Code
from .pictures import Picture, Pictures

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
FIGURE = '<div class="mc-figure'
PLAYED = 'data-explore="'
# By the tag that myst-nb knows, what of a cell is folded away. What the site leaves out is folded too: later cells need it.
FOLDED = {"hide-input": "source", "remove-input": "source", "hide-output": "outputs", "remove-output": "outputs",
          "hide-cell": "source outputs", "remove-cell": "source outputs"}


def first_cell(requirement: str, played: bool = False) -> str:
    """Source of the cell that makes ``import utils`` work; with the package at hand it does nothing.

    Parameters
    ----------
    requirement : what pip installs when the book's package is missing
    played : whether the notebook has a figure to play with, which Colab shows only when it is asked to
    """
    source = (
        "# Fetches the package that the chapters of this book import, unless it is here already.\n"
        "try:\n"
        "    import utils.layout\n"
        "except ImportError:\n"
        f'    %pip install --quiet "{requirement}"'
    )
    if played:
        source += (
            "\n\n# Colab shows figures to play with only when it is asked to.\n"
            "try:\n"
            "    from google.colab import output\n"
            "    output.enable_custom_widget_manager()\n"
            "except ImportError:\n"
            "    pass"
        )
    return source


def notebook(pieces: Sequence[str | Code], executed: Sequence[nbformat.NotebookNode], requirement: str, pictures: Pictures,
             links: Mapping[str, str]) -> nbformat.NotebookNode:
    """Put a reader's notebook together: nothing in it is of the machine, and it is the same in every build.

    Parameters
    ----------
    pieces : of the page, in their order
    executed : the cells of the executed notebook, text and code, to which the pieces' indices refer
    requirement : what pip installs when the book's package is missing
    pictures : draws the figures
    links : where the links of outputs lead that leave the page, by what they say now
    """
    v4 = nbformat.v4
    html = [output.get("data", {}).get("text/html", "") for cell in executed for output in cell.get("outputs", ())]
    cells = [v4.new_code_cell(first_cell(requirement, any(PLAYED in shown for shown in html)))]
    due = [index for index, cell in enumerate(executed) if cell.cell_type == "code" and DECK not in tags(cell)]
    for piece in pieces:
        if isinstance(piece, str):
            cells.append(v4.new_markdown_cell(piece))
            continue
        while due and due[0] < piece.index:  # the page leaves it out, and later cells may need it
            cells.append(code_cell(executed[due.pop(0)], pictures, links))
        due.remove(piece.index)
        cells.append(code_cell(executed[piece.index], pictures, links, piece.folded))
    cells += [code_cell(executed[index], pictures, links) for index in due]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the ids that nbformat makes up differ from build to build
    made = v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
    nbformat.validate(made)
    return made


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cell(cell: nbformat.NotebookNode, pictures: Pictures, links: Mapping[str, str], folded: str = "") -> nbformat.NotebookNode:
    """A code cell with what it gave, and with what is to be folded away in the words of JupyterLab, VS Code and Colab.

    Of a cell that is folded JupyterLab still shows the first line: that of a solution says what it is, and not how it begins.
    """
    hidden = {part for tag in [*tags(cell), *["hide-cell"] * bool(folded)] for part in FOLDED.get(tag, "").split()}
    metadata: dict = {"tags": list(tags(cell))} if tags(cell) else {}
    if hidden:
        metadata["jupyter"] = {f"{part}_hidden": True for part in sorted(hidden)}
    if "source" in hidden:
        metadata["cellView"] = "form"
    outputs = [portable(output, pictures, links) for output in cell.get("outputs", ())]
    source = f"# {folded}\n{cell.source}" if folded else cell.source
    return nbformat.v4.new_code_cell(source, metadata=metadata, outputs=outputs)


def portable(output: nbformat.NotebookNode, pictures: Pictures, links: Mapping[str, str]) -> nbformat.NotebookNode:
    """An output as every viewer shows it, without what the build notes in it."""
    new = nbformat.v4.new_output
    if output.output_type == "stream":
        return new("stream", name=output.name, text=output.text)
    if output.output_type == "error":
        return output
    data, metadata = dict(output.data), {}
    if FIGURE in data.get("text/html", ""):
        picture: Picture = pictures(data.pop("text/html"))
        data["image/png"] = base64.b64encode(picture.png).decode()
        metadata = {"image/png": {"width": picture.width, "height": picture.height}}
    elif "text/html" in data:
        data["text/html"] = re.sub(r'href="(#[^"]+)"', lambda match: f'href="{links.get(match[1], match[1])}"', data["text/html"])
    return new(output.output_type, data=dict(sorted(data.items())), metadata=metadata)


def led_to(executed: Sequence[nbformat.NotebookNode]) -> set[str]:
    """The ids that links in outputs lead to."""
    return {name for cell in executed for output in cell.get("outputs", ())
            for name in re.findall(r'href="#([^"]+)"', output.get("data", {}).get("text/html", ""))}


def elsewhere(names: set[str], pages: Mapping[str, str], here: str, site: str) -> dict[str, str]:
    """The addresses of what is linked from outputs and stands on other pages.

    >>> elsewhere({"a", "b"}, {"a": "chapters/one", "b": "chapters/two"}, "chapters/one", "https://example.org/")
    {'#b': 'https://example.org/chapters/two.html#b'}
    """
    return {f"#{name}": urljoin(site, f"{pages[name]}.html#{name}") for name in sorted(names) if pages.get(name, here) != here}
