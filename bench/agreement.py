"""How soon two services on one PostgreSQL answer alike: `python -m bench.agreement`. Knows no HTTP and no model.

Two processes follow the log with a FAISS view each, as services do. Documents are put and deleted here, one at a time,
and a change counts as known when both views stand at its line of the log.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np

from bench.hybrid import MadeUpEmbedder, documents
from bench.made_up import made_up
from bench.record import RESULTS, record, show
from bench.search_peers import postgres
from index.catalog import Catalog
from index.database import Database
from index.search import Searcher

WANTED_SECONDS = 1.0


@click.command()
@click.option("--changes", type=click.IntRange(min=2), default=60, show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "agreement.json", help="Where figures are kept."
)
def main(changes: int, output: Path) -> None:
    """Measure on a PostgreSQL of its own, the one that tests use."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="footnote-bench-")))
        url = f"postgresql+psycopg://postgres@/postgres?host={postgres(stack)}"
        seconds = measured(url, folder, changes)
    figures = {
        "changes": changes,
        "seconds_until_both_know_p50": float(np.median(seconds)),
        "seconds_until_both_know_p95": float(np.percentile(seconds, 95)),
        "seconds_until_both_know_most": max(seconds),
    }
    ratios = {"a_second_vs_slowest": WANTED_SECONDS / max(seconds)}
    show(record(ratios, figures, ("faiss-cpu", "psycopg"), output), as_json=True)


def measured(url: str, folder: Path, changes: int) -> list[float]:
    """Seconds from the return of each commit until both processes know it; every third change deletes a document."""
    database = Database(url)
    database.migrate()
    catalog = Catalog(database)
    collection = catalog.create_collection("bench").id
    ready = documents(made_up(max(1000, 10 * changes)), collection, count=changes)
    put: list[str] = []
    seconds = []
    with _follower(url, folder / "a") as one, _follower(url, folder / "b") as other:
        for n in range(changes):
            if n % 3 == 2:
                catalog.delete_document(put.pop())
            else:
                put.append(catalog.put_document(next(ready)).document)
            committed = time.monotonic()
            line = catalog.latest_seq()
            for each in (one, other):
                assert each.stdin is not None
                each.stdin.write(f"{line}\n")
                each.stdin.flush()
            seconds.append(max(_answer(one), _answer(other)) - committed)
        for each in (one, other):
            each.kill()
    database.close()
    return [max(0.0, each) for each in seconds]


def follow(url: str, folder: str) -> None:
    """Follow the log as a service does; for each line number that is read, print when it was reached."""
    database = Database(url)
    searcher = Searcher(database, Catalog(database), MadeUpEmbedder({}), Path(folder))
    searcher.start()
    while not searcher.ready:
        time.sleep(0.01)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for asked in sys.stdin:
        while searcher.status()["applied_seq"] < int(asked):
            time.sleep(0.005)
        # On one machine this clock is the same for every process.
        sys.stdout.write(f"{time.monotonic()}\n")
        sys.stdout.flush()


def _follower(url: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", f"from bench.agreement import follow; follow({url!r}, {str(folder)!r})"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise RuntimeError("a process that follows the log ended before it was ready; its words are above")
    return process


def _answer(process: subprocess.Popen[str]) -> float:
    assert process.stdout is not None
    return float(process.stdout.readline())


if __name__ == "__main__":
    main()
