"""Every deck of a built site as a PDF, a page a slide, and its handout, with the notes.

    python _ext/slides/pdf.py _build/html _build/slides

The system's Chromium prints what the deck's style sheet says of paper.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUFFIX = "-slides.html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--disable-background-networking",
           "--virtual-time-budget=10000", "--run-all-compositor-stages-before-draw")


def print_pdf(browser: str, address: str, target: Path) -> None:
    """Let a browser print a page that lies on this machine; raise where it does not."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run([browser, *OPTIONS, f"--user-data-dir={profile}", f"--print-to-pdf={target}", address],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode or not target.exists():
        raise RuntimeError(f"{browser} did not print {address}:\n{done.stdout}")


def main(site: Path, folder: Path) -> None:
    """Print all decks of a site into a folder."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("PDFs need a browser: install Chromium with your package manager (the Debian package is 'chromium').")
    decks = sorted(site.rglob(f"*{SUFFIX}"))
    if not decks:
        sys.exit(f"There is no deck in {site}: run 'make book' first.")
    folder.mkdir(parents=True, exist_ok=True)
    for deck in decks:
        name = deck.name.removesuffix(SUFFIX)
        for query, target in (("", folder / f"{name}.pdf"), ("?handout", folder / f"{name}-handout.pdf")):
            target.unlink(missing_ok=True)
            print_pdf(browser, deck.resolve().as_uri() + query, target)
            print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
