"""The metrics are pure, and the questions own the denominator."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics import best_f1, interval, normalised, percentile, says, share, token_f1, without_markers
from eval.ranking import MEASURES, documents_of_passages, score_rankings


def test_invariant_12_a_case_without_a_score_counts_as_zero() -> None:
    assert share({"a": 1.0, "b": 1.0}, ["a", "b", "crashed", "lost"]) == 0.5
    assert share({}, ["a"]) == 0.0
    assert share({}, []) == 0.0


def test_invariant_12_a_query_without_a_ranking_scores_zero() -> None:
    scores = score_rankings({"a": ["d1"]}, {"a": {"d1": 1}, "b": {"d2": 1}})
    for name in MEASURES:
        assert scores[name] == {"a": 1.0, "b": 0.0}
        assert share(scores[name], ["a", "b"]) == 0.5


def test_rankings_are_scored_as_by_hand() -> None:
    scores = score_rankings({"q": ["x", "d1", "y", "d2"]}, {"q": {"d1": 1, "d2": 1}})
    assert scores["mrr@10"]["q"] == 0.5
    assert scores["recall@1"]["q"] == 0.0
    assert scores["recall@3"]["q"] == 0.5
    assert scores["recall@10"]["q"] == 1.0
    assert scores["ndcg@10"]["q"] == pytest.approx((1 / 1.58496 + 1 / 2.32193) / (1 + 1 / 1.58496), abs=1e-4)


def test_documents_rank_by_their_best_passage() -> None:
    assert documents_of_passages([("a", 0.9), ("b", 0.8), ("a", 0.1), ("c", 0.85)]) == ["a", "c", "b"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_the_interval_holds_the_mean(values: list[float]) -> None:
    scores = {str(i): value for i, value in enumerate(values)}
    low, high = interval(scores, list(scores), rounds=400)
    assert 0 <= low <= high <= 1
    assert low - 0.02 <= share(scores, list(scores)) <= high + 0.02


def test_the_interval_is_the_same_every_time() -> None:
    scores = {str(i): float(i % 3 == 0) for i in range(50)}
    assert interval(scores, list(scores)) == interval(scores, list(scores))
    assert interval({}, []) == (0.0, 0.0)


def test_texts_are_compared_as_squad_does() -> None:
    assert normalised("The “Queue-Length”,  an  Example.") == "queue length example"
    assert token_f1("within thirty days", "thirty days") == pytest.approx(0.8)
    assert token_f1("", "x") == 0.0
    assert best_f1("thirty days", ["a week", "30 days", "the thirty days"]) == 1.0
    assert best_f1("anything", []) == 0.0


@pytest.mark.parametrize(
    ("text", "golds", "expected"),
    [
        ("The link is valid for 30 minutes.", ["30 minutes"], True),
        ("The link is valid for 130 minutes.", ["30 minutes"], False),
        ("It is free.", ["30 minutes", "free"], True),
        ("It is free.", [""], False),
        ("It is free.", [], False),
    ],
)
def test_gold_is_said_in_whole_words(text: str, golds: list[str], expected: bool) -> None:
    assert says(text, golds) is expected


def test_long_gold_may_be_said_in_other_words() -> None:
    gold = "Seasonality is when data has regular and predictable changes that recur every calendar year in forecasting"
    assert says("Data with regular, predictable changes that recur every year has seasonality.", [gold])
    assert not says("Rain falls in spring.", [gold])


def test_footnote_numbers_are_no_words() -> None:
    assert without_markers("Open Settings [1]. Choose Security [2][3].") == "Open Settings. Choose Security."


def test_percentiles() -> None:
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert percentile([], 95) == 0.0
