"""The built site: every page in a phone's and a desktop's window, and every link, address and button on it."""

import functools
import re
from xml.etree import ElementTree

import browser as look
import pytest
from conftest import ROOT
from fontTools.ttLib import TTFont
from sphinx_external_toc.parsing import parse_toc_yaml
from typeset import font

CONTENTS = list(parse_toc_yaml(ROOT / "_toc.yml"))
GENERATED = ["index", "search", "404"]
NOTEBOOKS = [page for page in CONTENTS if (source := ROOT / f"{page}.md").exists() and "kernelspec:" in source.read_text()]
WINDOWS = [(size, theme) for size in look.SIZES for theme in ("light", "dark")]

every_page = pytest.mark.parametrize("name", CONTENTS + GENERATED)
every_lasting_page = pytest.mark.parametrize("name", CONTENTS + ["search", "404"])  # the entry only leads on
every_chapter = pytest.mark.parametrize("name", CONTENTS)
every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
every_window = pytest.mark.parametrize("window", WINDOWS, ids="-".join)


@pytest.fixture(scope="session")
def pages(site):
    return look.read_pages(site)


@pytest.fixture(scope="session")
def visits(site_url, windows):
    """Visit a page in a window; the tests that ask different things about it share one visit."""
    @functools.cache
    def visit(name, window):
        address, read = f"{site_url}{name}.html", window[1] == "light"
        seen = look.visit(windows[window], address, read)
        if seen.shift > 0.01:  # a busy machine brings a font late; what moves by itself moves again
            seen.shift = look.visit(windows[window], address, read).shift
        return seen
    return visit


def test_the_book_builds_without_a_warning(build):
    if build.returncode:
        pytest.fail(build.stdout[-8000:], pytrace=False)


# --- in the browser, every page -----------------------------------------------------------------------------------------


@every_lasting_page
@every_window
def test_nothing_on_a_page_complains(visits, name, window):
    assert visits(name, window).console == []


@every_lasting_page
@every_window
def test_every_request_of_a_page_is_answered_by_the_site_itself(visits, name, window):
    assert visits(name, window).failed == []
    assert visits(name, window).foreign == []


@every_lasting_page
@every_window
def test_nothing_is_wider_than_the_window(visits, name, window):
    assert visits(name, window).wide == []


@every_chapter
def test_no_formula_needs_more_than_a_phone_where_it_cannot_break(site_url, windows, name):
    """Only Chromium breaks a formula in the text; Safari and Firefox keep it on one line."""
    page = windows["phone", "light"].new_page()
    page.goto(f"{site_url}{name}.html")
    look.add_style(page, "mrow.tml-breaks { flex-wrap: nowrap !important } .bd-article * { content-visibility: visible !important }")
    page.evaluate("document.fonts.ready")
    wide = page.evaluate(look.TOO_WIDE)
    page.close()
    assert wide == []


# Pictures that reach out of what cuts them: a section that is laid out when it comes near, or a box that scrolls.
CLIPPED = """() => [...document.querySelectorAll('.mc-figure svg, .mc-explore-picture svg')].filter((picture) => {
  const { left, right } = picture.getBoundingClientRect();
  for (let box = picture.parentElement; box && box !== document.body; box = box.parentElement) {
    const style = getComputedStyle(box), edge = box.getBoundingClientRect();
    const cuts = style.contentVisibility === 'auto' || style.overflowX !== 'visible';
    if (cuts && (left < edge.left - 0.5 || right > edge.right + 0.5)) return true;
  }
  return false;
}).map((picture) => picture.closest('[id]').id)"""


@every_chapter
def test_no_picture_is_cut_on_a_phone(site_url, windows, name):
    page = windows["phone", "light"].new_page()
    page.goto(f"{site_url}{name}.html")
    cut = page.evaluate(CLIPPED)
    page.close()
    assert cut == []


@every_lasting_page
@every_window
def test_every_image_shows(visits, name, window):
    assert visits(name, window).images == []


@every_lasting_page
@every_window
def test_a_first_visit_costs_little(visits, name, window):
    seen = visits(name, window)
    assert len(seen.requests) <= 16, seen.requests
    assert 10_000 < seen.bytes <= 200_000


@every_lasting_page
@pytest.mark.parametrize("window", [window for window in WINDOWS if window[1] == "light"], ids="-".join)
def test_nothing_moves_under_the_readers_eyes(visits, name, window):
    assert visits(name, window).shift <= 0.01


# --- in the browser, what readers do ------------------------------------------------------------------------------------


def test_a_wrong_address_leads_to_a_page_that_helps(site_url, page):
    seen = look.Visit()
    seen.watch(page, site_url)
    answer = page.goto(f"{site_url}some/where/else.html")
    assert answer.status == 404
    assert (seen.console, seen.failed, seen.foreign) == ([], [], [])
    page.get_by_role("link", name="Start at the first page").click()
    assert page.url == f"{site_url}chapters/index.html"


def test_the_address_of_the_site_leads_to_the_first_page(site_url, page):
    page.goto(site_url)
    page.wait_for_url(f"{site_url}chapters/index.html")


def test_the_search_finds_a_page_by_a_word_in_it(site_url, page, pages):
    page.goto(f"{site_url}chapters/index.html")
    page.get_by_role("button", name="Search").first.click()
    field = page.locator("dialog[open] input[type=search]")
    field.fill("gradient")
    field.press("Enter")
    results = page.locator("ul.search li a")
    results.first.wait_for()
    found = {link.split("?")[0].split("#")[0] for link in results.evaluate_all("links => links.map(link => link.href)")}
    expected = {site_url + name for name, html in pages.items() if "gradient" in html.get_text().lower()}
    assert found and found <= expected


def test_who_comes_to_the_page_of_the_search_can_type_at_once(site_url, page):
    page.goto(f"{site_url}search.html?q=notation")
    field = page.locator(".bd-article-container form.bd-search input")
    assert field.input_value() == "notation" and field.evaluate("field => field === document.activeElement")


def test_a_result_of_the_search_quotes_formulas_once_and_without_tex(site_url, page):
    page.goto(f"{site_url}search.html?q=notation")
    page.locator("ul.search li p.context").first.wait_for()
    page.wait_for_load_state("networkidle")
    quoted = page.locator("ul.search li p.context").all_inner_texts()
    assert quoted and not [text for text in quoted if "\\" in text]


def test_a_solution_opens_by_its_title_without_a_script(site_url, browser, pages):
    name = next(name for name, html in pages.items() if html.select("details.solution"))
    page = browser.new_page(java_script_enabled=False)
    page.goto(site_url + name)
    solution = page.locator("details.solution").first
    text = solution.locator("p").first
    assert not text.is_visible()
    solution.locator("summary").press("Enter")
    assert text.is_visible()
    page.close()


# The tables that have to be scrolled, and how far below its row's first line a link stands: on the last line of two, say.
TABLES = """() => {
  const top = (cell) => { const line = document.createRange(); line.selectNodeContents(cell); return line.getClientRects()[0].top; };
  const cells = (link) => [...link.closest('tr').children].filter((cell) => cell.textContent.trim());
  const links = [...document.querySelectorAll('article td > p > a:only-child')].filter((link) => link.textContent === link.parentElement.textContent);
  return {
    scrolled: [...document.querySelectorAll('.pst-scrollable-table-container')].filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.textContent.trim().slice(0, 60)),
    uneven: links.filter((link) => cells(link).some((cell) => Math.abs(top(cell) - top(link)) > 12))
      .map((link) => link.textContent),
  };
}"""


@every_chapter
def test_on_a_desktop_a_table_is_seen_whole_and_its_rows_are_even(site_url, page, name):
    page.goto(f"{site_url}{name}.html")
    page.evaluate("document.fonts.ready")
    look.add_style(page, "* { content-visibility: visible !important }")
    assert page.evaluate(TABLES) == {"scrolled": [], "uneven": []}


def test_a_table_that_is_scrolled_or_uneven_is_noticed(site_url, page):
    page.goto(f"{site_url}chapters/teach.html")
    look.add_style(page, "article td > p > a:only-child { vertical-align: baseline !important } article table { min-width: 900px !important } "
                         "article td { max-width: 6rem !important }")
    assert all(page.evaluate(TABLES).values())


# How large the smallest letter of each figure is, in pixels: subscripts too. Letters of matplotlib are paths of 100 units to the em.
SMALLEST = """() => [...document.querySelectorAll('.mc-figure svg, .mc-explore-picture svg')].map((svg) => {
  const sizes = [];
  for (const letter of svg.querySelectorAll('use'))
    if (svg.querySelector(letter.getAttribute('href')).getAttribute('transform') === 'scale(.125)') sizes.push(100 * letter.getScreenCTM().a);
  for (const words of svg.querySelectorAll('text, tspan'))
    if ([...words.childNodes].some((part) => part.nodeType === Node.TEXT_NODE && part.data !== '\\u200b'))
      sizes.push(parseFloat(getComputedStyle(words).fontSize) * words.getScreenCTM().a);
  return [svg.closest('figure')?.id, Math.min(...sizes.filter((size) => size > 0.1))];
})"""


@every_chapter
def test_on_a_phone_no_letter_of_a_figure_is_smaller_than_nine_pixels(site_url, page, name):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site_url}{name}.html")
    look.add_style(page, "* { content-visibility: visible !important }")
    page.evaluate(look.OPEN)
    found = page.evaluate(SMALLEST)
    assert [(figure, round(size, 1)) for figure, size in found if size < 9] == []
    look.add_style(page, "svg { width: 100px !important }")
    assert all(size < 9 for _, size in page.evaluate(SMALLEST)), "letters that are too small are noticed"


@every_chapter
def test_a_formula_and_the_comma_behind_it_stay_on_one_line(pages, name):
    formulas = pages[f"{name}.html"].select("article span.math:not(.mc-together > *)")
    assert [formula.parent.get_text()[:120] for formula in formulas if str(formula.next_sibling)[0] in ".,;:?!)"] == []


def test_every_stop_of_the_tab_key_is_seen(site_url, page, pages):
    name = next((name for name, html in pages.items() if html.select("details.solution")), f"{CONTENTS[0]}.html")
    page.goto(site_url + name)
    page.evaluate("""() => {
      const still = new CSSStyleSheet(); // a style element would be against the policy
      still.replaceSync("* { transition: none !important }");
      document.adoptedStyleSheets.push(still);
    }""")
    state = """() => {
      const e = document.activeElement, style = getComputedStyle(e);
      const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none';
      return [e.tagName, e.getAttribute('aria-label') || e.className || e.textContent.trim().slice(0, 40), ring && style.opacity === '1'];
    }"""
    stops = []
    while len(stops) < 500:
        page.keyboard.press("Tab")
        stops.append(page.evaluate(state))
        if stops[-1][0] == "BODY":
            break
    assert len(stops) > 20
    assert [stop for stop in stops[:-1] if not stop[2]] == []


def test_the_button_on_a_cell_copies_its_code(site_url, page):
    page.goto(f"{site_url}{NOTEBOOKS[0]}.html")
    cell = page.locator("div.cell_input").locator("visible=true").first
    cell.hover()
    cell.locator("button.copybtn").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() and copied.strip() == cell.locator("pre").inner_text().strip()


def test_the_theme_switch_goes_round_and_is_remembered(site_url, page):
    page.goto(f"{site_url}{CONTENTS[0]}.html")
    shown = "[document.documentElement.dataset.mode, getComputedStyle(document.body).backgroundColor]"
    looks = {}
    for _ in range(3):
        page.locator(".theme-switch-button").locator("visible=true").click()
        mode, background = page.evaluate(shown)
        looks[mode] = background
    assert set(looks) == {"light", "dark", "auto"}
    assert looks["light"] != looks["dark"]
    while page.evaluate(shown)[0] != "dark":
        page.locator(".theme-switch-button").locator("visible=true").click()
    page.goto(f"{site_url}{CONTENTS[1]}.html")
    assert page.evaluate(shown) == ["dark", looks["dark"]]


def test_a_hidden_cell_opens(site_url, page, pages):
    name = next(name for name, html in pages.items() if html.select("details.hide > summary"))
    page.goto(site_url + name)
    details = page.locator("details.hide").first
    details.locator("summary").first.click()
    assert details.locator("pre").first.is_visible()


def test_paper_is_light_and_what_folds_is_open_while_a_page_is_printed(site_url, page, pages):
    name = next((name for name, html in pages.items() if html.select("article details:not(.hide)")), f"{CONTENTS[0]}.html")
    page.emulate_media(color_scheme="dark")
    page.goto(site_url + name)
    state = """[document.documentElement.dataset.theme,
                document.querySelectorAll("article details:not([open], .hide)").length]"""
    before = page.evaluate(state)
    assert before[0] == "dark"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(state) == ["light", 0]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(state) == before


@every_chapter
def test_a_reference_to_an_equation_leads_to_the_number_it_shows(pages, name):
    wrong = []
    for link in pages[f"{name}.html"].select('a[href*="#equation-"]'):
        if "headerlink" in link.get("class", []) or link.find_parent(class_=["mc-report", "mc-born"]):
            continue  # a report shows the label, the glossary the chapter
        target, _, fragment = link["href"].partition("#")
        target = re.sub(r"^(?:\.\./)*", "", f"chapters/{target}" if target else f"{name}.html")
        equation = pages[target].find(id=fragment)
        number = equation and equation.select_one(".eqno")
        if not number or not number.get_text().startswith(link.get_text().strip()):
            wrong.append(f"{link.get_text()} → {link['href']}")
    assert wrong == []


def test_firefox_may_fetch_the_next_page_ahead(site, pages):
    """It does so by itself where a page names its next one, and asks `default-src` alone whether it may."""
    assert any(page.find("link", rel="next") for page in pages.values())
    assert "default-src 'self';" in look.headers(site)["Content-Security-Policy"]


def test_the_font_of_the_formulas_lacks_nothing_that_a_formula_shows(site, site_url, browser, tmp_path):
    """Every formula of the book is as wide as with a font of all characters; roots and high brackets stand in no text."""
    formulas = sorted({re.sub(r"<annotation.*?</annotation>", "", formula, flags=re.DOTALL)
                       for page in (site / "chapters").glob("*.html")
                       for formula in re.findall(r"<math\b.*?</math>", page.read_text("utf-8"), re.DOTALL)})
    assert any("<msqrt" in formula for formula in formulas) and any("<mtable" in formula for formula in formulas)
    with TTFont(font.SOURCE) as whole:
        everything = {chr(code) for code in whole.getBestCmap()}

    def widths(characters):
        page = browser.new_page()
        if characters:
            cut = font.cut(font.SOURCE, characters, tmp_path)
            page.route("**/math.woff2*", lambda route: route.fulfill(body=cut, content_type="font/woff2"))
        page.goto(f"{site_url}404.html")
        found = page.evaluate("""async (formulas) => {
          document.body.innerHTML = formulas.map((formula) => `<span class="math">${formula}</span><br>`).join("");
          await document.fonts.load("20px 'Book Math'", "x");
          await document.fonts.ready;
          return [...document.querySelectorAll("math")].map((math) => [math.getBoundingClientRect().width, math.scrollWidth]);
        }""", formulas)
        page.close()
        return found

    as_printed = widths(None)
    assert len(as_printed) == len(formulas) and as_printed == widths(everything)
    without_root = widths(font.characters(formulas) - {"√"})
    assert {"<msqrt" in formula for formula, one, other in zip(formulas, as_printed, without_root) if one != other} == {True}


# --- the files of the site ----------------------------------------------------------------------------------------------


def test_these_tests_know_every_page(pages):
    known = {f"{name}.html" for name in CONTENTS + GENERATED}
    decks = {f"{name}-slides.html" for name in NOTEBOOKS if "slide_type" in (ROOT / f"{name}.md").read_text("utf-8")}
    assert set(pages) == known | decks, "a page that these tests do not visit, or one that 'make clean' would remove"


def test_every_link_within_the_site_leads_somewhere(site, pages, book):
    assert look.broken_links(site, pages, book.base_path) == []


@every_page
def test_every_id_is_unique_and_every_reference_to_one_is_answered(pages, name):
    assert look.repeated_ids(pages[f"{name}.html"]) == []
    assert look.missing_ids(pages[f"{name}.html"]) == []


@every_page
def test_every_picture_is_described_in_words(pages, name):
    assert look.unnamed_pictures(pages[f"{name}.html"]) == []


@pytest.mark.parametrize("name", CONTENTS + ["index"])
def test_a_page_describes_itself_to_those_who_list_it(pages, book, name):
    page = pages[f"{name}.html"]
    assert look.missing_metadata(page) == []
    target = CONTENTS[0] if name == "index" else name
    assert page.find("link", rel="canonical")["href"] == f"{book.base_url}{target}.html"
    assert page.find("meta", property="og:url")["content"] == f"{book.base_url}{target}.html"
    description = page.find("meta", attrs={"name": "description"})["content"]
    assert page.find("meta", property="og:description")["content"] == description


def test_no_two_pages_have_the_same_title_or_description(pages):
    for words in (lambda page: page.head.title.get_text(), lambda page: page.find("meta", {"name": "description"})["content"]):
        said = [words(pages[f"{name}.html"]) for name in CONTENTS]
        assert len(set(said)) == len(said)


def test_the_picture_of_the_card_is_there(site, pages, book):
    address = pages[f"{CONTENTS[0]}.html"].find("meta", property="og:image")["content"]
    assert address.startswith(book.base_url)
    assert (site / address.removeprefix(book.base_url)).read_bytes().startswith(b"\x89PNG")


def test_the_sitemap_lists_every_page_of_the_contents(site, book):
    urls = ElementTree.parse(site / "sitemap.xml").iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    assert sorted(url.text for url in urls) == sorted(f"{book.base_url}{name}.html" for name in CONTENTS)


@every_chapter
def test_the_edit_and_issue_buttons_lead_to_the_repository(pages, book, name):
    links = {link["href"] for link in pages[f"{name}.html"].select(".article-header-buttons a")}
    assert book.url in links
    assert f"{book.url}/edit/{book.branch}/{name}.md" in links
    assert any(link.startswith(f"{book.url}/issues/new?title=Issue%20on%20page%20%2F{name}.html") for link in links)


@every_notebook
def test_the_launch_buttons_open_the_notebook_of_the_page_on_binder_and_on_colab(pages, book, name):
    links = [link["href"] for link in pages[f"{name}.html"].select(".dropdown-launch-buttons a")]
    file = f"{name.removeprefix('chapters/')}.ipynb"
    assert links == [f"https://mybinder.org/v2/gh/{book.owner}/{book.name}/{book.branch}?urlpath=lab/tree/notebooks/{file}",
                     f"https://colab.research.google.com/github/{book.owner}/{book.name}/blob/notebooks/{file}"]


def test_there_is_a_notebook():
    assert NOTEBOOKS
