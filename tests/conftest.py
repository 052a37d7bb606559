"""The built site and a browser to look at it with."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hypothesis import settings
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
AXE = ROOT / "tests/axe/node_modules/axe-core/axe.min.js"
sys.path.append(str(ROOT / "_ext"))

import browser as look  # noqa: E402
import repository  # noqa: E402

import yaml  # noqa: E402

torch.set_num_threads(1)  # several processes test at once, and their threads would wait for each other
gc.set_threshold(100_000, 50, 100)  # parsed pages stay to the end, and looking through them for garbage takes half the time


# The same examples in every run, and no time limit: a slow machine is not a fault of the book.
settings.register_profile("book", deadline=None, derandomize=True)
settings.load_profile("book")


# Tests that share something which takes long to make, in the order in which it is looked for.
SHARED = ("notebook_python", "broken", "wrong_equations", "small_book", "small", "trials", "wrong", "browser", "pages", "site")


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the tests that share something in one process, and every other test wherever there is time."""
    for item in items if config.pluginmanager.hasplugin("xdist") else ():
        if shared := next((name for name in SHARED if name in getattr(item, "fixturenames", ())), None):
            item.add_marker(pytest.mark.xdist_group(f"{item.module.__name__} {shared}"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Stop where xdist has forgotten the groups, as it does without a word beside a pytest that is too new for it."""
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if hasattr(session.config, "workerinput") and not all("@" in item.nodeid for item in grouped):
        raise pytest.UsageError("pytest-xdist does not keep the groups of tests together, so that what they share is made twice: "
                                "install the releases that tests/requirements.lock names")


def run_jupyter_book(folder: Path) -> subprocess.CompletedProcess:
    """What `make book` runs in the folder of a book."""
    command = [sys.executable, "_ext/make_book.py"]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def newest_cache() -> Path | None:
    """Where the last build of the site keeps the cells that it executed."""
    caches = [cache for cache in (ROOT / "_build/.jupyter_cache").glob("*") if (cache / "global.db").exists()]
    return max(caches, key=lambda cache: (cache / "global.db").stat().st_mtime, default=None)


@pytest.fixture(scope="session")
def build() -> subprocess.CompletedProcess:
    """What `make book` does with the files as they are now; with nothing changed this takes seconds.

    Several processes run the tests. Whichever comes first builds the site, and the others find it built.
    """
    (ROOT / "_build").mkdir(exist_ok=True)
    with FileLock(ROOT / "_build/tests.lock"):
        return run_jupyter_book(ROOT)


@pytest.fixture(scope="session")
def site(build) -> Path:
    """The folder of the built site."""
    if build.returncode:
        pytest.fail("there is no site to test: see test_the_book_builds_without_a_warning", pytrace=False)
    return ROOT / "_build" / "html"


@pytest.fixture(scope="session")
def book() -> repository.Repository:
    """The repository that the site was built from."""
    configured = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]
    return repository.find(os.environ, repository.read_origin(ROOT), configured["url"], configured["branch"])


@pytest.fixture(scope="session")
def site_url(site, book):
    """Where the site is served during the tests, below the same path as on its real host."""
    with look.serve(site, book.base_path) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = look.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def windows(browser):
    """A window of each size and theme, shared by the tests that only look."""
    return {
        (size, theme): browser.new_context(viewport=viewport, color_scheme=theme)
        for size, viewport in look.SIZES.items()
        for theme in ("light", "dark")
    }


@pytest.fixture(scope="session")
def axe():
    """The script of axe-core, which looks for what keeps readers out."""
    if not AXE.exists():
        pytest.fail("axe-core is not installed: run `make test`", pytrace=False)
    return AXE.read_text("utf-8")


@pytest.fixture
def page(browser):
    """A page in a desktop window of its own, for the tests that act."""
    context = browser.new_context(viewport=look.SIZES["desktop"], permissions=["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()
