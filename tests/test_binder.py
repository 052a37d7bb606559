"""Binder: its image is made here as far as it goes without an engine for containers, and a chapter run in it.

repo2docker writes down how it would build the image. What that file says of the environment is done in a fresh one: the same
releases of JupyterLab and its server, the same requirements, the same script. A chapter is then opened by its link.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import psutil
import pytest
import repo2docker
from bs4 import BeautifulSoup
from conftest import ROOT
from test_gate import copy_book

FROZEN = Path(repo2docker.__file__).parent / "buildpacks/conda/environment.py-3.11-linux-64.lock"
CHAPTER = "xw-backprop"


@pytest.fixture(scope="module")
def dockerfile() -> str:
    """How repo2docker would build the image."""
    command = [Path(sys.executable).with_name("jupyter-repo2docker"), "--no-build", "--debug", "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


def steps(dockerfile: str) -> list[str]:
    """The commands that install our files, in their order."""
    return [line.removeprefix("RUN ") for line in dockerfile.splitlines()
            if re.match(r"RUN .*(/bin/pip install|postBuild$)", line) and "chmod" not in line]


def frozen(name: str) -> str:
    """The release of a conda package in the environment that repo2docker starts from."""
    return re.search(rf"/{name}-([^-/]+)-[^/]*\.conda", FROZEN.read_text("utf-8"))[1]


def test_repo2docker_reads_the_recipe(dockerfile):
    assert "environment.py-3.11-linux-64.lock" in dockerfile.replace("-2e", ".").replace("-2d", "-")
    assert steps(dockerfile) == [
        '${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r ".binder/requirements.txt"',
        "./.binder/postBuild",
    ]


def test_a_step_more_or_less_is_noticed(dockerfile):
    assert steps(dockerfile.replace("RUN ./.binder/postBuild", "")) != steps(dockerfile)
    assert steps(dockerfile + "\nRUN ${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir .") != steps(dockerfile)


@pytest.fixture(scope="module")
def binder(build, dockerfile, tmp_path_factory):
    """A folder of the book and the Python of an environment, after the steps of the image."""
    folder = tmp_path_factory.mktemp("binder")
    book, prefix = copy_book(folder / "book", executed=True), folder / "environment"
    (book / ".venv").symlink_to(ROOT / ".venv")  # what builds the book is installed already; the script removes the link
    for link in book.glob("_ext/*/node_modules"):  # copies, since the script installs and removes what is in them
        packages = link.resolve()
        link.unlink()
        shutil.copytree(packages, link)
        os.utime(link / ".package-lock.json")
    python = shutil.which("python3.11") or sys.executable
    run([python, "-m", "venv", prefix])
    names = re.findall(r"/([\w.-]+)-([^-/]+)-[^-/]*\.conda", FROZEN.read_text("utf-8"))
    constraints = folder / "frozen.txt"
    constraints.write_text("".join(f"{name}=={release}\n" for name, release in names if name != "python"))
    run([prefix / "bin/pip", "install", "--quiet", "jupyterlab", "notebook", "ipywidgets"],
        env={**os.environ, "PIP_CONSTRAINT": str(constraints)})
    environment = {**os.environ, "KERNEL_PYTHON_PREFIX": str(prefix), "PATH": f"{prefix}/bin:{os.environ['PATH']}",
                   "PIP_CONSTRAINT": ""}
    for step in steps(dockerfile):
        run(["bash", "-c", step], cwd=book, env=environment)
    return book, prefix


def run(command: list, **options) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.fixture(scope="module")
def lab(binder):
    """The address and the process of JupyterLab in that environment, as Binder starts it in the folder of the book."""
    book, prefix = binder
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [prefix / "bin/jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0",
               "--IdentityProvider.token="]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON"))}
    environment |= {"PATH": f"{prefix}/bin:{os.environ['PATH']}", "HOME": str(book.parent)}
    with open(book.parent / "lab.log", "wb") as log:
        server = subprocess.Popen(command, cwd=book, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{address}/api/status").close()
                    break
                except OSError:
                    time.sleep(0.2)
            else:
                pytest.fail((book.parent / "lab.log").read_text()[-4000:], pytrace=False)
            yield address, server.pid
        finally:
            server.terminate()
            server.wait(30)


def path_of_link(site: Path, page: str) -> str:
    """Where the Binder button of a page leads on the server that Binder has started."""
    links = [a["href"] for a in BeautifulSoup((site / f"{page}.html").read_bytes(), "html.parser").select("a[href]")]
    launch = next(link for link in links if urlsplit(link).path.startswith("/v2/gh/"))
    return "/" + parse_qs(urlsplit(launch).query)["urlpath"][0]


@pytest.mark.slow
def test_nothing_is_left_that_no_reader_needs(binder):
    book, prefix = binder
    assert not [name for name in (".venv", "_build", "_ext/typeset/node_modules") if (book / name).exists()]
    assert sorted(path.stem for path in (book / "notebooks").iterdir()) == sorted(
        path.stem for path in (ROOT / "_build/html/_sources/chapters").glob("*.ipynb"))
    packages = {path.name.split("-")[0] for path in (prefix / "lib/python3.11/site-packages").glob("*.dist-info")}
    assert {"torch", "anywidget", "sympy", "lark"} <= packages
    assert not packages & {"sphinx", "playwright", "pytest"} and not [name for name in packages if name.startswith("nvidia_cu")]
    size = sum(path.lstat().st_size for top in (book, prefix) for path in top.rglob("*") if path.is_file())
    report(binder, "size of the environment and the book, MB", round(size / 1e6))
    assert size < 2e9  # 1.4 GB were measured; a torch with CUDA has 3 more


@pytest.mark.slow
def test_a_chapter_opens_by_its_link_as_a_notebook_and_runs(binder, lab, site, browser):
    book, _ = binder
    address, server = lab
    path = path_of_link(site, f"chapters/{CHAPTER}")
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    begin = time.monotonic()
    page.goto(address + path)
    page.locator(".jp-NotebookPanel").wait_for(timeout=120_000)
    page.get_by_text(re.compile(r"Python 3 .*\| Idle")).wait_for(timeout=120_000)
    page.locator(".jp-CodeCell").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator(".jp-CodeCell .jp-InputPrompt").filter(has_text="[1]:").first.wait_for(timeout=120_000)
    report(binder, "seconds from the link to the first cell that has run", round(time.monotonic() - begin, 1))
    assert page.locator(".jp-MarkdownOutput h1").first.is_visible()

    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    notebook = save_when_run(page, book / f"notebooks/{CHAPTER}.ipynb")
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    report(binder, "memory of the server and a kernel that has run a chapter, MB", round(memory(server) / 1e6))

    figure = page.locator(".jp-OutputArea-output .mc-explore svg").locator("visible=true")  # cells far from the window are not shown
    page.mouse.move(700, 500)
    page.mouse.wheel(0, -10**6)
    for _ in range(300):
        if figure.count():
            break
        page.mouse.wheel(0, 700)
        page.wait_for_timeout(100)
    assert figure.count(), "no figure to play with was drawn"
    page.close()


def memory(server: int) -> int:
    """Bytes of a process and its children, what they share counted once."""
    process = psutil.Process(server)
    return sum(each.memory_full_info().pss for each in (process, *process.children(recursive=True)))


def save_when_run(page, path: Path) -> nbformat.NotebookNode:
    """Save the notebook until all its code cells have run."""
    until = time.monotonic() + 300
    while True:
        page.keyboard.press("Control+s")
        page.wait_for_timeout(3000)
        notebook = nbformat.read(path, as_version=4)
        waiting = [cell for cell in notebook.cells if cell.cell_type == "code" and not cell.execution_count]
        kernel = page.locator("[data-status]").first.get_attribute("data-status")
        if not waiting and kernel == "idle":
            return notebook
        assert time.monotonic() < until, f"{len(waiting)} cells have not run in five minutes"


def report(binder, what: str, figure: float) -> None:
    """Keep a figure for whoever asks what the image costs."""
    file = ROOT / "_build/binder.json"
    figures = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**figures, what: figure}, indent=1) + "\n")
