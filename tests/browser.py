"""What the tests of the site ask of its pages: each function looks for one kind of fault and returns what it found.

They know nothing of this book, so that they can be tried on pages made for the purpose (test_site_checks.py).
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import io
import re
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from bs4 import BeautifulSoup
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright

QUIET = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync""".split()
SIZES = {"phone": {"width": 360, "height": 740}, "desktop": {"width": 1280, "height": 800}}


def launch(playwright: Playwright) -> Browser:
    """Start the system's Chromium, without its windows where that is installed, else the one that Playwright has installed."""
    system = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None)
    try:
        return playwright.chromium.launch(executable_path=system, args=QUIET)
    except Error as error:
        if system or "Executable doesn't exist" not in error.message:
            raise
    raise RuntimeError(
        "The tests of the site need a browser: install Chromium with your package manager (the Debian package is "
        "'chromium'), or run '.venv/bin/playwright install chromium'."
    )


# --- a server ---------------------------------------------------------------------------------------------------------

PACKED = {"text/html", "text/css", "text/javascript", "text/plain", "application/json", "application/xml", "image/svg+xml"}


@functools.lru_cache(256)
def _packed(path: Path, changed: int) -> bytes:
    """A file as GitHub Pages sends it."""
    return gzip.compress(path.read_bytes(), 6, mtime=0)


@functools.lru_cache(16)
def headers(site: Path) -> dict[str, str]:
    """The headers that a site states for all its files."""
    stated = site / "_headers"
    return dict(re.findall(r"^  ([\w-]+): (.*)$", stated.read_text("utf-8"), re.MULTILINE)) if stated.exists() else {}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder below a prefix, packed, and 404.html wherever there is nothing, as GitHub Pages does."""

    def __init__(self, *args, prefix: str, **kwargs):
        self.prefix = prefix
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        path = urlsplit(path).path
        inside = path.startswith(self.prefix)
        return super().translate_path("/" + path.removeprefix(self.prefix)) if inside else "/nowhere"

    def end_headers(self):
        for name, value in headers(Path(self.directory)).items():
            self.send_header(name, value)
        super().end_headers()

    def send_head(self):
        """Send text packed, and everything with the headers of the site."""
        path = Path(self.translate_path(self.path))
        if not path.is_file() or self.guess_type(path) not in PACKED:
            return super().send_head()
        return self._send_packed(200, path)

    def send_error(self, code, message=None, explain=None):
        page = Path(self.directory, "404.html")
        if code != 404 or not page.exists():
            return super().send_error(code, message, explain)
        self.copyfile(self._send_packed(404, page), self.wfile)

    def _send_packed(self, code: int, path: Path) -> io.BytesIO:
        body = _packed(path, path.stat().st_mtime_ns)
        self.send_response(code)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return io.BytesIO(body)

    def log_message(self, *args):
        """The tests report what matters."""


class Server(http.server.ThreadingHTTPServer):
    """Says nothing when a page is closed before it has everything it asked for."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serve(folder: Path, prefix: str = "/"):
    """Serve a folder to this machine; gives the address of its first page, which ends with the prefix."""
    handler = functools.partial(Handler, directory=str(folder), prefix=prefix)
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{prefix}"
        finally:
            server.shutdown()


# --- a visit ----------------------------------------------------------------------------------------------------------


@dataclass
class Visit:
    """What went wrong while a page was open."""

    console: list[str] = field(default_factory=list)  # warnings and errors of the page's scripts
    failed: list[str] = field(default_factory=list)  # requests to the site itself without an answer
    foreign: list[str] = field(default_factory=list)  # requests to anybody else
    requests: list[str] = field(default_factory=list)  # what the page asked for before anybody scrolled
    bytes: int = 0  # what came for it, packed
    shift: float = 0.0  # how far things moved under the reader's eyes, as browsers count it
    wide: list[str] = field(default_factory=list)  # what is wider than the window
    images: list[str] = field(default_factory=list)  # images without a picture

    def watch(self, page: Page, own: str) -> None:
        """Collect what a page's scripts and requests do; ``own`` is where the addresses of the site begin."""
        own_host = urlsplit(own).netloc

        def request(route):
            self.foreign.append(route.request.url)
            route.abort()

        def response(answer):
            if answer.status >= 400 and not answer.request.is_navigation_request():
                self.failed.append(f"{answer.status} {answer.url}")

        def console(message):
            # A failed request is reported as such; the browser also writes it to the console.
            if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
                self.console.append(message.text)

        page.route(lambda url: urlsplit(url).scheme in ("http", "https") and urlsplit(url).netloc != own_host, request)
        page.on("console", console)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("response", response)
        page.on("requestfailed", lambda r: r.url in self.foreign or self.failed.append(f"{r.failure} {r.url}"))


def add_style(page: Page, style: str) -> None:
    """Add rules to a page whose security policy allows no style but the site's."""
    page.evaluate("""style => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(style);
      document.adoptedStyleSheets.push(sheet);
    }""", style)


def visit(context: BrowserContext, address: str, read: bool = True) -> Visit:
    """Open a page, go through it to its end where it is to be read, and say what was wrong with it."""
    seen, page = Visit(), context.new_page()
    seen.watch(page, address)
    weigh = weighed(context, page)
    page.goto(address, wait_until="load")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(50)
    seen.requests, seen.bytes = weigh()
    if read:
        page.evaluate(READ)
        seen.shift = round(page.evaluate(LAYOUT_SHIFT), 4)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")  # what is loaded late is loaded now
    page.wait_for_timeout(50)
    seen.wide = page.evaluate(TOO_WIDE)
    seen.images = page.evaluate(BROKEN_IMAGES)
    page.close()
    return seen


def weighed(context: BrowserContext, page: Page):
    """Return a function that says what a page has asked for since now, and how many bytes came for it.

    Nothing comes from the browser's store: this is somebody's first visit.
    """
    asked, received = {}, {}
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})

    def request(event):
        if not event["request"]["url"].startswith("data:"):
            asked[event["requestId"]] = event["request"]["url"]

    def finished(event):
        received[event["requestId"]] = event["encodedDataLength"]

    session.on("Network.requestWillBeSent", request)
    session.on("Network.loadingFinished", finished)
    return lambda: (list(asked.values()), sum(received.get(key, 0) for key in asked))


# As a reader in a hurry goes through a page, nearly a window at a time.
READ = """() => new Promise((read) => {
  const step = () => {
    const before = scrollY;
    scrollBy({ top: 0.9 * innerHeight, behavior: 'instant' });
    if (scrollY > before) requestAnimationFrame(() => requestAnimationFrame(step));
    else read();
  };
  step();
})"""

LAYOUT_SHIFT = """() => new Promise((answer) => {
  let moved = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) moved += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
  requestAnimationFrame(() => setTimeout(() => answer(moved), 0));
})"""

# What reaches beyond the window, and cannot be scrolled to within a box of its own. The innards of a typeset formula are
# clipped on purpose (the sign of a root is drawn on a very long strip).
TOO_WIDE = """() => {
  const edge = document.documentElement.clientWidth, found = [];
  const name = e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + [...e.classList].map(c => '.' + c).join('');
  const boxed = e => {
    for (let box = e.parentElement; box && box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box);
      const holds = ['auto', 'scroll'].includes(style.overflowX) || (style.overflowX !== 'visible' && box.closest('math'));
      if (holds && box.getBoundingClientRect().right <= edge + 1) return true;
    }
    return false;
  };
  if (document.documentElement.scrollWidth > edge)
    found.push(`the page: ${document.documentElement.scrollWidth} of ${edge} pixels`);
  for (const e of document.body.querySelectorAll('*')) {
    const box = e.getBoundingClientRect();
    if (box.right > edge + 1 && box.width > 1 && box.height > 0 && e.checkVisibility({visibilityProperty: true}) && !boxed(e))
      found.push(`${name(e)}: reaches to ${Math.round(box.right)} of ${edge} pixels`);
  }
  return found.slice(0, 10);
}"""

DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 50)))"

# What a page shows when a reader opens everything.
OPEN = """() => new Promise((opened) => {
  document.querySelectorAll('details').forEach((details) => (details.open = true));
  requestAnimationFrame(() => setTimeout(opened, 50));
})"""

# axe knows nothing of the insides of formulas and drawings, which are two thirds of a page; and what is far from the window
# is asked for its size a thousand times.
SMALLER = """() => {
  for (const math of document.querySelectorAll('math')) math.textContent = math.querySelector('semantics > :first-child').textContent;
  for (const drawing of document.querySelectorAll('svg')) drawing.replaceChildren(...drawing.querySelectorAll(':scope > title'));
  const near = new CSSStyleSheet();
  near.replaceSync('* { content-visibility: visible !important; transition: none !important; animation: none !important }');
  document.adoptedStyleSheets.push(near);
}"""

AXE = """async (rules) => {
  const { violations } = await axe.run({ resultTypes: ['violations'], ...rules });
  return violations.flatMap(({ id, nodes }) => nodes.slice(0, 5).map(({ target, html }) => `${id}: ${target} ${html.slice(0, 120)}`));
}"""
ALL = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# What asks for the place and colour of everything that is seen takes most of the time, and sees all when all is open.
STRUCTURE = ALL | {"rules": {rule: {"enabled": False} for rule in (*COLOURS["runOnly"]["values"], "target-size")}}


def barriers(context: BrowserContext, address: str, axe: str) -> list[str]:
    """What keeps readers out of a page, by the rules of WCAG 2.2 AA and good practice, as axe sees them.

    It is looked at closed, as it comes, then with everything open that opens, then so in the dark.

    Parameters
    ----------
    axe : the script of axe-core
    """
    page = context.new_page()
    page.emulate_media(color_scheme="light")
    page.goto(address, wait_until="load")
    page.evaluate("document.fonts.ready")
    page.evaluate(DRAWN)
    page.evaluate(SMALLER)
    page.evaluate(axe)
    found = page.evaluate(AXE, STRUCTURE)
    page.evaluate(OPEN)
    found += page.evaluate(AXE, ALL)
    page.emulate_media(color_scheme="dark")
    page.evaluate(DRAWN)  # the page's script has followed
    found += [f"{finding} (in the dark)" for finding in page.evaluate(AXE, COLOURS)]
    page.close()
    return found


BROKEN_IMAGES = """() => [...document.images]
  .filter(image => image.checkVisibility() && !(image.complete && image.naturalWidth > 0)).map(image => image.src)"""


# --- what a file of the site says -------------------------------------------------------------------------------------


def read_pages(site: Path) -> dict[str, BeautifulSoup]:
    """Parse every page of a built site, by its path below the site."""
    pages = sorted(path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts)
    return {path.relative_to(site).as_posix(): BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in pages}


def broken_links(site: Path, pages: dict[str, BeautifulSoup], prefix: str = "/") -> list[str]:
    """Links and sources within the site that lead nowhere, and fragments that no page has.

    Parameters
    ----------
    site : the built site
    pages : its pages, as ``read_pages`` gives them
    prefix : where the site is served, for links that begin with a slash
    """
    targets = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}
    broken = []
    for name, page in pages.items():
        for tag, link in ((tag, tag[key]) for key in ("href", "src") for tag in page.find_all(**{key: True})):
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            absolute = urlsplit(urljoin(f"http://site{prefix}{name}", link))
            inside = absolute.path.startswith(prefix)
            path = unquote(absolute.path.removeprefix(prefix)) or "index.html"
            fragment = unquote(absolute.fragment)
            if not inside or not (site / path).is_file():
                broken.append(f"{name}: {tag.name} leads to {link}, which does not exist")
            elif fragment and path in targets and fragment not in targets[path]:
                broken.append(f"{name}: {tag.name} leads to {link}, which {path} does not have")
    return broken


def repeated_ids(page: BeautifulSoup) -> list[str]:
    """Ids that more than one element of a page has."""
    return [name for name, count in Counter(tag["id"] for tag in page.find_all(id=True)).items() if count > 1]


def missing_ids(page: BeautifulSoup) -> list[str]:
    """Ids that an element of a page refers to and none has: labels, controls, and what is reused in a drawing."""
    present = {tag["id"] for tag in page.find_all(id=True)}
    referred = {
        name for key in ("aria-labelledby", "aria-describedby", "aria-controls", "for")
        for tag in page.find_all(**{key: True}) for name in str(tag[key]).split()
    }  # fmt: skip
    urls = {match for match in re.findall(r"url\(#([^)\"']+)\)", str(page))}
    return sorted((referred | urls) - present)


def unnamed_pictures(page: BeautifulSoup) -> list[str]:
    """Images and drawings that a reader who cannot see them is told nothing about."""
    unnamed = [str(image)[:120] for image in page.find_all("img") if image.get("alt") is None]
    for drawing in page.find_all("svg"):
        ignored = drawing.get("aria-hidden") == "true" or drawing.find_parent(attrs={"aria-hidden": "true"})
        named = drawing.get("role") == "img" and (
            drawing.get("aria-label") or drawing.get("aria-labelledby") or drawing.find("title")
        )
        if not ignored and not named:
            unnamed.append(str(drawing)[:120])
    return unnamed


def missing_metadata(page: BeautifulSoup) -> list[str]:
    """What a page lacks that others show when they list it or link to it."""
    wanted = {
        "title": page.head.title and page.head.title.get_text().strip(),
        "lang": page.html.get("lang"),
        "canonical": page.find("link", rel="canonical", href=re.compile("^https?://")),
    }
    for key in ("name=description", "name=viewport", "name=twitter:card", "property=og:title", "property=og:type",
                "property=og:description", "property=og:url", "property=og:image"):  # fmt: skip
        kind, name = key.split("=")
        tags = page.find_all("meta", attrs={kind: name})
        wanted[key] = len(tags) == 1 and tags[0].get("content")
    return [key for key, value in wanted.items() if not value]
