"""Sentence spans: exact, complete and where a reader would put them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sentences import split_sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Use e.g. a queue, i.e. RabbitMQ. It works.", ["Use e.g. a queue, i.e. RabbitMQ.", "It works."]),
        ("Python 3.11 is needed. Version 4.2.1 too.", ["Python 3.11 is needed.", "Version 4.2.1 too."]),
        ("See fig. 3 and No. 7 of it. Then stop.", ["See fig. 3 and No. 7 of it.", "Then stop."]),
        ("Dr. Smith met J. R. Jones. They spoke.", ["Dr. Smith met J. R. Jones.", "They spoke."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("Open rabbitmq.conf and save. Done.", ["Open rabbitmq.conf and save.", "Done."]),
        (
            "Queues, topics, etc. are kept. More etc. Then other.",
            ["Queues, topics, etc. are kept.", "More etc.", "Then other."],
        ),
        ("Wait... what? Yes.", ["Wait... what?", "Yes."]),
        ("これは文です。次の文。", ["これは文です。", "次の文。"]),
        ("- First item. With two.\n- Second item", ["- First item.", "With two.", "- Second item"]),
        ("1. First step\n2. Second step", ["1. First step", "2. Second step"]),
        ("key | value\na | 1", ["key | value", "a | 1"]),
        ("Heading\n\nText goes on\nover lines.", ["Heading", "Text goes on\nover lines."]),
        ("a line that\nruns on here. Next.", ["a line that\nruns on here.", "Next."]),
        ("", []),
        ("  \n ", []),
    ],
)
def test_examples(text: str, wanted: list[str]) -> None:
    assert split(text) == wanted


@given(st.text(alphabet=st.sampled_from("aB1.!?。 \n-|\"')(…,é"), max_size=200))
def test_spans_are_ordered_trimmed_and_complete(text: str) -> None:
    position = 0
    for start, end in split_sentences(text):
        assert position <= start < end <= len(text)
        assert not text[position:start].strip()
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()


def test_long_text_takes_linear_time() -> None:
    assert len(split_sentences("A sentence here. " * 20_000)) == 20_000
    assert split_sentences("." * 200_000)
