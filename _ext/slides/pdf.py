"""Every deck of a built site as a PDF, a page a slide, and its handout, with the notes.

    PYTHONPATH=_ext python -m slides.pdf _build/html _build/slides

The system's Chromium prints what the deck's style sheet says of paper.
"""

from __future__ import annotations

import sys
from pathlib import Path

import chromium

SUFFIX = "-slides.html"


def main(site: Path, folder: Path) -> None:
    """Print all decks of a site into a folder."""
    browser = chromium.find()
    decks = sorted(site.rglob(f"*{SUFFIX}"))
    if not decks:
        sys.exit(f"There is no deck in {site}: run 'make book' first.")
    folder.mkdir(parents=True, exist_ok=True)
    for deck in decks:
        name = deck.name.removesuffix(SUFFIX)
        for query, target in (("", folder / f"{name}.pdf"), ("?handout", folder / f"{name}-handout.pdf")):
            chromium.print_pdf(browser, deck.resolve().as_uri() + query, target)
            print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
