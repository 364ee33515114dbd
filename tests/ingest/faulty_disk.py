"""Ways of files over a disk whose Nth call fails: `python -m tests.ingest.faulty_disk FOLDER STRIDE`, preloaded.

Blobs, SQL and snapshots alike: the fault is below every library. Prints one JSON line: how many calls there were, and
what went wrong (nothing, if all is well).
"""

import ctypes
import errno
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from index.errors import FootnoteError
from index.search import Searcher
from ingest.blobs import StoredBlob
from tests.fakes import HashEmbedder
from tests.ingest.job_rig import Rig, open_rig

SOURCE = Path(__file__).with_suffix(".c")
ERRORS = (errno.ENOSPC, errno.EIO)
FOR_EVER = 1 << 60
TEXTS = {"a.txt": "a text about queues\n\nand their limits", "b.txt": "another text about exchanges"}


def compiled(folder: Path) -> Path:
    """The library to preload. Raises FileNotFoundError without a compiler, CalledProcessError if it refuses."""
    target = folder / "faulty_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(target), str(SOURCE), "-ldl"], check=True)
    return target


def main() -> None:
    """What the module's docstring shows."""
    folder, stride = Path(sys.argv[1]), int(sys.argv[2])
    disk = ctypes.CDLL(None)
    disk.fault_arm.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_long, ctypes.c_int)
    disk.fault_seen.restype = ctypes.c_long
    most = _calls(disk, folder / "whole")
    wrong: list[str] = []
    tried = 0
    for at in range(1, most + 1, stride):
        # A full disk stays full until somebody makes room; an error of the device may be a single one.
        kind, until = (ERRORS[0], FOR_EVER) if at // stride % 2 else (ERRORS[1], at)
        here = folder / str(at)
        tried += 1
        try:
            _trial(disk, here, at, until, kind)
        except Exception as error:  # noqa: BLE001  # each is a finding, and the next one may be another
            wrong.append(f"call {at}, {errno.errorcode[kind]}: {type(error).__name__}: {error}")
        shutil.rmtree(here)
    sys.stdout.write(json.dumps({"calls": most, "tried": tried, "wrong": wrong}) + "\n")


def _calls(disk: Any, here: Path) -> int:
    """How many calls a whole way makes."""
    return _trial(disk, here, FOR_EVER, FOR_EVER, errno.EIO)


def _trial(disk: Any, here: Path, at: int, until: int, kind: int) -> int:
    """Go the whole way with the calls `at` to `until` failing; returns how many calls there were."""
    here.mkdir(parents=True)
    rig = open_rig(here)
    acknowledged: list[tuple[str, str]] = []
    disk.fault_arm(str(here.resolve()).encode(), at, until, kind)
    try:
        for name, text in TEXTS.items():
            job = _tried(lambda name=name, text=text: rig.submit(name, text))  # type: ignore[misc]
            if job is not None:
                acknowledged.append((job.id, name))
        for name, text in TEXTS.items():
            _tried(lambda name=name, text=text: _take_in(rig, name, text))  # type: ignore[misc]
        # Views are disposable: their libraries may say what they want, and whoever follows the log outlives it.
        with suppress(Exception):
            _follow(rig, here)
    finally:
        calls = int(disk.fault_seen())
        disk.fault_arm(b"", FOR_EVER, FOR_EVER, 0)
    rig.close()
    _afterwards(here, acknowledged)
    return calls


def _tried(step: Callable[[], Any]) -> Any:
    """A step may fail, but only in words of ours or of the system."""
    try:
        return step()
    except (FootnoteError, OSError):
        return None


def _take_in(rig: Rig, name: str, text: str) -> None:
    blob = rig.blobs.put(io.BytesIO(text.encode()))
    rig.pipeline().ingest(rig.collection, name, StoredBlob(blob.key, blob.sha256, blob.size), lambda _: None)


def _follow(rig: Rig, here: Path) -> None:
    searcher = Searcher(rig.database, rig.catalog, HashEmbedder(), here / "views", delta_limit=1)
    try:
        searcher.refresh()
        searcher.compact()
    finally:
        searcher.close()


def _afterwards(here: Path, acknowledged: list[tuple[str, str]]) -> None:
    """With a sound disk: what was acknowledged is there, documents are whole, views equal the truth."""
    rig = open_rig(here)
    for job, name in acknowledged:
        assert rig.jobs.job(job).name == name
        with rig.database.read() as session:
            key = session.connection().exec_driver_sql("SELECT blob FROM jobs WHERE id = ?", (job,)).scalar_one()
        with rig.blobs.path(key) as path:
            assert path.read_text() == TEXTS[name]
    for document in rig.catalog.documents(rig.collection).items:
        assert rig.catalog.document_text(document.id) == TEXTS[document.name]
        assert document.chunks == len(rig.catalog.chunks(document.id)) > 0
    for name, text in TEXTS.items():
        _take_in(rig, name, text)
    assert rig.names() == sorted(TEXTS)
    searcher = Searcher(rig.database, rig.catalog, HashEmbedder(), here / "views", delta_limit=1)
    try:
        searcher.refresh()
        found = searcher.search("queues", collections=[rig.collection], k=10)
        assert TEXTS["a.txt"].startswith(found.passages[0].text[:10])
        faults = [f"{finding.what}: {finding.detail}" for finding in searcher.verify() if not finding.ok]
        assert faults == []
    finally:
        searcher.close()
        rig.close()


if __name__ == "__main__":
    main()
