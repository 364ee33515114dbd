"""Recall and milliseconds of the dense view by size and under filters, against hnswlib on the same vectors.

The vectors are those of `bench/made_up.py`. Every side answers the same questions in the same run, one at a time on one
thread, and recall is counted against exact search. Knows no text and no SQL. hnswlib is no dependency: install it to
compare (`pip install hnswlib`).
"""

import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bench.made_up import PER_DOCUMENT, Corpus, D, K, Vectors, made_up
from bench.record import RESULTS, record, show
from index.exact import best_first
from index.scope import Scope
from index.snapshot import Snapshots
from index.vector_base import Limits, base_writer, sampling_step
from index.vectors import VectorMoment, VectorView
from rag.settings import Settings

CANDIDATES = 400  # what hybrid search asks of a compressed view, before the stored vectors put them in order
SHARES = (0.5, 0.1, 0.01, 0.001)
RECALLS = (0.95, 0.99)

Answer = tuple[float, NDArray[np.int64]]  # seconds, ids of the K nearest

_messages = Console(stderr=True, highlight=False)


@click.command("search")
@click.option("--size", type=click.IntRange(min=1000), default=100_000, show_default=True, help="Chunks.")
@click.option("--kind", type=click.Choice(["auto", "flat", "sq8", "ivf"]), default="auto", show_default=True)
@click.option("--peers/--no-peers", default=True, help="Measure hnswlib too, where it is installed.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "search.json", help="Where figures are kept."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def search_command(ctx: click.Context, size: int, kind: str, peers: bool, output: Path, as_json: bool) -> None:
    """Recall and milliseconds of the dense view at a size, filtered and not, against hnswlib."""
    settings: Settings = ctx.obj[0]
    limits = Limits(settings.index_flat_limit, settings.index_sq8_limit)
    with _messages.status(f"making {size} vectors"):
        corpus = made_up(size)
    ratios, figures = measure(corpus, limits.kind(size) if kind == "auto" else kind, peers)
    result = record(ratios, figures, ("faiss-cpu", "numpy"), output)
    show(result, as_json=as_json)


def measure(corpus: Corpus, kind: str, peers: bool) -> tuple[dict[str, float], dict[str, Any]]:
    """Our view and the others. Ratios: how many times faster we are than a peer at the same recall."""
    size = len(corpus.rows)
    truth = corpus.nearest()
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder:
        moment, figures = _built(corpus, kind, Path(folder))
        mine, about = _asked(corpus, truth, lambda question: _ours(corpus, moment, question))
        figures |= {"chunks": size, "kind": kind, **about}
        for share in SHARES:
            figures |= _filtered(corpus, moment, share, mine)
        for recall, milliseconds, seconds in _hnswlib(corpus, truth) if peers and find_spec("hnswlib") else ():
            figures |= {"hnswlib_build_seconds": seconds, f"hnswlib_at_recall_{recall}_ms_p50": milliseconds}
            ratios[f"queries_per_second_vs_hnswlib_at_recall_{recall}"] = milliseconds / mine
    return ratios, figures


def _built(corpus: Corpus, kind: str, folder: Path) -> tuple[VectorMoment, dict[str, Any]]:
    details: dict[str, Any] = {"kind": kind}
    sample = [] if kind == "flat" else corpus.parts(sampling_step(len(corpus.rows)))
    began = time.perf_counter()
    fill = base_writer(kind, D, len(corpus.rows), corpus.parts(), sample, details)
    snapshot = Snapshots(folder, "dense", "bench").write(1, "m", fill, details)
    built = time.perf_counter() - began
    began = time.perf_counter()
    moment = VectorView(D, snapshot).moment()
    return moment, {
        "build_seconds": built,
        "open_seconds": time.perf_counter() - began,
        "disk_mib": sum(path.stat().st_size for path in snapshot.folder.iterdir()) / 2**20,
        "nprobe": details.get("nprobe", 0),
    }


def _ours(corpus: Corpus, moment: VectorMoment, question: Vectors, scope: Scope | None = None) -> Answer:
    """As search does it: compressed scores choose candidates, the stored vectors put them in order."""
    began = time.perf_counter()
    _, chunks = moment.search(question, K if moment.exact else CANDIDATES, scope)
    if not moment.exact:
        scores = corpus.rows[chunks - 1] @ question
        chunks = chunks[best_first(scores, chunks, K)]
    return time.perf_counter() - began, chunks


def _asked(
    corpus: Corpus, truth: list[NDArray[np.int64]], ask: Callable[[Vectors], Answer]
) -> tuple[float, dict[str, float]]:
    """The median in milliseconds, and the figures."""
    for question in corpus.questions[:10]:
        ask(question)
    answers = [ask(question) for question in corpus.questions]
    milliseconds = np.array([seconds for seconds, _ in answers]) * 1e3
    p50, p95 = np.percentile(milliseconds, [50, 95]).tolist()
    recall = _recall([found for _, found in answers], truth)
    return p50, {"recall_at_10": recall, "ms_p50": p50, "ms_p95": p95}


def _filtered(corpus: Corpus, moment: VectorMoment, share: float, unfiltered: float) -> dict[str, float]:
    documents = np.arange(len(corpus.rows) // PER_DOCUMENT + 1)
    kept = documents[np.random.default_rng(3).random(len(documents)) < share]
    kept = kept if len(kept) else documents[:1]
    scope = Scope((1,), kept)
    allowed = np.flatnonzero(np.isin(np.arange(len(corpus.rows)) // PER_DOCUMENT, kept))
    p50, about = _asked(corpus, corpus.nearest(allowed), lambda question: _ours(corpus, moment, question, scope))
    name = f"filter_{share * 100:g}_percent"
    return {f"{name}_{key}": value for key, value in about.items()} | {f"{name}_times_unfiltered": p50 / unfiltered}


def _hnswlib(corpus: Corpus, truth: list[NDArray[np.int64]]) -> Iterator[tuple[float, float, float]]:
    """For each wanted recall the median milliseconds of the cheapest setting that reaches it, and seconds to build."""
    module: Any = importlib.import_module("hnswlib")
    began = time.perf_counter()
    index = module.Index(space="ip", dim=D)
    index.init_index(max_elements=len(corpus.rows), ef_construction=128, M=16)
    index.add_items(corpus.rows, np.arange(1, len(corpus.rows) + 1))
    built = time.perf_counter() - began

    def search(question: Vectors) -> Answer:
        began = time.perf_counter()
        found, _ = index.knn_query(question, k=K, num_threads=1)
        return time.perf_counter() - began, found[0].astype(np.int64)

    wanted = list(RECALLS)
    for effort in (16, 32, 64, 128, 256, 512):
        index.set_ef(effort)
        p50, about = _asked(corpus, truth, search)
        while wanted and about["recall_at_10"] >= wanted[0]:
            yield wanted.pop(0), p50, built
        if not wanted:
            return


def _recall(found: list[NDArray[np.int64]], truth: list[NDArray[np.int64]]) -> float:
    hits = sum(len(set(a.tolist()) & set(b.tolist())) for a, b in zip(found, truth, strict=True))
    return hits / max(1, sum(map(len, truth)))
