"""Parsers that other packages bring along, by the entry point group `footnote.parsers`. Knows no format.

An entry point names an object with two methods, used inside the parsing child and nowhere else:
`accepts(head: bytes, name: str) -> bool` sees the first 4096 bytes and what the user calls the file;
`parse(data: bytes, name: str, limits: ParseLimits) -> Document` may raise the classes of `ingest.errors`.
They are asked before the parsers of our own, in the order of their names.
"""

from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from ingest.document import Document
from ingest.parse.limits import ParseLimits

GROUP = "footnote.parsers"
_HEAD_BYTES = 4096


class ForeignParser(Protocol):
    """What an entry point of the group gives."""

    def accepts(self, head: bytes, name: str) -> bool: ...

    def parse(self, data: bytes, name: str, limits: ParseLimits) -> Document: ...


def foreign_parser(data: bytes, name: str) -> ForeignParser | None:
    """The first that accepts the file."""
    head = data[:_HEAD_BYTES]
    return next((parser for parser in _loaded()[0] if parser.accepts(head, name)), None)


def not_loaded() -> str:
    """A sentence on parsers that could not be loaded, or nothing."""
    broken = _loaded()[1]
    return f"; parsers that did not load: {'; '.join(broken)}" if broken else ""


@cache
def _loaded() -> tuple[tuple[ForeignParser, ...], tuple[str, ...]]:
    found: list[ForeignParser] = []
    broken: list[str] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            found.append(entry.load())
        except Exception as error:  # noqa: BLE001  # another package may raise anything; the files that need it say so
            broken.append(f"{entry.name} ({type(error).__name__}: {error})"[:200])
    return tuple(found), tuple(broken)
