"""Killed at every step and at random times, nothing acknowledged is lost and nothing appears twice."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.job import JobInfo
from tests.ingest.job_rig import Rig, open_rig

ROOT = Path(__file__).parents[2]
DRIVER = [sys.executable, "-m", "tests.ingest.worker_driver"]
FILES = {
    "a.txt": "a text about queues\n\nand their limits",
    "b.txt": "another text about exchanges",
    "c.txt": "locked away",
}


def work(rig: Rig, *options: str) -> int:
    return subprocess.run([*DRIVER, "work", str(rig.data), "--until-idle", *options], cwd=ROOT, timeout=120).returncode


def check(rig: Rig, acknowledged: list[JobInfo]) -> None:
    """Every job ended as its file deserves; every document is whole, current once, and came by one change."""
    shown = [rig.jobs.job(job.id) for job in acknowledged]
    for job in shown:
        wanted = ("failed", "encrypted-document") if job.name == "c.txt" else ("done", None)
        assert (job.state, job.reason) == wanted, job
    documents = rig.catalog.documents(rig.collection, limit=1000, include_superseded=True).items
    assert Counter(document.content_hash for document in documents).most_common(1)[0][1] == 1
    for document in documents:
        text = rig.catalog.document_text(document.id)
        chunks = rig.catalog.chunks(document.id)
        assert document.chunks == len(chunks)
        assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
        with rig.blobs.path(document.blob) as path:
            assert path.read_bytes().decode() == text
    done = {job.document for job in shown if job.state == "done"}
    assert done <= {document.id for document in documents}
    assert {job.outcome for job in shown if job.state == "done"} <= {"added", "replaced", "unchanged"}


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Iterator[Rig]]:
    rigs: list[Rig] = []

    def fresh() -> Iterator[Rig]:
        while True:
            data = tmp_path / str(len(rigs))
            data.mkdir()
            rigs.append(open_rig(data))
            yield rigs[-1]

    yield fresh()
    for rig in rigs:
        rig.close()


@pytest.mark.real
def test_invariant_1_a_worker_killed_around_every_commit_leaves_whole_documents(folders: Iterator[Rig]) -> None:
    died = 0
    for step, rig in enumerate(folders, start=1):
        jobs = [rig.submit(name, text) for name, text in FILES.items()]
        code = work(rig, "--die-at", str(step))
        if code == 0:
            check(rig, jobs)
            break
        assert code == -signal.SIGKILL
        died += 1
        assert work(rig) == 0
        check(rig, jobs)
        # The outcome does not depend on where the worker died: the first upload of a text added it.
        assert {rig.jobs.job(job.id).outcome for job in jobs[:2]} == {"added"}
    assert died >= 16


@pytest.mark.real
def test_invariant_8_an_acknowledged_upload_survives_the_kill_of_its_process(folders: Iterator[Rig]) -> None:
    uploads = b"a text about queues\nanother text about exchanges\n"
    for step, rig in enumerate(folders, start=1):
        command = [*DRIVER, "submit", str(rig.data), "--die-at", str(step)]
        done = subprocess.run(command, cwd=ROOT, input=uploads, capture_output=True, timeout=120)
        acknowledged = [rig.jobs.job(line) for line in done.stdout.decode().split()]
        assert work(rig) == 0
        check(rig, acknowledged) if acknowledged else None
        # What was not acknowledged is either not there or whole.
        assert rig.jobs.counts().keys() <= {"done"}
        assert len(rig.names()) == rig.jobs.counts().get("done", 0) >= len(acknowledged)
        if done.returncode == 0:
            assert len(acknowledged) == 2
            break
        assert done.returncode == -signal.SIGKILL


@pytest.mark.real
def test_invariant_8_workers_killed_at_random_times_lose_and_repeat_nothing(folders: Iterator[Rig]) -> None:
    chance = random.Random(8)
    rig = next(folders)
    jobs: list[JobInfo] = []
    for turn in range(8):
        jobs += [rig.submit(f"{turn}-{n}.txt", f"text {turn} {n}\n\nwith a second paragraph") for n in range(5)]
        workers = [
            subprocess.Popen([*DRIVER, "work", str(rig.data), "--parse-seconds", "0.02"], cwd=ROOT) for _ in range(2)
        ]
        time.sleep(chance.uniform(0.5, 4.0))
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.wait()
        with rig.database.write() as session:
            # Attempts are bounded, and this test kills without mercy.
            session.connection().exec_driver_sql("UPDATE jobs SET attempts = 0 WHERE state NOT IN ('done', 'failed')")
    assert work(rig) == 0
    check(rig, jobs)
    assert rig.jobs.counts() == {"done": 40}
    assert rig.catalog.latest_seq() == 40
