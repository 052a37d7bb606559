"""The gate: no site without every cell of every chapter having run, with these utils and these packages.

Jupyter Book alone lets three things through, which this extension stops:

* a cell that raises is only a warning, and without ``-W`` the build succeeds;
* a second build after a failed one does not read the failed page again, and succeeds;
* editing utils/ executes nothing again, since the cache of executed notebooks knows only their cells.
"""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.metadata import distributions
from pathlib import Path

import nbformat
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import SphinxError


class GateClosed(SphinxError):
    category = "The book was not built"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", _name_cache_after_what_it_depends_on)
    # Kernels inherit the environment: chapters import the utils that stand beside them, whichever are installed.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(app.srcdir), os.environ.get("PYTHONPATH")]))
    app.connect("builder-inited", _distrust_an_unfinished_build, priority=0)
    app.connect("build-finished", _judge, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _name_cache_after_what_it_depends_on(app: Sphinx, config: Config) -> None:
    digest = hashlib.sha256(sys.version.encode())
    for module in sorted((Path(app.srcdir) / "utils").rglob("*.py")):
        digest.update(module.relative_to(app.srcdir).as_posix().encode() + module.read_bytes())
    for package in sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}):
        digest.update(package.encode())
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".jupyter_cache" / digest.hexdigest()[:16])


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
        raise GateClosed("\n".join(["", *failures]))
    if not app._warncount:
        _marker(app).unlink()


def _forgotten_pages(app: Sphinx) -> list[str]:
    source = Path(app.srcdir)
    pages = {path.relative_to(source).with_suffix("").as_posix() for path in (source / "chapters").rglob("*.md")}
    return sorted(page for page in pages - app.env.found_docs if ".ipynb_checkpoints" not in page)


def _failures(app: Sphinx, docname: str) -> list[str]:
    """One sentence for each cell that raised, was to raise and did not, or was not executed at all."""
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{docname}.ipynb"
    if "kernelspec" not in app.env.metadata.get(docname, {}):
        return []
    failures = []
    text = Path(app.env.doc2path(docname)).read_text(encoding="utf-8")
    cells = [cell for cell in nbformat.read(executed, as_version=4).cells if cell.cell_type == "code"]
    stopped = False  # nothing runs after the first cell that raises
    for number, cell in enumerate(cells, 1):
        line = text[:max(text.find(cell.source), 0)].count("\n") + 1
        where = f"{docname}.md, code cell {number} (line {line})"
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if "raises-exception" in cell.metadata.get("tags", []):
            if not errors and not stopped:
                failures.append(f"{where}: this cell is tagged raises-exception, but it did not raise.")
        elif errors:
            failures += [f"{where}: {error.ename}: {error.evalue}" for error in errors]
            stopped = True
        elif cell.execution_count is None and not stopped:
            failures.append(f"{where}: this cell was not executed: remove what keeps it from running.")
    return failures
