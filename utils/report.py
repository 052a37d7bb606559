"""What a check found, and how it shows itself: a line or a small table, in a notebook and in a terminal."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

__all__ = ["ClaimReport", "GradientMismatch", "Report", "number_text"]

Verdict = Literal["right", "wrong", "not judged", "not answered"]
MARKS = {"right": "✓", "wrong": "✗", "not judged": "–", "not answered": "…"}


class GradientMismatch(AssertionError):
    """A claimed gradient is wrong. The message says where, what was expected and what came."""


@dataclass(frozen=True)
class ClaimReport:
    """The verdict on one claim.

    quantity : what is claimed, "gradient by W" or "Jacobian by W"
    shape : of the claim; None where it speaks of several
    verdict : "right", "wrong" or "not judged"; in an exercise also "not answered"
    finding : one sentence
    worst_error : the largest difference between claim and reference, over the reference's largest entry
    entry, expected, got : of the first wrong entry, where there is one
    mistake : its short name, "transposed", where it is certain
    """

    quantity: str
    shape: tuple[int, ...] | None
    verdict: Verdict
    finding: str
    worst_error: float | None = None
    entry: tuple[int, ...] | None = None
    expected: float | None = None
    got: float | None = None
    mistake: str | None = None


@dataclass(frozen=True)
class Report:
    """The verdicts on all claims of one check; ``ok`` where every one is right.

    >>> Report((ClaimReport("gradient by x", (3,), "right", "agrees with autograd", 2e-16),), ())
    ✓ gradient by x (3,): agrees with autograd
    """

    claims: tuple[ClaimReport, ...]
    known: tuple[str, ...] = ()
    later: Callable[[], Sequence[str]] = tuple

    @functools.cached_property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the check as a whole; what the inputs hide is found out when it is first asked for."""
        return (*self.known, *self.later())

    @property
    def ok(self) -> bool:
        return bool(self.claims) and all(claim.verdict == "right" for claim in self.claims)

    def __repr__(self) -> str:
        lines = [f"{MARKS[claim.verdict]} {claim.quantity}{_shape(claim)}: {claim.finding}" for claim in self.claims]
        return "\n".join(lines + [f"  {note}" for note in self.notes])

    def _repr_html_(self) -> str:
        notes = "".join(f'<p class="mc-note">{escape(note)}</p>' for note in self.notes)
        if len(self.claims) == 1:
            return f'<div class="mc-report"><p>{_line(self.claims[0])}</p>{notes}</div>'
        rows = "".join(
            f'<tr class="mc-{claim.verdict.replace(" ", "-")}"><td>{_mark(claim)}</td>'
            f"<th scope='row'>{escape(claim.quantity)}</th><td>{_shape(claim)}</td><td>{escape(claim.finding)}</td></tr>"
            for claim in self.claims)
        head = "<tr><th scope='col'>Verdict</th><th scope='col'>Claim</th><th scope='col'>Shape</th>" \
               "<th scope='col'>Finding</th></tr>"
        return f'<div class="mc-report"><table><thead>{head}</thead><tbody>{rows}</tbody></table>{notes}</div>'


def _line(claim: ClaimReport) -> str:
    return (f'<span class="mc-{claim.verdict.replace(" ", "-")}">{_mark(claim)} {escape(claim.quantity)}</span>'
            f"{_shape(claim)}: {escape(claim.finding)}")


def _shape(claim: ClaimReport) -> str:
    return "" if claim.shape is None else f" {claim.shape}"


def _mark(claim: ClaimReport) -> str:
    return f'<span role="img" aria-label="{claim.verdict}">{MARKS[claim.verdict]}</span>'


def number_text(value: float, other: float) -> str:
    """A number in as few digits as tell it from another one.

    >>> number_text(1.0, 1.000001)
    '1'
    >>> number_text(1.000001, 1.0)
    '1.000001'
    """
    value = value or 0.0  # without the sign of −0
    for digits in range(4, 18):
        if f"{value:.{digits}g}" != f"{other:.{digits}g}":
            break
    return f"{value:.{digits}g}"
