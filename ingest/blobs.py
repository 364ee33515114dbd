"""The original files by the SHA-256 of their bytes. Knows no collections, no jobs and no formats."""

import errno
import hashlib
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec

from ingest.errors import StorageFull, UploadTooLarge
from ingest.files import Files, temporary_name

log = logging.getLogger(__name__)

_PIECE_BYTES = 1024 * 1024
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ABANDONED_AFTER_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """`key` is "ab/abcdef...": the first two hex digits of the SHA-256, then all 64."""

    key: str
    sha256: str  # lower-case hex
    size: int  # bytes


class Blobs:
    """A folder, or any fsspec URL ("s3://bucket/prefix"), of write-once files named by their content.

    A local blob is written under a temporary name, fsynced, renamed and its folder fsynced: when `put` returns, the
    bytes survive power loss. On other stores the upload is one call that either stands or fails.
    """

    def __init__(self, root: str | Path, *, files: Files | None = None) -> None:
        filesystem, location = fsspec.url_to_fs(str(root))
        self._filesystem: Any = filesystem
        self._location = str(location).rstrip("/")
        self._files = files or Files()
        protocol = filesystem.protocol
        self._local = (
            Path(self._location) if "file" in ((protocol,) if isinstance(protocol, str) else protocol) else None
        )

    def put(self, stream: BinaryIO, limit: int | None = None) -> StoredBlob:
        """Store what `stream` yields, at most `limit` bytes; memory does not grow with the size.

        Raises UploadTooLarge, or StorageFull when the disk refuses the bytes; nothing is left behind then.
        """
        if self._local is None:
            with tempfile.TemporaryDirectory(prefix="footnote-upload-") as folder:
                part = Path(folder) / "upload"
                blob = self._receive(stream, part, limit)
                self._filesystem.makedirs(f"{self._location}/{blob.key[:2]}", exist_ok=True)
                self._filesystem.put_file(str(part), f"{self._location}/{blob.key}")
                return blob
        part = temporary_name(self._local / "incoming")
        try:
            self._files.make_folder(part.parent)
            blob = self._receive(stream, part, limit)
            self._publish(part, self._local / blob.key)
        except OSError as error:
            raise _storage_error(error, self._location) from error
        finally:
            # Only a failed upload still has its temporary name.
            part.unlink(missing_ok=True)
        return blob

    def open(self, key: str) -> BinaryIO:
        """The bytes. Raises FileNotFoundError."""
        return cast(BinaryIO, self._filesystem.open(f"{self._location}/{_checked(key)}", "rb"))

    @contextmanager
    def path(self, key: str) -> Iterator[Path]:
        """A local file with the bytes, to read only and only inside the block. Raises FileNotFoundError."""
        if self._local is not None:
            path = self._local / _checked(key)
            if not path.is_file():
                raise FileNotFoundError(errno.ENOENT, "the stored original is gone", str(path))
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="footnote-blob-") as folder:
            path = Path(folder) / key[3:]
            self._filesystem.get_file(f"{self._location}/{_checked(key)}", str(path))
            yield path

    def holds(self, key: str) -> bool:
        """Whether the bytes are here."""
        if self._local is not None:
            return (self._local / _checked(key)).is_file()
        return bool(self._filesystem.exists(f"{self._location}/{_checked(key)}"))

    def delete(self, key: str) -> None:
        """Idempotent. The caller knows that nobody else refers to the same bytes."""
        if self._local is not None:
            self._files.remove(self._local / _checked(key))
        elif self._filesystem.exists(f"{self._location}/{_checked(key)}"):
            self._filesystem.rm_file(f"{self._location}/{key}")

    def stored(self, older_than_seconds: float = 0.0) -> Iterator[str]:
        """The keys of everything that has been here for so long."""
        before = time.time() - older_than_seconds
        if self._local is not None:
            for path in self._local.glob("??/*"):
                key = f"{path.parent.name}/{path.name}"
                if _is_key(key) and _modified(path) < before:
                    yield key
            return
        for found, facts in self._filesystem.find(self._location, detail=True).items():
            key = "/".join(str(found).rsplit("/", 2)[-2:])
            written = facts.get("LastModified") or facts.get("mtime") or facts.get("created")
            age = written.timestamp() if isinstance(written, datetime) else float(written or time.time())
            if _is_key(key) and age < before:
                yield key

    def discard(self, key: str, older_than_seconds: float, is_kept: Callable[[], bool]) -> bool:
        """Delete a blob that is as old and that `is_kept` denies; whether it went.

        Where files can be renamed, an upload of the same bytes meanwhile loses nothing: what was renamed is put back
        if it proves to be young or kept.
        """
        if self._local is None:
            if is_kept():
                return False
            self.delete(key)
            return True
        path, aside = self._local / _checked(key), temporary_name(self._local / "incoming")
        if _modified(path) > time.time() - older_than_seconds:
            return False
        self._files.make_folder(aside.parent)
        try:
            self._files.rename(path, aside)
        except FileNotFoundError:
            return False
        if _modified(aside) > time.time() - older_than_seconds or is_kept():
            self._files.rename(aside, path)
            return False
        self._files.remove(aside)
        return True

    def remove_abandoned(self, older_than_seconds: float = _ABANDONED_AFTER_SECONDS) -> int:
        """Remove what uploads that were cut off by a crash left behind; returns how many."""
        incoming = self._local / "incoming" if self._local is not None else None
        if incoming is None or not incoming.is_dir():
            return 0
        before = time.time() - older_than_seconds
        removed = 0
        for part in incoming.iterdir():
            try:
                if part.stat().st_mtime < before:
                    part.unlink()
                    removed += 1
            except FileNotFoundError:  # its upload ended meanwhile
                continue
        if removed:
            log.info("removed %d abandoned uploads", removed)
        return removed

    def _receive(self, stream: BinaryIO, part: Path, limit: int | None) -> StoredBlob:
        digest = hashlib.sha256()
        size = 0
        with self._files.create(part) as file:
            while piece := stream.read(_PIECE_BYTES):
                size += len(piece)
                if limit is not None and size > limit:
                    raise UploadTooLarge(
                        f"the upload is larger than {limit} bytes; split it, or raise the setting ingest.max_file_bytes"
                    )
                digest.update(piece)
                self._files.write(file, piece)
            self._files.sync(file)
        sha256 = digest.hexdigest()
        return StoredBlob(key=f"{sha256[:2]}/{sha256}", sha256=sha256, size=size)

    def _publish(self, part: Path, target: Path) -> None:
        # An equal blob that is there already is replaced: that costs nothing and mends one that the disk damaged.
        self._files.make_folder(target.parent)
        self._files.rename(part, target)
        self._files.sync_folder(target.parent)


def _is_key(key: str) -> bool:
    folder, _, name = key.partition("/")
    return len(name) == 64 and folder == name[:2] and set(name) <= set("0123456789abcdef")


def _modified(path: Path) -> float:
    """Seconds since the epoch; now for a file that is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _checked(key: str) -> str:
    if not _is_key(key):
        raise FileNotFoundError(errno.ENOENT, "no blob has this key", key)
    return key


def _storage_error(error: OSError, where: str) -> Exception:
    if error.errno in _NO_ROOM:
        return StorageFull(f"there is no room for the upload in {where}; free some space and upload again")
    return StorageFull(f"the upload could not be written to {where} ({error.strerror or error}); it was not accepted")
