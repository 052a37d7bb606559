"""Kernels that are started ahead: one is used in the surroundings that it was started in, and none is left over."""

import functools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import kernels
from conftest import ROOT


def apart(test):
    """Run a test in a thread of its own, without the loop that a browser may have left in this one, and end its kernels."""
    @functools.wraps(test)
    def run(*args, **options):
        with ThreadPoolExecutor(1) as thread:
            try:
                thread.submit(test, *args, **options).result()
            finally:
                thread.submit(kernels.end).result()
    return run


def started() -> kernels.Kernel:
    """A kernel that was started ahead."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(kernels.start)
    kernels.STARTED.put((dict(os.environ), waiting))
    return waiting.result()


def process(kernel: kernels.Kernel):
    return kernel.manager.provisioner.process


@apart
def test_the_kernel_that_waits_is_used_and_ended():
    ahead = started()
    running = process(ahead)
    with kernels.kernel() as kernel:
        assert kernel is ahead and running.poll() is None and not os.listdir(kernel.folder.name)
    assert running.poll() is not None and not Path(kernel.folder.name).exists()


@apart
def test_one_that_was_started_in_other_surroundings_is_not_used(monkeypatch):
    ahead = started()
    running = process(ahead)
    monkeypatch.setenv("BOOK_MUTANTS", "other")
    with kernels.kernel() as kernel:
        assert kernel is not ahead and running.poll() is not None and process(kernel).poll() is None


@apart
def test_kernels_that_nobody_used_are_ended():
    running = [process(started()) for _ in range(2)]
    kernels.end()
    assert all(each.poll() is not None for each in running) and kernels.STARTED.empty()


def test_as_many_are_started_as_pages_need(tmp_path, monkeypatch):
    app = SimpleNamespace(srcdir=tmp_path, doctreedir=tmp_path / "doctrees")
    pages, read = tmp_path / "chapters", tmp_path / "doctrees/chapters"
    for folder in (pages, read, tmp_path / "executed", tmp_path / "other"):
        folder.mkdir(parents=True)
    (tmp_path / "executed/global.db").touch()
    monkeypatch.setenv("BOOK_TRIES", str(tmp_path / "executed/tries"))
    for name, text in (("cells", "```{code-cell} ipython3\n1\n```"), ("more", "```{code-cell} ipython3\n2\n```"), ("prose", "Words.")):
        (pages / f"{name}.md").write_text(text)
        (read / f"{name}.doctree").touch()
    assert kernels.changed(app) == 0
    os.utime(read / "cells.doctree", (0, 0))
    os.utime(read / "prose.doctree", (0, 0))
    assert kernels.changed(app) == 1
    (read / "more.doctree").unlink()
    assert kernels.changed(app) == 2
    monkeypatch.setenv("BOOK_TRIES", str(tmp_path / "other/tries"))
    assert kernels.changed(app) == 2


SLOW_CELL = """
import execute, nbformat
cell = nbformat.v4.new_code_cell("import time\\nprint('one', flush=True)\\ntime.sleep(1)\\nprint('two')")
print([output.text for output in execute._execute(nbformat.v4.new_notebook(cells=[cell]), 60, False).nb.cells[0].outputs])
"""


def test_what_a_cell_prints_is_one_output_however_slowly_it_prints():
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "_ext"), str(ROOT)])}
    run = subprocess.run([sys.executable, "-c", SLOW_CELL], env=surroundings, capture_output=True, text=True)
    assert run.stdout == "['one\\ntwo\\n']\n", run.stderr
