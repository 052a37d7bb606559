"""The slides in a chapter: which of its cells make them, and what is wrong with their metadata.

A cell belongs to a slide by the notebook's own ``slideshow.slide_type``. Text cells with such a type are written for the
deck and leave the page when it is read; code cells stay on the page too, unless they are tagged ``deck``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from docutils import nodes
from myst_nb.sphinx_ import SphinxNbRenderer
from myst_parser.mdit_to_docutils.base import token_line
from sphinx.util.docutils import SphinxDirective

STARTS = ("slide", "subslide")
CONTINUES = ("fragment", "notes", "-")
KINDS = (*STARTS, *CONTINUES, "skip")
DECK = "deck"  # the tag of code cells that are for the deck alone
TIME = re.compile(r"(\d+(?:\.5)?) min\.$")


class DeckCell(nodes.General, nodes.Element):
    """A cell for the deck alone. What it holds is kept aside, so that nothing that reads the page meets it."""

    def put_aside(self) -> None:
        self["parts"], self.children = self.children, []

    def bring_back(self) -> None:
        self.extend(self["parts"])


class Shown(nodes.General, nodes.Element):
    """A place in a deck cell where something of the chapter is to stand, by its label."""


class Show(SphinxDirective):
    """``{show} label``: the equation, figure or box of this chapter that has the label, on a slide."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        shown = Shown("", label=self.arguments[0])
        self.set_source_info(shown)
        return [shown]


@dataclass
class Slide:
    """One slide.

    title : the paragraph that it begins with
    steps : what it shows, each with whether it waits for a key press
    notes : what the lecturer says
    section : of the chapter in which it stands
    """

    below: bool
    where: str
    section: nodes.Element | None
    title: nodes.Element | None = None
    steps: list[tuple[bool, nodes.Element]] = field(default_factory=list)
    notes: DeckCell | None = None

    @property
    def minutes(self) -> float:
        return minutes(self.notes) if self.notes else 0.0


def minutes(notes: DeckCell) -> float:
    """The time that notes begin with, or 0."""
    said = _said(next(iter(_parts(notes)), None))
    found = TIME.match(said[0].astext()) if said and isinstance(said[0], nodes.strong) else None
    return float(found[1]) if found else 0.0


def kind_of(node: nodes.Node) -> str | None:
    """The slide type of a cell's node, or None where it has none or is no cell."""
    if isinstance(node, DeckCell):
        return node["kind"]
    if isinstance(node, nodes.container) and node.get("nb_element") == "cell_code":
        return (node["cell_metadata"].get("slideshow") or {}).get("slide_type")
    return None


def render_text_cell(renderer: SphinxNbRenderer, token) -> None:
    """In place of MyST-NB's own: leave a node where a text cell has a slide type; others leave no trace."""
    kind = (token.meta["metadata"].get("slideshow") or {}).get("slide_type")
    if kind in (None, "skip"):
        renderer.render_children(token)
        return
    cell = DeckCell("", kind=kind, cell=token.meta["index"] + 1, at=token_line(token, 0))
    with renderer.current_node_context(cell, append=True):
        renderer.render_children(token)


def put_aside(doctree: nodes.document) -> None:
    """Take what is for the deck alone from a page that has been read."""
    for node in list(doctree.findall(nodes.container)):
        if node.get("nb_element") == "cell_code" and DECK in node["cell_metadata"].get("tags", []):
            cell = DeckCell("", kind=kind_of(node) or "untyped", cell=node["cell_index"] + 1, at=node.line, code=True)
            node.replace_self(cell)
            cell.append(node)
    for cell in list(doctree.findall(DeckCell)):
        cell.put_aside()


def slides(doctree: nodes.document, docname: str) -> tuple[list[Slide], list[str]]:
    """The slides of a chapter in their order, and a sentence for each thing that is wrong with them."""
    found: list[Slide] = []
    wrong = []
    for node in list(doctree.findall(lambda node: kind_of(node) is not None and not isinstance(node.parent, DeckCell))):
        kind, where = kind_of(node), _where(node, docname)
        if kind not in KINDS:
            hint = "give the cell a slide type" if kind == "untyped" else f"the slide type {kind!r} is unknown"
            wrong.append(f"{where}: {hint}: {', '.join(KINDS[:-1])} or {KINDS[-1]}.")
        elif kind in STARTS:
            slide = Slide(kind == "subslide", where, _section(node))
            if kind == "subslide" and not found:
                wrong.append(f"{where}: a subslide stands before the first slide: make it a slide.")
            found.append(slide)
            wrong += _start(slide, node)
        elif kind != "skip":
            if not found:
                named = f"a cell with the slide type {kind!r}"
                wrong.append(f"{where}: {named} stands before the first slide: start one with the slide type slide.")
                continue
            wrong += _go_on(found[-1], node, kind, where)
        if isinstance(node, DeckCell) and not node.get("code"):
            wrong += _text_faults(node, where)
    for slide in found:
        if slide.title is not None and not slide.steps:
            wrong.append(f"{slide.where}: the slide is empty but for its title: show something on it, or remove it.")
        if slide.notes is None:
            wrong.append(f"{slide.where}: the slide has no notes: end it with a cell of the slide type notes.")
    return found, wrong


def _start(slide: Slide, node: nodes.Element) -> list[str]:
    parts = _parts(node)
    said = _said(parts[0] if parts else None)
    if len(said) != 1 or not isinstance(said[0], nodes.strong):
        return [f"{slide.where}: a slide begins with its title: one paragraph, all of it bold."]
    slide.title = parts[0]
    if len(parts) > 1:
        slide.steps.append((False, node))
    return []


def _go_on(slide: Slide, node: nodes.Element, kind: str, where: str) -> list[str]:
    if slide.notes is not None:
        again = "has its notes already" if kind == "notes" else "ends with its notes"
        return [f"{where}: the slide {again}: move this cell before them, or start a new slide."]
    if kind == "notes":
        slide.notes = node
        if not isinstance(node, DeckCell) or node.get("code"):
            return [f"{where}: notes are a text cell."]
        return [] if minutes(node) else [f"{where}: notes begin with the time that the slide takes, as in **2 min.**"]
    slide.steps.append((kind == "fragment", node))
    if isinstance(node, DeckCell) and not _parts(node):
        return [f"{where}: the cell is empty."]
    return []


def _text_faults(cell: DeckCell, where: str) -> Iterator[str]:
    """What must not stand in a text of the deck: what the page has, and checks, is to be shown by its label."""
    everything = [node for part in _parts(cell) for node in part.findall()]
    if any(isinstance(node, nodes.math_block) for node in everything):
        yield f"{where}: a displayed equation of the deck alone would not be checked: show one of the chapter with {{show}}."
    if any(isinstance(node, (nodes.target, nodes.section, nodes.rubric)) for node in everything):
        yield f"{where}: a slide has neither headings nor labels: its title is its first paragraph, all of it bold."


def _said(paragraph: nodes.Node | None) -> list[nodes.Node]:
    """What a paragraph is made of, without the empty texts that MyST leaves around what is bold."""
    return [child for child in paragraph.children if child.astext()] if isinstance(paragraph, nodes.paragraph) else []


def _parts(node: nodes.Element) -> list[nodes.Node]:
    return node.get("parts", []) if isinstance(node, DeckCell) else [node]


def _section(node: nodes.Node) -> nodes.Element | None:
    while node is not None and not isinstance(node, nodes.section):
        node = node.parent
    return node


def _where(node: nodes.Element, docname: str) -> str:
    number, line = (node["cell"], node["at"]) if isinstance(node, DeckCell) else (node["cell_index"] + 1, node.line)
    return f"{docname}.md, cell {number} (line {line})"


def shown_node(doctree: nodes.document, label: str) -> nodes.Element | None:
    """What a label of the chapter names: an equation, a figure, or a box."""
    for node in doctree.findall(nodes.math_block):
        if node.get("label") == label:
            return node
    wanted = nodes.make_id(label)
    for node in doctree.findall(nodes.Element):
        if not isinstance(node, (nodes.section, nodes.target, DeckCell, Shown)) and (
                wanted in node.get("ids", []) or label in node.get("names", []) or node.get("label") == label):
            return node
    return None
