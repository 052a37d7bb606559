"""The site in a zip, unpacked and opened from disk: nothing missing, nothing asked of anybody, nothing complains."""

import subprocess
import sys
import zipfile

import browser as look
import pytest
from conftest import ROOT
from test_site import CONTENTS

NAME = "matrix-calculus-checked"


def pack(site, target):
    subprocess.run([sys.executable, ROOT / "_ext/offline.py", site, target], check=True, stdout=subprocess.DEVNULL)
    return target


@pytest.fixture(scope="module")
def archive(site, tmp_path_factory):
    return pack(site, tmp_path_factory.mktemp("zip") / f"{NAME}.zip")


@pytest.fixture(scope="module")
def unpacked(archive):
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(archive.parent)
    return archive.parent / NAME


@pytest.fixture
def watched(page):
    """A page, with the messages and the requests that it makes."""
    page.messages, page.requests = [], []
    page.on("console", lambda message: page.messages.append(message.text))
    page.on("pageerror", lambda error: page.messages.append(str(error)))
    # The entry leads on before its icon has come; a file that is missing fails otherwise.
    page.on("requestfailed", lambda request: request.failure == "net::ERR_ABORTED" or page.messages.append(f"failed: {request.url}"))
    page.on("request", lambda request: page.requests.append(request.url))
    yield page
    assert page.messages == []
    assert [url for url in page.requests if not url.startswith(("file://", "data:"))] == []


@pytest.mark.parametrize("name", ["index", *CONTENTS])
def test_every_page_opens_from_disk_with_its_look_its_fonts_and_its_pictures(unpacked, watched, name):
    watched.goto((unpacked / f"{name}.html").as_uri())
    watched.wait_for_load_state("load")
    if name == "index":
        watched.wait_for_url("**/chapters/index.html")
    assert watched.evaluate("getComputedStyle(document.querySelector('.bd-article')).fontSize") == "17px"
    formula = watched.locator("article math").locator("visible=true")
    if formula.count():
        formula.first.scroll_into_view_if_needed()
    fonts = watched.evaluate("document.fonts.ready.then(() => [...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family))")
    assert any("Awesome" in font for font in fonts)
    if formula.count():
        assert any("Math" in font for font in fonts), fonts
    assert watched.evaluate(look.BROKEN_IMAGES) == []


def test_the_search_works_from_disk(unpacked, watched):
    watched.goto((unpacked / "chapters/index.html").as_uri())
    watched.get_by_role("button", name="Search").first.click()
    field = watched.locator("dialog[open] input[type=search]")
    field.fill("gradient")
    field.press("Enter")
    result = watched.locator("ul.search li a").first
    result.wait_for()
    result.click()
    watched.locator("article h1").wait_for()


def test_the_theme_is_remembered_from_page_to_page_from_disk(unpacked, watched):
    watched.goto((unpacked / "chapters/index.html").as_uri())
    while watched.evaluate("document.documentElement.dataset.mode") != "dark":
        watched.locator(".theme-switch-button").locator("visible=true").click()
    watched.goto((unpacked / f"{CONTENTS[2]}.html").as_uri())
    assert watched.evaluate("document.documentElement.dataset.theme") == "dark"


def test_no_link_of_the_zip_leads_nowhere(unpacked):
    assert look.broken_links(unpacked, look.read_pages(unpacked)) == []


def test_two_zips_of_the_same_site_are_the_same_to_the_byte(site, archive, tmp_path):
    again = pack(site, tmp_path / f"{NAME}.zip")
    assert again.read_bytes() == archive.read_bytes()
    with zipfile.ZipFile(archive) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
