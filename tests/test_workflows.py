"""The workflows do what the README says, with few rights and nothing that can change under them."""

import re

import pytest
import yaml
from conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def unpinned(text: str) -> list[str]:
    uses = re.findall(r"^\s*(?:- )?uses: (.+)$", text, re.M)
    return [use for use in uses if not PINNED.fullmatch(use)]


def test_there_is_a_workflow():
    assert WORKFLOWS


@every_workflow
def test_every_action_is_pinned_by_its_full_hash(path):
    assert unpinned(path.read_text("utf-8")) == []


def test_an_action_named_by_its_tag_is_caught():
    assert unpinned("    - uses: actions/checkout@v5\n      uses: a/b@" + "0" * 40 + " # v1.2.3") == ["actions/checkout@v5"]


@every_workflow
def test_jobs_have_no_rights_but_those_they_name(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        writes = {right for right, level in job["permissions"].items() if level == "write"}
        assert writes <= {"pages", "id-token"} and (not writes or job["if"] == "github.event_name == 'push'")


@every_workflow
def test_shell_lines_are_make_targets_of_the_readme(path):
    readme = (ROOT / "README.md").read_text("utf-8")
    for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values():
        for step in job["steps"]:
            assert step.get("run", "make book") in re.findall(r"make \w+", readme)


def test_the_ci_script_calls_make_test():
    assert (ROOT / ".ci/run").read_text("utf-8").rstrip().endswith("\nmake test")
