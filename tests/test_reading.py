"""A place to read in: the choice of conventions, rules to link and copy, the search, the glossary, paper, and the measure."""

import re

import browser as look
import pypdfium2 as pdfium
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, run_jupyter_book
from test_gate import small_book, write_page  # noqa: F401, a fixture
from test_rules import PAGE, code, is_checked, rows_and_cells
from test_site import CONTENTS

import conventions
from findable import tex_has
from glossary import says

WITH_PAIRS = {"rules": ["layout", "order"], "vector-rules": ["layout"], "kronecker-jacobians": ["order"]}
# Pairs stand far below the title; here they are in sight when the page is drawn.
ONLY_PAIRS = """(() => {
  const style = new CSSStyleSheet();
  style.replaceSync('.bd-article section > :not(section, h1, form, :has(> .pairs)) { display: none }');
  document.adoptedStyleSheets = [style];
})()"""
SHIFTS = """new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => list.getEntries().forEach(shift => sum += shift.value)).observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(sum), 500);
})"""


@pytest.fixture(scope="module")
def parsed(site):
    """Each page of the chapters, as its file is."""
    return {path.stem: BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in (site / "chapters").glob("*.html")}


# --- conventions ----------------------------------------------------------------------------------------------------------


def test_the_control_stands_at_the_top_of_pages_with_pairs_and_on_no_other(parsed):
    for name, page in parsed.items():
        control = page.select_one("form.mc-conventions")
        kinds = [fieldset.input["name"] for fieldset in control.select("fieldset")] if control else []
        assert kinds == WITH_PAIRS.get(name, []), name
        assert control is None or control.find_previous_sibling().name == "h1"
        assert bool(page.select(".pairs")) == bool(kinds)


def columns(page, table: str) -> list[str]:
    return page.locator(f"{table} thead th").all_text_contents()


def test_a_choice_by_keyboard_puts_one_half_first_and_holds_on_the_next_page_and_the_next_day(site_url, page):
    page.goto(f"{site_url}chapters/kronecker-jacobians.html")
    assert columns(page, "table.pairs:has(th.pair-row-major)") == ["property", "row-major", "column-major"]
    page.get_by_role("group", name="Order of vec shown first").get_by_role("radio", name="row-major").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="column-major").is_checked()
    assert columns(page, "table.pairs:has(th.pair-row-major)") == ["property", "column-major", "row-major"]
    page.goto(f"{site_url}chapters/rules.html")
    assert page.get_by_role("radio", name="column-major").is_checked()
    names = page.locator("table.rules:has(#rule-commutation-matrix) tbody tr td:first-child").all_text_contents()
    place = {name.strip(" #\n"): i for i, name in enumerate(names)}
    assert place["column-major Jacobian"] + 1 == place["row-major Jacobian"]
    page.get_by_role("radio", name="row-major").check()
    assert page.locator("table.rules:has(#rule-commutation-matrix) tbody tr td:first-child").all_text_contents() != names
    captions = page.locator("table.rules caption")
    assert captions.first.inner_text().startswith("Numerator")
    page.get_by_role("radio", name="denominator").check()
    assert captions.first.inner_text().startswith("Denominator")
    page.reload()
    page.locator("html[data-conventions=ready]").wait_for()  # until then what moves is hidden
    assert captions.first.inner_text().startswith("Denominator") and page.get_by_role("radio", name="row-major").is_checked()
    page.goto(f"{site_url}chapters/vector-rules.html")
    assert columns(page, "table.pairs")[2:4] == ["denominator layout", "numerator layout"]
    cells = page.locator("table.pairs tbody tr").first.locator("td annotation").all_text_contents()
    assert cells[-2:] == [r"\mathbf v", r"\mathbf v^\top"], "the cells go with their headings"


def test_a_choice_hides_nothing_and_without_scripts_or_storage_both_are_shown(site_url, browser, page):
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused') }})")
    page.goto(f"{site_url}chapters/rules.html")
    page.get_by_role("radio", name="denominator").check()
    assert page.locator("table.rules caption").first.inner_text().startswith("Denominator")
    assert all(table.is_visible() for table in page.locator("table.pairs").all())
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{site_url}chapters/rules.html")
    assert all(table.is_visible() for table in plain.locator("table.pairs").all())
    assert not plain.locator(".mc-conventions").is_visible() and not plain.locator("button.mc-copy").first.is_visible()
    context.close()


@pytest.mark.parametrize("name", WITH_PAIRS)
@pytest.mark.parametrize("size", look.SIZES)
def test_nothing_shifts_when_a_choice_is_applied_at_load(site_url, page, name, size):
    page.set_viewport_size(look.SIZES[size])
    page.add_init_script(ONLY_PAIRS)
    page.goto(f"{site_url}chapters/{name}.html")
    usual = page.evaluate(SHIFTS)
    page.evaluate("for (const radio of document.querySelectorAll('.mc-conventions input:not(:checked)')) radio.click()")
    if name == "rules":
        assert page.evaluate(SHIFTS) > usual + 1e-4, "what moves after the page is drawn is noticed"
    page.reload()
    assert page.locator(".mc-conventions fieldset").first.locator("input").last.is_checked()
    assert page.evaluate(SHIFTS) <= usual + 1e-5


def test_a_link_to_a_rule_leads_to_it_also_when_its_place_was_changed(site_url, page):
    page.goto(f"{site_url}chapters/rules.html")
    page.get_by_role("radio", name="denominator").check()
    page.goto("about:blank")
    page.goto(f"{site_url}chapters/rules.html#rule-chain-rule-of-jacobians")
    page.wait_for_timeout(300)
    row = page.locator("#rule-chain-rule-of-jacobians")
    box = row.bounding_box()
    assert 0 <= box["y"] <= 400, box
    assert row.evaluate("row => row.matches(':target')")


def test_rows_columns_and_captions_make_a_pair_only_in_the_words_of_the_two():
    layout = conventions.CONVENTIONS["layout"][1]
    assert conventions.is_pair("Numerator layout, ours", "Denominator layout", layout)
    assert not conventions.is_pair("Denominator layout", "Numerator layout", layout)
    assert not conventions.is_pair("Numerator layout", "Numerator layout", layout)


# --- rules ------------------------------------------------------------------------------------------------------------------


def test_every_rule_has_an_address_and_buttons_for_what_its_row_shows(parsed):
    rows = parsed["rules"].select("table.rules tbody tr")
    source = [row for row, _ in rows_and_cells(PAGE)]
    assert len(rows) == len(source) > 40
    cells = {row: cell for row, cell in rows_and_cells(PAGE)}
    for row, written in zip(rows, source, strict=True):
        assert row["id"].startswith("rule-") and row.select_one("a.headerlink")["href"] == f"#{row['id']}"
        tex, torch_code = (button["data-copy"] for button in row.select("button.mc-copy"))
        assert f"${tex}$" in written.split(" | ")[1]
        assert torch_code == code(written) and is_checked(torch_code, cells[written])
    names = [button["aria-label"] for button in parsed["rules"].select("button.mc-copy")]
    assert len(set(names)) > 0.8 * len(names) and all(re.match(r"Copy the (TeX|torch code) of \w", name) for name in names)


def test_the_buttons_of_a_rule_copy_its_tex_and_its_code_and_say_so(site_url, page):
    page.goto(f"{site_url}chapters/rules.html")
    row = page.locator("#rule-quadratic-form")
    for what, text in [("TeX", r"\mathbf x^\top(\mathbf A+\mathbf A^\top)"), ("torch code", "x @ (A + A.T)")]:
        row.get_by_role("button", name=f"Copy the {what} of quadratic form").press("Enter")
        page.get_by_role("status").filter(has_text="Copied").wait_for(state="attached")
        assert page.evaluate("navigator.clipboard.readText()") == text
    link = row.get_by_role("link", name="Link to the rule quadratic form")
    link.focus()
    assert link.evaluate("link => getComputedStyle(link).opacity") == "1"
    link.press("Enter")
    assert page.url.endswith("#rule-quadratic-form")


# --- the search -------------------------------------------------------------------------------------------------------------

SEARCHES = {
    "Hadamard": ["glossary.html#term-Hadamard-product", "rules.html#rule-elementwise-product-gradient", "rules.html#rule-row-gain-gradient"],
    "Kronecker": ["glossary.html#term-Kronecker-product", "rules.html#rule-jacobian-by-weights-row-major"],
    "vec": ["glossary.html#term-vec", "rules.html#rule-commutation-matrix"],
    "upstream gradient": ["glossary.html#term-upstream-gradient", "rules.html#rule-product-weight-gradient"],
    "J_W": ["glossary.html#term-gradient", "rules.html#rule-product-weight-gradient"],
    "commutation matrix": ["glossary.html#term-commutation-matrix", "rules.html#rule-commutation-matrix"],
    "quadratic form": ["glossary.html#term-quadratic-form", "rules.html#rule-quadratic-form"],
}


def found_by(page, words: str) -> list[str]:
    page.locator("ul.search li a").first.wait_for()
    page.wait_for_timeout(300)
    return [link.split("/chapters/")[-1] for link in page.locator("ul.search li a").evaluate_all("links => links.map(link => link.href)")]


@pytest.mark.parametrize("words", SEARCHES)
def test_the_search_leads_to_the_very_row_of_a_rule_and_to_the_entry_of_a_symbol(site_url, page, words):
    page.goto(f"{site_url}search.html?q={words.replace(' ', '+')}")
    found = found_by(page, words)
    wanted = {link.lower() for link in SEARCHES[words]}
    first = {re.sub(r"\?[^#]*", "", link).lower() for link in found[:24]}
    assert wanted <= first, found[:24]
    kinds = re.findall(r"\(([^()]+), in (?:All rules on one page|Glossary and index)\)", page.locator("ul.search").inner_text())
    assert kinds and set(kinds) <= {"rule", "entry"}
    page.goto(f"{site_url}chapters/{SEARCHES[words][-1]}")
    assert page.locator(":target").count() == 1


def test_the_search_finds_a_rule_also_from_disk(site, page):
    page.goto(f"{(site / 'search.html').as_uri()}?q=commutation+matrix")
    assert any(link.endswith("rules.html#rule-commutation-matrix") for link in found_by(page, "commutation matrix"))


# --- the glossary -----------------------------------------------------------------------------------------------------------


def entries(page: BeautifulSoup) -> list[tuple[list[str], list[str], str]]:
    """Names, signs and the place of birth of each entry of the built glossary."""
    found = []
    for definition in page.select("dl.glossary > dd"):
        terms = []
        for before in definition.find_previous_siblings():
            if before.name == "dd":
                break
            terms.insert(0, before)
        signs = [term.annotation.get_text() for term in terms if "mc-sign" in term.get("class", [])]
        names = [term.find(string=True).strip() for term in terms if "mc-sign" not in term.get("class", [])]
        found.append((names, signs, definition.select_one(".mc-born a")["href"]))
    return found


def symbols_of_notation() -> list[str]:
    table = (ROOT / "chapters/notation.md").read_text("utf-8").split("(notation-symbols)=")[1].split("\n\n")[1]
    cells = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    return [sign.strip() for cell in cells for sign in re.search(r"\$(.+)\$", cell)[1].split(",")]


def missing(signs: list[str], known: list[str]) -> list[str]:
    return [sign for sign in signs if not any(tex_has(sign, one) for one in known)]


def test_every_symbol_of_the_notation_has_an_entry(parsed):
    known = [sign for _, signs, _ in entries(parsed["glossary"]) for sign in signs]
    assert len(symbols_of_notation()) > 18
    assert missing(symbols_of_notation(), known) == []
    assert missing([r"\boxplus"], known) == [r"\boxplus"], "a symbol without an entry is noticed"


def test_every_symbol_that_the_rules_are_written_with_has_an_entry(parsed):
    known = [sign for _, signs, _ in entries(parsed["glossary"]) for sign in signs]
    known += [r"\mathbf X", r"\mathbf Y", r"\mathbf B", r"\mathbf C", r"\mathbf c", r"\mathbf z"]  # matrices and vectors of a sentence
    formulas = " ".join(button["data-copy"] for button in parsed["rules"].select(".rules button.mc-copy[aria-label^='Copy the TeX']"))
    used = set(re.findall(r"\\mathbf \w|\\operatorname\{\w+\}(?:_[rc])?|\\(?:otimes|odot|varepsilon|delta|top)(?![a-z])", formulas)) - {r"\mathbf J"}
    used = {sign + "(" if sign.startswith(r"\operatorname{d") else sign for sign in used}
    assert len(used) > 15
    assert [sign for sign in used if not any(tex_has(one + "_", sign) or tex_has(sign, one) for one in known)] == []


def test_the_entries_stand_in_alphabetical_order(parsed):
    names = [names[0].lower() for names, _, _ in entries(parsed["glossary"])]
    assert len(names) > 50 and [re.sub(r"\W", " ", name) for name in names] == sorted(re.sub(r"\W", " ", name) for name in names)


def test_the_link_of_every_entry_leads_to_a_place_that_names_it(parsed):
    for names, signs, link in entries(parsed["glossary"]):
        target, _, anchor = link.partition("#")
        place = parsed[target.removesuffix(".html") or "glossary"].find(id=anchor)
        formulas = " ; ".join(tex.get_text() for tex in place.select("annotation"))
        assert any(tex_has(formulas, sign) for sign in signs) or any(says(place.get_text(" "), name) for name in names), (names, link)


def test_an_entry_whose_birthplace_does_not_name_it_fails_the_build(small_book):  # noqa: F811
    write_page(small_book, "(here)=\n## Here\n\nThe trace of a matrix.\n\n```{glossary}\ntrace\n  A sum. {born}`here`\n\nrank\n  A number. {born}`here`\n\n"
                     "norm\n  A length. {born}`nowhere`\n\nshape\n  Two numbers.\n```\n")
    result = run_jupyter_book(small_book)
    assert result.returncode != 0
    assert "the glossary leads from 'rank' to here, which does not name it" in result.stdout
    assert "the glossary leads from 'norm' to nowhere, which no page has" in result.stdout
    assert "needs a name and one {born}`label`: shape" in result.stdout
    assert "'trace'" not in result.stdout


def test_a_table_without_the_pair_or_the_code_that_it_promises_fails_the_build(small_book):  # noqa: F811
    write_page(small_book, ":::{table}\n:class: pairs\n\n| row | column |\n|---|---|\n| 1 | 2 |\n:::\n\nText.\n\n"
                     ":::{table}\n:class: rules\n\n| rule | formula | torch | derived in |\n|---|---|---|---|\n| square | $x^2$ | `x * x` | a book |\n:::\n")
    result = run_jupyter_book(small_book)
    assert result.returncode != 0
    assert "a table of the class pairs shows no two conventions" in result.stdout
    assert "a rule names no equation: square" in result.stdout


# --- paper ------------------------------------------------------------------------------------------------------------------

PRINTED = "vector-rules"


def printed(page, target, style: str = "", script: str = "0") -> pdfium.PdfDocument:
    """A page as Chromium prints it, with a style or a script that does harm."""
    page.evaluate(script)
    if style:
        look.add_style(page, style)
    page.pdf(path=target, format="A4", prefer_css_page_size=True)
    return pdfium.PdfDocument(target)


def faults(document: pdfium.PdfDocument, headings: list[str]) -> list[str]:
    """What is wrong with a printed chapter: blank pages, and headings at the foot of a page."""
    found = []
    for number, sheet in enumerate(document, start=1):
        _, height = sheet.get_size()
        picture = sheet.render(scale=1).to_pil().convert("L").point(lambda shade: 255 * (shade < 200))
        if picture.crop((0, 60, picture.width, picture.height - 60)).getbbox() is None:
            found.append(f"page {number} is blank")
            continue
        text = sheet.get_textpage()
        text.count_chars()
        lines = [box for box in map(text.get_rect, range(text.count_rects())) if box[1] > 55 and box[3] < height - 55]
        # The lowest line: in the text of a page the number of an equation may come after what stands below it.
        _, bottom, _, top = min(lines, key=lambda box: box[1])
        last = re.sub("^[\ue000-\uf8ff]", "", text.get_text_bounded(bottom=bottom - 1, top=top + 1).strip()).strip()  # an icon
        if last in headings:
            found.append(f"page {number} ends with the heading {last}")
    return found


@pytest.fixture(scope="module")
def headings(parsed):
    return [heading.get_text().removesuffix("#").strip() for heading in parsed[PRINTED].select("h2, h3")]


def test_a_printed_chapter_has_no_blank_page_and_no_heading_at_the_foot(site_url, page, tmp_path, headings):
    page.goto(f"{site_url}chapters/{PRINTED}.html")
    document = printed(page, tmp_path / "chapter.pdf")
    assert 10 < len(document) < 40
    assert faults(document, headings) == []
    for number, sheet in enumerate(document, start=1):
        text = sheet.get_textpage().get_text_range()
        assert "Matrix Calculus, Checked" in text and re.search(rf"(?m)^{number}\r?$", text), f"page {number}: {text[:80]!r}"
        assert number == 1 or "1. Vector rules" in text
    words = " ".join(sheet.get_textpage().get_text_range() for sheet in document)
    assert "Show code cell source" not in words and "Layout shown first" not in words
    assert "Solution to Exercise 1.1" in words, "what folds is open on paper"


@pytest.mark.parametrize(("style", "script", "fault"), [
    (".next { break-before: page; height: 5mm }", "document.querySelectorAll('article h2').forEach(heading => "
     "heading.insertAdjacentHTML('afterend', '<div class=next></div>'))", "ends with the heading"),
    (".empty { break-before: page; break-after: page; height: 5mm }",
     "document.querySelector('article h2').insertAdjacentHTML('beforebegin', '<div class=empty></div>')", "is blank"),
])
def test_a_chapter_that_prints_badly_is_noticed(site_url, page, tmp_path, headings, style, script, fault):
    page.goto(f"{site_url}chapters/{PRINTED}.html")
    assert any(fault in found for found in faults(printed(page, tmp_path / "bad.pdf", style, script), headings))


# What is cut at an edge of its box; formulas have innards that are clipped on purpose, and some text is for ears alone.
CUT = """() => [...document.querySelectorAll('.bd-article *:not(math *, svg *)')].filter((box) =>
  getComputedStyle(box).overflowX !== 'visible' && box.scrollWidth > box.clientWidth + 1 && box.clientWidth > 1)
  .map((box) => box.closest('[id]').id)"""
WIDTH = "document.documentElement.scrollWidth"
WHOLE = """selector => [...document.querySelectorAll(selector)].filter(part => part.checkVisibility()).map(part =>
    [getComputedStyle(part).breakInside, part.getBoundingClientRect().height])"""


def on_paper(page, address: str) -> None:
    """Lay a page out between the margins of A4, with everything open, as print.js has it."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 642, "height": 900})
    page.goto(address)
    page.evaluate("document.fonts.ready")
    page.evaluate(look.OPEN)


@pytest.mark.parametrize("name", CONTENTS)
def test_on_paper_no_page_is_too_wide_and_nothing_is_cut(site_url, page, name):
    on_paper(page, f"{site_url}{name}.html")
    parts = page.evaluate(WHOLE, ".bd-article :is(figure, .mc-figure, div.math, tr, .cell pre)")
    assert [part for part in parts if part[0] != "avoid" or part[1] > 960] == []
    assert page.evaluate(WIDTH) == 642 and page.evaluate(CUT) == []


def test_on_paper_what_is_too_wide_or_cut_is_noticed(site_url, page):
    on_paper(page, f"{site_url}chapters/{PRINTED}.html")
    look.add_style(page, ".bd-article div.math { overflow: hidden; width: 60px }")
    assert page.evaluate(CUT)
    look.add_style(page, ".bd-article figure { height: 1000px; width: 700px !important }")
    assert page.evaluate(WIDTH) > 642 and max(height for _, height in page.evaluate(WHOLE, "figure")) > 960


def split_rows(ledger: pdfium.PdfDocument) -> list[int]:
    """The pages of the printed ledger on which a row begins that ends on another."""
    texts = [sheet.get_textpage().get_text_range() for sheet in ledger]
    return [number for number, text in enumerate(texts, start=1) if text.count("Compared with:") != text.count("Mistakes tried:")]


def test_in_the_printed_ledger_every_row_is_whole(site_url, page, tmp_path):
    page.goto(f"{site_url}chapters/ledger.html")
    ledger = printed(page, tmp_path / "ledger.pdf")
    assert len(ledger) < 40 and split_rows(ledger) == []
    assert split_rows(printed(page, tmp_path / "cut.pdf", ".bd-article tr { break-inside: auto !important }"))


def test_addresses_are_printed_in_the_references_alone(site_url, page):
    on_paper(page, f"{site_url}chapters/{PRINTED}.html")
    address = "link => getComputedStyle(link, '::after').content"
    links = page.locator("article a.external")
    assert {links.nth(i).evaluate(address) for i in range(links.count())} <= {"none", "normal"}
    page.goto(f"{site_url}chapters/bibliography.html")
    link = page.locator("article .citation a.external").first
    assert link.get_attribute("href") in link.evaluate(address)


# --- the measure ------------------------------------------------------------------------------------------------------------

# The letters on each full line of the paragraphs of running text; a formula counts as what it is wide.
LINES = """() => {
  const lines = [];
  for (const p of document.querySelectorAll('.bd-article section > p:not(:has(.math, code))')) {
    const range = document.createRange(), text = [...p.childNodes].map(n => n.textContent).join('');
    range.selectNodeContents(p);
    const tops = new Set([...range.getClientRects()].map(box => Math.round(box.bottom / 8)));
    if (tops.size >= 3) {
      const last = [...range.getClientRects()].at(-1);
      lines.push(text.length / (tops.size - 1 + last.width / p.clientWidth));
    }
  }
  return lines;
}"""


def test_a_line_of_text_has_65_to_75_letters(site_url, page):
    counts, wide = [], []
    for name in ["vector-rules", "kronecker-jacobians", "xw-backprop", "rms-norm", "check-a-gradient", "errata-museum"]:
        page.goto(f"{site_url}chapters/{name}.html")
        counts += page.evaluate(LINES)
        look.add_style(page, ".bd-article p { max-width: 75ch !important } .bd-article-container { max-width: none !important }")
        wide += page.evaluate(LINES)
    assert len(counts) > 25
    middle = sorted(counts)[len(counts) // 2]
    assert 67 <= middle <= 73, sorted(counts)
    assert sum(65 <= count <= 75 for count in counts) > 0.8 * len(counts), sorted(counts)
    assert sorted(wide)[len(wide) // 2] > 75, "a measure that is too wide is noticed"
