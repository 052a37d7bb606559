"""How others list the book: a description of every page, a card, a sitemap, and an entry at the bare address.

Every page of the contents gives a description in its front matter (``myst: html_meta: description:``). Search engines
and the cards that other sites show take it; a page without one fails the build.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

CARD = "_static/card.png"


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
            meta("name", "viewport", "width=device-width, initial-scale=1"),
            meta("name", "description", description),
            meta("property", "og:title", title),
            meta("property", "og:description", description),
            meta("property", "og:type", "website"),
            meta("property", "og:url", address + first),
            meta("property", "og:image", address + CARD),
            meta("name", "twitter:card", "summary_large_image"),
        ]
    )
    Path(app.outdir, "index.html").write_text(
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title>\n{head}</head>\n'
        f'<body><main><p><a href="{first}">{escape(title)}</a></p></main></body>\n</html>\n',
        encoding="utf-8",
    )


def meta(kind: str, name: str, content: str) -> str:
    return f'<meta {kind}="{name}" content="{escape(content)}">\n'
