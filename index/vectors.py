"""The FAISS view: which chunks lie near a vector. The one room of faiss; knows no text and no SQL.

A view is `base` (large, read-only, mapped from its snapshot) + `delta` (recent rows, scanned by brute force) + the rows
of both that died since. Positions count within a segment and mean nothing outside this file. One writer calls `apply`;
readers hold a `VectorMoment`, which nothing changes any more, so searching takes no lock.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.exact import best_first
from index.follow import PARTITION, ChunkRows
from index.scope import Scope
from index.snapshot import Snapshot

TRAINING_ROWS = 100_000
EXACT_ROWS = 2048  # so few allowed rows are scanned one by one, whatever the base is ...
EXACT_SHARE = 0.05  # ... and so is this share of a larger base
INDEX, ROWS = "index.faiss", "rows.npy"

Mask = NDArray[np.bool_]

_faiss: Any = faiss  # its type stubs know the C++ signatures, not the Python ones


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that belong together. `index` is a FAISS index; without one, `vectors` (n, d) are scanned."""

    chunks: NDArray[np.int64]
    documents: NDArray[np.int64]
    collections: NDArray[np.int64]
    alive: Mask
    vectors: NDArray[np.float32] | None = None
    index: Any = None

    def allowed(self, scope: Scope) -> Mask:
        """(n,) which rows are alive and in scope."""
        mask = self.alive
        if scope.collections is not None:
            mask = mask & np.isin(self.collections, scope.collections)
        if scope.documents is not None:
            mask = mask & np.isin(self.documents, scope.documents)
        if scope.chunks is not None:
            mask = mask & np.isin(self.chunks, scope.chunks)
        if scope.barred is not None:
            mask = mask & ~np.isin(self.chunks, scope.barred)
        return mask

    def without(self, documents: NDArray[np.int64]) -> "Segment":
        """The same rows, those of these documents (keys) dead."""
        dead = np.isin(self.documents, documents)
        return replace(self, alive=self.alive & ~dead) if dead.any() else self

    def search(self, query: NDArray[np.float32], k: int, mask: Mask) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and chunk ids of the k best rows in the mask; fewer if the mask has fewer."""
        count = int(np.count_nonzero(mask))
        if count == 0:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        if self.index is not None and count > max(EXACT_ROWS, EXACT_SHARE * len(mask)):
            return self._search_index(query, k, None if count == len(mask) else mask)
        places = np.flatnonzero(mask)
        # A mask of all rows needs no copy of them.
        whole = self.vectors if self.vectors is not None and count == len(mask) else None
        scores = (self.vectors_at(places) if whole is None else whole) @ query
        chunks = self.chunks[places]
        best = best_first(scores, chunks, k)
        return scores[best], chunks[best]

    def vectors_at(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, d) the rows at these positions."""
        if self.vectors is not None:
            return self.vectors[places]
        rows: NDArray[np.float32] = self.index.reconstruct_batch(places)
        return rows

    def _search_index(
        self, query: NDArray[np.float32], k: int, mask: Mask | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        # The setting is one of this thread; requests run beside each other, so one core each is the fastest sum.
        faiss.omp_set_num_threads(1)
        parameters = None
        if mask is not None:
            selector = _faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
            parameters = _faiss.SearchParameters(sel=selector)
        scores, places = self.index.search(query[None, :], min(k, len(self.chunks)), params=parameters)
        found = places[0] >= 0  # short results are padded with -1
        scores, chunks = scores[0][found], self.chunks[places[0][found]]
        best = best_first(scores, chunks, k)
        return scores[best], chunks[best]


@dataclass(frozen=True, slots=True)
class VectorMoment:
    """What a query sees. `exact` is false when the base is compressed and scores want a second look."""

    applied_seq: int
    segments: tuple[Segment, ...]
    kind: str  # "empty", "flat" or "sq8": the class of the base
    exact: bool

    @property
    def rows(self) -> int:
        """Rows that are alive."""
        return sum(int(np.count_nonzero(segment.alive)) for segment in self.segments)

    def contents(self) -> Iterator[ChunkRows]:
        """Every row that is alive, as this view remembers it: compressed classes give vectors that are nearly right."""
        for segment in self.segments:
            alive = np.flatnonzero(segment.alive)
            for at in range(0, len(alive), PARTITION):
                places = alive[at : at + PARTITION]
                names = (segment.chunks[places], segment.documents[places], segment.collections[places])
                yield ChunkRows(*names, segment.vectors_at(places))

    def search(
        self, query: NDArray[np.float32], k: int, scope: Scope | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Inner products and chunk ids of the k nearest rows in scope, best first, no padding. query: (d,) unit row."""
        scope = scope or Scope()
        found = [segment.search(query, k, segment.allowed(scope)) for segment in self.segments]
        scores = np.concatenate([scores for scores, _ in found] or [np.empty(0, np.float32)])
        chunks = np.concatenate([chunks for _, chunks in found] or [np.empty(0, np.int64)])
        best = best_first(scores, chunks, k)
        return scores[best], chunks[best]


class VectorView:
    """The writer's side of the view. Not thread-safe; `moment()` is what readers get."""

    def __init__(self, dimension: int, base: Snapshot | None = None) -> None:
        self.dimension = dimension
        self.applied_seq = base.applied_seq if base else 0
        self.kind = base.details["kind"] if base else "empty"
        self._base = open_base(base, dimension) if base else None
        self._count = 0  # rows of the delta
        self._vectors = np.empty((0, dimension), np.float32)
        self._names = np.empty((3, 0), np.int64)  # chunk, document, collection
        self._alive = np.empty(0, np.bool_)

    @property
    def delta_rows(self) -> int:
        """Rows of the delta, dead ones too: what a search scans by brute force."""
        return self._count

    @property
    def dead_rows(self) -> int:
        """Rows of base and delta that a new base would leave out."""
        base = 0 if self._base is None else int(np.count_nonzero(~self._base.alive))
        return base + int(np.count_nonzero(~self._alive[: self._count]))

    @property
    def base_rows(self) -> int:
        """Rows of the base, dead ones too."""
        return 0 if self._base is None else len(self._base.chunks)

    def remove(self, documents: Sequence[int]) -> None:
        """Rows of these documents (keys) die."""
        keys = np.array(documents, np.int64)
        if self._base is not None:
            self._base = self._base.without(keys)
        dead = np.isin(self._names[1, : self._count], keys)
        if dead.any():
            alive = self._alive.copy()  # a reader may hold the old one
            alive[: self._count] &= ~dead
            self._alive = alive

    def add(self, rows: ChunkRows) -> None:
        """Rows join the delta. Their documents must not be in the view yet."""
        if rows.vectors.shape[1] != self.dimension:
            raise ValueError(f"vectors have {rows.vectors.shape[1]} dimensions, but this view has {self.dimension}")
        self._reserve(self._count + len(rows))
        new = slice(self._count, self._count + len(rows))
        # Readers see the first `count` rows only, so writing behind them disturbs nobody.
        self._vectors[new] = rows.vectors
        self._names[:, new] = (rows.chunks, rows.documents, rows.collections)
        self._alive[new] = True
        self._count += len(rows)

    def moment(self) -> VectorMoment:
        """All that was applied, frozen."""
        n = self._count
        chunks, documents, collections = self._names[:, :n]
        delta = Segment(chunks, documents, collections, self._alive[:n], vectors=self._vectors[:n])
        segments = tuple(segment for segment in (self._base, delta) if segment is not None and len(segment.chunks))
        return VectorMoment(self.applied_seq, segments, self.kind, exact=self.kind != "sq8")

    def _reserve(self, count: int) -> None:
        if count <= len(self._vectors):
            return
        capacity = max(1024, 2 * len(self._vectors), count)
        n = self._count
        vectors = np.empty((capacity, self.dimension), np.float32)
        vectors[:n] = self._vectors[:n]
        names = np.empty((3, capacity), np.int64)
        names[:, :n] = self._names[:, :n]
        alive = np.zeros(capacity, np.bool_)
        alive[:n] = self._alive[:n]
        self._vectors, self._names, self._alive = vectors, names, alive


def base_kind(rows: int, flat_limit: int) -> str:
    """The class of a base of so many rows."""
    return "flat" if rows <= flat_limit else "sq8"


def base_writer(kind: str, dimension: int, rows: Iterator[ChunkRows]) -> Callable[[Path], None]:
    """What writes the parts of a base into a folder; takes all of `rows` once."""

    def fill(folder: Path) -> None:
        index = _new_index(kind, dimension)
        names: list[NDArray[np.int64]] = []
        waiting: list[NDArray[np.float32]] = []
        for part in rows:
            names.append(np.stack([part.chunks, part.documents, part.collections]))
            waiting.append(part.vectors)
            if index.is_trained or sum(map(len, waiting)) >= TRAINING_ROWS:
                _train_and_add(index, waiting)
        _train_and_add(index, waiting)
        np.save(folder / ROWS, np.concatenate(names, axis=1) if names else np.empty((3, 0), np.int64))
        faiss.write_index(index, str(folder / INDEX))

    return fill


def open_base(snapshot: Snapshot, dimension: int) -> Segment:
    """Map a base. Raises ValueError if the parts do not belong together."""
    try:
        index = faiss.read_index(str(snapshot.part(INDEX)), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ValueError(f"faiss cannot read {snapshot.part(INDEX)}: {error}") from error
    names = np.load(snapshot.part(ROWS))
    if index.d != dimension or names.shape != (3, index.ntotal) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ValueError(
            f"{snapshot.folder.name} holds {index.ntotal} rows of {index.d} dimensions under {names.shape} names, "
            f"but {dimension} dimensions and inner product were wanted"
        )
    chunks, documents, collections = names
    return Segment(chunks, documents, collections, np.ones(index.ntotal, np.bool_), index=index)


def _new_index(kind: str, dimension: int) -> Any:
    if kind == "flat":
        return faiss.IndexFlatIP(dimension)
    index = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    # Rows that come after the training sample may lie a little outside its range; without room they would be clipped.
    index.sq.rangestat = faiss.ScalarQuantizer.RS_minmax
    index.sq.rangestat_arg = 0.05
    return index


def _train_and_add(index: Any, waiting: list[NDArray[np.float32]]) -> None:
    if not waiting:
        return
    rows = np.concatenate(waiting)
    if not index.is_trained:
        index.train(rows)
    index.add(rows)
    waiting.clear()
