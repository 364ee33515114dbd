import pytest

from rag.words import content_stems, has_negation, names, numbers, share, stem, words


def test_words_are_lower_case_and_joined_words_stay_whole():
    assert words("Set x-max-length on C++ 3.12, don’t wait") == [
        "set",
        "x-max-length",
        "on",
        "c++",
        "3.12",
        "don't",
        "wait",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("queues", "queue"),
        ("policies", "policy"),
        ("stopped", "stop"),
        ("configuration", "configure"),
        ("resetting", "reset"),
    ],
)
def test_forms_of_one_word_have_one_stem(one, other):
    assert stem(one) == stem(other)


def test_stems_are_never_empty():
    assert all(stem(word) for word in ["s", "es", "ing", "class", "'s", "being", "ss"])


def test_content_stems_drop_stop_words_and_count_parts():
    assert content_stems("How do I set the x-message-ttl?") == ["set", "x-message-ttl", "messag", "ttl"]


def test_numbers_have_one_form():
    assert numbers("1,000 tries in seven days, 3.50 each, on port 05672") == {"1000", "7", "3.5", "5672"}


def test_names_leave_out_sentence_beginnings():
    assert names("The hub speaks MQTT. Ask Merrow Support.") == {stem("mqtt"), "merrow", "support"}


def test_negation():
    assert has_negation("It can't be undone")
    assert not has_negation("It can be undone")


def test_share_of_nothing_is_all():
    assert share([], ["a"]) == 1.0
    assert share(["a", "b"], ["b"]) == 0.5
