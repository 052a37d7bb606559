"""What the workflows run on GitHub alone, run here: with a `gh` that writes down what it is asked, and a repository on disk."""

import base64
import doctest
import importlib.util
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from conftest import ROOT

GITHUB = ROOT / ".github"
GH = """#!{python}
import json, os, pathlib, sys
here = pathlib.Path(os.environ["GH_HERE"])
files = {{name: pathlib.Path(name).read_text() for name in sys.argv if name.endswith(".md") and pathlib.Path(name).exists()}}
with (here / "calls").open("a") as calls:
    calls.write(json.dumps([sys.argv[1:], list(files.values())]) + "\\n")
if sys.argv[1:3] == ["issue", "list"]:
    print((here / "issues").read_text())
"""
TITLES = {
    "newest": "Weekly: the book does not pass with the newest releases",
    "links": "Weekly: a link leads nowhere",
    "audit": "Weekly: a package of the lock has a known vulnerability",
}
BOT = {"is_bot": True, "login": "app/github-actions"}


@pytest.fixture
def gh(tmp_path, monkeypatch):
    """A folder with the issues that `gh` lists, and the calls that it got."""
    folder = tmp_path / "gh"
    folder.mkdir()
    (folder / "gh").write_text(GH.format(python=sys.executable))
    (folder / "gh").chmod(0o755)
    (folder / "issues").write_text("[]")
    for name, value in {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "GH_HERE": str(folder), "GITHUB_RUN_ID": "7",
                        "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "ada/book"}.items():
        monkeypatch.setenv(name, value)
    return folder


def calls(gh) -> list:
    """The calls that changed something, each with the files that it named."""
    lines = map(json.loads, (gh / "calls").read_text().splitlines())
    return [(arguments, files) for arguments, files in lines if arguments[:2] != ["issue", "list"]]


def checks(folder, **results):
    """What check.sh leaves of each check: an exit code and an output; None where it left nothing."""
    for check in TITLES:
        if (result := results.get(check, (0, "fine"))) is not None:
            (folder / "checks" / check).mkdir(parents=True)
            (folder / "checks" / check / "code.txt").write_text(f"{result[0]}\n")
            (folder / "checks" / check / "output.txt").write_text(result[1])
    return folder / "checks"


def report(folder) -> str:
    return subprocess.run([GITHUB / "report.py", folder], check=True, stdout=subprocess.PIPE, text=True).stdout


def load_report():
    spec = importlib.util.spec_from_file_location("report", GITHUB / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_examples_of_the_report_hold():
    assert doctest.testmod(load_report()).failed == 0


def test_an_issue_is_opened_when_a_check_fails_for_the_first_time(gh, tmp_path):
    said = report(checks(tmp_path, links=(2, "dead: https://a.org")))
    [(arguments, [text])] = calls(gh)
    assert arguments[:-1] == ["issue", "create", "--title", TITLES["links"], "--body-file"]
    assert "    dead: https://a.org\n" in text and "https://github.com/ada/book/actions/runs/7" in text
    assert said == "newest: passes\nlinks: fails, issue opened\naudit: passes\n"


def test_the_issue_of_a_check_that_still_fails_is_updated(gh, tmp_path):
    issues = [{"number": 4, "title": TITLES["audit"], "author": BOT}, {"number": 5, "title": TITLES["newest"], "author": BOT}]
    (gh / "issues").write_text(json.dumps(issues))
    report(checks(tmp_path, audit=(1, "a vulnerability"), newest=(1, "a failure")))
    (newest, [text]), (audit, _) = calls(gh)
    assert newest[:4] == ["issue", "edit", "5", "--body-file"] and audit[:3] == ["issue", "edit", "4"] and "    a failure\n" in text


def test_the_issue_of_a_check_that_passes_again_is_closed(gh, tmp_path):
    (gh / "issues").write_text(json.dumps([{"number": 4, "title": TITLES["links"], "author": BOT}]))
    report(checks(tmp_path))
    [(arguments, _)] = calls(gh)
    assert arguments[:3] == ["issue", "close", "4"]


def test_the_issue_of_a_person_with_such_a_title_is_left_alone(gh, tmp_path):
    (gh / "issues").write_text(json.dumps([{"number": 4, "title": TITLES["links"], "author": {"is_bot": False, "login": "eve"}}]))
    report(checks(tmp_path))
    assert calls(gh) == []


def test_a_check_that_left_nothing_or_no_code_has_not_passed(gh, tmp_path):
    folder = checks(tmp_path, newest=None, audit=("", "stopped"))
    assert report(folder) == "newest: fails, issue opened\nlinks: passes\naudit: fails, issue opened\n"
    assert "    Nothing: it did not come to an end.\n" in calls(gh)[0][1][0]


def test_what_a_check_printed_is_never_more_than_text(gh, tmp_path):
    evil = "$(touch here) `touch here`; touch here\r\n--title=x\n```\n@ada [x](http://x) <b>\n\x1b]0;x\x07\u202e\n::error::x\n"
    report(checks(tmp_path, newest=(1, evil)))
    [(arguments, [text])] = calls(gh)
    assert arguments[:4] == ["issue", "create", "--title", TITLES["newest"]] and len(arguments) == 6
    inside = text.split("\n\n", 1)[1].rsplit("\n\n", 1)[0]
    assert all(line.startswith("    ") for line in inside.split("\n"))  # code that nothing in it can end
    assert not set("\r\x1b\x07\u202e") & set(text)
    assert not list(tmp_path.rglob("here"))


@pytest.mark.parametrize("output", ["x" * 10**6, "\n".join("x" * 10**6), "x\n" * 10**6 + "the end"], ids=["line", "columns", "lines"])
def test_a_long_output_is_cut_to_its_end(gh, tmp_path, output):
    report(checks(tmp_path, audit=(1, output)))
    [(_, [text])] = calls(gh)
    assert 10_000 < len(text) < 65_536
    assert f"    {output[-1:]}" in text or output.rstrip()[-7:] in text


def test_a_file_that_is_a_link_to_another_is_not_read(gh, tmp_path):
    folder = checks(tmp_path, audit=(1, ""))
    (tmp_path / "token").write_text("of the runner")
    (folder / "audit/output.txt").unlink()
    (folder / "audit/output.txt").symlink_to(tmp_path / "token")
    report(folder)
    assert "of the runner" not in calls(gh)[0][1][0]


@pytest.mark.parametrize(("target", "code"), [("good", 0), ("bad", 2)])
def test_a_check_hands_on_its_output_and_its_code(tmp_path, target, code):
    (tmp_path / "Makefile").write_text("good:\n\t@echo fine\nbad:\n\t@echo broken; exit 1\n")
    done = subprocess.run([GITHUB / "check.sh", target], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert done.returncode == code
    assert (tmp_path / "_build/checks/code.txt").read_text() == f"{code}\n"
    assert (tmp_path / "_build/checks/output.txt").read_text() == done.stdout
    assert done.stdout.startswith({"good": "fine\n", "bad": "broken\n"}[target])


def test_the_preview_says_where_the_site_is(tmp_path):
    summary = tmp_path / "summary"
    address = "https://github.com/ada/book/actions/runs/7/artifacts/8"
    subprocess.run([GITHUB / "preview.sh"], check=True, env=os.environ | {"GITHUB_STEP_SUMMARY": str(summary), "ADDRESS": address})
    assert f"]({address})" in summary.read_text() and "index.html" in summary.read_text()


def test_a_release_carries_every_file_of_its_folder(gh, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_REF_NAME", "v1.0")
    monkeypatch.chdir(ROOT)
    (tmp_path / "files").mkdir()
    for name in ("a.zip", "b c.pdf"):
        (tmp_path / "files" / name).touch()
    subprocess.run([GITHUB / "release.sh", tmp_path / "files"], check=True)
    [(arguments, [notes])] = calls(gh)
    assert arguments == ["release", "create", "v1.0", "--verify-tag", "--title", "v1.0", "--notes-file", ".github/release.md",
                         f"{tmp_path}/files/a.zip", f"{tmp_path}/files/b c.pdf"]
    assert notes == (GITHUB / "release.md").read_text()


def git(repository, *arguments) -> str:
    return subprocess.run(["git", "-C", repository, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def publish(folder, remote, **environment) -> subprocess.CompletedProcess:
    command = [GITHUB / "publish.sh", folder, "notebooks", remote]
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GITHUB_SHA": "0" * 40}
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | alone | environment)


def test_the_branch_of_notebooks_holds_them_and_one_commit_and_no_other_branch_moves(tmp_path):
    remote, folder = tmp_path / "remote.git", tmp_path / "notebooks"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    folder.mkdir()
    (folder / "old.ipynb").write_text("1")
    assert not publish(folder, remote).returncode
    git(remote, "branch", "main", "notebooks")
    before = git(remote, "rev-parse", "main")

    (folder / "old.ipynb").rename(folder / "a chapter.ipynb")
    done = publish(folder, remote)
    assert not done.returncode, done.stdout
    assert git(remote, "ls-tree", "-r", "--name-only", "notebooks") == "a chapter.ipynb\n"
    assert git(remote, "rev-list", "--count", "notebooks") == "1\n"
    assert git(remote, "log", "-1", "--format=%s %an", "notebooks") == f"Made from {'0' * 40} github-actions[bot]\n"
    assert git(remote, "rev-parse", "main") == before
    assert [path.name for path in folder.iterdir()] == ["a chapter.ipynb"]


def test_an_empty_folder_leaves_the_branch_as_it_is(tmp_path):
    (tmp_path / "empty").mkdir()
    done = publish(tmp_path / "empty", tmp_path / "nowhere.git")
    assert done.returncode and done.stdout.endswith("empty is empty: the branch notebooks stays as it is.\n")


def test_the_token_goes_to_the_server_and_nowhere_else(tmp_path):
    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers["Authorization"])
            self.send_response(403 if asked[-1] else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()

        def log_message(self, *arguments):
            pass

    asked = []
    (tmp_path / "a.ipynb").write_text("1")
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        done = publish(tmp_path, f"http://127.0.0.1:{server.server_port}/ada/book.git", GH_TOKEN="t0ken")
        server.shutdown()
    assert done.returncode and "t0ken" not in done.stdout
    assert asked == [None, "Basic " + base64.b64encode(b"x-access-token:t0ken").decode()]
