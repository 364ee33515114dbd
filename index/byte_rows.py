"""Vectors at a byte per number, mapped from a file: nearly right, and a quarter of the size. Knows no view."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BYTES, RANGE = "bytes.npy", "range.npy"
_MARGIN = 0.05  # of the range: rows that come after the sample may lie a little outside it
_AT_ONCE = 1024  # rows that are scored at once: what they are turned into stays in the processor's cache

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ByteRows:
    """`codes` (n, d) uint8: number i of a row is `low[i] + step[i] * code`."""

    codes: NDArray[np.uint8]
    low: Vectors
    step: Vectors

    @classmethod
    def opened(cls, folder: Path) -> "ByteRows":
        """Map what `bytes_writer` wrote. Raises ValueError if its parts do not belong together."""
        codes, (low, step) = np.asarray(np.load(folder / BYTES, mmap_mode="r")), np.load(folder / RANGE)
        if codes.ndim != 2 or codes.dtype != np.uint8 or codes.shape[1:] != low.shape:
            raise ValueError(f"{folder.name} holds bytes of shape {codes.shape} for a range of {low.shape}")
        return cls(codes, low, step)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and their dimension."""
        n, d = self.codes.shape
        return n, d

    def at(self, places: NDArray[np.int64]) -> Vectors:
        """(n, d) the rows at these places."""
        return self.codes[places] * self.step + self.low

    def scores(self, places: NDArray[np.int64], query: Vectors) -> Vectors:
        """(n,) inner products of the rows at these places with `query` (d,)."""
        weights, rest = query * self.step, np.float32(query @ self.low)
        found = np.empty(len(places), np.float32)
        for at in range(0, len(places), _AT_ONCE):
            part = slice(at, at + _AT_ONCE)
            found[part] = self.codes[places[part]].astype(np.float32) @ weights
        found += rest
        return found


def byte_range(sample: Vectors) -> Vectors:
    """(2, d) the lowest value of each number and what a step of its byte counts, learnt from some rows (n, d)."""
    low, high = sample.min(axis=0), sample.max(axis=0)
    room = _MARGIN * (high - low)
    step = np.maximum(high - low + 2 * room, 1e-6) / 255
    return np.stack([low - room, step]).astype(np.float32)


@contextmanager
def bytes_writer(folder: Path, count: int, ranges: Vectors) -> Iterator[Callable[[Vectors], None]]:
    """Gives what takes the next rows (n, d), `count` in all, and writes them to files of a folder as they come."""
    low, step = ranges
    np.save(folder / RANGE, ranges)
    with (folder / BYTES).open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, ranges.shape[1])}
        np.lib.format.write_array_header_1_0(file, header)

        def write(rows: Vectors) -> None:
            file.write(np.clip(np.rint((rows - low) / step), 0, 255).astype(np.uint8).tobytes())

        yield write
