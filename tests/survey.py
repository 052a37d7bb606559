"""Try the checks of all equations of the book: on mistakes, on every sign left out, and on many other draws.

Run by itself (``make mutants``) it prints a line for each equation: how many mistakes were tried, how many the check
caught, how many say the same as sympy proves. It ends with 1 if a mistake passes.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))  # the utils that stand beside the chapters

import collect
import torch

from utils import mutants
from utils.equations import read_page

DRAWS, MORE_DRAWS = 40, 160


@dataclass
class Trial:
    """What became of one equation's check."""

    chapter: str
    label: str
    seconds: float = 0.0                                       # of the check itself
    tried: int = 0
    equal: list[str] = field(default_factory=list)             # changed, and proved to say the same
    passed: list[str] = field(default_factory=list)            # changed, wrong, and not noticed
    signs: int = 0
    unnoticed: list[str] = field(default_factory=list)         # signs that can be left out
    false_alarms: list[str] = field(default_factory=list)


def pages() -> list[Path]:
    """The pages with displayed equations, the longest first, so that two processes end together."""
    found = [path for path in (collect.ROOT / "chapters").glob("*.md") if read_page(path.read_text("utf-8"), path.stem)]
    return sorted(found, key=lambda path: -path.stat().st_size)


def try_mistakes(page: Path) -> list[Trial]:
    """Try every check of a page on the mistakes of ``utils.mutants``."""
    trials = []
    for label, check in collect.checks(page).items():
        trial = Trial(page.stem, label)
        for mutant in mutants.mutants(check):
            trial.tried += 1
            if mutants.passes(check, mutant, 3):
                (trial.equal if mutants.is_equal(check, mutant) else trial.passed).append(_line(mutant))
        trials.append(trial)
    return trials


def try_draws_and_signs(page: Path) -> list[Trial]:
    """Time every check of a page, repeat it on other draws, and leave out each visible sign."""
    trials = []
    for label, check in collect.checks(page).items():
        trial = Trial(page.stem, label)
        start = time.perf_counter()
        check.compare()
        check.exact()
        trial.seconds = time.perf_counter() - start
        outcome = check.compare(DRAWS, begin=3, audit=False)
        if not outcome.ok:
            trial.false_alarms.append(outcome.finding)
        for mutant in mutants.deletions(check):
            trial.signs += 1
            if mutants.passes(check, mutant, 3) and not mutants.is_equal(check, mutant):
                trial.unnoticed.append(_line(mutant))
        trials.append(trial)
    return trials


def try_more_draws(page: Path) -> list[Trial]:
    """Repeat every check of a page on draws that ``try_draws_and_signs`` leaves out."""
    outcomes = {label: check.compare(MORE_DRAWS, begin=3 + DRAWS, audit=False) for label, check in collect.checks(page).items()}
    return [Trial(page.stem, label, false_alarms=[] if outcome.ok else [outcome.finding]) for label, outcome in outcomes.items()]


def everywhere(work) -> list[Trial]:
    """Do a work on all pages, in two processes; torch gets one thread in each."""
    # Fresh processes, for which a warning of a package is no error, as it is none in a kernel.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return [trial for trials in pool.map(work, pages()) for trial in trials]


def _line(mutant: mutants.Mutant) -> str:
    return f"{mutant.kind}: {' '.join(mutant.tex.split())}"


def main() -> int:
    trials = everywhere(try_mistakes)
    print(f"{'chapter':22} {'equation':48} tried caught equal passed")
    for trial in trials:
        caught = trial.tried - len(trial.equal) - len(trial.passed)
        print(f"{trial.chapter:22} {trial.label:48} {trial.tried:5} {caught:6} {len(trial.equal):5} {len(trial.passed):6}")
        for line in trial.passed:
            print(f"    not noticed: {line}")
    tried, equal, passed = (sum(counts) for counts in zip(*((t.tried, len(t.equal), len(t.passed)) for t in trials)))
    print(f"{len(trials)} equations: {tried} changes tried, {tried - equal - passed} caught, {equal} proved to say the same, "
          f"{passed} not noticed")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
