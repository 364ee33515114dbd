"""Find the passages for a question and number them as sources. Knows no sentences, no prompts, no models."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol
from urllib.parse import quote as url_quote

from index.filters import Filters
from index.passage import Dropped, Passage, SearchResult
from rag.events import Source
from rag.measures import also_said
from rag.questions import asked_words
from rag.synonyms import words_for_phrases


class PassageSearch(Protocol):
    """What retrieval needs of `index.search.Searcher`."""

    def search(
        self,
        query: str,
        *,
        collections: Sequence[str],
        k: int = 10,
        filters: Filters | None = None,
        background: Sequence[tuple[str, float]] = (),
    ) -> SearchResult: ...

    def spelled(self, text: str, *, collections: Sequence[str], filters: Filters | None = None) -> str:
        """The text with mistyped words put right."""
        ...

    def counts(
        self, words: Sequence[str], *, collections: Sequence[str], filters: Filters | None = None
    ) -> tuple[list[int], int]:
        """How many passages hold each word, and how many there are."""
        ...


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Passages, best first; `sources[i]` is `passages[i]` with the number i + 1."""

    passages: tuple[Passage, ...]
    sources: tuple[Source, ...]
    dropped: tuple[Dropped, ...]
    applied_seq: int
    ms: Mapping[str, float]
    subjects: tuple[float, ...] = ()  # of each question, 0..1: how much the collections speak of what it is about


def retrieve(
    search: PassageSearch,
    questions: Sequence[str],
    collections: Sequence[str],
    k: int,
    filters: Filters | None = None,
    background: Sequence[tuple[str, float]] = (),
) -> Retrieved:
    """The k best passages of these collections; of several questions in turn the best of each. Raises BadFilter.

    `background` are earlier texts and what their words count beside those of the questions.
    """
    results = [
        search.search(searched(text), collections=collections, k=k, filters=filters, background=background)
        for text in questions
    ]
    result = results[0] if len(results) == 1 else merged(results, k)
    return Retrieved(
        result.passages,
        tuple(source_of(n, passage) for n, passage in enumerate(result.passages, start=1)),
        result.dropped,
        result.applied_seq,
        result.ms,
        tuple(_subject(search, text, collections, filters) for text in questions),
    )


def _subject(search: PassageSearch, question: str, collections: Sequence[str], filters: Filters | None) -> float:
    """How much the collections speak of the word of the question that they speak of most: the share of passages that
    hold it, as logarithms. `hub` has most of it where hubs are sold, `card` little where a page says how to pay."""
    counts, of_all = search.counts(asked_words(question), collections=collections, filters=filters)
    return math.log1p(max(counts, default=0)) / math.log1p(of_all) if of_all else 0.0


def searched(question: str) -> str:
    """The question with what documents may say instead of its words."""
    also = also_said(question) + words_for_phrases(question)
    return f"{question} ({'; '.join(also)})" if also else question


def merged(results: Sequence[SearchResult], k: int) -> SearchResult:
    """One result of several: the best of each in turn, every passage once, at most k."""
    passages: dict[int, Passage] = {}
    for row in zip_longest(*(result.passages for result in results)):
        for passage in row:
            if passage is not None:
                passages.setdefault(passage.chunk, passage)
    kept = list(passages.values())
    beyond = [Dropped(passage.chunk, "beyond_k", passage.score, passage.stages) for passage in kept[k:]]
    ms: Counter[str] = Counter()
    for result in results:
        ms.update(result.ms)
    return SearchResult(
        tuple(kept[:k]),
        (*(item for result in results for item in result.dropped), *beyond),
        min(result.applied_seq for result in results),
        dict(ms),
    )


def source_of(n: int, passage: Passage) -> Source:
    """The passage under its number."""
    return Source(
        n=n,
        document=passage.document,
        version=passage.version,
        title=passage.title or passage.name,
        page=passage.page,
        heading=passage.heading,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        score=passage.score,
        url=source_url(passage.document, passage.start, passage.end),
        line=passage.line,
        recognised=passage.recognised,
    )


def source_url(document: str, start: int, end: int) -> str:
    """Where the page shows this span of the document, relative to the server."""
    return f"/documents/{url_quote(document, safe='')}?start={start}&end={end}"
