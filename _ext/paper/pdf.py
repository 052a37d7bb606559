"""The whole book as one PDF, with contents, page numbers, bookmarks, and links that work.

    PYTHONPATH=_ext python -m paper.pdf _build/html _build/pdf/matrix-calculus-checked.pdf

Chromium can say on which page an element came only once it has printed it: the book is printed twice, first to learn
the numbers of the contents, then with them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import chromium
import pypdfium2
from pypdfium2 import raw

from . import assemble

ROOT = Path(__file__).parents[2]
# Bookmarks are made of the headings.
OPTIONS = ("--generate-pdf-document-outline",)


def pages_of(pdf: Path, names: list[str]) -> list[int]:
    """Return the numbers of the pages, counted from 1, to which names of a PDF lead; raise KeyError for one it has not."""
    with pypdfium2.PdfDocument(pdf) as document:
        found = []
        for name in names:
            place = raw.FPDF_GetNamedDestByName(document, name.encode())
            if not place:
                raise KeyError(f"{pdf} has no destination {name!r}")
            found.append(raw.FPDFDest_GetDestPageIndex(document, place) + 1)
        return found


def write(site: Path, target: Path, root: Path = ROOT) -> list[tuple[assemble.Entry, int]]:
    """Print the book of a site, and return the lines of its contents with their pages."""
    browser = chromium.find()
    document, lines = assemble.assemble(site, root / "_toc.yml", assemble.Facts.read(root, site))
    target.parent.mkdir(parents=True, exist_ok=True)
    names = [line.target for line in lines]
    pages = [0] * len(lines)
    with tempfile.TemporaryDirectory() as folder:
        page, printed = Path(folder, "book.html"), Path(folder, "book.pdf")
        for _ in range(2):
            page.write_text(assemble.number(document, pages), "utf-8")
            chromium.print_pdf(browser, page.as_uri(), printed, *OPTIONS)
            told, pages = pages, pages_of(printed, names)
        if told != pages:
            raise RuntimeError("The numbers in the contents moved the text: give them a fixed width in paper.css.")
        target.write_bytes(printed.read_bytes())
    return list(zip(lines, pages))


if __name__ == "__main__":
    try:
        write(Path(sys.argv[1]), Path(sys.argv[2]).resolve())
    except assemble.BrokenBook as error:
        sys.exit(str(error))
    print(sys.argv[2])
