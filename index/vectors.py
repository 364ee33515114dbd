"""The FAISS view: which chunks lie near a vector. With `index/vector_base.py` the room of faiss; knows no text, no SQL.

A view is `base` (large, read-only, mapped from its snapshot) + `delta` (recent rows, scanned by brute force) + the rows
of both that died since. Positions count within a segment and mean nothing outside this file. One writer calls `apply`;
readers hold a `VectorMoment`, which nothing changes any more, so searching takes no lock.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.byte_rows import ByteRows
from index.exact import best_first
from index.follow import PARTITION, ChunkRows
from index.masks import Mask, Masks, Rows
from index.scope import Scope
from index.snapshot import Snapshot
from index.vector_base import open_base

EXACT_ROWS = 2048  # so few allowed rows are scanned one by one, whatever the base is ...
EXACT_SHARE = 0.05  # ... and so is this share of a larger flat base
SKETCHES_PER_ROW = 25  # that are compared in the time in which one row is taken out and scored; measured
FEWEST_CANDIDATES = 100  # that sketches choose, however few are wanted: what they choose holds the ten nearest
_FILTER_POWER = 0.8  # a filter that leaves a share s looks at s ** -0.8 times as many lists; measured

_faiss: Any = faiss  # its type stubs know the C++ signatures, not the Python ones


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that belong together: `vectors` (n, d) that are scanned, a flat `index`, or `packed` rows and a `sketch`.

    `held` are the collections of the rows; a scope that has them all needs no look at each row. `runs` are the
    documents of neighbouring rows and how many rows each has, so that a scope looks at each document once. `nprobe` is
    how many lists of the sketch are looked at. `masks` is None where rows still join.
    """

    chunks: NDArray[np.int64]
    documents: NDArray[np.int64]
    collections: NDArray[np.int64]
    alive: Rows
    vectors: NDArray[np.float32] | None = None
    index: Any = None
    packed: ByteRows | None = None
    sketch: Any = None
    nprobe: int = 0
    held: frozenset[int] | None = None
    runs: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    masks: Masks | None = None

    def mask(self, scope: Scope) -> Mask:
        """Which rows are alive and in scope."""
        return Mask.of(self.allowed(scope)) if self.masks is None else self.masks.of(scope, self.allowed)

    def allowed(self, scope: Scope) -> Rows:
        """(n,) which rows are alive and in scope."""
        mask = self.alive
        if scope.collections is not None and not (self.held is not None and self.held <= set(scope.collections)):
            mask = mask & np.isin(self.collections, scope.collections)
        if scope.documents is not None:
            mask = mask & self._of_documents(scope.documents)
        if scope.chunks is not None:
            mask = mask & np.isin(self.chunks, scope.chunks)
        if scope.barred is not None:
            mask = mask & ~np.isin(self.chunks, scope.barred)
        return mask

    def _of_documents(self, documents: NDArray[np.int64]) -> Rows:
        if self.runs is None:
            return np.isin(self.documents, documents)
        each, lengths = self.runs
        return np.repeat(np.isin(each, documents), lengths)

    def without(self, documents: NDArray[np.int64]) -> "Segment":
        """The same rows, those of these documents (keys) dead."""
        # Keys grow: what is new to the log is of no document here, and most steps of the log bring nothing else.
        newest = (self.documents if self.runs is None else self.runs[0]).max(initial=0)
        documents = documents[documents <= newest]
        if not len(documents):
            return self
        dead = self._of_documents(documents)
        return replace(self, alive=self.alive & ~dead, masks=Masks()) if dead.any() else self

    def search(self, query: NDArray[np.float32], k: int, mask: Mask) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and chunk ids of the k best rows in the mask; fewer if the mask has fewer."""
        if mask.count == 0 or k == 0:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        # The setting is one of this thread; requests run beside each other, so one core each is the fastest sum.
        faiss.omp_set_num_threads(1)
        if self.sketch is not None and not self._few(mask):
            scores, places = self._sketched(query, k, mask)
        elif self.index is not None and mask.count > max(EXACT_ROWS, EXACT_SHARE * len(mask.rows)):
            parameters = None if mask.whole else _faiss.SearchParameters(sel=_faiss.IDSelectorBitmap(mask.bits))
            found, near = self.index.search(query[None, :], min(k, len(self.chunks)), params=parameters)
            places = near[0][near[0] >= 0]  # short results are padded with -1
            scores = found[0][: len(places)]
        else:
            scores, places = self._one_by_one(query, mask)
        chunks = self.chunks[places]
        best = best_first(scores, chunks, k)
        return scores[best], chunks[best]

    def vectors_at(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, d) the rows at these positions."""
        if self.vectors is not None:
            return self.vectors[places]
        if self.packed is not None:
            return self.packed.at(places)
        rows: NDArray[np.float32] = self.index.reconstruct_batch(places)
        return rows

    def _one_by_one(self, query: NDArray[np.float32], mask: Mask) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        places = np.flatnonzero(mask.rows)
        if self.packed is not None:
            return self.packed.scores(places, query), places
        # A mask of all rows needs no copy of them.
        whole = self.vectors if self.vectors is not None and mask.whole else self.vectors_at(places)
        return whole @ query, places

    def _few(self, mask: Mask) -> bool:
        """Whether scoring the allowed rows takes less time than looking through lists for them."""
        sketches = self._lists(mask) / self.sketch.nlist * len(mask.rows)
        return bool(mask.count <= max(EXACT_ROWS, sketches / SKETCHES_PER_ROW))

    def _lists(self, mask: Mask) -> int:
        # The nearest of few allowed rows lie farther away: a list holds fewer of them, so more lists are looked at.
        wanted: float = self.nprobe * mask.share**-_FILTER_POWER
        return min(int(self.sketch.nlist), math.ceil(wanted))

    def _sketched(
        self, query: NDArray[np.float32], k: int, mask: Mask
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Sketches choose the candidates, and bytes give them their scores."""
        assert self.packed is not None
        # Parameters without a number of lists would look at one list only.
        options = {} if mask.whole else {"sel": _faiss.IDSelectorBitmap(mask.bits)}
        parameters = _faiss.SearchParametersIVF(nprobe=self._lists(mask), **options)
        most = min(max(k, FEWEST_CANDIDATES), len(self.chunks))
        _, near = self.sketch.search(query[None, :], most, params=parameters)
        places = near[0][near[0] >= 0]  # short results are padded with -1
        return self.packed.scores(places, query), places


@dataclass(frozen=True, slots=True)
class VectorMoment:
    """What a query sees. `exact` is false when the base is compressed and scores want a second look."""

    applied_seq: int
    segments: tuple[Segment, ...]
    kind: str  # "empty", "flat", "sq8" or "ivf": the class of the base
    exact: bool

    @property
    def rows(self) -> int:
        """Rows that are alive."""
        return sum(int(np.count_nonzero(segment.alive)) for segment in self.segments)

    def remembers(self, document: int) -> int:
        """Rows of a document (key), dead ones too."""
        return sum(int(np.count_nonzero(segment.documents == document)) for segment in self.segments)

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
        found = [segment.search(query, k, segment.mask(scope)) for segment in self.segments]
        if len(found) == 1:
            return found[0]
        scores = np.concatenate([scores for scores, _ in found] or [np.empty(0, np.float32)])
        chunks = np.concatenate([chunks for _, chunks in found] or [np.empty(0, np.int64)])
        best = best_first(scores, chunks, k)
        return scores[best], chunks[best]


class VectorView:
    """The writer's side of the view. Not thread-safe; `moment()` is what readers get."""

    def __init__(self, dimension: int, base: Snapshot | None = None) -> None:
        self.dimension = dimension
        # What was deleted up to the line where the rows were read from SQL was never in here.
        self.applied_seq = self.begun_seq = base.applied_seq if base else 0
        self._base = _opened(base, dimension) if base else None
        self.kind = base.details["kind"] if base else "empty"
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

    def apply(self, dead: Sequence[int], added: Iterable[ChunkRows], upto: int) -> None:
        """Rows of the documents `dead` (keys) die, rows join, and the view stands at `upto`."""
        self.remove(dead)
        for part in added:
            self.add(part)
        self.applied_seq = upto

    def moment(self) -> VectorMoment:
        """All that was applied, frozen."""
        n = self._count
        chunks, documents, collections = self._names[:, :n]
        delta = Segment(chunks, documents, collections, self._alive[:n], vectors=self._vectors[:n])
        segments = tuple(segment for segment in (self._base, delta) if segment is not None and len(segment.chunks))
        return VectorMoment(self.applied_seq, segments, self.kind, exact=self.kind in ("empty", "flat"))

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


def _opened(snapshot: Snapshot, dimension: int) -> Segment:
    base = open_base(snapshot, dimension)
    chunks, documents, collections = base.names
    held = frozenset(np.unique(collections).tolist())
    alive = np.ones(len(chunks), np.bool_)
    # The chunks of a document were written together, so its rows are neighbours.
    starts = np.flatnonzero(np.diff(documents, prepend=-1))
    runs = documents[starts], np.diff(starts, append=len(documents))
    flat, packed = (base.rows, None) if base.sketch is None else (None, base.rows)
    return Segment(
        chunks,
        documents,
        collections,
        alive,
        index=flat,
        packed=packed,
        sketch=base.sketch,
        nprobe=base.nprobe,
        held=held,
        runs=runs,
        masks=Masks(),
    )
