"""Killed at every step and at random times, nothing acknowledged is lost and nothing appears twice."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.job import JobInfo
from tests.ingest.forge import Forge
from tests.ingest.job_rig import Rig, open_rig
from tests.ingest.storm import check_storm, storm

AT_ONCE = 4  # folders in work at a time: most of a run is waiting
FILES = {
    "a.txt": "a text about queues\n\nand their limits",
    "b.txt": "another text about exchanges",
    "c.txt": "locked away",
}


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    forge = Forge()
    yield forge
    forge.close()


def work(forge: Forge, rig: Rig, *options: str) -> int:
    return forge.start("work", rig.data, "--until-idle", *options).wait()


def check(rig: Rig, acknowledged: list[JobInfo]) -> None:
    """Every job ended as its file deserves; every document is whole, current once, and came by one change."""
    shown = [rig.jobs.job(job.id) for job in acknowledged]
    for job in shown:
        wanted = ("failed", "encrypted-document") if job.name == "c.txt" else ("done", None)
        assert (job.state, job.reason) == wanted, job
    documents = rig.catalog.documents(rig.collection, limit=1000, include_superseded=True).items
    assert all(count == 1 for count in Counter(document.content_hash for document in documents).values())
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


def at_every_step(folder: Path, trial: Callable[[Rig, int], int]) -> int:
    """Run `trial` in a fresh folder for step 1, 2, ... until one survives; returns how many died."""

    def run(step: int) -> int:
        data = folder / str(step)
        data.mkdir()
        rig = open_rig(data)
        try:
            return trial(rig, step)
        finally:
            rig.close()

    died = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while True:
            codes = list(pool.map(run, range(died + 1, died + 1 + AT_ONCE)))
            assert set(codes) <= {0, -signal.SIGKILL}
            died += codes.count(-signal.SIGKILL)
            if 0 in codes:
                return died


@pytest.mark.real
def test_invariant_1_a_worker_killed_around_every_commit_leaves_whole_documents(forge: Forge, tmp_path: Path) -> None:
    def trial(rig: Rig, step: int) -> int:
        jobs = [rig.submit(name, text) for name, text in FILES.items()]
        code = work(forge, rig, "--die-at", str(step))
        if code != 0:
            assert work(forge, rig) == 0
        check(rig, jobs)
        # The outcome does not depend on where the worker died: the first upload of a text added it.
        assert {rig.jobs.job(job.id).outcome for job in jobs[:2]} == {"added"}
        return code

    # Two commits per claim, progress, document and end of two files at least; before and after each.
    assert at_every_step(tmp_path, trial) >= 16


@pytest.mark.real
def test_invariant_8_an_acknowledged_upload_survives_the_kill_of_its_process(forge: Forge, tmp_path: Path) -> None:
    uploads = ("a text about queues", "another text about exchanges")

    def trial(rig: Rig, step: int) -> int:
        code = forge.start("submit", rig.data, *uploads, "--die-at", step).wait()
        lines = (rig.data / "acknowledged").read_text().split() if (rig.data / "acknowledged").exists() else []
        acknowledged = [rig.jobs.job(line) for line in lines]
        assert work(forge, rig) == 0
        check(rig, acknowledged)
        # What was not acknowledged is either not there or whole.
        assert rig.jobs.counts().keys() <= {"done"}
        assert len(rig.names()) == rig.jobs.counts().get("done", 0) >= len(acknowledged)
        assert code != 0 or len(acknowledged) == 2
        return code

    assert at_every_step(tmp_path, trial) >= 16


@pytest.mark.real
def test_invariant_8_workers_killed_at_random_times_lose_and_repeat_nothing(forge: Forge, tmp_path: Path) -> None:
    """`python -m tests.ingest.storm --kills 200` does the same for longer."""
    rig = open_rig(tmp_path)
    check_storm(rig, storm(rig, forge, 12))
    rig.close()
