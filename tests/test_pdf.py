"""The whole book as one PDF: how its pages are put together, and what Chromium makes of them."""

import ctypes
import re
import shutil
from pathlib import Path

import browser as look
import pypdfium2
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from paper import assemble, pdf
from pypdfium2 import raw
from test_reading import CUT, faults
from test_site import CONTENTS

A4 = (595, 842)  # points
LEFT, RIGHT = 55, 541  # points: between the margins of 20 mm, and a little more for what leans


@pytest.fixture(scope="module")
def pages(site):
    return {f"{name}.html": assemble.read_page(site, name) for name in CONTENTS}


@pytest.fixture(scope="module")
def facts(site):
    return assemble.Facts.read(ROOT, site)


@pytest.fixture(scope="module")
def assembled(site, facts):
    return assemble.assemble(site, ROOT / "_toc.yml", facts)


@pytest.fixture(scope="module")
def document(assembled):
    return BeautifulSoup(assembled[0], "html.parser")


# --- the document that is printed ---------------------------------------------------------------------------------------


def test_every_page_is_in_the_document_in_the_order_of_the_table_of_contents(document, pages):
    articles = document.select("article")
    assert [article["id"] for article in articles] == [Path(name).name for name in CONTENTS]
    for name, article in zip(CONTENTS[1:], articles[1:]):
        sections = [heading.get_text().removesuffix("#") for heading in pages[f"{name}.html"].select("article :is(h1, h2, h3)")]
        assert [heading.get_text() for heading in article.select("h1, h2, h3")] == sections
        assert len(article.select("math")) == len(pages[f"{name}.html"].select("article math")) - folded(pages[f"{name}.html"])


def folded(page: BeautifulSoup) -> int:
    """How many formulas of a page stand where paper has nothing: in the folds of the ledger."""
    return len(page.select(".ledger-table details math"))


def test_no_two_ids_are_the_same_and_every_reference_has_its_target(document, pages):
    assert look.repeated_ids(document) == [] and look.missing_ids(document) == []
    assert assemble.broken_links(str(document)) == []
    as_they_are = BeautifulSoup("".join(str(pages[f"{name}.html"].article) for name in CONTENTS[2:4]), "html.parser")
    assert look.repeated_ids(as_they_are), "ids of pages are the same where nobody prefixes them"


def test_a_link_leads_within_the_book_or_to_the_web(document, facts):
    links = [link["href"] for link in document.select("a[href]")]
    assert {re.match("#|https://", link)[0] for link in links} == {"#", "https://"}
    assert sum(link.startswith("#") for link in links) > 900
    at_home = {link for link in links if link.startswith(facts.home)}
    moving = {link for link in at_home if "#fig-" in link}
    decks = {link for link in at_home if re.search(r"-slides\.html(\?handout)?$", link)}
    assert at_home == {facts.home} | moving | decks


def test_the_document_is_for_paper_alone_and_needs_no_network(document):
    assert document.select("script, button, form, input, .headerlink, details:not([open]), details.hide, [onclick]") == []
    files = [element.get("src") or element["href"] for element in document.select("[src], link[href]")]
    assert len(files) >= 2 and all(file.startswith("file:///") for file in files)
    assert document.html["data-theme"] == "light" and document.html["lang"] == "en"


def test_every_figure_to_play_with_is_a_still_that_says_where_it_moves(document, pages, facts):
    figures = document.select(".mc-explore")
    assert len(figures) == sum(len(page.select("article .mc-explore")) for page in pages.values()) >= 7
    for figure in figures:
        assert len(figure.select_one(".mc-explore-picture svg").find_all(True)) > 10
        page, _, fragment = figure.select_one(".mc-moves a")["href"].removeprefix(facts.home).partition("#")
        assert pages[page].find(id=fragment).select_one(".mc-explore")


def test_nothing_is_wider_than_the_paper_and_nothing_is_cut(assembled, page, tmp_path):
    (tmp_path / "book.html").write_text(assembled[0], "utf-8")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 642, "height": 900})  # between the margins of A4
    page.goto((tmp_path / "book.html").as_uri())
    page.evaluate("document.fonts.ready")
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 642 and page.evaluate(CUT) == []
    look.add_style(page, ".bd-article div.math { overflow: hidden; width: 60px }")
    assert page.evaluate(CUT)
    look.add_style(page, ".bd-article figure { width: 700px }")
    assert page.evaluate(width) > 642


def small(folder: Path, site: Path, text: str) -> tuple[Path, Path, assemble.Facts]:
    """A site of two pages, of which the second holds a text, its contents and what its title page says."""
    head = '<link rel="canonical" href="https://book.org/x.html">'
    (folder / "first.html").write_text(f"{head}<article><section id='a'><h1>First</h1></section></article>")
    (folder / "second.html").write_text(f"{head}<article><section id='a'><h1>Second</h1>{text}</section></article>")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: first\nchapters:\n- file: second\n")
    return folder, folder / "_toc.yml", assemble.Facts("T", "A", "1", "L", "M", "about", "https://book.org/")


@pytest.mark.parametrize("text", ["<a href='first.html#b'>x</a>", "<a href='#nowhere'>x</a>"])
def test_a_link_to_nothing_is_refused(tmp_path, site, text):
    with pytest.raises(assemble.BrokenBook, match=r"(first\.b|second\.nowhere), which no page has"):
        assemble.assemble(*small(tmp_path, site, text))


def test_a_page_that_was_not_built_is_refused(tmp_path, site):
    folder, toc, facts = small(tmp_path, site, "")
    assert [entry.title for entry in assemble.assemble(folder, toc, facts)[1]] == [assemble.PREFACE, "Second"]
    (folder / "second.html").unlink()
    with pytest.raises(assemble.BrokenBook, match="run 'make book' first"):
        assemble.assemble(folder, toc, facts)


def test_contents_take_a_number_a_line_and_no_other_count():
    two = '<span class="mc-page"></span>' * 2
    assert assemble.number(two, [3, 14]) == '<span class="mc-page">3</span><span class="mc-page">14</span>'
    with pytest.raises(ValueError, match="2 lines, and there are 1 page numbers"):
        assemble.number(two, [3])


# --- the PDF ------------------------------------------------------------------------------------------------------------


def texts(book: pypdfium2.PdfDocument) -> list[str]:
    return [sheet.get_textpage().get_text_range().replace("\r\n", "\n") for sheet in book]


def outside(book: pypdfium2.PdfDocument) -> list[str]:
    """What reaches into the margins at the sides."""
    found = []
    for number, sheet in enumerate(book, start=1):
        text = sheet.get_textpage()
        for box in map(text.get_rect, range(text.count_rects())):
            if box[0] < LEFT or box[2] > RIGHT:
                found.append(f"page {number}: {text.get_text_bounded(*box)!r}")
    return found


def loose_fonts(book: pypdfium2.PdfDocument) -> set[str]:
    """The fonts that a reader's machine would have to have."""
    loose = set()
    for sheet in book:
        for item in sheet.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT]):
            font = raw.FPDFTextObj_GetFont(item)
            if not raw.FPDFFont_GetIsEmbedded(font):
                name = ctypes.create_string_buffer(100)
                raw.FPDFFont_GetBaseFontName(font, name, 100)
                loose.add(name.value.decode())
    return loose


def links(book: pypdfium2.PdfDocument) -> list[int | str | None]:
    """Where the links lead: to a page, counted from 1, to an address, or nowhere."""
    found = []
    for sheet in book:
        position, link = ctypes.c_int(0), raw.FPDF_LINK()
        while raw.FPDFLink_Enumerate(sheet, position, link):
            action = raw.FPDFLink_GetAction(link)
            if action and raw.FPDFAction_GetType(action) == raw.PDFACTION_URI:
                address = ctypes.create_string_buffer(2000)
                raw.FPDFAction_GetURIPath(book, action, address, 2000)
                found.append(address.value.decode())
            else:
                place = raw.FPDFLink_GetDest(book, link)
                found.append(raw.FPDFDest_GetDestPageIndex(book, place) + 1 if place else None)
    return found


def subsequence(wanted: list[str], found: list[str]) -> bool:
    """Whether all that is wanted is found in this order, whatever stands between."""
    rest = iter(found)
    return all(one in rest for one in wanted)


@pytest.fixture(scope="module")
def printed(site, tmp_path_factory):
    """The book as `make pdf` prints it, and the lines of its contents with their pages."""
    if not any(map(shutil.which, pdf.chromium.NAMES)):
        pytest.skip("the PDF is made by the system's Chromium")
    target = tmp_path_factory.mktemp("pdf") / "book.pdf"
    lines = pdf.write(site, target)
    with pypdfium2.PdfDocument(target) as book:
        yield book, lines, target


@pytest.mark.slow
def test_the_book_has_a_title_its_pages_their_size_and_their_number(printed, facts):
    book, _, target = printed
    assert 200 < len(book) < 400 and {tuple(map(round, sheet.get_size())) for sheet in book} == {A4}
    assert book.get_metadata_value("Title") == facts.title and "19800101" in book.get_metadata_value("CreationDate")
    data = target.read_bytes()
    assert b"/Lang (en)" in data and b"/Marked true" in data and len(data) < 20e6
    first, *rest = texts(book)
    for said in (facts.title, facts.authors, facts.version, facts.text_licence, facts.code_licence, facts.home):
        assert said in " ".join(first.split())
    for number, text in enumerate(rest, start=2):
        assert text.startswith(facts.title) and re.search(rf"(?m)^{number}$", text), f"page {number}: {text[:80]!r}"


@pytest.mark.slow
def test_contents_and_bookmarks_name_the_page_where_a_heading_stands(printed):
    book, lines, _ = printed
    words = texts(book)
    contents = "\n".join(words[1:lines[0][1] - 1])
    marks = [(mark.get_title(), mark.level + 1, mark.get_dest().get_index() + 1) for mark in book.get_toc()]
    assert [mark for mark in marks[2:] if mark[1] < 3] == [(line.title, line.level, page) for line, page in lines]
    told = re.findall(r"(?m)^(.*\S) +(\d+)$", contents)
    plain = str.maketrans({mark: None for mark in " \n"})
    assert [(title.translate(plain), int(page)) for title, page in told] == [(line.title.translate(plain), page) for line, page in lines]
    for line, page in lines:
        assert line.title.translate(plain) in words[page - 1].translate(plain), f"{line.title} is not on page {page}"


@pytest.mark.slow
def test_a_link_to_a_section_leads_to_the_page_of_its_heading(printed, document):
    book, lines, target = printed
    wanted = {link["href"][1:] for link in document.select('article a[href^="#"]')}
    names = {label["id"]: heading["id"] for heading in document.select("article h2[id]") for label in [heading, *heading.find_all(id=True)]}
    page_of = {line.target: page for line, page in lines}
    found = [name for name in names if name in wanted]
    assert len(found) > 10 and pdf.pages_of(target, found) == [page_of[names[name]] for name in found]


@pytest.mark.slow
def test_every_link_leads_to_a_page_or_to_the_web(printed, document):
    found = links(printed[0])
    assert None not in found and 0 not in found
    assert sum(isinstance(link, int) for link in found) > 900
    on_web = {link for link in found if isinstance(link, str)}
    assert on_web == {link["href"] for link in document.select('a[href^="http"]')}


@pytest.mark.slow
def test_no_page_is_blank_or_ends_with_a_heading_and_nothing_is_cut(printed, document):
    book = printed[0]
    titles = [" ".join(title.get_text().split()) for title in document.select("h1, h2, h3, .admonition-title, caption")]
    assert faults(book, titles) == []
    assert outside(book) == []


@pytest.mark.slow
def test_every_font_is_in_the_file_and_text_has_the_size_it_was_given(printed):
    book = printed[0]
    assert loose_fonts(book) == set()
    sizes = set()
    for item in book[printed[1][0][1] - 1].get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT]):
        size = ctypes.c_float()
        raw.FPDFTextObj_GetFontSize(item, size)
        sizes.add(round(size.value * item.get_matrix().a, 1))
    assert 10.5 in sizes, "something is wider than the paper, so Chromium printed the whole book smaller"


@pytest.mark.slow
def test_equations_stand_in_order_and_figures_to_play_with_are_drawn(printed, document):
    book, lines, _ = printed
    starts = [page for line, page in lines if line.level == 1] + [len(book) + 1]
    words = texts(book)
    for article, start, end in zip(document.select("article"), starts, starts[1:]):
        wanted = [number.get_text() for number in article.select("span.eqno")]
        found = re.findall(r"\(\d+(?:\.\d+)?\)(?: ?✓)?", "\n".join(words[start - 1:end - 1]))
        assert subsequence([number.replace(" ", "") for number in wanted], [number.replace(" ", "") for number in found]), article["id"]
        for figure in article.select("figure:has(.mc-explore)"):
            caption = figure.select_one(".caption-number").get_text().strip()
            sheets = [page for page in range(start, end) if re.search(rf"This figure moves[^§]*{re.escape(caption)} ", words[page - 1])]
            assert len(sheets) == 1, caption
            assert sum(1 for _ in book[sheets[0] - 1].get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=5)) > 20, caption


# --- a PDF with faults is noticed -----------------------------------------------------------------------------------------


def test_what_is_cut_what_leads_nowhere_and_what_is_no_font_of_the_file_is_noticed(page, tmp_path):
    page.set_content("<style>@page { size: A4; margin: 20mm } p { transform: translateX(-8mm) }</style>"
                     "<p>It begins in the margin.</p><a href='#here'>on</a> <a href='https://book.org/'>out</a>"
                     "<h1 id=here style='break-before: page'>Here</h1>")  # fmt: skip
    page.pdf(path=tmp_path / "wrong.pdf", prefer_css_page_size=True)
    with pypdfium2.PdfDocument(tmp_path / "wrong.pdf") as book:
        found = outside(book)
        pieces = [re.fullmatch("page 1: '(.*)'", fault)[1] for fault in found]  # that depend on the browser
        assert pieces and all(piece in "It begins in the margin." for piece in pieces)
        assert links(book) == [2, "https://book.org/"] and loose_fonts(book) == set()
        font = raw.FPDFText_LoadStandardFont(book, b"Helvetica")
        text = raw.FPDFPageObj_CreateTextObj(book, font, 12)
        raw.FPDFText_SetText(text, ctypes.cast(ctypes.create_string_buffer("x".encode("utf-16-le") + b"\0\0"), raw.FPDF_WIDESTRING))
        sheet = book[1]
        raw.FPDFPage_InsertObject(sheet, text)
        sheet.gen_content()
        assert loose_fonts(book) == {"Helvetica"}
    with pytest.raises(KeyError, match="no destination 'nowhere'"):
        pdf.pages_of(tmp_path / "wrong.pdf", ["here", "nowhere"])
    assert subsequence(["(1)", "(3)"], ["(1)", "(2)", "(3)"]) and not subsequence(["(3)", "(1)"], ["(1)", "(2)", "(3)"])
