"""Everything of a data folder that cannot be made again, copied while the service runs, and back. Knows no view.

    <backup>/
        manifest.json    {"format", "made_at", "footnote", "documents", "latest_seq", "files", "originals", "lost"}
        footnote.db      the truth at one moment
        access.secret    without it nobody could sign in with the keys that the truth knows
        footnote.toml    if there is one
        blobs/ab/abc...  each original that the truth refers to

Views, converted models and the job queue are left out: they are made again from the truth. The database is copied
first and its originals after; if one was deleted in between, the database is copied again. A backup is complete when
its folder has its final name; a restored database appears last, so that an interrupted restore can be repeated.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select

from index.database import Database
from index.schema import Change, Document
from ingest.blobs import Blobs
from ingest.files import Files
from ingest.schema import Job
from rag.errors import BackupUnusable, DataFolderUnusable

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
DATABASE: Final = "footnote.db"
_BESIDE: Final = ("access.secret", "footnote.toml")
_MADE_AGAIN: Final = ("jobs.db", "jobs.db-wal", "jobs.db-shm", "views")
_REPLACED: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "access.secret", "blobs", *_MADE_AGAIN)
_ATTEMPTS: Final = 5  # to copy a truth and its originals without a deletion in between

_files = Files()


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup holds. `lost` are originals that the truth names and the data folder has not."""

    folder: Path
    made_at: str
    documents: int
    latest_seq: int
    originals: int
    lost: tuple[str, ...]


def back_up(data: Path, database: Database, target: Path) -> Saved:
    """Make the folder `target`, which must not exist. Raises BackupUnusable, DatabaseUnusable."""
    if database.path is None:
        raise BackupUnusable("the truth lies in PostgreSQL; back it up with pg_dump, and the folder blobs beside it")
    if target.exists():
        raise BackupUnusable(f"{target} is there already; name a new folder, such as {target}-{datetime.now(UTC):%F}")
    part = target.with_name(f"{target.name}.part-{secrets.token_hex(4)}")
    try:
        part.mkdir(parents=True)
        manifest = _fill(part, data, database)
        _files.sync_folder(part)
        _files.rename(part, target)
        _files.sync_folder(target.parent)
    except OSError as error:
        raise BackupUnusable(
            f"the backup {target} cannot be written ({error.strerror or error}); choose another folder"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _saved(target, manifest)


def restore(source: Path, data: Path, *, replace: bool = False) -> Saved:
    """Bring a backup into the data folder, which nobody may use meanwhile.

    A folder that holds a database is refused unless `replace`; then what it held is moved into a folder beside.
    Raises BackupUnusable if the backup is damaged, before anything is changed; DataFolderUnusable.
    """
    manifest = read_manifest(source)
    if (data / DATABASE).exists() and not replace:
        raise DataFolderUnusable(f"{data} holds a database already; choose another folder with --data, or --replace it")
    arriving = data / f"restore-{secrets.token_hex(4)}"
    try:
        arriving.mkdir(parents=True)
        for key in manifest["originals"]:
            _copy_original(source / "blobs" / key, arriving / "blobs" / key)
        for name, facts in manifest["files"].items():
            _copy_checked(source / name, arriving / name, facts["sha256"])
        if replace:
            _move_aside(data)
        _arrive(arriving, data)
    except OSError as error:
        raise DataFolderUnusable(
            f"the backup cannot be brought into {data} ({error.strerror or error}); mend that and restore again"
        ) from error
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return _saved(source, manifest)


def read_manifest(source: Path) -> Mapping[str, Any]:
    """What a backup says of itself. Raises BackupUnusable."""
    try:
        manifest: dict[str, Any] = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and DATABASE in manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupUnusable(f"{source} is no backup ({error}); name a folder that `footnote backup` made") from error
    if not known:
        raise BackupUnusable(f"{source} is of format {manifest['format']}, but {FORMAT} is read here")
    return manifest


def _fill(part: Path, data: Path, database: Database) -> Mapping[str, Any]:
    blobs = Blobs(data / "blobs")
    for attempt in range(_ATTEMPTS):
        (part / DATABASE).unlink(missing_ok=True)
        database.copy_to(part / DATABASE)
        keys, about = _contents(part / DATABASE)
        lost = [key for key in sorted(keys) if not _keep_original(blobs, key, part / "blobs" / key)]
        if not lost or attempt == _ATTEMPTS - 1 or lost == _lost_still(database, lost):
            break
    for path in sorted(part.glob("blobs/??/*")):
        if f"{path.parent.name}/{path.name}" not in keys:
            path.unlink()  # of an earlier attempt, deleted since
    for name in _BESIDE:
        if (data / name).is_file():
            _copy(data / name, part / name)
    files = {name: _facts(part / name) for name in (DATABASE, *_BESIDE) if (part / name).is_file()}
    _fsync(part / DATABASE)
    manifest = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "footnote": metadata.version("footnote"),
        **about,
        "files": files,
        "originals": sorted(keys - set(lost)),
        "lost": lost,
    }
    (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    _fsync(part / MANIFEST)
    return manifest


def _contents(path: Path) -> tuple[set[str], dict[str, int]]:
    """The originals that a copied truth refers to, and its figures."""
    copy = Database(f"sqlite:///{path}")
    try:
        with copy.read() as session:
            keys = set(session.scalars(select(Document.blob)))
            keys |= set(session.scalars(select(Job.blob).where(Job.state != "done")))
            documents = session.scalar(select(func.count()).where(Document.state == "current")) or 0
            seq = session.scalar(select(func.max(Change.seq))) or 0
    finally:
        copy.close()
    return {key for key in keys if key}, {"documents": documents, "latest_seq": seq}


def _lost_still(database: Database, lost: list[str]) -> list[str]:
    """Those of these that the living truth still refers to: they were lost before, no deletion came in between."""
    with database.read() as session:
        known = set(session.scalars(select(Document.blob))) | set(session.scalars(select(Job.blob)))
    return [key for key in lost if key in known]


def _keep_original(blobs: Blobs, key: str, target: Path) -> bool:
    if target.exists():
        return True
    try:
        with blobs.path(key) as path:
            _copy(path, target)
    except FileNotFoundError:
        return False
    return True


def _copy_original(source: Path, target: Path) -> None:
    _copy_checked(source, target, source.name)


def _copy_checked(source: Path, target: Path, sha256: str) -> None:
    try:
        digest = _copy(source, target)
    except FileNotFoundError as error:
        raise BackupUnusable(f"the backup lacks {source}; use another backup") from error
    if digest != sha256:
        raise BackupUnusable(f"{source} does not have the checksum that was written; use another backup")


def _copy(source: Path, target: Path) -> str:
    """Copy a file durably; gives the SHA-256 of what was copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        os.fchmod(writer.fileno(), source.stat().st_mode & 0o777)
        while piece := reader.read(1 << 20):
            digest.update(piece)
            writer.write(piece)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _fsync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _move_aside(data: Path) -> None:
    aside = data / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    aside.mkdir()
    for name in _REPLACED:
        if (data / name).exists():
            (data / name).rename(aside / name)


def _arrive(arriving: Path, data: Path) -> None:
    for name in _MADE_AGAIN:
        _remove(data / name)
    for path in sorted(arriving.glob("blobs/??/*")):
        target = data / path.relative_to(arriving)
        _files.make_folder(target.parent)
        _files.rename(path, target)
    for name in _BESIDE:
        kept = name == "footnote.toml" and (data / name).exists()  # settings of this machine stay
        if (arriving / name).exists() and not kept:
            _files.rename(arriving / name, data / name)
    _files.rename(arriving / DATABASE, data / DATABASE)
    _files.sync_folder(data)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _saved(folder: Path, manifest: Mapping[str, Any]) -> Saved:
    return Saved(
        folder=folder,
        made_at=manifest["made_at"],
        documents=manifest["documents"],
        latest_seq=manifest["latest_seq"],
        originals=len(manifest["originals"]),
        lost=tuple(manifest["lost"]),
    )
