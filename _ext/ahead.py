"""Read pages that have not changed while the kernels of those that have are at work.

Sphinx unpickles a page each time something is looked up in it, some fifty times a build, and while a chapter executes it
waits. What it will ask for then lies ready; each copy is given out once, so that nobody sees what another has changed.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import LoggingReporter

COPIES = 4  # how often a page is asked for in a build
read = BuildEnvironment.get_doctree


class Ahead:
    """Copies of pages, by the file that each was read from and its time."""

    def __init__(self) -> None:
        self.copies: dict[tuple[str, int], list[nodes.document]] = defaultdict(list)
        self.stopped = threading.Event()

    def start(self, env: BuildEnvironment, docnames: Sequence[str]) -> None:
        """Begin to read these pages, beside whatever else is done, until told to stop."""
        threading.Thread(target=self._read, args=(env, docnames), daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()

    def get(self, env: BuildEnvironment, docname: str) -> nodes.document:
        """Stands in for the method by which Sphinx reads a page."""
        copies = self.copies.get(_file(env, docname))
        return copies.pop() if copies else read(env, docname)

    def _read(self, env: BuildEnvironment, docnames: Sequence[str]) -> None:
        for docname in [*docnames] * COPIES:
            if self.stopped.is_set():
                return
            file = _file(env, docname)
            with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):  # it is just being written
                self.copies[file].append(unpickle(env, docname))


def unpickle(env: BuildEnvironment, docname: str) -> nodes.document:
    """Read a page as Sphinx does, but for the bytes that it keeps: a page may still be found to be stale after this."""
    document = pickle.loads(Path(env.doctreedir, f"{docname}.doctree").read_bytes())
    document.settings.env = env
    document.reporter = LoggingReporter(env.doc2path(docname))
    return document


def _file(env: BuildEnvironment, docname: str) -> tuple[str, int]:
    path = Path(env.doctreedir, f"{docname}.doctree")
    return docname, path.stat().st_mtime_ns if path.exists() else 0
