"""How the dense view alone grows with its rows: `python -m bench.growth --size N`. Knows no SQL, no words and no peer.

Rows are made in pieces into a file, so that ten millions need no memory to make. The view is built, and then opened and
asked by a process of its own, as after a restart: what that process holds at most is what the view needs.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.made_up import D, K, made_up_in
from bench.record import RESULTS, machine, versions
from index.snapshot import Snapshots
from index.vector_base import Limits, base_writer, sampling_step
from index.vectors import VectorView
from rag.settings import Settings

ROWS, TRUTH, QUESTIONS = "rows.npy", "truth.npy", "questions.npy"


@click.command()
@click.option("--size", type=click.IntRange(min=1000), default=1_000_000, show_default=True, help="Vectors.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where vectors are kept and used again. Default: nowhere."
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "growth.json", help="Where figures are kept."
)
def main(size: int, folder: Path | None, output: Path) -> None:
    """Build the dense view of a size, and measure it."""
    with tempfile.TemporaryDirectory(prefix="footnote-bench-", dir=folder) as scratch:
        figures = measured(size, folder or Path(scratch), Path(scratch))
    kept: dict[str, Any] = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {"sizes": {}}
    kept["sizes"][str(size)] = figures | {"machine": machine(), "versions": versions("faiss-cpu", "numpy")}
    kept["sizes"] = dict(sorted(kept["sizes"].items(), key=lambda each: int(each[0])))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    click.echo(json.dumps(kept["sizes"][str(size)], indent=2))


def measured(size: int, folder: Path, scratch: Path) -> dict[str, Any]:
    """Figures of one size. Rows are made in `folder` unless they are there; all else lies in `scratch`."""
    corpus = made_up_in(folder / ROWS, size)
    np.save(scratch / QUESTIONS, corpus.questions)
    np.save(scratch / TRUTH, np.stack(corpus.nearest()))
    settings = Settings()
    kind = Limits(settings.index_flat_limit, settings.index_sq8_limit).kind(size)
    details: dict[str, Any] = {"kind": kind, "rows": size}
    began = time.perf_counter()
    sample = [] if kind == "flat" else corpus.parts(sampling_step(size))
    fill = base_writer(kind, D, size, corpus.parts(), sample, details)
    snapshot = Snapshots(scratch, "dense", "bench").write(1, "m", fill, details)
    figures: dict[str, Any] = {
        "class": kind,
        "nprobe": details["nprobe"],
        "build_seconds": time.perf_counter() - began,
        "disk_mib": sum(path.stat().st_size for path in snapshot.folder.iterdir()) / 2**20,
    }
    command = [sys.executable, "-c", f"from bench.growth import asked; asked({str(scratch)!r})"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures |= json.loads(done.stdout)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}


def asked(scratch: str) -> None:
    """Open what was built, ask, and print the figures as JSON: run in a process of its own."""
    folder = Path(scratch)
    questions, truth = np.load(folder / QUESTIONS), np.load(folder / TRUTH)
    before = _resident_mib()
    began = time.perf_counter()
    snapshot = Snapshots(folder, "dense", "bench").newest(lambda _seq, _mark: True)  # reads every byte once
    moment = VectorView(D, snapshot).moment()
    moment.search(questions[0], K)
    ready = time.perf_counter() - began
    seconds, hits = [], 0
    for question, right in zip(questions, truth, strict=True):
        began = time.perf_counter()
        _, found = moment.search(question, K)
        seconds.append(time.perf_counter() - began)
        hits += len(set(found.tolist()) & set(right.tolist()))
    p50, p95 = (np.percentile(seconds, [50, 95]) * 1e3).tolist()
    figures = {
        "ready_seconds": ready,
        "recall_at_10": hits / truth.size,
        "ms_p50": p50,
        "ms_p95": p95,
        "resident_mib": _resident_mib() - before,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def _resident_mib() -> float:
    """What this process holds in memory, mapped files included."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


if __name__ == "__main__":
    main()
