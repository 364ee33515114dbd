"""Many workers on PostgreSQL, truth and queue both: each job once, the work of the dead taken over, storms survived."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.job import UNENDED
from tests.ingest.forge import Forge
from tests.ingest.job_rig import Rig, open_rig
from tests.ingest.storm import check_storm, storm
from tests.postgres import PostgresServer

pytestmark = pytest.mark.real
PATIENCE = 300.0


@pytest.fixture
def rig(tmp_path: Path, postgres_server: PostgresServer, postgres_url: str) -> Iterator[Rig]:
    queue = postgres_url.partition("/test_")[2].partition("?")[0]
    name = f"queue_{queue}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    rig = open_rig(tmp_path, postgres_url, postgres_server.url(name))
    yield rig
    rig.close()
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def forge() -> Iterator[Forge]:
    forge = Forge()
    yield forge
    forge.close()


def wait_until_ended(rig: Rig) -> None:
    until = time.monotonic() + PATIENCE
    while rig.jobs.counts().keys() & set(UNENDED):
        assert time.monotonic() < until, rig.jobs.counts()
        time.sleep(0.1)


def test_three_workers_do_every_job_once_and_one_may_die(rig: Rig, forge: Forge) -> None:
    jobs = [rig.submit(f"{n}.txt", f"text number {n}") for n in range(30)]
    workers = [forge.start("work", *rig.options, "--parse-seconds", "0.2") for _ in range(3)]
    until = time.monotonic() + PATIENCE
    while not rig.jobs.counts().get("done") and time.monotonic() < until:
        time.sleep(0.05)
    workers[0].kill()
    wait_until_ended(rig)
    for worker in workers[1:]:
        worker.kill()
    assert rig.jobs.counts() == {"done": len(jobs)}
    assert {rig.jobs.job(job.id).outcome for job in jobs} == {"added"}
    assert rig.names() == sorted(job.name for job in jobs)
    assert rig.catalog.latest_seq() == len(rig.catalog.changes_after(0)) == len(jobs)


def test_workers_killed_at_random_times_lose_and_repeat_nothing(rig: Rig, forge: Forge) -> None:
    check_storm(rig, storm(rig, forge, 6))
