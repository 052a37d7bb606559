"""A page as plain Markdown and code cells, from what Sphinx made of it: numbers, names and links stand in it already.

Written is what GitHub, JupyterLab, VS Code and Colab all show: CommonMark, tables with pipes, ``$…$`` and ``$$…$$`` with
``\\tag``, block quotes in place of boxes, and ``<details>`` for what a reader is to open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urljoin

from docutils import nodes
from slides.cells import DeckCell, Shown
from sphinx import addnodes
from sphinx.util import logging
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node
from typeset import temml

logger = logging.getLogger(__name__)

EXERCISES = (exercise_node, exercise_enumerable_node)
# What a page does not show, or what only its scripts need.
UNSEEN = (nodes.comment, nodes.target, nodes.meta, nodes.raw, nodes.substitution_definition, nodes.system_message, nodes.problematic,
          addnodes.index, addnodes.toctree, DeckCell, Shown)


class Code(NamedTuple):
    """A code cell: its index among the cells of the notebook that was executed, and what it is where a reader is to open it."""

    index: int
    folded: str = ""


@dataclass(frozen=True)
class Page:
    """What a page is told of the book.

    address : of the page on the site
    numbers : of its figures, tables, exercises and equations, by kind and id
    names : how a number is told, by kind: ``Fig. %s``
    chapter : its number, or ""
    linked : ids that links lead to from outputs
    below_title : Markdown that stands below the title
    """

    address: str
    numbers: dict[str, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    chapter: str = ""
    linked: frozenset[str] = frozenset()
    below_title: str = ""

    def number(self, kind: str, node: nodes.Element) -> str:
        """The number of a node, "4.1", or "" where it has none."""
        known = self.numbers.get(kind, {})
        return next((".".join(map(str, known[name])) for name in node.get("ids", ()) if name in known), "")

    def link(self, uri: str) -> str:
        return uri if uri.startswith("#") else urljoin(self.address, uri)


class Frame(NamedTuple):
    """Something that is open while its parts are written: a quote, or what a reader opens."""

    wrap: Callable[[list[str], bool], str]
    blocks: list[str]
    continued: bool = False
    folded: str = ""


def pieces(doctree: nodes.document, page: Page) -> list[str | Code]:
    """The text cells and the code cells of a page in their order; text begins anew with each heading.

    Parameters
    ----------
    doctree : of the page, with everything resolved
    page : what stands not in it
    """
    return Writer(doctree, page).pieces


class Writer:
    def __init__(self, doctree: nodes.document, page: Page):
        self.page = page
        self.pieces: list[str | Code] = []
        self.frames = [Frame(lambda blocks, _: "\n\n".join(blocks), [])]
        self.level = 0
        self.linked = page.linked | {target(node)[1:] for node in doctree.findall(nodes.Element) if target(node).startswith("#")}
        self.anchored: set[str] = set()
        self.blocks(doctree)
        self.end_cell()

    # --- cells ----------------------------------------------------------------------------------------------------------

    def write(self, block: str) -> None:
        if block:
            self.frames[-1].blocks.append(block)

    def end_cell(self) -> None:
        """Close what is open, end the text cell, and open it again for the next."""
        text = ""
        for frame in reversed(self.frames):
            if text:
                frame.blocks.append(text)
            text = frame.wrap(frame.blocks, frame.continued) if frame.blocks else ""
        if text:
            self.pieces.append(text)
        self.frames = [frame._replace(blocks=[], continued=frame.continued or bool(text)) for frame in self.frames]

    def within(self, node: nodes.Element, wrap: Callable[[list[str], bool], str], children: Iterable[nodes.Node], folded: str = "") -> None:
        self.frames.append(Frame(wrap, [], folded=folded))
        for child in children:
            self.block(child)
        frame = self.frames.pop()
        if frame.blocks:
            self.write(frame.wrap(frame.blocks, frame.continued))

    def anchors(self, node: nodes.Element) -> str:
        """Where links within the notebook lead to; only what is linked gets one."""
        names = [name for name in node.get("ids", ()) if name in self.linked - self.anchored]
        self.anchored |= {*names}
        return "".join(f'<a id="{name}"></a>' for name in names)

    def anchor_before(self, node: nodes.Element) -> None:
        """Let links to a node lead to the text before it, so that no empty line is needed."""
        if anchors := self.anchors(node):
            blocks = self.frames[-1].blocks
            if blocks and re.match(r"[^\W_]|\$[^$]|[*(]", blocks[-1]) and "\n" not in blocks[-1]:
                blocks[-1] += f" {anchors}"
            else:
                self.write(anchors)

    # --- blocks ---------------------------------------------------------------------------------------------------------

    def blocks(self, node: nodes.Element) -> None:
        for child in node.children:
            self.block(child)

    def block(self, node: nodes.Node) -> None:
        if isinstance(node, UNSEEN):
            return
        if node.get("nb_element") == "cell_code":
            self.code(node)
        elif isinstance(node, nodes.section):
            self.section(node)
        elif isinstance(node, nodes.paragraph | nodes.rubric):
            text = self.anchors(node) + self.inline(node)
            self.write(f"**{text}**" if isinstance(node, nodes.rubric) else at_start_of_line(text))
        elif isinstance(node, nodes.math_block):
            self.equation(node)
        elif isinstance(node, EXERCISES):
            self.exercise(node)
        elif isinstance(node, solution_node):
            self.solution(node)
        elif isinstance(node, nodes.admonition | nodes.sidebar | nodes.Admonition | nodes.topic):
            self.box(node)
        elif isinstance(node, nodes.block_quote):
            self.within(node, quoted, node.children)
        elif isinstance(node, nodes.bullet_list | nodes.enumerated_list):
            self.write("\n".join(self.items(node)))
        elif isinstance(node, nodes.definition_list):
            self.definitions(node)
        elif isinstance(node, nodes.table):
            self.table(node)
        elif isinstance(node, nodes.figure):
            self.blocks(node)
        elif isinstance(node, nodes.image):
            self.write(self.image(node))
        elif isinstance(node, nodes.caption):
            self.caption(node)
        elif isinstance(node, nodes.literal_block | nodes.doctest_block):
            language = {"ipython3": "python", "default": "", "none": ""}.get(node.get("language", ""), node.get("language", ""))
            self.write(fenced(node.astext(), language))
        elif isinstance(node, nodes.citation | nodes.footnote):
            self.write(self.anchors(node) + " ".join(self.inline(child) for child in node.children))
        elif isinstance(node, nodes.transition):
            self.write("---")
        elif isinstance(node, nodes.compound | nodes.container | nodes.legend | addnodes.glossary):
            self.blocks(node)
        else:
            unknown(node)

    def code(self, node: nodes.Element) -> None:
        """A code cell ends the text before it; the caption of its figure stands below it."""
        figures = list(node.findall(nodes.figure))
        for figure in figures:
            self.anchor_before(figure)
        folded = next((frame.folded for frame in self.frames if frame.folded), "")
        if self.frames[-1].folded and not self.frames[-1].blocks and not self.frames[-1].continued:
            self.write("It is in the next cell.")
        self.end_cell()
        self.pieces.append(Code(node["cell_index"], folded))
        for figure in figures:
            self.blocks(figure)
            if any('data-explore="' in raw.astext() for raw in figure.findall(nodes.raw)):
                self.write(f"Run the cell to play with this figure, or play with it [on its page]({self.page.address}#{figure['ids'][0]}).")

    def section(self, node: nodes.section) -> None:
        if not any(isinstance(child, nodes.title) for child in node.children):
            self.blocks(node)  # the content of an exercise
            return
        self.level += 1
        self.end_cell()
        if anchors := self.anchors(node):
            self.write(anchors)
        for child in node.children:
            if isinstance(child, nodes.title):
                number = f"{self.page.chapter}. " if self.level == 1 and self.page.chapter else ""
                self.write(f"{'#' * min(self.level, 6)} {number}{self.inline(child)}")
                self.write(self.page.below_title if self.level == 1 else "")
            else:
                self.block(child)
        self.level -= 1

    def exercise(self, node: nodes.Element) -> None:
        title, *content = node.children
        number = self.page.number("exercise", node)
        name = f"Exercise {number}".strip()
        said = self.inline(title).strip()
        said = said[1:-1] if said.startswith("(") and said.endswith(")") else said
        self.end_cell()
        self.write(self.anchors(node))
        self.write(f"{'#' * min(self.level + 1, 6)} {name}{f': {said}' if said else ''}")
        for child in content:
            self.block(child)

    def solution(self, node: nodes.Element) -> None:
        title, *content = node.children
        named = next((re.sub(r"\s*\(.*", "", link.astext().strip(), flags=re.DOTALL) for link in title.findall(nodes.reference)), "")
        name = f"Solution to {named}" if named else title.astext().strip()
        self.anchor_before(node)
        self.within(node, lambda blocks, continued: details(name + (", continued" if continued else ""), blocks), content, folded=name)

    def box(self, node: nodes.Element) -> None:
        children = [child for child in node.children if not (isinstance(child, nodes.title) and not child.astext().strip())]
        if not any(isinstance(child, nodes.title) for child in children) and not isinstance(node, nodes.sidebar):
            children.insert(0, nodes.title("", node.tagname.capitalize()))
        anchors = self.anchors(node)

        def wrap(blocks: list[str], continued: bool) -> str:
            return quoted([anchors + blocks[0], *blocks[1:]] if not continued else blocks, continued)

        titled = [nodes.paragraph("", "", nodes.strong("", "", *[part.deepcopy() for part in child.children]))
                  if isinstance(child, nodes.title) else child for child in children]
        self.within(node, wrap, titled)

    def equation(self, node: nodes.math_block) -> None:
        self.anchor_before(node)
        number = self.page.number("displaymath", node) or str(node.get("number") or "")
        text = tex(temml.displayed(node.astext(), node.get("nowrap")), lines=len(self.frames) == 1 or bool(self.frames[-1].folded))
        tag = rf" \tag{{{number}}}" if number else ""
        self.write(f"$$\n{text}{tag}\n$$" if "\n" in text or len(self.frames) == 1 else f"$${text}{tag}$$")

    def items(self, node: nodes.Element) -> Iterator[str]:
        ordered = isinstance(node, nodes.enumerated_list)
        for count, item in enumerate(node.children, int(node.get("start", 1))):
            mark = f"{count}. " if ordered else "- "
            frame = Frame(lambda blocks, _: "\n\n".join(blocks), [])
            self.frames.append(frame)
            self.write(self.anchors(item))
            self.blocks(item)
            if self.frames.pop() is not frame:
                unknown(item, "a code cell in a list")
            text = "\n\n".join(frame.blocks)
            yield mark + text.replace("\n", "\n" + " " * len(mark)).replace("\n" + " " * len(mark) + "\n", "\n\n")

    def definitions(self, node: nodes.definition_list) -> None:
        for item in node.children:
            terms = [self.anchors(term) + self.inline(term) for term in item.children if isinstance(term, nodes.term)]
            self.write("**" + ", ".join(terms) + "**")
            for definition in item.children:
                if isinstance(definition, nodes.definition):
                    self.within(definition, quoted, definition.children)

    def caption(self, node: nodes.caption) -> None:
        kind = "figure" if isinstance(node.parent, nodes.figure) else "code-block"
        number = self.page.number(kind, node.parent)
        told = self.page.names.get(kind, "%s") % number if number else ""
        self.write(self.anchors(node) + (f"**{told}.** " if told else "") + self.inline(node))

    def table(self, node: nodes.table) -> None:
        anchors = self.anchors(node)
        number = self.page.number("table", node)
        told = f"**{self.page.names.get('table', '%s') % number}.** " if number else ""
        title = next((self.inline(child) for child in node.children if isinstance(child, nodes.title)), "")
        self.write(anchors + told + title)
        rows = [[self.cell(entry, row) for entry in row.children] for row in node.findall(nodes.row)]
        first = next(node.findall(nodes.row))
        if not isinstance(first.parent, nodes.thead):
            rows.insert(0, [""] * len(rows[0]))
        marks = {"text-center": ":-:", "text-right": "--:"}
        rule = [next((marks[name] for name in entry.get("classes", ()) if name in marks), "---") for entry in first.children]
        self.write("\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:])))

    def cell(self, entry: nodes.entry, row: nodes.row) -> str:
        if entry.get("morecols") or entry.get("morerows") or any(not isinstance(child, nodes.paragraph) for child in entry.children):
            unknown(entry, "a table's cell that is more than text")
        text = "<br>".join(self.inline(child, in_table=True) for child in entry.children)
        return (self.anchors(row) if row.children[0] is entry else "") + self.anchors(entry) + text

    def image(self, node: nodes.image) -> str:
        address = self.page.link(f"../_images/{node['uri'].rpartition('/')[2]}") if "://" not in node["uri"] else node["uri"]
        return f"![{escaped(node.get('alt', ''))}]({address})"

    # --- inside a line --------------------------------------------------------------------------------------------------

    def inline(self, node: nodes.Element, in_table: bool = False) -> str:
        return "".join(self.part(child, in_table) for child in node.children).strip()

    def part(self, node: nodes.Node, in_table: bool) -> str:
        if isinstance(node, nodes.Text):
            return escaped(re.sub(r"\s+", " ", node)).replace("|", r"\|" if in_table else "|")
        if isinstance(node, UNSEEN):
            return ""
        if isinstance(node, nodes.math):
            text = tex(node.astext())
            return f"${without_bars(text) if in_table else text}$"
        anchors = "" if isinstance(node, nodes.entry | nodes.row) else self.anchors(node)
        if isinstance(node, nodes.literal):
            text = literal(node.astext())
            return anchors + (text.replace("|", r"\|") if in_table else text)
        if isinstance(node, nodes.image):
            return anchors + self.image(node)
        inside = "".join(self.part(child, in_table) for child in node.children)
        if isinstance(node, nodes.strong):
            return anchors + around("**", inside)
        if isinstance(node, nodes.emphasis):
            return anchors + around("*", inside)
        if isinstance(node, nodes.superscript | nodes.subscript):
            return anchors + f"<{node.tagname[:3]}>{inside}</{node.tagname[:3]}>"
        if isinstance(node, nodes.reference | addnodes.number_reference):
            space = " " * inside.startswith(" ")
            return anchors + f"{space}[{inside.strip()}]({self.page.link(target(node))})" if target(node) else anchors + inside
        if not isinstance(node, nodes.inline | nodes.paragraph | nodes.title | nodes.abbreviation | nodes.title_reference | nodes.label
                          | nodes.generated | addnodes.literal_strong | addnodes.literal_emphasis | addnodes.download_reference):
            unknown(node)
        return anchors + inside


def unknown(node: nodes.Node, what: str = "") -> None:
    logger.warning("the page's notebook cannot show %s: write it otherwise, or teach it to _ext/notebooks/markdown.py",
                   what or f"a {node.tagname}", location=node)


def target(node: nodes.Node) -> str:
    """Where a reference leads: "#id" within the page, else an address; "" where a node leads nowhere."""
    if isinstance(node, nodes.reference | addnodes.number_reference):
        return f"#{node['refid']}" if node.get("refid") else node.get("refuri", "")
    return ""


def tex(text: str, lines: bool = False) -> str:
    r"""TeX as every viewer reads it: no sign that may be taken for HTML, no empty line, all in a line unless it stands apart.

    >>> tex("a\n\n <  b & c")
    'a \\lt b & c'
    """
    text = re.sub(r"\s*<\s*", r" \\lt ", re.sub(r"\s*>\s*", r" \\gt ", text.strip()))
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) if lines else " ".join(text.split())


def without_bars(text: str) -> str:
    r"""TeX for a cell of a table, which a bare bar would end.

    >>> without_bars(r"\eta\,|f|/h")
    '\\eta\\,\\vert f\\vert /h'
    """
    return text.replace(r"\|", r"\Vert ").replace("|", r"\vert ")


def escaped(text: str) -> str:
    r"""Text in which Markdown, mathematics and HTML find nothing.

    >>> escaped("a_b costs 5$ & <c> [1]")
    'a\\_b costs 5\\$ &amp; &lt;c&gt; [1]'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_~$])", r"\\\1", text)


def at_start_of_line(text: str) -> str:
    r"""A paragraph that is not taken for a heading, a list or a quote.

    >>> at_start_of_line("1. is not a list"), at_start_of_line("- 3"), at_start_of_line("x - 3")
    ('1\\. is not a list', '\\- 3', 'x - 3')
    """
    return re.sub(r"^(\d+)([.)])(?=\s)", r"\1\\\2", re.sub(r"^([-+]|#{1,6})(?=\s)", r"\\\1", text))


def literal(text: str) -> str:
    """Code in a line, between more backticks than it has.

    >>> literal("a`b")
    '``a`b``'
    """
    text = " ".join(text.split())
    marks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " * (text.startswith("`") or text.endswith("`"))
    return f"{marks}{space}{text}{space}{marks}"


def fenced(text: str, language: str = "") -> str:
    marks = "`" * max(3, max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{marks}{language}\n{text}\n{marks}"


def around(mark: str, text: str) -> str:
    """Text between marks, which may not touch a space.

    >>> around("**", "bold ")
    '**bold** '
    """
    inside = text.strip()
    start, end = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{start}{mark}{inside}{mark}{end}" if inside else text


def quoted(blocks: list[str], continued: bool = False) -> str:
    """Blocks as a quote.

    >>> quoted(["a", "b"])
    '> a\\n>\\n> b'
    """
    return "\n".join(f"> {line}".rstrip() for line in "\n\n".join(blocks).splitlines())


def details(summary: str, blocks: list[str]) -> str:
    """Blocks that a reader opens; the empty lines let Markdown go on inside."""
    return f"<details>\n<summary>{escaped(summary)}</summary>\n\n" + "\n\n".join(blocks) + "\n\n</details>"
