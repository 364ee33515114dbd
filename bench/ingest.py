"""Chunks per second of embedding and of the whole way into the corpus, against `SentenceTransformer.encode`.

Both sides get the very same texts in the same run, in turns, so that a busy machine slows both. Knows no measure of
quality beyond the cosine of the two results.
"""

import hashlib
import io
import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bench.record import RESULTS, record, show
from eval.workplace import temporary_app
from index.embedder import Embedder
from index.embedder_model import find_model
from index.rows import embedded_text
from ingest.chunk import chunk_document
from ingest.document import Document
from ingest.errors import IngestError
from ingest.parse.limits import ParseLimits
from ingest.parse.sandbox import Sandbox
from ingest.pipeline import Pipeline
from ingest.worker import SLOTS, Worker
from rag.app import App
from rag.settings import Settings

PACKAGES = ("openvino", "torch", "sentence-transformers", "tokenizers", "faiss-cpu", "tantivy", "numpy")
QUERIES = 60

_messages = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Work:
    """Parsed files and the texts that embedding them means, equal ones once."""

    files: dict[str, tuple[Path, Document]]
    texts: list[str]
    tokens: int
    parse_seconds: float


@click.command("ingest")
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Documents to take in.")
@click.option("--chunks", type=click.IntRange(min=1), default=600, show_default=True, help="Stop adding files here.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Turns of each side.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "ingest.json", help="Where figures are kept."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def ingest_command(
    ctx: click.Context, folder: Path | None, chunks: int, rounds: int, output: Path, as_json: bool
) -> None:
    """Chunks per second against SentenceTransformer.encode with defaults, on the same chunks."""
    settings: Settings = ctx.obj[0]
    folder = folder or default_folder()
    with temporary_app(settings) as app:
        with _messages.status(f"reading {folder}"):
            work = gather(folder, app.embedder, chunks)
        ratios, figures = measure(settings, app.embedder, work, rounds)
    result = record(ratios, {"folder": folder.name} | figures, PACKAGES, output)
    show(result, as_json=as_json)


def default_folder() -> Path:
    """Real documentation where the evaluation data are, else the samples."""
    data = os.environ.get("FOOTNOTE_EVAL_DATA")
    documents = Path(data) / "docs" if data else Path()
    if data and documents.is_dir():
        return documents
    samples = Path(__file__).parents[1] / "samples"
    return next((path for path in samples.glob("*/documents") if path.is_dir()), samples)


def plain_text_files(folder: Path) -> list[Path]:
    """Files that anybody may read as plain text, mixed as `gather` mixes them."""
    return [path for path in _mixed(folder) if path.suffix in (".md", ".rst", ".txt") and path.stat().st_size > 0]


def gather(folder: Path, embedder: Embedder, most: int) -> Work:
    """Parse and chunk files until there are `most` chunks. Unreadable files are left out, with a line that says so."""
    files: dict[str, tuple[Path, Document]] = {}
    texts: dict[str, int] = {}
    seconds = 0.0
    with Sandbox() as sandbox:
        for path in _mixed(folder):
            name = path.relative_to(folder).as_posix()
            began = time.perf_counter()
            try:
                document = sandbox.parse(path, name, ParseLimits())
            except IngestError as error:
                _messages.print(f"left out: {error}")
                continue
            seconds += time.perf_counter() - began
            found = chunk_document(document, embedder, embedder.max_tokens)
            if not found:
                continue
            files[name] = (path, document)
            texts |= {embedded_text(chunk.heading, chunk.text): chunk.tokens for chunk in found}
            if len(texts) >= most:
                break
    return Work(files, list(texts), sum(texts.values()), seconds)


def _mixed(folder: Path) -> list[Path]:
    """Every file, in an order that is the same each time and puts files of one subject apart."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: hashlib.blake2b(path.relative_to(folder).as_posix().encode()).digest())


def measure(settings: Settings, embedder: Embedder, work: Work, rounds: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Each round: the reference, our embedding, our whole way, one after another. Ratios are medians of the rounds."""
    reference = _reference()
    warm = work.texts[:16]
    reference(warm)
    embedder.embed(warm)
    seconds: dict[str, list[float]] = {"reference": [], "embed": [], "end_to_end": [], "again": [], "worker": []}
    theirs = ours = np.empty((0, 0), dtype=np.float32)
    for round_ in range(rounds):
        _messages.print(f"round {round_ + 1} of {rounds}: {len(work.texts)} chunks")
        theirs = _timed(seconds["reference"], lambda: reference(work.texts))
        ours = _timed(seconds["embed"], lambda: embedder.embed(work.texts))
        with temporary_app(settings) as app:
            app.embedder.embed(warm)
            collection = app.catalog.create_collection(name="bench").id
            for which in ("end_to_end", "again"):
                _timed(seconds[which], partial(_take_in, app, collection, work))
        with temporary_app(settings) as app:
            app.embedder.embed(warm)
            seconds["worker"].append(hand_in(app, work))
    alike = np.einsum("nd,nd->n", ours.astype(np.float64), theirs.astype(np.float64))
    ratios = {
        f"{ours_}_vs_sentence_transformers_encode": statistics.median(
            slow / fast for slow, fast in zip(seconds["reference"], seconds[ours_], strict=True)
        )
        for ours_ in ("embed", "end_to_end", "worker")
    }
    count = len(work.texts)
    query_ms = _query_ms(embedder, work.texts)
    return ratios, {
        "files": len(work.files),
        "chunks": count,
        "tokens_per_chunk": work.tokens / count,
        "rounds": rounds,
        "embedder": embedder.stamp.key,
        "sentence_transformers_chunks_per_s": count / statistics.median(seconds["reference"]),
        "embed_chunks_per_s": count / statistics.median(seconds["embed"]),
        "end_to_end_chunks_per_s": count / statistics.median(seconds["end_to_end"]),
        "unchanged_again_share": statistics.median(
            again / first for again, first in zip(seconds["again"], seconds["end_to_end"], strict=True)
        ),
        "worker_chunks_per_s": count / statistics.median(seconds["worker"]),
        "parse_files_per_s": len(work.files) / work.parse_seconds,
        "query_ms_p50": query_ms,
        "cosine_to_reference_mean": float(alike.mean()),
        "cosine_to_reference_min": float(alike.min()),
    }


def _reference() -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """sentence-transformers as a person would first write it: fp32, batches of 32, its own threads."""
    from sentence_transformers import SentenceTransformer  # takes seconds

    model = SentenceTransformer(str(find_model("all-MiniLM-L6-v2")), device="cpu")
    return lambda texts: np.asarray(model.encode(list(texts)), dtype=np.float32)


def _take_in(app: App, collection: str, work: Work) -> None:
    """The way of uploads from their bytes on, parsing apart: store, chunk, embed, commit, and the views caught up.

    As many are in work at a time as in one worker.
    """
    documents = {name: document for name, (_, document) in work.files.items()}

    def parsed(path: Path, name: str, limits: ParseLimits) -> Document:  # noqa: ARG001 - parsed before the clock ran
        return documents[name]

    pipeline = Pipeline(app.catalog, app.embedder, app.blobs, ParseLimits(), parsed)

    def take(name: str) -> None:
        with work.files[name][0].open("rb") as stream:
            blob = app.blobs.put(stream, app.settings.ingest_max_file_bytes)
        pipeline.ingest(collection, name, blob, lambda _: None)

    with ThreadPoolExecutor(SLOTS) as pool:
        list(pool.map(take, documents))
    app.searcher.refresh()


def hand_in(app: App, work: Work) -> float:
    """Seconds from handing files in to finding them, through the queue and a worker that is up, parsing included."""
    sandbox = Sandbox()
    sandbox.warm()
    pipeline = Pipeline(app.catalog, _Lent(app.embedder), app.blobs, ParseLimits(), sandbox.parse)
    stop = threading.Event()
    worker = Worker(app.database, app.settings.resolved_jobs_url, lambda: pipeline)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        collection = app.catalog.create_collection(name="bench").id
        _work_off(app, collection, {"warm.md": b"# Ready\n\nThe worker takes files in.\n"})
        began = time.perf_counter()
        _work_off(app, collection, {name: path.read_bytes() for name, (path, _) in work.files.items()})
        app.searcher.refresh()
        return time.perf_counter() - began
    finally:
        stop.set()
        thread.join()
        sandbox.close()


def _work_off(app: App, collection: str, files: dict[str, bytes]) -> None:
    """Hand in and wait. Raises RuntimeError if one is not taken in."""
    batch = app.jobs.create_batch(collection)
    app.jobs.submit_many(collection, ((name, io.BytesIO(data)) for name, data in files.items()), batch=batch)
    while not (seen := app.jobs.batch(batch)).ended:
        time.sleep(0.05)
    if seen.counts != {"done": len(files)}:
        raise RuntimeError(f"of {len(files)} files the worker left {seen.counts}; see `footnote jobs list`")


class _Lent:
    """An embedder that its user does not close."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def close(self) -> None:
        """Stays open for its owner."""


def _query_ms(embedder: Embedder, texts: Sequence[str]) -> float:
    """Median milliseconds of embedding one question of ten words."""
    questions = [" ".join(text.split()[:10]) for text in texts[:QUERIES]]
    for question in questions[:5]:
        embedder.embed_query(question)
    seconds: list[float] = []
    for question in questions:
        _timed(seconds, partial(embedder.embed_query, question))
    return statistics.median(seconds) * 1000


def _timed(seconds: list[float], work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = work()
    seconds.append(time.perf_counter() - began)
    return result
