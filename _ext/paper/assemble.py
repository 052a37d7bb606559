"""One document of all pages of the built book, in the order of its table of contents, as it goes to paper.

What a page has for a screen alone stays behind: buttons, controls, scripts, the cells that are folded away. Ids get the
name of their page before them, so that no two are the same, and links between pages become links within the document.
"""

from __future__ import annotations

import copy
import posixpath
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.parsing import parse_toc_yaml

HERE = Path(__file__).parent
STYLE = "_static/site.css"
# For a screen alone. A hidden cell only draws or prepares; the still of a figure to play with needs no controls.
SCREEN = ("script, button, form, .headerlink, .toctree-wrapper, details.hide, .mc-explore-heard, .ledger-table details, "
          ".mc-places:not(.mc-born)")  # fmt: skip
REFERENCES = ("aria-labelledby", "aria-describedby", "aria-controls", "for", "headers")
PREFACE = "About this book"  # heads the first page, whose own heading, the book's title, stands on the title page
LICENCES = {"MIT": "the MIT licence", "CC-BY-4.0": "CC BY 4.0"}


class BrokenBook(Exception):
    """The pages do not make a whole."""


@dataclass(frozen=True)
class Facts:
    """What the title page says."""

    title: str
    authors: str
    version: str
    text_licence: str
    code_licence: str
    about: str
    home: str  # where the site is published; ends with a slash

    @classmethod
    def read(cls, root: Path, site: Path) -> Facts:
        """Read them where the book states them: in CITATION.cff and on its first page."""
        cited = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
        name = parse_toc_yaml(root / "_toc.yml").root.docname
        first = read_page(site, name)
        text = cited["preferred-citation"]["license"]
        code = next(licence for licence in cited["license"] if licence != text)
        return cls(
            title=cited["title"],
            authors=", ".join(author.get("name") or f"{author['given-names']} {author['family-names']}" for author in cited["authors"]),
            version=str(cited["version"]),
            text_licence=LICENCES.get(text, text),
            code_licence=LICENCES.get(code, code),
            about=first.find("meta", attrs={"name": "description"})["content"],
            home=first.find("link", rel="canonical")["href"].removesuffix(f"{name}.html"),
        )


@dataclass(frozen=True)
class Entry:
    """A line of the contents."""

    level: int  # 1 for a page, 2 for a section
    target: str  # the id it leads to
    heading: str  # its HTML
    title: str  # its words


def read_page(site: Path, name: str) -> BeautifulSoup:
    """Parse a page of the site; raise where it was not built."""
    path = site / f"{name}.html"
    if not path.exists():
        raise BrokenBook(f"_toc.yml names {name}, but {path} does not exist: run 'make book' first.")
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def read_parts(toc: Path) -> list[tuple[str, list[str]]]:
    """Return the parts of the book, each its name and its pages; the first page is in a part without a name."""
    root = parse_toc_yaml(toc).root
    return [("", [root.docname])] + [(tree.caption or "", list(map(str, tree.items))) for tree in root.subtrees]


def assemble(site: Path, toc: Path, facts: Facts) -> tuple[str, list[Entry]]:
    """Return the document of the whole book, and the lines of its contents, which have no page numbers yet.

    Parameters
    ----------
    site : the built site
    toc : its table of contents, _toc.yml
    facts : what the title page says

    Raises
    ------
    BrokenBook
        If a page was not built, or a link within the book leads nowhere.
    """
    parts = read_parts(toc)
    pages = [page for _, names in parts for page in names]
    if len({*map(own, pages)}) < len(pages):
        raise BrokenBook("Two pages in different folders have the same file name, and so would their ids: rename one of them.")
    styles, articles, listed, contents = [(HERE / "paper.css").read_text("utf-8")], [], [], []
    for part, names in parts:
        lines = []
        for page in names:
            article = read_page(site, page).find("article")
            if page == pages[0]:
                article.h1.string = PREFACE
            prepare(article, page, {*pages}, facts.home, site)
            article["id"] = article["data-page"] = own(page)
            lines += (own_lines := entries(article, page))
            styles.append(running_title(page, own_lines[0].title))
            articles.append(str(article))
        listed += lines
        contents.append(part_of_contents(part, lines))
    document = f"""<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<title>{escape(facts.title)}</title>
<meta name="author" content="{escape(facts.authors)}">
<link rel="stylesheet" href="{(site / STYLE).resolve().as_uri()}">
<style>
{"".join(styles)}
</style>
</head>
<body>
<div class="bd-container"><div class="bd-container__inner"><main class="bd-main"><div class="bd-content"><div class="bd-article-container">
{title_page(facts, site)}
<nav class="bd-article mc-contents" id="contents" aria-labelledby="contents.title">
<h1 id="contents.title">Contents</h1>
{"".join(contents)}
</nav>
{"".join(articles)}
</div></div></main></div></div>
</body>
</html>
"""
    if missing := broken_links(document):
        raise BrokenBook(f"Links of the book lead to {', '.join(missing[:5])}, which no page has: mend them in the text.")
    return document, listed


def broken_links(document: str) -> list[str]:
    """The ids that links of a document lead to and no element has.

    >>> broken_links('<p id="a"></p><a href="#a">x</a><a href="#b">y</a>')
    ['b']
    """
    return sorted({*re.findall(r'\bhref="#([^"]*)"', document)} - {*re.findall(r'\bid="([^"]*)"', document)})


# --- one page -----------------------------------------------------------------------------------------------------------


def own(page: str, fragment: str = "") -> str:
    """Return the id that an element of a page has in the book; without one, that of the page.

    >>> own("chapters/rules", "trace"), own("chapters/rules")
    ('rules.trace', 'rules')
    """
    name = posixpath.basename(page)
    return f"{name}.{fragment}" if fragment else name


def prepare(article: Tag, page: str, pages: set[str], home: str, site: Path) -> None:
    """Make an article fit for paper, and its ids, links and files for the one document; it is changed in place.

    Parameters
    ----------
    article : of the built page
    page : its name, as _toc.yml has it
    pages : the names of all pages of the book
    home : where the site is published; a link to what is not in the book leads there
    site : where it was built; pictures come from there
    """
    moving = [(figure, figure.find_parent("figure", id=True)) for figure in article.select(".mc-explore")]
    moving = [(figure, f"{home}{page}.html" + (f"#{holder['id']}" if holder else "")) for figure, holder in moving]
    for element in article.select(SCREEN):
        element.decompose()
    for details in article.find_all("details"):
        details["open"] = ""
    for element in article.find_all(True):
        for key in ("tabindex", "target"):
            element.attrs.pop(key, None)
        for key, value in element.attrs.items():
            if key == "id":
                element[key] = own(page, value)
            elif key in REFERENCES:
                names = value if isinstance(value, list) else value.split()
                element[key] = " ".join(own(page, name) for name in names)
            elif key == "href":
                element[key] = link(value, page, pages, home)
            elif key == "src" and not urlsplit(value).scheme:
                element[key] = (site / posixpath.dirname(page) / unquote(value)).resolve().as_uri()
            elif isinstance(value, str) and value.startswith("url(#"):
                element[key] = f"url(#{own(page, value[len('url(#'):-1])})"
    for heading in article.select("section[id] > :is(h1, h2, h3, h4)"):
        # A section begins at the foot of the page that has no room for its heading: links are to lead to the heading.
        heading["id"] = heading.parent.attrs.pop("id")
        for label in heading.find_previous_siblings("span", id=True):
            heading.insert(0, label)
    for figure, address in moving:
        line = f'<p class="mc-moves">This figure moves on <a href="{escape(address)}">its page on the web</a>.</p>'
        figure.append(BeautifulSoup(line, "html.parser"))


def link(href: str, page: str, pages: set[str], home: str) -> str:
    """Return where a link leads in the book, or on the web where it leaves the book.

    >>> link("rules.html#trace", "chapters/notation", {"chapters/rules"}, "https://book.org/")
    '#rules.trace'
    >>> link("rules-slides.html", "chapters/notation", {"chapters/rules"}, "https://book.org/")
    'https://book.org/chapters/rules-slides.html'
    """
    absolute = urljoin(f"{home}{page}.html", href)
    parts = urlsplit(absolute)
    name = unquote(parts.path).removeprefix(urlsplit(home).path).removesuffix(".html")
    return f"#{own(name, unquote(parts.fragment))}" if absolute.startswith(home) and name in pages else absolute


# --- titles and contents --------------------------------------------------------------------------------------------------


def entries(article: Tag, page: str) -> list[Entry]:
    """The lines that a prepared article takes in the contents: its title and its sections."""
    found = []
    for heading in article.find_all(["h1", "h2"]):
        shown = copy.copy(heading)
        for element in shown.select("annotation, span[id]:empty"):
            element.decompose()
        for element in shown.find_all(True):
            element.attrs.pop("id", None)
            if element.name == "a":
                element.unwrap()
        target = own(page) if heading.name == "h1" else heading["id"]
        found.append(Entry(int(heading.name[1]), target, shown.decode_contents().strip(), " ".join(shown.get_text().split())))
    return found


def running_title(page: str, title: str) -> str:
    r"""Return the rules that put the title of a page at the head of its sheets.

    >>> running_title("chapters/rules", 'All "rules"')
    '@page rules { @top-right { content: "All \\"rules\\"" } }\n[data-page="rules"] { page: rules }\n'
    """
    text = title.replace("\\", r"\\").replace('"', r"\"")
    return f'@page {own(page)} {{ @top-right {{ content: "{text}" }} }}\n[data-page="{own(page)}"] {{ page: {own(page)} }}\n'


def part_of_contents(part: str, lines: list[Entry]) -> str:
    """Return the contents of a part, each line with an empty place for its page number."""
    rows = "".join(
        f'<li class="mc-level-{entry.level}"><a href="#{escape(entry.target)}"><span>{entry.heading}</span>'
        f'<span class="mc-page"></span></a></li>\n' for entry in lines
    )  # fmt: skip
    return (f'<p class="mc-part">{escape(part)}</p>\n' if part else "") + f"<ul>\n{rows}</ul>\n"


def number(document: str, pages: list[int]) -> str:
    """Return the document with the page numbers of its contents."""
    place = '<span class="mc-page">'
    first, *rest = document.split(place)
    if len(rest) != len(pages):
        raise ValueError(f"the contents have {len(rest)} lines, and there are {len(pages)} page numbers.")
    return first + "".join(f"{place}{page}{text}" for page, text in zip(pages, rest))


def title_page(facts: Facts, site: Path) -> str:
    """Return the title page. It has no date, so that the same book has the same bytes."""
    home = escape(facts.home)
    return f"""<header class="bd-article mc-title" id="title">
<img src="{(site / "_static/logo.svg").resolve().as_uri()}" alt="">
<h1>{escape(facts.title)}</h1>
<p class="mc-about">{escape(facts.about)}</p>
<p class="mc-authors">{escape(facts.authors)}</p>
<p>Version {escape(facts.version)}</p>
<p class="mc-small">Made from the pages of the book at <a href="{home}">{home}</a>, where its figures move and its code runs.</p>
<p class="mc-small">Text, figures and slides are under {escape(facts.text_licence)}, the code is under {escape(facts.code_licence)}.</p>
</header>"""
