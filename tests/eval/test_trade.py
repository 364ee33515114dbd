"""What thresholds trade: on made-up scores."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from eval.datasets import Case
from eval.documents import trade_page
from eval.scoring import Score
from eval.trade import lowest_that_declines, trade, trade_at

SCORE = Score("", "quoted", False, False, False, 0.0, (), 1, True, True, 5, 0.1, 0.5, "text", "")


def case(name: str, *, answerable: bool) -> Case:
    return Case(name, "q?", "answerable" if answerable else "unanswerable", answers=("a",))


CASES = (case("good", answerable=True), case("bad", answerable=True), case("trap", answerable=False))
SCORES = {
    "good": replace(SCORE, right=True, evidence=0.8),
    "bad": replace(SCORE, evidence=0.5),
    "trap": replace(SCORE, evidence=0.3),
}


def test_shares_at_thresholds() -> None:
    always, middle, never = (trade_at(CASES, SCORES, threshold) for threshold in (0.0, 0.4, 0.9))
    assert (always.answered, always.answered_right, always.declined, always.wrong) == (1.0, 0.5, 0.0, 2 / 3)
    assert (middle.answered, middle.answered_right, middle.declined, middle.wrong) == (1.0, 0.5, 1.0, 1 / 3)
    assert (never.answered, never.answered_right, never.declined, never.wrong) == (0.0, 0.0, 1.0, 0.0)
    assert middle.balance == 0.75


def test_the_lowest_threshold_that_declines_enough() -> None:
    found = lowest_that_declines(CASES, SCORES, 0.95)
    assert found is not None
    assert 0.3 < found.threshold < 0.5
    assert lowest_that_declines(CASES, {**SCORES, "trap": replace(SCORE, outcome="crashed")}, 0.95) is None


def test_a_crashed_or_missing_case_is_neither_answered_nor_declined() -> None:
    crashed = {"good": replace(SCORES["good"], outcome="crashed"), "trap": replace(SCORE, outcome="crashed")}
    found = trade_at(CASES, crashed, 0.0)
    assert (found.answered, found.declined, found.wrong) == (0.0, 0.0, 0.0)


def test_the_page_draws_a_curve_and_loads_nothing() -> None:
    page = trade_page("<b>week</b>", trade(CASES, SCORES), 0.28)
    assert page.count("<polyline") == 3
    assert "&lt;b&gt;week" in page
    assert "http" not in page


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 1)), min_size=1, max_size=12))
def test_a_higher_threshold_never_answers_more(given_cases: list[tuple[bool, bool, float]]) -> None:
    cases = [case(str(n), answerable=answerable) for n, (answerable, _, _) in enumerate(given_cases)]
    scores = {
        str(n): replace(SCORE, right=right and answerable, evidence=evidence)
        for n, (answerable, right, evidence) in enumerate(given_cases)
    }
    for lower, higher in pairwise(trade(cases, scores)):
        assert lower.answered >= higher.answered
        assert lower.answered_right >= higher.answered_right
        assert lower.declined <= higher.declined
        assert lower.wrong >= higher.wrong
