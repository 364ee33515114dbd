"""Which workers live: each counts up a beat, the others watch it. Knows no jobs and no queue.

A worker is gone when its process is gone (seen from the same machine), or when its beat stood still through several
looks over several seconds of the watcher's own clock. No two clocks are compared, so none has to be right.
"""

import os
import platform
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import delete, select, update

from index.database import Database
from ingest.schema import WorkerRow

BEAT_SECONDS = 2.0
_STILL_SECONDS = 12.0
_STILL_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Beat:
    """What one look at a worker's row shows."""

    id: str
    host: str
    pid: int
    pid_started: int  # milliseconds
    beat: int


@dataclass(slots=True)
class _Watched:
    beat: int
    since: float  # seconds on our clock
    looks: int


class Watcher:
    """Decides from repeated looks who is gone. `now` is a monotonic clock in seconds; `alive` asks this machine."""

    def __init__(
        self,
        host: str,
        alive: Callable[[int, int], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._alive = alive
        self._now = now
        self._watched: dict[str, _Watched] = {}

    def look(self, beats: Mapping[str, Beat]) -> set[str]:
        """The ids of those that are gone."""
        self._watched = {worker: seen for worker, seen in self._watched.items() if worker in beats}
        return {beat.id for beat in beats.values() if self._gone(beat)}

    def _gone(self, beat: Beat) -> bool:
        if beat.host == self._host and not self._alive(beat.pid, beat.pid_started):
            return True
        now = self._now()
        seen = self._watched.get(beat.id)
        if seen is None or seen.beat != beat.beat:
            self._watched[beat.id] = _Watched(beat.beat, now, 0)
            return False
        seen.looks += 1
        return seen.looks >= _STILL_LOOKS and now - seen.since >= _STILL_SECONDS


class Register:
    """The rows of workers in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enter(self) -> str:
        """Add this process under a new id, which nobody ever had before; returns it."""
        worker = f"w_{secrets.token_hex(12)}"
        row = WorkerRow(id=worker, host=this_host(), pid=os.getpid(), pid_started=started(os.getpid()) or 0, beat=0)
        with self._database.write() as session:
            session.add(row)
        return worker

    def beat(self, id: str) -> bool:
        """Show that this worker lives. False when it was given up for dead: it must take a new id."""
        with self._database.write() as session:
            counted = (
                update(WorkerRow).where(WorkerRow.id == id).values(beat=WorkerRow.beat + 1).returning(WorkerRow.id)
            )
            return session.scalar(counted) is not None

    def beats(self) -> dict[str, Beat]:
        """Every worker's row, by id."""
        with self._database.read() as session:
            rows = session.scalars(select(WorkerRow)).all()
        return {row.id: Beat(row.id, row.host, row.pid, row.pid_started, row.beat) for row in rows}

    def remove(self, id: str) -> None:
        with self._database.write() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.id == id))


def this_host() -> str:
    """This boot of this machine and this process namespace: where a pid means what it means here."""
    parts = [platform.node()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(str(Path(path).readlink()) if Path(path).is_symlink() else Path(path).read_text().strip())
        except OSError:  # no Linux: the name alone
            continue
    return " ".join(parts)[:255]


def runs_here(pid: int, pid_started: int) -> bool:
    """Whether this very process, and no later one with its number, runs on this machine."""
    found = started(pid)
    return found is not None and abs(found - pid_started) <= 1000


def started(pid: int) -> int | None:
    """When a process of this machine began, in milliseconds; None when it is gone."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time() * 1000)
    except psutil.NoSuchProcess:
        return None
