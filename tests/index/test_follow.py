"""What the views read of the truth, and that it is no more of it the larger the truth is."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from index.follow import SLICE, read_vectors, with_rests
from index.search import Searcher
from tests.index.corpus import Corpus

ON_EVERY_DATABASE = True
MANY = "one queue and another message about its limits " * 10  # a good dozen of chunks


def stored(corpus: Corpus, **arguments: Any) -> list[int]:
    with corpus.database.read() as session:
        parts = list(read_vectors(session, corpus.embedder.stamp.key, **arguments))
        assert all(part.vectors.shape == (len(part), corpus.embedder.stamp.dimension) for part in parts)
        return [chunk for part in parts for chunk in part.chunks.tolist()]


def test_vectors_come_in_the_order_of_chunks_and_all_of_them(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        corpus.put(f"{n}.txt", f"{n} {MANY}")
    chunks = list(range(1, corpus.catalog.collection("docs").chunks + 1))
    monkeypatch.setattr("index.follow.PARTITION", 7)
    assert stored(corpus) == chunks
    assert stored(corpus, every=3) == chunks[2::3]
    assert stored(corpus, documents=[]) == []
    some = stored(corpus, documents=[2, 4])
    assert some == sorted(some)
    listed = corpus.catalog.documents(corpus.collection).items
    assert len(some) == sum(each.chunks for each in listed if each.name in ("1.txt", "3.txt"))


def test_what_is_followed_rests_after_every_slice() -> None:
    taken: list[int] = []
    rests: list[int] = []
    taken.extend(with_rests(range(3 * SLICE + 1), lambda: rests.append(len(taken))))
    assert taken == list(range(3 * SLICE + 1))
    assert rests == [SLICE, 2 * SLICE, 3 * SLICE]


def test_chunks_without_a_vector_of_this_model_are_left_out(corpus: Corpus) -> None:
    corpus.put("a.txt", MANY)
    with corpus.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM chunk_vectors WHERE chunk IN (1, 3)")
    chunks = list(range(1, corpus.catalog.collection("docs").chunks + 1))
    assert stored(corpus) == stored(corpus, documents=[1]) == [each for each in chunks if each not in (1, 3)]
    with corpus.database.read() as session:
        assert list(read_vectors(session, "another model")) == []
        (part,) = read_vectors(session, corpus.embedder.stamp.key)
    assert np.allclose(np.linalg.norm(part.vectors, axis=1), 1, atol=1e-3)


def test_following_looks_at_nothing_but_what_is_new(corpus: Corpus, searcher: Searcher) -> None:
    """A plan that scans a table, or goes through all vectors of a model, makes a step as slow as the truth is large."""
    if not corpus.database.is_sqlite:
        return  # PostgreSQL chooses its plans by statistics
    for n in range(3):
        corpus.put(f"{n}.txt", f"{n} {MANY}")
    searcher.refresh()
    corpus.put("new.txt", f"new {MANY}")
    asked: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(corpus.database.engine, "before_cursor_execute", listen)
    searcher.refresh()
    event.remove(corpus.database.engine, "before_cursor_execute", listen)
    plans = []
    with corpus.database.read() as session:
        for statement, parameters in asked:
            if statement.startswith("SELECT"):
                plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans += [row[-1] for row in plan]
    assert any("chunk_vectors" in line for line in plans)
    assert [line for line in plans if line.startswith("SCAN") or "stamp_text_hash" in line] == []
