"""Opens ZIP archives within limits, whatever they claim. Knows no format that is built on them.

The stdlib never unpacks more of an entry than its directory declares, so limits on what is declared hold for whoever
opens the same bytes later.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, BinaryIO

from lxml import etree

from ingest.errors import BrokenDocument, EncryptedDocument, ParserLimit, UnreadableDocument

DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    IndexError,
)
_DIRECTORY_BYTES = 16 * 1024**2  # of the list of entries, which is read whole
_END = b"PK\x05\x06"
_END64 = b"PK\x06\x06"
_END_REACH = 65_557  # bytes from the end within which that list is announced
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes before the first byte


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """`ratio` is unpacked to packed bytes; it is looked at above `free_bytes` unpacked, since small files pack well."""

    entries: int = 20_000
    total_bytes: int = 2 * 1024**3
    ratio: int = 200
    free_bytes: int = 64 * 1024**2


class Archive:
    """The entries of one archive, called `what` in messages ("DOCX").

    Raises BrokenDocument, EncryptedDocument or ParserLimit, all with one line, and so do its methods.
    """

    def __init__(self, file: bytes | BinaryIO, what: str, limits: ArchiveLimits | None = None) -> None:
        self.what = what
        stream: Any = BytesIO(file) if isinstance(file, bytes) else file
        limits = limits or ArchiveLimits()
        try:
            size = _refuse_long_directory(stream, what)
            self._archive = zipfile.ZipFile(stream)
            self.entries = tuple(self._archive.infolist())
        except DAMAGE as error:
            raise self.damaged(error) from error
        _check(self.entries, size, what, limits)
        self._names = {entry.filename.lstrip("/"): entry for entry in self.entries}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def names(self) -> Iterator[str]:
        """Of all entries, without a leading slash."""
        return iter(self._names)

    def open(self, entry: zipfile.ZipInfo | str) -> IO[bytes]:
        """The unpacked bytes as a stream; reading it may raise what is in `DAMAGE`."""
        try:
            return self._archive.open(self._names[entry] if isinstance(entry, str) else entry)
        except DAMAGE as error:
            raise self.damaged(error) from error

    def read(self, name: str, most: int) -> bytes:
        """One entry whole; one that has more than `most` bytes raises ParserLimit."""
        try:
            with self._archive.open(self._names[name]) as stream:
                data = stream.read(most + 1)
        except DAMAGE as error:
            raise self.damaged(error) from error
        if len(data) > most:
            raise ParserLimit(f"the {self.what} unpacks to more than the limits allow; divide it")
        return data

    def damaged(self, error: BaseException | str) -> UnreadableDocument:
        """The error to raise for damage found in this archive."""
        return BrokenDocument(f"the {self.what} is damaged: {one_reason(error)}")


class XmlParts:
    """Parts of an archive as XML trees; `most_bytes` bounds them all together. No entities, no network."""

    def __init__(self, archive: Archive, most_bytes: int) -> None:
        self.archive = archive
        self._left = most_bytes

    def __contains__(self, name: str) -> bool:
        return name in self.archive

    def raw(self, name: str) -> bytes:
        """A part's bytes, counted."""
        try:
            with self.archive.open(name) as stream:
                data = stream.read(self._left + 1)
        except DAMAGE as error:
            raise self.archive.damaged(error) from error
        self._left -= len(data)
        if self._left < 0:
            raise ParserLimit(f"the {self.archive.what} unpacks to more XML than the limits allow; divide it")
        return data

    def tree(self, name: str, replace: tuple[tuple[bytes, bytes], ...] = ()) -> Any:
        """The root element, each `(old, new)` of `replace` put in first. Raises BrokenDocument, ParserLimit."""
        data = self.raw(name)
        for old, new in replace:
            data = data.replace(old, new)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True)
        try:
            root = etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            raise BrokenDocument(f"the {self.archive.what} is damaged: {name}: {one_reason(error)}") from error
        if root is None:
            raise BrokenDocument(f"the {self.archive.what} is damaged: {name} is empty")
        return root

    def optional(self, name: str) -> Any | None:
        """The root element; None when the part is missing or damaged, since a side part must not cost the text."""
        if name not in self.archive:
            return None
        try:
            return self.tree(name)
        except BrokenDocument:
            return None


def one_reason(error: BaseException | str) -> str:
    """One line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _refuse_long_directory(stream: BinaryIO, what: str) -> int:
    """Size of the file; raises ParserLimit where its list of entries alone would fill the memory."""
    size = stream.seek(0, 2)
    reach = min(size, _END_REACH + 100)
    stream.seek(size - reach)
    tail = stream.read(reach)
    stream.seek(0)
    announced = 0
    at = tail.rfind(_END)
    if at >= 0 and len(tail) >= at + 16:
        (announced,) = struct.unpack_from("<L", tail, at + 12)
    at = tail.rfind(_END64)
    if at >= 0 and len(tail) >= at + 48:
        (announced,) = struct.unpack_from("<Q", tail, at + 40)
    if min(announced, size) > _DIRECTORY_BYTES:
        raise ParserLimit(f"the {what} lists more entries than the limits allow; divide it")
    return size


def _check(entries: tuple[zipfile.ZipInfo, ...], size: int, what: str, limits: ArchiveLimits) -> None:
    if len(entries) > limits.entries:
        raise ParserLimit(f"the {what} holds {len(entries):,} entries, more than the {limits.entries:,} allowed")
    if any(entry.flag_bits & 1 for entry in entries):
        raise EncryptedDocument("the file is protected by a password; save it without one and upload it again")
    if any(entry.compress_type not in _METHODS for entry in entries):
        raise ParserLimit(f"the {what} is packed by an unusual method; pack it the usual way (deflate)")
    total = sum(entry.file_size for entry in entries)
    if total > limits.total_bytes:
        raise ParserLimit(f"the {what} unpacks to {total:,} bytes, more than the {limits.total_bytes:,} allowed")
    if total > limits.free_bytes and total > size * limits.ratio:
        raise ParserLimit(
            f"the {what} unpacks to {total // max(size, 1):,} times its size, more than the {limits.ratio} times "
            "allowed; it looks like an archive bomb"
        )
