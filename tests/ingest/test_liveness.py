import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.liveness import Beat, Register, Watcher, runs_here, started, this_host
from tests.ingest.job_rig import Rig, open_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = open_rig(tmp_path)
    yield rig
    rig.close()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def beat(count: int, host: str = "elsewhere") -> dict[str, Beat]:
    return {"w_1": Beat("w_1", host, 1, 1, count)}


def test_a_beat_that_stands_still_for_long_and_many_looks_is_gone() -> None:
    clock = Clock()
    watcher = Watcher("here", lambda pid, began: True, clock)
    found = []
    for _ in range(8):
        found.append(watcher.look(beat(7)))
        clock.now += 3
    assert found == [set()] * 4 + [{"w_1"}] * 4


def test_a_beat_that_goes_on_is_alive_however_slow_the_watcher() -> None:
    clock = Clock()
    watcher = Watcher("here", lambda pid, began: True, clock)
    for count in range(10):
        assert watcher.look(beat(count)) == set()
        clock.now += 60


def test_a_watcher_that_slept_gives_the_others_time_to_beat_again() -> None:
    clock = Clock()
    watcher = Watcher("here", lambda pid, began: True, clock)
    watcher.look(beat(1))
    clock.now += 3600  # the whole machine was suspended
    assert watcher.look(beat(1)) == set()
    assert watcher.look(beat(2)) == set()


def test_a_process_that_ended_on_this_machine_is_gone_at_once() -> None:
    watcher = Watcher("here", lambda pid, began: False)
    assert watcher.look(beat(1, "here")) == {"w_1"}
    assert watcher.look(beat(1, "elsewhere")) == set()


def test_a_pid_alone_does_not_make_a_process_alive() -> None:
    mine = started(os.getpid())
    assert mine is not None
    assert runs_here(os.getpid(), mine)
    assert not runs_here(os.getpid(), mine - 60_000)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended_started = started(ended.pid) or 0
    ended.wait()
    assert not runs_here(ended.pid, ended_started)


def test_this_machine_knows_itself_again() -> None:
    assert this_host() == this_host()


def test_a_worker_enters_beats_and_leaves(rig: Rig) -> None:
    register = Register(rig.database)
    first, second = register.enter(), register.enter()
    assert first != second
    assert register.beat(first)
    assert {worker: row.beat for worker, row in register.beats().items()} == {first: 1, second: 0}
    register.remove(first)
    assert not register.beat(first)
    assert list(register.beats()) == [second]
