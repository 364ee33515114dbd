"""How the base of the FAISS view is built, written and mapped, by size. With `index/vectors.py` the room of faiss.

| class | rows | a query looks at | scores |
|---|---|---|---|
| flat | up to `flat_limit` | every row | exact |
| sq8 | up to `sq8_limit` | every row, a byte per number | nearly exact |
| ivf | more | the rows of the nearest lists, a byte per number | nearly exact |

Knows no query, no filter and no SQL.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.follow import ChunkRows
from index.snapshot import Snapshot

INDEX, ROWS = "index.faiss", "rows.npy"
TRAINING_ROWS = 100_000
_LISTS_PER_ROOT = 2  # lists = 2 * sqrt(rows), to a power of two
_FEWEST_LISTS = 16
_ROWS_PER_LIST = 39  # to train on; faiss warns below
_WANTED_RECALL = 0.99  # of the ten nearest, when the number of lists to look at is chosen ...
_PROBING_QUESTIONS = 200  # ... with so many made-up questions

_faiss: Any = faiss  # its type stubs know the C++ signatures, not the Python ones


@dataclass(frozen=True, slots=True)
class Limits:
    """Up to how many rows a base is flat, and up to how many it is scanned whole."""

    flat: int
    sq8: int

    def kind(self, rows: int) -> str:
        """The class of a base of so many rows."""
        if rows <= self.flat:
            return "flat"
        return "sq8" if rows <= max(self.flat, self.sq8) else "ivf"

    def reason(self, rows: int) -> str:
        """Why it is that class, in words."""
        return {
            "flat": f"{rows} rows are at most index.flat_limit, {self.flat}: each query compares with all, exactly",
            "sq8": f"{rows} rows are more than index.flat_limit, {self.flat}, and at most index.sq8_limit, "
            f"{self.sq8}: each query compares with all, a byte per number, and the best anew with the stored vectors",
            "ivf": f"{rows} rows are more than index.sq8_limit, {self.sq8}: each query compares with the nearest "
            "lists of rows, a byte per number, and the best anew with the stored vectors",
        }[self.kind(rows)]


@dataclass(frozen=True, slots=True)
class Base:
    """An open base. `names` (3, n) are chunk, document and collection of each row; `nprobe` is 0 without lists."""

    kind: str
    index: Any
    names: NDArray[np.int64]
    nprobe: int = 0


def base_writer(
    kind: str,
    dimension: int,
    count: int,
    rows: Iterator[ChunkRows],
    sample: Iterable[ChunkRows] = (),
    details: dict[str, Any] | None = None,
) -> Callable[[Path], None]:
    """What writes the parts of a base into a folder; takes all of `rows` once.

    Compressed classes learn their range from `sample`, or from the first rows without one. What opening needs to know
    beside the parts is put into `details`.
    """

    def fill(folder: Path) -> None:
        index = _new_index(kind, dimension, count)
        learnt = _sampled(sample)
        if len(learnt) and not index.is_trained:
            index.train(learnt)
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
        if details is not None:
            details.update(kind=kind, nprobe=_enough_lists(index, learnt) if kind == "ivf" else 0)

    return fill


def open_base(snapshot: Snapshot, dimension: int) -> Base:
    """Map a base. Raises ValueError if the parts do not belong together."""
    try:
        index: Any = faiss.read_index(str(snapshot.part(INDEX)), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ValueError(f"faiss cannot read {snapshot.part(INDEX)}: {error}") from error
    names = np.load(snapshot.part(ROWS))
    if index.d != dimension or names.shape != (3, index.ntotal) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ValueError(
            f"{snapshot.folder.name} holds {index.ntotal} rows of {index.d} dimensions under {names.shape} names, "
            f"but {dimension} dimensions and inner product were wanted"
        )
    kind = str(snapshot.details["kind"])
    nprobe = int(snapshot.details.get("nprobe", 0))
    if (kind == "ivf") != isinstance(index, faiss.IndexIVF) or (kind == "ivf" and not 1 <= nprobe <= index.nlist):
        raise ValueError(f"{snapshot.folder.name} says it is {kind} with nprobe {nprobe}, but holds another index")
    if kind == "ivf":
        index.make_direct_map()  # 8 bytes per row: without it, no row of a list is found by its position
    return Base(kind, index, names, nprobe)


def sampling_step(count: int) -> int:
    """Every so manieth row makes a sample of about `TRAINING_ROWS`."""
    return max(1, count // TRAINING_ROWS)


def _new_index(kind: str, dimension: int, count: int) -> Any:
    if kind == "flat":
        return faiss.IndexFlatIP(dimension)
    if kind == "sq8":
        index = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    else:
        index = _faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dimension),
            dimension,
            _lists(count),
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
        )
        index.cp.spherical = True  # unit rows: the mean of a list is scaled to length 1
        index.cp.niter = 10
    # Rows that come after the training sample may lie a little outside its range; without room they would be clipped.
    index.sq.rangestat = faiss.ScalarQuantizer.RS_minmax
    index.sq.rangestat_arg = 0.05
    return index


def _lists(count: int) -> int:
    wanted = _LISTS_PER_ROOT * math.sqrt(max(1, count))
    most = min(count, TRAINING_ROWS) // _ROWS_PER_LIST
    return max(_FEWEST_LISTS if most >= _FEWEST_LISTS else 1, min(1 << round(math.log2(wanted)), most))


def _sampled(sample: Iterable[ChunkRows]) -> NDArray[np.float32]:
    parts = [part.vectors for part in sample]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def _enough_lists(index: Any, learnt: NDArray[np.float32]) -> int:
    """The fewest lists, a power of two, that find the ten nearest of made-up questions as well as all lists do.

    A question is about a passage in words of other ones: its cosine to the passage is 0.7, and it strays in the
    directions in which texts differ. Noise in all directions is like no text and would need half of the lists.
    """
    if not len(learnt):
        return int(index.nlist)
    chance = np.random.default_rng(7)
    about, other, another = learnt[chance.integers(0, len(learnt), (3, _PROBING_QUESTIONS))]
    astray = other - another
    questions = about + astray / np.maximum(np.linalg.norm(astray, axis=1, keepdims=True), 1e-9)
    questions /= np.maximum(np.linalg.norm(questions, axis=1, keepdims=True), 1e-9)
    nearest = _found(index, questions, index.nlist)
    nprobe = 1
    while nprobe < index.nlist:
        near = _found(index, questions, nprobe)
        hits = sum(len(set(a) & set(b)) for a, b in zip(near.tolist(), nearest.tolist(), strict=True))
        if hits >= _WANTED_RECALL * nearest.size:
            return nprobe
        nprobe *= 2
    return int(index.nlist)


def _found(index: Any, questions: NDArray[np.float32], nprobe: int) -> NDArray[np.int64]:
    _, places = index.search(questions, min(10, index.ntotal), params=_faiss.SearchParametersIVF(nprobe=nprobe))
    found: NDArray[np.int64] = places
    return found


def _train_and_add(index: Any, waiting: list[NDArray[np.float32]]) -> None:
    if not waiting:
        return
    rows = np.concatenate(waiting)
    if not index.is_trained:
        index.train(rows)
    index.add(rows)
    waiting.clear()
