"""From a chapter to its deck: one page for reveal.js, of the same nodes and by the same writer as the chapter's page."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from docutils.utils import new_document
from jinja2 import Environment, FileSystemLoader
from sphinx.util.osutil import relative_uri

import theme_pages
from assets import DECK as SUFFIX

from .cells import DeckCell, Shown, Slide, kind_of, shown_node, slides

HERE = Path(__file__).parent
_ID = re.compile(r"""(<(?:div|figure|span|details|p|dl|dt)\b[^>]*?) id="[^"]*\"""")
_PERMALINK = re.compile(r'<a class="headerlink"[^>]*>.*?</a>', re.DOTALL)


def write(app, docname: str) -> None:
    """Write the deck of a chapter beside its page."""
    doctree = app.env.get_doctree(docname)
    bring_back(doctree)
    app.env.apply_post_transforms(doctree, docname)
    found, _ = slides(doctree, docname)
    page = Page(app, docname)
    template = Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template("deck.html")
    rendered = [page.slide(slide) for slide in found]
    names: set[str] = set()
    for slide in rendered:
        slide["name"] = _unique(nodes.make_id(re.sub(r"\\[a-zA-Z]+", "", slide["plain"]))[:48].strip("-"), names)
    columns: list[list[dict]] = []
    for number, slide in enumerate(rendered, 1):
        slide["number"] = number
        columns.append([slide]) if not slide["below"] else columns[-1].append(slide)
    title = app.env.titles[docname]
    text = template.render(
        columns=columns, count=len(rendered), book=app.config.html_title, chapter=title.astext(), heading=page.words(title), root=relative_uri(docname, "").rstrip("/") or ".", page=f"{Path(docname).name}.html",
        number=page.number, language=app.config.language or "en")
    target = Path(app.outdir, f"{docname}{SUFFIX}.html")
    if not target.exists() or target.read_text("utf-8") != text:
        target.write_text(text, "utf-8")


def bring_back(doctree: nodes.document) -> None:
    """Put the cells of the deck back, and copies of what they show of the chapter."""
    for cell in list(doctree.findall(DeckCell)):
        cell.bring_back()
    for shown in list(doctree.findall(Shown)):
        source = shown_node(doctree, shown["label"])
        copy = source.deepcopy()
        shown.append(copy)
        _without_captions(copy)
    for cell in doctree.findall(lambda node: kind_of(node) is not None and not isinstance(node, DeckCell)):
        _as_on_a_slide(cell)


def _as_on_a_slide(cell: nodes.container) -> None:
    """Leave away what a page would hide: a slide has no room for what opens."""
    hidden = cell.attributes.pop("hide_mode", "")
    for part in list(cell.children):
        name = {"cell_code_source": "input", "cell_code_output": "output"}.get(part.get("nb_element"), "")
        if hidden == "all" or (name and name in hidden):
            cell.remove(part)
    _without_captions(cell)


def _without_captions(node: nodes.Element) -> None:
    """Keep of a caption its number alone; the title of the slide says the rest."""
    for caption in node.findall(nodes.caption):
        if isinstance(caption.parent, nodes.figure):
            caption.children = []


def _unique(name: str, names: set[str]) -> str:
    count, base = 2, name or "slide"
    name = base
    while name in names:
        name, count = f"{base}-{count}", count + 1
    names.add(name)
    return name


class Page:
    """Renders parts of one chapter as its page would show them."""

    def __init__(self, app, docname: str):
        self.app, self.docname, self.env, self.builder = app, docname, app.env, app.builder
        self.builder.current_docname = docname
        self.builder.secnumbers = self.env.toc_secnumbers.get(docname, {})
        self.builder.fignumbers = self.env.toc_fignumbers.get(docname, {})
        self.builder.imgpath = relative_uri(self.builder.get_target_uri(docname), "_images")
        self.builder.dlpath = relative_uri(self.builder.get_target_uri(docname), "_downloads")

    @property
    def number(self) -> str:
        return ".".join(map(str, self.builder.secnumbers.get("") or ()))

    def html(self, *parts: nodes.Node) -> str:
        """Parts of the chapter as HTML, with links into the chapter's page where they led inside it."""
        text = ""
        for part in parts:
            # As pages are written: a part rendered by Sphinx for its own use is transformed once more, which boxes do not bear.
            document = new_document(self.docname, self.builder.docsettings)
            document += part
            translator = self.builder.create_translator(document, self.builder)
            document.walkabout(translator)
            text += "".join(translator.fragment)
        text = _PERMALINK.sub("", text)
        text = re.sub(r'(<a [^>]*?)href="#', rf'\1href="{Path(self.docname).name}.html#', text)  # a drawing's parts stay its own
        text = _ID.sub(r"\1", text)
        text = re.sub(r"<(/?)section\b", r"<\1div", text)  # reveal.js takes each section for a slide
        text = text.replace(theme_pages.COPY, "")
        return theme_pages.keep_punctuation(theme_pages.fold(theme_pages.plain_code(text))).replace(theme_pages.COPY, "").strip()

    def words(self, title: nodes.Element) -> str:
        """The words of a title, without its number."""
        return re.sub(r"^<p>|</p>$", "", self.html(nodes.paragraph("", "", *[child.deepcopy() for child in title.children])))

    def slide(self, slide: Slide) -> dict:
        anchor = slide.section["ids"][0] if slide.section is not None else ""
        heading = slide.section.next_node(nodes.title) if slide.section is not None else None
        title = self.html(slide.title)
        steps = []
        for waits, node in slide.steps:
            parts = [part for part in (node.children if isinstance(node, DeckCell) else [node]) if part is not slide.title]
            steps.append({"waits": waits, "html": self.html(*parts)})
        return {
            "below": slide.below, "plain": slide.title.astext(), "title": re.sub(r"^<p><strong>|</strong></p>$", "", title),
            "steps": steps, "notes": self.html(*slide.notes.children), "minutes": slide.minutes, "anchor": anchor,
            "section": self.words(heading) if heading is not None else "",
        }
