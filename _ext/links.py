"""Whether every address to which the book sends its readers is still there.

    python _ext/links.py _build/html README.md …

The links are those of the built pages' text and of the files named after the site. Sphinx's own link checker asks for them:
it tries again, waits where a server wants that, and follows what has moved. It gets a page of nothing but these links, so that
it need not know what a chapter is made of.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup

ADDRESS = re.compile(r"""https?://[^\s<>"'`{}()\[\]]+""")
SERVED_HERE = "http://127.0.0.1:8000"  # where `make serve` shows the site
DOI = "https://doi.org/"
# A publisher turns programs away at the page that a DOI leads to. The register of DOIs tells anybody whether there is one.
REGISTER = "https://doi.org/api/handles/"
# What a server answers that is there and does not talk to programs; 999 is LinkedIn's.
REFUSED = re.compile(r"(401|403|429|999)\b")
SETTINGS = {
    "extensions": ["myst_parser"],
    "linkcheck_retries": 3,
    "linkcheck_timeout": 30,
    "linkcheck_workers": 4,
    "linkcheck_rate_limit_timeout": 60,
    "linkcheck_report_timeouts_as_broken": True,  # else one that is slow once is not tried again
    "linkcheck_allow_unauthorized": False,
    "linkcheck_anchors_ignore_for_url": [r"https://github\.com/"],  # its pages are filled in by a script
}


@dataclass(frozen=True)
class Answer:
    """What came of asking for an address: "there", "moved", "refused", "silent" (out of service) or "dead", and details."""

    status: str
    detail: str = ""


def collect(site: Path, files: list[Path]) -> dict[str, list[str]]:
    """Every address that a page's text or a file links to, with the places where it stands."""
    places = defaultdict(set)
    for page in sorted(site.rglob("*.html")):
        for link in BeautifulSoup(page.read_text("utf-8"), "html.parser").select("article a[href]"):
            if ADDRESS.match(link["href"]):
                places[link["href"]].add(page.relative_to(site).as_posix())
    for file in files:
        for address in ADDRESS.findall(file.read_text("utf-8")):
            places[address.rstrip(".,;:!?*_")].add(file.name)
    return {address: sorted(where) for address, where in sorted(places.items()) if not address.startswith(SERVED_HERE)}


def ask(addresses: list[str]) -> dict[str, Answer]:
    """Ask for every address.

    Raises
    ------
    RuntimeError
        If Sphinx did not answer for each of them.
    """
    asked = [address.replace(DOI, REGISTER, 1) if address.startswith(DOI) else address for address in addresses]
    with tempfile.TemporaryDirectory() as scratch:
        source, output = Path(scratch, "source"), Path(scratch, "output")
        source.mkdir()
        (source / "conf.py").write_text("".join(f"{name} = {value!r}\n" for name, value in SETTINGS.items()), "utf-8")
        # A paragraph each, since Sphinx writes an address its own way, and the number of the line says which one it means.
        (source / "index.md").write_text("".join(f"<{address}>\n\n" for address in asked), "utf-8")
        command = [sys.executable, "-W", "ignore", "-m", "sphinx", "-Q", "-b", "linkcheck", source, output]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = (output / "output.json").read_text("utf-8").splitlines() if (output / "output.json").exists() else []
    answers = {}
    for found in map(json.loads, lines):
        if found["status"] != "rate-limited":  # it was asked again
            answers[addresses[found["lineno"] // 2]] = answer(found["status"], found["code"], found["info"])
    if missing := set(addresses) - set(answers):
        raise RuntimeError(f"Sphinx was to check {len(addresses)} links and left out {sorted(missing)}:\n{done.stdout}")
    return answers


def answer(status: str, code: int, info: str) -> Answer:
    """What one result of Sphinx means.

    >>> answer("broken", 0, "404 Client Error: Not Found for url: https://x.org").status
    'dead'
    >>> answer("broken", 0, "403 Client Error: Forbidden for url: https://x.org").status
    'refused'
    """
    if status == "broken":
        return Answer("refused" if REFUSED.match(info) or info == "unauthorized" else "dead", info)
    if status == "ignored":
        return Answer("silent", info)
    if status == "redirected" and code in (301, 308):
        return Answer("moved", f"to {info}")
    return Answer("there")


def main(site: Path, files: list[Path]) -> int:
    """Print what is not simply there; return 1 if a link is dead."""
    places = collect(site, files)
    answers = ask(list(places))
    for status in ("dead", "silent", "refused", "moved"):
        for address, found in answers.items():
            if found.status == status:
                print(f"{status}: {address}, in {', '.join(places[address])}\n    {found.detail}")
    counts = [sum(found.status == status for found in answers.values()) for status in ("dead", "silent", "refused", "moved")]
    print("{} links: {} dead, {} out of service, {} closed to programs, {} moved for good.".format(len(answers), *counts))
    return int(counts[0] > 0)


if __name__ == "__main__":
    if not Path(sys.argv[1], "index.html").exists():
        sys.exit(f"There is no site in {sys.argv[1]}: run 'make book' first.")
    sys.exit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
