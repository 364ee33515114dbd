"""Times in other units and properties by their nouns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.measures import also_said, answering_numbers, durations, held_numbers, told_with_noun, without_bound
from rag.words import content_stems, numbers


@pytest.mark.parametrize(
    ("one", "other"),
    [("three weeks", "21 days"), ("72 hours", "3 days"), ("two years", "24 months"), ("90 minutes", "1.5 hours")],
)
def test_a_time_is_the_same_in_every_unit(one, other):
    assert durations(one).keys() == durations(other).keys()


def test_a_day_with_a_number_behind_it_is_a_time():
    assert durations("On day 21 it closes.").keys() == durations("three weeks").keys()


def test_a_number_of_the_question_is_held_when_the_text_gives_the_time_in_another_unit():
    assert "3" in held_numbers("open for three weeks", "On day 21 it closes.")
    assert "3" not in held_numbers("open for three weeks", "On day 22 it closes.")
    assert "3" not in held_numbers("three plans", "21 days")


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("Can I return it after three weeks?", "Can I return it?"),
        ("Is my data kept for more than 2 years?", "Is my data kept?"),
        ("Can data older than 90 days be exported?", "Can data be exported?"),
        ("But will it start after a few hours?", "But will it start?"),
        ("How long is it open after 3 weeks?", "How long is it open after 3 weeks?"),
        ("It may be returned within 3 weeks.", "It may be returned within 3 weeks."),
    ],
)
def test_a_question_whether_something_holds_at_a_time_is_asked_without_it(question, rest):
    assert without_bound(question) == rest


def test_any_time_answers_whether_something_holds_at_a_time():
    assert "3" in answering_numbers("Can I return it after three weeks?", "It may be returned within 30 days.")
    assert "3" not in answering_numbers("Can I return it after three weeks?", "It may be returned 5 times.")
    assert "3" not in answering_numbers("What happens after three weeks?", "It may be returned within 30 days.")


@given(st.text(), st.text())
def test_held_numbers_are_those_of_the_text_and_some_of_the_question(asked, text):
    held = held_numbers(asked, text)
    assert numbers(text) <= held <= numbers(text) | {*durations(asked).values()}


def test_a_property_is_asked_with_its_noun_where_the_text_has_only_that():
    held = set(content_stems("Weight | 240 g | 520 g"))
    assert told_with_noun("How heavy is the hub?", held) == "What is the weight of the hub?"
    assert told_with_noun("Please say how heavy are they", held) == "Please say What are the weight of they"
    assert told_with_noun("How heavy is the hub?", held | set(content_stems("heavy"))) == "How heavy is the hub?"
    assert told_with_noun("How heavy is the hub?", set()) == "How heavy is the hub?"
    assert told_with_noun("How often is the hub cleaned?", held) == "How often is the hub cleaned?"


def test_a_document_may_say_it_with_a_noun_or_in_another_unit():
    assert also_said("How heavy is the hub?") == ["weight"]
    assert also_said("What happens after three weeks?") == ["504 hours", "21 days", "3 weeks"]
    assert also_said("What happens after 2 years?") == ["24 months", "8 quarters"]
    assert also_said("Who sells it?") == []
