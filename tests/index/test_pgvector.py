"""The dense view as a table of PostgreSQL, against a real server: as right as the one of FAISS, and one for all."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from index.database import Database
from index.errors import DatabaseUnusable
from index.exact import top_k
from index.filters import parse_filters
from index.follow import ChunkRows
from index.pgvector import TableView
from index.scope import Scope
from index.search import Searcher
from tests.index.corpus import Corpus
from tests.index.test_model import CorpusMachine, run
from tests.postgres import PostgresServer

pytestmark = pytest.mark.real

PATIENCE = 120.0  # seconds; on a quiet machine it takes less than one


@pytest.fixture
def corpus(postgres_url: str, tmp_path: Path) -> Iterator[Corpus]:
    corpus = Corpus(tmp_path / "data", postgres_url)
    yield corpus
    corpus.close()


@pytest.fixture
def opened(corpus: Corpus) -> Iterator[Callable[..., Searcher]]:
    """Searchers as several processes have them: each with its own connections and folder."""
    all_of_them: list[tuple[Searcher, Database]] = []

    def open_one(folder: str, dense: str = "pgvector") -> Searcher:
        database = Database(corpus.database.url)
        searcher = Searcher(
            database, corpus.catalog, corpus.embedder, corpus.folder / folder, dense=dense, poll_seconds=0.05
        )  # type: ignore[arg-type]
        all_of_them.append((searcher, database))
        return searcher

    yield open_one
    for searcher, database in all_of_them:
        searcher.close()
        database.close()


def test_many_histories(postgres_server: PostgresServer) -> None:
    made: list[str] = []

    class TableMachine(CorpusMachine):
        dense = "pgvector"

        def new_corpus(self, folder: Path) -> Corpus:
            made.append(f"model_{secrets.token_hex(6)}")
            postgres_server.execute(f"CREATE DATABASE {made[-1]}")
            return Corpus(folder, postgres_server.url(made[-1]))

        def teardown(self) -> None:
            super().teardown()
            postgres_server.execute(f"DROP DATABASE {made.pop()} WITH (FORCE)")

    run(TableMachine, examples=4, steps=25)


def test_one_table_serves_every_process(corpus: Corpus, opened: Callable[..., Searcher]) -> None:
    for n in range(10):
        corpus.put(f"{n}.txt", f"queue number {n}", metadata={"n": n})
    first, second = opened("first"), opened("second")
    gone = corpus.put("gone.txt", "queue soon gone")
    corpus.catalog.delete_document(gone.document)
    filters = parse_filters({"n": {"gte": 5}})
    for searcher in (first, second, first):
        searcher.refresh()
        found = searcher.search("queue", collections=[corpus.collection], k=20, mode="dense", filters=filters)
        assert {each.name for each in found.passages} == {f"{n}.txt" for n in range(5, 10)}
        assert [finding for finding in searcher.verify() if not finding.ok] == []
    assert first.status()["dense"] == "pgvector"
    assert next(each for each in first.traces(gone.document) if each.what == "dense view").ok


@pytest.mark.parametrize("dense", ["faiss", "pgvector"])
def test_two_processes_on_one_truth_agree_soon(corpus: Corpus, opened: Callable[..., Searcher], dense: str) -> None:
    both = [opened(name, dense) for name in ("first", "second")]
    for searcher in both:
        searcher.start()

    def names(searcher: Searcher) -> set[str]:
        found = searcher.search("queue limits", collections=[corpus.collection], k=50)
        return {each.name for each in found.passages}

    expected: set[str] = set()
    for n in range(5):
        put = corpus.put(f"{n}.txt", f"queue limits of broker {n}")
        expected.add(f"{n}.txt")
        if n == 3:
            corpus.catalog.delete_document(put.document)
            expected.remove("3.txt")
        patience = time.monotonic() + PATIENCE
        while not all(names(searcher) == expected for searcher in both) and time.monotonic() < patience:
            time.sleep(0.02)
        assert [names(searcher) for searcher in both] == [expected, expected]


def test_the_index_is_walked_and_finds_nearly_all(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.pgvector.FEW_ROWS", 100)
    chance = np.random.default_rng(3)
    vectors = chance.normal(size=(4000, 32)).astype(np.float32) @ np.diag(1 / np.arange(1, 33)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    n = np.arange(1, 4001)
    view = TableView(corpus.database, "made-up", 32)
    view.apply((), [ChunkRows(n, n, 1 + n % 2, vectors)], 1)
    moment = view.moment()
    questions = vectors[::200]
    for scope, allowed in (
        (Scope(), np.ones(4000, np.bool_)),
        (Scope(collections=(1,)), n % 2 == 0),
        (Scope(chunks=n[::10]), (n - 1) % 10 == 0),
        (Scope(collections=(1, 2), barred=n[:2000]), n > 2000),
    ):
        _, nearest = top_k(questions, vectors, 10, allowed)
        hits = 0
        for question, best in zip(questions, nearest, strict=True):
            scores, chunks = moment.search(question, 10, scope)
            assert len(chunks) == 10
            assert allowed[chunks - 1].all()
            assert (np.diff(scores) <= 0).all()
            hits += len(set(chunks.tolist()) & set((best + 1).tolist()))
        assert hits >= 0.95 * nearest.size
    # One plan each: with the index when many rows are in reach, without it when few are.
    with corpus.database.read() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.execute(
            text(f"EXPLAIN SELECT chunk FROM {moment.table.name} ORDER BY embedding <#> :q LIMIT 5"),
            {"q": str(questions[0].tolist())},
        ).scalars()
        assert "embedding_idx" in " ".join(plan)


def test_sqlite_is_refused_in_one_clear_line(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    with pytest.raises(DatabaseUnusable, match="set database"):
        TableView(corpus.database, "stamp", 32)
    corpus.close()
