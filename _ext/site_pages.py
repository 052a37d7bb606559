"""What a page needs beside its text: a description, a card, an address of its own, and a theme without faults.

- Every page of the contents gives a description in its front matter (``myst: html_meta: description:``). Search engines
  and the cards that other sites show take it; a page without one fails the build.
- ``sitemap.xml``, the card's picture, the entry page and the page for wrong addresses are written here.
- The theme's pages are repaired where they make the console complain or leave a control without its name.
"""

from __future__ import annotations

import hashlib
import re
from html import escape
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.util import logging

from utils import theme

logger = logging.getLogger(__name__)

HERE = Path(__file__).parent
CARD = "_static/card.png"
SEARCH_DESCRIPTION = "Search the chapters for a word, a rule or a function."


# --- descriptions -----------------------------------------------------------------------------------------------------


def collect_description(app, doctree) -> None:
    """Keep the page's description in its metadata, under the name by which the card's tags are made from it."""
    for meta in doctree.findall(nodes.meta):
        if meta.get("name") == "description":
            app.env.metadata[app.env.docname]["og:description"] = meta["content"]


def check_descriptions(app, env) -> None:
    """Warn about each page whose description is missing or no plain sentence; again in every build until it is cured."""
    for page in sorted(env.found_docs):
        if fault := description_fault(env.metadata[page].get("og:description")):
            logger.warning(f"{fault}; write it in the front matter: myst: html_meta: description", location=page)


def description_fault(description: str | None) -> str | None:
    """Say what is wrong with a description, or None.

    >>> description_fault("The slope of x^T A x.")
    'the description contains TeX, which nobody typesets where it is shown'
    """
    if not (description or "").strip():
        return "the page has no description"
    if re.search(r"[$\\^]|_\{", description):
        return "the description contains TeX, which nobody typesets where it is shown"
    return None


# --- the pages of the theme -------------------------------------------------------------------------------------------


class Repair(NamedTuple):
    """One change to every page that the theme renders."""

    fault: str
    pattern: str
    replacement: str


REPAIRS = (
    Repair("543 kB of script draw icons that the style sheet draws already", r'<script[^>]*/fontawesome\.js[^>]*></script>', ""),
    Repair("scripts at the page's end are fetched before its text", r'<link rel="preload" as="script"[^>]*>', ""),
    Repair("the viewport is given twice", r'<meta name="viewport" content="width=device-width, initial-scale=1" ?/>', ""),
    Repair(
        "in dark mode the page flashes white until the scripts have run",
        r'localStorage\.getItem\("theme"\) \|\| "auto"',
        '{light: "light", dark: "dark"}[document.documentElement.dataset.mode]'
        ' || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")',
    ),
    Repair("without scripts there is no theme", r'(<html[^>]*) data-theme="auto"', r'\1 data-theme="light"'),
    Repair(
        "a button is named differently from what is written on it",
        r'(<button class="btn search-button-field[^>]*?) aria-label="[^"]*"',
        r"\1",
    ),
    Repair(
        "the sidebar is no landmark",
        r'(<div id="pst-primary-sidebar")',
        r'\1 role="complementary" aria-label="The book"',
    ),
)


def repair(page: str, repairs: tuple[Repair, ...] = REPAIRS) -> tuple[str, list[str]]:
    """Cure a rendered page; return it with the faults that were not found in it.

    >>> repair('<b title="x">', (Repair("titled", ' title="x"', ""), Repair("absent", "zzz", "")))
    ('<b>', ['absent'])
    """
    unfound = []
    for fault, pattern, replacement in repairs:
        page, count = re.subn(pattern, replacement, page)
        if not count:
            unfound.append(fault)
    return page, unfound


class Templates(BuiltinTemplateLoader):
    """The theme's templates, whose pages are repaired as they are rendered."""

    def render(self, template: str, context: dict) -> str:
        page = super().render(template, context)
        if "</html>" not in page:
            return page  # a part of a page, or no page at all
        page, unfound = repair(page)
        for fault in unfound:
            logger.warning(f"a repair of the theme has nothing to do any more, remove it from REPAIRS: {fault}", once=True)
        return page


def complete_page(app, pagename, templatename, context, doctree) -> None:
    """Give the generated pages their words, and cure what is read aloud wrongly in the text of a page."""
    body = context.get("body", "")
    body = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")  # its text says more
    body = re.sub(r' id="(exercise|solution)-content"', "", body)  # the same on every exercise of a page
    body = re.sub(r"(Solution to)(<a [^>]*>) ", r"\1 \2", body)  # the space is no part of the link
    body = keep_punctuation(body)
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')  # its parent is a list
    if context.get("title") == context["docstitle"]:
        context["docstitle"] = ""  # the first page is named like the book, which the tab need not say twice
    if pagename == "search":
        app.add_js_file("search.js", loading_method="defer")
        context["metatags"] = context.get("metatags", "") + _meta("name", "description", SEARCH_DESCRIPTION)
    if pagename == app.config.notfound_pagename:
        start, search = (context["pathto"](page) for page in (app.config.root_doc, "search"))
        context["pageurl"] = None  # it is shown at every address but its own
        context["metatags"] = _meta("name", "robots", "noindex") + _meta("name", "description", "There is no such page.")
        context["body"] = (
            "<h1>Page not found</h1>"
            "<p>There is no page at this address. It may have been renamed, or the link that led here has a slip in it.</p>"
            f'<p><a href="{start}">Start at the first page</a>, <a href="{search}">search the book</a>, '
            "or choose a chapter from the contents.</p>"
        )


FORMULA = '<span class="math notranslate nohighlight">'


def keep_punctuation(body: str) -> str:
    """Keep a formula together with the bracket before it and the punctuation behind it.

    Browsers break lines at a typeset formula as at a picture, so that a full stop can begin a line.

    >>> keep_punctuation(f'<p>of (see {FORMULA}x</span>), of {FORMULA}y</span>.</p>').replace(FORMULA, "<m>")
    '<p>of (see <span class="mc-together"><m>x</span>),</span> of <span class="mc-together"><m>y</span>.</span></p>'
    """
    pieces, end = [], 0
    for start in (match.start() for match in re.finditer(re.escape(FORMULA), body)):
        depth = 0
        for tag in re.compile(r"<(/?)span\b[^>]*>").finditer(body, start):
            depth += -1 if tag[1] else 1
            if not depth:
                break
        before = "(" if body[end:start].endswith("(") else ""
        after = re.compile(r"[.,;:?!)\]’”]*").match(body, tag.end())[0]
        formula = body[start : tag.end()]
        if before or after:
            formula = f'<span class="mc-together">{before}{formula}{after}</span>'
        pieces += [body[end : start - len(before)], formula]
        end = tag.end() + len(after)
    return "".join([*pieces, body[end:]])


# --- files beside the pages -------------------------------------------------------------------------------------------


def write_style_and_card(app) -> None:
    """Write what pages link to before they are written, so that its checksum becomes part of the link."""
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    (static / "figures.css").write_text(theme.css(), encoding="utf-8")
    app.add_css_file("figures.css", priority=400)
    draw_card(app.config.html_title, HERE / "static" / "logo.svg", static / Path(CARD).name)


def draw_card(title: str, logo: Path, target: Path) -> None:
    """Draw the picture that other sites show beside a link to the book: the logo's own strokes, title and a sentence."""
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    svg = logo.read_text(encoding="utf-8")
    ground = re.search(r'<rect[^>]*fill="([^"]+)"', svg)[1]
    card = Figure(figsize=(12, 6.3), dpi=100, facecolor="#ffffff")
    mark = card.add_axes((0.07, 0.27, 0.2415, 0.46), xlim=(0, 64), ylim=(64, 0))  # the units of the logo
    mark.set_axis_off()
    mark.add_patch(FancyBboxPatch((14, 14), 36, 36, boxstyle="round,pad=14", facecolor=ground, linewidth=0))
    for points, colour, width in re.findall(r'<path d="([^"]+)" stroke="([^"]+)" stroke-width="([^"]+)"', svg):
        numbers = [float(number) for number in re.findall(r"[\d.]+", points)]
        stroke = float(width) * 0.2415 * 12 * 72 / 64  # logo units to points
        mark.plot(numbers[::2], numbers[1::2], color=colour, linewidth=stroke, solid_capstyle="round", solid_joinstyle="round")
    words = {"fontfamily": "STIXGeneral", "color": "#222832", "x": 0.37}
    subject, _, claim = title.partition(", ")
    card.text(y=0.57, s=subject + ("," if claim else ""), fontsize=58, **words)
    card.text(y=0.415, s=claim, fontsize=58, **words)
    card.text(y=0.29, s="Every derivative you read was checked.", fontsize=26, **words)
    card.savefig(target, metadata={"Software": None})


def write_sitemap(app) -> None:
    """List every page of the contents, whether or not this build had to write it anew."""
    addresses = (app.config.html_baseurl + app.builder.get_target_uri(page) for page in sorted(app.env.found_docs))
    lines = "".join(f"  <url><loc>{escape(address)}</loc></url>\n" for address in addresses)
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}</urlset>\n',
        encoding="utf-8",
    )


def write_entry(app) -> None:
    """Lead from the address of the site to the first page; the card is for those who link to the bare address."""
    title, first = app.config.html_title, app.builder.get_target_uri(app.config.root_doc)
    description = app.env.metadata[app.config.root_doc].get("og:description", "")
    address = app.config.html_baseurl
    head = "".join(
        [
            f'<meta http-equiv="refresh" content="0; url={first}">',
            f'<link rel="canonical" href="{address}{first}">',
            '<link rel="icon" href="_static/favicon.svg">',
            _meta("name", "viewport", "width=device-width, initial-scale=1"),
            _meta("name", "description", description),
            _meta("property", "og:title", title),
            _meta("property", "og:description", description),
            _meta("property", "og:type", "website"),
            _meta("property", "og:url", address + first),
            _meta("property", "og:image", address + CARD),
            _meta("name", "twitter:card", "summary_large_image"),
        ]
    )
    Path(app.outdir, "index.html").write_text(
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title>\n{head}</head>\n'
        f'<body><main><p><a href="{first}">{escape(title)}</a></p></main></body>\n</html>\n',
        encoding="utf-8",
    )


def remove_left_pages(app) -> None:
    """Remove the pages of chapters that have left the book since an earlier build."""
    for page in Path(app.outdir, "chapters").rglob("*.html"):
        if page.relative_to(app.outdir).with_suffix("").as_posix() not in app.env.found_docs:
            page.unlink()


def _meta(kind: str, name: str, content: str) -> str:
    return f'<meta {kind}="{name}" content="{escape(content)}">\n'


# --- Sphinx -----------------------------------------------------------------------------------------------------------


def configure(app, config) -> None:
    """Choose our templates and the card, and write all pages anew when what shapes them has changed."""
    config.template_bridge = f"{__name__}.Templates"
    config.ogp_image = CARD
    config.ogp_image_alt = f"{config.html_title}: a matrix bracket around a tick"
    config.ogp_custom_meta_tags = [_meta("name", "twitter:card", "summary_large_image")]
    shapers = sorted(path for path in HERE.rglob("*.*") if path.is_file() and not {"node_modules", "__pycache__"} & {*path.parts})
    config.book_shape = hashlib.sha256(b"".join(path.read_bytes() for path in shapers)).hexdigest()


def finish(app, error) -> None:
    """Write the files that speak of all pages."""
    if error is None and app.builder.format == "html":
        write_sitemap(app)
        write_entry(app)
        remove_left_pages(app)


def setup(app):
    # Sphinx knows nothing of changed extensions, and copies changed static files only when some page is due; a new
    # value makes every page due. What its cells gave stays in the cache.
    app.add_config_value("book_shape", "", "env")
    # Jupyter Book sets it whether or not the extension that knows it is loaded.
    app.add_config_value("comments_config", {}, "")
    app.add_js_file("toggles.js", loading_method="defer")
    app.connect("config-inited", configure, priority=600)
    app.connect("builder-inited", write_style_and_card)
    app.connect("doctree-read", collect_description)
    app.connect("env-updated", check_descriptions)
    app.connect("html-page-context", complete_page, priority=450)  # before the card's tags are made
    app.connect("build-finished", finish)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
