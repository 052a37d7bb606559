"""Tables of rules: each row can be linked and found by the search, and its TeX and its torch code can be copied.

An author gives a table the class ``rules``. It has the columns "formula" and "torch", and in each row a reference to the
equation where the rule is derived, after which the row's address is named.
"""

from __future__ import annotations

from html import escape

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

from findable import Rule
from spoken import text_of

logger = logging.getLogger(__name__)

COPIED = {"formula": (nodes.math, "TeX"), "torch": (nodes.literal, "torch code")}


def prepare(app, doctree: nodes.document) -> None:
    """Give the rows of a page's tables of rules their addresses and buttons, and tell the search of them."""
    domain, docname = app.env.get_domain("findable"), app.env.docname
    for table in doctree.findall(nodes.table):
        if "rules" not in table["classes"]:
            continue
        app.env.metadata[docname]["rules"] = True
        head, *rows = table.findall(nodes.row)
        columns = [entry.astext().strip().lower() for entry in head]
        if missing := COPIED.keys() - set(columns):
            logger.warning(f"a table of rules needs the columns {' and '.join(sorted(missing))}", location=table)
            continue
        for row in rows:
            if fault := prepare_row(doctree, table, row, columns):
                logger.warning(f"a rule {fault}: {text_of(row[0])}", location=table)
                continue
            formula = next(row[columns.index("formula")].findall(nodes.math)).astext()
            domain.rules.append(Rule(docname, row["ids"][0], text_of(row[0]).strip(), formula))


def prepare_row(doctree: nodes.document, table: nodes.table, row: nodes.row, columns: list[str]) -> str | None:
    """Prepare one row; say what it lacks, if anything."""
    equation = next((link for link in row.findall(addnodes.pending_xref) if link["reftype"] == "eq"), None)
    if equation is None:
        return "names no equation"
    name = text_of(row[0]).strip()
    copied = {}
    for column, (kind, what) in COPIED.items():
        found = list(row[columns.index(column)].findall(kind))
        if len(found) != 1:
            return f"has {len(found)} pieces of {what} to copy, and not one"
        copied[column] = found[0].astext()
    anchor = nodes.make_id(f"rule-{equation['reftarget']}")
    while anchor in doctree.ids:
        anchor += "-transposed"  # the same rule in the other layout
    row["ids"].append(anchor)
    doctree.ids[anchor] = row
    link = f'<a class="headerlink" href="#{anchor}" aria-label="Link to the rule {escape(name)}">#</a>'
    last_line(row[0]).append(nodes.raw("", link, format="html"))
    for column, tex_or_code in copied.items():
        told = f"Copy the {COPIED[column][1]} of {name}"
        entry = row[columns.index(column)]
        entry["classes"].append("mc-copied")
        last_line(entry).append(nodes.raw("", copy_button(tex_or_code, told), format="html"))
    return None


def last_line(entry: nodes.entry) -> nodes.Element:
    return entry[-1] if len(entry) and isinstance(entry[-1], nodes.paragraph) else entry


def copy_button(text: str, told: str) -> str:
    """A button that does nothing without scripts, so it is hidden until they run; its place is kept.

    >>> copy_button("x", "Copy the TeX of x")
    '<button type="button" class="mc-copy" data-copy="x" aria-label="Copy the TeX of x" hidden></button>'
    """
    return f'<button type="button" class="mc-copy" data-copy="{escape(text)}" aria-label="{escape(told)}" hidden></button>'


def link_script(app, page, template, context, doctree) -> None:
    if app.env.metadata.get(page, {}).get("rules"):
        app.add_js_file("copy-rules.js", loading_method="defer")


def setup(app) -> dict[str, bool]:
    app.setup_extension("findable")
    app.connect("doctree-read", prepare)
    app.connect("html-page-context", link_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
