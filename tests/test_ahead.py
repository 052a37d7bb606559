"""What the build does ahead, or keeps from the last time, is what it would have done."""

import os
import pickle
import time
from types import SimpleNamespace

import ahead
import assets
import pytest
from docutils import nodes
from docutils.utils import new_document
from sphinx.environment import BuildEnvironment


class Kept(BuildEnvironment):
    """Sphinx's way to read a page, and nothing else of it."""

    def __init__(self, doctreedir):
        self.doctreedir, self._pickled_doctree_cache = doctreedir, {}

    def doc2path(self, docname, base=True):
        return f"{docname}.md"


@pytest.fixture
def env(tmp_path):
    write(tmp_path, "a page")
    return Kept(tmp_path)


def write(folder, text: str) -> None:
    """Write a page as Sphinx does."""
    document = new_document("page")
    document.reporter, document.settings = None, SimpleNamespace()
    document += nodes.paragraph(text, text)
    (folder / "page.doctree").write_bytes(pickle.dumps(document))


def read_ahead(env) -> ahead.Ahead:
    pages = ahead.Ahead()
    pages.start(env, ["page"])
    until = time.monotonic() + 60
    while sum(map(len, pages.copies.values())) < ahead.COPIES:
        assert time.monotonic() < until, "nothing was read"
        time.sleep(0.01)
    return pages


def test_what_one_reader_changes_no_other_sees(env):
    pages = read_ahead(env)
    pages.get(env, "page").append(nodes.paragraph("", "changed"))
    texts = [pages.get(env, "page").astext() for _ in range(ahead.COPIES)]  # the last is read anew
    assert texts == ["a page"] * ahead.COPIES


def test_a_page_written_since_is_read_anew(env):
    pages = read_ahead(env)
    file = env.doctreedir / "page.doctree"
    written = file.stat().st_mtime_ns
    write(env.doctreedir, "another page")
    os.utime(file, ns=(written + 1, written + 1))
    assert pages.get(env, "page").astext() == "another page"


def test_a_style_is_purged_anew_when_a_page_uses_another_of_its_names(tmp_path):
    sheet = ".a { c: d } .b { e: url(f.woff2) } #g { h: #abc }"
    for used in ('class="a"', 'class="a woff2"', 'class="b"', 'id="g" class="a"'):
        style = assets.purge_once(sheet, used, tmp_path)
        assert style == assets.rcssmin.cssmin(assets.purge(sheet, used))
        assert style == assets.purge_once(sheet, used, tmp_path)
    assert assets.purge_once(sheet + ".a { i: j }", used, tmp_path) != style
