"""Build the book, or say at once that the site is that of the files as they are.

`make book` runs this in the folder of a book. Importing Jupyter Book and Sphinx alone takes seconds, so what goes into a
site is compared first: if every byte of it is as it was before the last build without a fault, and every byte of the site
as it was after it, there is nothing to do. What a changed file means for which page is Sphinx's to find out, not ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator, Set
from pathlib import Path

COMMAND = ["build", ".", "--warningiserror", "--keep-going", "--nitpick"]
# What is made, not written. Packages of Node are compared by their files' times.
MADE = {".git", "node_modules", "__pycache__", ".hypothesis", ".pytest_cache", ".ipynb_checkpoints"}
MADE_AT_THE_TOP = {".venv", "_build", "build"}
# Variables of a shell, a terminal or a test run, of which none reaches a page. Every other one may.
PASSING = {"_", "PWD", "OLDPWD", "SHLVL", "COLUMNS", "LINES", "TERM", "COLORTERM", "DISPLAY", "TMUX", "WINDOWID", "MAKEFLAGS",
           "MAKELEVEL", "MFLAGS", "MAKE_TERMERR", "MAKE_TERMOUT", "PYTEST_CURRENT_TEST", "PYTEST_VERSION"}
PASSING_PREFIXES = ("SSH_", "XDG_SESSION", "PYTEST_XDIST_", "VSCODE_")


def inputs(book: Path) -> str:
    """A digest of all that a site is made from: files, packages, Python, the environment, and where the clone is from."""
    digest = hashlib.sha256()
    for path in _files(book, MADE, MADE_AT_THE_TOP):
        digest.update(f"{path.relative_to(book).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    facts = [str(book.resolve()), sys.version, sys.prefix]
    facts += [_stat(path) for part in ("typeset", "slides", "notebooks") for path in _files(book / "_ext" / part / "node_modules")]
    for folder in (*site.getsitepackages(), site.getusersitepackages()):
        if Path(folder).is_dir():  # a package that is installed, updated or removed changes its entry
            facts += sorted(_stat(entry) for entry in Path(folder).iterdir() if entry.name != "__pycache__")
    facts += sorted(f"{name}={value}" for name, value in os.environ.items()
                    if name not in PASSING and not name.startswith(PASSING_PREFIXES))
    facts.append(subprocess.run(["git", "-C", str(book), "config", "--get-regexp", r"^remote\.origin\."], capture_output=True,
                                text=True).stdout if (book / ".git").exists() and shutil.which("git") else "")
    digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def outputs(html: Path) -> str:
    """A digest of every file of the site."""
    digest = hashlib.sha256()
    for path in _files(html):
        digest.update(f"{path.relative_to(html).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(folder: Path, without: Set[str] = frozenset(), at_the_top: Set[str] = frozenset()) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, followlinks=True):
        unwanted = without | at_the_top if Path(parent) == folder else without
        folders[:] = sorted(name for name in folders if name not in unwanted and not (unwanted and name.endswith(".egg-info")))
        yield from (path for name in sorted(files) if (path := Path(parent, name)).is_file())


def _stat(path: Path) -> str:
    stat = path.stat()
    return f"{path} {stat.st_size} {stat.st_mtime_ns}"


def main() -> int:
    book = Path.cwd()
    html, note = book / "_build/html", book / "_build/built.json"
    os.environ["PYTHONHASHSEED"] = "0"
    before = inputs(book)
    try:
        last = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        last = {}
    whole = bool(last) and last.get("outputs") == outputs(html)
    if whole and last.get("inputs") == before:
        print("Nothing has changed since the last build.")
        return 0
    if last and not whole:
        shutil.rmtree(html, ignore_errors=True)  # Sphinx would leave a page alone that is younger than its source
    note.unlink(missing_ok=True)
    result = subprocess.run([Path(sys.executable).with_name("jupyter-book"), *COMMAND], cwd=book)
    if not result.returncode:
        note.write_text(json.dumps({"inputs": before, "outputs": outputs(html)}), "utf-8")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
