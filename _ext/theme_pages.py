"""The theme's pages, repaired: where they are slow, lack a name, or ask for what the security policy forbids."""

from __future__ import annotations

import re
from typing import NamedTuple

from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.util import logging

from assets import Bundle
from listing import meta

logger = logging.getLogger(__name__)

SEARCH_DESCRIPTION = "Search the chapters for a word, a rule or a function."


class Repair(NamedTuple):
    """One change to every page that the theme renders."""

    fault: str
    pattern: str
    replacement: str


REPAIRS = (
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
    Repair("a style stands in the page, for readers without scripts (book.css has it)", r"<noscript>.*?</noscript>", ""),
    Repair("buttons carry scripts (menus.js has them)", r' onclick="[^"]*"', ""),
    Repair("the theme's tooltips stand beside the browser's own", r' data-bs-(?:toggle="tooltip"|placement="\w+"|title="[^"]*")', ""),
    Repair("room is kept for advertisements", r'<div id="ethical-ad-placement".*?</div>', ""),
    Repair("a banner waits for versions that the book has not", r'<div class="pst-async-banner-revealer.*?</div>', ""),
    Repair("an empty header stands above the page", r'<header id="pst-header"[^>]*>\s*</header>', ""),
    Repair("a second button leads to the top", r'<button[^>]*id="pst-back-to-top".*?</button>', ""),
    Repair("the logo is there twice", r'<img [^>]*class="logo__image only-dark[^>]*>', ""),
    Repair("the logo is there twice", r"logo__image only-light", "logo__image"),
    Repair("comments speak of the theme", r"<!--.*?-->", ""),
)


def repair(page: str, repairs: tuple[Repair, ...] = REPAIRS) -> tuple[str, list[str]]:
    """Cure a rendered page; return it with the faults that were not found in it.

    >>> repair('<b title="x">', (Repair("titled", ' title="x"', ""), Repair("absent", "zzz", "")))
    ('<b>', ['absent'])
    """
    unfound = []
    for fault, pattern, replacement in repairs:
        page, count = re.subn(pattern, replacement, page, flags=re.DOTALL)
        if not count:
            unfound.append(fault)
    return page, unfound


class Templates(BuiltinTemplateLoader):
    """The theme's templates, whose pages are repaired and linked to the bundle as they are rendered."""

    bundle: Bundle

    def render(self, template: str, context: dict) -> str:
        page = super().render(template, context)
        if "</html>" not in page:
            return page  # a part of a page, or no page at all
        page, unfound = repair(page)
        page = self.bundle.link(page, context["pagename"])
        for fault in unfound:
            logger.warning(f"a repair of the theme has nothing to do any more, remove it from REPAIRS: {fault}", once=True)
        return page


def complete_page(app, pagename, templatename, context, doctree) -> None:
    """Give the generated pages their words, and cure what is read aloud wrongly in the text of a page."""
    body = context.get("body", "")
    body = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")  # its text says more
    body = re.sub(r' id="(exercise|solution)-content"', "", body)  # the same on every exercise of a page
    body = re.sub(r"(Solution to)(<a [^>]*>) ", r"\1 \2", body)  # the space is no part of the link
    body = keep_punctuation(fold(plain_code(body)))
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')  # its parent is a list
    if context.get("title") == context["docstitle"]:
        context["docstitle"] = ""  # the first page is named like the book, which the tab need not say twice
    if pagename == "search":
        context["metatags"] = context.get("metatags", "") + meta("name", "description", SEARCH_DESCRIPTION)
    if pagename == app.config.notfound_pagename:
        start, search = (context["pathto"](page) for page in (app.config.root_doc, "search"))
        context["pageurl"] = None  # it is shown at every address but its own
        context["metatags"] = meta("name", "robots", "noindex") + meta("name", "description", "There is no such page.")
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


CODE = re.compile(r'(<div class="[^"]*output[^"]*highlight[^"]*">)?<div class="highlight"><pre>(.*?)</pre>', re.DOTALL)
PLAIN = re.compile(r'<span class="(?:n|p|o|w)">([^<]*)</span>|<span></span>')
COPY = '<button class="copybtn pst-js-only" aria-label="Copy"></button>'


def plain_code(body: str) -> str:
    """Leave names and signs of code in the colour of the text, and give code that may be run its button to copy it.

    Colours have one meaning in this book, and a third of a page's elements would only colour brackets and dots.

    >>> plain_code('<div class="highlight"><pre><span></span><span class="n">x</span> <span class="k">in</span></pre>')
    '<div class="highlight"><button class="copybtn pst-js-only" aria-label="Copy"></button><pre>x <span class="k">in</span></pre>'
    """

    def plain(match: re.Match) -> str:
        code = PLAIN.sub(lambda span: span[1] or "", match[2])
        return f'{match[1] or ""}<div class="highlight">{"" if match[1] else COPY}<pre>{code}</pre>'

    return CODE.sub(plain, body)


FOLDED = re.compile(r'<div (class="[^"]*\b(?:dropdown|toggle)\b[^"]*\badmonition\b[^"]*"|'
                    r'class="[^"]*\badmonition\b[^"]*\b(?:dropdown|toggle)\b[^"]*")([^>]*)>\s*<p class="admonition-title">(.*?)</p>',
                    re.DOTALL)  # fmt: skip


def fold(body: str) -> str:
    """Let the browser fold what opens, which works without a script.

    A link in a title would be a button in a button; what it leads to stands just above.

    >>> fold('<div class="dropdown admonition" id="i"><p class="admonition-title">To <a href="#e">E</a></p><div>x</div></div>y')
    '<details class="dropdown admonition" id="i"><summary class="admonition-title">To E</summary><div>x</div></details>y'
    """
    while match := FOLDED.search(body):
        depth = 0
        for tag in re.compile(r"<(/?)div\b[^>]*>").finditer(body, match.start()):
            depth += -1 if tag[1] else 1
            if not depth:
                break
        title = re.sub(r"</?a\b[^>]*>", "", match[3])
        start = f'<details {match[1]}{match[2]}><summary class="admonition-title">{title}</summary>'
        body = body[: match.start()] + start + body[match.end() : tag.start()] + "</details>" + body[tag.end() :]
    return body
