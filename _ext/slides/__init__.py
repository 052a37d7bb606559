"""A deck of slides from every chapter, in the same build.

``cells`` finds the slides among a chapter's cells, ``deck`` writes them as a page for reveal.js (from its package, as
part of the build), and ``lectures`` tells instructors of them all.
"""

from __future__ import annotations

from pathlib import Path

import rcssmin
import tinycss2
from docutils import nodes
from myst_nb.sphinx_ import SphinxNbRenderer
from sphinx.errors import ExtensionError

import assets
import gate

from . import cells, deck, lectures

HERE = Path(__file__).parent
REVEAL = HERE / "node_modules/reveal.js"
FOLDER = "slides"


def read(app, doctree) -> None:
    """Take the deck's own cells from the page, note its slides, and let the gate know what is wrong with them."""
    docname = app.env.docname
    cells.put_aside(doctree)
    found, wrong = cells.slides(doctree, docname)
    labels = [shown["label"] for cell in doctree.findall(cells.DeckCell) for part in cell["parts"] for shown in part.findall(cells.Shown)]
    wrong += [f"{docname}.md: a slide shows {label!r}, but no equation, figure or box of this chapter has that label."
              for label in dict.fromkeys(labels) if cells.shown_node(doctree, label) is None]
    wrong += [f"{docname}.md, line {shown.line}: {{show}} belongs in a cell with a slide type." for shown in doctree.findall(cells.Shown)]
    lectures.note(app.env, docname, found)
    app.env.slide_failures = {**getattr(app.env, "slide_failures", {}), docname: wrong}


def judge(app, doctree) -> None:
    """After the gate has noted the failures of the page's cells, note those of its slides."""
    wrong = app.env.slide_failures.get(app.env.docname, [])
    gate.known_failures(app.env).setdefault(app.env.docname, []).extend(wrong)


def forget(app, env, docname) -> None:
    lectures.forget(env, docname)
    getattr(env, "slide_failures", {}).pop(docname, None)


def start(app) -> None:
    """Write what the decks fetch."""
    app.slides_due = set()
    if app.builder.format != "html":
        return
    if not (REVEAL / "dist/reveal.js").exists():
        raise ExtensionError("reveal.js is not installed: run `make book`, which fetches it into _ext/slides.")
    folder = Path(app.outdir, "_static", FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    reveal = (REVEAL / "dist/reveal.js").read_text("utf-8")
    (folder / "deck.js").write_text("\n".join([reveal, (HERE / "deck.js").read_text("utf-8")]), "utf-8")
    style = on_screen((REVEAL / "dist/reveal.css").read_text("utf-8")) + (HERE / "deck.css").read_text("utf-8")
    (folder / "deck.css").write_text(rcssmin.cssmin(style), "utf-8")
    for name in ("mode.js", "speaker.html", "speaker.js", "speaker.css"):
        (folder / name).write_text((HERE / name).read_text("utf-8"), "utf-8")


def on_screen(sheet: str) -> str:
    """A style sheet without what it says of paper: ours says it, and reveal.js's would win.

    >>> on_screen("a { b: c } @media print { a { d: e } } @media screen { f { g: h } }")
    'a { b: c }@media screen { f { g: h } }'
    """
    rules = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
    return "".join(rule.serialize() for rule in rules if not (
        rule.type == "at-rule" and rule.lower_at_keyword == "media" and "print" in tinycss2.serialize(rule.prelude)))


def note_written(app, doctree, docname) -> None:
    """A chapter whose page is written has its deck written too."""
    app.slides_due.add(docname)


def write(app) -> list:
    """Write the decks that are due, and remove those of chapters without one."""
    if app.builder.format == "html":
        decks = lectures.decks(app.env)
        for docname in sorted(decks.keys() & app.slides_due):
            if not app.env.slide_failures.get(docname):
                deck.write(app, docname)
        for page in Path(app.outdir).rglob(f"*{deck.SUFFIX}.html"):
            if page.relative_to(app.outdir).as_posix().removesuffix(f"{deck.SUFFIX}.html") not in decks:
                page.unlink()
    return []


def leave_out(translator, node) -> None:
    """What is for the deck alone is no part of a page."""
    raise nodes.SkipNode


def write_as_it_is(translator, node) -> None:
    """What a slide shows of the chapter has no frame of its own."""


def add_button(app, pagename, templatename, context, doctree) -> None:
    """Lead from a chapter's page to its deck."""
    if pagename in lectures.decks(app.env) and "header_buttons" in context:
        context["header_buttons"].insert(0, {
            "type": "link", "url": f"{Path(pagename).name}{deck.SUFFIX}.html", "text": "Slides", "tooltip": "Slides of this chapter",
            "icon": "fas fa-person-chalkboard", "label": "slides-button"})


def setup(app):
    SphinxNbRenderer.render_nb_cell_markdown = cells.render_text_cell  # the only place where a text cell's metadata are known
    app.add_node(cells.DeckCell, html=(leave_out, None))
    app.add_node(cells.Shown, html=(write_as_it_is, write_as_it_is))
    app.add_directive("show", cells.Show)
    app.connect("doctree-read", read, priority=50)  # before anything that reads the page's text
    app.connect("doctree-read", judge, priority=600)
    app.connect("env-purge-doc", forget)
    app.connect("builder-inited", start)
    app.connect("doctree-resolved", note_written)
    app.connect("html-collect-pages", write)
    app.connect("html-page-context", add_button, priority=502)  # when the theme has its own
    lectures.setup(app)
    return {"version": "1.0", "parallel_read_safe": False, "parallel_write_safe": True}
