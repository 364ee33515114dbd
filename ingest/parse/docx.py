"""DOCX through python-docx: headings by style, lists, tables as rows. Runs no macros and follows no links."""

import re
import zipfile
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Any

import docx
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from lxml import etree

from ingest.document import Document
from ingest.errors import BrokenDocument, EncryptedDocument, ParserLimit
from ingest.parse.build import TextBuilder
from ingest.parse.limits import ParseLimits

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MAX_ENTRIES = 20_000
_MAX_DEPTH = 40
_HEADING = re.compile(r"(?:heading|überschrift|titre|título|titolo|kop|заголовок|标题)\s*(\d)", re.I)
_CODE_STYLE = re.compile(r"code|preformatted|listing|macro text|source", re.I)
_P, _TBL, _R, _T = qn("w:p"), qn("w:tbl"), qn("w:r"), qn("w:t")
_ROW, _CELL, _SDT, _SDT_CONTENT = qn("w:tr"), qn("w:tc"), qn("w:sdt"), qn("w:sdtContent")
_TAB, _BR, _CR, _DEL, _MOVED = qn("w:tab"), qn("w:br"), qn("w:cr"), qn("w:del"), qn("w:moveFrom")
_NO_BREAK_HYPHEN = qn("w:noBreakHyphen")
_ALTERNATE, _FALLBACK = (
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent",
    ("{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"),
)
_TEXTBOX = qn("w:txbxContent")


def parse_docx(data: bytes, name: str, limits: ParseLimits) -> Document:
    """Body text in order; deleted revisions and hidden runs are left out. Raises the typed errors of `ingest.errors`."""
    _check_archive(data, limits)
    try:
        file = docx.Document(BytesIO(data))
        body = file.element.body
    except (OpcError, KeyError, ValueError, AttributeError, etree.XMLSyntaxError, zipfile.BadZipFile, OSError) as error:
        raise BrokenDocument(f"the DOCX is damaged: {_reason(error)}") from error
    if body is None:
        raise BrokenDocument("the DOCX is damaged: it has no body")
    builder = TextBuilder(limits.max_characters)
    reader = _Reader(builder, _styles(file))
    reader.blocks(body, 0)
    _add_notes(builder, file)
    for what, count in sorted(reader.dropped.items()):
        builder.note(f"left out: {count} {what}")
    title, metadata = _properties(file)
    return builder.document(name, MEDIA_TYPE, title=title, metadata=metadata, nothing="the DOCX holds no text")


class _Reader:
    def __init__(self, builder: TextBuilder, styles: dict[str, tuple[str, int]]) -> None:
        self.builder = builder
        self.dropped: dict[str, int] = {}
        self._styles = styles
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
            elif child.tag == _SDT:
                for content in child.findall(_SDT_CONTENT):
                    self.blocks(content, depth + 1)
            elif child.tag == qn("w:customXml") or child.tag == qn("w:ins"):
                self.blocks(child, depth + 1)
        self._end_code()

    def _paragraph(self, paragraph: Any, depth: int) -> None:
        self._count_lost(paragraph)
        text = "".join(_texts(paragraph))
        style, outline = self._style(paragraph)
        if _CODE_STYLE.search(style):
            self._code.append(text)
            return
        self._end_code()
        level = _heading_level(style, outline)
        numbering = paragraph.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
        if level and len(text) <= 300:
            self.builder.heading(text, level)
        elif numbering is not None or "list" in style.lower():
            self.builder.item(text, _list_depth(numbering, style), "- ")
        elif "quote" in style.lower():
            self.builder.quote(text)
        else:
            self.builder.paragraph(text)
        for box in paragraph.iter(_TEXTBOX):
            if next(box.iterancestors(_FALLBACK), None) is None and next(box.iterancestors(_TEXTBOX), None) is None:
                self.blocks(box, depth + 1)

    def _table(self, table: Any, depth: int) -> None:
        rows = []
        for row in table.iter(_ROW):
            if next(row.iterancestors(_TBL), None) is table:
                cells = [cell for cell in row.iter(_CELL) if next(cell.iterancestors(_ROW), None) is row]
                rows.append((row, cells))
        if max((len(cells) for _, cells in rows), default=0) <= 1:
            for _, cells in rows:  # a frame around text, not data
                for cell in cells:
                    self.blocks(cell, depth + 1)
            return
        texts = [[_cell_text(cell) for cell in cells] for _, cells in rows]
        first = rows[0][0] if rows else None
        marked = first is not None and first.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None
        header = marked or (len(texts) > 1 and all(0 < len(cell) <= 60 for cell in texts[0]))
        self.builder.table(texts, header=header)

    def _style(self, paragraph: Any) -> tuple[str, int]:
        """(style name, outline level 1-9 or 0)."""
        properties = paragraph.find(qn("w:pPr"))
        if properties is None:
            return "", 0
        style = properties.find(qn("w:pStyle"))
        name, outline = self._styles.get(style.get(qn("w:val"), ""), ("", 0)) if style is not None else ("", 0)
        own = properties.find(qn("w:outlineLvl"))
        return name, _outline(own) if own is not None else outline

    def _end_code(self) -> None:
        if self._code:
            self.builder.code("\n".join(self._code))
            self._code = []

    def _count_lost(self, paragraph: Any) -> None:
        for tag, what in ((qn("w:drawing"), "images or drawings"), (qn("w:object"), "embedded objects")):
            count = sum(1 for _ in paragraph.iter(tag))
            if count:
                self.dropped[what] = self.dropped.get(what, 0) + count


def _texts(element: Any, depth: int = 0) -> Iterator[str]:
    """Visible text of a paragraph, run by run. Text boxes are read apart."""
    for child in element:
        tag = child.tag
        if tag == _T:
            yield child.text or ""
        elif tag in (_TAB, qn("w:ptab")):
            yield "\t"
        elif tag in (_BR, _CR):
            yield "\n"
        elif tag == _NO_BREAK_HYPHEN:
            yield "-"
        elif tag in (_DEL, _MOVED, _TEXTBOX, _FALLBACK, qn("w:pPr"), qn("w:rPr")) or not isinstance(tag, str):
            continue
        elif tag == _R and _is_vanished(child):
            continue
        elif depth < _MAX_DEPTH:
            yield from _texts(child, depth + 1)


def _is_vanished(run: Any) -> bool:
    properties = run.find(qn("w:rPr"))
    if properties is None:
        return False
    vanish = properties.find(qn("w:vanish"))
    return vanish is not None and vanish.get(qn("w:val"), "1") not in ("0", "false", "off")


def _cell_text(cell: Any) -> str:
    return " ".join(part for part in (" ".join("".join(_texts(p)).split()) for p in cell.iter(_P)) if part)


def _heading_level(style: str, outline: int) -> int:
    if match := _HEADING.match(style):
        return int(match[1])
    if style.lower() == "title":
        return 1
    return outline


def _list_depth(numbering: Any, style: str) -> int:
    if numbering is not None:
        level = numbering.find(qn("w:ilvl"))
        value = level.get(qn("w:val"), "0") if level is not None else "0"
        return int(value) + 1 if value.isdecimal() else 1
    last = style[-1:]
    return int(last) if last.isdecimal() and last != "0" else 1


def _outline(element: Any) -> int:
    value = element.get(qn("w:val"), "")
    return int(value) + 1 if value.isdecimal() and int(value) < 9 else 0


def _styles(file: Any) -> dict[str, tuple[str, int]]:
    """Style id -> (name, outline level 1-9 or 0), read from the XML: broken style parts must not stop a document."""
    try:
        root = file.part.styles.element
    except (KeyError, AttributeError, ValueError, etree.XMLSyntaxError):
        return {}
    found = {}
    for style in root.iter(qn("w:style")):
        name = style.find(qn("w:name"))
        outline = style.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
        found[style.get(qn("w:styleId"), "")] = (
            name.get(qn("w:val"), "") if name is not None else "",
            _outline(outline) if outline is not None else 0,
        )
    return found


def _add_notes(builder: TextBuilder, file: Any) -> None:
    """Footnotes and endnotes follow the body, as they do on paper."""
    for part in file.part.package.iter_parts():
        kind = next((kind for kind in ("footnotes", "endnotes") if str(part.partname).endswith(f"/{kind}.xml")), None)
        if kind is None:
            continue
        try:
            root = etree.fromstring(part.blob, etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError:
            builder.note(f"the {kind} are damaged and were left out")
            continue
        for note in root.iter(qn(f"w:{kind[:-1]}")):
            if note.get(qn("w:type")) in (None, "normal"):
                text = " ".join(" ".join("".join(_texts(p)).split()) for p in note.iter(_P)).strip()
                if text:
                    builder.item(text, 1, f"[{note.get(qn('w:id'), '?')}] ")


def _properties(file: Any) -> tuple[str, dict[str, str]]:
    """(title, metadata); a damaged property part is as good as none."""
    found: dict[str, str] = {}
    try:
        properties = file.core_properties
        for key in ("title", "author", "subject", "keywords", "category", "language", "created", "modified"):
            try:
                value = getattr(properties, key)
            except (ValueError, AttributeError):
                continue
            if isinstance(value, datetime):
                found[key] = value.isoformat()
            elif value:
                found[key] = str(value)[:2000]
    except (OpcError, KeyError, ValueError, AttributeError, etree.XMLSyntaxError):
        pass
    return found.pop("title", ""), found


def _check_archive(data: bytes, limits: ParseLimits) -> None:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BrokenDocument(f"the DOCX is damaged: {_reason(error)}") from error
    if len(entries) > _MAX_ENTRIES:
        raise ParserLimit(f"the DOCX holds {len(entries):,} parts, more than the {_MAX_ENTRIES:,} allowed")
    if any(entry.flag_bits & 1 for entry in entries):
        raise EncryptedDocument("the document is protected by a password; save it without one and upload it again")
    parts = sum(entry.file_size for entry in entries if entry.filename.endswith((".xml", ".rels")))
    allowed = min(limits.memory_bytes // 12, 256 * 1024**2)
    if parts > allowed:
        raise ParserLimit(f"the DOCX unpacks to {parts:,} bytes of XML, more than the {allowed:,} allowed")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
