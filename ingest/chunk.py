"""Divides a document into chunks that the embedder reads whole. Pure; knows no SQL and no model, only a tokenizer.

Laws: `chunk.text == document.text[chunk.start:chunk.end]`; chunks are in order and do not overlap; together with their
heading paths they hold all of the text; heading and text together never exceed `max_tokens` less two special tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.chunk_groups import Group, group_sections, parts
from ingest.chunk_heading import HeadingPaths
from ingest.chunk_units import Lines, Pages, Ruler, TokenCounter, Unit, complete_blocks, sections
from ingest.document import Chunk, Document

__all__ = ["TokenCounter", "chunk_document"]

_SPECIAL_TOKENS = 2
_HEADING_SHARE = 0.25  # of the limit that a heading path may take
_CHECK_WITHIN = 8  # tokens of the limit: there the joined text is counted again


def chunk_document(
    document: Document, tokenizer: TokenCounter, max_tokens: int, target_tokens: int = 200
) -> tuple[Chunk, ...]:
    """Chunks of about `target_tokens`, heading path included, none above `max_tokens - 2`.

    Raises ValueError when `max_tokens` leaves no room for text.
    """
    limit = max_tokens - _SPECIAL_TOKENS
    if limit < 8:
        raise ValueError(f"max_tokens is {max_tokens}, but a chunk needs at least 10; choose a model that reads more")
    blocks = complete_blocks(document)
    ruler = Ruler(document.text, tokenizer, blocks)
    maker = _Maker(document, tokenizer, ruler, limit, min(max(target_tokens, 8), limit))
    found = sections(document, blocks, ruler, maker.room)
    pieces = [piece for group in group_sections(found, ruler, maker.target) for piece in maker.pieces(group)]
    pages = Pages(document)
    lines = Lines(document)
    recognised = frozenset(document.report.pages_recognised)
    return tuple(
        Chunk(
            ordinal=ordinal,
            start=piece.start,
            end=piece.end,
            text=document.text[piece.start : piece.end],
            heading=piece.heading,
            page=pages.at(piece.start),
            tokens=piece.tokens,
            line=lines.at(piece.start),
            recognised=bool(recognised & {pages.at(piece.start), pages.at(piece.end - 1)}),
        )
        for ordinal, piece in enumerate(pieces)
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    heading: str
    tokens: int


@dataclass(slots=True)
class _Maker:
    """Turns groups into pieces within the limits, all in tokens."""

    document: Document
    tokenizer: TokenCounter
    ruler: Ruler
    limit: int
    target: int
    paths: HeadingPaths

    def __init__(self, document: Document, tokenizer: TokenCounter, ruler: Ruler, limit: int, target: int) -> None:
        self.document, self.tokenizer, self.ruler = document, tokenizer, ruler
        self.limit, self.target = limit, target
        self.paths = HeadingPaths(document, tokenizer)

    def room(self, path: tuple[str, ...]) -> int:
        """Tokens left for text below the heading of `path`."""
        return self.limit - self.paths.line(path, self._heading_budget)[1]

    def pieces(self, group: Group) -> Iterator[_Piece]:
        """The chunks of one group, in order."""
        room = self.room(group.path)
        for units in parts(group.units(), self.ruler, max(8, self.target - (self.limit - room)), room):
            yield from self._piece(units[0].start, units[-1].end, group.path, _table_header(units))

    @property
    def _heading_budget(self) -> int:
        return int(self.limit * _HEADING_SHARE)

    def _piece(self, start: int, end: int, path: Sequence[str], table_header: str) -> Iterator[_Piece]:
        text = self.document.text[start:end]
        tokens = self.ruler.tokens(start, end)
        budget = min(self._heading_budget, self.limit - tokens)
        while True:
            heading, used = self.paths.line(path, budget, table_header) if budget > 0 else ("", 0)
            total = tokens + used
            if total < self.limit - _CHECK_WITHIN and not self._cuts_word(start, end):
                break
            total = self.tokenizer.count(f"{heading}\n{text}" if heading else text)
            if total <= self.limit:
                break
            if not heading:
                yield from self._halves(start, end, path, table_header)
                return
            budget = used - (total - self.limit)
        yield _Piece(start, end, heading, total)

    def _halves(self, start: int, end: int, path: Sequence[str], table_header: str) -> Iterator[_Piece]:
        """A part of a word can have more tokens alone than it had in its word."""
        cut = self.ruler.cut(start, max(1, self.ruler.tokens(start, end) // 2))
        if not start < cut < end:
            cut = (start + end) // 2
        left = start + len(self.document.text[start:cut].rstrip())
        yield from self._piece(start, max(left, start + 1), path, table_header)
        right = self.document.text[cut:end]
        if right.strip():
            yield from self._piece(cut + len(right) - len(right.lstrip()), end, path, table_header)

    def _cuts_word(self, start: int, end: int) -> bool:
        text = self.document.text
        return (start > 0 and text[start - 1].isalnum() and text[start].isalnum()) or (
            end < len(text) and text[end - 1].isalnum() and text[end].isalnum()
        )


def _table_header(units: Sequence[Unit]) -> str:
    return units[0].header if units else ""
