"""Workers killed at random times until enough have died: nothing acknowledged is lost, nothing appears twice.

`python -m tests.ingest.storm --kills 200 [--workers 2] [--seed 8] [--postgres]` says what was found and ends with 1 if
an invariant does not hold. Tests run the same with few kills.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.job import JobInfo
from tests.ingest.forge import Forge
from tests.ingest.job_rig import Rig, open_rig

PATIENCE = 600.0  # seconds for the last worker to finish what the storm left
_FILES_A_TURN = 5


def storm(
    rig: Rig, forge: Forge, kills: int, *, workers: int = 2, seed: int = 8, say: Callable[[str], None] = lambda _: None
) -> list[JobInfo]:
    """Hand files in and kill the workers on them, until `kills` have died; then let one finish. Returns the jobs."""
    chance = random.Random(seed)
    jobs: list[JobInfo] = []
    died = 0
    while died < kills:
        jobs += [
            rig.submit(f"{died}-{n}.txt", f"text {died} {n}\n\nwith a second paragraph") for n in range(_FILES_A_TURN)
        ]
        # One name in each turn gets new bytes: the last upload must win, whoever dies meanwhile.
        jobs.append(rig.submit("again.txt", f"version {died} of a text"))
        running = [forge.start("work", *rig.options, "--parse-seconds", "0.02") for _ in range(workers)]
        time.sleep(chance.uniform(0.2, 3.0))
        for worker in running:
            worker.kill()
        died += len(running)
        with rig.database.write() as session:
            # Attempts are bounded, and this kills without mercy.
            session.connection().exec_driver_sql("UPDATE jobs SET attempts = 0 WHERE state NOT IN ('done', 'failed')")
        say(f"{died} of {kills} killed, jobs: {rig.jobs.counts()}")
    code = forge.start("work", *rig.options, "--until-idle").wait(PATIENCE)
    assert code == 0, f"the last worker ended with {code}"
    return jobs


def check_storm(rig: Rig, jobs: list[JobInfo]) -> None:
    """Every job is done or was overtaken by a later upload of its name; every document came once and is whole."""
    states = Counter((shown.state, shown.reason) for shown in (rig.jobs.job(job.id) for job in jobs))
    overtaken = states[("failed", "overtaken")]
    assert states[("done", None)] + overtaken == len(jobs), states
    again = [job for job in jobs if job.name == "again.txt"]
    assert rig.jobs.job(again[-1].id).state == "done"
    documents = rig.catalog.documents(rig.collection, limit=100_000, include_superseded=True).items
    assert all(count == 1 for count in Counter(document.content_hash for document in documents).values())
    assert len(documents) == len(jobs) - overtaken
    newest = next(document for document in documents if document.name == "again.txt" and document.state == "current")
    with rig.blobs.path(newest.blob) as path:
        assert path.read_text() == f"version {_turn(jobs, again[-1])} of a text"
    for document in documents:
        text = rig.catalog.document_text(document.id)
        chunks = rig.catalog.chunks(document.id)
        assert document.chunks == len(chunks)
        assert document.state == "superseded" or chunks
        assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
        with rig.blobs.path(document.blob) as path:
            assert path.read_bytes().decode() == text
    lines = rig.catalog.changes_after(0, limit=1_000_000)
    added = Counter(line.document for line in lines if line.kind == "add")
    assert set(added.values()) == {1}
    assert len(added) == len(documents)


def _turn(jobs: list[JobInfo], last: JobInfo) -> int:
    """What the turn of the last upload was called: the number in the names of its neighbours."""
    return int(jobs[jobs.index(last) - 1].name.partition("-")[0])


@contextmanager
def _on_postgres(folder: Path) -> Iterator[tuple[str, str]]:
    from tests.postgres import PostgresServer

    server = PostgresServer(folder)
    try:
        for name in ("corpus", "jobs"):
            server.execute(f"CREATE DATABASE {name}")
        yield server.url("corpus"), server.url("jobs")
    finally:
        server.close()


def main() -> None:
    """What the module's docstring shows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()

    def say(line: str) -> None:
        sys.stderr.write(line + "\n")

    with tempfile.TemporaryDirectory(prefix="fn-") as here:
        data, server = Path(here) / "data", Path(here) / "server"
        data.mkdir()
        server.mkdir()
        if options.postgres:
            Path(here).chmod(0o755)
            with _on_postgres(server) as urls:
                _run(open_rig(data, *urls), options, say)
        else:
            _run(open_rig(data), options, say)
    say(f"{options.kills} kills: nothing lost, nothing twice")


def _run(rig: Rig, options: argparse.Namespace, say: Callable[[str], None]) -> None:
    forge = Forge()
    try:
        jobs = storm(rig, forge, options.kills, workers=options.workers, seed=options.seed, say=say)
        check_storm(rig, jobs)
    finally:
        forge.close()
        rig.close()


if __name__ == "__main__":
    main()
