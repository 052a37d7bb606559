"""The ledger: which printed equations were checked in this build, against what, and the ✓ beside each of them.

A check that a chapter shows (``check_equation``) leaves a record in the output of its cell. Here the records are held
against the pages: every displayed equation must have one, of the very TeX that is printed, or be marked as an
illustration with a reason. A page whose equations change is executed again, although its cells stay the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import gate
from utils.printed import RECORD, read_page

logger = logging.getLogger(__name__)

REPORTED = re.compile(r'href="#equation-([^"]+)"')  # as a report of utils.equations writes it
SHARE = 10  # of so many displayed equations one may be an illustration
FENCE = re.compile(r"^```\{code-cell\}.*?^```[ \t]*$", re.DOTALL | re.MULTILINE)
HOW = 'check it in a cell that ends with check_equation("{label}", …), or mark it with a line "% illustration: why" above it'


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("ledger", Ledger)
    app.add_node(ledger_place)
    app.connect("builder-inited", _read_texts)
    app.connect("source-read", _execute_again_if_equations_changed)
    app.connect("doctree-read", _note_page)
    app.connect("env-purge-doc", lambda app, env, docname: _pages(env).pop(docname, None))
    app.connect("env-updated", _collect)
    app.connect("doctree-resolved", _show)
    app.connect("build-finished", _judge, priority=800)  # before the gate trusts the build
    return {"version": "2", "parallel_read_safe": False, "parallel_write_safe": True}


# --- no stale check ---------------------------------------------------------------------------------------------------


def _read_texts(app: Sphinx) -> None:
    """The TeX and the page of each labelled equation, as the files are now."""
    app.equation_texts = {
        equation.label: (equation.tex, path)
        for path in sorted(Path(app.srcdir, "chapters").rglob("*.md"))
        for equation in read_page(path.read_text("utf-8"), path.stem) if equation.label}


def _execute_again_if_equations_changed(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0], pages = text_to_execute(app, source[0])
    for path in pages:
        app.env.note_dependency(str(path))


def text_to_execute(app: Sphinx, text: str) -> tuple[str, list[Path]]:
    """The text of a page with a digest, in its kernel's name, of the equations that its cells check; and their pages.

    The cache of executed notebooks knows a page by its cells and its kernel, and would hand out the verdict on an older
    equation. No line is added, so that warnings name the right one.
    """
    cells = "\n".join(FENCE.findall(text))
    named = {label for label in re.findall(r"[\"']([\w.:-]+)[\"']", cells) if label in app.equation_texts}
    if not named:
        return text, []
    digest = hashlib.sha256(str(app.config.ledger_mutants).encode())
    for label in sorted(named):
        digest.update(f"{label}\0{app.equation_texts[label][0]}\0".encode())
    text = re.sub(r"^(  display_name: [^\n]*)", rf"\1, equations {digest.hexdigest()[:16]}", text, count=1, flags=re.MULTILINE)
    return text, [app.equation_texts[label][1] for label in sorted(named)]


# --- the records of this build ----------------------------------------------------------------------------------------


@dataclass
class Entry:
    """A displayed equation of a page and what is known of it."""

    docname: str
    label: str | None
    tex: str
    line: int
    reason: str | None
    record: Mapping | None = None


@dataclass
class Book:
    """All displayed equations of the book, and what stands against printing it."""

    entries: list[Entry] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def digest(self) -> str:
        """Of all that the ledger shows, which the lines of the equations are not."""
        return hashlib.sha256(repr([replace(entry, line=0) for entry in self.entries]).encode()).hexdigest()


def _pages(env: BuildEnvironment) -> dict[str, tuple[list[Entry], list[Mapping] | None]]:
    """What was read of each page, kept between builds with all else that Sphinx knows of it."""
    if not hasattr(env, "ledger_pages"):
        env.ledger_pages = {}
    return env.ledger_pages


def _note_page(app: Sphinx, doctree: nodes.document) -> None:
    docname = app.env.docname
    _pages(app.env)[docname] = list(_entries(doctree, docname)), _records(app, docname)


def _collect(app: Sphinx, env: BuildEnvironment) -> list[str]:
    book = app.ledger_book = Book()
    records = {docname: _pages(env)[docname][1] for docname in sorted(env.found_docs)}
    checked = {record["label"] for found in records.values() if found for record in found if record["label"]}
    for docname in _reading_order(env):
        entries = [replace(entry) for entry in _pages(env)[docname][0]]  # what is found out of them here is not kept
        book.entries += entries
        if records[docname] is None:  # a cell raised: the gate says so, and the rest of the page was not run
            continue
        for entry in entries:
            of_label = [record for record in records[docname] if entry.label and record["label"] == entry.label and record["ok"]]
            entry.record = next((record for record in of_label if _same(record["tex"], entry.tex)), None)
            book.failures += _faults(entry, of_label, app.config.ledger_mutants)
        book.failures += _undefined(records[docname], checked, docname, Path(env.doc2path(docname)).read_text("utf-8"))
    illustrations = [entry for entry in book.entries if entry.reason is not None]
    if len(illustrations) * SHARE > len(book.entries):
        book.failures.append(f"{len(illustrations)} of {len(book.entries)} displayed equations are marked as illustrations, and "
                             f"at most one in {SHARE} may be: check some of them.")
    if (digest := book.digest()) != getattr(env, "ledger_digest", None):
        env.ledger_digest = digest
        return [docname for docname in env.found_docs if env.metadata[docname].get("ledger")]
    return []


def _reading_order(env: BuildEnvironment) -> list[str]:
    order = [docname for docname in env.toctree_includes.get(env.config.root_doc, [])]
    return [env.config.root_doc, *order, *sorted(env.found_docs - {env.config.root_doc, *order})]


def _records(app: Sphinx, docname: str) -> list[Mapping] | None:
    """What the cells of a page found out of equations; None where one raised."""
    if "kernelspec" not in app.env.metadata.get(docname, {}):
        return []
    outputs = [output for cell in gate.executed_cells(app, docname) for output in cell.outputs]
    if any(output.output_type == "error" for output in outputs):
        return None
    found = [record for output in outputs for record in output.get("metadata", {}).get(RECORD, [])]
    return json.loads(json.dumps(found))  # plain, to be stored


def _entries(doctree: nodes.document, docname: str) -> Iterator[Entry]:
    for block in doctree.findall(nodes.math_block):
        before = block.previous_sibling()
        while isinstance(before, nodes.target):
            before = before.previous_sibling()
        said = before.astext().strip() if isinstance(before, nodes.comment) else ""
        reason = said.removeprefix("illustration:").strip() if said.startswith("illustration:") else None
        label = block.get("label") if "amsmath" not in block.get("classes", []) else None
        yield Entry(docname, label, block.astext(), block.line or 0, reason)


def _same(one: str, other: str) -> bool:
    return "".join(one.split()) == "".join(other.split())


def _faults(entry: Entry, records: Sequence[Mapping], mutants: bool) -> Iterator[str]:
    where = f"{entry.docname}.md, line {entry.line}, {entry.label or 'an equation without a label'}"
    shown = " ".join(entry.tex.split())
    if entry.reason is not None:
        if not entry.reason:
            yield f"{where}: an illustration needs a reason: {shown}"
        if entry.record:
            yield f"{where}: this equation is checked, so it is not an illustration: remove the mark."
    elif mutants and entry.record is not None and entry.record["mutants"] is None:
        yield f"{where}: this check was not tried on mistakes: build the book with an empty cache."
    elif entry.record is None and records:
        yield f"{where}: what was checked is not what is printed: {shown}"
    elif entry.record is None:
        how = HOW.format(label=entry.label or "label") + ("" if entry.label else "; give it a label for that")
        yield f"{where}: this displayed equation is not checked: {shown}\n    {how}."


def _undefined(records: Sequence[Mapping], checked: set[str], docname: str, text: str) -> list[str]:
    """What a page's checks take as given and nothing checks, or nobody can read."""
    faults = []
    here = [record["tex"] for record in records]
    printed = _bare(FENCE.sub("", text))
    for given in dict.fromkeys(given for record in records for given in record["given"]):
        if "=" not in given:
            if given not in checked:
                faults.append(f"{docname}.md: {given} is taken as given, but no page checks it.")
        elif not any(_same(given, tex) for tex in here):
            faults.append(f"{docname}.md: a check takes {given} as given, but no check on this page compares it with code.")
        elif _bare(given) not in printed:
            faults.append(f"{docname}.md: a check takes {given} as given, which is not printed on this page.")
    return faults


def _bare(tex: str) -> str:
    return re.sub(r"\s|\\left(?![a-z])|\\right(?![a-z])|\\,", "", tex).replace("{", "").replace("}", "")


def _judge(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html" and app.ledger_book.failures:
        logger.error("Printed equations without a check:\n%s", "\n".join(app.ledger_book.failures))
        app.statuscode = 1


# --- what readers see -------------------------------------------------------------------------------------------------


class ledger_place(nodes.General, nodes.Element):
    """Where the ledger goes."""


class Ledger(SphinxDirective):
    """The whole ledger: a sentence that counts, and a table for each page."""

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["ledger"] = True
        return [ledger_place()]


def row_id(label: str) -> str:
    return nodes.make_id(f"ledger-{label}")


def _show(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    ledger = next((name for name in sorted(app.env.found_docs) if app.env.metadata[name].get("ledger")), None)
    records = {entry.label: entry for entry in app.ledger_book.entries if entry.docname == docname and entry.record}
    for block in doctree.findall(nodes.math_block):
        entry = records.get(block.get("label"))
        if ledger and entry and _same(entry.tex, block.astext()):
            block["checked"] = f"{app.builder.get_relative_uri(docname, ledger)}#{row_id(entry.label)}"
    for output in doctree.findall(nodes.raw):
        if REPORTED.search(output.astext()):
            output.children = [nodes.Text(REPORTED.sub(lambda match: _link(app, docname, match), output.astext()))]
    for place in list(doctree.findall(ledger_place)):
        content = nodes.container("", *_ledger(app, app.ledger_book, docname), classes=["ledger"])
        place.replace_self(content)
        app.env.resolve_references(doctree, docname, app.builder)


def _link(app: Sphinx, docname: str, match: re.Match) -> str:
    """The link of a report to its equation, which may stand on another page."""
    target = app.env.get_domain("math").equations.get(match[1])
    page = app.builder.get_relative_uri(docname, target[0]) if target and target[0] != docname else ""
    return f'href="{page}#{nodes.make_id(f"equation-{match[1]}")}"'


def _ledger(app: Sphinx, book: Book, here: str) -> list[nodes.Node]:
    """What stands on the page ``here``."""
    checked = [entry for entry in book.entries if entry.record]
    illustrations = [entry for entry in book.entries if entry.reason]
    content: list[nodes.Node] = [nodes.paragraph("", _sentence(checked, illustrations))]
    for docname in dict.fromkeys(entry.docname for entry in book.entries):
        rows = [_checked_row(entry, here) for entry in checked if entry.docname == docname]
        rows += [_illustration_row(entry, here) for entry in illustrations if entry.docname == docname]
        if rows:
            content.append(_table(app.env.titles[docname].astext(), docname, rows, here))
    return content


def _sentence(checked: Sequence[Entry], illustrations: Sequence[Entry]) -> str:
    tried = [entry.record["mutants"] for entry in checked if entry.record["mutants"]]
    proved = sum(entry.record["exact"].startswith("proved") for entry in checked)
    sentence = (f"{len(checked)} displayed equations were checked in the build of this site, and {proved} of them were also proved "
                f"on small shapes. {len(illustrations)} are illustrations and are not checked.")
    if tried:
        count = sum(mutants["tried"] for mutants in tried)
        caught = sum(mutants["caught"] for mutants in tried)
        sentence += (f" {count:,} changed equations were tried, with a transpose left out, say, or two factors exchanged: the "
                     f"checks refused {caught:,} of them, and the other {count - caught:,} were proved to hold as well.")
    return sentence


def _table(title: str, docname: str, rows: list[nodes.row], here: str) -> nodes.table:
    caption = nodes.title("", "")
    caption += addnodes.pending_xref("", nodes.inline("", title), refdomain="std", reftype="doc", reftarget=f"/{docname}",
                                     refexplicit=True, refwarn=True, refdoc=here)
    head = nodes.thead("", nodes.row("", _cell(nodes.paragraph("", "Equation")), _cell(nodes.paragraph("", "Evidence"))))
    group = nodes.tgroup("", nodes.colspec(colwidth=55), nodes.colspec(colwidth=45), head, nodes.tbody("", *rows), cols=2)
    return nodes.table("", caption, group, classes=["ledger-table"],
                       ids=[nodes.make_id(f"ledger-of-{docname}")])


def _cell(*content: nodes.Node) -> nodes.entry:
    return nodes.entry("", *content)


def _equation(entry: Entry, here: str) -> list[nodes.Node]:
    """The number, which leads to the equation, its name, and the equation again, typeset."""
    head = nodes.paragraph()
    if entry.label:
        reference = addnodes.pending_xref("", nodes.literal("", entry.label), refdomain="math", reftype="eq",
                                          reftarget=entry.label, refwarn=True, refdoc=here)
        head += [reference, nodes.Text(" "), nodes.literal("", entry.label)]
    return [head, nodes.math_block(entry.tex, entry.tex, nowrap=False, number=None, label=None)]


def _checked_row(entry: Entry, here: str) -> nodes.row:
    record = entry.record
    draws = f"{len(record['sizes'])} {'draw' if len(record['sizes']) == 1 else 'draws'}"
    sizes = [", ".join(f"{letter} = {size}" for letter, size in draw.items()) for draw in record["sizes"] if draw]
    facts = [("Compared with", ", ".join(record["compared"])), ("Symbols", "; ".join(record["symbols"])),
             ("Given", _given(record["given"], here)), ("Draws", f"{draws}: {'; '.join(sizes)}" if sizes else draws),
             ("Worst error", f"{record['worst']:.0e}".replace("0e+00", "0")), ("Exactly", record["exact"])]
    if mutants := record["mutants"]:
        facts.append(("Mistakes tried", f"{mutants['tried']}, of which {mutants['caught']} were caught"))
    evidence = nodes.field_list("", *(
        nodes.field("", nodes.field_name("", name), nodes.field_body("", nodes.paragraph(
            "", "", *([nodes.Text(content)] if isinstance(content, str) else content)))) for name, content in facts if content))
    cell = [evidence]
    if mutants and mutants["equal"]:
        forms = "".join(f"<li><code>{escape(tex)}</code></li>" for tex in mutants["equal"])
        count = len(mutants["equal"])
        cell.append(nodes.raw("", f"<details><summary>{count} that {'hold' if count > 1 else 'holds'} as well</summary>"
                                  f"<ul>{forms}</ul></details>", format="html"))
    return nodes.row("", _cell(*_equation(entry, here)), _cell(*cell), ids=[row_id(entry.label)])


def _given(names: Sequence[str], here: str) -> list[nodes.Node]:
    """The equations that were taken as known: a link to each, or its TeX."""
    content: list[nodes.Node] = []
    for name in names:
        content += [nodes.Text(", ")] if content else []
        content.append(nodes.math("", name) if "=" in name else addnodes.pending_xref(
            "", nodes.literal("", name), refdomain="math", reftype="eq", reftarget=name, refwarn=True, refdoc=here))
    return content


def _illustration_row(entry: Entry, here: str) -> nodes.row:
    return nodes.row("", _cell(*_equation(entry, here)), _cell(nodes.paragraph("", f"Illustration, not checked: {entry.reason}.")))
