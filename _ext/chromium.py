"""The system's Chromium, and how it prints a page that lies on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--disable-background-networking",
           "--virtual-time-budget=10000", "--run-all-compositor-stages-before-draw")
DATE = re.compile(rb"/(CreationDate|ModDate) \(D:\d{14}")


def find() -> str:
    """Return the path of the browser, or end the program and say how to get one."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        sys.exit("PDFs need a browser: install Chromium with your package manager (the Debian package is 'chromium').")
    return browser


def print_pdf(browser: str, address: str, target: Path, *options: str) -> None:
    """Let a browser print a page that lies on this machine; raise where it does not."""
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run([browser, *OPTIONS, *options, f"--user-data-dir={profile}", f"--print-to-pdf={target}", address],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode or not target.exists():
        raise RuntimeError(f"{browser} did not print {address}:\n{done.stdout}")
    target.write_bytes(undated(target.read_bytes()))


def undated(pdf: bytes) -> bytes:
    """Return a PDF with another date, as long as its own: the time of printing would make two of the same page differ.

    >>> undated(b"/CreationDate (D:20261126084951+00'00')")
    b"/CreationDate (D:19800101000000+00'00')"
    """
    return DATE.sub(rb"/\1 (D:19800101000000", pdf)
