"""ODT text documents, read from their archive: headings, lists, tables and notes. Runs no macros, follows no links."""

from collections.abc import Iterator
from typing import Any

from ingest.document import Document
from ingest.errors import BrokenDocument, EncryptedDocument, ParserLimit
from ingest.parse.archive import Archive, XmlParts
from ingest.parse.build import TextBuilder
from ingest.parse.limits import ParseLimits

MEDIA_TYPE = "application/vnd.oasis.opendocument.text"
_MAX_DEPTH = 60
_REPEATED = 1000  # cells and spaces at most for one that says how often it stands there
_BYTES_PER_XML_BYTE = 10  # that a parsed tree takes in memory
_PART_BYTES = 256 * 1024**2
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_SKIPPED = frozenset(
    (
        *(_TEXT + name for name in ("tracked-changes", "hidden-text", "hidden-paragraph", "note", "sequence-decls")),
        _OFFICE + "annotation",
        _OFFICE + "forms",
    )
)
_META = {"title": "title", "initial-creator": "author", "creator": "author", "subject": "subject", "date": "modified"}


def parse_odt(data: bytes, name: str, limits: ParseLimits) -> Document:
    """Body text in order, then notes; deleted changes and hidden text are left out. Raises the typed errors."""
    parts = XmlParts(Archive(data, "ODT"), min(limits.memory_bytes // _BYTES_PER_XML_BYTE, _PART_BYTES))
    manifest = parts.optional("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter("{*}encryption-data"), None) is not None:
        raise EncryptedDocument("the document is protected by a password; save it without one and upload it again")
    if "content.xml" not in parts:
        raise BrokenDocument("the ODT is damaged: its content is missing")
    root = parts.tree("content.xml")
    body = root.find(f"{_OFFICE}body/{_OFFICE}text")
    if body is None:
        raise BrokenDocument("the ODT is damaged: it has no text body")
    builder = TextBuilder(limits.max_characters)
    reader = _Reader(builder, _hidden_styles(root) | _hidden_styles(parts.optional("styles.xml")))
    reader.blocks(body, 0, 0)
    for mark, text in reader.notes:
        builder.item(text, 1, f"[{mark}] ")
    for what, count in sorted(reader.dropped.items()):
        builder.note(f"left out: {what} ({count})")
    metadata = _metadata(parts.optional("meta.xml"))
    title = metadata.pop("title", "")
    return builder.document(name, MEDIA_TYPE, title=title, metadata=metadata, nothing="the ODT holds no text")


class _Reader:
    def __init__(self, builder: TextBuilder, hidden: frozenset[str]) -> None:
        self.builder = builder
        self.notes: list[tuple[str, str]] = []
        self.dropped: dict[str, int] = {}
        self._hidden = hidden

    def blocks(self, parent: Any, depth: int, list_depth: int) -> None:
        """Headings, paragraphs, lists, tables and the frames among them, in order."""
        if depth > _MAX_DEPTH:
            raise ParserLimit(f"the ODT nests its content more than {_MAX_DEPTH} levels deep")
        first = True
        for child in parent:
            if child.tag == _TEXT + "h":
                level = child.get(_TEXT + "outline-level", "1")
                self.builder.heading(self._line(child), int(level) if level.isdecimal() else 1)
            elif child.tag == _TEXT + "p":
                text = self._line(child)
                if list_depth:
                    self.builder.item(text, list_depth, "- " if first else "")
                    first = False
                else:
                    self.builder.paragraph(text)
                self._frames(child, depth)
            elif child.tag == _TEXT + "list":
                for item in child:
                    self.blocks(item, depth + 1, list_depth + 1)
            elif child.tag == _TABLE + "table":
                self._table(child)
            elif child.tag == _TEXT + "section" and child.get(_TEXT + "display") in ("none", "condition"):
                self._count("hidden sections")
            elif isinstance(child.tag, str) and child.tag not in _SKIPPED:
                self.blocks(child, depth + 1, list_depth)

    def _line(self, paragraph: Any) -> str:
        """Visible text of a paragraph; its notes go to the end of the document."""
        for note in paragraph.iter(_TEXT + "note"):
            citation = note.find(_TEXT + "note-citation")
            content = note.find(_TEXT + "note-body")
            text = " ".join(" ".join(self._texts(content, 0)).split()) if content is not None else ""
            if text:
                self.notes.append(("".join(citation.itertext()) if citation is not None else "?", text))
        return "".join(self._texts(paragraph, 0))

    def _texts(self, element: Any, depth: int) -> Iterator[str]:
        yield _flat(element.text)
        for child in element:
            tag = child.tag
            if tag == _TEXT + "s":
                count = child.get(_TEXT + "c", "1")
                yield " " * (min(int(count), _REPEATED) if count.isdecimal() else 1)
            elif tag == _TEXT + "tab":
                yield "\t"
            elif tag == _TEXT + "line-break":
                yield "\n"
            elif child.get(_TEXT + "style-name") in self._hidden or tag in (
                _TEXT + "hidden-text",
                _TEXT + "hidden-paragraph",
            ):
                self._count("hidden text")
            elif isinstance(tag, str) and tag not in _SKIPPED and not tag.startswith(_DRAW) and depth < _MAX_DEPTH:
                yield from self._texts(child, depth + 1)
            yield _flat(child.tail)

    def _frames(self, paragraph: Any, depth: int) -> None:
        for frame in paragraph.iter(_DRAW + "frame"):
            for box in frame.findall(_DRAW + "text-box"):
                self.blocks(box, depth + 1, 0)
            if frame.find(_DRAW + "image") is not None:
                self._count("images")

    def _table(self, table: Any) -> None:
        header = table.find(f"{_TABLE}table-header-rows") is not None
        rows = [self._row(row) for row in table.iter(_TABLE + "table-row") if _owner(row) is table]
        short = len(rows) > 1 and bool(rows[0]) and all(0 < len(cell) <= 60 for cell in rows[0])
        self.builder.table(rows, header=header or short)

    def _row(self, row: Any) -> list[str]:
        cells = []
        for cell in row.findall(_TABLE + "table-cell"):
            text = " ".join("".join(self._texts(part, 0)) for part in cell.iter(_TEXT + "p", _TEXT + "h"))
            repeated = cell.get(_TABLE + "number-columns-repeated", "1")
            cells += [text] * (min(int(repeated), _REPEATED) if repeated.isdecimal() and text.strip() else 1)
        return cells

    def _count(self, what: str) -> None:
        self.dropped[what] = self.dropped.get(what, 0) + 1


def _flat(text: str | None) -> str:
    return " ".join(text.split("\n")) if text else ""


def _owner(row: Any) -> Any:
    return next(row.iterancestors(_TABLE + "table"), None)


def _hidden_styles(root: Any | None) -> frozenset[str]:
    """Names of the styles whose text is not displayed."""
    found = set()
    for style in () if root is None else root.iter(_STYLE + "style"):
        properties = style.find(_STYLE + "text-properties")
        if properties is not None and properties.get(_TEXT + "display") == "none":
            found.add(style.get(_STYLE + "name", ""))
    return frozenset(found)


def _metadata(root: Any | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in () if root is None else root.iter("{*}*"):
        key = _META.get(element.tag.rpartition("}")[2])
        if key and element.text and element.text.strip():
            found.setdefault(key, " ".join(element.text.split())[:2000])
    return found
