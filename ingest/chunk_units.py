"""A document as a row of units that a chunk is packed from: paragraphs, items, rows, code. Knows no chunks.

A unit is never longer than one chunk may be: longer blocks are divided at their lines or sentences, and only a line or
sentence that is itself too long is divided between its tokens.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ingest.document import Block, Document
from ingest.sentences import split_sentences

_PORTION = 50_000  # characters tokenised at once


class TokenCounter(Protocol):
    """The embedder's own tokenizer. Special tokens are neither counted nor given."""

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """Character spans of the tokens of `text`, in order, never truncated."""
        ...

    def count(self, text: str) -> int:
        """Number of tokens of `text`."""
        ...


@dataclass(frozen=True, slots=True)
class Unit:
    """A span that stays together. `tokens` counts it alone; `kind` is that of its block."""

    start: int
    end: int
    tokens: int
    kind: str
    page: int | None
    header: str = ""  # of the table that a row belongs to
    announces: bool = False  # what follows belongs to it: a colon at its end, a term


@dataclass(slots=True)
class Section:
    """A heading line (None before the first one), the path of names down to it, and the units up to the next one."""

    heading: Unit | None
    path: tuple[str, ...]
    units: list[Unit]


class Ruler:
    """Counts tokens of any span of one text after tokenising it once."""

    def __init__(self, text: str, tokenizer: TokenCounter, blocks: Sequence[Block]) -> None:
        self._starts = _token_starts(text, tokenizer, blocks)  # (tokens,) characters

    def tokens(self, start: int, end: int) -> int:
        """Tokens that begin in [start, end)."""
        return bisect_left(self._starts, end) - bisect_left(self._starts, start)

    def before(self, position: int) -> int:
        """Tokens that begin before `position`."""
        return bisect_left(self._starts, position)

    def cut(self, start: int, tokens: int) -> int:
        """Where the token that comes `tokens` tokens after `start` begins; -1 when there are not so many."""
        position = bisect_left(self._starts, start) + tokens
        if position >= len(self._starts):
            return -1
        return max(self._starts[position], start + 1)


class Pages:
    """Page number of a position."""

    def __init__(self, document: Document) -> None:
        self._pages = [page for page in document.pages if page.end > page.start]
        self._starts = [page.start for page in self._pages]

    def at(self, position: int) -> int | None:
        if not self._pages:
            return None
        return self._pages[max(0, bisect_right(self._starts, position) - 1)].number


class Lines:
    """The line of the file that a position stands at or below."""

    def __init__(self, document: Document) -> None:
        self._starts = [start for start, _ in document.lines]
        self._numbers = [number for _, number in document.lines]

    def at(self, position: int) -> int | None:
        place = bisect_right(self._starts, position)
        return self._numbers[place - 1] if place else None


def complete_blocks(document: Document) -> list[Block]:
    """The document's blocks, with paragraphs for any text that no block covers."""
    found: list[Block] = []
    position = 0
    for block in (*document.blocks, Block("paragraph", len(document.text), len(document.text))):
        if document.text[position : block.start].strip():
            found += _paragraphs(document.text, position, block.start)
        if block.end > block.start:
            found.append(block)
        position = max(position, block.end)
    return found


def sections(
    document: Document, blocks: Sequence[Block], ruler: Ruler, room: Callable[[tuple[str, ...]], int]
) -> list[Section]:
    """Headings with what stands below them; each unit holds at most `room(path)` tokens."""
    pages = Pages(document)
    found = [Section(None, (), [])]
    path: list[tuple[int, str]] = []
    limit = room(())
    before = Block("paragraph", 0, 0)
    for block in blocks:
        if block.kind == "heading":
            while path and path[-1][0] >= block.level:
                path.pop()
            path.append((block.level, document.text[block.start : block.end]))
            names = tuple(name for _, name in path)
            limit = room(names)
            tokens = ruler.tokens(block.start, block.end)
            heading = Unit(block.start, block.end, tokens, "heading", pages.at(block.start))
            found.append(Section(heading, names, []))
        else:
            units = found[-1].units
            if units and block.kind == "list" and before.kind == "list" and block.level > before.level:
                units[-1] = replace(units[-1], announces=True)  # a term stays with its meaning, an item with its list
            units += _units(document.text, block, ruler, pages, limit)
        before = block
    return [section for section in found if section.heading is not None or section.units]


def _units(text: str, block: Block, ruler: Ruler, pages: Pages, limit: int) -> Iterator[Unit]:
    header = text[slice(*block.rows[0])] if block.header and block.rows else ""
    for number, (start, end) in enumerate(_divided(text, block, ruler, limit)):
        if text[start:end].strip():
            tokens = ruler.tokens(start, end)
            announces = text[end - 1] == ":" and block.kind in ("paragraph", "quote")
            yield Unit(start, end, tokens, block.kind, pages.at(start), header if number else "", announces)


def _divided(text: str, block: Block, ruler: Ruler, limit: int) -> Iterator[tuple[int, int]]:
    if block.rows:
        parts: Sequence[tuple[int, int]] = block.rows
    elif ruler.tokens(block.start, block.end) <= limit:
        yield block.start, block.end
        return
    elif block.kind in ("code", "table", "list"):
        parts = _lines(text, block.start, block.end)
    else:
        parts = [
            (block.start + start, block.start + end) for start, end in split_sentences(text[block.start : block.end])
        ]
    for start, end in parts:
        if ruler.tokens(start, end) <= limit:
            yield start, end
        else:
            yield from _torn(text, start, end, ruler, limit)


def _torn(text: str, start: int, end: int, ruler: Ruler, limit: int) -> Iterator[tuple[int, int]]:
    """The last resort: between words where there are any, else between tokens."""
    while True:
        cut = ruler.cut(start, limit)
        if cut < 0 or cut >= end:
            yield start, end
            return
        space = max(text.rfind(mark, start + 1, cut) for mark in " \n")
        if space > start and text[start:space].strip() and not text[cut - 1].isspace():
            cut = space
        yield start, start + len(text[start:cut].rstrip())
        start = cut + len(text[cut:end]) - len(text[cut:end].lstrip())


def _lines(text: str, start: int, end: int) -> list[tuple[int, int]]:
    found = []
    for line in text[start:end].split("\n"):
        if line.strip():
            found.append((start, start + len(line)))
        start += len(line) + 1
    return found


def _paragraphs(text: str, start: int, end: int) -> list[Block]:
    found = []
    for part in text[start:end].split("\n\n"):
        stripped = part.strip()
        if stripped:
            begin = start + part.index(stripped[0])
            found.append(Block("paragraph", begin, begin + len(stripped)))
        start += len(part) + 2
    return found


def _token_starts(text: str, tokenizer: TokenCounter, blocks: Sequence[Block]) -> "array[int]":
    """Portions end between blocks, or between lines of a block too long for one portion: there no token crosses."""
    starts = array("q")
    for start, end in _portions(text, blocks):
        starts.extend(start + span[0] for span in tokenizer.offsets(text[start:end]))
    return starts


def _portions(text: str, blocks: Sequence[Block]) -> Iterator[tuple[int, int]]:
    start = 0
    ends = [block.end for block in blocks]
    while start < len(text):
        wanted = start + _PORTION
        if wanted >= len(text):
            yield start, len(text)
            return
        position = bisect_left(ends, wanted)
        end = ends[position] if position < len(ends) else len(text)
        if end > wanted + _PORTION:
            line = text.find("\n", wanted, end)
            end = line if line >= 0 else end
        yield start, end
        start = end
