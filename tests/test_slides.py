"""Every slide of every deck, in the browser and on paper: nothing overflows, nothing is small, nothing differs from the book."""

import re
import shutil
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import browser as look
import nbformat
import pypdfium2
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT, run_jupyter_book
from test_gate import small_book, write_page  # noqa: F401

sys.path.append(str(ROOT / "_ext"))
import chromium
from slides import cells

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
CHAPTERS = [entry["file"] for part in TOC["parts"] if part.get("numbered") for entry in part["chapters"]]
WINDOWS = {"small": (1280, 720), "large": (1920, 1080)}
SMALLEST, SMALLEST_CODE = 24, 18  # pixels of text and of code, on a slide 1280 wide

every_chapter = pytest.mark.parametrize("name", CHAPTERS)


@pytest.fixture(scope="session")
def deck_of(site):
    @cache
    def parsed(name, what="-slides"):
        return BeautifulSoup((site / f"{name}{what}.html").read_text("utf-8"), "html.parser")
    return parsed


def slides_of(deck):
    return deck.select("section[data-number]")


# --- what a deck holds --------------------------------------------------------------------------------------------------


@every_chapter
def test_a_lecture_has_15_to_25_slides_and_takes_45_minutes(site, deck_of, name):
    shown = slides_of(deck_of(name))
    assert 15 <= len(shown) <= 25
    assert 42 <= sum(float(slide["data-minutes"]) for slide in shown if not slide.has_attr("data-detour")) <= 48


@every_chapter
def test_every_slide_has_a_claim_for_a_title_and_notes_and_no_paragraphs(site, deck_of, name):
    for slide in slides_of(deck_of(name)):
        title = " ".join(slide.h2.get_text(" ").split())
        assert 3 <= len(title.split()), title
        assert len(slide.select_one(".notes").get_text().split()) >= 25, title
        for paragraph in slide.select(".content p, .content li"):
            if not paragraph.find_parent(class_="cell_output"):
                for formula in paragraph.select("math, .math"):
                    formula.extract() if formula.parent else None
                assert len(paragraph.get_text().split()) <= 32, f"{title}: {paragraph.get_text()}"


@every_chapter
def test_a_lecture_pauses_for_questions_and_answers_them_in_fragments(site, deck_of, name):
    asking = [slide for slide in slides_of(deck_of(name)) if "?" in slide.get_text() and slide.select(".fragment")]
    assert len(asking) >= 4


@every_chapter
def test_a_lecture_shows_figures_and_a_mistake_and_the_figure_to_play_with_where_there_is_one(site, deck_of, name):
    deck, page = deck_of(name), deck_of(name, "")
    assert len(deck.select(".content svg")) >= 3
    assert "✗" in deck.get_text()
    assert bool(deck.select("[data-explore]")) == bool(page.select("[data-explore]"))


@every_chapter
def test_a_page_leads_to_its_deck_and_has_nothing_of_its_notes(site, deck_of, name):
    page = deck_of(name, "")
    assert page.select_one(f'.article-header-buttons a[href="{Path(name).name}-slides.html"]')
    text = " ".join(page.get_text().split())
    for slide in slides_of(deck_of(name)):
        for paragraph in slide.select(".notes p"):
            assert " ".join(paragraph.get_text().split()) not in text
    assert not page.select(".notes") and not re.search(r"\b\d(\.5)? min\.", text)


@every_chapter
def test_equations_have_the_numbers_of_the_book_and_their_ticks(site, deck_of, name):
    def numbered(soup):
        found = {}
        for box in soup.select("div.math:has(.eqno)"):
            number = re.match(r"\((.*?)\)", box.select_one(".eqno").get_text())[1]
            found.setdefault(number, set()).add((str(box.math), bool(box.select_one("a.checked"))))
        return found

    of_page, of_deck = numbered(deck_of(name, "")), numbered(deck_of(name))
    assert len(of_deck) >= (0 if name == "chapters/errata-museum" else 3)  # the museum shows what others printed
    for number, seen in of_deck.items():
        assert seen == of_page[number], number


@every_chapter
def test_every_link_of_a_deck_leads_somewhere_and_each_slide_to_its_section(site, deck_of, name):
    for link in deck_of(name).select("a[href]"):
        target, _, anchor = link["href"].partition("#")
        if re.match(r"https?:", target) or target.startswith("?"):
            continue
        page = deck_of("chapters/" + target.removesuffix(".html"), "")
        assert not anchor or page.find(id=unquote(anchor)), link
    for slide in slides_of(deck_of(name)):
        assert slide.footer.a.get_text().strip() and slide.footer.a["href"].partition("#")[2], slide.h2


@every_chapter
def test_the_notebook_of_a_chapter_has_nothing_that_is_for_the_deck_alone(site, name):
    cells_of = nbformat.read(site / "_sources" / f"{name}.ipynb", as_version=4).cells
    assert not any(re.search(r"^\*\*\d(\.5)? min\.\*\*|^```\{show\}", cell.source, re.MULTILINE) for cell in cells_of)
    assert not any("deck" in cell.metadata.get("tags", []) for cell in cells_of)
    assert sum(cell.cell_type == "markdown" for cell in cells_of) >= 10


def test_the_page_for_instructors_names_every_deck(site, deck_of):
    table = deck_of("chapters/teach", "").select_one("table.lectures")
    links = {link["href"] for link in table.select("a")}
    assert {f"{Path(name).name}-slides.html{query}" for name in CHAPTERS for query in ("", "?handout")} <= links


# --- how it looks -------------------------------------------------------------------------------------------------------

# What of the slide that is shown lies outside of it, or too low, or is too small; sizes are those at 1280 wide.
FAULTS = """([least, leastCode]) => {
  const slide = deck.getCurrentSlide(), frame = slide.getBoundingClientRect(), scale = frame.width / 1280;
  const content = slide.querySelector('.content'), footer = slide.querySelector('footer').getBoundingClientRect();
  const faults = [];
  const words = (element) => `${element.tagName.toLowerCase()} "${element.textContent.trim().slice(0, 40)}"`;
  if (slide.scrollHeight > slide.clientHeight + 1 || slide.scrollWidth > slide.clientWidth + 1) faults.push('the slide scrolls');
  for (const element of slide.querySelectorAll('h2, .content *')) {
    if (element.closest('defs, clipPath, .notes, .copybtn, script, annotation') || !element.checkVisibility()) continue;
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const drawn = element.closest('svg') && element.tagName !== 'svg';
    if (drawn ? false : element.scrollWidth > element.clientWidth + 2 && getComputedStyle(element).overflowX !== 'visible' && element.clientWidth)
      faults.push(`cut at its side: ${words(element)}`);
    if (!drawn && (box.left < frame.left - 1 || box.right > frame.right - 20 * scale || box.top < frame.top || box.bottom > footer.top + 6 * scale))
      faults.push(`outside of the slide: ${words(element)}`);
    if (own && !element.closest('svg')) {
      const size = parseFloat(getComputedStyle(element).fontSize);
      const script = element.closest('msub, msup, msubsup, sub, sup, mfrac, munderover, munder, mover');
      const wanted = element.closest('pre, code') ? leastCode : script ? 0.5 * least : least;
      if (size < wanted) faults.push(`only ${size.toFixed(1)} px: ${words(element)}`);
    }
  }
  const box = content.getBoundingClientRect();
  if (content.scrollHeight > content.clientHeight + 2) faults.push(`${content.scrollHeight - content.clientHeight} px too high`);
  return faults;
}"""


def all_slides(page, address):
    """Open a deck, and go through its slides with all that waits for a key."""
    page.goto(address)
    page.wait_for_function("() => window.deck && deck.isReady()")
    page.evaluate("document.fonts.ready")
    count = page.evaluate("deck.getTotalSlides()")
    for _ in range(count):
        page.evaluate("() => { while (deck.nextFragment()); }")
        yield page.evaluate("deck.getCurrentSlide().id")
        page.evaluate("() => deck.next()")


@every_chapter
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_on_a_slide_overflows_or_is_small_and_nothing_complains(site_url, browser, name, window, theme):
    width, height = WINDOWS[window]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    page, seen = context.new_page(), look.Visit()
    seen.watch(page, site_url)
    faults = {}
    for slide in all_slides(page, f"{site_url}{name}-slides.html"):
        if page.locator(f"#{slide} [data-explore]").count():
            page.wait_for_selector(f"#{slide} [data-explore] [data-says], #{slide} [data-explore] .mc-explore-says")
        if found := page.evaluate(FAULTS, [SMALLEST, SMALLEST_CODE]):
            faults[slide] = found
    assert faults == {}
    assert seen.console == [] and seen.failed == [] and seen.foreign == []
    context.close()


@every_chapter
def test_nothing_on_a_slide_keeps_readers_out(site_url, browser, axe, name):
    # The handout shows all that the slides hold, and the notes, at once; the deck by itself is of one kind with others.
    for theme, query, rules in (("light", "?handout", look.ALL), ("dark", "?handout", look.COLOURS), ("light", "", look.ALL)):
        context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme=theme)
        page = context.new_page()
        page.goto(f"{site_url}{name}-slides.html{query}")
        page.evaluate("document.fonts.ready")
        page.get_by_role("button", name="Menu").click()
        page.evaluate(look.SMALLER)
        page.evaluate(axe)
        found = page.evaluate(look.AXE, rules)
        assert found == [], (theme, query)
        context.close()


# --- how it is used -----------------------------------------------------------------------------------------------------

FIRST = f"{CHAPTERS[0]}-slides.html"


@pytest.fixture
def deck(site_url, page):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{site_url}{FIRST}")
    page.wait_for_function("() => window.deck && deck.isReady()")
    return page


def test_a_deck_is_led_by_keys_and_each_slide_has_an_address(deck):
    names = deck.locator("section[data-number]").evaluate_all("slides => slides.map((slide) => slide.id)")
    deck.keyboard.press("End")
    deck.wait_for_function("name => location.hash.includes(name)", arg=names[-1])
    deck.keyboard.press("Home")
    deck.wait_for_function("name => location.hash === '' || location.hash.includes(name) || location.hash === '#/'", arg=names[0])
    deck.keyboard.press("o")
    deck.wait_for_function("() => deck.isOverview()")
    row = deck.locator("section[data-number] h2").evaluate_all("titles => titles.slice(0, 3).map((title) => title.getBoundingClientRect())")
    assert row[0]["x"] < row[1]["x"] < row[2]["x"] and abs(row[1]["y"] - row[2]["y"]) < 2
    deck.keyboard.press("Escape")
    deck.wait_for_function("() => !deck.isOverview()")
    deck.goto(f"{deck.url.split('#')[0]}#/{names[4]}")
    deck.reload()
    deck.wait_for_function("name => window.deck?.isReady() && deck.getCurrentSlide().id === name", arg=names[4])


def test_a_fragment_waits_for_its_key(deck):
    number = deck.evaluate("() => [...document.querySelectorAll('section[data-number]')].findIndex((slide) => slide.querySelector('.fragment'))")
    deck.evaluate("number => { const { h, v } = deck.getIndices([...document.querySelectorAll('section[data-number]')][number]); deck.slide(h, v); }", number)
    fragment = deck.locator("section.present .fragment").first
    assert not fragment.is_visible()
    deck.keyboard.press("Space")
    fragment.wait_for(state="visible")


def test_the_speaker_view_shows_notes_time_and_what_comes_next_and_leads_the_deck(deck):
    with deck.expect_popup() as popup:
        deck.keyboard.press("s")
    speaker = popup.value
    speaker.wait_for_selector(".notes div p")
    messages = []
    speaker.on("console", lambda message: messages.append(message.text))
    first = deck.evaluate("() => [deck.getCurrentSlide().querySelector('h2').textContent, deck.getCurrentSlide().querySelector('.notes').textContent]")
    assert speaker.text_content(".notes h2") == first[0] and speaker.text_content(".notes div") == first[1]
    assert re.fullmatch(r"Plan: this slide from minute 0 to [\d.]+, of [\d.]+", speaker.text_content(".plan"))
    shown = speaker.frame_locator(".now iframe").locator("section.present h2")
    shown.wait_for()
    for _ in range(8):
        before = deck.evaluate("deck.getIndices()")
        speaker.keyboard.press("ArrowRight")
        deck.wait_for_function("before => JSON.stringify(deck.getIndices()) !== JSON.stringify(before)", arg=before)
    told = deck.evaluate("deck.getCurrentSlide().querySelector('h2').textContent")
    speaker.wait_for_function("title => document.querySelector('.notes h2').textContent === title", arg=told)
    speaker.frame_locator(".now iframe").locator("section.present h2", has_text=told[:20]).wait_for()
    assert messages == []


def test_a_figure_to_play_with_lives_in_the_deck_and_keeps_its_arrow_keys(deck):
    place = deck.evaluate("() => deck.getIndices(document.querySelector('[data-explore]').closest('section'))")
    deck.evaluate("place => deck.slide(place.h, place.v)", place)
    box = deck.locator("section.present [data-explore]")
    control = box.locator("input[type=range], [role=slider]").first
    control.wait_for()
    control.focus()
    before = box.text_content()
    deck.keyboard.press("ArrowRight")
    deck.wait_for_function("before => document.querySelector('section.present [data-explore]').textContent !== before", arg=before)
    assert deck.evaluate("deck.getIndices().h") == place["h"]


def test_a_deck_opens_from_disk(site, page):
    messages = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto((site / FIRST).as_uri())
    page.wait_for_function("() => window.deck && deck.isReady()")
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    popup.value.wait_for_selector(".notes div p")
    popup.value.frame_locator(".now iframe").locator("section.present h2").wait_for()
    assert messages == []


def test_without_scripts_a_deck_is_a_list_of_slides(site_url, browser):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(f"{site_url}{FIRST}")
    slides = page.locator("section[data-number]")
    assert all(slides.nth(i).is_visible() for i in range(slides.count()))
    assert page.locator(".fragment").first.is_visible() and not page.locator(".notes").first.is_visible()
    context.close()


@every_chapter
@pytest.mark.parametrize("query", ["", "?handout"])
def test_a_deck_prints_a_page_a_slide(site_url, page, deck_of, name, query):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{site_url}{name}-slides.html{query}")
    if not query:
        page.wait_for_function("() => window.deck && deck.isReady()")
    page.wait_for_function("() => document.fonts.status === 'loaded'")  # which ends, where the promise might not
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == len(slides_of(deck_of(name)))
    page.emulate_media(media="print")
    cut = page.evaluate("""() => [...document.querySelectorAll('section[data-number]')].filter((slide) => {
      const content = slide.querySelector('.content'), notes = slide.querySelector('.notes');
      const below = slide.getBoundingClientRect().bottom - 50;
      return content.scrollHeight > content.clientHeight + 2 || notes.getBoundingClientRect().bottom > below;
    }).map((slide) => slide.id)""")
    assert cut == []


def test_make_slides_pdf_prints_a_deck_and_its_handout(site, browser, tmp_path):
    address = (site / "chapters/write-a-chapter-slides.html").as_uri()
    said = {}
    for query in ("", "?handout"):
        chromium.print_pdf(browser.browser_type.executable_path if not shutil.which("chromium") else "chromium", address + query, tmp_path / "deck.pdf")
        with pypdfium2.PdfDocument(tmp_path / "deck.pdf") as document:
            assert len(document) == 1
            said[query] = document[0].get_textpage().get_text_range()
    assert all("The slope of a squared length" in text for text in said.values())
    assert "2 min." in said["?handout"] and "2 min." not in said[""]


# --- metadata that are wrong --------------------------------------------------------------------------------------------


def test_the_kinds_of_cells_are_the_notebooks_own():
    assert set(cells.KINDS) == {"slide", "subslide", "fragment", "notes", "skip", "-"}


def cell(kind, text):
    return f'+++ {{"slideshow": {{"slide_type": "{kind}"}}}}\n\n{text}\n'


SHOWN = "```{show} square\n```"
TITLE = "**A square has one slope**"
NOTES = cell("notes", "**1 min.** Say so.")
RIGHT = cell("slide", f"{TITLE}\n\n{SHOWN}") + NOTES
EQUATION = "+++\n\n% illustration: shown to be numbered\n$$\na = b\n$$ (square)\n"
# A body, and what the build says of it, with the number of the cell; each stands on a page by itself.
FAULTY = {
    "unknown": (RIGHT + cell("slied", TITLE), r"cell 4 \(line \d+\): the slide type 'slied' is unknown: slide, subslide, fragment"),
    "fragment": (cell("fragment", "text") + RIGHT, r"cell 2 \(line \d+\): a cell with the slide type 'fragment' stands before the first"),
    "notes": (cell("notes", "**1 min.** Text.") + RIGHT, r"cell 2 \(line \d+\): a cell with the slide type 'notes' stands before"),
    "below": (cell("subslide", f"{TITLE}\n\n{SHOWN}") + NOTES, r"cell 2 \(line \d+\): a subslide stands before the first slide"),
    "empty": (RIGHT + cell("slide", TITLE) + NOTES, r"cell 4 \(line \d+\): the slide is empty but for its title"),
    "untitled": (cell("slide", f"A line.\n\n{SHOWN}") + NOTES, r"cell 2 \(line \d+\): a slide begins with its title"),
    "silent": (cell("slide", f"{TITLE}\n\n{SHOWN}") + RIGHT, r"cell 2 \(line \d+\): the slide has no notes"),
    "twice": (RIGHT + NOTES, r"cell 4 \(line \d+\): the slide has its notes already"),
    "late": (RIGHT + cell("fragment", "text"), r"cell 4 \(line \d+\): the slide ends with its notes"),
    "timeless": (cell("slide", f"{TITLE}\n\n{SHOWN}") + cell("notes", "Say so."), r"cell 3 \(line \d+\): notes begin with the time"),
    "own": (cell("slide", f"{TITLE}\n\n$$\na = b\n$$") + NOTES, r"cell 2 \(line \d+\): a displayed equation of the deck alone"),
    "nowhere": (cell("slide", f"{TITLE}\n\n" + SHOWN.replace("square", "cube")) + NOTES, r"a slide shows 'cube', but no equation"),
    "outside": (RIGHT + f"+++\n\n{SHOWN}\n", r"line \d+: \{show\} belongs in a cell with a slide type"),
    "code": (RIGHT + "```{code-cell} ipython3\n:tags: [deck]\n1 + 1\n```\n", r"cell 4 \(line \d+\): give the cell a slide type"),
}


@pytest.fixture(scope="module")
def faulty(small_book):  # noqa: F811
    """What the build says of a book whose pages have one fault each."""
    for name, (body, _) in FAULTY.items():
        write_page(small_book, f"A text.\n\n{body}\n{EQUATION.replace('square', name) if 'square' not in body else EQUATION}", f"fault-{name}")
        page = small_book / f"chapters/fault-{name}.md"
        page.write_text(page.read_text("utf-8").replace("square", f"square-{name}"), "utf-8")
    pages = "".join(f"- file: chapters/fault-{name}\n" for name in FAULTY)
    (small_book / "_toc.yml").write_text(f"format: jb-book\nroot: chapters/index\nchapters:\n{pages}", "utf-8")
    return run_jupyter_book(small_book)


@pytest.mark.parametrize("name", FAULTY)
def test_wrong_slide_metadata_fail_the_build_and_name_the_cell(faulty, name):
    assert faulty.returncode != 0
    said = re.findall(rf"^(?:.*: )?chapters/fault-{name}\.md,? ?(.*)$", faulty.stdout, re.MULTILINE)
    assert any(re.search(FAULTY[name][1], line) for line in said), (said, faulty.stdout[-3000:])
