"""The locks name one release of everything, with hashes and nothing else, and what the requirements ask for is in them."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import surroundings
from conftest import ROOT
from lock import BOOK, CLOSED, CUDA, INPUTS, OPTIONS, TESTS, entries
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
TOOLS = ROOT / "_build/tools"
BUILT = {"rcssmin", "rjsmin"}  # have files for Linux only; elsewhere pip builds them, which needs no compiler
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")

GOOD = f"{CLOSED}\n\na==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:{'0' * 64}\n    # via b\n"

every_lock = pytest.mark.parametrize("path", INPUTS, ids=str)


def read(path) -> str:
    return (ROOT / path).read_text("utf-8")


def requirements(text: str) -> list[Requirement]:
    """What a file of requirements asks for."""
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def wanted(path) -> list[Requirement]:
    """What the files that a lock is written from ask for; torch is installed in a step of its own."""
    if path == "pyproject.toml":
        return [Requirement(line) for line in PROJECT["project"]["dependencies"]]
    return requirements(read(path))


def pins(lock: str) -> dict[str, str]:
    """The release of each package in a lock."""
    return {name: re.match(r".+?==([^ ;\\]+)", entry)[1] for name, entry in entries(lock).items()}


def faults(lock: str, options: str = CLOSED) -> list[str]:
    """Lines of a lock that name no release, no hash and no package that wants it, and packages that do not belong there."""
    head, _, rest = lock.partition(options + "\n\n")
    lines = [line for line in head.splitlines() if not line.startswith("# ")] if rest else ["no options"]
    for name, entry in entries(rest).items():
        rest = rest.replace(entry, "", 1)
        release, *others = entry.splitlines()
        hashes = [line for line in others if re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)]
        notes = [line for line in others if re.fullmatch(r"    #( +via)?( +(-[rc] )?[\w./-]+( \(pyproject\.toml\))?)?", line)]
        if not hashes or not re.fullmatch(rf"{name}==[\w.+!]+( ; [^:/@]+)? \\", release):
            lines.append(release)
        lines += [line for line in others if line not in hashes + notes or " /" in line or "//" in line]
        if name == "torch" or CUDA.fullmatch(name):
            lines.append(name)
    return lines + rest.split()


def unmet(asked: list[Requirement], locked: dict[str, str]) -> list[str]:
    """Requirements that the releases of a lock do not satisfy."""
    named = [(one, locked.get(canonicalize_name(one.name))) for one in asked if one.name != "torch"]
    return [str(one) for one, release in named if release is None or release not in one.specifier]


def disagreements(locks: list[dict[str, str]]) -> set[str]:
    """Packages of which two locks name different releases."""
    pairs = {(name, release) for lock in locks for name, release in lock.items()}
    return {name for name, release in pairs if any(name == other and release != its for other, its in pairs)}


@every_lock
def test_a_lock_has_releases_and_their_hashes_and_neither_torch_nor_an_address(path):
    assert faults(read(path), OPTIONS.get(path, CLOSED)) == []
    assert entries(read(path))


def test_the_smallest_lock_has_no_fault():
    assert faults("# All packages.\n" + GOOD) == []


@pytest.mark.parametrize(
    "wrong, fault",
    [
        (GOOD.replace("--require-hashes\n", ""), "no options"),
        (GOOD.replace("--only-binary :all:\n", ""), "no options"),
        (GOOD.replace("a==1.0", "a>=1.0"), "a>=1.0"),
        (GOOD.replace("a==1.0", "torch==2.13.0"), "torch"),
        (GOOD.replace("a==1.0", "nvidia-cublas==13.1"), "nvidia-cublas"),
        (GOOD.replace("sha256", "md5"), f"    --hash=md5:{'0' * 64}"),
        (GOOD.replace(f" \\\n    --hash=sha256:{'0' * 64}", ""), "a==1.0 ; sys_platform == 'win32'"),
        (GOOD.replace("# via b", "# via -r /home/ada/requirements.txt"), "    # via -r /home/ada/requirements.txt"),
        (GOOD.replace("# via b", "# from https://example.org/simple"), "    # from https://example.org/simple"),
        ("--extra-index-url https://example.org/simple\n" + GOOD, "--extra-index-url https://example.org/simple"),
        (GOOD + "--find-links=/wheels\n", "--find-links=/wheels"),
        (GOOD + "b @ https://example.org/b.whl\n", "https://example.org/b.whl"),
        (GOOD + "-e .\n", "-e"),
    ],
)
def test_a_lock_that_is_open_is_caught(wrong, fault):
    assert fault in faults(wrong)


@every_lock
def test_a_lock_satisfies_the_requirements_that_it_is_written_from(path):
    locked = pins(read(path)) | (pins(read(BOOK)) if path == TESTS else {})
    for asked in INPUTS[path]:
        assert unmet(wanted(asked), locked) == [], f"{path} is older than {asked}: run `make lock KEEP=yes`"


def test_the_package_can_be_built_with_what_is_locked():
    assert unmet([Requirement(one) for one in PROJECT["build-system"]["requires"]], pins(read(BOOK))) == []


@pytest.mark.parametrize("asked", ["a>=2", "a<1", "b", "B_c>=1", "a==1.0.1"])
def test_a_requirement_that_came_after_the_lock_is_caught(asked):
    assert unmet(requirements(f"# more\n\n{asked}\na\ntorch==1\n"), pins(GOOD)) == [asked]


def test_all_locks_name_the_same_releases():
    assert disagreements([pins(read(path)) for path in INPUTS]) == set()


def test_locks_that_disagree_are_caught():
    assert disagreements([{"a": "1", "b": "1"}, {"a": "2"}, {"b": "1"}]) == {"a"}


def test_torch_is_installed_by_an_exact_release_that_the_package_promises_to_work_with():
    (exact,) = [one for one in wanted("requirements.txt") if one.name == "torch"]
    (promised,) = [one for one in wanted("pyproject.toml") if one.name == "torch"]
    assert re.fullmatch(r"==[\d.]+", str(exact.specifier))
    assert str(exact.specifier)[2:] in promised.specifier


def test_every_requirement_but_torch_is_a_range_with_an_end():
    """So that the weekly run with the newest releases says something about each, and no more than can be expected."""
    for one in wanted("requirements.txt") + wanted("tests/requirements.txt") + wanted("tests/tools/requirements.txt"):
        operators = {spec.operator for spec in one.specifier}
        assert one.name == "torch" or operators & {"<", "~="} and "==" not in operators, one


def test_executed_cells_are_kept_for_the_releases_of_all_that_the_book_requires():
    asked = [one.name for one in wanted("requirements.txt")]
    assert surroundings.NAME.findall(read("requirements.txt")) == asked
    assert surroundings.NAME.findall("# a note\n\na-b>=1,<2\nc==1\n") == ["a-b", "c"]
    assert {"torch", "numpy", "sphinx", "myst-nb", "ipykernel"} <= surroundings._versions(asked).keys()


@pytest.fixture(scope="session")
def tools():
    """The folder of uv and pip-audit."""
    subprocess.run(["make", f"PYTHON={sys.executable}", "_build/tools/.installed"], cwd=ROOT, check=True, capture_output=True)
    return TOOLS / "bin"


def files_missing(tools, lock, python: str, platform: str, folder) -> str:
    """What uv says of a lock that cannot be installed; it downloads nothing."""
    command = [tools / "uv", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--target", folder / "site"]
    command += ["--python-version", python, "--python-platform", platform, "--requirement", lock]
    return subprocess.run(command, capture_output=True, text=True).stderr


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_there_is_a_file_of_every_locked_package_for_every_python_and_platform(tools, tmp_path, python, platform):
    locked = {name: entry for path in INPUTS for name, entry in entries(read(path)).items()}
    kept = [entry for name, entry in locked.items() if "linux" in platform or name not in BUILT]
    (tmp_path / "lock").write_text(f"{CLOSED}\n{''.join(kept)}", "utf-8")
    assert files_missing(tools, tmp_path / "lock", python, platform, tmp_path) == ""


@pytest.mark.slow
@pytest.mark.parametrize("package, python", [("numpy==2.4.6", "3.10"), ("pywin32==308", "3.11")], ids=["python", "platform"])
def test_a_package_without_a_file_is_caught(tools, tmp_path, package, python):
    wrong = tmp_path / "wrong.lock"
    wrong.write_text(f"--only-binary :all:\n{package}\n", "utf-8")
    assert package in files_missing(tools, wrong, python, PLATFORMS[0], tmp_path)


@pytest.mark.slow
def test_make_lock_changes_nothing_as_long_as_the_requirements_stay(tools, tmp_path):
    kept = [*INPUTS, *{file for files in INPUTS.values() for file in files}, "_ext/lock.py"]
    for path in kept:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    subprocess.run([tools / "python", "_ext/lock.py", "--keep"], cwd=tmp_path, check=True)
    assert {path: (tmp_path / path).read_text("utf-8") for path in INPUTS} == {path: read(path) for path in INPUTS}


class Advisories(BaseHTTPRequestHandler):
    """An advisory database that knows of one package, in the format of OSV."""

    vulnerable = ""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package, release = asked["package"], asked["version"]
        affected = {"package": package, "versions": [release], "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}
        found = [{"id": "GHSA-book-test-0000", "summary": "made up", "affected": [affected]}]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"vulns": found} if package["name"] == self.vulnerable else {}).encode())

    def log_message(self, *_):
        """Say nothing."""


@pytest.mark.slow
@pytest.mark.parametrize("vulnerable", ["", "torch", "jinja2", "pytest", "uv"])
def test_an_audit_names_what_is_vulnerable(tools, vulnerable, monkeypatch):
    monkeypatch.setattr(Advisories, "vulnerable", vulnerable)
    with HTTPServer(("127.0.0.1", 0), Advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"AUDIT_OPTIONS=--osv-url http://127.0.0.1:{server.server_port}"
        result = subprocess.run(["make", "audit-python", address], cwd=ROOT, capture_output=True, text=True)
        server.shutdown()
    assert bool(result.returncode) == bool(vulnerable), result.stderr
    assert re.findall(r"^(\S+) +\S+ +GHSA-book-test-0000", result.stdout, re.M) == [vulnerable][: bool(vulnerable)]


@pytest.mark.slow
def test_an_audit_that_cannot_ask_fails(tools):
    """Port 9 is closed: nobody answers."""
    result = subprocess.run(["make", "audit-python", "AUDIT_OPTIONS=--osv-url http://127.0.0.1:9"], cwd=ROOT, capture_output=True)
    assert result.returncode
