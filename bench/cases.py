"""Large files through a worker of its own: how long, and the most memory that the worker and its parsers ever held.

A PDF of 1,000 pages, a table of 200 MB and a batch of 10,000 files are made by script; the fourth case is a folder of
documentation, the fifth the upload of 2 GiB to a service. Knows no reference: the figures are absolute, beside the
limits that worker and service are to keep. Figures of cases that are not measured again stay.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import httpx
import psutil
from rich.console import Console

from bench.ingest import PACKAGES, default_folder
from bench.record import RESULTS, kept, record
from bench.servers import our_server
from ingest.errors import IngestError
from rag.app import IngestParts, ingest_parts
from rag.llm.registry import packaged_model
from rag.settings import Settings

LIMIT_MIB = 1229.0  # 1.2 GiB
UPLOAD_LIMIT_MIB = 100.0
_UPLOAD_MIB = 2048
_LOOK_SECONDS = 0.2
_BATCH = 10_000  # files
_WORDS = str.split(
    "hub sensor reading gateway battery alarm schedule firmware channel account invoice refund limit queue retry token "
    "window region backup storage index answer"
)
_messages = Console(stderr=True, highlight=False)


@click.command("cases")
@click.option(
    "--case",
    "cases",
    type=click.Choice(["pdf", "docs", "csv", "batch", "upload"]),
    multiple=True,
    help="Which; more than once. All.",
)
@click.option("--pages", type=click.IntRange(min=1), default=1000, show_default=True, help="Of the PDF.")
@click.option("--megabytes", type=click.IntRange(min=1), default=200, show_default=True, help="Of the table.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Of documentation.")
@click.option("--minutes", default=60.0, show_default=True, help="Stop a case that takes longer; its figures say so.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "cases.json", help="Where figures are kept."
)
@click.pass_context
def cases_command(
    ctx: click.Context,
    cases: tuple[str, ...],
    pages: int,
    megabytes: int,
    folder: Path | None,
    minutes: float,
    output: Path,
) -> None:
    """A 1,000-page PDF, documentation, an upload of 2 GiB, a batch of 10,000 files, a 200 MB table: time and memory."""
    settings: Settings = ctx.obj[0]
    ratios, figures = kept(output)
    figures |= {"pages": pages, "megabytes": megabytes}
    for case in cases or ("pdf", "docs", "upload", "batch", "csv"):
        if case == "upload":
            figures |= (found := upload(settings))
            ratios["upload_memory_limit_vs_service"] = UPLOAD_LIMIT_MIB / max(found["upload_service_grew_mib"], 1.0)
            continue
        with tempfile.TemporaryDirectory(prefix="footnote-case-") as made:
            files = _files(case, Path(made), pages, megabytes, folder or default_folder())
            _messages.print(f"{case}: {len(files)} files")
            found = measure(settings, files, minutes * 60)
        figures |= {f"{case}_{name}": value for name, value in found.items()}
        ratios[f"{case}_memory_limit_vs_worker"] = LIMIT_MIB / max(found["worker_peak_mib"], 1.0)
    sys.stdout.write(json.dumps(record(ratios, figures, PACKAGES, output), indent=2) + "\n")


def _files(case: str, made: Path, pages: int, megabytes: int, folder: Path) -> list[tuple[str, Path]]:
    if case == "docs":
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return [(path.relative_to(folder).as_posix(), path) for path in found]
    if case == "batch":
        return list(_small_files(made))
    path = made / ("manual.pdf" if case == "pdf" else "table.csv")
    with path.open("wb") as file:
        for piece in _pdf(pages) if case == "pdf" else _table(megabytes):
            file.write(piece)
    return [(path.name, path)]


def _small_files(made: Path) -> Iterator[tuple[str, Path]]:
    chance = random.Random(3)
    for number in range(_BATCH):
        path = made / f"{number}.txt"
        path.write_text(f"Note {number}. {' '.join(_sentences(chance, 3))}\n", encoding="utf-8")
        yield path.name, path


def _sentences(chance: random.Random, count: int) -> list[str]:
    return [" ".join(chance.choices(_WORDS, k=12)).capitalize() + f" {chance.randrange(10_000)}." for _ in range(count)]


def _pdf(pages: int) -> Iterator[bytes]:
    """A PDF with forty lines of invented prose on each page, written by hand: no library makes one of these here."""
    chance, at = random.Random(1), 0
    offsets: dict[int, int] = {}
    for number, piece in _objects(pages, chance):
        data = b"%d 0 obj\n%s\nendobj\n" % (number, piece) if number else piece
        if number:
            offsets[number] = at
        at += len(data)
        yield data
    rows = b"".join(b"%010d 00000 n \n" % offsets[number] for number in sorted(offsets))
    count = len(offsets) + 1
    yield b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, rows)
    yield b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, at)


def _objects(pages: int, chance: random.Random) -> Iterator[tuple[int, bytes]]:
    """(number, body) of each object; number 0 is what stands before them."""
    yield 0, b"%PDF-1.4\n"
    yield 1, b"<< /Type /Catalog /Pages 2 0 R >>"
    kids = b" ".join(b"%d 0 R" % (4 + 2 * page) for page in range(pages))
    yield 2, b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids)
    yield 3, b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    for page in range(pages):
        lines = [f"Chapter {page + 1}", *_sentences(chance, 40)]
        text = "".join(f"({line}) Tj T*\n" for line in lines).encode()
        stream = b"BT /F1 10 Tf 14 TL 50 800 Td\n%sET" % text
        box = b"/MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
        yield 4 + 2 * page, b"<< /Type /Page /Parent 2 0 R %s /Contents %d 0 R >>" % (box, 5 + 2 * page)
        yield 5 + 2 * page, b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)


def _table(megabytes: int) -> Iterator[bytes]:
    chance, written = random.Random(2), 0
    yield b"ticket,customer,product,days,text\n"
    while written < megabytes * 1_000_000:
        rows = "".join(
            f"T-{chance.randrange(10**7)},customer {chance.randrange(5000)},{chance.choice(_WORDS)},"
            f'{chance.randrange(90)},"{line}"\n'
            for line in _sentences(chance, 1000)
        ).encode()
        written += len(rows)
        yield rows


def measure(settings: Settings, files: list[tuple[str, Path]], seconds: float) -> dict[str, Any]:
    """Hand the files in, let one worker process take them in, and watch its memory."""
    models = settings.data.resolve() / "models"
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="footnote-case-data-") as folder:
        data = Path(folder)
        (data / "models").symlink_to(models, target_is_directory=True)
        with closing(ingest_parts(replace(settings, data=data, database_url="", jobs_url=""))) as parts:
            collection = parts.catalog.create_collection("cases").id
            batch = parts.jobs.create_batch(collection)
            began = time.perf_counter()
            refused = sum(not _enter(parts, collection, batch, name, path) for name, path in files)
            entered = time.perf_counter() - began
            command = [sys.executable, "-m", "rag.cli", "--data", folder, "worker", "--parent", str(os.getpid())]
            began = time.perf_counter()
            with subprocess.Popen(command, stdin=subprocess.DEVNULL) as worker:
                peaks = Peaks(worker.pid)
                try:
                    until = time.monotonic() + seconds
                    while not parts.jobs.batch(batch).ended and time.monotonic() < until and worker.poll() is None:
                        time.sleep(_LOOK_SECONDS)
                    took = time.perf_counter() - began
                finally:
                    peaks.close()
                    worker.terminate()
            info = parts.catalog.collection("cases")
            return {
                "jobs": parts.jobs.batch(batch).counts,
                "refused": refused,
                "hand_in_seconds": entered,
                "seconds": took,
                "chunks": info.chunks,
                "chunks_per_s": info.chunks / took,
                "worker_peak_mib": peaks.worker / 2**20,
                "parser_peak_mib": peaks.parser / 2**20,
            }


def _enter(parts: IngestParts, collection: str, batch: str, name: str, path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            parts.door.enter(collection, name, stream, batch=batch)
    except IngestError:
        return False
    return True


def upload(settings: Settings) -> dict[str, float]:
    """Hand 2 GiB to a service of its own over HTTP; what its memory grew by at most, in MiB."""

    def body() -> Iterator[bytes]:
        for number in range(_UPLOAD_MIB):
            yield number.to_bytes(4, "big") * (2**20 // 4)

    models = settings.data.resolve() / "models"
    with our_server(packaged_model(), models, threads=1, sequences=1, context_tokens=512) as server:
        with httpx.Client(base_url=f"{server.address}/api/v1", timeout=3600) as http:
            collection = http.post("/collections", json={"name": "cases"}).raise_for_status().json()["id"]
            Path(f"/proc/{server.pid}/clear_refs").write_text(
                "5", encoding="ascii"
            )  # the high water falls to what is now
            before = _high_water(server.pid)
            began = time.perf_counter()
            answer = http.post(f"/collections/{collection}/documents?name=large.bin", content=body())
            answer.raise_for_status()
        return {
            "upload_mib": answer.json()["job"]["size"] / 2**20,
            "upload_seconds": time.perf_counter() - began,
            "upload_service_grew_mib": (_high_water(server.pid) - before) / 2**20,
        }


class Peaks:
    """The most memory that a worker, and any of its parsers, held, in bytes; the system counts it itself."""

    def __init__(self, pid: int) -> None:
        self.worker = self.parser = 0
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._look()
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        try:
            children = self._process.children()
        except psutil.NoSuchProcess:
            return
        self.worker = max(self.worker, _high_water(self._process.pid))
        self.parser = max([self.parser, *(_high_water(child.pid) for child in children)])


def _high_water(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
