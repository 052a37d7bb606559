"""The gate: no site without every cell of every chapter having run, with these utils and these packages.

Jupyter Book alone lets some things through, which this extension stops:

* a cell that raises is only a warning, and without ``-W`` the build succeeds;
* a second build after a failed one does not read the failed page again, and succeeds;
* editing references.bib leaves the old citations in the pages;
* a page that shows a title or a number of another page keeps the old one, in its sidebar and in its references.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import nbformat
import sphinx_exercise
from docutils import nodes
from jupyter_cache import get_cache
from myst_nb.sphinx_ import NbMetadataCollector
from myst_nb.sphinx_ext import add_global_html_resources
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

logger = logging.getLogger(__name__)

ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("gate_references", "", "env")  # a new value makes Sphinx read every page again
    app.connect("config-inited", _note_references)
    app.connect("doctree-read", _note_failures)
    app.connect("env-purge-doc", lambda app, env, docname: known_failures(env).pop(docname, None))
    app.connect("builder-inited", _distrust_an_unfinished_build, priority=0)
    app.connect("builder-inited", _copy_style_sheets)
    app.connect("html-collect-pages", _forget_words)
    app.connect("env-get-updated", _write_all_pages_if_they_show_what_changed, priority=900)  # when all is numbered
    app.connect("build-finished", _judge, priority=900)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


def _note_references(app: Sphinx, config: Config) -> None:
    references = b"".join((Path(app.srcdir) / file).read_bytes() for file in [*config.bibtex_bibfiles, config.external_toc_path])
    config.gate_references = hashlib.sha256(references).hexdigest()


def _write_all_pages_if_they_show_what_changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """All pages, where a title, a number or a name has changed that any of them may show."""
    names = env.get_domain("std")
    shown = [{docname: title.astext() for docname, title in env.titles.items()}, env.toc_secnumbers, env.toc_fignumbers,
             env.get_domain("math").equations, names.labels, names.anonlabels, names.objects,
             {(reference.docname, target.key) for reference in env.get_domain("cite").citation_refs for target in reference.targets}]
    digest = hashlib.sha256(repr([sorted(map(repr, each.items() if isinstance(each, dict) else each)) for each in shown]).encode())
    if digest.hexdigest() == getattr(env, "gate_shown", None):
        return []
    env.gate_shown = digest.hexdigest()
    return sorted(env.found_docs)


def _marker(app: Sphinx) -> Path:
    return Path(app.doctreedir) / "unfinished"


def _distrust_an_unfinished_build(app: Sphinx) -> None:
    """Read everything again after a build that failed, warned or was killed; executed cells stay in the cache."""
    if _marker(app).exists():
        for docname in list(app.env.all_docs):
            app.env.all_docs[docname] = 0  # older than any file
    _marker(app).parent.mkdir(parents=True, exist_ok=True)
    _marker(app).touch()


def _copy_style_sheets(app: Sphinx) -> None:
    """Copy now what two extensions copy last: the checksum in a page's link to it would be missing in a first build only."""
    sphinx_exercise.copy_asset_files(app, None)
    add_global_html_resources(app, None)


def _forget_words(app: Sphinx) -> list:
    """Drop from the search the words that no page has any more, which Sphinx keeps when it updates its index."""
    indexer = app.builder.indexer
    for mapping in (indexer._mapping, indexer._title_mapping) if indexer else ():
        for word in [word for word, pages in mapping.items() if not pages]:
            del mapping[word]
    return []


def _judge(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None:
        return
    failures = [f"{page}.md is not in _toc.yml: name it there, or remove the file." for page in _forgotten_pages(app)]
    for docname in sorted(app.env.found_docs):
        failures += known_failures(app.env).get(docname, [])
    if failures:
        logger.error("The book was not built:\n%s", "\n".join(failures))
        app.statuscode = 1
    elif not app._warncount:
        _marker(app).unlink()


def _forgotten_pages(app: Sphinx) -> list[str]:
    source = Path(app.srcdir)
    pages = {path.relative_to(source).with_suffix("").as_posix() for path in (source / "chapters").rglob("*.md")}
    return sorted(page for page in pages - app.env.found_docs if ".ipynb_checkpoints" not in page)


def known_failures(env: BuildEnvironment) -> dict[str, list[str]]:
    """What was found when each page was read, kept between builds."""
    if not hasattr(env, "gate_failures"):
        env.gate_failures = {}
    return env.gate_failures


def _note_failures(app: Sphinx, doctree: nodes.document) -> None:
    known_failures(app.env)[app.env.docname] = _failures(app, app.env.docname)


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
        elif address := ADDRESS.search("".join(map(_shown, cell.outputs))):
            failures.append(f"{where}: the output shows where an object lies in memory ({address[0]}), which differs in every "
                            "build: end the cell with a semicolon, or print what is meant.")
        elif cell.execution_count is None and not stopped:
            failures.append(f"{where}: this cell was not executed: remove what keeps it from running.")
    return failures


def _shown(output: nbformat.NotebookNode) -> str:
    """The text of an output, whatever its kind."""
    return str(output.get("text", "")) + str(output.get("data", {}))


def executed_cells(app: Sphinx, docname: str) -> list[nbformat.NotebookNode]:
    """The code cells of a page with what they gave, from this build or from the cache that it used."""
    notebook = nbformat.read(Path(app.outdir).parent / "jupyter_execute" / f"{docname}.ipynb", as_version=4)
    execution = NbMetadataCollector.get_exec_data(app.env, docname)
    if execution and execution["succeeded"]:
        _, notebook = get_cache(app.config.nb_execution_cache_path).merge_match_into_notebook(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
