"""Opposites and the features made of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.contradiction import contradiction_features
from rag.opposites import alike, opposites
from rag.words import stem

PREMISES = [
    "The reset link is valid for 30 minutes after it was sent.",
    "Owners may enable two-step verification for everybody; it cannot be turned off by members.",
    "Monthly plans are charged on the first day, yearly plans include support on Monday.",
]


@pytest.mark.parametrize(
    "word", ["increase", "before", "must", "friday", "usable", "unusable", "monthly", "shut", "light"]
)
def test_opposites_are_mutual_and_never_alike(word):
    found = opposites(stem(word))
    assert all(stem(word) in opposites(other) for other in found)
    assert not found & alike(stem(word))
    assert stem(word) not in found


@pytest.mark.parametrize(("one", "other"), [("increase", "decrease"), ("Monday", "Sunday"), ("usable", "unusable")])
def test_words_that_contradict_each_other(one, other):
    assert stem(other.lower()) in opposites(stem(one.lower()))


def test_a_unit_is_not_the_opposite_of_it():
    assert "it" not in opposites("unit")


@pytest.mark.parametrize("premise", PREMISES)
def test_what_stands_there_contradicts_nothing(premise):
    assert set(contradiction_features(premise, PREMISES).values()) == {0.0}


@pytest.mark.parametrize(
    ("claim", "feature"),
    [
        ("Owners may disable two-step verification for everybody.", "opposed"),
        ("Yearly plans exclude support on Monday.", "opposed"),
        ("Yearly plans include support on Friday.", "opposed_anywhere"),
        ("The reset link is not valid for 30 minutes after it was sent.", "denied"),
        ("Yearly plans always include support on Monday.", "absolute"),
        ("The reset link is valid for 45 minutes after it was sent.", "numbers_wrong"),
    ],
)
def test_a_claim_turned_round_is_seen(claim, feature):
    assert contradiction_features(claim, PREMISES)[feature] > 0.5


@pytest.mark.parametrize(
    "claim",
    [
        "The link works for half an hour, which is 30 minutes.",
        "Owners can permit two-step verification for everybody.",  # another word of the same side
        "Members cannot turn it off.",
    ],
)
def test_other_words_of_the_same_meaning_are_no_contradiction(claim):
    found = contradiction_features(claim, PREMISES)
    assert found["opposed"] == found["denied"] == found["numbers_wrong"] == 0.0


def test_what_the_question_says_counts_for_none():
    claim, question = "Within 45 minutes you can disable it.", "Can I disable it within 45 minutes?"
    assert contradiction_features(claim, PREMISES)["numbers_wrong"] == 1.0
    assert contradiction_features(claim, PREMISES, question)["numbers_wrong"] == 0.0


@given(st.text(max_size=80), st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_any_text_has_features_between_nothing_and_two(claim, premises):
    assert all(0.0 <= value <= 2.0 for value in contradiction_features(claim, premises).values())
