#!/usr/bin/env python3
"""Open, update or close the issue of each weekly check: report.py FOLDER

FOLDER holds a folder for each check, with what the check printed and its exit code (check.sh). Both were written by code
that nobody here has read, the newest releases of packages, so they are text and nothing else: they reach GitHub in a file,
indented, which nothing in them can end, and no title, command or address is made from them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

TITLES = {
    "newest": "Weekly: the book does not pass with the newest releases",
    "links": "Weekly: a link leads nowhere",
    "audit": "Weekly: a package of the lock has a known vulnerability",
}
LIMIT = 12_000  # GitHub takes 65,536 characters, and a line of one character becomes five
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


def gh(*arguments: str) -> str:
    """What GitHub's own command says; raise where it fails."""
    return subprocess.run(["gh", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def read(folder: Path, name: str) -> str:
    """The end of a file in a folder; nothing where the file is missing or is a link out of the folder."""
    path = folder / name
    if not path.is_file() or path.resolve() != folder.resolve() / name:
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4 * LIMIT))
        return file.read().decode("utf-8", "replace")


def body(check: str, output: str, run: str) -> str:
    """The text of an issue.

    >>> print(body("links", "```\\n@all \\x1b[31mdead\\x1b[0m", "https://x.org"))
    `make links` fails ([the run](https://x.org)). The end of what it printed:
    <BLANKLINE>
        ```
        @all dead
    <BLANKLINE>
    This text is renewed every week; the issue is closed when the check passes.
    """
    output = CONTROL.sub("", output).strip()[-LIMIT:] or "Nothing: it did not come to an end."
    code = textwrap.indent(output, "    ", lambda line: True)
    return (f"`make {check}` fails ([the run]({run})). The end of what it printed:\n\n{code}\n\n"
            "This text is renewed every week; the issue is closed when the check passes.")


def report(folder: Path, check: str, ours: dict[str, int], run: str) -> str:
    """Bring the issue of one check to what the check found, and say what was done."""
    title, number = TITLES[check], ours.get(TITLES[check])
    if read(folder / check, "code.txt").strip() == "0":
        if number is None:
            return f"{check}: passes"
        gh("issue", "close", str(number), "--comment", f"`make {check}` passes again: {run}")
        return f"{check}: passes again, issue {number} closed"
    with tempfile.NamedTemporaryFile("w", suffix=".md", encoding="utf-8") as file:
        file.write(body(check, read(folder / check, "output.txt"), run))
        file.flush()
        if number is None:
            gh("issue", "create", "--title", title, "--body-file", file.name)
            return f"{check}: fails, issue opened"
        gh("issue", "edit", str(number), "--body-file", file.name)
        return f"{check}: still fails, issue {number} updated"


def main(folder: Path) -> None:
    run = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format_map(os.environ)
    issues = json.loads(gh("issue", "list", "--state", "open", "--limit", "1000", "--json", "number,title,author"))
    # Anybody may open an issue with such a title, but nobody may bear the workflows' name.
    ours = {issue["title"]: issue["number"] for issue in issues if issue["author"]["login"] == "app/github-actions"}
    for check in TITLES:
        print(report(folder, check, ours, run))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
