"""The glossary: for each entry the place where the book introduces it, and the pages that use it.

An entry of Sphinx's ``glossary`` has its names and its signs (lines of mathematics alone) above the definition. The
definition ends with ``{born}`label```, the label of the section or the equation that introduces it. In that section the first
paragraph, table row or equation that has the sign, or else the name, becomes the target; where none has it, the build
fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from findable import Entry, is_named, tex_has

logger = logging.getLogger(__name__)

PLACES = (nodes.paragraph, nodes.row, nodes.math_block, nodes.caption, nodes.title)
NO_PROSE = (nodes.literal_block, nodes.literal, nodes.math, nodes.math_block, nodes.comment, nodes.raw)
SHAPE = re.compile(r"\\times|\b(shapes?|rows?|columns?|entries|scalar|number)\b")


class born(nodes.Inline, nodes.Element):
    """Where the links of an entry go."""


class Born(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list]:
        return [born(label=self.text)], []


class Collect(SphinxTransform):
    """Tell the search of the entries of a page. Sphinx's own index would list each a second time, under the page's name."""

    default_priority = 800

    def apply(self, **kwargs) -> None:
        domain = self.env.get_domain("findable")
        for item in (item for glossary in self.document.findall(addnodes.glossary) for item in glossary.findall(nodes.definition_list_item)):
            for index in list(item.findall(addnodes.index)):
                index.parent.remove(index)
            terms = list(item.findall(nodes.term))
            signs = [term for term in terms if any(term.findall(nodes.math))]
            names = [term.astext() for term in terms if term not in signs]
            links = list(item.findall(born))
            if not names or len(links) != 1:
                logger.warning("an entry of the glossary needs a name and one {born}`label`: %s", item[0].astext(), location=item)
                continue
            for sign in signs:
                sign["classes"].append("mc-sign")
            links[0]["entry"] = terms[0]["ids"][0]
            domain.entries.append(Entry(self.env.docname, links[0]["entry"], tuple(names),
                                        tuple(next(sign.findall(nodes.math)).astext() for sign in signs), links[0]["label"]))


# --- where an entry is introduced ---------------------------------------------------------------------------------------


def target(env, label: str) -> tuple[str, str] | None:
    """The page and the id of a labelled section or equation."""
    if label in env.get_domain("math").equations:
        return env.get_domain("math").equations[label][0], nodes.make_id(f"equation-{label}")
    return env.get_domain("std").anonlabels.get(label)


def birthplace(doctree: nodes.document, anchor: str, entry: Entry) -> nodes.Element | None:
    """The first place below an anchor that names an entry.

    Best in bold; then a sign with a shape, or for a name without a sign the heading of the section; last any place.
    """
    start = next((node for node in doctree.findall(nodes.Element) if anchor in node.get("ids", ())), None)
    if isinstance(start, nodes.target):
        start = start.next_node(nodes.math_block, descend=False, siblings=True)
    places = [] if start is None else [node for node in start.findall() if isinstance(node, PLACES) and not in_row(node)]
    named = [node for node in places if names(node, entry)]
    ranks = [
        lambda node: any(says(strong.astext(), name) for strong in node.findall(nodes.strong) for name in entry.names),
        lambda node: entry.signs and not isinstance(node, nodes.title) and SHAPE.search(node.astext()),
        lambda node: not entry.signs and isinstance(node, nodes.title) and node.parent is start,
        lambda node: not isinstance(node, nodes.title),
        lambda node: True,
    ]
    return next((node for rank in ranks for node in named if rank(node)), None)


def in_row(node: nodes.Node) -> bool:
    return not isinstance(node, nodes.row) and any(isinstance(parent, nodes.row) for parent in parents(node))


def parents(node: nodes.Node) -> Iterator[nodes.Node]:
    while (node := node.parent) is not None:
        yield node


def names(node: nodes.Node, entry: Entry) -> bool:
    """Whether a place names an entry: by its sign, and if it has none, by its name."""
    if entry.signs:
        return any(tex_has(formula.astext(), sign) for formula in formulas(node) for sign in entry.signs)
    return any(says(prose(node), name) for name in entry.names)


def formulas(node: nodes.Node) -> Iterator[nodes.Element]:
    return node.findall(lambda n: isinstance(n, nodes.math | nodes.math_block))


def prose(node: nodes.Node) -> str:
    """The words of a node, without code and formulas.

    >>> prose(nodes.paragraph("", "", nodes.Text("the "), nodes.literal("", "code"), nodes.Text("of a slope")))
    'the of a slope'
    """
    texts = (text for text in node.findall(nodes.Text) if not any(isinstance(p, NO_PROSE) for p in parents(text)))
    return " ".join(" ".join(text.astext() for text in texts).split())


def says(text: str, name: str) -> bool:
    """Whether a text has a term in it, in the singular or the plural.

    >>> says("Two Kronecker  products.", "Kronecker product"), says("rescaled", "scale"), says("A matrix or matrices", "matrix")
    (True, False, True)
    """
    stem = re.escape(name).replace(r"\ ", r"\s+")
    stem = re.sub(r"(ix|y)$", lambda m: {"ix": "(?:ix|ices)", "y": "(?:y|ies)"}[m[1]], stem)
    return re.search(rf"\b{stem}s?\b", text, re.IGNORECASE) is not None


def existing_id(place: nodes.Element) -> str | None:
    """The id that a place has already; a caption and a heading have that of the figure and the section."""
    place = place.parent if isinstance(place, nodes.caption | nodes.title) else place
    return place["ids"][0] if place["ids"] else None


# --- one view of all pages ------------------------------------------------------------------------------------------------


def gather(app, env) -> list[str]:
    """Find where each entry is introduced and used; return the pages whose links or targets have changed."""
    entries = env.get_domain("findable").entries
    if not entries:
        return []
    glossary = entries[0].docname
    doctrees = {page: env.get_doctree(page) for page in reading_order(env)}
    births: dict[str, dict[str, str]] = {page: {} for page in doctrees}
    led_to: dict[str, str] = {}
    for entry in entries:
        found = target(env, entry.born)
        place = birthplace(doctrees[found[0]], found[1], entry) if found else None
        if place is None:
            told = "which does not name it" if found else "which no page has"
            logger.warning(f"the glossary leads from {entry.names[0]!r} to {entry.born}, {told}", location=entry.docname)
            continue
        led_to[entry.anchor] = existing_id(place) or nodes.make_id(f"born-{entry.anchor}")
        if not existing_id(place):
            place["ids"].append(led_to[entry.anchor])  # the next entry that is born here leads to the same
            births[found[0]][entry.anchor] = led_to[entry.anchor]
    words = {page: prose(doctree) for page, doctree in doctrees.items() if page != glossary}
    tex = {page: " ; ".join(formula.astext() for formula in formulas(doctrees[page])) for page in words}
    uses = {entry.anchor: [page for page in words if uses_entry(words[page], tex[page], entry)] for entry in entries}
    old_births, *old = getattr(env, "glossary_places", ({}, {}, {}))
    env.glossary_places = births, led_to, uses
    changed = [page for page in births if births[page] != old_births.get(page, {})]
    return sorted({*changed, *([glossary] if old != [led_to, uses] else [])})


def uses_entry(words: str, tex: str, entry: Entry) -> bool:
    r"""Whether a page uses an entry: it has a name, or a sign that is more than a letter, which may mean something else.

    >>> one = Entry("p", "a", ("Hadamard product",), (r"\odot",), "x")
    >>> uses_entry("", r"\mathbf a\odot\mathbf b", one), uses_entry("", r"\mathbf a\otimes\mathbf b", one)
    (True, False)
    """
    return any(says(words, name) for name in entry.names) or any(tex_has(tex, sign) for sign in entry.signs if is_named(sign))


def reading_order(env) -> list[str]:
    order = list(env.toctree_includes.get(env.config.root_doc, []))
    return [env.config.root_doc, *order, *sorted(env.found_docs - {env.config.root_doc, *order})]


def show(app, doctree: nodes.document, docname: str) -> None:
    """Give the birthplaces on a page their ids, and write the links of the glossary's entries."""
    births, led_to, uses = getattr(app.env, "glossary_places", ({}, {}, {}))
    entries = {entry.anchor: entry for entry in app.env.get_domain("findable").entries}
    for name, anchor in births.get(docname, {}).items():
        if (place := birthplace(doctree, target(app.env, entries[name].born)[1], entries[name])) is not None:
            place["ids"].append(anchor)
    for link in list(doctree.findall(born)):
        name = link.get("entry")
        link.replace_self(links(app, docname, entries[name], led_to[name], uses[name]) if name in led_to else [])


def links(app, docname: str, entry: Entry, anchor: str, uses: list[str]) -> list[nodes.Node]:
    """The places of an entry: first where it is introduced, then the pages that use it."""
    page, _ = target(app.env, entry.born)
    pages = [name for name in uses if name != page]
    content = [nodes.inline("", "", nodes.Text("Introduced in "), reference(app, docname, page, anchor), classes=["mc-born"])]
    if pages:
        content += [nodes.Text(". Used in ")]
        for number, name in enumerate(pages):
            content += [nodes.Text(", " if number else ""), reference(app, docname, name)]
    return [nodes.inline("", "", *content, nodes.Text("."), classes=["mc-places"])]


def reference(app, here: str, page: str, anchor: str = "") -> nodes.reference:
    address = app.builder.get_relative_uri(here, page) + (f"#{anchor}" if anchor else "")
    title = app.env.titles[page]
    return nodes.reference("", "", *[child.deepcopy() for child in title.children], internal=True, refuri=address)


def setup(app) -> dict[str, bool]:
    app.setup_extension("findable")
    app.add_node(born)
    app.add_role("born", Born())
    app.add_transform(Collect)
    app.connect("env-updated", gather)
    app.connect("doctree-resolved", show)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
