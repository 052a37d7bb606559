"""The book's links follow the repository it is built from."""

import subprocess

import pytest
from sphinx.errors import ConfigError

from repository import find, read_origin

CONFIGURED = "https://github.com/matrix/book", "main"
WORKFLOW = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "ada/notes",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_REF_NAME": "draft/two",
    "GITHUB_EVENT_NAME": "push",
}


def test_without_workflow_and_origin_the_configuration_names_the_repository():
    book = find({}, None, *CONFIGURED)
    assert (book.url, book.branch) == CONFIGURED
    assert book.base_url == "https://matrix.github.io/book/"
    assert book.base_path == "/book/"


@pytest.mark.parametrize(
    "origin",
    [
        "https://github.com/ada/notes",
        "https://github.com/ada/notes.git",
        "https://github.com/ada/notes/",
        "https://x-access-token:secret@github.com/ada/notes.git",
        "git@github.com:ada/notes.git",
        "ssh://git@github.com/ada/notes.git",
        "ssh://git@github.com:22/ada/notes.git",
    ],
)
def test_an_origin_on_github_wins_over_the_configuration_and_loses_its_credentials(origin):
    book = find({}, origin, *CONFIGURED)
    assert book.url == "https://github.com/ada/notes"
    assert "secret" not in repr(book)


@pytest.mark.parametrize(
    "origin", ["https://example.org/ada/notes.git", "../notes", "https://github.com.example.org/a/b", ""]
)
def test_an_origin_elsewhere_leaves_the_configuration(origin):
    assert find({}, origin, *CONFIGURED).url == CONFIGURED[0]


def test_a_workflow_wins_over_the_origin_and_names_its_branch():
    book = find(WORKFLOW, "git@github.com:someone/else.git", *CONFIGURED)
    assert book.url == "https://github.com/ada/notes"
    assert book.branch == "draft/two"


@pytest.mark.parametrize(
    "change",
    [
        {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.0"},
        {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF_NAME": "12/merge"},
    ],
)
def test_a_tag_or_a_pull_request_is_not_taken_for_a_branch(change):
    assert find(WORKFLOW | change, None, *CONFIGURED).branch == "main"


def test_the_package_is_fetched_from_the_branch_and_for_a_release_from_its_tag():
    assert find(WORKFLOW, None, *CONFIGURED).pip_requirement == (
        "matrix-calculus-checked @ https://github.com/ada/notes/archive/refs/heads/draft/two.zip")
    tagged = WORKFLOW | {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.0"}
    assert find(tagged, None, *CONFIGURED).pip_requirement == (
        "matrix-calculus-checked @ https://github.com/ada/notes/archive/refs/tags/v1.0.zip")


def test_a_workflow_that_does_not_name_its_server_is_on_github():
    assert find({"GITHUB_REPOSITORY": "ada/notes"}, None, *CONFIGURED).url == "https://github.com/ada/notes"


def test_a_repository_named_after_its_pages_is_served_at_the_root():
    book = find({"GITHUB_REPOSITORY": "Ada/ada.github.io"}, None, *CONFIGURED)
    assert book.base_url == "https://ada.github.io/"
    assert book.base_path == "/"


@pytest.mark.parametrize("address", ["https://book.example.org", "https://book.example.org/"])
def test_book_url_names_the_site(address):
    assert find({"BOOK_URL": address}, None, *CONFIGURED).base_url == "https://book.example.org/"


@pytest.mark.parametrize(
    "environment, origin, url, branch",
    [
        ({"GITHUB_REPOSITORY": 'ada/"><script>'}, None, *CONFIGURED),
        ({"GITHUB_REPOSITORY": "ada"}, None, *CONFIGURED),
        ({"GITHUB_REPOSITORY": "ada/.."}, None, *CONFIGURED),
        ({"GITHUB_REPOSITORY": "ada/notes", "GITHUB_SERVER_URL": "javascript:alert(1)"}, None, *CONFIGURED),
        ({"BOOK_URL": "https://example.org/?q=1"}, None, *CONFIGURED),
        (WORKFLOW | {"GITHUB_REF_NAME": "a b"}, None, *CONFIGURED),
        (WORKFLOW | {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": 'v1"'}, None, *CONFIGURED),
        ({}, "git@github.com:ada", *CONFIGURED),
        ({}, "https://github.com/ada/notes/tree/main", *CONFIGURED),
        ({}, None, "https://example.org/ada/notes", "main"),
        ({}, None, CONFIGURED[0], "-x"),
    ],
)
def test_what_cannot_stand_in_a_link_is_refused_in_one_sentence(environment, origin, url, branch):
    with pytest.raises(ConfigError, match=r"^[^\n]+ cannot be used in the book's links: it must give [^\n]+\.$"):
        find(environment, origin, url, branch)


def test_the_origin_is_read_from_the_books_own_clone_only(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", "git@github.com:ada/notes.git"], check=True)
    inside = tmp_path / "download"
    inside.mkdir()
    assert read_origin(tmp_path) == "git@github.com:ada/notes.git"
    assert read_origin(inside) is None
