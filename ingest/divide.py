"""Large tables of delimited text become parts that each carry the header. Knows no jobs and parses no cell.

One document of a 200 MB table would hold a million passages in one transaction; parts are taken in, replaced and
searched one by one, and a change in one row changes one part.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from ingest.errors import ParserLimit
from ingest.parse.delimited import looks_delimited

DIVIDE_BYTES = 16 * 1024**2  # a larger table is divided
PART_BYTES = 1024**2  # few enough passages that the first can be asked for within a minute or two
_HEAD_BYTES = 64 * 1024
_LONGEST_ROW = 2 * 1024**2  # bytes: a quote that never ends is no row
_SUFFIXES = (".csv", ".tsv", ".tab")
_QUOTE = ord('"')


def is_large_table(stream: BinaryIO, name: str) -> bool:
    """Whether the bytes are delimited text above `DIVIDE_BYTES`, in an encoding whose line ends are single bytes."""
    size = stream.seek(0, 2)
    stream.seek(0)
    if size <= DIVIDE_BYTES:
        return False
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    suffix = PurePosixPath(name.lower()).suffix
    if b"\x00" in head or suffix not in (*_SUFFIXES, ".txt", ""):
        return False
    return looks_delimited(head.decode("utf-8", errors="replace")) or suffix in _SUFFIXES


def parts(stream: BinaryIO, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
    """The table in order as pieces of about `part_bytes`, each with the first row before it; no row is cut.

    Raises ParserLimit for a row longer than a row can be.
    """
    rows = _rows(stream)
    header = next(rows, b"")
    piece, size = [header], len(header)
    for row in rows:
        if size + len(row) > part_bytes and len(piece) > 1:
            yield b"".join(piece)
            piece, size = [header], len(header)
        piece.append(row)
        size += len(row)
    yield b"".join(piece)


def _rows(stream: BinaryIO) -> Iterator[bytes]:
    """Records with their line ends: a line end inside quotes ends none."""
    running: list[bytes] = []
    length = 0
    quoted = False
    for line in stream:
        quoted ^= bool(line.count(_QUOTE) % 2)
        if not quoted and not running:
            yield line
            continue
        running.append(line)
        length += len(line)
        if length > _LONGEST_ROW:
            raise ParserLimit(f"a row of the table has more than {_LONGEST_ROW:,} bytes; is a quote never closed?")
        if not quoted:
            yield b"".join(running)
            running, length = [], 0
    if running:
        yield b"".join(running)
