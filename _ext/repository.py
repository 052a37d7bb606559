"""Where this book lives: its repository, its branch, and the address its pages are served from.

Every link that leaves the site for the book's own sake (Binder, edit, issue) and every absolute address on it (canonical
link, sitemap, card) follows from these three. They are found in this order:

1. a GitHub workflow says so in its environment,
2. the clone's ``origin`` is on GitHub,
3. ``repository`` in ``_config.yml``.

So a fork links to itself with nothing to edit.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping
from urllib.parse import urlsplit

from sphinx.errors import ConfigError

GITHUB = "https://github.com"
SERVER = re.compile(r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?")
OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
BRANCH = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/+-]*[A-Za-z0-9_+-])?")
BOOK_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[A-Za-z0-9._~-]+)*/?")
# https://user:token@github.com/owner/name.git, ssh://git@github.com/owner/name, git@github.com:owner/name.git
ORIGIN = re.compile(r"(?:(?:https?|ssh|git)://(?:[^/@]*@)?github\.com(?::\d+)?/|(?:[^/@]*@)?github\.com:)(?P<path>.*)")


@dataclass(frozen=True)
class Repository:
    """A repository and the site built from it, every part checked against a pattern."""

    owner: str
    name: str
    branch: str
    base_url: str
    server: str = GITHUB
    release: str = ""  # the tag that is built, if one is

    @property
    def url(self) -> str:
        return f"{self.server}/{self.owner}/{self.name}"

    @property
    def base_path(self) -> str:
        """The path of the site on its host, with a slash at both ends."""
        return urlsplit(self.base_url).path

    @property
    def pip_requirement(self) -> str:
        """What pip installs to make the chapters' ``import utils`` work elsewhere; an archive, since that needs no git there."""
        kept = f"tags/{self.release}" if self.release else f"heads/{self.branch}"
        return f"matrix-calculus-checked @ {self.url}/archive/refs/{kept}.zip"


def find(environment: Mapping[str, str], origin: str | None, url: str, branch: str) -> Repository:
    """Name the repository from a workflow's environment, else the clone's origin, else the configuration.

    Parameters
    ----------
    environment : the environment variables
    origin : URL of the clone's remote of that name, or None
    url, branch : ``repository.url`` and ``repository.branch`` of ``_config.yml``

    Raises
    ------
    ConfigError
        If the source that applies does not name a repository.

    >>> find({}, "git@github.com:ada/notes.git", "https://github.com/someone/book", "main").base_url
    'https://ada.github.io/notes/'
    """
    server, on_github, release = GITHUB, ORIGIN.fullmatch(origin or ""), ""
    if environment.get("GITHUB_REPOSITORY"):
        server = environment.get("GITHUB_SERVER_URL") or GITHUB
        path, source = environment["GITHUB_REPOSITORY"], "GITHUB_REPOSITORY"
        # On a pull request, and on a tag, the name is not that of a branch one could edit.
        is_branch = environment.get("GITHUB_REF_TYPE") == "branch"
        is_pull_request = environment.get("GITHUB_EVENT_NAME", "").startswith("pull_request")
        if is_branch and not is_pull_request:
            branch = environment.get("GITHUB_REF_NAME") or branch
        if environment.get("GITHUB_REF_TYPE") == "tag":
            release = environment.get("GITHUB_REF_NAME", "")
    elif on_github:
        path, source = on_github["path"], "the remote 'origin'"
    else:
        path, source = url.removeprefix(f"{GITHUB}/"), "repository.url in _config.yml"

    owner, _, name = path.removesuffix("/").removesuffix(".git").partition("/")
    _require(SERVER, server, "GITHUB_SERVER_URL", "an https address such as https://github.com")
    _require(OWNER, owner, source, f"the repository as {GITHUB}/OWNER/NAME")
    _require(NAME, name, source, f"the repository as {GITHUB}/OWNER/NAME")
    _require(BRANCH, branch, "the branch", "letters, digits and . _ / + - only")
    _require(BRANCH, release or "none", "the tag", "letters, digits and . _ / + - only")

    # A repository named OWNER.github.io is served at the root of its host, every other one below its own name.
    host = f"{owner.lower()}.github.io"
    base_url = environment.get("BOOK_URL") or f"https://{host}/" + ("" if name.lower() == host else f"{name}/")
    _require(BOOK_URL, base_url, "BOOK_URL", "an address such as https://example.org/book/")
    return Repository(owner, name, branch, base_url.rstrip("/") + "/", server, release)


def _require(pattern: re.Pattern, value: str, source: str, wanted: str) -> None:
    """Refuse a value that could not stand in a link; the value itself may hold a secret, so it is not repeated."""
    if not pattern.fullmatch(value) or ".." in value or set(value) == {"."}:
        raise ConfigError(f"{source} cannot be used in the book's links: it must give {wanted}.")


def read_origin(folder: Path) -> str | None:
    """URL of the remote ``origin`` of the clone whose top is ``folder``; None for a download, or without git."""
    if not (folder / ".git").exists():
        return None  # not our repository: git would answer for whatever clone lies around this folder
    command = ["git", "-C", str(folder), "config", "--get", "remote.origin.url"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):
        return None


def configure(app, config) -> None:
    """Hand the repository to the theme and to everything that writes an absolute address."""
    options = config.html_theme_options
    repository = find(
        os.environ,
        read_origin(Path(app.srcdir)),
        options.get("repository_url", ""),
        options.get("repository_branch", "main"),
    )
    options.update(
        repository_url=repository.url, repository_branch=repository.branch, repository_provider="github"
    )
    config.html_baseurl = config.ogp_site_url = repository.base_url
    config.notfound_urls_prefix = repository.base_path  # a 404 page is shown at any depth, so its links are absolute
    config.book_repository = repository


def setup(app):
    app.add_config_value("book_repository", None, "", types=[Repository, type(None)])
    # The theme reads its options when the builder starts, later than this event.
    app.connect("config-inited", configure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
