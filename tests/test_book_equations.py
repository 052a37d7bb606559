"""Every printed equation of the book: what its check lets pass, and what it should not refuse."""

from dataclasses import replace

import collect
import pytest
import survey

from utils import mutants
from utils.equations import Check, read_page

LIMIT = 30  # seconds for all equations, in two processes


@pytest.fixture(scope="session")
def trials():
    """The checks of all equations, timed, repeated on other draws, and tried with each visible sign left out."""
    found = survey.everywhere(survey.try_draws_and_signs)
    return {(trial.chapter, trial.label): trial for trial in found}


def test_every_displayed_equation_is_checked_or_an_illustration(trials):
    equations = [equation for page in survey.pages() for equation in read_page(page.read_text("utf-8"), page.stem)]
    missing = [equation for equation in equations if (equation.page, equation.label) not in trials and not equation.reason]
    assert missing == []
    assert sum(bool(equation.reason) for equation in equations) * 10 <= len(equations)


def test_no_equation_of_the_book_is_refused_on_40_other_draws_with_other_sizes(trials):
    assert [trial for trial in trials.values() if trial.false_alarms] == []


@pytest.mark.slow
def test_no_equation_of_the_book_is_refused_on_160_draws_more():
    more = survey.everywhere(survey.try_more_draws)
    assert len(more) > 150 and [trial for trial in more if trial.false_alarms] == []


def test_no_visible_sign_of_any_equation_can_be_left_out_unnoticed(trials):
    assert [trial for trial in trials.values() if trial.unnoticed] == []
    assert all(trial.signs > 2 for trial in trials.values())


def test_all_equations_of_the_book_are_checked_well_within_half_a_minute(trials):
    assert sum(trial.seconds for trial in trials.values()) < LIMIT


def test_a_mistake_that_a_check_does_not_see_is_reported():
    check = Check.of(r"\frac{\partial}{\partial\mathbf x}(\mathbf x^\top\mathbf S\mathbf x) = 2\,\mathbf x^\top\mathbf S",
                     {"x": "n", "S": "n n symmetric"})
    assert mutants.survey(check)["caught"] > 20
    blind = Check.of(r"\mathbf A\mathbf x = \mathbf A\mathbf x + \mathbf y", {"x": "n", "A": "m n", "y": "m"})
    blind = replace(blind, symbols={glyph: replace(symbol, value=symbol.name == "y" and (lambda x, m: x.new_zeros(m)) or None)
                                    for glyph, symbol in blind.symbols.items()})
    with pytest.raises(AssertionError, match="does not see a mistake"):
        mutants.survey(blind)


def test_the_harness_finds_the_cells_of_a_page_and_not_what_it_only_shows():
    page = collect.ROOT / "chapters/write-a-chapter.md"
    assert page.read_text("utf-8").count("```{code-cell}") == 2 * len(collect.cells(page))
