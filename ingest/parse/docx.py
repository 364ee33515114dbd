"""DOCX: headings by style, lists, tables as rows, footnotes. Runs no macros, follows no links, opens no archive."""

import re
from collections.abc import Iterator
from typing import Any

from ingest.document import Document
from ingest.errors import ParserLimit
from ingest.parse.build import TextBuilder
from ingest.parse.docx_numbering import Numbering
from ingest.parse.docx_package import DocxPackage, W
from ingest.parse.limits import ParseLimits

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MAX_DEPTH = 40
_TINY = ("1", "2", "3")  # in half points
_PART_BYTES = 256 * 1024**2
_BYTES_PER_XML_BYTE = 10  # that a parsed tree takes in memory
_HEADING = re.compile(r"(?:heading|überschrift|titre|título|titolo|kop|заголовок|标题)\s*(\d)", re.I)
_CODE_STYLE = re.compile(r"code|preformatted|listing|macro text|source", re.I)
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_FALLBACK = _COMPATIBILITY + "Fallback"
_P, _TBL, _TEXTBOX = W + "p", W + "tbl", W + "txbxContent"
_MARKS = {W + "tab": "\t", W + "ptab": "\t", W + "br": "\n", W + "cr": "\n", W + "noBreakHyphen": "-"}
_WRAPPERS = frozenset(W + name for name in ("customXml", "ins", "smartTag", "moveTo"))
_NOT_TEXT = frozenset(
    (*(W + name for name in ("del", "moveFrom", "txbxContent", "pPr", "rPr", "instrText")), _FALLBACK)
)


def parse_docx(data: bytes, name: str, limits: ParseLimits) -> Document:
    """Body text in order, then notes; deleted revisions and hidden runs are left out. Raises the typed errors."""
    package = DocxPackage(data, min(limits.memory_bytes // _BYTES_PER_XML_BYTE, _PART_BYTES))
    body = package.body()
    builder = TextBuilder(limits.max_characters)
    reader = _Reader(builder, _styles(package.part("styles.xml")), Numbering(package.part("numbering.xml")))
    reader.blocks(body, 0)
    for kind in ("footnote", "endnote"):
        _add_notes(builder, package.part(f"{kind}s.xml"), kind)
    _note_surroundings(builder, package)
    for what, count in sorted(reader.dropped.items()):
        builder.note(f"left out: {what} ({count})")
    metadata = package.properties()
    title = metadata.pop("title", "")
    if "creator" in metadata:
        metadata["author"] = metadata.pop("creator")
    return builder.document(name, MEDIA_TYPE, title=title, metadata=metadata, nothing="the DOCX holds no text")


class _Reader:
    def __init__(self, builder: TextBuilder, styles: dict[str, tuple[str, int, str]], numbering: Numbering) -> None:
        self.builder = builder
        self.dropped: dict[str, int] = {}
        self._styles = styles
        self._numbering = numbering
        self._code: list[str] = []

    def blocks(self, parent: Any, depth: int) -> None:
        """Paragraphs and tables in order, content controls and text boxes included."""
        if depth > _MAX_DEPTH:
            raise ParserLimit(f"the DOCX nests its content more than {_MAX_DEPTH} levels deep")
        for child in parent:
            if child.tag == _P:
                self._paragraph(child, depth)
            elif child.tag == _TBL:
                self._end_code()
                self._table(child, depth)
            elif child.tag == W + "sdt":
                for content in child.findall(W + "sdtContent"):
                    self.blocks(content, depth + 1)
            elif child.tag in _WRAPPERS:
                self.blocks(child, depth + 1)
        self._end_code()

    def _paragraph(self, paragraph: Any, depth: int) -> None:
        self._count_lost(paragraph)
        text = "".join(_texts(paragraph))
        style, outline, number = self._style(paragraph)
        if _CODE_STYLE.search(style):
            self._code.append(text)
            return
        self._end_code()
        level = _heading_level(style, outline)
        numbering = paragraph.find(f"{W}pPr/{W}numPr")
        if level and len(text) <= 300:
            self.builder.heading(text, level)
        elif numbering is not None or "list" in style.lower():
            depth = _list_depth(numbering, style)
            self.builder.item(text, depth, self._marker(numbering, number, depth) if text.strip() else "- ")
        elif "quote" in style.lower():
            self.builder.quote(text)
        else:
            self.builder.paragraph(text)
        for box in paragraph.iter(_TEXTBOX):
            if next(box.iterancestors(_FALLBACK), None) is None and next(box.iterancestors(_TEXTBOX), None) is None:
                self.blocks(box, depth + 1)

    def _table(self, table: Any, depth: int) -> None:
        rows = []
        for row in table.iter(W + "tr"):
            if next(row.iterancestors(_TBL), None) is table:
                cells = [cell for cell in row.iter(W + "tc") if next(cell.iterancestors(W + "tr"), None) is row]
                rows.append((row, cells))
        if max((len(cells) for _, cells in rows), default=0) <= 1:
            for _, cells in rows:  # a frame around text, not data
                for cell in cells:
                    self.blocks(cell, depth + 1)
            return
        texts = [row for _, cells in rows for row in _cell_rows([_cell_lines(cell) for cell in cells])]
        first = rows[0][0] if rows else None
        marked = first is not None and first.find(f"{W}trPr/{W}tblHeader") is not None
        header = marked or (len(texts) > 1 and all(0 < len(cell) <= 60 for cell in texts[0]))
        self.builder.table(texts, header=header)

    def _marker(self, numbering: Any, of_style: str, depth: int) -> str:
        own = numbering.find(W + "numId") if numbering is not None else None
        return self._numbering.marker(own.get(W + "val", "") if own is not None else of_style, depth - 1)

    def _style(self, paragraph: Any) -> tuple[str, int, str]:
        """(style name, outline level 1-9 or 0, id of the style's numbering or nothing)."""
        properties = paragraph.find(W + "pPr")
        if properties is None:
            return "", 0, ""
        style = properties.find(W + "pStyle")
        found = self._styles.get(style.get(W + "val", "")) if style is not None else None
        name, outline, number = found or ("", 0, "")
        own = properties.find(W + "outlineLvl")
        return name, _outline(own) if own is not None else outline, number

    def _end_code(self) -> None:
        if self._code:
            self.builder.code("\n".join(self._code))
            self._code = []

    def _count_lost(self, paragraph: Any) -> None:
        runs = (run for run in paragraph.iter(W + "r") if any(text.text for text in run.iter(W + "t")))
        hidden = sum(map(_is_vanished, runs))
        if hidden:
            self.dropped["hidden text"] = self.dropped.get("hidden text", 0) + hidden
        for tag, what in ((W + "drawing", "images or drawings"), (W + "object", "embedded objects")):
            count = sum(1 for _ in paragraph.iter(tag))
            if count:
                self.dropped[what] = self.dropped.get(what, 0) + count


def _texts(element: Any, depth: int = 0) -> Iterator[str]:
    """Visible text of a paragraph, run by run. Text boxes are read apart."""
    for child in element:
        tag = child.tag
        if tag == W + "t":
            yield child.text or ""
        elif tag in _MARKS:
            yield _MARKS[tag]
        elif tag in _NOT_TEXT or not isinstance(tag, str) or (tag == W + "r" and _is_vanished(child)):
            continue
        elif depth < _MAX_DEPTH:
            yield from _texts(child, depth + 1)


def _is_vanished(run: Any) -> bool:
    properties = run.find(W + "rPr")
    if properties is None:
        return False
    for name in ("vanish", "webHidden"):
        mark = properties.find(W + name)
        if mark is not None and mark.get(W + "val", "1") not in ("0", "false", "off"):
            return True
    size, colour = properties.find(W + "sz"), properties.find(W + "color")
    if size is not None and size.get(W + "val", "") in _TINY:
        return True
    white = colour is not None and colour.get(W + "val", "").upper() == "FFFFFF"
    return white and not _has_ground(run, properties)


def _has_ground(run: Any, properties: Any) -> bool:
    """Whether the run, its paragraph, cell or table is shaded: white text may stand there."""
    if properties.find(W + "shd") is not None or properties.find(W + "highlight") is not None:
        return True
    return any(
        above.find(f"{above.tag}Pr/{W}shd") is not None or above.tag in (W + "tbl", W + "txbxContent")
        for above in run.iterancestors(_P, W + "tc", _TBL, _TEXTBOX)
    )


def _note_surroundings(builder: TextBuilder, package: DocxPackage) -> None:
    """Headers and footers repeat on every page and comments are no text of the document: named, not read."""
    lines = dict.fromkeys(
        " ".join("".join(_texts(paragraph)).split())
        for kind in ("header", "footer")
        for root in package.parts(kind)
        for paragraph in root.iter(_P)
    )
    shown = [line[:80] for line in lines if line and not line.isdecimal()]
    if shown:
        builder.note(f"headers and footers left out: {'; '.join(shown[:5])}")
    comments = package.part("comments.xml")
    count = sum(1 for _ in comments.iter(W + "comment")) if comments is not None else 0
    if count:
        builder.note(f"left out: comments ({count})")


def _cell_lines(cell: Any) -> list[str]:
    lines = [" ".join("".join(_texts(paragraph)).split()) for paragraph in cell.iter(_P)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _cell_rows(cells: list[list[str]]) -> list[list[str]]:
    """Cells with equally many lines stand for several rows; otherwise the lines of a cell are one text."""
    heights = {len(lines) for lines in cells if lines}
    if len(heights) == 1 and heights != {1} and sum(bool(lines) for lines in cells) > 1:
        (height,) = heights
        return [[lines[number] if lines else "" for lines in cells] for number in range(height)]
    return [[" ".join(line for line in lines if line) for lines in cells]]


def _heading_level(style: str, outline: int) -> int:
    if match := _HEADING.match(style):
        return int(match[1])
    if style.lower() == "title":
        return 1
    return outline


def _list_depth(numbering: Any, style: str) -> int:
    if numbering is not None:
        level = numbering.find(W + "ilvl")
        value = level.get(W + "val", "0") if level is not None else "0"
        return int(value) + 1 if value.isdecimal() else 1
    last = style[-1:]
    return int(last) if last.isdecimal() and last != "0" else 1


def _outline(element: Any) -> int:
    value = element.get(W + "val", "")
    return int(value) + 1 if value.isdecimal() and int(value) < 9 else 0


def _styles(root: Any | None) -> dict[str, tuple[str, int, str]]:
    """Style id -> (name, outline level 1-9 or 0, id of its numbering or nothing)."""
    found = {}
    for style in () if root is None else root.iter(W + "style"):
        name = style.find(W + "name")
        outline = style.find(f"{W}pPr/{W}outlineLvl")
        number = style.find(f"{W}pPr/{W}numPr/{W}numId")
        found[style.get(W + "styleId", "")] = (
            name.get(W + "val", "") if name is not None else "",
            _outline(outline) if outline is not None else 0,
            number.get(W + "val", "") if number is not None else "",
        )
    return found


def _add_notes(builder: TextBuilder, root: Any | None, kind: str) -> None:
    """Footnotes and endnotes follow the body, as they do on paper."""
    for note in () if root is None else root.iter(W + kind):
        if note.get(W + "type") in (None, "normal"):
            text = " ".join(" ".join("".join(_texts(paragraph)).split()) for paragraph in note.iter(_P)).strip()
            if text:
                builder.item(text, 1, f"[{note.get(W + 'id', '?')}] ")
