"""The dense view against brute force. The traps of faiss have a file of their own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from index.exact import best_first
from index.follow import ChunkRows
from index.scope import Scope
from index.snapshot import Snapshot, Snapshots
from index.vector_base import Limits, base_writer
from index.vectors import EXACT_ROWS, VectorView
from index.view_files import describe_base

D = 32


def unit_rows(n: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((n, D)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def chunk_rows(n: int, first: int = 1, seed: int = 0) -> ChunkRows:
    """Chunks first..first+n-1; ten to a document, a hundred documents to a collection."""
    chunks = np.arange(first, first + n)
    return ChunkRows(chunks, chunks // 10, chunks // 1000, unit_rows(n, seed))


def oracle(rows: ChunkRows, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_]) -> list[int]:
    chunks, vectors = rows.chunks[allowed], rows.vectors[allowed]
    return chunks[best_first(vectors @ query, chunks, k)].tolist()


def base(folder: Path, kind: str, rows: ChunkRows) -> Snapshot:
    def partitions() -> Iterator[ChunkRows]:
        for at in range(0, len(rows), 1000):
            part = slice(at, at + 1000)
            yield ChunkRows(rows.chunks[part], rows.documents[part], rows.collections[part], rows.vectors[part])

    details: dict[str, Any] = {"kind": kind}
    fill = base_writer(kind, D, len(rows), partitions(), [rows] if kind == "ivf" else [], details)
    return Snapshots(folder, "dense", "s").write(7, "m", fill, details)


def test_the_class_of_a_base_follows_its_size() -> None:
    limits = Limits(100, 1000)
    assert [limits.kind(n) for n in (0, 100, 101, 1000, 1001)] == ["flat", "flat", "sq8", "sq8", "ivf"]
    assert Limits(100, 0).kind(101) == "ivf"
    assert "index.sq8_limit, 1000" in limits.reason(1001)


def test_recent_rows_are_few_beside_their_base() -> None:
    limits = Limits(100, 1000, 400)
    assert [limits.room(base) for base in (0, 500, 1000, 2000, 9000)] == [100, 100, 200, 400, 400]
    assert Limits(10_000, 10_000, 5).room(0) == 5


def test_people_are_told_which_class_serves_and_why(tmp_path: Path) -> None:
    limits = Limits(100, 1000)
    assert describe_base(tmp_path, limits, 5)["class"] == "recent rows"
    assert describe_base(tmp_path, limits, 5, in_table=True)["class"] == "pgvector"
    base(tmp_path, "flat", chunk_rows(40))
    told = describe_base(tmp_path, limits, 40)
    assert (told["class"], told["base_chunks"]) == ("flat", 0)
    assert "index.flat_limit" in told["why"]


@pytest.mark.parametrize("where", ["delta", "flat"])
@pytest.mark.parametrize(
    "scope",
    [
        Scope(),
        Scope(collections=(1,)),
        Scope(collections=(0, 2)),
        Scope(documents=np.array([5, 6, 250])),
        Scope(collections=(0,), documents=np.array([5, 250])),
        Scope(collections=()),
        Scope(documents=np.array([], np.int64)),
    ],
    ids=["all", "one collection", "two collections", "documents", "both", "no collection", "no document"],
)
def test_exact_classes_equal_brute_force(tmp_path: Path, where: str, scope: Scope) -> None:
    rows = chunk_rows(3500)
    view = VectorView(D, base(tmp_path, "flat", rows) if where == "flat" else None)
    if where == "delta":
        view.add(rows)
    dead = [3, 120, 200, 349]
    view.remove(dead)
    allowed = ~np.isin(rows.documents, dead)
    if scope.collections is not None:
        allowed &= np.isin(rows.collections, scope.collections)
    if scope.documents is not None:
        allowed &= np.isin(rows.documents, scope.documents)
    for query in unit_rows(20, seed=1):
        scores, chunks = view.moment().search(query, 15, scope)
        assert chunks.tolist() == oracle(rows, query, 15, allowed)
        assert np.allclose(scores, [rows.vectors[chunk - 1] @ query for chunk in chunks], atol=1e-5)


def test_base_and_delta_and_tombstones_are_one_ranking(tmp_path: Path) -> None:
    old, new = chunk_rows(3000), chunk_rows(500, first=3001, seed=2)
    view = VectorView(D, base(tmp_path, "flat", old))
    view.add(new)
    view.remove([0, 10, 305])
    both = ChunkRows(*(np.concatenate(pair) for pair in zip(_arrays(old), _arrays(new), strict=True)))
    allowed = ~np.isin(both.documents, [0, 10, 305])
    for query in unit_rows(20, seed=3):
        assert view.moment().search(query, 20)[1].tolist() == oracle(both, query, 20, allowed)
    assert (view.base_rows, view.delta_rows, view.dead_rows) == (3000, 500, 9 + 10 + 10)


def test_compressed_scores_are_close_and_selectors_hold(tmp_path: Path) -> None:
    rows = chunk_rows(4000)
    view = VectorView(D, base(tmp_path, "sq8", rows))
    moment = view.moment()
    assert (moment.kind, moment.exact) == ("sq8", False)
    scope = Scope(collections=(0, 1, 2))  # more rows than an exact scan takes
    assert np.isin(rows.collections, scope.collections).sum() > EXACT_ROWS
    found = 0
    for query in unit_rows(50, seed=1):
        scores, chunks = moment.search(query, 10, scope)
        assert np.all(chunks < 3000), "the selector let a row through"
        assert np.allclose(scores, [rows.vectors[chunk - 1] @ query for chunk in chunks], atol=0.02)
        found += len(set(chunks.tolist()) & set(oracle(rows, query, 10, np.isin(rows.collections, [0, 1, 2]))))
    assert found / 500 > 0.95


def clustered(n: int, seed: int = 0) -> ChunkRows:
    """Rows around a hundred subjects, as texts are."""
    chance = np.random.default_rng(seed)
    rows = unit_rows(100, seed=5)[chance.integers(0, 100, n)] + 0.15 * chance.standard_normal((n, D))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    chunks = np.arange(1, n + 1)
    return ChunkRows(chunks, chunks // 10, chunks // 1000, rows)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01, 0.001])
def test_lists_find_the_nearest_under_every_filter(tmp_path: Path, share: float) -> None:
    rows = clustered(8000)  # at a tenth, 800 rows are few enough to be compared one by one; at half, lists are used
    moment = VectorView(D, base(tmp_path, "ivf", rows)).moment()
    assert (moment.kind, moment.exact) == ("ivf", False)
    chance = np.random.default_rng(3)
    allowed = chance.random(801) < share
    allowed[77] = True
    documents = np.flatnonzero(allowed)
    mask = np.isin(rows.documents, documents)
    found = wanted = 0
    for query in clustered(60, seed=9).vectors:
        scores, chunks = moment.search(query, 10, Scope(documents=documents))
        best = oracle(rows, query, 10, mask)
        assert np.isin(chunks, rows.chunks[mask]).all(), "the selector let a row through"
        assert len(chunks) == min(10, int(mask.sum())), "fewer rows than there are"
        assert np.allclose(scores, [rows.vectors[chunk - 1] @ query for chunk in chunks], atol=0.02)
        found += len(set(chunks.tolist()) & set(best))
        wanted += len(best)
    assert found / wanted > 0.95


def test_lists_serve_deletions_and_recent_rows_too(tmp_path: Path) -> None:
    rows = clustered(3000)
    view = VectorView(D, base(tmp_path, "ivf", rows))
    query = rows.vectors[500]
    assert view.moment().search(query, 5)[1][0] == 501
    view.remove([50])
    assert 501 not in view.moment().search(query, 3000)[1]
    fresh = ChunkRows(np.array([9001]), np.array([900]), np.array([0]), query[None, :])
    view.add(fresh)
    assert view.moment().search(query, 5)[1][0] == 9001
    assert sum(map(len, view.moment().contents())) == 3000 - 10 + 1


def test_a_base_that_says_it_is_another_class_is_refused(tmp_path: Path) -> None:
    rows = clustered(500)
    flat = base(tmp_path / "a", "flat", rows)
    lists = base(tmp_path / "b", "ivf", rows)
    for snapshot, details in (
        (flat, {"kind": "ivf", "nprobe": 4}),
        (lists, {"kind": "flat"}),
        (lists, {"kind": "ivf"}),
        (lists, {"kind": "ivf", "nprobe": 10**6}),
    ):
        with pytest.raises(ValueError, match="but holds another index"):
            VectorView(D, replace(snapshot, details=details))


def test_rows_beyond_the_training_range_are_not_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = chunk_rows(1500)
    monkeypatch.setattr("index.vector_base.TRAINING_ROWS", 500)
    moment = VectorView(D, base(tmp_path, "sq8", rows)).moment()
    assert moment.rows == 1500
    hits = sum(int(moment.search(query, 1)[1][0]) == at + 1 for at, query in enumerate(rows.vectors[:300]))
    assert hits / 300 > 0.99


def test_short_results_have_no_padding(tmp_path: Path) -> None:
    rows = chunk_rows(5)
    for view in (VectorView(D, base(tmp_path, "flat", rows)), VectorView(D)):
        scores, chunks = view.moment().search(unit_rows(1)[0], 10)
        assert len(scores) == len(chunks) == view.moment().rows
        assert -1 not in chunks


def test_a_moment_never_changes(tmp_path: Path) -> None:
    rows = chunk_rows(50)
    view = VectorView(D)
    view.add(rows)
    query = unit_rows(1, seed=9)[0]
    held = view.moment()
    before = held.search(query, 20)
    view.remove([0, 1, 2])
    for seed in range(20):
        view.add(chunk_rows(300, first=1000 + 300 * seed, seed=seed))
    after = held.search(query, 20)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert view.moment().rows == 50 - 29 + 6000


def test_vectors_of_another_dimension_are_refused(tmp_path: Path) -> None:
    snapshot = base(tmp_path, "flat", chunk_rows(5))
    with pytest.raises(ValueError, match="dimensions"):
        VectorView(D + 1, snapshot)
    with pytest.raises(ValueError, match="dimensions"):
        VectorView(D + 1).add(chunk_rows(5))


def test_a_base_that_faiss_cannot_read_is_a_value_error(tmp_path: Path) -> None:
    snapshot = base(tmp_path, "flat", chunk_rows(5))
    snapshot.part("index.faiss").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="faiss cannot read"):
        VectorView(D, snapshot)


def _arrays(rows: ChunkRows) -> tuple[NDArray[np.generic], ...]:
    return rows.chunks, rows.documents, rows.collections, rows.vectors
