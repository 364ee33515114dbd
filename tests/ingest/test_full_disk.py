"""A disk that is full for real: nothing acknowledged is lost, and work goes on when there is room again."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.errors import FootnoteError
from ingest.job import UNENDED, JobInfo
from tests.ingest.forge import Forge
from tests.ingest.job_rig import Rig, open_rig
from tests.ingest.test_crash import check

pytestmark = pytest.mark.real
SIZE = 8 * 1024**2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no disk can be mounted here: that needs the rights of root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def forge() -> Iterator[Forge]:
    forge = Forge()
    yield forge
    forge.close()


def fill(disk: Path) -> None:
    """To the last byte."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        for piece in (65_536, 4096, 1):
            try:
                while ballast.write(bytes(piece)) == piece:
                    continue
            except OSError:
                continue


def submit(rig: Rig, name: str, text: str) -> JobInfo | None:
    try:
        return rig.submit(name, text)
    except FootnoteError:
        return None


def test_uploads_to_a_full_disk_are_refused_and_leave_nothing(disk: Path) -> None:
    rig = open_rig(disk)
    first = submit(rig, "a.txt", "words")
    assert first is not None
    fill(disk)
    refused = [submit(rig, f"{n}.txt", f"words {n} " * 4000) for n in range(5)]
    assert refused == [None] * 5
    assert not list((disk / "blobs" / "incoming").iterdir())
    (disk / "ballast").unlink()
    again = submit(rig, "b.txt", "words again")
    assert again is not None
    assert rig.jobs.counts() == {"queued": 2}
    rig.close()


def test_work_goes_on_when_there_is_room_again(disk: Path, forge: Forge) -> None:
    rig = open_rig(disk)
    jobs = [
        job for n in range(30) if (job := submit(rig, f"{n}.txt", f"text {n}\n\n" + f"paragraph of {n} words. " * 40))
    ]
    assert len(jobs) == 30
    worker = forge.start("work", disk, "--parse-seconds", "0.1")
    until = time.monotonic() + 60
    while not rig.jobs.counts().get("done") and time.monotonic() < until:
        time.sleep(0.1)
    fill(disk)
    time.sleep(12.0)
    jobs += [job for n in range(100, 105) if (job := submit(rig, f"{n}.txt", f"late text {n} " * 400))]
    (disk / "ballast").unlink()
    until = time.monotonic() + 120
    while rig.jobs.counts().keys() & set(UNENDED) and time.monotonic() < until:
        time.sleep(0.2)
    worker.kill()
    assert rig.jobs.counts() == {"done": len(jobs)}
    check(rig, jobs)
    rig.close()
