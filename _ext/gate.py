"""The gate: no site without every cell of every chapter having run, with these utils and these packages.

Jupyter Book alone lets some things through, which this extension stops:

* a cell that raises is only a warning, and without ``-W`` the build succeeds;
* a second build after a failed one does not read the failed page again, and succeeds;
* editing utils/ executes nothing again, since the cache of executed notebooks knows only their cells; and editing
  references.bib leaves the old citations in the pages.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

logger = logging.getLogger(__name__)

# What a chapter's cells run on, each with all that it requires.
PACKAGES = ("matrix-calculus-checked", "sympy", "ipywidgets", "ipykernel")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("gate_references", "", "env")  # a new value makes Sphinx read every page again
    app.connect("config-inited", _name_cache_after_what_it_depends_on)
    # Chapters, in kernels that inherit the environment, and the other extensions import the utils that stand beside
    # them, whichever are installed.
    sys.path.insert(0, str(app.srcdir))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(app.srcdir), os.environ.get("PYTHONPATH")]))
    app.connect("builder-inited", _distrust_an_unfinished_build, priority=0)
    app.connect("build-finished", _judge, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _name_cache_after_what_it_depends_on(app: Sphinx, config: Config) -> None:
    digest = hashlib.sha256(sys.version.encode())
    for module in sorted((Path(app.srcdir) / "utils").rglob("*.py")):
        digest.update(module.relative_to(app.srcdir).as_posix().encode() + module.read_bytes())
    for name, version in sorted(_versions(PACKAGES).items()):
        digest.update(f"{name}=={version}".encode())
    references = b"".join((Path(app.srcdir) / file).read_bytes() for file in config.bibtex_bibfiles)
    config.gate_references = hashlib.sha256(references).hexdigest()
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".jupyter_cache" / digest.hexdigest()[:16])


def _versions(names: Iterable[str]) -> dict[str, str]:
    """The version of each package, and of all that it requires."""
    versions, open_names = {}, list(names)
    while open_names:
        name = open_names.pop()
        if name in versions:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:  # required on other machines only
            continue
        versions[name] = package.version
        open_names += [re.match(r"[\w.-]+", requirement)[0] for requirement in package.requires or []
                       if "extra ==" not in requirement]
    return versions


def _marker(app: Sphinx) -> Path:
    return Path(app.doctreedir) / "unfinished"


def _distrust_an_unfinished_build(app: Sphinx) -> None:
    """Read everything again after a build that failed, warned or was killed; executed cells stay in the cache."""
    if _marker(app).exists():
        for docname in list(app.env.all_docs):
            app.env.all_docs[docname] = 0  # older than any file
    _marker(app).parent.mkdir(parents=True, exist_ok=True)
    _marker(app).touch()


def _judge(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None:
        return
    failures = [f"{page}.md is not in _toc.yml: name it there, or remove the file." for page in _forgotten_pages(app)]
    for docname in sorted(app.env.found_docs):
        failures += _failures(app, docname)
    if failures:
        logger.error("The book was not built:\n%s", "\n".join(failures))
        app.statuscode = 1
    elif not app._warncount:
        _marker(app).unlink()


def _forgotten_pages(app: Sphinx) -> list[str]:
    source = Path(app.srcdir)
    pages = {path.relative_to(source).with_suffix("").as_posix() for path in (source / "chapters").rglob("*.md")}
    return sorted(page for page in pages - app.env.found_docs if ".ipynb_checkpoints" not in page)


def _failures(app: Sphinx, docname: str) -> list[str]:
    """One sentence for each cell that raised, that may raise, or that was not executed."""
    if "kernelspec" not in app.env.metadata.get(docname, {}):
        return []
    failures = []
    text = Path(app.env.doc2path(docname)).read_text(encoding="utf-8")
    place, stopped = 0, False  # nothing runs after the first cell that raises
    for number, cell in enumerate(executed_cells(app, docname), 1):
        place = max(text.find(cell.source, place), place)
        where = f"{docname}.md, code cell {number} (line {text[:place].count(chr(10)) + 1})"
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if "raises-exception" in cell.metadata.get("tags", []):
            failures.append(f"{where}: the tag raises-exception would let any mistake pass: show a wrong gradient with "
                            "expect_mismatch, and catch another error in the cell.")
        elif errors:
            failures += [f"{where}: {error.ename}: {error.evalue}" for error in errors]
            stopped = True
        elif cell.execution_count is None and not stopped:
            failures.append(f"{where}: this cell was not executed: remove what keeps it from running.")
    return failures


def executed_cells(app: Sphinx, docname: str) -> list[nbformat.NotebookNode]:
    """The code cells of a page with what they gave, from this build or from the cache that it used."""
    notebook = nbformat.read(Path(app.outdir).parent / "jupyter_execute" / f"{docname}.ipynb", as_version=4)
    execution = NbMetadataCollector.get_exec_data(app.env, docname)
    if execution and execution["succeeded"]:
        _, notebook = get_cache(app.config.nb_execution_cache_path).merge_match_into_notebook(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
