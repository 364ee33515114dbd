"""Words that may stand for each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.synonyms import alike, told_with_held, words_for_phrases
from rag.words import stem

WORDS = st.sampled_from(["bill", "invoice", "faulty", "bought", "refund", "hub", "What", "the", "MD-4013", "?"])


@pytest.mark.parametrize(
    ("one", "other"), [("bill", "invoice"), ("broken", "faulty"), ("bought", "buy"), ("max", "maximum")]
)
def test_words_of_one_meaning_are_alike_both_ways(one, other):
    assert stem(other) in alike(stem(one))
    assert stem(one) in alike(stem(other))


def test_no_word_is_alike_to_itself_and_unknown_words_to_nothing():
    assert all(own not in alike(own) for own in map(stem, ("bill", "refund", "bought", "limit")))
    assert alike("zeppelin") == frozenset()


@pytest.mark.parametrize(
    ("question", "held", "told"),
    [
        ("When is our bill due?", {"invoic"}, "When is our invoice due?"),
        ("When is our bill due?", {"invoic", "bill"}, "When is our bill due?"),
        ("When is our bill due?", {"hub"}, "When is our bill due?"),
        ("Who is Bill?", {"invoic"}, "Who is Bill?"),
        ("Can I give a hub back?", {"return"}, "Can I return a hub?"),
        ("Can I give a hub back?", {"hub"}, "Can I give a hub back?"),
        ("How do we get rid of a sensor?", {"remov"}, "How do we remove a sensor?"),
        ("I want my money back.", {"refund"}, "I want a refund."),
        ("Is a broken device replaced?", {"faulty", "unit"}, "Is a faulty unit replaced?"),
    ],
)
def test_a_word_that_is_not_held_is_told_by_one_that_is(question, held, told):
    assert told_with_held(question, held) == told


@given(st.lists(WORDS, max_size=8), st.sets(st.sampled_from(["invoic", "fault", "buy", "repay"])))
def test_a_question_told_in_held_words_is_not_changed_again(question, held):
    once = told_with_held(" ".join(question), held)
    assert told_with_held(once, held) == once
    assert len(once.split()) == len(question)


def test_the_search_hears_one_word_for_a_phrase():
    assert words_for_phrases("May I send it back, and turn the light off?") == ["return", "disable"]
    assert words_for_phrases("Is the hub back?") == []
