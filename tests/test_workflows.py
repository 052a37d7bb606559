"""The workflows do what the README says, with few rights and nothing that can change under them."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
SCRIPT = re.compile(r'\.github/([\w.]+)(?: (?:[\w/]+|"[\w$/.:]+"))*')

# Every job that may change something, and what.
WRITES = {
    ("book.yml", "deploy"): {"pages", "id-token"},
    ("book.yml", "notebooks"): {"contents"},
    ("release.yml", "publish"): {"contents", "id-token", "attestations"},
    ("weekly.yml", "report"): {"issues"},
}

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
JOBS = [(path.name, name, job) for path in WORKFLOWS for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items()]
every_job = pytest.mark.parametrize(("workflow", "name", "job"), JOBS, ids=lambda part: part if isinstance(part, str) else "")


def unpinned(text: str) -> list[str]:
    uses = re.findall(r"^\s*(?:- )?uses: (.+)$", text, re.M)
    return [use for use in uses if not PINNED.fullmatch(use)]


def events(path: Path) -> set[str]:
    return set(yaml.safe_load(path.read_text("utf-8"))[True])  # YAML reads the key `on` so


def foreign_lines(job: dict, readme: str) -> list[str]:
    """The shell lines of a job that are neither a make target of the README nor a script of ours with plain arguments."""
    lines = [step["run"] for step in job["steps"] if "run" in step]
    ours = {path.name for path in GITHUB.iterdir() if os.access(path, os.X_OK) and path.is_file()}
    return [line for line in lines
            if line not in re.findall(r"make [\w-]+", readme) and not ((call := SCRIPT.fullmatch(line)) and call[1] in ours)]


def run_linter(name: str, *arguments: str | Path) -> subprocess.CompletedProcess:
    """Run a command of the tests' packages."""
    here = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    if not (command := shutil.which(name, path=here)):
        pytest.fail(f"{name} is not installed: run `make test`", pytrace=False)
    return subprocess.run([command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def actionlint(*paths: Path) -> subprocess.CompletedProcess:
    return run_linter("actionlint", "-shellcheck=", "-pyflakes=", "-no-color", *paths)  # the same wherever these two are missing


def zizmor(*paths: Path) -> subprocess.CompletedProcess:
    return run_linter("zizmor", "--offline", "--persona=pedantic", "--no-progress", "--color=never", *paths)


def test_the_workflows_are_those_that_the_rules_below_speak_of():
    assert [path.name for path in WORKFLOWS] == ["book.yml", "release.yml", "weekly.yml"]


@every_workflow
def test_every_action_is_pinned_by_its_full_hash(path):
    assert unpinned(path.read_text("utf-8")) == []


def test_an_action_named_by_its_tag_is_caught():
    assert unpinned("    - uses: actions/checkout@v5\n      uses: a/b@" + "0" * 40 + " # v1.2.3") == ["actions/checkout@v5"]


def test_actions_are_githubs_own_and_have_one_hash_in_all_workflows():
    uses = {use for path in WORKFLOWS for use in re.findall(r"uses: (.+)$", path.read_text("utf-8"), re.M)}
    assert all(use.startswith("actions/") for use in uses)
    assert len({use.partition("@")[0] for use in uses}) == len(uses)


@every_workflow
def test_a_workflow_has_no_rights_and_runs_once_at_a_time(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]


@every_job
def test_a_job_writes_only_what_it_is_for_and_ends(workflow, name, job):
    rights = job["permissions"]
    assert {right for right, level in rights.items() if level != "read"} == WRITES.get((workflow, name), set())
    assert set(rights.values()) <= {"read", "write"} and set(rights) - {"contents"} <= WRITES.get((workflow, name), set())
    assert job["timeout-minutes"] <= 90


@every_job
def test_a_job_that_writes_runs_no_code_but_that_of_the_folder_of_workflows(workflow, name, job):
    if (workflow, name) not in WRITES:
        return
    for step in job["steps"]:
        assert step.get("run", ".github/").startswith(".github/")
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["sparse-checkout"] == ".github"
    if "pull_request" in events(GITHUB / "workflows" / workflow):
        assert job["if"] == "github.event_name == 'push'"


@every_job
def test_no_step_is_left_the_token_but_one_that_needs_it(workflow, name, job):
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
        if "github.token" in str(step):
            assert (workflow, name) in WRITES and step["run"].startswith(".github/")


@every_workflow
def test_nothing_is_secret_nothing_is_cached_and_no_stranger_starts_a_run_with_rights(path):
    text = path.read_text("utf-8")
    assert "secrets" not in text
    assert not re.search(r"^[^#]*\bcache", text, re.M)
    assert events(path) <= {"push", "pull_request", "schedule", "workflow_dispatch"}


@every_job
def test_shell_lines_are_make_targets_of_the_readme_or_scripts_that_the_tests_run(workflow, name, job):
    readme = (ROOT / "README.md").read_text("utf-8")
    assert foreign_lines(job, readme) == []
    for check in job.get("strategy", {}).get("matrix", {}).get("check", []):
        assert f"make {check}" in re.findall(r"make [\w-]+", readme)


@pytest.mark.parametrize("line", ["make unheard-of", "pip install x", ".github/publish.sh ${{ github.head_ref }}", "make book; id",
                                  '.github/publish.sh a "$(id)"', ".github/no-such-script.sh", ".github/release.md"])
def test_a_line_of_another_kind_is_caught(line):
    assert foreign_lines({"steps": [{"run": line}]}, "`make book`") == [line]
    assert foreign_lines({"steps": [{"run": "make book"}, {"run": '.github/check.sh "$X"'}]}, "`make book`") == []


def test_every_script_is_run_by_a_test():
    scripts = {path.name for path in GITHUB.iterdir() if path.suffix in (".sh", ".py")}
    assert scripts == set(re.findall(r"[\w]+\.(?:sh|py)\b", (ROOT / "tests/test_workflow_scripts.py").read_text("utf-8"))) & scripts


def test_the_matrix_is_of_every_python_that_the_package_promises():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    promised = [version for kind in project["classifiers"] if (version := kind.rpartition(" ")[2]).startswith("3.")]
    matrices = [job["strategy"]["matrix"]["python"] for _, _, job in JOBS if "python" in job.get("strategy", {}).get("matrix", {})]
    assert matrices == [promised]
    assert project["requires-python"] == f">={promised[0]}"
    minors = [int(version.partition(".")[2]) for version in promised]
    assert minors == list(range(minors[0], minors[-1] + 1))


def test_dependabot_renews_every_locked_folder_in_groups_and_not_at_once():
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text("utf-8"))["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "npm"}
    for update in updates:
        assert update["cooldown"]["default-days"] >= 7
        assert [group["patterns"] for group in update["groups"].values()] == [["*"]]
    locks = [path for top in ("_ext", "tests") for path in (ROOT / top).rglob("package-lock.json") if "node_modules" not in path.parts]
    assert {f"/{path.parent.relative_to(ROOT).as_posix()}" for path in locks} == {folder for update in updates for folder in update.get("directories", [])}


def test_actionlint_has_nothing_to_say():
    done = actionlint(*WORKFLOWS)
    assert not done.returncode, done.stdout


def test_zizmor_has_nothing_to_say_even_as_a_pedant():
    done = zizmor(GITHUB)
    assert not done.returncode, done.stdout


@pytest.mark.parametrize(("linter", "old", "new", "said"), [
    (actionlint, "runs-on: ubuntu-24.04", "runs-on: ubuntu-3.11", "label"),
    (actionlint, "needs: [test,", "needs: [tset,", "tset"),
    (actionlint, "matrix.python", "matrix.pyton", "pyton"),
    (zizmor, "run: make test\n", "run: echo ${{ github.head_ref }}\n", "template-injection"),
    (zizmor, "  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
    (zizmor, "        with:\n          persist-credentials: false\n", "", "artipacked"),
    (zizmor, "@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "@v5", "unpinned-uses"),
    (zizmor, "contents: write # to push the branch; this job runs nothing but that", "contents: write", "undocumented-permissions"),
])
def test_the_linters_notice_what_is_wrong(tmp_path, linter, old, new, said):
    text = (GITHUB / "workflows/book.yml").read_text("utf-8")
    assert old in text
    wrong = tmp_path / ".github/workflows/book.yml"
    wrong.parent.mkdir(parents=True)
    wrong.write_text(text.replace(old, new, 1), "utf-8")
    done = linter(wrong)
    assert done.returncode and said in done.stdout


def test_the_ci_script_calls_make_test():
    assert (ROOT / ".ci/run").read_text("utf-8").rstrip().endswith("\nmake test")
