"""The two conventions of which a reader may choose: which order of vec and which layout comes first.

An author gives a table that shows both the class ``pairs``. What makes a pair is said by its own words: two columns headed
by the names of the conventions, two rows whose first cells hold the names, or two tables, one after the other, whose
captions hold them. Here the halves get classes, and a page that has any gets the control; conventions.js puts the chosen
half first. Nothing is hidden: without scripts the page stays as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

# In the order of the book, which is the one without a choice.
CONVENTIONS = {
    "layout": ("Layout shown first", ("numerator layout", "denominator layout")),
    "order": ("Order of vec shown first", ("row-major", "column-major")),
}


def half(name: str) -> str:
    return "pair-" + name.replace(" ", "-")


def is_pair(one: str, other: str, names: tuple[str, str]) -> bool:
    """Whether two headings are those of a pair: each holds its own name only.

    >>> names = CONVENTIONS["order"][1]
    >>> is_pair("row-major Jacobian", "column-major Jacobian", names), is_pair("row-major, column-major", "column-major", names)
    (True, False)
    """
    held = [[name for name in names if name in text.lower()] for text in (one, other)]
    return held == [[names[0]], [names[1]]]


def mark(app, doctree: nodes.document) -> None:
    """Mark the halves of each pair of a page, and warn of a table that is said to have pairs and has none."""
    found = set()
    for table in doctree.findall(nodes.table):
        if "pairs" not in table["classes"]:
            continue
        kinds = {kind for kind, (_, names) in CONVENTIONS.items() if mark_table(table, names)}
        if not kinds and not any(half(name) in table["classes"] for _, names in CONVENTIONS.values() for name in names):
            logger.warning("a table of the class pairs shows no two conventions: name them in two columns' or rows' first "
                           "cells, or in the captions of two tables: %s", " or ".join("/".join(n) for _, n in CONVENTIONS.values()),
                           location=table)
        found |= kinds
    app.env.metadata[app.env.docname]["conventions"] = " ".join(sorted(found))


def mark_table(table: nodes.table, names: tuple[str, str]) -> bool:
    """Mark the columns, the rows, and the table with the one behind it; return whether any is a pair."""
    head, *rows = ([entry for entry in row] for row in table.findall(nodes.row))
    pairs = [(head[i : i + 1], head[i + 1 : i + 2], i) for i in range(len(head) - 1)]
    found = False
    for one, other, place in pairs:
        if is_pair(one[0].astext(), other[0].astext(), names):
            for cells in (head, *rows):
                found = _mark(cells[place : place + 2], names)
    for one, other in pairwise(rows):
        if is_pair(one[0].astext(), other[0].astext(), names):
            found = _mark((one[0].parent, other[0].parent), names)
    following = table.next_node(nodes.table, descend=False, siblings=True)
    if following is not None and following is next_sibling(table) and is_pair(caption(table), caption(following), names):
        found = _mark((table, following), names)
    return found


def _mark(halves: Sequence[nodes.Element], names: tuple[str, str]) -> bool:
    for node, name in zip(halves, names, strict=True):
        node["classes"].append(half(name))
    return True


def next_sibling(node: nodes.Node) -> nodes.Node | None:
    return node.next_node(descend=False, siblings=True)


def caption(table: nodes.table) -> str:
    return table[0].astext() if len(table) and isinstance(table[0], nodes.title) else ""


def show_control(app, page, template, context, doctree) -> None:
    """Put the control below the title of a page that has pairs, and load the script before the page is drawn."""
    kinds = app.env.metadata.get(page, {}).get("conventions", "").split()
    if kinds and "body" in context:
        context["body"] = context["body"].replace("</h1>", "</h1>\n" + control(kinds), 1)
        app.add_js_file("conventions.js", priority=100)


def control(kinds: Sequence[str]) -> str:
    return ('<form class="mc-conventions" aria-label="Conventions">' + "".join(_fieldset(kind) for kind in CONVENTIONS if kind in kinds)
            + "</form>\n")


def _fieldset(kind: str) -> str:
    legend, names = CONVENTIONS[kind]
    return f"<fieldset><legend>{legend}</legend>" + "".join(_choices(kind, names)) + "</fieldset>"


def _choices(kind: str, names: tuple[str, str]) -> Iterator[str]:
    for name in names:
        checked = " checked" if name == names[0] else ""
        yield f'<label><input type="radio" name="{kind}" value="{half(name)}"{checked}> {name.removesuffix(" layout")}</label>'


def setup(app) -> dict[str, bool]:
    app.connect("doctree-read", mark)
    app.connect("html-page-context", show_control)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
