"""Our side of the comparison of searching, measured as the peers are: `search_ours.py SIDE FOLDER KIND`, see
`peer_search_child.py`. Knows no SQL: a filter comes as the documents that pass it, as search remembers them."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.peer_search_child import measured
from bench.peer_sides import Ids, K, Vectors
from index.exact import best_first
from index.follow import ChunkRows
from index.scope import Scope
from index.snapshot import Snapshot, Snapshots
from index.vector_base import base_writer, sampling_step
from index.vectors import VectorMoment, VectorView

CANDIDATES = 50  # as search does it: so many of a compressed view are put in order by the stored vectors
LISTS = (1, 2, 4, 8, 16, 32, 64, 128)
_PART = 20_000


class Ours:
    """The dense view. An effort is a number of lists to look at; classes without lists have one effort."""

    filters = "inside"

    def __init__(self, disk: Path, kind: str) -> None:
        self._disk, self._kind = disk, kind
        self.efforts: tuple[int, ...] = LISTS if kind == "ivf" else (0,)
        self._snapshot: Snapshot | None = None
        self._moment: VectorMoment | None = None

    def build(self, rows: Vectors, buckets: Ids) -> None:
        # A document of one chunk each: its key is its place.
        places = np.arange(len(rows))
        parts = (
            ChunkRows(places[at : at + _PART], places[at : at + _PART], np.ones(len(part), np.int64), part)
            for at in range(0, len(rows), _PART)
            for part in (rows[at : at + _PART],)
        )
        step = sampling_step(len(rows))
        sample = ChunkRows(places[::step], places[::step], np.ones(len(places[::step]), np.int64), rows[::step])
        details: dict[str, Any] = {"kind": self._kind}
        fill = base_writer(self._kind, rows.shape[1], len(rows), parts, [sample], details)
        self._snapshot = Snapshots(self._disk, "dense", "bench").write(1, "m", fill, details)
        # The stored vectors, that put candidates in order: of half precision, as SQL keeps them, and mapped.
        np.save(self._disk / "stored.npy", rows.astype(np.float16))
        np.save(self._disk / "buckets.npy", buckets)
        self._dimension = rows.shape[1]

    def open(self) -> None:
        snapshot = Snapshots(self._disk, "dense", "bench").newest(lambda _seq, _mark: True)  # reads every byte once
        self._moment = VectorView(self._dimension, snapshot).moment()
        self._stored = np.load(self._disk / "stored.npy", mmap_mode="r")
        self._buckets = np.load(self._disk / "buckets.npy")
        self._scopes: dict[int, Scope] = {}

    def ask(self, question: Vectors, effort: int, below: int | None) -> Ids:
        assert self._moment is not None
        scope = None if below is None else self._scope(below)
        moment = self._moment
        if effort:
            segment = moment.segments[0]
            if segment.nprobe != effort:
                lists = min(effort, segment.sketch.nlist)
                self._moment = moment = replace(moment, segments=(replace(segment, nprobe=lists),))
        _, chunks = moment.search(question, K if moment.exact else CANDIDATES, scope)
        if moment.exact:
            return chunks
        return chunks[best_first(self._stored[chunks].astype(np.float32) @ question, chunks, K)]

    def elsewhere(self) -> int:
        return 0

    def close(self) -> None:
        self._moment = None

    def _scope(self, below: int) -> Scope:
        if below not in self._scopes:
            self._scopes[below] = Scope((1,), np.flatnonzero(self._buckets < below))
        return self._scopes[below]


def main() -> None:
    """What the module's docstring says."""
    side, folder, kind = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    disk = folder / side
    disk.mkdir()
    sys.stdout.write("\n" + json.dumps(measured(Ours(disk, kind), folder, disk)) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
