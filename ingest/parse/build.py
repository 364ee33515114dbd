"""Puts a document's text together block by block and keeps the spans true. Knows no file format.

Layout of `document.text`: blocks are parted by an empty line, items of one list by a line end, cells by " | ".
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ingest.document import Block, BlockKind, Document, Page, Report
from ingest.errors import NoTextFound, ParserLimit
from ingest.parse.clean import clean, describe_removed
from ingest.parse.language import guess_language

_TITLE_WITHIN = 4  # blocks: a title stands at the top
# What programs write as the title when nobody gave one.
_NO_TITLE = re.compile(r"(?:untitled|\(anonymous\)|microsoft word -|\S+\.\w{2,4}$|(?:document|slide|page) ?\d*$)", re.I)


class TextBuilder:
    """Collects blocks in reading order; `document()` ends it. Spans count characters of the text built so far."""

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._pages: list[tuple[int, int]] = []  # (number, start)
        self._coming: list[int] = []  # pages announced, without a block yet
        self._removed: Counter[str] = Counter()
        self._notes: list[str] = []
        self._tables = 0
        self._lines: list[tuple[int, int]] = []

    @property
    def headings(self) -> int:
        return sum(block.kind == "heading" for block in self._blocks)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def note(self, sentence: str) -> None:
        """Say in the report what was left out and why."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    def heading(self, text: str, level: int) -> None:
        text = " ".join(flow(self._clean(text)).split())
        if text:
            self._append("heading", text, level=max(1, min(level, 9)))

    def paragraph(self, text: str, page_starts: Sequence[tuple[int, int]] = ()) -> None:
        """`page_starts` are (offset in text, page number) of pages that begin inside; text is then taken as it is."""
        if page_starts:
            self._append("paragraph", text, page_starts=page_starts)
            return
        text = flow(self._clean(text))
        if text:
            self._append("paragraph", text)

    def quote(self, text: str) -> None:
        text = flow(self._clean(text))
        if text:
            self._append("quote", text)

    def item(self, text: str, depth: int = 1, marker: str = "- ") -> None:
        """A list item; an empty `marker` continues the item before it. `depth` is 1 for the outermost list."""
        text = flow(self._clean(text))
        if text:
            indent = "  " * (min(depth, 8) - 1)
            hang = "\n" + indent + " " * len(marker)
            self._append("list", indent + marker + text.replace("\n", hang), level=depth, tight=True)

    def code(self, text: str) -> None:
        """Verbatim text: only line ends, trailing white space and invisible characters change."""
        lines = [line.rstrip() for line in self._clean(text).expandtabs(4).split("\n")]
        text = "\n".join(lines).strip("\n")
        if text.strip():
            self._append("code", text)

    def table(self, rows: Sequence[Sequence[str]], *, header: bool) -> None:
        """One line per row; empty rows are skipped. The first row is the header when `header` is set."""
        lines = []
        for position, row in enumerate(rows):
            cells = [" ".join(self._clean(cell).split()) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                lines.append(" | ".join(cells).strip())
            elif position == 0:
                header = False
        self.lines("table", lines, header=header and len(lines) > 1)
        self._tables += bool(lines)

    def lines(
        self, kind: BlockKind, lines: Sequence[str], *, header: bool = False, numbers: Sequence[int] = ()
    ) -> None:
        """A block whose lines are its rows; they must be clean and not empty. `numbers` are their lines in the file."""
        if not lines:
            return
        start, offset, rows = self._next_start(tight=False), 0, []
        for line in lines:
            rows.append((start + offset, start + offset + len(line)))
            offset += len(line) + 1
        self._lines += [(first, number) for (first, _), number in zip(rows, numbers, strict=False)]
        self._append(kind, "\n".join(lines), rows=tuple(rows), header=header)

    def include(self, other: Document, level: int) -> None:
        """The blocks of another document, such as an attachment, its headings `level` steps deeper; not its pages."""
        for block in other.blocks:
            start = self._next_start(tight=block.kind == "list")
            text = other.text[block.start : block.end]
            rows = tuple((first - block.start + start, last - block.start + start) for first, last in block.rows)
            deeper = min(block.level + level, 9) if block.kind == "heading" else block.level
            self._append(block.kind, text, level=deeper, rows=rows, header=block.header, tight=block.kind == "list")
            self._tables += block.kind == "table"
        for sentence in other.report.dropped:
            self.note(sentence)

    def count_table(self) -> None:
        """The lines just added are a table for the report."""
        self._tables += 1

    def page(self, number: int) -> None:
        """What follows stands on this page (1-based)."""
        self._coming.append(number)

    def cleaned(self, text: str) -> str:
        """`text` as the document will hold it, its invisible characters counted."""
        return self._clean(text)

    def document(
        self,
        name: str,
        media_type: str,
        *,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        pages: int = 0,
        encoding: str | None = None,
        encoding_confidence: float | None = None,
        pages_recognised: Sequence[int] = (),
        nothing: str = "the file holds no text",
    ) -> Document:
        """Close the text. Raises NoTextFound with the sentence `nothing` when no block was added."""
        text = "".join(self._parts)
        if not text.strip():
            raise NoTextFound(nothing)
        spans = self._page_spans(pages)
        removed = describe_removed(self._removed)
        report = Report(
            pages=pages,
            pages_without_text=tuple(page.number for page in spans if page.start == page.end),
            characters=len(text),
            tables=self._tables,
            headings=self.headings,
            pages_recognised=tuple(pages_recognised),
            language=guess_language(text),
            encoding=encoding,
            encoding_confidence=encoding_confidence,
            dropped=(*self._notes, *((removed,) if removed else ())),
        )
        return Document(
            name=name,
            media_type=media_type,
            title=self._title(name, title, text),
            text=text,
            pages=spans,
            blocks=tuple(self._blocks),
            lines=tuple(self._lines),
            metadata=dict(metadata or {}),
            report=report,
        )

    def _title(self, name: str, title: str, text: str) -> str:
        """The given title, else the heading that stands alone at the top, else the name of the file."""
        title = " ".join(self._clean(title).split())
        if title and not _NO_TITLE.match(title):
            return title[:300]
        headings = [block for block in self._blocks if block.kind == "heading"]
        level = min((heading.level for heading in headings), default=0)
        top = [block for block in headings if block.level == level]
        if len(top) == 1 and top[0] in self._blocks[:_TITLE_WITHIN]:
            return text[top[0].start : top[0].end][:300]
        return PurePosixPath(name).stem or name

    def _page_spans(self, pages: int) -> tuple[Page, ...]:
        begun = [*self._pages, *((number, self._length) for number in self._coming)]
        if not begun:
            return tuple(Page(number, 0, 0) for number in range(1, pages + 1))
        text = "".join(self._parts)
        ends = [*(start for _, start in begun[1:]), self._length]
        return tuple(
            Page(number, start, start + len(text[start:end].rstrip()))
            for (number, start), end in zip(begun, ends, strict=True)
        )

    def _clean(self, text: str) -> str:
        return clean(text, self._removed)

    def _next_start(self, *, tight: bool) -> int:
        if not self._blocks:
            return 0
        return self._length + (1 if tight and self._blocks[-1].kind == "list" else 2)

    def _append(
        self,
        kind: BlockKind,
        text: str,
        *,
        level: int = 0,
        rows: tuple[tuple[int, int], ...] = (),
        header: bool = False,
        tight: bool = False,
        page_starts: Sequence[tuple[int, int]] = (),
    ) -> None:
        start = self._next_start(tight=tight)
        end = start + len(text)
        if end > self._max_characters:
            raise ParserLimit(
                f"the file yields more than {self._max_characters:,} characters of text; "
                "divide it or raise ingest.max_characters"
            )
        self._pages += [(number, start) for number in self._coming]
        self._pages += [(number, start + offset) for offset, number in page_starts]
        self._coming.clear()
        self._parts += ("\n" * (start - self._length), text)
        self._length = end
        self._blocks.append(Block(kind, start, end, level, rows, header))


def flow(text: str) -> str:
    """Collapse runs of spaces, trim each line and drop empty lines; line ends stay."""
    if "\n" not in text:
        return " ".join(text.split())
    return "\n".join(line for line in (" ".join(part.split()) for part in text.split("\n")) if line)
