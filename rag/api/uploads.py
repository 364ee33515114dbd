"""Request bodies onto the disk: raw or multipart, never whole in memory. Knows no jobs and no routes."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import unquote

from litestar import Request
from litestar.exceptions import ClientException
from multipart import MultipartSegment, ParserError, PushMultipartParser  # type: ignore[import-untyped]

from ingest.errors import UploadTooLarge
from ingest.job import clean_name
from rag.errors import BadRequest

_SPOOL_BYTES: Final = 1024 * 1024  # smaller uploads stay in memory
_MOST_PARTS: Final = 1000
_MOST_FIELD_BYTES: Final = 64 * 1024


@dataclass
class Upload:
    """One received file. `file` stands at its beginning; it is closed when the request ends."""

    name: str
    file: IO[bytes]
    size: int = 0


@dataclass
class Received:
    """What a request carried: its files and, for multipart, its other fields."""

    uploads: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        for upload in self.uploads:
            upload.file.close()


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
    result = Received()
    try:
        if kind == "multipart/form-data":
            await _read_multipart(request, options.get("boundary", ""), folder, limit, result)
            if not result.uploads:
                raise BadRequest("the form holds no file; send a part with a filename")
            if name is not None and len(result.uploads) == 1:
                result.uploads[0].name = upload_name(name)
        else:
            result.uploads.append(await _read_raw(request, folder, limit, name))
        for upload in result.uploads:
            upload.file.seek(0)
        yield result
    finally:
        result.close()


async def _read_raw(request: Request[Any, Any, Any], folder: Path, limit: int, name: str | None) -> Upload:
    given = name or _disposition_name(request.headers.get("content-disposition", ""))
    upload = Upload(upload_name(given), _spool(folder))
    try:
        async for piece in request.stream():
            await _write(upload, piece, limit)
    except BaseException:
        upload.file.close()
        raise
    return upload


async def _read_multipart(
    request: Request[Any, Any, Any], boundary: str, folder: Path, limit: int, result: Received
) -> None:
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
                            result.uploads.append(Upload(upload_name(segment.filename), _spool(folder)))
                    elif part and segment is not None and segment.filename is not None:
                        await _write(result.uploads[-1], part, limit)
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


async def _write(upload: Upload, piece: bytes | bytearray, limit: int) -> None:
    upload.size += len(piece)
    if upload.size > limit:
        raise _too_large(limit)
    if upload.size <= _SPOOL_BYTES:
        upload.file.write(piece)
    else:
        await asyncio.to_thread(upload.file.write, piece)


def _spool(folder: Path) -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES, dir=str(folder))


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
