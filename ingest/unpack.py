"""Archives of documents become their documents, one by one and within limits. Knows no jobs and parses nothing."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from ingest.errors import BrokenDocument, EmptyFile, ParserLimit, UnreadableDocument
from ingest.parse.archive import DAMAGE, Archive, ArchiveLimits, one_reason
from ingest.parse.sniff_zip import ZIP, archive_kind

LIMITS = ArchiveLimits()  # of each archive, and in sum of all that lie in each other
_MAX_DEPTH = 3  # of archives in archives; one that lies deeper is handed on as it is, and refused there
_PIECE_BYTES = 1024**2
_SPOOL_BYTES = 8 * 1024**2  # an inner archive up to this stays in memory
_IDLE = ("__MACOSX", "Thumbs.db", "desktop.ini")  # what systems leave in archives


@dataclass(slots=True)
class _Left:
    """What all archives of one upload may still yield together."""

    documents: int
    bytes: int


def is_archive(stream: BinaryIO) -> bool:
    """Whether the bytes are a ZIP archive of files and not a document that is one inside (DOCX, EPUB and the like).

    One that cannot be opened or is beyond the limits is none: its job will say why. The stream stands at its beginning
    before and after.
    """
    head = stream.read(4)
    stream.seek(0)
    if head not in (b"PK\x03\x04", b"PK\x05\x06"):
        return False
    try:
        return archive_kind(Archive(stream, "archive", LIMITS)) == (None, ZIP)
    except UnreadableDocument:
        return False
    finally:
        stream.seek(0)


def documents(stream: BinaryIO, most: int = 10_000) -> Iterator[tuple[str, BinaryIO]]:
    """(relative path, bytes) of every file in an archive and in the archives in it; a stream is valid until the next.

    Everything is read once before the first is given: an archive that is damaged or beyond a limit gives none.
    Raises EmptyFile, BrokenDocument, EncryptedDocument, ParserLimit.
    """
    if not sum(_read_through(file) for _, file in _walk(stream, "", 1, _Left(most, LIMITS.total_bytes))):
        raise EmptyFile("the archive holds no files")
    yield from _walk(stream, "", 1, _Left(most, LIMITS.total_bytes))


def _read_through(file: BinaryIO) -> int:
    try:
        while file.read(_PIECE_BYTES):
            continue
    except DAMAGE as error:
        raise BrokenDocument(f"the archive is damaged: {one_reason(error)}") from error
    return 1


def _walk(stream: BinaryIO, prefix: str, depth: int, left: _Left) -> Iterator[tuple[str, BinaryIO]]:
    stream.seek(0)
    archive = Archive(stream, "archive", LIMITS)
    for entry in archive.entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if entry.is_dir() or any(part.startswith(".") or part in _IDLE for part in path.parts):
            continue
        left.bytes -= entry.file_size
        if left.bytes < 0:
            raise ParserLimit(f"the archive unpacks to more than the {LIMITS.total_bytes:,} bytes allowed; divide it")
        name = f"{prefix}{path}"
        try:
            with archive.open(entry) as opened:
                file = cast(BinaryIO, opened)
                if depth < _MAX_DEPTH and path.suffix.lower() == ".zip":
                    with _spooled(file) as inner:
                        if is_archive(inner):
                            yield from _walk(inner, f"{prefix}{path.with_suffix('')}/", depth + 1, left)
                            continue
                        left.documents -= 1
                        _refuse_many(left)
                        yield name, inner
                        continue
                left.documents -= 1
                _refuse_many(left)
                yield name, file
        except UnreadableDocument:
            raise
        except DAMAGE as error:
            raise archive.damaged(error) from error


def _spooled(file: BinaryIO) -> BinaryIO:
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES, prefix="footnote-archive-")  # noqa: SIM115  # the caller closes it
    while piece := file.read(_PIECE_BYTES):
        spool.write(piece)
    spool.seek(0)
    return cast(BinaryIO, spool)


def _refuse_many(left: _Left) -> None:
    if left.documents < 0:
        raise ParserLimit("the archive holds more files than one upload may have; divide it")
