"""Kernels for a build's chapters, started while Sphinx and its extensions are still being imported.

A kernel is a process and needs a second before it can run a cell; the imports need two or three, and then it is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from sphinx.application import Sphinx

NAME = "python3"  # that every chapter asks for
IN_MEMORY = ["--HistoryManager.hist_file=:memory:"]  # as nbclient starts a kernel
STARTED: SimpleQueue[tuple[dict[str, str], Future[Kernel]]] = SimpleQueue()


class Kernel(NamedTuple):
    """A kernel and the empty folder that it works in, as a reader does who has downloaded a chapter."""

    manager: object
    folder: tempfile.TemporaryDirectory

    def end(self) -> None:
        asyncio.run(self.manager.shutdown_kernel(now=True))
        self.folder.cleanup()


def start(name: str = NAME) -> Kernel:
    from jupyter_client.manager import AsyncKernelManager  # in the thread: nobody waits for it

    folder = tempfile.TemporaryDirectory()
    manager = AsyncKernelManager(kernel_name=name)
    asyncio.run(manager.start_kernel(cwd=folder.name, extra_arguments=IN_MEMORY))
    return Kernel(manager, folder)


@contextlib.contextmanager
def kernel(name: str = NAME) -> Iterator[Kernel]:
    """A kernel in the surroundings of now: one that waits, where there is one, or a new one."""
    here = None
    with contextlib.suppress(Empty):
        while name == NAME and here is None:
            surroundings, waiting = STARTED.get_nowait()
            here = waiting.result()
            if surroundings != os.environ:
                here.end()
                here = None
    here = here or start(name)
    try:
        yield here
    finally:
        here.end()


def end(*_: object) -> None:
    """End the kernels that nothing was executed in."""
    with contextlib.suppress(Empty):
        while True:
            STARTED.get_nowait()[1].result().end()


def limit() -> int:
    """How many kernels run at a time."""
    if asked := os.environ.get("BOOK_KERNELS"):
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def changed(app: Sphinx) -> int:
    """How many pages with cells are newer than what Sphinx has read of them, or are not executed in these surroundings."""
    executed = Path(os.environ["BOOK_TRIES"]).with_name("global.db").exists()  # that of jupyter-cache
    count = 0
    for page in Path(app.srcdir, "chapters").rglob("*.md"):
        known = Path(app.doctreedir, page.relative_to(app.srcdir)).with_suffix(".doctree")
        if not executed or not known.exists() or known.stat().st_mtime_ns < page.stat().st_mtime_ns:
            count += "```{code-cell}" in page.read_text("utf-8")
    return count


def setup(app: Sphinx) -> dict[str, bool]:
    count = min(limit(), changed(app))
    if count:
        threads = ThreadPoolExecutor(count, "start")
        for _ in range(count):
            STARTED.put((dict(os.environ), threads.submit(start)))
        threads.shutdown(wait=False)
    app.connect("build-finished", end)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
