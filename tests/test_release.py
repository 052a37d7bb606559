"""A release: all its files, the same in every build, with sums, under one version."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import release
from conftest import ROOT

VERSION = release.version(ROOT, {})
NAME = "matrix-calculus-checked"
BUILT = (f"{NAME}.zip", f"pdf/{NAME}.pdf", "slides/a.pdf", "slides/a-handout.pdf", "notebooks/a.ipynb", "notebooks/b.ipynb")


@pytest.fixture
def built(tmp_path):
    """What the make targets have put into _build."""
    for name in BUILT:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def files(tmp_path):
    """The files of the book that name its version."""
    for name in ("pyproject.toml", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_a_release_carries_site_pdfs_notebooks_package_and_sums_that_hold(built):
    release.main(built)
    folder = built / "release"
    wheel = f"matrix_calculus_checked-{VERSION}-py3-none-any.whl"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["SHA256SUMS", f"{NAME}.zip", f"{NAME}.pdf", f"{NAME}-slides.zip", f"{NAME}-notebooks.zip", wheel])
    sums = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert len(sums) == 5
    assert sums == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sums}
    with zipfile.ZipFile(folder / f"{NAME}-slides.zip") as packed:
        assert packed.namelist() == [f"{NAME}-slides/a-handout.pdf", f"{NAME}-slides/a.pdf"]

    first = (folder / "SHA256SUMS").read_bytes()
    release.main(built)
    assert (folder / "SHA256SUMS").read_bytes() == first


def test_the_package_is_whole_and_works_where_there_is_no_clone(tmp_path):
    release.wheel(ROOT, tmp_path)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}
        packed.extractall(tmp_path / "installed")
    files = [path for folder in ("utils", "chapters") for path in (ROOT / folder).rglob("*.*")]
    wanted = {path.relative_to(ROOT).as_posix() for path in files if path.suffix in {".py", ".js", ".css", ".md", ".csv"}}
    assert names == {f"utils/{name}" if name.startswith("chapters/") else name for name in wanted}
    code = "import utils; from utils import equation_report; print(utils.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True,
                          env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")})
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "installed")


@pytest.mark.parametrize("missing", [BUILT[1:2], BUILT[2:4], BUILT[4:]])
def test_a_release_without_one_of_its_parts_is_refused(built, missing):
    for name in missing:
        (built / name).unlink()
    with pytest.raises(FileNotFoundError, match=missing[0].partition("/")[0]):
        release.main(built)


def test_a_version_is_that_of_the_package_the_citation_and_the_tag(files):
    tag = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": f"v{VERSION}"}
    assert release.version(files, tag) == VERSION
    assert release.version(files, {"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main"}) == VERSION
    with pytest.raises(ValueError, match="the tag without its v '9.9'"):
        release.version(files, tag | {"GITHUB_REF_NAME": "v9.9"})


@pytest.mark.parametrize("number", [1, 2])
def test_another_version_in_the_citation_is_refused(files, number):
    parts = (files / "CITATION.cff").read_text().split(f'version: "{VERSION}"')
    assert len(parts) == 3
    parts[number - 1] += 'version: "0.1"' + parts.pop(number)
    (files / "CITATION.cff").write_text(f'version: "{VERSION}"'.join(parts))
    with pytest.raises(ValueError, match="pyproject.toml .*'0.1'"):
        release.version(files, {})


def test_the_check_fails_for_a_tag_of_another_version():
    command = [sys.executable, ROOT / "_ext/release.py", "--check"]
    for tag, code in ((f"v{VERSION}", 0), ("v0.1", 1)):
        environment = os.environ | {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": tag}
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert done.returncode == code and bool(done.stderr) == bool(code)


def test_the_book_names_its_version_where_it_says_how_to_cite_it():
    assert f"version {VERSION}." in (ROOT / "chapters/teach.md").read_text("utf-8")
