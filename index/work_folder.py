"""Folders that one process works in: locked while it lives, swept away by others once it died. Knows no view."""

import fcntl
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOCK = "lock"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """A folder that belongs to one living process: its lock file stays locked as long as the process lives."""

    path: Path
    lock: int  # file descriptor

    def remove(self) -> None:
        """Delete the folder, then let go of its lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def older_work_folders(parent: Path, than: float) -> list[str]:
    """Names of the work folders of living processes that were opened before `than` (seconds since the epoch)."""
    if not parent.is_dir():
        return []
    with _guarded(parent):
        _sweep(parent)
        locks = sorted(parent.glob(f"work-*/{LOCK}"))
        return [lock.parent.name for lock in locks if lock.stat().st_mtime < than]


@contextmanager
def _guarded(parent: Path) -> Iterator[None]:
    """Nobody may sweep between the making of a folder and the locking of it."""
    guard = os.open(parent / "work.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
    finally:
        os.close(guard)


def new_work_folder(parent: Path) -> WorkFolder:
    """A new locked folder under `parent`, which is made; those of processes that died are removed. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    path = parent / f"work-{secrets.token_hex(6)}"
    with _guarded(parent):
        _sweep(parent)
        path.mkdir()
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return WorkFolder(path, lock)


def _sweep(parent: Path) -> None:
    """Remove the work folders of processes that died."""
    for path in parent.glob("work-*"):
        try:
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT)
        except OSError:
            continue  # just being removed by its own process
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # its process lives
        else:
            _log.info("removing %s, left by a process that died", path.name)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)
