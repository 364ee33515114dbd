"""Write-once, checksummed folders that hold a view on disk. Knows no FAISS and no tantivy: a part is a file of bytes.

    <kind>-<applied_seq>-<token>/
        header          footnote-snapshot 1 <sha256 of the next line>
                        {"kind", "stamp", "applied_seq", "mark", "details", "parts": {name: {"bytes", "sha256"}}}
        <part> ...

How one comes to be: (1) parts are written into a folder with a temporary name, (2) each is fsynced, (3) the header is
written and fsynced, (4) the folder is fsynced, (5) it is renamed to its final name, (6) the parent is fsynced. Before
(5) there is no snapshot, only a leftover that the next opening sweeps away; after (5) nothing in it changes any more,
so a reader may map its files. A snapshot that does not match its header is set aside under `<name>.bad`.
"""

import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAGIC = "footnote-snapshot"
VERSION = 1
HEADER = "header"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A verified snapshot. `mark` names the change at `applied_seq`, so that another history's snapshot is noticed."""

    folder: Path
    stamp: str
    applied_seq: int
    mark: str
    details: Mapping[str, Any]

    def part(self, name: str) -> Path:
        """Where a part lies. Read it or map it; never write it."""
        return self.folder / name


class BadSnapshot(Exception):
    """A snapshot does not match its header. Stays inside this room: the view is rebuilt."""


class Snapshots:
    """The snapshots of one kind of view in one folder. `stamp` says for which embedder or format they are good."""

    def __init__(self, folder: Path, kind: str, stamp: str) -> None:
        self.folder = folder
        self.kind = kind
        self.stamp = stamp

    def write(
        self, applied_seq: int, mark: str, fill: Callable[[Path], None], details: Mapping[str, Any] | None = None
    ) -> Snapshot:
        """Make a snapshot of what `fill` writes into the folder that it gets. Raises OSError; then nothing is left."""
        name = f"{self.kind}-{applied_seq:012d}-{secrets.token_hex(4)}"
        temporary = self.folder / f"{name}.tmp-{os.getpid()}"
        temporary.mkdir(parents=True)
        try:
            fill(temporary)
            parts = {path.name: _sealed(path) for path in sorted(temporary.iterdir())}
            header: dict[str, Any] = {
                "kind": self.kind,
                "stamp": self.stamp,
                "applied_seq": applied_seq,
                "mark": mark,
                "details": dict(details or {}),
                "parts": parts,
            }
            _write_header(temporary / HEADER, header)
            _fsync(temporary)
            temporary.rename(self.folder / name)
            _fsync(self.folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return Snapshot(self.folder / name, self.stamp, applied_seq, mark, header["details"])

    def newest(self, is_ours: Callable[[int, str], bool]) -> Snapshot | None:
        """The newest snapshot that is whole, of our stamp, and of which `is_ours(applied_seq, mark)` is true."""
        self._sweep()
        for folder in self._folders():
            try:
                snapshot = self._verified(folder)
            except (BadSnapshot, OSError) as error:
                if not folder.exists():
                    continue  # another process replaced it by a newer one meanwhile
                self._set_aside(folder, str(error))
                continue
            if snapshot.stamp != self.stamp:
                _log.info("snapshot %s is of %s, not of %s; passed over", folder.name, snapshot.stamp, self.stamp)
            elif not is_ours(snapshot.applied_seq, snapshot.mark):
                self._set_aside(folder, "it follows another change log than this database's, or is older than a repair")
            else:
                return snapshot
        return None

    def discard(self, snapshot: Snapshot, reason: str) -> None:
        """Set aside a snapshot that passed its checksums and still could not be opened."""
        self._set_aside(snapshot.folder, reason)

    def peek(self) -> Mapping[str, Any] | None:
        """What the newest snapshot says of itself, its parts not looked at; None if there is none to read."""
        for folder in self._folders():
            try:
                return _read_header(folder / HEADER)
            except (BadSnapshot, OSError):
                continue
        return None

    def faults(self) -> list[str]:
        """One line per snapshot that does not match its header, those that were set aside included."""
        found = [f"{path.name} was set aside earlier" for path in sorted(self.folder.glob(f"{self.kind}-*.bad"))]
        for folder in self._folders():
            try:
                self._verified(folder)
            except (BadSnapshot, OSError) as error:
                if folder.exists():
                    found.append(f"{folder.name}: {error}")
        return found

    def superseded(self) -> list[str]:
        """Names of the folders of this kind that no opening would serve from: older ones, and those set aside."""
        return [path.name for path in self._folders()[1:]] + [
            path.name for path in sorted(self.folder.glob(f"{self.kind}-*.bad"))
        ]

    def forget(self) -> None:
        """Remove every snapshot of this kind, whatever its stamp, and what was set aside."""
        for path in self.folder.glob(f"{self.kind}-*"):
            if ".tmp-" not in path.name:
                shutil.rmtree(path, ignore_errors=True)

    def keep_only(self, newest: Snapshot) -> None:
        """Remove every other snapshot of this kind. Files that a reader has mapped live until it lets go."""
        for folder in self._folders():
            if folder != newest.folder:
                shutil.rmtree(folder, ignore_errors=True)

    def _folders(self) -> list[Path]:
        names = [path for path in self.folder.glob(f"{self.kind}-*") if "." not in path.name and path.is_dir()]
        return sorted(names, reverse=True)

    def _sweep(self) -> None:
        """Remove what processes that died left half-written."""
        for path in self.folder.glob(f"{self.kind}-*.tmp-*"):
            writer = path.suffix.removeprefix(".tmp-")
            if writer.isdigit() and not _is_alive(int(writer)):
                shutil.rmtree(path, ignore_errors=True)

    def _verified(self, folder: Path) -> Snapshot:
        header = _read_header(folder / HEADER)
        if header.get("kind") != self.kind:
            raise BadSnapshot(f"its header says kind {header.get('kind')!r}")
        found = {path.name for path in folder.iterdir()} - {HEADER}
        if found != set(header["parts"]):
            raise BadSnapshot(f"it has the parts {sorted(found)}, but its header lists {sorted(header['parts'])}")
        for name, expected in header["parts"].items():
            path = folder / name
            if path.stat().st_size != expected["bytes"]:
                raise BadSnapshot(f"{name} has {path.stat().st_size} bytes, but {expected['bytes']} were written")
            if _digest(path) != expected["sha256"]:
                raise BadSnapshot(f"{name} does not have the checksum that was written")
        return Snapshot(folder, header["stamp"], header["applied_seq"], header["mark"], header["details"])

    def _set_aside(self, folder: Path, reason: str) -> None:
        _log.warning("snapshot %s is set aside and its view rebuilt: %s", folder.name, reason)
        for older in self.folder.glob(f"{self.kind}-*.bad"):
            shutil.rmtree(older, ignore_errors=True)
        try:
            folder.rename(folder.with_name(f"{folder.name}.bad"))
        except OSError as error:
            # Somebody else set it aside or removed it; either way it is out of our way.
            _log.warning("snapshot %s could not be moved: %s", folder.name, error)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sealed(path: Path) -> dict[str, Any]:
    _fsync(path)
    return {"bytes": path.stat().st_size, "sha256": _digest(path)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_header(path: Path, header: Mapping[str, Any]) -> None:
    body = json.dumps(header, sort_keys=True).encode()
    digest = hashlib.sha256(body).hexdigest()
    with path.open("wb") as file:
        file.write(f"{MAGIC} {VERSION} {digest}\n".encode() + body)
        file.flush()
        os.fsync(file.fileno())


def _read_header(path: Path) -> dict[str, Any]:
    first, _, body = path.read_bytes().partition(b"\n")
    words = first.split(b" ")
    if len(words) != 3 or words[0] != MAGIC.encode():
        raise BadSnapshot("its header does not begin as a snapshot's does")
    if words[1] != str(VERSION).encode():
        raise BadSnapshot(f"it is of format {words[1]!r}, but {VERSION} is read here")
    if hashlib.sha256(body).hexdigest().encode() != words[2]:
        raise BadSnapshot("its header does not have the checksum that was written")
    header: dict[str, Any] = json.loads(body)
    return header


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
