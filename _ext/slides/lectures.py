"""What instructors are told of all decks: how many slides, how many minutes, and where they are."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from assets import DECK

from .cells import Slide


class Table(nodes.General, nodes.Element):
    """The table of all decks, to be filled in when all chapters are read."""


class Lectures(SphinxDirective):
    """``{lectures}``: a table of the decks of all chapters."""

    def run(self) -> list[nodes.Node]:
        self.env.lecture_pages = getattr(self.env, "lecture_pages", set()) | {self.env.docname}
        return [Table()]


def decks(env) -> dict[str, tuple[int, float, int]]:
    """Slides and minutes of each chapter that has a deck, and how many slides are detours."""
    return getattr(env, "decks", {})


def note(env, docname: str, found: list[Slide]) -> None:
    env.decks = {name: told for name, told in decks(env).items() if name != docname}
    if found:
        taken = sum(slide.minutes for slide in found if not slide.below)
        env.decks[docname] = (sum(not slide.below for slide in found), taken, sum(slide.below for slide in found))


def forget(env, docname: str) -> None:
    decks(env).pop(docname, None)
    getattr(env, "lecture_pages", set()).discard(docname)


def write_again(app, env) -> list[str]:
    """The pages with the table, where a deck has changed."""
    told = repr(sorted(decks(env).items()))
    if told == getattr(env, "lectures_told", None):
        return []
    env.lectures_told = told
    return sorted(getattr(env, "lecture_pages", ()))


def fill(app, doctree, docname) -> None:
    for place in list(doctree.findall(Table)):
        numbers = {name: app.env.toc_secnumbers.get(name, {}).get("") for name in decks(app.env)}
        order = sorted((name for name in numbers if numbers[name]), key=numbers.get)  # the example of a slide is no lecture
        place.replace_self(_table(app, docname, order))


def _table(app, docname: str, order: list[str]) -> nodes.table:
    head = ["Lecture", "Slides", "Minutes", "Deck", "Handout"]
    group = nodes.tgroup("", *[nodes.colspec("", colwidth=width) for width in (40, 15, 15, 15, 15)], cols=len(head))
    group += nodes.thead("", nodes.row("", *[nodes.entry("", nodes.paragraph("", text)) for text in head]))
    body = nodes.tbody()
    for name in order:
        count, taken, detours = decks(app.env)[name]
        number = ".".join(map(str, app.env.toc_secnumbers.get(name, {}).get("", ())))
        uri = app.builder.get_relative_uri(docname, name)
        deck = f"{uri.removesuffix('.html')}{DECK}.html"
        slides = f"{count}" + (f" and {detours} more" if detours else "")
        title = app.env.titles[name].deepcopy().children
        chapter = nodes.reference("", f"{number}. ", *title, internal=True, refuri=uri)
        cells = [[chapter], [nodes.Text(slides)], [nodes.Text(f"{taken:g}")],
                 [nodes.reference("", "slides", internal=True, refuri=deck)],
                 [nodes.reference("", "handout", internal=True, refuri=f"{deck}?handout")]]
        body += nodes.row("", *[nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells])
    group += body
    return nodes.table("", group, classes=["lectures"])


def setup(app) -> None:
    app.add_node(Table)
    app.add_directive("lectures", Lectures)
    app.connect("env-get-updated", write_again)
    app.connect("doctree-resolved", fill, priority=400)
