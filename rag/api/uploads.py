"""Request bodies onto the disk: raw or multipart, never whole in memory. Knows no jobs and no routes."""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import unquote

from litestar import Request
from litestar.exceptions import ClientException
from multipart import MultipartSegment, ParserError, PushMultipartParser  # type: ignore[import-untyped]

from ingest.errors import UploadTooLarge
from ingest.job import clean_name
from rag.errors import BadRequest

_SPOOL_BYTES: Final = 256 * 1024  # smaller uploads stay in memory, while there is room
_MEMORY_BYTES: Final = 16 * 1024 * 1024  # that all uploads of one request take together
_MOST_PARTS: Final = 10_100
_MOST_FIELD_BYTES: Final = 64 * 1024


class Upload:
    """One file being received: in memory while it is small, else in a file at `path` that is open only for writing.

    Ten thousand of them take neither gigabytes nor ten thousand open files.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.size = 0
        self._path = path
        self._memory: bytearray | None = bytearray()
        self._file: BinaryIO | None = None

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return 0 if self._memory is None else len(self._memory)

    def fits(self, piece: bytes | bytearray, room: int) -> bool:
        """Whether the piece stays in memory, of which `room` bytes are left."""
        return self._memory is not None and self.held + len(piece) <= _SPOOL_BYTES and len(piece) <= room

    def write(self, piece: bytes | bytearray, room: int) -> None:
        """Append, on the disk where it does not fit."""
        self.size += len(piece)
        if self._memory is not None and self.fits(piece, room):
            self._memory += piece
            return
        if self._memory is not None:
            self._file = self._path.open("xb")
            self._file.write(self._memory)
            self._memory = None
        assert self._file is not None
        self._file.write(piece)

    def end(self) -> None:
        """All is written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def open(self) -> BinaryIO:
        """The bytes from their beginning; valid while the request lasts."""
        return self._path.open("rb") if self._memory is None else io.BytesIO(self._memory)


@dataclass
class Received:
    """What a request carried: its files and, for multipart, its other fields."""

    folder: Path
    uploads: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    _held: int = 0  # bytes in memory, of all uploads

    def begin(self, name: str) -> None:
        """The next file."""
        self.end()
        self.uploads.append(Upload(name, self.folder / str(len(self.uploads))))

    async def write(self, piece: bytes | bytearray, limit: int) -> None:
        """Bytes of the file begun last. Raises UploadTooLarge."""
        upload = self.uploads[-1]
        if upload.size + len(piece) > limit:
            raise _too_large(limit)
        before, room = upload.held, _MEMORY_BYTES - self._held
        if upload.fits(piece, room):
            upload.write(piece, room)
        else:
            await asyncio.to_thread(upload.write, piece, room)
        self._held += upload.held - before

    def end(self) -> None:
        """No more of the file begun last."""
        if self.uploads:
            self.uploads[-1].end()


def upload_name(raw: str | None) -> str:
    """A document's name from what a client sent: a relative path that stays inside. Raises BadRequest for none."""
    if not raw or not raw.strip():
        raise BadRequest("the upload has no name; give one with ?name=guide.md or a Content-Disposition header")
    return clean_name(raw)


@asynccontextmanager
async def received(
    request: Request[Any, Any, Any], folder: Path, limit: int, name: str | None
) -> AsyncIterator[Received]:
    """The files of a request, on disk under `folder` while the block runs.

    Each file may have `limit` bytes. Raises UploadTooLarge before reading on, BadRequest for a body without a file.
    """
    announced = request.content_length
    if announced is not None and announced > limit + _MOST_FIELD_BYTES:
        raise _too_large(limit)
    kind, options = request.content_type
    with tempfile.TemporaryDirectory(prefix="upload-", dir=folder, ignore_cleanup_errors=True) as own:
        result = Received(Path(own))
        try:
            if kind == "multipart/form-data":
                await _read_multipart(request, options.get("boundary", ""), limit, result)
                if not result.uploads:
                    raise BadRequest("the form holds no file; send a part with a filename")
                if name is not None and len(result.uploads) == 1:
                    result.uploads[0].name = upload_name(name)
            else:
                await _read_raw(request, limit, name, result)
        finally:
            result.end()
        yield result


async def _read_raw(request: Request[Any, Any, Any], limit: int, name: str | None, result: Received) -> None:
    result.begin(upload_name(name or _disposition_name(request.headers.get("content-disposition", ""))))
    async for piece in request.stream():
        await result.write(piece, limit)


async def _read_multipart(request: Request[Any, Any, Any], boundary: str, limit: int, result: Received) -> None:
    if not boundary:
        raise BadRequest("the Content-Type names no multipart boundary; let the client library set that header")
    segment: MultipartSegment | None = None
    text = bytearray()
    try:
        with PushMultipartParser(boundary.encode(), max_segment_count=_MOST_PARTS) as parser:
            async for piece in request.stream():
                for part in parser.parse(piece):
                    if isinstance(part, MultipartSegment):
                        segment, text = part, bytearray()
                        if segment.filename is not None:
                            result.begin(upload_name(segment.filename))
                    elif part and segment is not None and segment.filename is not None:
                        await result.write(part, limit)
                    elif part:
                        text += part
                        if len(text) > _MOST_FIELD_BYTES:
                            raise BadRequest(
                                f"a form field is larger than {_MOST_FIELD_BYTES} bytes; send it as a file"
                            )
                    elif segment is not None and segment.filename is None:
                        result.fields[segment.name] = text.decode("utf-8", "replace")
    except ParserError as error:
        raise ClientException("the multipart body is malformed or ends early; send it again") from error


def _disposition_name(header: str) -> str | None:
    """The file name of a Content-Disposition header, if it has one."""
    found: dict[str, str] = {}
    for part in header.split(";")[1:]:
        key, _, value = part.strip().partition("=")
        found[key.strip().lower()] = value.strip().strip('"')
    if extended := found.get("filename*"):
        return unquote(extended.rpartition("'")[2])
    return found.get("filename")


def _too_large(limit: int) -> UploadTooLarge:
    return UploadTooLarge(
        f"the upload is larger than {limit} bytes; split it, or raise the setting ingest.max_file_bytes"
    )
