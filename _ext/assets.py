"""One style sheet, one script and a few small fonts for every page, made of what the theme and the extensions bring.

- Pages link to one bundle in place of a dozen files. It holds what the theme and the extensions bring, minus the rules
  that nothing on any page can match, and the scripts of the book (``_ext/static``), which stand in for the theme's.
- Fonts hold the characters that the pages show.
- A script that is not deferred, or that is a module, keeps a link of its own, and so do those of the search on its page.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urljoin

import rcssmin
import rjsmin
import tinycss2
from sphinx.util import logging

from typeset.font import cut

logger = logging.getLogger(__name__)

STYLE, SCRIPT = "_static/site.css", "_static/site.js"
# What the scripts of the book do instead, or what only the search uses.
REPLACED = {"documentation_options.js", "doctools.js", "sphinx_highlight.js", "clipboard.min.js", "copybutton.js",
            "sphinx-book-theme.js", "togglebutton.js", "design-tabs.js", "bootstrap.js", "pydata-sphinx-theme.js",
            "fontawesome.js", "searchtools.js", "language_data.js", "searchindex.js"}  # fmt: skip
FIRST = {"conventions.js"}  # runs before the page is drawn, on the few pages that have it
DECK = "-slides"  # the end of a deck's name: it links to the style sheet, and to scripts of its own
SEARCH = ("_static/documentation_options.js", "_static/doctools.js", "_static/sphinx_highlight.js",
          "_static/language_data.js", "_static/searchtools.js", "searchindex.js", "_static/search.js")  # fmt: skip

_STYLE = re.compile(r'\s*<link\b[^>]*\bhref="([^"]*)"[^>]*\brel="stylesheet"[^>]*>|\s*<link\b[^>]*\brel="stylesheet"[^>]*\bhref="([^"]*)"[^>]*>')
_SCRIPT = re.compile(r'\s*<script\b([^>]*)\bsrc="([^"?]*)[^"]*"[^>]*></script>')
_INLINE = re.compile(r"\s*<script>.*?</script>", re.DOTALL)  # settings of scripts that are not there
_PRELOAD = re.compile(r'<link rel="preload"[^>]*>\n')
_FONT = re.compile(r"""url\(["']?([^"')]+\.woff2)[^)]*\)""")
_ICONS = re.compile("[\ue000-\uf8ff]")


class Bundle:
    """The links that pages had, in their order, and the bundle that is made of what they lead to."""

    def __init__(self, record: Path):
        self.record = record
        self.styles: list[str] = []
        self.scripts: list[str] = []
        self.pages: set[str] = set()

    def link(self, page: str, pagename: str) -> str:
        """Give a rendered page the links to the bundle in place of its own."""
        root = re.search(r'href="([^"]*)_static/', page)[1]
        self.pages.add(pagename)

        def local(link: str) -> str:
            return link.removeprefix(root).partition("?")[0]

        def script(match: re.Match) -> str:
            name = local(match[2])
            if Path(name).name in REPLACED | {"search.js"}:
                return ""
            if 'type="module"' in match[0] or not re.search(r"\bdefer\b", match[0]):
                return match[0]  # it runs before the page is drawn, or by rules of its own
            self._note(self.scripts, name)
            return ""

        for match in _STYLE.finditer(page):
            self._note(self.styles, local(match[1] or match[2]))
        page = _INLINE.sub("", _SCRIPT.sub(script, _STYLE.sub("", page)))  # one inline script stays, with an attribute
        links = f'<link rel="stylesheet" href="{root}{STYLE}?v=0">\n<script defer src="{root}{SCRIPT}?v=0"></script>\n'
        if pagename == "search":
            links += "".join(f'<script defer src="{root}{name}"></script>\n' for name in SEARCH)
        return page.replace("</title>", f"</title>\n{links}", 1)

    def _note(self, names: list[str], name: str) -> None:
        if name not in names:
            names.append(name)

    def write(self, site: Path, cache: Path) -> None:
        """Write the bundle for the finished pages, and tell them its version."""
        pages = {page: page.read_text("utf-8") for page in html_files(site)}
        linked = sum(STYLE in text for text in pages.values()) - sum(page.stem.endswith(DECK) for page in pages)
        if self.record.exists() and len(self.pages) < linked:
            # Pages that this build did not write anew had links too.
            styles, scripts = json.loads(self.record.read_text("utf-8"))
            self.styles = list(dict.fromkeys(styles + self.styles))
            self.scripts = list(dict.fromkeys(scripts + self.scripts))
        self.record.write_text(json.dumps([self.styles, self.scripts]), "utf-8")
        script = "\n".join(f"(() => {{{(site / name).read_text('utf-8')}}})();" for name in self.scripts if (site / name).exists())
        (site / SCRIPT).write_text(rjsmin.jsmin(script), "utf-8")
        sheets = [read_sheet(site, name) for name in self.styles if (site / name).exists()]
        modules = [path.read_text("utf-8") for path in sorted((site / "_static").rglob("*.js"))
                   if path.name not in REPLACED and path.parent.name != "slides"]  # decks have a style of their own beside this
        style = purge_once("\n".join(sheets), "\n".join([script, *modules, *pages.values()]), cache)
        style = cut_fonts(style, site, pages.values(), cache)
        (site / STYLE).write_text(style, "utf-8")
        versions = {name: hashlib.sha256((site / name).read_bytes()).hexdigest()[:8] for name in (STYLE, SCRIPT)}
        for page, text in pages.items():
            told = re.sub(rf"({re.escape(STYLE)}|{re.escape(SCRIPT)})\?v=\w+", lambda m: f"{m[1]}?v={versions[m[1]]}", text)
            told = preload(told, style)
            if told != text:
                times = (page.stat().st_atime_ns, page.stat().st_mtime_ns)
                page.write_text(told, "utf-8")
                os.utime(page, ns=times)  # Sphinx decides by it what to write again


def html_files(site: Path) -> list[Path]:
    """The pages of a built site."""
    return sorted(page for page in site.rglob("*.html") if not {"_static", "_sources"} & {*page.relative_to(site).parts})


def read_sheet(site: Path, name: str) -> str:
    """A style sheet with those that it imports."""

    def imported(match: re.Match) -> str:
        return read_sheet(site, urljoin("/" + name, match[1]).removeprefix("/"))

    return re.sub(r"""@import\s+(?:url\()?["']?([^"')]+)["']?\)?;""", imported, rebase((site / name).read_text("utf-8"), name))


def rebase(sheet: str, name: str) -> str:
    """Name what a style sheet fetches from the place of the bundle.

    >>> rebase("a { src: url(../x.woff2) } b { c: url(data:x) } d { e: url('#f') }", "_static/styles/theme.css")
    "a { src: url(x.woff2) } b { c: url(data:x) } d { e: url('#f') }"
    """

    def moved(match: re.Match) -> str:
        if re.match(r"data:|#|https?:", match[2]):
            return match[0]
        return f"url({match[1]}{urljoin('/' + name, match[2]).removeprefix('/_static/')}{match[1]})"

    return re.sub(r"""url\((["']?)([^"')]+)\1\)""", moved, sheet)


# --- style sheets -----------------------------------------------------------------------------------------------------


def purge_once(sheet: str, used: str, cache: Path) -> str:
    """Purge a style sheet and make it small, unless the last one with the same rules and the same of its names was kept."""
    asked = re.findall(r"[.#]([\w-]+)", re.sub(r"url\([^)]*\)", "", sheet))  # all classes and ids, and some numbers
    words = sorted(set(re.findall(r"[\w-]+", used)).intersection(asked))
    digest = hashlib.sha256(json.dumps([sheet, words]).encode() + Path(__file__).read_bytes()).hexdigest()
    kept = cache / "style.json"
    with contextlib.suppress(OSError, ValueError):
        last = json.loads(kept.read_text("utf-8"))
        if last["digest"] == digest:
            return last["style"]
    style = rcssmin.cssmin(purge(sheet, " ".join(words)))
    cache.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"digest": digest, "style": style}), "utf-8")
    return style


def purge(sheet: str, used: str) -> str:
    """Leave out the rules that ask for a class or an id that occurs nowhere in the pages or scripts.

    A name counts as used wherever it stands, even in the text: a rule too many costs some bytes, one too few the look.

    >>> purge(".a b, .gone { c: d } .gone > e { f: g } @media print { .gone { h: i } } p:not(.gone) { j: k }", 'class="a"')
    '.a b{ c: d }@media print{}p:not(.gone){ j: k }'
    """
    words = set(re.findall(r"[\w-]+", used))
    return _purged(tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True), words)


def _purged(rules: Iterable, words: set[str]) -> str:
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = [s for s in _split(rule.prelude) if _names(s) <= words]
            if selectors:
                kept.append(",".join(tinycss2.serialize(s).strip() for s in selectors) + "{" + tinycss2.serialize(rule.content) + "}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports") and rule.content is not None:
            inside = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            kept.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude).rstrip()}{{{_purged(inside, words)}}}")
        elif rule.type == "error":
            logger.warning(f"a style sheet cannot be read: {rule.message}")
        elif not (rule.type == "at-rule" and rule.lower_at_keyword == "charset"):
            kept.append(rule.serialize())
    return "".join(kept)


def _split(prelude: list) -> list[list]:
    """The selectors of a list of them."""
    parts = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _names(selector: list) -> set[str]:
    """The classes and ids that a selector needs: those outside of brackets."""
    names = set()
    for before, token in zip([None, *selector], selector):
        if token.type == "hash":
            names.add(token.value)
        elif token.type == "ident" and before is not None and before.type == "literal" and before.value == ".":
            names.add(token.value)
    return names


# --- fonts ------------------------------------------------------------------------------------------------------------

# What shows that the first screens of a page use a font; others are those of all text. A font that is fetched ahead and
# not used makes browsers complain.
SIGNS = {"fa-solid-900.woff2": r'class="fa(?:s|-solid)\b', "fa-brands-400.woff2": r'class="fab\b',
         "fa-regular-400.woff2": r'class="far\b'}  # fmt: skip


FIRST_LINES = 1200  # characters: what a phone shows and what it lays out below


def preload(page: str, style: str) -> str:
    """Let a page fetch its fonts at once, so that no line moves when they come."""
    root = re.search(rf'href="([^"]*){re.escape(STYLE)}', page)
    if not root:
        return page  # the entry, which only leads on
    links = ""
    for face in re.findall(r"@font-face\s*\{[^}]*\}", style):
        name = Path(_FONT.search(face)[1]).name
        needed = starts_with_formula(page) if name == "math.woff2" else re.search(SIGNS.get(name, "<body"), page)
        if "italic" not in face and needed:
            links += f'<link rel="preload" href="{root[1]}_static/fonts/{name}" as="font" type="font/woff2" crossorigin>\n'
    return _PRELOAD.sub("", page).replace('<link rel="stylesheet"', f'{links}<link rel="stylesheet"', 1)


def starts_with_formula(page: str) -> bool:
    """Whether a formula stands among the first lines of a page's text."""
    start = page.partition("<article")[2].partition("<math")
    return bool(start[1]) and len(re.sub(r"<[^>]*>|\s+", " ", start[0])) < FIRST_LINES


def cut_fonts(style: str, site: Path, pages: Iterable[str], cache: Path) -> str:
    """Cut the fonts of a style sheet down to what the pages show, beside each other in one folder; return the sheet."""
    folder = site / "_static" / "fonts"
    folder.mkdir(parents=True, exist_ok=True)
    icons = set(_ICONS.findall(style)) | {chr(int(code, 16)) for code in re.findall(r"\\([ef][0-9a-f]{3})\b", style)}
    text = None
    kept = []

    def face(match: re.Match) -> str:
        nonlocal text
        rule = match[0]
        source = site / "_static" / _FONT.search(rule)[1]
        if not source.exists():
            return ""
        if "Awesome" in rule:
            wanted = icons
        elif source.name == "math.woff2":  # cut by those who typeset
            wanted = None
        else:
            text = text or {c for page in pages for c in re.sub(r"<[^>]*>", "", page)}
            wanted = text
        if (data := source.read_bytes() if wanted is None else cut(source, wanted, cache)) is None:
            return ""
        (folder / source.name).write_bytes(data)
        kept.append(source.name)
        return re.sub(r"src:[^;}]*", f'src:url(fonts/{source.name}) format("woff2")', rule)

    style = re.sub(r"@font-face\s*\{[^}]*\}", face, style)
    for font in folder.iterdir():
        if font.name not in kept:
            font.unlink()
    return style
