"""The check of external links, against a server of our own: what is gone is found, what is there or has moved is not blamed."""

import subprocess
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import links
import pytest
from conftest import ROOT


class Server(BaseHTTPRequestHandler):
    asked = Counter()

    def do_GET(self):
        self.asked[self.path] += 1
        code = {"/good": 200, "/moved": 301, "/elsewhere": 302, "/private": 403, "/gone": 404, "/closed": 503}.get(self.path)
        if self.path == "/shaky":  # the first try asks twice, once for the head alone
            code = 500 if self.asked[self.path] <= 2 else 200
        if self.path == "/busy":
            code = 429 if self.asked[self.path] == 1 else 200
        self.send_response(code)
        if code in (301, 302):
            self.send_header("Location", "/good")
        if code == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def write_site(folder, links, text=""):
    (folder / "site/chapters").mkdir(parents=True)
    (folder / "site/index.html").write_text("<article></article>")
    anchors = "".join(f'<a href="{link}">x</a>' for link in links)
    button = '<header><a href="https://button.invalid">x</a></header>'
    (folder / "site/chapters/a.html").write_text(f"{button}<article>{anchors}</article>")
    (folder / "README.md").write_text(text)
    return [sys.executable, ROOT / "_ext/links.py", folder / "site", folder / "README.md"]


def test_each_link_gets_the_answer_that_its_server_gives(server):
    wanted = {"/good": "there", "/moved": "moved", "/elsewhere": "there", "/private": "refused", "/gone": "dead",
              "/closed": "silent", "/shaky": "there", "/busy": "there"}
    answers = links.ask([server + path for path in wanted])
    assert {path: answers[server + path].status for path in wanted} == wanted
    assert answers[server + "/moved"].detail == f"to {server}/good"


def test_a_dead_link_fails_and_is_named_with_its_place(server, tmp_path):
    command = write_site(tmp_path, [f"{server}/good", "#here", "other.html"], f"See <{server}/gone>.")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert f"dead: {server}/gone, in README.md\n" in done.stdout
    assert done.stdout.endswith("2 links: 1 dead, 0 out of service, 0 closed to programs, 0 moved for good.\n")


def test_links_that_are_there_pass(server, tmp_path):
    done = subprocess.run(write_site(tmp_path, [f"{server}/good", f"{server}/moved"]), stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout


def test_a_host_that_does_not_answer_is_dead():
    address = "http://127.0.0.1:9/x_(y)_*z*"  # with signs that mean something in a text's markup
    assert links.ask([address])[address].status == "dead"


def test_links_are_those_of_the_text_and_of_the_files(tmp_path):
    write_site(tmp_path, ["https://a.org/x"], "[b](https://b.org/y_z), <http://127.0.0.1:8000>, and https://a.org/x.")
    assert links.collect(tmp_path / "site", [tmp_path / "README.md"]) == {
        "https://a.org/x": ["README.md", "chapters/a.html"], "https://b.org/y_z": ["README.md"]}


def test_a_doi_is_looked_up_in_its_register(monkeypatch):
    def run(command, **_):
        asked.append((command[-2] / "index.md").read_text())
        return subprocess.CompletedProcess(command, 1, stdout="no network")

    asked = []
    monkeypatch.setattr(links.subprocess, "run", run)
    with pytest.raises(RuntimeError, match="(?s)left out .*no network"):
        links.ask(["https://doi.org/10.1/a(b)c"])
    assert asked == ["<https://doi.org/api/handles/10.1/a(b)c>\n\n"]


def test_the_book_has_links_to_check(site):
    places = links.collect(site, [ROOT / "README.md"])
    assert any(address.startswith(links.DOI) for address in places)
    assert all(any(name.startswith("chapters/") or name == "README.md" for name in where) for where in places.values())
    assert not any("mybinder.org" in address or "/edit/" in address for address in places)
