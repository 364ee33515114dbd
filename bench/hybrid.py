"""The whole way of a search by filter and beside a writer: SQL, both views, fusion and the look at SQL again.

Made-up documents with made-up words and vectors, so that any size can be had without embedding it: a question comes
with the vector that was made for it. Knows nothing of files and models.
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.made_up import Corpus, D, made_up
from index.catalog import Catalog
from index.database import Database
from index.embedder_stamp import EmbedderStamp
from index.filters import Filters, parse_filters
from index.rows import NewChunk, NewDocument
from index.search import Searcher

K = 10
PER_DOCUMENT = 10  # chunks
WORDS = 20_000  # different ones
LENGTH = 60  # words of a chunk
FILTERS: Mapping[str, Any] = {  # `bucket` is a number from 0 to 999 in the metadata of each document
    "unfiltered": None,
    "filter_50_percent": {"bucket": {"lt": 500}},
    "filter_10_percent": {"bucket": {"lt": 100}},
    "filter_1_percent": {"bucket": {"lt": 10}},
    "filter_0.1_percent": {"bucket": {"lt": 1}},
    "one_document": {"name": "0.txt"},
}
FRESH = "fresh"  # collection of what the writer writes


class MadeUpEmbedder:
    """Gives a question the vector that was made for it."""

    stamp = EmbedderStamp("made-up", "1", "fp32", "mean", 256, D)
    max_tokens = 256

    def __init__(self, known: Mapping[str, NDArray[np.float32]]) -> None:
        self._known = known

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._known[text]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._known[text] for text in texts])

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]

    def count(self, text: str) -> int:
        return len(text.split())

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Timed:
    """What asking a number of questions took and found."""

    p50: float  # milliseconds
    p95: float
    recall: float  # of the dense stage against a scan of every vector in SQL
    stages: Mapping[str, float]  # p50


def documents(
    corpus: Corpus, collection: str, first: int = 0, count: int | None = None, chunks_each: int = PER_DOCUMENT
) -> Iterator[NewDocument]:
    """Documents of so many chunks each, whose words are spread as those of texts are."""
    chance = np.random.default_rng(11 + first)
    weights = 1 / (np.arange(WORDS) + 3.0)
    weights /= weights.sum()
    count = len(corpus.rows) // chunks_each - first if count is None else count
    for number in range(first, first + count):
        words = chance.choice(WORDS, (chunks_each, LENGTH), p=weights)
        texts = [" ".join(map(_word, row)) for row in words.tolist()]
        text = "\n".join(texts)
        starts = np.cumsum([0] + [len(each) + 1 for each in texts])
        chunks = [
            NewChunk(n, int(starts[n]), int(starts[n]) + len(each), each, tokens=LENGTH) for n, each in enumerate(texts)
        ]
        at = (number * chunks_each) % len(corpus.rows)
        yield NewDocument(
            collection=collection,
            name=f"{number}.txt",
            title=str(number),
            media_type="text/plain",
            content_hash=hashlib.sha256(text.encode()).hexdigest(),
            size=len(text),
            text=text,
            pages=[(1, 0, len(text))],
            metadata={"bucket": number * 7919 % 1000},  # scattered evenly; the first document is in bucket 0
            report={},
            blob="none",
            chunks=chunks,
            vectors=corpus.rows[at : at + chunks_each],
            stamp=MadeUpEmbedder.stamp.key,
        )


def _word(number: int) -> str:
    """Letters alone: a word with digits would be taken for a code."""
    letters = ""
    for _ in range(4):
        number, letter = divmod(number, 26)
        letters += chr(ord("a") + letter)
    return f"{letters}o"


def questions(corpus: Corpus, count: int) -> dict[str, NDArray[np.float32]]:
    """Question -> its vector (d,). Words of a question are common and rare ones."""
    chance = np.random.default_rng(17)
    found = {}
    for vector in corpus.questions[:count]:
        common, rare = chance.integers(0, 200, 3), chance.integers(200, WORDS, 3)
        found[" ".join(map(_word, [*common.tolist(), *rare.tolist()]))] = vector
    return found


def timed(searcher: Searcher, asked: Mapping[str, NDArray[np.float32]], collection: str, filters: Filters) -> Timed:
    """Each question once, warm: the first of a filter pays for looking up which documents pass it.

    Recall is of a few questions, fewer the more chunks there are: for each, every vector in SQL is scanned.
    """
    exactly = max(2, min(20, 20 * 20_000 // max(1, searcher.status()["chunks"])))
    scope: dict[str, Any] = {"collections": [collection], "k": K, "filters": filters}
    milliseconds, stages = [], dict[str, list[float]]()
    searcher.search(next(iter(asked)), **scope)
    for question in asked:
        began = time.perf_counter()
        result = searcher.search(question, **scope)
        milliseconds.append((time.perf_counter() - began) * 1e3)
        for stage, spent in result.ms.items():
            stages.setdefault(stage, []).append(spent)
    p50, p95 = np.percentile(milliseconds, [50, 95]).tolist()
    middle = {stage: float(np.median(spent)) for stage, spent in stages.items()}
    return Timed(p50, p95, _recall(searcher, list(asked)[:exactly], scope), middle)


def _recall(searcher: Searcher, asked: list[str], scope: Mapping[str, Any]) -> float:
    hits = wanted = 0
    for question in asked:
        right = {each.chunk for each in searcher.search(question, mode="dense", exact=True, **scope).passages}
        found = {each.chunk for each in searcher.search(question, mode="dense", **scope).passages}
        hits, wanted = hits + len(right & found), wanted + len(right)
    return hits / max(1, wanted)


def measure(
    size: int,
    asked: int,
    rate: int,
    seconds: float,
    limits: Mapping[str, Any],
    url: str = "",
    chunks_each: int = PER_DOCUMENT,
) -> dict[str, Any]:
    """All figures: filling, each filter, and searching while `rate` chunks/s are written for so many seconds."""
    corpus = made_up(size)
    known = questions(corpus, asked)
    with tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder:
        url = url or f"sqlite:///{folder}/footnote.db"
        database = Database(url)
        database.migrate()
        catalog = Catalog(database)
        collection = catalog.create_collection("bench").id
        began = time.perf_counter()
        for new in documents(corpus, collection, chunks_each=chunks_each):
            catalog.put_document(new)
        filled = size / (time.perf_counter() - began)
        figures: dict[str, Any] = {
            "chunks": size,
            "chunks_of_a_document": chunks_each,
            "chunks_per_s_into_the_truth": filled,
        }
        searcher = Searcher(database, catalog, MadeUpEmbedder(known), Path(folder) / "views", **limits)
        began = time.perf_counter()
        searcher.compact()
        figures |= {"views_build_seconds": time.perf_counter() - began, "class": searcher.status()["dense"]}
        figures |= _by_filter(searcher, known, collection)
        figures |= _beside_a_writer(
            searcher, catalog, known, collection, (url, str(rate), str(seconds), str(chunks_each))
        )
        figures["beside_writing_times_alone_p95"] = figures["beside_writing_ms_p95"] / figures["unfiltered_ms_p95"]
        searcher.close()
        database.close()
    return figures


def _by_filter(searcher: Searcher, known: Mapping[str, NDArray[np.float32]], collection: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, raw in FILTERS.items():
        found = timed(searcher, known, collection, parse_filters(raw))
        figures |= {f"{name}_ms_p50": found.p50, f"{name}_ms_p95": found.p95, f"{name}_recall_at_10": found.recall}
        figures |= {f"{name}_{stage}_ms_p50": spent for stage, spent in found.stages.items() if stage != "total"}
        if raw is not None:
            figures[f"{name}_times_unfiltered"] = found.p50 / figures["unfiltered_ms_p50"]
    return figures


def _beside_a_writer(
    searcher: Searcher,
    catalog: Catalog,
    known: Mapping[str, NDArray[np.float32]],
    collection: str,
    writing: tuple[str, str, str, str],
) -> dict[str, Any]:
    """p95 while another process writes, and how long commits took to be found.

    `writing`: url, rate, seconds, chunks of a document.
    """
    searcher.start()
    fresh = catalog.create_collection(FRESH).id
    url, *how = writing
    milliseconds: list[float] = []
    lag = _Lag(searcher, catalog)
    with subprocess.Popen(
        [sys.executable, "-m", "bench.hybrid_writer", url, fresh, *how], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it begins
        before = time.monotonic()
        for question in cycle(known):
            began = time.perf_counter()
            searcher.search(question, collections=[collection], k=K)
            milliseconds.append((time.perf_counter() - began) * 1e3)
            lag.look()
            if process.poll() is not None:
                break
        took = time.monotonic() - before
    lag.wait()
    return {
        "written_chunks_per_s": catalog.collection(FRESH).chunks / took,
        "searches_beside_writing": len(milliseconds),
        "beside_writing_ms_p95": float(np.percentile(milliseconds, 95)),
        "seconds_to_be_found_p50": float(np.median(lag.seconds)),
        "seconds_to_be_found_most": max(lag.seconds),
    }


class _Lag:
    """How long a line of the log waits until the views stand at it. Looked at between searches, so never too little."""

    def __init__(self, searcher: Searcher, catalog: Catalog) -> None:
        self._searcher, self._catalog = searcher, catalog
        self._waiting: tuple[int, float] | None = None
        self.seconds: list[float] = []

    def look(self) -> None:
        """Take the newest line if none is waited for, and note when it was reached."""
        now = time.monotonic()
        if self._waiting is None:
            self._waiting = (self._catalog.latest_seq(), now)
        elif self._searcher.status()["applied_seq"] >= self._waiting[0]:
            self.seconds.append(now - self._waiting[1])
            self._waiting = None

    def wait(self) -> None:
        """Until the last line is reached, or a minute is over."""
        end = time.monotonic() + 60
        self.look()
        while self._waiting is not None and time.monotonic() < end:
            time.sleep(0.01)
            self.look()
