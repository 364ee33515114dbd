"""Processes that die where a test wants it: `python -m tests.ingest.worker_driver work|submit DATA [TEXT ...]`.

The parts of the disk and of SQL are swapped for ones that count their steps and kill the process at the Nth.
"""

import argparse
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.orm import Session

from index.catalog import Catalog
from index.database import Database
from ingest.blobs import Blobs
from ingest.document import Document
from ingest.job import UNENDED
from ingest.jobs import Jobs
from ingest.parse.limits import ParseLimits
from ingest.parse.sandbox import parse_in_child
from ingest.pipeline import Pipeline
from ingest.worker import Worker
from tests.fakes import FaultyFiles, HashEmbedder
from tests.ingest.job_rig import jobs_url, parse_text


class Steps:
    """Counts; kills this process, as a power cut would, at step `at`."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._count = 0
        self._lock = threading.Lock()

    def step(self, _name: str = "") -> None:
        with self._lock:
            self._count += 1
            if self._count == self._at:
                os.kill(os.getpid(), signal.SIGKILL)


class DyingDatabase(Database):
    """Steps right before and right after every commit."""

    def __init__(self, url: str, steps: Steps) -> None:
        super().__init__(url)
        self.steps = steps

    @contextmanager
    def write(self) -> Iterator[Session]:
        with super().write() as session:
            yield session
            self.steps.step()
        self.steps.step()


class DyingFiles(FaultyFiles):
    """A step at every operation on the disk."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    def _count(self, call: str) -> None:
        self._steps.step(call)


def main(arguments: Sequence[str]) -> None:
    """What the module's docstring shows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("work", "submit"))
    parser.add_argument("data", type=Path)
    parser.add_argument("uploads", nargs="*", help="texts that `submit` submits")
    parser.add_argument("--database-url", default="")
    parser.add_argument("--jobs-url", default="")
    parser.add_argument("--die-at", type=int, default=0)
    parser.add_argument("--parse-seconds", type=float, default=0.0)
    parser.add_argument("--die-on", default="")
    parser.add_argument("--parent", type=int)
    parser.add_argument("--until-idle", action="store_true")
    parser.add_argument("--real-parser", action="store_true")
    options = parser.parse_args(arguments)
    options.jobs_url = options.jobs_url or jobs_url(options.data)
    url = options.database_url or f"sqlite:///{options.data / 'footnote.db'}"
    database = DyingDatabase(url, Steps(options.die_at))
    (work if options.mode == "work" else submit)(options, database)
    database.close()


def work(options: argparse.Namespace, database: DyingDatabase) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    blobs = Blobs(options.data / "blobs")

    def parse(path: Path, name: str, limits: ParseLimits) -> Document:
        if options.die_on and path.read_text("utf-8").startswith(options.die_on):
            os.kill(os.getpid(), signal.SIGKILL)
        if options.real_parser:
            return parse_in_child(path, name, limits)
        time.sleep(options.parse_seconds)
        return parse_text(path, name, limits)

    def build() -> Pipeline:
        return Pipeline(Catalog(database), HashEmbedder(), blobs, ParseLimits(), parse)

    jobs = Jobs(database, options.jobs_url, blobs)
    if options.until_idle:
        threading.Thread(target=_watch, args=(jobs, stop), daemon=True).start()
    Worker(database, options.jobs_url, build, parent_pid=options.parent).run(stop)
    jobs.close()


def _watch(jobs: Jobs, stop: threading.Event) -> None:
    while jobs.counts().keys() & set(UNENDED):  # one look: a job may change its state between two
        time.sleep(0.1)
    stop.set()


def submit(options: argparse.Namespace, database: DyingDatabase) -> None:
    """Submits each text as a file; the id of each job that was acknowledged is a line of the file `acknowledged`."""
    blobs = Blobs(options.data / "blobs", files=DyingFiles(database.steps))
    jobs = Jobs(database, options.jobs_url, blobs)
    collection = Catalog(database).collections()[0].id
    with (options.data / "acknowledged").open("w", buffering=1) as acknowledged:
        for number, text in enumerate(options.uploads):
            acknowledged.write(jobs.submit(collection, f"{number}.txt", io.BytesIO(text.encode())).id + "\n")
    jobs.close()


if __name__ == "__main__":
    main(sys.argv[1:])
