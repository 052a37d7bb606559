"""What a release carries, in one folder with the sum of each file.

    python _ext/release.py --check      the version is the same everywhere, and that of the tag in a workflow for one
    python _ext/release.py _build       collect in _build/release what the make targets have put into _build
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from offline import put

BOOK = Path(__file__).parents[1]
NAME = "matrix-calculus-checked"
WHEEL = ("pyproject.toml", "LICENSE*", "utils", "chapters")  # what the package is made from
A_WHEELS_DATE = "315532800"  # 1980, as for the entries of a zip


def version(book: Path, environment: Mapping[str, str]) -> str:
    """The version of a book.

    Raises
    ------
    ValueError
        If its files, or the tag for which a workflow runs, disagree.
    """
    cited = yaml.safe_load((book / "CITATION.cff").read_text("utf-8"))
    said = {
        "pyproject.toml": tomllib.loads((book / "pyproject.toml").read_text("utf-8"))["project"]["version"],
        "version of CITATION.cff": cited["version"],
        "preferred-citation of CITATION.cff": cited["preferred-citation"]["version"],
    }
    if environment.get("GITHUB_REF_TYPE") == "tag":
        said["the tag without its v"] = environment["GITHUB_REF_NAME"].removeprefix("v")
    if len(set(said.values())) > 1:
        found = ", ".join(f"{where} {what!r}" for where, what in said.items())
        raise ValueError(f"A release has one version; make these equal: {found}.")
    return said["pyproject.toml"]


def pack(folder: Path, pattern: str, target: Path) -> None:
    """Write the files of a folder, all in one folder named like the zip."""
    files = sorted(folder.glob(pattern))
    if not files:
        raise FileNotFoundError(f"A release needs {folder}/{pattern}, and there is no such file: run 'make release'.")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files:
            put(archive, f"{target.stem}/{path.name}", path.read_bytes())


def wheel(book: Path, folder: Path) -> None:
    """Build the package into a folder, from a copy: what an earlier build has left beside the files stays out."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in (path for pattern in WHEEL for path in book.glob(pattern)):
            if path.is_dir():
                shutil.copytree(path, Path(scratch, path.name), ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy(path, scratch)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
                   "--no-build-isolation", "--wheel-dir", folder.resolve(), "."]
        subprocess.run(command, cwd=scratch, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": A_WHEELS_DATE})


def main(build: Path) -> None:
    """Fill the folder of the release anew."""
    version(BOOK, os.environ)
    folder = build / "release"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(build / f"{NAME}.zip", folder)
    shutil.copy(build / "pdf" / f"{NAME}.pdf", folder)
    pack(build / "slides", "*.pdf", folder / f"{NAME}-slides.zip")
    pack(build / "notebooks", "*.ipynb", folder / f"{NAME}-notebooks.zip")
    wheel(BOOK, folder)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums), "utf-8")
    print(f"The files of a release are in {folder}.")


if __name__ == "__main__":
    if sys.argv[1] == "--check":
        try:
            version(BOOK, os.environ)
        except ValueError as wrong:
            sys.exit(str(wrong))
    else:
        main(Path(sys.argv[1]))
