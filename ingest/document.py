"""A document as plain values. Knows no file format, no tokenizer, no SQL.

The law that everything downstream rests on: `chunk.text == document.text[chunk.start:chunk.end]`.
Offsets count characters (Unicode code points) of `document.text`, half-open.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

BlockKind = Literal["heading", "paragraph", "list", "code", "table", "quote"]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a paged format. Pages are in order and do not overlap; separators may lie between."""

    number: int  # 1-based
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """A structural piece of the text. Blocks are in order and do not overlap; white space may lie between.

    `rows` are the spans of a table's rows (the first is the header when `header` is set): a row is never torn.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0  # of a heading: 1 is the top
    rows: tuple[tuple[int, int], ...] = ()
    header: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What parsing saw and what it lost: shown to the admin."""

    pages: int = 0
    pages_without_text: tuple[int, ...] = ()
    characters: int = 0
    tables: int = 0
    headings: int = 0
    pages_recognised: tuple[int, ...] = ()  # read by OCR: their text may hold errors
    language: str | None = None  # two letters, a guess
    encoding: str | None = None
    encoding_confidence: float | None = None  # 0..1
    dropped: tuple[str, ...] = ()  # sentences: what was left out and why
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one file with its structure."""

    name: str
    media_type: str
    title: str
    text: str
    pages: tuple[Page, ...] = ()
    blocks: tuple[Block, ...] = ()
    lines: tuple[tuple[int, int], ...] = ()  # (offset in the text, line of the file from 1), in order; where known
    metadata: Mapping[str, Any] = field(default_factory=dict)
    report: Report = field(default_factory=Report)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document, no longer than the embedder reads.

    `heading` is the path of headings above it ("Guide > Queues"); it is context for embedding and display and
    is no part of `text`. `tokens` counts heading and text together with the embedder's own tokenizer.
    """

    ordinal: int
    start: int
    end: int
    text: str
    heading: str
    page: int | None
    tokens: int
    line: int | None = None  # of the file where the chunk begins, from 1; None for formats without lines
    recognised: bool = False  # some of it was read by OCR: it may hold errors
