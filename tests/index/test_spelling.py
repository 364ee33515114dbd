"""Mistyped words: what one slip is, what is left alone, and that nobody learns words of what they may not read."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from index.search import Searcher
from index.spelling import MOST_WORDS, corrected, is_one_slip
from tests.fakes import HashEmbedder
from tests.index.corpus import Corpus

WORD = st.text("abcde", min_size=5, max_size=9)
KNOWN = ["password", "deliver", "android", "refund", "blinking"]


class Speller(HashEmbedder):
    """Has a vocabulary of whole words; all others come in two pieces."""

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))] if text in {"trial", "order"} else [(0, 1), (1, len(text))]


def put_right(text: str, known: Sequence[str] = KNOWN) -> str:
    return corrected(text, known.__contains__, lambda letters: [word for word in known if word.startswith(letters)])


@pytest.mark.parametrize("slip", ["pasword", "passwword", "passwird", "passwrod", "Pasword"])
def test_one_slip_is_put_right(slip: str) -> None:
    assert put_right(f"my {slip}?") == "my password?"


@pytest.mark.parametrize("text", ["", "my password", "pass", "pasord", "MD-4013", "12345", "assword", "refun"])
def test_everything_else_stays(text: str) -> None:
    assert put_right(text, ["password", "deliver"]) == text


def test_a_question_in_another_language_is_not_rewritten() -> None:
    slips = " ".join(["pasword"] * (MOST_WORDS + 2))
    assert put_right(slips).split() == ["password"] * MOST_WORDS + ["pasword"] * 2


@given(WORD, st.data())
def test_a_slip_is_one_letter_or_two_neighbours(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 2))
    made = {
        word[:at] + word[at + 1 :],
        word[:at] + "x" + word[at:],
        word[:at] + "x" + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    } - {word}
    assert all(is_one_slip(word, other) and is_one_slip(other, word) for other in made)
    assert not is_one_slip(word, word)


@given(WORD, WORD)
def test_what_is_further_apart_is_no_slip(one: str, other: str) -> None:
    counts = sum(abs(one.count(letter) - other.count(letter)) for letter in "abcde")
    assume(counts > 2)
    assert not is_one_slip(one, other)


def test_the_words_come_from_the_documents_that_are_asked(corpus: Corpus) -> None:
    other = corpus.catalog.create_collection("secret").id
    corpus.put("a.txt", "The password of the console. A trail of logs.")
    corpus.put("b.txt", "Project zeppelin is secret.", collection=other)
    searcher = Searcher(corpus.database, corpus.catalog, Speller(), corpus.views)
    try:
        searcher.refresh()
        mine, all_of_them = [corpus.collection], [corpus.collection, other]
        assert searcher.spelled("reset my pasword", collections=mine) == "reset my password"
        assert searcher.spelled("what is zepelin", collections=mine) == "what is zepelin"
        assert searcher.spelled("what is zepelin", collections=all_of_them) == "what is zeppelin"
        assert searcher.spelled("how long is the trial", collections=mine) == "how long is the trial"
    finally:
        searcher.close()


def test_words_are_counted_in_the_documents_that_are_asked(corpus: Corpus, searcher: Searcher) -> None:
    other = corpus.catalog.create_collection("other").id
    corpus.put("a.txt", "The hubs are here.")
    corpus.put("b.txt", "A hub is there, with a sensor.")
    corpus.put("c.txt", "A hub elsewhere.", collection=other)
    searcher.refresh()
    assert searcher.counts(["hub", "sensor", "zoo"], collections=[corpus.collection]) == ([2, 1, 0], 2)
    assert searcher.counts([], collections=[corpus.collection, other]) == ([], 3)
