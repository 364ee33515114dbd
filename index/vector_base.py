"""How the base of the FAISS view is built, written and mapped, by size. With `index/vectors.py` the room of faiss.

| class | rows | a query looks at | scores |
|---|---|---|---|
| flat | up to `flat_limit` | every row | exact |
| sq8 | up to `sq8_limit` | a sketch of every row, then the best at a byte per number | nearly exact |
| ivf | more | the sketches of the nearest lists, then likewise | nearly exact |

A sketch is four bits for two numbers, compared sixteen at a time without leaving the registers of the processor
(docs/decisions/0034-sketches-first.md). Knows no query, no filter and no SQL.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.byte_rows import ByteRows, byte_range, bytes_writer
from index.follow import ChunkRows
from index.snapshot import Snapshot

INDEX, SKETCH, ROWS = "index.faiss", "sketch.faiss", "rows.npy"
TRAINING_ROWS = 100_000  # or `_ROWS_PER_LIST` for each list, if that is more
_LISTS_PER_ROOT = 2  # lists = 2 * sqrt(rows), to a power of two
_FEWEST_LISTS = 16
_DELTA_SHARE = 0.2  # of the base
_MOST_LISTS = 4096  # more would take longer to tell apart than their rows take to look through
_ROWS_PER_LIST = 39  # to train on; faiss warns below
_WANTED_RECALL = 0.99  # of the ten nearest, when the number of lists to look at is chosen ...
_PROBING_QUESTIONS = 200  # ... with so many made-up questions
_PROBING_CANDIDATES = 100

_faiss: Any = faiss  # its type stubs know the C++ signatures, not the Python ones


@dataclass(frozen=True, slots=True)
class Limits:
    """Up to how many rows a base is flat, and up to how many it is scanned whole; `delta` recent rows are the most."""

    flat: int
    sq8: int
    delta: int = 20_000

    def kind(self, rows: int) -> str:
        """The class of a base of so many rows."""
        if rows <= self.flat:
            return "flat"
        return "sq8" if rows <= max(self.flat, self.sq8) else "ivf"

    def room(self, base: int) -> int:
        """So many recent rows may lie beside a base of `base` rows: each query compares with all of them.

        A fifth of the base at least, so that growing to n rows costs the building of 6 n.
        """
        return min(self.delta, max(self.flat, int(_DELTA_SHARE * base)))

    def reason(self, rows: int) -> str:
        """Why it is that class, in words."""
        return {
            "flat": f"{rows} rows are at most index.flat_limit, {self.flat}: each query compares with all, exactly",
            "sq8": f"{rows} rows are more than index.flat_limit, {self.flat}, and at most index.sq8_limit, "
            f"{self.sq8}: each query compares with a sketch of all, and the best anew with more of them",
            "ivf": f"{rows} rows are more than index.sq8_limit, {self.sq8}: each query compares with sketches in the "
            "nearest lists of rows, and the best anew with more of them",
        }[self.kind(rows)]


@dataclass(frozen=True, slots=True)
class Base:
    """An open base. `names` (3, n) are chunk, document and collection of each row.

    `rows` is a flat index, or the rows at a byte per number beside a `sketch` in lists; `nprobe` of them are looked at.
    """

    kind: str
    rows: Any
    names: NDArray[np.int64]
    sketch: Any = None
    nprobe: int = 0


def base_writer(
    kind: str,
    dimension: int,
    count: int,
    rows: Iterator[ChunkRows],
    sample: Iterable[ChunkRows] = (),
    details: dict[str, Any] | None = None,
    threads: int = 0,
) -> Callable[[Path], None]:
    """What writes the parts of a base into a folder; takes all of `rows` once, and at most `count` of them.

    Compressed classes learn from `sample`, or from the first rows without one. What opening needs to know beside the
    parts is put into `details`. `threads` of faiss take part, 0 for as many as there are cores.
    """

    def fill(folder: Path) -> None:
        if threads:
            faiss.omp_set_num_threads(threads)  # of this thread; those that search have their own
        names: list[NDArray[np.int64]] = []

        def vectors() -> Iterator[NDArray[np.float32]]:
            for part in rows:
                names.append(np.stack([part.chunks, part.documents, part.collections]))
                yield part.vectors

        if kind == "flat":
            flat: Any = faiss.IndexFlatIP(dimension)
            for part in vectors():
                flat.add(part)
            faiss.write_index(flat, str(folder / INDEX))
            nprobe = 0
        else:
            nprobe = _write_compressed(folder, kind, dimension, count, vectors(), _sampled(sample))
        np.save(folder / ROWS, np.concatenate(names, axis=1) if names else np.empty((3, 0), np.int64))
        if details is not None:
            details.update(kind=kind, nprobe=nprobe)

    return fill


def open_base(snapshot: Snapshot, dimension: int) -> Base:
    """Map a base. Raises ValueError if the parts do not belong together."""
    kind = str(snapshot.details["kind"])
    names = np.load(snapshot.part(ROWS))
    if kind == "flat":
        flat = _read(snapshot, INDEX)
        _check_shape(snapshot, flat, names, dimension)
        return Base(kind, flat, names)
    sketch, rows = _read(snapshot, SKETCH), ByteRows.opened(snapshot.folder)
    _check_shape(snapshot, sketch, names, dimension)
    if rows.shape != (sketch.ntotal, dimension):
        raise ValueError(f"{snapshot.folder.name} holds rows of {rows.shape}, but its sketch has {sketch.ntotal}")
    nprobe = int(snapshot.details.get("nprobe", 0))
    if not isinstance(sketch, faiss.IndexIVF) or not 1 <= nprobe <= sketch.nlist:
        raise ValueError(f"{snapshot.folder.name} says it is {kind} with nprobe {nprobe}, but holds another index")
    return Base(kind, rows, names, sketch, nprobe)


def sampling_step(count: int) -> int:
    """Every so manieth row makes the sample that a base of `count` rows learns from."""
    return max(1, count // max(TRAINING_ROWS, _ROWS_PER_LIST * _wanted_lists(count)))


def _read(snapshot: Snapshot, name: str) -> Any:
    if not snapshot.part(name).exists():
        raise ValueError(f"{snapshot.folder.name} says it is {snapshot.details['kind']}, but holds another index")
    try:
        return faiss.read_index(str(snapshot.part(name)), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ValueError(f"faiss cannot read {snapshot.part(name)}: {error}") from error


def _check_shape(snapshot: Snapshot, index: Any, names: NDArray[np.int64], dimension: int) -> None:
    if index.d != dimension or names.shape != (3, index.ntotal) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ValueError(
            f"{snapshot.folder.name} holds {index.ntotal} rows of {index.d} dimensions under {names.shape} names, "
            f"but {dimension} dimensions and inner product were wanted"
        )


def _write_compressed(
    folder: Path,
    kind: str,
    dimension: int,
    count: int,
    vectors: Iterator[NDArray[np.float32]],
    learnt: NDArray[np.float32],
) -> int:
    """Write sketches and bytes; returns how many lists to look at."""
    waiting: list[NDArray[np.float32]] = []
    if not len(learnt):
        for part in vectors:
            waiting.append(part)
            if sum(map(len, waiting)) >= TRAINING_ROWS:
                break
        learnt = np.concatenate(waiting) if waiting else np.zeros((1, dimension), np.float32)
    sketch = _new_sketch(kind, dimension, count, len(learnt))
    # A handful of rows is learnt again and again: sixteen are the fewest that four bits can tell apart.
    sketch.train(learnt if len(learnt) >= _FEWEST_LISTS else np.resize(learnt, (_FEWEST_LISTS, dimension)))
    with bytes_writer(folder, count, byte_range(learnt)) as write:
        for part in chain(waiting, vectors):
            sketch.add(part)
            write(part)
    faiss.write_index(sketch, str(folder / SKETCH))
    return _enough_lists(sketch, ByteRows.opened(folder), learnt) if kind == "ivf" else int(sketch.nlist)


def _new_sketch(kind: str, dimension: int, count: int, learnt: int) -> Any:
    """An index of lists of sketches; all rows are in one list where each is looked at anyway."""
    lists = _lists(count, learnt) if kind == "ivf" else 1
    pieces = dimension // 2 if dimension % 2 == 0 else dimension
    sketch = _faiss.index_factory(dimension, f"IVF{lists},PQ{pieces}x4fs", faiss.METRIC_INNER_PRODUCT)
    sketch.cp.spherical = True  # unit rows: the mean of a list is scaled to length 1
    sketch.cp.niter = 10
    sketch.cp.min_points_per_centroid = sketch.pq.cp.min_points_per_centroid = 1  # few rows are no reason to warn
    return sketch


def _wanted_lists(count: int) -> int:
    return int(min(_MOST_LISTS, 1 << round(math.log2(_LISTS_PER_ROOT * math.sqrt(max(1, count))))))


def _lists(count: int, learnt: int) -> int:
    most = min(count, learnt) // _ROWS_PER_LIST
    return max(_FEWEST_LISTS if most >= _FEWEST_LISTS else 1, min(_wanted_lists(count), most))


def _sampled(sample: Iterable[ChunkRows]) -> NDArray[np.float32]:
    parts = [part.vectors for part in sample]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def _enough_lists(sketch: Any, rows: ByteRows, learnt: NDArray[np.float32]) -> int:
    """The fewest lists, a power of two, that find the ten nearest of made-up questions as well as all lists do.

    A question is about a passage in words of other ones: its cosine to the passage is 0.7, and it strays in the
    directions in which texts differ. Noise in all directions is like no text and would need half of the lists.
    """
    chance = np.random.default_rng(7)
    about, other, another = learnt[chance.integers(0, len(learnt), (3, _PROBING_QUESTIONS))]
    astray = other - another
    questions = about + astray / np.maximum(np.linalg.norm(astray, axis=1, keepdims=True), 1e-9)
    questions /= np.maximum(np.linalg.norm(questions, axis=1, keepdims=True), 1e-9)
    nearest = _found(sketch, rows, questions, sketch.nlist)
    nprobe = 1
    while nprobe < sketch.nlist:
        near = _found(sketch, rows, questions, nprobe)
        hits = sum(len(a & b) for a, b in zip(near, nearest, strict=True))
        if hits >= _WANTED_RECALL * sum(map(len, nearest)):
            return nprobe
        nprobe *= 2
    return int(sketch.nlist)


def _found(sketch: Any, rows: ByteRows, questions: NDArray[np.float32], nprobe: int) -> list[set[int]]:
    """The ten nearest of each question in so many lists, as they are by their bytes."""
    most = min(_PROBING_CANDIDATES, sketch.ntotal)
    _, places = sketch.search(questions, most, params=_faiss.SearchParametersIVF(nprobe=nprobe))
    found = []
    for question, row in zip(questions, places, strict=True):
        near = row[row >= 0]
        found.append(set(near[np.argsort(-rows.scores(near, question))[:10]].tolist()))
    return found
