"""One question's way: scope, both views, fusion, and the last look at SQL that decides. Knows no follower, no wording.

Views may lag or be wrong: every passage is read from SQL after the views have spoken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.clock import Clock
from index.database import Database
from index.embedder import Embedder
from index.exact import best_first
from index.filters import Filters
from index.follow import read_vectors
from index.fusion import fuse, single
from index.passage import SearchMode, SearchResult
from index.passing import Passing
from index.recheck import Wanted, cosines, recheck, wanted
from index.rerank import Reranker, reranked
from index.views import Moment, Views

DEPTH = 200  # candidates that each view gives, at least
DEPTH_PER_PASSAGE = 4
RESCORED = 50  # candidates of a compressed view, at least, that the stored vectors put in order

Ranking = list[tuple[int, float]]  # (chunk, score), best first


@dataclass(frozen=True, slots=True)
class Serving:
    """An embedder and the views of its vectors: what one question uses throughout."""

    embedder: Embedder
    views: Views

    @property
    def stamp(self) -> str:
        return self.embedder.stamp.key


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for. `vector` (d,) is None when words alone count."""

    text: str
    serving: Serving
    vector: NDArray[np.float32] | None
    collections: Sequence[str]
    k: int
    filters: Filters
    mode: SearchMode
    exact: bool
    per_document: int | None
    phrases: tuple[str, ...]
    without: tuple[str, ...]
    background: Sequence[tuple[str, float]]

    @property
    def depth(self) -> int:
        return max(DEPTH, DEPTH_PER_PASSAGE * self.k)


class Asking:
    """Answers questions over one database. Thread-safe. The reranker, if any, stays the caller's to close."""

    def __init__(self, database: Database, passing: Passing, reranker: Reranker | None) -> None:
        self._database = database
        self._passing = passing
        self._reranker = reranker

    def answer(self, question: Question, clock: Clock) -> SearchResult:
        """Passages, what was dropped and how long each stage took. Raises NoSuchCollection, EmbedderMismatch."""
        views = question.serving.views
        moment = views.moment or views.catch_up()
        stamp = None if question.vector is None else question.serving.stamp
        with self._database.read() as session:
            sought = wanted(session, question.collections, question.filters, stamp, self._passing)
        sought, relaxed = _worded(question, sought, moment)
        clock.lap("scope")
        dense, lexical = Ranking(), Ranking()
        if question.vector is not None:
            dense = self._dense(question, question.vector, sought, moment)
            clock.lap("dense")
        if question.mode != "dense":
            asked = question.text, question.depth, sought.scope, question.background
            lexical = _ranking(*moment.lexical.search(*asked))
            clock.lap("lexical")
        candidates = fuse(dense, lexical) if question.mode == "hybrid" else single(question.mode, dense or lexical)
        clock.lap("fuse")
        reranker = self._reranker
        most = question.k if reranker is None else max(question.k, reranker.candidates)
        with self._database.read() as session:
            passages, dropped = recheck(
                session, question.serving.stamp, sought, candidates, most, question.vector, question.per_document
            )
        clock.lap("recheck")
        if reranker is not None:
            passages, beyond = reranked(reranker, question.text, passages, question.k)
            dropped = [*dropped, *beyond]
            clock.lap("rerank")
        return SearchResult(tuple(passages), tuple(dropped), moment.applied_seq, clock.ms(), relaxed)

    def _dense(self, question: Question, vector: NDArray[np.float32], sought: Wanted, moment: Moment) -> Ranking:
        if question.exact:
            return self._scan(question, vector, sought)
        if moment.dense.exact:
            return _ranking(*moment.dense.search(vector, question.depth, sought.scope))
        # Compressed scores are nearly right; the stored vectors put those in order that may be among the first.
        scores, chunks = moment.dense.search(vector, 2 * question.depth, sought.scope)
        first = max(RESCORED, 2 * question.k)
        with self._database.read() as session:
            true = cosines(session, question.serving.stamp, chunks[:first].tolist(), vector)
        names = np.concatenate([np.array(list(true), np.int64), chunks[first:]])
        scores = np.concatenate([np.array(list(true.values()), np.float32), scores[first:]])
        best = best_first(scores, names, question.depth)
        return _ranking(scores[best], names[best])

    def _scan(self, question: Question, vector: NDArray[np.float32], sought: Wanted) -> Ranking:
        """Brute force over the vectors in SQL: the oracle."""
        scores, chunks = np.empty(0, np.float32), np.empty(0, np.int64)
        with self._database.read() as session:
            for part in read_vectors(session, question.serving.stamp):
                mask = np.isin(part.collections, list(sought.collections))
                if sought.scope.documents is not None:
                    mask &= np.isin(part.documents, sought.scope.documents)
                if sought.scope.chunks is not None:
                    mask &= np.isin(part.chunks, sought.scope.chunks)
                if sought.scope.barred is not None:
                    mask &= ~np.isin(part.chunks, sought.scope.barred)
                scores = np.concatenate([scores, (part.vectors @ vector)[mask]])
                chunks = np.concatenate([chunks, part.chunks[mask]])
                best = best_first(scores, chunks, question.depth)
                scores, chunks = scores[best], chunks[best]
        return _ranking(scores, chunks)


def _worded(question: Question, sought: Wanted, moment: Moment) -> tuple[Wanted, tuple[str, ...]]:
    """The scope narrowed to the wanted phrases and words, and the phrases that nothing in it holds."""
    if not question.phrases and not question.without:
        return sought, ()
    scope = replace(sought.scope, without=question.without)
    if question.without:
        scope = replace(scope, barred=moment.lexical.mentioning(question.without, sought.scope))
    relaxed: tuple[str, ...] = ()
    if question.phrases:
        chunks = moment.lexical.holding(question.phrases, scope)
        if len(chunks):
            scope = replace(scope, phrases=question.phrases, chunks=chunks)
        else:
            relaxed = question.phrases
    return replace(sought, scope=scope), relaxed


def _ranking(scores: NDArray[np.float32], chunks: NDArray[np.int64]) -> Ranking:
    return list(zip(chunks.tolist(), scores.tolist(), strict=True))
