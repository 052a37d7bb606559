"""Remember between builds what came of trying a check on mistakes, which takes most of a chapter's time.

A result holds for the very cells that a notebook has run so far and the equations of the book that it has read; when the
last cell of a chapter changes, the checks above it are not tried again. The build names a folder for the results, by a
digest of all else that they depend on: this package, the versions of others, the tables of the chapters.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_read: list[str] = []  # the equations that were looked up so far
_calls = 0  # one line may check twice, with other values


def depend_on(tex: str) -> None:
    """Note that what follows may depend on a printed equation."""
    _read.append(tex)


def remembered(trial: Callable[[], dict], equations: Sequence[str]) -> dict:
    """The result of a trial, from an earlier build if the same cells led to it.

    Parameters
    ----------
    trial : what is to be done, without effects
    equations : the TeX that it depends on

    >>> remembered(lambda: {"tried": 3}, ["a = b"])
    {'tried': 3}
    """
    global _calls
    _calls += 1
    folder, cells = os.environ.get("BOOK_TRIES"), _cells()
    if not folder or cells is None:
        return trial()
    key = hashlib.sha256(json.dumps([cells, _read, list(equations), _calls]).encode()).hexdigest()
    file = Path(folder) / f"{key}.json"
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        result = trial()
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(result), "utf-8")
    unfinished.replace(file)  # whole or not at all: two builds may share the folder
    return result


def _cells() -> list[str] | None:
    """The sources of the cells that this notebook has run, with the one that runs; None outside a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return None if shell is None else list(shell.user_ns.get("In", []))
