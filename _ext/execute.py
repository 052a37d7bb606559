"""Execute chapters side by side, before Sphinx reads them one after the other.

myst-nb executes a page when it reads it, so that one kernel runs at a time. Here the pages that are about to be read and
whose cells are not in the cache are given to as many kernels as the machine has processors, and myst-nb gets what came
of each when it asks for it. What is executed, stored and said stays myst-nb's.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import ahead
import kernels
import ledger
import nbformat
from jupyter_cache import get_cache
from jupyter_cache.executors import utils as executors
from myst_nb.core.execute import cache as client
from myst_nb.core.read import create_nb_reader
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


class Executions:
    """The pages of one build that are being executed, by a digest of their cells and kernel."""

    def __init__(self) -> None:
        self.pool: ThreadPoolExecutor | None = None
        self.running: dict[str, Future] = {}
        self.cache = None
        self.ahead = ahead.Ahead()

    def start(self, app: Sphinx, env: BuildEnvironment, docnames: Sequence[str]) -> None:
        """Execute what the pages need that are about to be read, the longest first, so that the kernels end together."""
        self.cache = get_cache(app.config.nb_execution_cache_path)
        self.pool = ThreadPoolExecutor(kernels.limit(), "kernel")  # the work is the kernels', which are processes
        notebooks = [notebook for docname in docnames if (notebook := _notebook(app, env, docname)) is not None]
        for notebook in sorted(notebooks, key=_length, reverse=True):
            with contextlib.suppress(KeyError):
                self.cache.match_cache_notebook(notebook)
                continue
            self.running[self._name(notebook)] = self.pool.submit(
                _execute, notebook, env.mystnb_config.execution_timeout, env.mystnb_config.execution_allow_errors)
        if self.running:
            self.ahead.start(env, sorted(env.all_docs.keys() - set(docnames)))

    def result(self, notebook: nbformat.NotebookNode, cwd: str, timeout: int, allow_errors: bool, **options) -> executors.ExecutionResult:
        """Stands in for the function by which myst-nb executes a notebook in place."""
        if not any(cell.cell_type == "code" for cell in notebook.cells):
            return executors.ExecutionResult(notebook, cwd, 0.0)  # for which no kernel needs to start
        future = self.running.get(self._name(notebook))
        if future is None:
            return executors.single_nb_execution(notebook, cwd, timeout, allow_errors, **options)
        result = future.result()
        if all(other.done() for other in self.running.values()):
            self.ahead.stop()  # from here on it would only take Sphinx's time
        for cell, executed in zip(notebook.cells, result.nb.cells):
            if cell.cell_type == "code":
                cell.update({key: executed[key] for key in ("execution_count", "outputs", "metadata")})
        notebook.metadata = result.nb.metadata
        result.nb = notebook
        return result

    def end(self, app: Sphinx, exception: Exception | None) -> None:
        self.ahead.stop()
        BuildEnvironment.get_doctree = ahead.read
        if self.pool:
            self.pool.shutdown(cancel_futures=True)
        client.single_nb_execution = executors.single_nb_execution

    def _name(self, notebook: nbformat.NotebookNode) -> str:
        return self.cache.create_hashed_notebook(notebook)[1]


def _notebook(app: Sphinx, env: BuildEnvironment, docname: str) -> nbformat.NotebookNode | None:
    """A page as myst-nb will execute it; None where it will not."""
    path = env.doc2path(docname)
    text = ledger.text_to_execute(app, Path(path).read_text("utf-8"))[0]
    reader = create_nb_reader(path, env.myst_config, env.mystnb_config, text)
    if reader is None:
        return None
    notebook = reader.read(text)
    mode = notebook.metadata.get("mystnb", {}).get("execution_mode", env.mystnb_config.execution_mode)
    return notebook if mode == "cache" and any(cell.cell_type == "code" for cell in notebook.cells) else None


def _length(notebook: nbformat.NotebookNode) -> int:
    return sum(len(cell.source) for cell in notebook.cells if cell.cell_type == "code")


def _execute(notebook: nbformat.NotebookNode, timeout: int, allow_errors: bool) -> executors.ExecutionResult:
    with kernels.kernel(notebook.metadata.get("kernelspec", {}).get("name", kernels.NAME)) as kernel:
        # In how many pieces a kernel sends what a cell prints depends on timing.
        result = executors.single_nb_execution(copy.deepcopy(notebook), kernel.folder.name, timeout, allow_errors, km=kernel.manager,
                                               coalesce_streams=True)
    result.nb = name_widgets(result.nb)
    return result


def name_widgets(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Count the widgets of a notebook, whose names are drawn at random when they are made.

    >>> state = {"application/vnd.jupyter.widget-state+json": {"state": {"f00": {"layout": "IPY_MODEL_f00"}}}}
    >>> named = name_widgets(nbformat.from_dict({"cells": [], "metadata": {"widgets": state}}))
    >>> named.metadata.widgets["application/vnd.jupyter.widget-state+json"].state
    {'00000000000000000000000000000001': {'layout': 'IPY_MODEL_00000000000000000000000000000001'}}
    """
    widgets = [name for kind in notebook.metadata.get("widgets", {}).values() for name in kind.get("state", {})]
    if not widgets:
        return notebook
    text = json.dumps(notebook)
    for count, name in enumerate(widgets, 1):
        text = text.replace(name, f"{count:032x}")
    return nbformat.from_dict(json.loads(text))


def setup(app: Sphinx) -> dict[str, bool]:
    executions = Executions()
    client.single_nb_execution = executions.result
    BuildEnvironment.get_doctree = lambda env, docname: executions.ahead.get(env, docname)
    app.connect("env-before-read-docs", executions.start)
    app.connect("build-finished", executions.end)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
