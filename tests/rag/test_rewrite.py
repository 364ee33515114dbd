"""Follow-up questions made whole from the questions before them."""

import pytest

from rag.rewrite import background, needs_context, rewrite

EARLIER = ["How do I set a message TTL on a queue?"]


def test_the_first_question_stays_as_it_is():
    assert rewrite("  What about\n that? ", []) == "What about that?"


@pytest.mark.parametrize(
    ("question", "rewritten"),
    [
        ("And on a quorum queue?", "And on a quorum queue? (set message TTL)"),
        ("What about streams?", "What about streams? (set message TTL queue)"),
        ("Why?", "Why? (set message TTL queue)"),
        ("Does it survive a restart?", "Does it survive a restart? (set message TTL queue)"),
    ],
)
def test_a_follow_up_carries_what_it_lacks(question, rewritten):
    assert rewrite(question, EARLIER) == rewritten


@pytest.mark.parametrize(
    "question",
    [
        "How do I reset my password if I lost it?",
        "Which plan includes single sign-on?",
        "How many nodes should there be in a cluster?",
        "What happens to messages that expire?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question):
    assert not needs_context(question)
    assert rewrite(question, EARLIER) == question


def test_what_was_carried_is_carried_on():
    once = rewrite("And on a quorum queue?", EARLIER)
    assert "TTL" in rewrite("Does it survive a restart?", [*EARLIER, once])


def test_earlier_questions_count_the_less_the_older_they_are():
    assert background([]) == ()
    assert [text for text, _ in background(["queues", "limits", "disks"])] == ["queues", "limits", "disks"]
    weights = [weight for _, weight in background([str(n) for n in range(9)])]
    assert len(weights) == 6
    assert weights == sorted(weights)
    assert weights[-1] < 1


def test_small_words_of_earlier_questions_do_not_count() -> None:
    (remembered,) = background(["And what is the limit of a quorum queue?", "And what is it?"])[:1]
    assert remembered[0] == "limit quorum queue"
    assert background(["What is it?"]) == ()
