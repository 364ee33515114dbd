"""Operators of a search, and the codes that are found however they are typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.codes import codes
from index.filters import parse_filters
from index.search import Searcher
from index.wording import Wording, read_wording
from tests.index.corpus import Corpus


@pytest.mark.parametrize(
    ("written", "wording"),
    [
        ("how do I reset it?", Wording("how do I reset it?")),
        ('what does "disk full" mean?', Wording("what does disk full mean?", ("disk full",))),
        ("queue “time to live”", Wording("queue time to live", ("time to live",))),
        ('queue -rabbit -"time to live"', Wording("queue", (), ("rabbit", "time to live"))),
        ("title:rout password", Wording("password", (), (), ("rout",))),
        ('TITLE:"Heron lamp"', Wording("Heron lamp", (), (), ("Heron lamp",))),
        ("well-known a-b x -", Wording("well-known a-b x -")),
        ('a 5" screen "', Wording('a 5" screen "')),
        ("subtitle:x", Wording("subtitle:x")),
        ("", Wording("")),
    ],
)
def test_operators_are_read_and_nothing_else(written: str, wording: Wording) -> None:
    assert read_wording(written) == wording


@given(st.text(max_size=60))
def test_any_text_can_be_written(written: str) -> None:
    read_wording(written)
    codes(written)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Error E-1042, e_1042 and E1042.", ["e1042"] * 3),
        ("part MD-2014/B", ["md2014b"]),
        ("v3.12.1 3.12.1 V3.12", ["3.12.1", "3.12.1", "3.12"]),
        ("the 19th of 1990s, 20km and 3.5 %", []),
        ("since 2024-01-31 or 2024/01/31", ["2024-01-31", "2024-01-31"]),
        ("1042 apples, no code", []),
        ("0x80070005 KB5034441", ["0x80070005", "kb5034441"]),
        ("x1" * 40, []),
        ("no-code e-1042,and/or\tV2.0.1;e²-7", ["e1042", "2.0.1", "e²7"]),
    ],
)
def test_codes_have_one_form(text: str, found: list[str]) -> None:
    assert codes(text) == found


TEXTS = {
    "a.txt": "Error E-1042: the disk is full.",
    "b.txt": "Error E-1043: the disk broke.",
    "c.txt": "The full disk of a cookie jar.",
    "d.txt": "Cookies live in a disk cache.",
    "lamp guide.txt": "The lamp MD-2014 has a disk.",
}


@pytest.fixture
def filled(corpus: Corpus) -> Corpus:
    for name, text in TEXTS.items():
        corpus.put(name, text)
    return corpus


def names(searcher: Searcher, corpus: Corpus, query: str, **more: object) -> list[str]:
    result = searcher.search(query, collections=[corpus.collection], operators=True, **more)  # type: ignore[arg-type]
    return list(dict.fromkeys(passage.name for passage in result.passages))


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
@pytest.mark.parametrize("exact", [False, True])
def test_phrases_must_be_there_and_excluded_words_must_not(
    filled: Corpus, searcher: Searcher, mode: str, exact: bool
) -> None:
    def found(query: str) -> set[str]:
        return set(names(searcher, filled, query, mode=mode, exact=exact))

    assert found('"disk is full"') == {"a.txt"}
    assert found('error "the disk"') == {"a.txt", "b.txt"}
    assert found('"the disk" -E1042') == {"b.txt"}
    assert found("disk -cookie") == {"a.txt", "b.txt", "lamp guide.txt"}, "a word is excluded in each of its forms"
    assert found('disk -"full disk"') == {"a.txt", "b.txt", "d.txt", "lamp guide.txt"}
    assert found("disk title:gui") == {"lamp guide.txt"}
    assert found("disk title:uide") == set()


def test_a_phrase_that_nothing_holds_is_told_and_its_words_count(filled: Corpus, searcher: Searcher) -> None:
    result = searcher.search('"broken disk drive"', collections=[filled.collection], operators=True)
    assert result.relaxed == ("broken disk drive",)
    assert len(result.passages) > 0
    narrowed = parse_filters({"name": "c.txt"})
    result = searcher.search('"disk is full"', collections=[filled.collection], operators=True, filters=narrowed)
    assert result.relaxed == ("disk is full",), "a phrase elsewhere is no phrase here"
    assert {passage.name for passage in result.passages} == {"c.txt"}


@pytest.mark.parametrize("query", ["what is e1042", "E_1042?", "error e-1042"])
def test_codes_are_found_however_they_are_typed(filled: Corpus, searcher: Searcher, query: str) -> None:
    assert names(searcher, filled, query, mode="lexical")[0] == "a.txt"
    assert names(searcher, filled, "md 2014 MD2014")[0] == "lamp guide.txt"


def test_asking_reads_no_operators(filled: Corpus, searcher: Searcher) -> None:
    result = searcher.search("disk -cookie", collections=[filled.collection])
    assert {passage.name for passage in result.passages} == set(TEXTS)


def test_a_document_gives_no_more_passages_than_allowed(corpus: Corpus, searcher: Searcher) -> None:
    corpus.put("long.txt", "queue limit error message " * 12)
    corpus.put("short.txt", "a queue somewhere else")
    result = searcher.search("queue limit error", collections=[corpus.collection], k=5, per_document=2)
    assert [passage.name for passage in result.passages].count("long.txt") == 2
    assert "short.txt" in {passage.name for passage in result.passages}
    dropped = [drop for drop in result.dropped if drop.reason == "same_document"]
    assert dropped
    assert all(drop.score >= 0 and "fused" in drop.stages for drop in dropped)
