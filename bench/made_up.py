"""Vectors that lie as those of texts do, made by script: at once, or in pieces into a file. Knows no view and no time.

Subjects of very different sizes, which belong to fields; near-duplicates; questions whose cosine to their passage is
about 0.7.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.exact import best_first
from index.follow import ChunkRows

D = 384
K = 10
QUESTIONS = 200
PER_DOCUMENT = 10  # chunks
PART = 20_000
SEED = 20261122
_SUBJECTS, _FIELDS = 2000, 100

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]


class Texts:
    """Where texts lie. The same seed gives the same ones."""

    def __init__(self, seed: int = SEED) -> None:
        self._chance = np.random.default_rng(seed)
        # Half of the variance of text embeddings lies in about 40 directions, nine tenths in about 130.
        directions = np.linalg.qr(self._chance.standard_normal((D, D)))[0].astype(np.float32)
        self._directions = directions * np.exp(-np.arange(D, dtype=np.float32) / 116)[:, None]
        fields = self._astray(_FIELDS)[self._chance.integers(0, _FIELDS, _SUBJECTS)]
        self._subjects = unit(fields + self._astray(_SUBJECTS))
        weights = 1 / (np.arange(_SUBJECTS) + 10.0)
        self._weights = weights / weights.sum()

    def subjects_of(self, count: int) -> Ids:
        """(count,) which subject each of the next texts has."""
        chosen: Ids = self._chance.choice(_SUBJECTS, count, p=self._weights)
        return chosen

    def about(self, subjects: Ids) -> Vectors:
        """(n, d) unit rows, one text about each of these subjects."""
        return unit(self._subjects[subjects] + 0.9 * self._astray(len(subjects)))

    def asked_about(self, rows: Vectors) -> Vectors:
        """(n, d) unit rows, a question about each of these texts."""
        return unit(rows + self._astray(len(rows)))

    def some_of(self, size: int) -> Ids:
        """(QUESTIONS,) places below `size`, each once."""
        return self._chance.choice(size, QUESTIONS, replace=False)

    def _astray(self, count: int) -> Vectors:
        return unit(self._chance.standard_normal((count, D)).astype(np.float32) @ self._directions)


class Corpus:
    """Chunks 1..n with their rows (n, d), held or mapped, of half precision or not; questions (nq, d)."""

    def __init__(self, rows: NDArray[Any], questions: Vectors) -> None:
        self.rows, self.questions = rows, questions

    def parts(self, every: int = 1) -> Iterator[ChunkRows]:
        """All rows, or every so manieth, in order."""
        for at in range(0, len(self.rows), PART):
            places = np.arange(at, min(at + PART, len(self.rows)))
            places = places[places % every == 0]
            yield ChunkRows(places + 1, places // PER_DOCUMENT, np.ones(len(places), np.int64), self.at(places))

    def at(self, places: Ids) -> Vectors:
        """(n, d) the rows at these places, as a view gets them from SQL."""
        rows = self.rows[places]
        return rows if rows.dtype == np.float32 else unit(rows.astype(np.float32))

    def nearest(self, allowed: Ids | None = None) -> list[Ids]:
        """The K nearest chunk ids of each question among the allowed places, exactly."""
        return nearest(self.questions, len(self.rows) if allowed is None else allowed, self.at)


def nearest(questions: Vectors, among: int | Ids, rows_at: Callable[[Ids], Vectors]) -> list[Ids]:
    """The K nearest chunk ids (place + 1) of each question, exactly: among so many places, or among these."""
    places = np.arange(among) if isinstance(among, int) else among
    scores = [np.empty(0, np.float32)] * len(questions)
    found = [np.empty(0, np.int64)] * len(questions)
    for at in range(0, len(places), PART):
        these = places[at : at + PART]
        # Only what may still be among the best is put in order: of millions of rows, few.
        for n, row in enumerate(questions @ rows_at(these).T):
            least = scores[n][-1] if len(scores[n]) == K else -np.inf
            near = np.flatnonzero(row >= least)
            joined, names = np.concatenate([scores[n], row[near]]), np.concatenate([found[n], these[near] + 1])
            best = best_first(joined, names, K)
            scores[n], found[n] = joined[best], names[best]
    return found


def made_up(size: int, seed: int = SEED) -> Corpus:
    """A corpus in memory: 1.5 KB a chunk."""
    texts = Texts(seed)
    chosen = texts.subjects_of(size)
    rows = np.empty((size, D), np.float32)
    for at in range(0, size, PART):
        rows[at : at + PART] = texts.about(chosen[at : at + PART])
    return Corpus(rows, texts.asked_about(rows[texts.some_of(size)]))


def made_up_in(file: Path, size: int) -> Corpus:
    """A corpus in a mapped file, of half precision as SQL keeps vectors: 768 bytes a chunk, and little memory.

    A file that is there is used again, or its first rows if it has more than `size`.
    """
    if not file.exists():
        texts = Texts()
        made = file.with_suffix(".part")
        written = np.lib.format.open_memmap(made, mode="w+", dtype=np.float16, shape=(size, D))
        for at in range(0, size, PART):
            written[at : at + PART] = texts.about(texts.subjects_of(min(PART, size - at)))
        written.flush()
        made.rename(file)
    rows = np.load(file, mmap_mode="r")[:size]
    if len(rows) < size:
        raise ValueError(f"{file} has {len(rows)} rows, but {size} were wanted; remove it, and it is made anew")
    asking = Texts()
    about = np.sort(asking.some_of(size))
    return Corpus(rows, asking.asked_about(rows[about].astype(np.float32)))


def unit(rows: Vectors) -> Vectors:
    """The same rows, each of length 1."""
    scaled: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled
