"""Questions that ask several things."""

import pytest

from rag.parts import parts_of


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "How long is the reset link valid and how often can I use it?",
            ("How long is the reset link valid?", "how often can I use it? (long reset link valid)"),
        ),
        (
            "What does the hub cost? Is there a discount?",
            ("What does the hub cost?", "Is there a discount? (hub cost)"),
        ),
        (
            "Who may remove a hub; where is the button of the sensor?",
            ("Who may remove a hub?", "where is the button of the sensor?"),
        ),
    ],
)
def test_each_thing_that_is_asked_is_a_question_of_its_own(question: str, parts: tuple[str, ...]) -> None:
    assert parts_of(question) == parts


@pytest.mark.parametrize(
    "question",
    [
        "How do I add and remove people?",
        "What is the difference between a hub and a repeater?",
        "I am the only owner, my phone is gone and I have no recovery codes. How long do I have to wait?",
        "What is it and why?",  # the second asks nothing by itself
        "Is it red and is it blue and is it green and is it black?",  # too many: better searched as a whole
        "password reset",
        "",
    ],
)
def test_what_asks_one_thing_stays_whole(question: str) -> None:
    assert parts_of(question) == (question,)
