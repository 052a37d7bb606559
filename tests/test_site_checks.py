"""Each check of the site catches the fault that it is there for, and lets a sound page pass."""

import re

import browser as look
import pytest

SOUND = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<link rel="icon" href="data:,"><link rel="canonical" href="https://example.org/page.html">
<meta name="viewport" content="width=device-width"><meta name="description" content="d">
<meta name="twitter:card" content="c"><meta property="og:title" content="t"><meta property="og:type" content="t">
<meta property="og:description" content="d"><meta property="og:url" content="u"><meta property="og:image" content="i">
</head><body><main id="top"><a href="#top">up</a><a href="page.html#top">here</a><a href="/sub/page.html">root</a>
<a href="https://example.org/">elsewhere</a>
<div style="overflow-x: auto"><table style="width: 3000px"><tr><td>wide, in a box that scrolls</td></tr></table></div>
<svg role="img" aria-label="nothing"></svg><svg aria-hidden="true"></svg>
<img alt="" src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/%3E">
FAULT</main></body></html>"""


def write(folder, fault="", head=lambda html: html):
    (folder / "page.html").write_text(head(SOUND.replace("FAULT", fault)), encoding="utf-8")
    return folder


@pytest.fixture
def look_at(tmp_path, windows):
    """Visit the sound page with a fault put into it."""

    def visit(fault="", size="phone"):
        with look.serve(write(tmp_path, fault), "/sub/") as address:
            return look.visit(windows[size, "light"], address + "page.html")

    return visit


@pytest.mark.parametrize("size", look.SIZES)
def test_a_sound_page_passes_in_the_browser(look_at, size):
    seen = look_at("", size)
    assert seen == look.Visit(requests=seen.requests, bytes=seen.bytes)


@pytest.mark.parametrize(
    "kind, fault, found",
    [
        ("console", "<script>console.error('oh')</script>", "oh"),
        ("console", "<script>console.warn('hm')</script>", "hm"),
        ("console", "<script>undefined.x</script>", "undefined"),
        ("console", "<script>Promise.reject(new Error('lost'))</script>", "lost"),
        ("failed", "<script src='gone.js'></script>", "gone.js"),
        ("failed", "<style>@font-face {font-family: f; src: url(gone.woff2)} main {font-family: f}</style>", "gone.woff2"),
        ("foreign", "<img alt='' src='https://example.org/x.png'>", "https://example.org/x.png"),
        ("foreign", "<link rel='stylesheet' href='https://example.org/f.css'>", "https://example.org/f.css"),
        ("foreign", "<script>fetch('https://example.org/count').catch(() => 0)</script>", "https://example.org/count"),
        ("images", "<img alt='' src='gone.png'>", "gone.png"),
        ("images", "<div style='height: 9000px'></div><img alt='' loading='lazy' src='gone.png'>", "gone.png"),
        ("wide", "<table class='t' style='width: 400px'><tr><td>x</td></tr></table>", "table.t"),
        ("wide", "<pre id='p'>" + "x" * 200 + "</pre>", "the page"),
        ("wide", "<div style='overflow: hidden'><p id='cut' style='width: 500px'>x</p></div>", "p#cut"),
        ("wide", "<p style='margin-right: -50px'>x</p>", "p:"),
    ],
)
def test_a_fault_that_shows_in_the_browser_is_caught(look_at, kind, fault, found):
    findings = getattr(look_at(fault), kind)
    assert any(found in finding for finding in findings), findings


def test_a_sound_page_is_weighed_and_lies_still(look_at):
    seen = look_at()
    assert len(seen.requests) == 1 and 500 < seen.bytes < len(SOUND.encode())  # packed
    assert seen.shift == 0


def test_a_heavy_page_and_many_requests_are_noticed(look_at, tmp_path):
    (tmp_path / "heavy.png").write_bytes(bytes(300_000))
    seen = look_at("<img alt='' src='heavy.png'>" + "".join(f"<img alt='' src='heavy.png?{n}'>" for n in range(20)))
    assert len(seen.requests) == 22
    assert seen.bytes > 1_000_000


def test_text_that_moves_while_it_is_read_is_noticed(look_at):
    # Once the text has been seen, however late that is; the browser must not scroll along.
    late = "<script>new PerformanceObserver(() => document.querySelector('main').prepend(document.createElement('hr')))"\
           ".observe({ type: 'paint', buffered: true })</script>"  # fmt: skip
    style = "<style>hr { height: 300px } html { overflow-anchor: none }</style>"
    assert look_at(style + "<p>" + "words " * 400 + "</p>" + late).shift > 0.01


@pytest.mark.parametrize(
    "fault",
    ["<script>document.title = 'x'</script>", "<p style='color: red'>x</p>", "<button onclick='x()'>x</button>",
     "<style>p { color: red }</style>", "<img alt='' src='http://example.org/x.png'>"],
)  # fmt: skip
def test_the_server_sends_the_policy_of_a_site_and_what_it_forbids_is_noticed(tmp_path, windows, fault):
    (tmp_path / "_headers").write_text("/*\n  Content-Security-Policy: default-src 'none'; img-src 'self' data:\n")
    sound = SOUND.replace('<div style="overflow-x: auto">', "<div>").replace('<table style="width: 3000px">', "<table>")
    (tmp_path / "page.html").write_text(sound.replace("FAULT", fault), encoding="utf-8")
    (tmp_path / "sound.html").write_text(sound.replace("FAULT", ""), encoding="utf-8")
    with look.serve(tmp_path, "/sub/") as address:
        assert look.visit(windows["phone", "light"], address + "sound.html").console == []
        found = look.visit(windows["phone", "light"], address + "page.html").console
    assert any("Content Security Policy" in message for message in found), found


@pytest.mark.parametrize(
    "rule, fault",
    [
        ("color-contrast", "<p class='pale'>pale</p>"),
        ("color-contrast", "<p class='dim'>pale in the dark</p>"),
        ("image-alt", "<img src='x.png'>"),
        ("link-name", "<a href='#top'></a>"),
        ("heading-order", "<h1>a</h1><h4>b</h4>"),
        ("target-size", "<button class='tiny'>x</button><button class='tiny'>y</button>"),
        ("link-name", "<details><summary>more</summary><a href='#top'></a></details>"),  # seen when it is open
    ],
)
def test_what_keeps_readers_out_is_noticed(tmp_path, windows, axe, rule, fault):
    style = "<style>@media (prefers-color-scheme: dark) { .dim { color: #222 !important; background: #000 } }" \
            ".pale { color: #bbb; background: #fff } .tiny { border: 0; height: 9px; padding: 0; width: 9px }</style>"  # fmt: skip
    sound = SOUND.replace('<div style="overflow-x: auto">', '<h1>h</h1><div tabindex="0" style="overflow-x: auto">')
    sound = re.sub(r"(<main[^>]*>).*?(?=<h1>)", r"\1", sound, flags=re.DOTALL)  # its links are small
    for name, text in (("page", fault), ("sound", "")):
        (tmp_path / f"{name}.html").write_text(sound.replace("FAULT", style + text), encoding="utf-8")
    with look.serve(tmp_path) as address:
        assert look.barriers(windows["phone", "light"], address + "sound.html", axe) == []
        found = look.barriers(windows["phone", "light"], address + "page.html", axe)
    assert any(finding.startswith(f"{rule}:") for finding in found), found


def test_a_sound_page_passes_as_a_file(tmp_path):
    pages = look.read_pages(write(tmp_path))
    assert look.broken_links(tmp_path, pages, "/sub/") == []
    for check in (look.repeated_ids, look.missing_ids, look.unnamed_pictures, look.missing_metadata):
        assert check(pages["page.html"]) == []


@pytest.mark.parametrize(
    "fault",
    ["<a href='gone.html'>x</a>", "<a href='#gone'>x</a>", "<a href='page.html#gone'>x</a>", "<a href='../page.html'>x</a>",
     "<a href='/page.html'>x</a>", "<img alt='' src='gone.png'>", "<svg><use href='#gone'/></svg>"],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_caught(tmp_path, fault):
    write(tmp_path, fault)
    (found,) = look.broken_links(tmp_path, look.read_pages(tmp_path), "/sub/")
    assert re.search("gone|page.html", found)


@pytest.mark.parametrize(
    "check, fault",
    [
        (look.repeated_ids, "<p id='top'>x</p>"),
        (look.missing_ids, "<p aria-labelledby='gone'>x</p>"),
        (look.missing_ids, "<p style='clip-path: url(#gone)'>x</p>"),
        (look.unnamed_pictures, "<img src='x.png'>"),
        (look.unnamed_pictures, "<svg><path d='M 0 0'/></svg>"),
        (look.unnamed_pictures, "<svg role='img'><path d='M 0 0'/></svg>"),
    ],
)
def test_a_fault_in_the_file_is_caught(tmp_path, check, fault):
    page = look.read_pages(write(tmp_path, fault))["page.html"]
    assert len(check(page)) == 1


@pytest.mark.parametrize(
    "lost", re.findall(r"<title>.*?</title>|<link rel=.canonical[^>]*>|<meta (?:name|property)[^>]*>| lang=.en.", SOUND)
)
def test_lost_metadata_is_caught(tmp_path, lost):
    page = look.read_pages(write(tmp_path, head=lambda html: html.replace(lost, "")))["page.html"]
    assert len(look.missing_metadata(page)) == 1


def test_metadata_given_twice_is_caught(tmp_path):
    twice = '<meta name="description" content="another">'
    page = look.read_pages(write(tmp_path, head=lambda html: html.replace("</head>", twice + "</head>")))["page.html"]
    assert look.missing_metadata(page) == ["name=description"]
