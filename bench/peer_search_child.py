"""One side of a comparison of searching, run by the Python of its environment: `peer_search_child.py SIDE FOLDER`.

FOLDER holds `rows.npy` (n, d) float32, `buckets.npy` (n,), `questions.npy` (nq, d), `truth.npz` with the right answers
of each filter, and `plan.json`. A filter is a range of buckets, which every side keeps as a column. Prints one JSON
line. Knows nothing of Footnote; each peer is used as its own documentation shows, with one thread where it lets us.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]


class Side(Protocol):
    """What is measured. `filters` says how a filter is obeyed: "inside" the index, "after" it, or "" for not at all."""

    filters: str
    efforts: tuple[int, ...]

    def build(self, rows: Vectors, buckets: Ids) -> None:
        """Take everything in and put it on disk. Ids count from 0."""
        ...

    def open(self) -> None:
        """From disk, as after a restart."""
        ...

    def ask(self, question: Vectors, effort: int, below: int | None) -> Ids:
        """The ids of the K nearest with a bucket below that number; None for all."""
        ...

    def elsewhere(self) -> int:
        """Bytes that another process keeps for it; 0 if it keeps all itself."""
        ...

    def close(self) -> None: ...


def measured(side: Side, folder: Path, disk: Path) -> dict[str, Any]:
    """Build, restart, then recall and time by effort and filter, of the cheapest that reaches a wanted recall."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    buckets, questions = np.load(folder / "buckets.npy"), np.load(folder / "questions.npy")
    before = _memory_mib()
    began = time.perf_counter()
    side.build(np.load(folder / "rows.npy"), buckets)
    figures: dict[str, Any] = {"build_seconds": time.perf_counter() - began, "filters": side.filters}
    elsewhere = side.elsewhere()
    side.close()
    files = sum(path.stat().st_size for path in disk.rglob("*") if path.is_file())
    figures["disk_mib"] = (files + elsewhere) / 2**20
    began = time.perf_counter()
    side.open()
    side.ask(questions[0], side.efforts[0], None)
    figures["restart_seconds"] = time.perf_counter() - began
    end = time.monotonic() + plan["seconds"]
    with np.load(folder / "truth.npz") as truth:
        for name, below in plan["filters"].items():
            if below is not None and not side.filters:
                continue
            for found in _climbed(side, questions, truth[name], below, plan["recalls"], end):
                figures |= {f"{name}_{key}": value for key, value in found.items()}
    if not elsewhere:
        figures["memory_mib"] = _memory_mib() - before
    side.close()
    return figures


def _climbed(
    side: Side, questions: Vectors, truth: Ids, below: int | None, recalls: list[float], end: float
) -> Iterator[dict[str, float]]:
    """Effort after effort until every wanted recall is reached, or the time is up."""
    wanted = sorted(recalls)
    for effort in side.efforts:
        for question in questions[:5]:
            side.ask(question, effort, below)
        hits, seconds = 0, []
        for question, right in zip(questions, truth, strict=True):
            began = time.perf_counter()
            found = side.ask(question, effort, below)
            seconds.append(time.perf_counter() - began)
            hits += len(set(np.asarray(found).tolist()) & set(right[right >= 0].tolist()))
            if time.monotonic() > end:
                return
        recall = hits / max(1, int((truth >= 0).sum()))
        p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
        yield {"best_recall": recall}
        while wanted and recall >= wanted[0]:
            at = f"at_recall_{wanted.pop(0)}"
            yield {f"{at}_ms_p50": float(p50), f"{at}_ms_p95": float(p95), f"{at}_effort": effort}
        if not wanted:
            return


def _memory_mib() -> float:
    """What this process has for itself; mapped files that are shared do not count."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


def main() -> None:
    """What the module's docstring says."""
    os.environ.update(OMP_NUM_THREADS="1", LANCE_CPU_THREADS="1", TOKENIZERS_PARALLELISM="false")
    name, folder = sys.argv[1], Path(sys.argv[2])
    sides: Any = importlib.import_module("peer_sides")  # beside this file: who has no Footnote has no package bench
    disk = folder / name
    disk.mkdir()
    sys.stdout.write("\n" + json.dumps(measured(sides.open_side(name, disk), folder, disk)) + "\n")
    sys.stdout.flush()
    os._exit(0)  # some peers leave servers and threads behind


if __name__ == "__main__":
    main()
