"""Split a passage into the units that can be evidence: sentences, items, rows, steps. Knows no scores, no models."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from index.passage import Passage
from ingest.sentences import split_sentences
from rag.words import word_count

UnitKind = Literal["sentence", "item", "row", "code", "steps", "heading"]

_ITEM = re.compile(r"[ \t]*(?:[-*+•‣◦–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|Step \d+[.:])[ \t]+(?=\S)")
_NUMBERED = re.compile(r"[ \t]*(?:\(?\d{1,3}[.)]|Step \d+[.:])[ \t]+")
_ROW = re.compile(r"\S[ \t]*(?:\||\t)[ \t]*\S")
_CELLS = re.compile(r"[ \t]*[|\t][ \t]*")
_RECORD = re.compile(r"[^:;]{1,60}: [^;]*(?:; [^:;]{1,60}: [^;]*)+")  # a row that carries its own header
_FIELD = re.compile(r"[\w .-]{1,40}: \S")
_RULE = re.compile(r"^[\s|:+=*_-]+$")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)")
MOST_STEPS = 12
LEAST_CELLS = 4  # fewer short lines in a row are headings
MOST_CELLS = 16
MOST_STEP_CHARACTERS = 1_200


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of a passage. `text == document.text[start:end]`, an item without its marker.

    `lead` introduces it: a heading inside the passage, the sentence before a list, a table's first row.
    """

    passage: int  # position of the passage in the sequence it came from
    kind: UnitKind
    start: int
    end: int
    text: str
    lead: str = ""
    header: str = ""  # the first row of its table, if that names the columns
    header_start: int = 0
    among: int = -1  # where the table or list begins that it is a row or an item of

    def told(self, heading: str) -> tuple[str, int] | None:
        """A row or an item as one would say it aloud, behind its headings, and where it begins there.

        A row is said with the names of its columns. None for what is understood as it stands.
        """
        if self.kind not in {"row", "item"}:
            return None
        lead = self.lead.removesuffix(self.header).strip().rstrip(":")
        above = ": ".join(part for part in (heading.rsplit(" > ", 1)[-1], lead) if part.strip())
        said = record(self.header, self.text) if self.header else self.text
        return (f"{above}: {said}", len(above) + 2) if above else (said, 0)


@dataclass(frozen=True, slots=True)
class _Line:
    kind: Literal["blank", "item", "row", "code", "prose"]
    start: int  # first character that is no white space
    end: int
    text: str
    indent: int


def units_of(passages: Sequence[Passage]) -> tuple[Unit, ...]:
    """The units of all passages in order; a span that two passages share comes once, from the better one."""
    seen: set[tuple[str, int, int]] = set()
    found: list[Unit] = []
    for place, passage in enumerate(passages):
        for unit in split_passage(passage.text, passage.start, place):
            key = (passage.document, unit.start, unit.end)
            if key not in seen:
                seen.add(key)
                found.append(unit)
    return tuple(found)


def split_passage(text: str, offset: int = 0, passage: int = 0) -> list[Unit]:
    """Units of one text whose first character stands at `offset` of its document, ordered by start, then longest first.

    A lead-in ("To reset your password:") and the list after it also come together as one unit of kind `steps`.
    """
    units: list[Unit] = []
    blocks = _blocks(_lines(text))
    for place, block in enumerate(blocks):
        alone = all(other[0].kind != "item" for other in blocks[max(place - 1, 0) : place + 2] if other is not block)
        units += _block_units(text, block, alone=alone)
    units = _settle_short_lines(text, units)
    units += _steps(text, units)
    units.sort(key=lambda unit: (unit.start, -unit.end))
    leads = _leads(text, units)
    heads = {header.start for _, header in leads if header}
    runs = _runs(text, units, heads)
    found: list[Unit] = []
    for unit, (lead, header), run in zip(units, leads, runs, strict=True):
        kind = "heading" if unit.kind == "row" and unit.start in heads else unit.kind
        row = (header.text, header.start + offset) if header else ("", 0)
        among = run + offset if run >= 0 else -1
        if any(letter.isalnum() for letter in unit.text):
            found.append(Unit(passage, kind, unit.start + offset, unit.end + offset, unit.text, lead, *row, among))
    return found


def _runs(text: str, units: Sequence[Unit], heads: set[int]) -> list[int]:
    """For each row and item, where the first of those begins that follow one another with it; -1 for all else."""
    runs: list[int] = []
    first, before = -1, Unit(0, "heading", 0, 0, "")
    for unit in units:
        if unit.kind not in {"row", "item"} or unit.start in heads:
            runs.append(-1)
            if unit.kind != "steps":  # those hold the items that follow
                before = unit
            continue
        parted = unit.kind == "row" and "\n\n" in text[before.end : unit.start]
        if unit.kind != before.kind or before.start in heads or parted:
            first = unit.start
        runs.append(first)
        before = unit
    return runs


def _leads(text: str, units: Sequence[Unit]) -> list[tuple[str, Unit | None]]:
    """What introduces each unit, nearest last: the heading above, then its own lead-in or the first row of its table.

    That row comes again by itself where it names columns.
    """
    leads: list[tuple[str, Unit | None]] = []
    heading = introduction = ""
    header: Unit | None = None
    row_end = 0
    for unit in units:
        if unit.kind == "heading":
            heading, introduction = unit.text.lstrip("# "), ""
        elif unit.kind == "sentence":
            introduction = unit.text if unit.text.endswith(":") else ""
        is_row = unit.kind == "row" and bool(_ROW.search(unit.text))
        if not is_row or header is None or "\n\n" in text[row_end : unit.start]:
            header = unit if is_row else None
        row_end = unit.end
        nearest = header.text if header else introduction if unit.kind == "item" else ""
        lead = " ".join(part for part in (heading, nearest) if part and part != unit.text)
        leads.append(
            (lead, header if header is not None and header is not unit and _names_columns(header.text) else None)
        )
    return leads


def _names_columns(row: str) -> bool:
    """Whether the first row of a table is no row like the others: a number is nobody's name."""
    return not any(cell.strip()[:1].isdigit() for cell in _CELLS.split(row))


def record(header: str, row: str) -> str:
    """`Plan: Studio; Price: 19 euros` of a header and a row; the row alone if they have not the same cells."""
    names, cells = ([cell.strip() for cell in _CELLS.split(line.strip())] for line in (header, row))
    if len(names) == len(cells) - 1 and _CELLS.match(header.strip()) is None:
        names = ["", *names]
    if len(names) != len(cells):
        return row
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=True) if cell)


def whole_sentences(text: str) -> list[tuple[int, int]]:
    """Spans of sentences, in order. A piece in lower case goes on with the one before: `press Why? to see`."""
    spans: list[tuple[int, int]] = []
    for start, end in split_sentences(text):
        before = spans[-1][1] if spans else start
        goes_on = text[start].islower() and text[before - 1 : before] in set("?!\"'”’")
        if spans and goes_on and "\n" not in text[before:start]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    place = 0
    fenced = False
    for raw in text.splitlines(keepends=True):
        body = raw.strip()
        start = place + len(raw) - len(raw.lstrip())
        fence = bool(_FENCE.match(raw))
        if fenced or fence:
            kind: Literal["blank", "item", "row", "code", "prose"] = "code"
        elif not body or _RULE.match(body):
            kind = "blank"
        elif _ITEM.match(raw):
            kind = "item"
        elif _ROW.search(body) or _RECORD.fullmatch(body):
            kind = "row"
        else:
            kind = "prose"
        fenced ^= fence
        lines.append(_Line(kind, start, start + len(body), body, len(raw) - len(raw.lstrip(" \t"))))
        place += len(raw)
    return lines


def _blocks(lines: Sequence[_Line]) -> list[list[_Line]]:
    """Lines that belong together: the lines of a paragraph, of an item with its continuation, of a code block."""
    blocks: list[list[_Line]] = []
    open_block: list[_Line] = []
    for line in lines:
        if line.kind == "blank":
            open_block = []
            continue
        continues = bool(open_block) and (
            (line.kind == "prose" and open_block[0].kind == "prose" and not _is_heading_line(open_block))
            or (line.kind == "prose" and open_block[0].kind == "item" and line.indent > open_block[0].indent)
            or (line.kind == "code" and open_block[0].kind == "code")
        )
        if continues:
            open_block.append(line)
        else:
            open_block = [line]
            blocks.append(open_block)
    return blocks


def _is_heading_line(block: Sequence[_Line]) -> bool:
    return len(block) == 1 and block[0].text.startswith("#")


def _block_units(text: str, block: Sequence[_Line], *, alone: bool) -> list[Unit]:
    start, end = block[0].start, block[-1].end
    kind = block[0].kind
    if kind == "item":
        if alone and _NUMBERED.match(text, start) and _reads_as_heading(text[start:end]):
            return [Unit(0, "heading", start, end, text[start:end])]
        marker = _ITEM.match(text, start)
        start = marker.end() if marker else start
        return [Unit(0, "item", start, end, text[start:end])]
    if kind == "row":
        return [Unit(0, "row", start, end, text[start:end])]
    if kind == "code":
        return [Unit(0, "code", start, end, text[start:end])]
    if len(block) > 1 and all(_FIELD.match(line.text) for line in block):
        return [Unit(0, "row", start, end, text[start:end])]
    spans = [_trimmed(text, start + a, start + b) for a, b in whole_sentences(text[start:end])]
    if len(spans) == 1 and _reads_as_heading(text[spans[0][0] : spans[0][1]]):
        return [Unit(0, "heading", *spans[0], text[spans[0][0] : spans[0][1]])]
    return [Unit(0, "sentence", a, b, text[a:b]) for a, b in spans if b > a]


def _reads_as_heading(line: str) -> bool:
    return line.startswith("#") or (line[-1:] not in {".", "!", "?", ":", ";", ",", '"', ")"} and word_count(line) <= 9)


def _settle_short_lines(text: str, units: Sequence[Unit]) -> list[Unit]:
    """A short line that ends like no sentence is a heading; several in a row are cells of a table without its form."""
    settled: list[Unit] = []
    run: list[Unit] = []
    for unit in [*units, None]:
        if unit is not None and (unit.kind == "heading" or (unit.kind == "sentence" and _is_short_line(text, unit))):
            if len(run) == MOST_CELLS:
                settled += _settled(text, run)
                run = []
            run.append(unit)
            continue
        settled += _settled(text, run)
        run = []
        if unit is not None:
            settled.append(unit)
    return settled


def _settled(text: str, run: Sequence[Unit]) -> list[Unit]:
    if len(run) >= LEAST_CELLS:
        start, end = run[0].start, run[-1].end
        return [Unit(0, "row", start, end, text[start:end])]
    return [Unit(0, "heading", unit.start, unit.end, unit.text) for unit in run]


def _is_short_line(text: str, unit: Unit) -> bool:
    before = text[: unit.start].rpartition("\n")[2]
    after = text[unit.end :].partition("\n")[0]
    return not before.strip() and not after.strip() and _reads_as_heading(unit.text)


def _steps(text: str, units: Sequence[Unit]) -> list[Unit]:
    """Lead-ins with the list that follows; a numbered list without a lead-in stands for itself."""
    merged: list[Unit] = []
    place = 0
    while place < len(units):
        if units[place].kind != "item":
            place += 1
            continue
        last = place
        while last + 1 < len(units) and units[last + 1].kind in {"item", "code"} and last + 1 - place < MOST_STEPS:
            last += 1
        while units[last].kind == "code":
            last -= 1
        before = units[place - 1] if place else None
        lead = before if before and before.kind in {"sentence", "heading"} and before.text.endswith(":") else None
        items = [unit for unit in units[place : last + 1] if unit.kind == "item"]
        numbered = all(_NUMBERED.match(text, _line_start(text, unit.start)) for unit in items)
        start, end = lead.start if lead else _line_start(text, units[place].start), units[last].end
        if (lead or (numbered and last > place)) and end - start <= MOST_STEP_CHARACTERS:
            merged.append(Unit(0, "steps", start, end, text[start:end]))
        place = last + 1
    return merged


def _line_start(text: str, place: int) -> int:
    """The first character of the line that is no white space: an item's marker stands there."""
    start = text.rfind("\n", 0, place) + 1
    return start + len(text[start:place]) - len(text[start:place].lstrip())


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
