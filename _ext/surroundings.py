"""What a chapter's cells run in: the same on every machine, and named by all that an output may depend on.

Editing utils/, or a table that a chapter reads, would execute nothing again, since the cache of executed notebooks knows
only their cells. So the cache has a name of its own for each state of what the cells run on.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from sphinx.application import Sphinx

# What a chapter's cells run on, beside what requirements.txt names, each with all that it requires.
PACKAGES = ("matrix-calculus-checked", "ipykernel")
NAME = re.compile(r"^\w[\w.-]*", re.MULTILINE)  # of the package, in a line of requirements.txt
# Several kernels at a time share the processors better with one thread each, and sums come out the same everywhere.
SURROUNDINGS = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def setup(app: Sphinx) -> dict[str, bool]:
    # Chapters, in kernels that inherit the environment, and the other extensions import the utils that stand beside
    # them, whichever are installed.
    sys.path.insert(0, str(app.srcdir))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(app.srcdir), os.environ.get("PYTHONPATH")]))
    os.environ.update(SURROUNDINGS)
    cache = executed(app)
    os.environ["BOOK_TRIES"] = str(cache / "tries")
    os.environ["IPYTHONDIR"] = str(cache / "ipython")  # not that of a user, who may run things at the start of a kernel
    cache.mkdir(parents=True, exist_ok=True)  # which IPython asks for
    # Whether every check of an equation is itself tried on mistakes.
    app.add_config_value("ledger_mutants", True, "env")
    os.environ["BOOK_MUTANTS"] = "1" if app.config.ledger_mutants else ""
    app.connect("config-inited", lambda app, config: setattr(config, "nb_execution_cache_path", str(cache)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def executed(app: Sphinx) -> Path:
    """The folder of what has been executed in these surroundings."""
    digest = hashlib.sha256(f"{sys.version} {SURROUNDINGS}".encode())
    source, extensions = Path(app.srcdir), Path(__file__).parent
    tables = (path for path in (source / "chapters").rglob("*") if path.is_file() and path.suffix not in (".md", ".bib", ".ipynb"))
    modules = (path for path in (source / "utils").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    for file in [*sorted(modules), *sorted(tables), extensions / "execute.py", extensions / "kernels.py"]:
        digest.update(f"{os.path.relpath(file, source)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    named = NAME.findall((source / "requirements.txt").read_text("utf-8"))
    for name, version in sorted(_versions([*PACKAGES, *named]).items()):
        digest.update(f"{name}=={version}".encode())
    return Path(app.outdir).parent / ".jupyter_cache" / digest.hexdigest()[:16]


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
