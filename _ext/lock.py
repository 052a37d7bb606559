"""The locks: every release that is installed, with the hashes of its files. `make lock` writes them, with uv.

One solution serves all of them, for every platform and Python that the book promises, so that they agree on each release.
torch is no part of it. Its files differ by platform and index, those of its CPU build are on an index of their own, and
the default ones on Linux want gigabytes of CUDA. It is installed by its exact version, in a step of its own; what else it
needs is locked.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

# A bad release is mostly found, and withdrawn, within days. Nobody needs to be among the first to run one.
COOL_DOWN = "7 days"

ROOT = Path(__file__).parents[1]
BOOK, TESTS = Path("requirements.lock"), Path("tests/requirements.lock")
INPUTS = {
    BOOK: ("requirements.txt", "pyproject.toml"),
    TESTS: ("tests/requirements.txt",),
    Path(".binder/requirements.txt"): (".binder/requirements.in", "pyproject.toml"),
    Path("tests/tools/requirements.lock"): ("tests/tools/requirements.txt",),
}
HEADER = """\
# {holds}, each with the hashes of its files.
# Written by `make lock` from {inputs}; not to be edited.
{options}

"""
# Nothing of a package runs while it is installed. Two of the book's have files for Linux only, and are built elsewhere.
CLOSED = "--require-hashes\n--only-binary :all:"
OPTIONS = {BOOK: "--require-hashes"}
ENTRY = re.compile(r"^(?P<name>[a-z0-9-]+)==.*\n(?:    .*\n)*", re.M)
CUDA = re.compile(r"nvidia-.+|cuda-.+|triton")


def entries(lock: str) -> dict[str, str]:
    """The lines of a lock, by the name of the package that they are about.

    >>> entries("# comment\\na==1 \\\\\\n    --hash=sha256:0\\n    # via b\\nb==2\\n")["a"]
    'a==1 \\\\\\n    --hash=sha256:0\\n    # via b\\n'
    """
    return {entry["name"]: entry[0] for entry in ENTRY.finditer(lock)}


def solve(inputs: list[str], prefer: str, leave_out: list[str]) -> str:
    """One lock for all platforms and Pythons.

    Parameters
    ----------
    inputs : files with requirements
    prefer : a lock whose releases are kept where that is possible
    leave_out : names of packages that are not wanted, whoever wants them

    Raises
    ------
    SystemExit
        With what uv says, if no set of releases satisfies the inputs.
    """
    python = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    with tempfile.TemporaryDirectory() as folder:
        lock, excluded = Path(folder, "lock"), Path(folder, "excluded")
        lock.write_text(prefer, "utf-8")
        excluded.write_text("\n".join(leave_out), "utf-8")
        command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", *inputs]
        command += ["--constraint", "requirements.txt", "--output-file", str(lock)]
        command += ["--universal", "--python-version", python.removeprefix(">="), "--fork-strategy", "fewest"]
        command += ["--generate-hashes", "--no-header", "--exclude-newer", COOL_DOWN]
        command += ["--excludes", str(excluded), "--no-emit-package", "torch"]
        if subprocess.run(command, cwd=ROOT).returncode:
            raise SystemExit("No lock was written: uv found no set of releases that satisfies the files above.")
        return lock.read_text("utf-8")


def renew(keep: bool) -> dict[Path, str]:
    """The text of every lock; with `keep`, what is locked stays as long as the requirements allow it."""
    locked = "".join((ROOT / path).read_text("utf-8") for path in INPUTS if keep and (ROOT / path).exists())
    everything = sorted({file for inputs in INPUTS.values() for file in inputs})
    cuda = [name for name in entries(solve(everything, locked, [])) if CUDA.fullmatch(name)]
    solution = solve(everything, locked, cuda)
    locks = {path: entries(solve(list(inputs), solution, cuda)) for path, inputs in INPUTS.items()}
    locks[TESTS] = {name: entry for name, entry in locks[TESTS].items() if name not in locks[BOOK]}
    texts = {}
    for path, lock in locks.items():
        holds = "What the tests need beyond requirements.lock" if path == TESTS else "All packages"
        header = HEADER.format(holds=holds, inputs=" and ".join(INPUTS[path]), options=OPTIONS.get(path, CLOSED))
        texts[path] = header + "".join(lock.values())
    return texts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="change no release that the requirements still allow")
    for path, text in renew(parser.parse_args().keep).items():
        (ROOT / path).write_text(text, "utf-8")
        print(f"{path}: {len(entries(text))} packages")
