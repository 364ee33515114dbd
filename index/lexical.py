"""The BM25 view: which chunks hold the words of a question. The one room of tantivy; knows no vectors and no SQL.

Title, heading and text of a chunk are indexed three times: stemmed English words, words as they stand, and the codes
among them ("ERR-1042", "v3.12.1") in one form however they are typed. Questions are cut into terms here and never
parsed, so every text is a valid question. The live index lies in a work folder of its own; its snapshots share files
with it by hard links, which is safe because tantivy replaces files and never rewrites one. BM25 counts the words of
deleted chunks until their segment is merged, so scores may differ a little from a fresh index; the chunks that are
found do not.
"""

import logging
import os
import secrets
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray
from tantivy import Filter, Occur, Query, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from index.codes import codes
from index.exact import best_first
from index.follow import ChunkText
from index.lexical_files import link_all, link_committed
from index.scope import Scope
from index.snapshot import HEADER, Snapshot
from index.work_folder import new_work_folder

FORMAT = "bm25-3"  # changes with the fields or the analyzers: older snapshots are then rebuilt
HEAP_BYTES = 64_000_000
NICE = 5  # of the threads that write and merge: questions come first
MOST_TERMS = 200  # different words of one question
WIDER = 1.5  # more hits are asked for than should be needed where a filter is obeyed after the search
HITS_PER_DOCUMENT = 2  # to look through so many hits takes as long as to look up an allowed document; measured
WORDS_WEIGHT = 0.5  # of the words as they stand, beside the stemmed ones; measured on SciFact and SQuAD

FEW_TERMS = 8  # keys that are looked for one by one, in half the time that a set of them takes; measured
HELD, BEGUN = "collections", "begun"  # in the details of a snapshot

_log = logging.getLogger(__name__)


def _stemmed() -> TextAnalyzer:
    return (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(60))
        .filter(Filter.lowercase())
        .filter(Filter.ascii_fold())
        .filter(Filter.stemmer("english"))
        .build()
    )


def _words() -> TextAnalyzer:
    whole = r"[\p{L}\p{N}]+(?:[._/@+\-][\p{L}\p{N}]+)*"
    return (
        TextAnalyzerBuilder(Tokenizer.regex(whole)).filter(Filter.remove_long(100)).filter(Filter.lowercase()).build()
    )


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    analyzer: TextAnalyzer
    weight: float


def _codes() -> TextAnalyzer:
    return TextAnalyzerBuilder(Tokenizer.whitespace()).build()


_STEMMED = _Field("stemmed", _stemmed(), 1.0)
_WORDS = _Field("words", _words(), WORDS_WEIGHT)
_CODES = _Field("codes", _codes(), WORDS_WEIGHT)
_FIELDS = (_STEMMED, _WORDS, _CODES)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("chunk", fast=True)
    builder.add_integer_field("document", indexed=True, fast=True)
    builder.add_integer_field("collection", indexed=True)
    for field in _FIELDS:
        builder.add_text_field(field.name, tokenizer_name=field.name)
    return builder.build()


_SCHEMA = _schema()


@dataclass(frozen=True, slots=True)
class LexicalMoment:
    """What a query sees. `held` are the collections that chunks may be of; None if that is not known."""

    applied_seq: int
    searcher: tantivy.Searcher
    held: frozenset[int] | None = None

    @property
    def rows(self) -> int:
        """Chunks in the index."""
        return int(self.searcher.num_docs)

    def chunks(self, scope: Scope | None = None) -> NDArray[np.int64]:
        """(n,) the ids of all chunks in scope, in no order."""
        return self._all_of([], scope)

    def holding(self, phrases: Sequence[str], scope: Scope | None = None) -> NDArray[np.int64]:
        """(n,) ids of the chunks in scope that hold all these phrases, in no order."""
        return self._all_of([query for query in map(_phrase, phrases) if query is not None], scope)

    def mentioning(self, words: Sequence[str], scope: Scope | None = None) -> NDArray[np.int64]:
        """(n,) ids of the chunks in scope that hold any of these words or phrases, in no order."""
        each = [(Occur.Should, query) for query in map(_mention, words) if query is not None]
        return self._all_of([Query.boolean_query(each)], scope) if each else np.empty(0, np.int64)

    def knows(self, word: str) -> bool:
        """Whether any chunk holds this word in any of its forms, whoever may read it."""
        return any(self.searcher.doc_freq(_STEMMED.name, form) for form in _STEMMED.analyzer.analyze(word))

    def counts(self, words: Sequence[str], scope: Scope) -> tuple[list[int], int]:
        """How many chunks in scope hold each of these words in any of its forms, and how many chunks there are."""
        limits = _limits(self._needed(scope))

        def count(query: Query) -> int:
            found = self.searcher.search(Query.boolean_query([(Occur.Must, query), *limits]), 1, count=True)
            return int(found.count or 0)

        queries = [_side_by_side(_STEMMED.name, _STEMMED.analyzer.analyze(word)) for word in words]
        return [0 if query is None else count(query) for query in queries], count(Query.all_query())

    def words_beginning(self, letters: str, scope: Scope) -> list[str]:
        """The words of the chunks in scope that begin so, as they stand in lower case, the most frequent first."""
        within = Query.boolean_query([(Occur.Must, Query.all_query()), *_limits(self._needed(scope))])
        return [word for word, _ in self.searcher.terms_with_prefix(_WORDS.name, letters, filter_query=within)]

    def _all_of(self, queries: Sequence[Query], scope: Scope | None) -> NDArray[np.int64]:
        wanted = [(Occur.Must, query) for query in queries]
        limits = _limits(self._needed(scope or Scope()))
        query = Query.boolean_query([(Occur.Must, Query.all_query()), *wanted, *limits])
        hits = self.searcher.search(query, max(1, self.rows), count=False).hits
        return np.array(self.searcher.fast_field_values("chunk", [address for _, address in hits]), np.int64)

    def remembers(self, document: int) -> int:
        """How many chunks of a document (key) its files hold, those counted that were removed and not yet purged."""
        return int(self.searcher.doc_freq("document", document))

    def search(
        self, question: str, k: int, scope: Scope | None = None, background: Sequence[tuple[str, float]] = ()
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """BM25 scores and chunk ids of the k best chunks in scope, best first; none if no word is known.

        `background` are further texts and what their words count, less than 1: they add to scores.
        """
        terms = _terms(question)
        for text, weight in background:
            terms += _terms(text, weight)
        if not terms or k == 0:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        scope = self._needed(scope or Scope())
        most = _hits_to_look_through(scope, k)
        if most:
            scores, chunks, complete = self._hits(_within(terms, replace(scope, documents=None)), most, scope.documents)
            if complete or len(chunks) >= k:
                best = best_first(scores, chunks, k)
                return scores[best], chunks[best]
        scores, chunks, _ = self._hits(_within(terms, scope), k)
        best = best_first(scores, chunks, k)
        return scores[best], chunks[best]

    def _needed(self, scope: Scope) -> Scope:
        """The same scope without collections where it has all there are."""
        if self.held is None or scope.collections is None or not self.held <= set(scope.collections):
            return scope
        return replace(scope, collections=None)

    def _hits(
        self, query: Query, most: int, documents: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], bool]:
        """Scores and ids of the best chunks, those of other documents (keys) left out; whether there are no more."""
        hits = self.searcher.search(query, most, count=False).hits
        addresses = [address for _, address in hits]
        scores = np.array([score for score, _ in hits], np.float32)
        chunks = np.array(self.searcher.fast_field_values("chunk", addresses), np.int64)
        if documents is not None:
            mine = np.isin(np.array(self.searcher.fast_field_values("document", addresses), np.int64), documents)
            scores, chunks = scores[mine], chunks[mine]
        return scores, chunks, len(hits) < most


class LexicalView:
    """The writer's side of the view. Not thread-safe; `moment()` is what readers get."""

    def __init__(self, folder: Path, snapshot: Snapshot | None = None) -> None:
        """Make a work folder under `folder`, from a snapshot if given. Raises ValueError if that cannot be read."""
        self.applied_seq = snapshot.applied_seq if snapshot else 0
        # The line of the log at which all words were read from SQL: what was deleted up to it was never in here.
        self.begun_seq = int(snapshot.details.get(BEGUN, 0)) if snapshot else -1
        known = snapshot.details.get(HELD) if snapshot else ()
        self._held = None if known is None else frozenset(known)
        self._work = new_work_folder(folder)
        try:
            if snapshot is not None:
                link_all(snapshot.folder, self._work.path, frozenset({HEADER}))
            self._index = tantivy.Index(_SCHEMA, path=str(self._work.path), reuse=snapshot is not None)
            self._index.config_reader("manual")
            for field in _FIELDS:
                self._index.register_tokenizer(field.name, field.analyzer)
            self._behind = ThreadPoolExecutor(1, "footnote-tantivy", initializer=_be_nice)
            self._writer = self._behind.submit(self._index.writer, HEAP_BYTES, 1).result()
        except BaseException:
            self._work.remove()
            raise

    def remove(self, documents: Sequence[int]) -> None:
        """Chunks of these documents (keys) leave at the next commit."""
        for key in documents:
            self._writer.delete_documents_by_term("document", key)

    def add(self, chunks: Iterable[ChunkText]) -> int:
        """Chunks join at the next commit. Returns how many."""
        count = 0
        collections: set[int] = set()
        for chunk in chunks:
            collections.add(chunk.collection)
            everything = "\n".join((chunk.title, chunk.heading, chunk.text))
            found = " ".join(codes(everything))
            self._writer.add_document(
                tantivy.Document(
                    chunk=chunk.chunk,
                    document=chunk.document,
                    collection=chunk.collection,
                    **{field.name: found if field is _CODES else everything for field in _FIELDS},
                )
            )
            count += 1
        if self._held is not None and not collections <= self._held:
            self._held = self._held | collections
        return count

    def commit(self, applied_seq: int) -> None:
        """What was removed and added counts from the next moment on."""
        self._behind.submit(self._writer.commit).result()
        self.applied_seq = applied_seq
        if self.begun_seq < 0:
            self.begun_seq = applied_seq

    def rollback(self) -> None:
        """Forget what was removed and added since the last commit."""
        self._behind.submit(self._writer.rollback).result()

    def moment(self) -> LexicalMoment:
        """All that was committed, frozen."""
        self._index.reload()
        return LexicalMoment(self.applied_seq, self._index.searcher(), self._held)

    @property
    def details(self) -> dict[str, Any]:
        """What a snapshot of the committed index says beside its files."""
        return {BEGUN: max(0, self.begun_seq)} | ({} if self._held is None else {HELD: sorted(self._held)})

    def fill_snapshot(self, folder: Path) -> None:
        """Put the committed index into a snapshot's folder. Merges go on meanwhile."""
        link_committed(self._work.path, folder)

    def pinned(self) -> Callable[[Path], None]:
        """What does as `fill_snapshot` would now, at any later time; to be called once, before the view is closed."""
        pin = self._work.path / f"pin-{secrets.token_hex(4)}"
        pin.mkdir()
        try:
            link_committed(self._work.path, pin)
        except BaseException:
            shutil.rmtree(pin, ignore_errors=True)
            raise

        def fill(folder: Path) -> None:
            try:
                link_all(pin, folder)
            finally:
                shutil.rmtree(pin, ignore_errors=True)

        return fill

    def close(self) -> None:
        """Let go of the work folder. Moments that are still held stay readable."""
        self._writer.wait_merging_threads()
        self._behind.shutdown()
        self._work.remove()


def _be_nice() -> None:
    """Questions come first: threads inherit the priority of the thread that makes them, and a commit makes new ones."""
    if sys.platform == "linux":  # elsewhere priorities are those of whole processes
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, max(mine, NICE))  # 0 is this thread


def _hits_to_look_through(scope: Scope, k: int) -> int:
    """How many of the best hits hold k of allowed documents; 0 where looking up those documents takes less time."""
    if scope.documents is None or not len(scope.documents) or not scope.chosen_from:
        return 0
    hits = int(WIDER * k * scope.chosen_from / len(scope.documents)) + 1
    return hits if hits <= HITS_PER_DOCUMENT * len(scope.documents) else 0


def _terms(question: str, weight: float = 1.0) -> list[tuple[Occur, Query]]:
    found: list[tuple[Occur, Query]] = []
    for field in (_STEMMED, _WORDS):
        counted = Counter(field.analyzer.analyze(question))
        for word, times in list(counted.items())[:MOST_TERMS]:
            term = Query.term_query(_SCHEMA, field.name, word)
            if field is _WORDS and codes(word):
                # One or the other: counted twice, a common code such as "CD8" would drown the other words.
                typed = [Query.term_query(_SCHEMA, _CODES.name, code) for code in codes(word)]
                term = Query.disjunction_max_query([term, *typed])
            found.append((Occur.Should, Query.boost_query(term, weight * field.weight * times)))
    return found


def _within(terms: list[tuple[Occur, Query]], scope: Scope) -> Query:
    """Terms alone where there are no limits: tantivy then passes over what cannot be among the best any more."""
    asked, limits = Query.boolean_query(terms), _limits(scope)
    return Query.boolean_query([(Occur.Must, asked), *limits]) if limits else asked


def _limits(scope: Scope) -> list[tuple[Occur, Query]]:
    found: list[tuple[Occur, Query]] = []
    for name, keys in (("collection", scope.collections), ("document", scope.documents)):
        if keys is not None:
            found.append((Occur.Must, Query.const_score_query(_any_of(name, [int(key) for key in keys]), 0.0)))
    phrases = filter(None, map(_phrase, scope.phrases))
    found += [(Occur.Must, Query.const_score_query(phrase, 0.0)) for phrase in phrases]
    found += [(Occur.MustNot, word) for word in filter(None, map(_mention, scope.without))]
    return found


def _any_of(name: str, keys: list[int]) -> Query:
    if not 1 <= len(keys) <= FEW_TERMS:
        return Query.term_set_query(_SCHEMA, name, keys)
    each = [(Occur.Should, Query.term_query(_SCHEMA, name, key)) for key in keys]
    return each[0][1] if len(each) == 1 else Query.boolean_query(each)


def _phrase(text: str) -> Query | None:
    """The words of a text as they stand, side by side; None if it has none."""
    return _side_by_side(_WORDS.name, _WORDS.analyzer.analyze(text))


def _mention(text: str) -> Query | None:
    """A word in any of its forms, a code however it is typed, or several words side by side; None for no word."""
    if text.split() == [text] and codes(text):
        return _side_by_side(_CODES.name, codes(text))
    field = _STEMMED if text.split() == [text] else _WORDS
    return _side_by_side(field.name, field.analyzer.analyze(text))


def _side_by_side(field: str, words: Sequence[str]) -> Query | None:
    if not words:
        return None
    if len(words) == 1:
        return Query.term_query(_SCHEMA, field, words[0])
    return Query.phrase_query(_SCHEMA, field, list(words))
