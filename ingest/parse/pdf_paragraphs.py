"""Lines of pages become paragraphs, headings and tables. Pure; knows no PDF.

A PDF has no paragraphs: they are guessed from line ends, gaps, sizes and the first letter of the next line.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ingest.parse.pdf_lines import Line
from ingest.parse.pdf_tables import Table, tables_of

_ITEM = re.compile(r"(?:[•●▪■◦‣○–—*·\-]\s+|\(?\d{1,3}[.)]\s+|\(?[a-z][.)]\s+)\S")
_DIGITS = re.compile(r"\d+")
_EDGE_LINES = 2  # at the top and the bottom of a page where headers and footers stand
_KEPT_SHARE = 0.6  # of the characters: what takes more away is no furniture
_HEADING_RATIO = 1.15  # of the size of the body text
_ENDS = (".", "!", "?", ":", ";", "…", "。", "！", "？", ".”", '."', ".)", "”")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """`level` is that of a heading, else 0. `page_starts` are (offset in text, page) of pages it runs on to.

    A table has no text.
    """

    text: str
    page: int
    level: int = 0
    is_item: bool = False
    page_starts: tuple[tuple[int, int], ...] = ()
    table: Table | None = None


def paragraphs_of_pages(pages: Sequence[Sequence[Line]]) -> tuple[list[Paragraph], list[str]]:
    """(paragraphs in order, repeated headers and footers that were left out)."""
    pages, furniture = without_furniture(pages)
    body = _body_size(pages)
    width = _line_width(pages, body)
    levels = _heading_levels(pages, body)
    paragraphs: list[Paragraph] = []
    for number, lines in enumerate(pages, 1):
        leading = _leading(lines, body)
        found = _paragraphs(lines, number, levels, leading, width)
        if found and paragraphs and _runs_on(paragraphs[-1], found[0], number):
            paragraphs[-1] = _joined_pages(paragraphs[-1], found.pop(0), number)
        paragraphs += found
    return paragraphs, furniture


def without_furniture(pages: Sequence[Sequence[Line]]) -> tuple[list[list[Line]], list[str]]:
    """Drop lines that stand at the edge of most pages, digits apart: running headers, footers, page numbers.

    Large type is never dropped: "Chapter 3" opens its page as regularly as a header does.
    """
    if len(pages) < 3:
        return [list(page) for page in pages], []
    largest = _body_size(pages) * _HEADING_RATIO
    seen: Counter[str] = Counter()
    for page in pages:
        edge = (*page[:_EDGE_LINES], *page[-_EDGE_LINES:])
        seen.update({_shape(line.text) for line in edge if line.size < largest})
    filled = sum(bool(page) for page in pages)
    enough = max(3, _half(filled))
    repeated = {shape for shape, count in seen.items() if count >= enough}
    kept: list[list[Line]] = []
    dropped: dict[str, str] = {}
    for page in pages:
        remaining = []
        for position, line in enumerate(page):
            at_edge = position < _EDGE_LINES or position >= len(page) - _EDGE_LINES
            if at_edge and line.size < largest and _shape(line.text) in repeated:
                dropped.setdefault(_shape(line.text), line.text[:80])
            else:
                remaining.append(line)
        kept.append(remaining)
    if _characters(kept) < _characters(pages) * _KEPT_SHARE:
        return [list(page) for page in pages], []  # pages that all say the same are content
    return kept, list(dropped.values())


def _characters(pages: Sequence[Sequence[Line]]) -> int:
    return sum(len(line.text) for page in pages for line in page)


def _half(pages: int) -> int:
    """A header may be missing on covers and chapter starts: half the pages are enough."""
    return (pages + 1) // 2


def _shape(text: str) -> str:
    return _DIGITS.sub("#", text.strip())[:200]


def _body_size(pages: Sequence[Sequence[Line]]) -> float:
    weight: Counter[float] = Counter()
    for page in pages:
        for line in page:
            weight[line.size] += len(line.text)
    return weight.most_common(1)[0][0] if weight else 0.0


def _line_width(pages: Sequence[Sequence[Line]], body: float) -> int:
    """Characters of a full line of body text."""
    lengths = sorted(len(line.text) for page in pages for line in page if abs(line.size - body) < 0.6)
    return lengths[int(len(lengths) * 0.8)] if lengths else 80


def _heading_levels(pages: Sequence[Sequence[Line]], body: float) -> dict[float, int]:
    """Sizes clearly above the body's, largest first, to levels 1-4; none when large type is common."""
    if body <= 0:
        return {}
    large: Counter[float] = Counter()
    total = 0
    for page in pages:
        for line in page:
            total += len(line.text)
            if line.size >= body * _HEADING_RATIO and _could_head(line.text):
                large[line.size] += len(line.text)
    if not total or sum(large.values()) > total * 0.3:
        return {}
    return {size: min(level, 4) for level, size in enumerate(sorted(large, reverse=True), 1)}


def _could_head(text: str) -> bool:
    return 2 < len(text) <= 150 and any(character.isalpha() for character in text)


def _leading(lines: Sequence[Line], body: float) -> float:
    gaps = [line.gap for line in lines if 0 < line.gap < body * 3]
    return median(gaps) if gaps else 0.0


def _paragraphs(
    lines: Sequence[Line], page: int, levels: dict[float, int], leading: float, width: int
) -> list[Paragraph]:
    found: list[Paragraph] = []
    previous: Line | None = None
    tables = {number: table for table in tables_of(lines) for number in range(table.start, table.stop)}
    for number, line in enumerate(lines):
        if number in tables:
            if number == tables[number].start:
                found.append(Paragraph("", page, table=tables[number]))
            previous = None
            continue
        level = levels.get(line.size, 0) if _could_head(line.text) else 0
        last = found[-1] if found else None
        if previous is not None and last is not None and _continues(previous, line, last, level, leading, width):
            separator = " " if last.level or len(previous.text) >= width * 0.7 or line.text[:1].islower() else "\n"
            found[-1] = Paragraph(_join(last.text, line.text, separator), page, last.level, last.is_item)
        else:
            found.append(Paragraph(line.text, page, level, not level and _ITEM.match(line.text) is not None))
        previous = line
    return found


def _continues(previous: Line, line: Line, last: Paragraph, level: int, leading: float, width: int) -> bool:
    if level or last.level:
        return level == last.level and line.size == previous.size and len(last.text) < 200 and line.gap < line.size * 2
    if _ITEM.match(line.text):
        return False
    if line.blank_before or (leading and line.gap > leading * 1.35) or line.gap < -1:
        return False
    if line.text[:1].islower():
        return True
    short = len(previous.text) < width * 0.6
    return not (short and previous.text.endswith(_ENDS))


def _join(text: str, following: str, separator: str) -> str:
    """A word divided at the line end is made whole; other hyphens stay."""
    if len(text) > 2 and text[-1] == "-" and text[-2].isalpha() and following[:1].islower():
        return text[:-1] + following
    return text + separator + following


def _runs_on(last: Paragraph, first: Paragraph, page: int) -> bool:
    last_page = max([last.page, *(number for _, number in last.page_starts)])
    return (
        last_page == page - 1
        and not (last.level or first.level or last.is_item or first.is_item or last.table or first.table)
        and first.text[:1].islower()
        and not last.text.endswith(_ENDS)
    )


def _joined_pages(last: Paragraph, first: Paragraph, page: int) -> Paragraph:
    joined = _join(last.text, first.text, " ")
    start = len(joined) - len(first.text)
    return Paragraph(joined, last.page, 0, False, (*last.page_starts, (start, page)))
