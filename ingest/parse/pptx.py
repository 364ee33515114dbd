"""PPTX presentations through python-pptx: each slide a page, with its notes. Runs nothing and follows no link."""

import re
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from lxml import etree
from pptx import Presentation
from pptx.exc import PythonPptxError

from ingest.document import Document
from ingest.errors import BrokenDocument
from ingest.parse.archive import DAMAGE, Archive, one_reason
from ingest.parse.build import TextBuilder
from ingest.parse.limits import ParseLimits

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_ODD = (*DAMAGE, PythonPptxError, TypeError, AttributeError, ArithmeticError, AssertionError, etree.XMLSyntaxError)
_MAX_DEPTH = 20  # of groups in groups
_FURNITURE = re.compile(r"(?:SLIDE_NUMBER|FOOTER|DATE|HEADER)\b")


def parse_pptx(data: bytes, name: str, limits: ParseLimits) -> Document:
    """Shapes from top to bottom; hidden slides are left out and reported. Raises the typed errors."""
    archive = Archive(data, "PPTX")
    builder = TextBuilder(limits.max_characters)
    dropped: dict[str, int] = {}
    try:
        show = Presentation(BytesIO(data))
        slides = list(show.slides)
        properties = show.core_properties
        title, author = properties.title or "", properties.author or ""
    except _ODD as error:
        raise archive.damaged(error) from error
    unreadable = []
    for number, slide in enumerate(slides, 1):
        builder.page(number)
        if slide._element.get("show") == "0":  # the library has no name for it
            builder.note(f"left out: slide {number}, which is hidden")
            continue
        try:
            _add_slide(builder, slide, dropped)
        except _ODD as error:
            unreadable.append(f"slide {number} is damaged and was left out in part: {one_reason(error)}")
    if slides and len(unreadable) == len(slides):
        raise BrokenDocument(f"the PPTX is damaged: {unreadable[0]}")
    for sentence in unreadable:
        builder.note(sentence)
    for what, count in sorted(dropped.items()):
        builder.note(f"left out: {what} ({count})")
    metadata = {"author": " ".join(author.split())[:2000]} if author.strip() else {}
    nothing = "none of the slides holds text"
    return builder.document(name, MEDIA_TYPE, title=title, metadata=metadata, pages=len(slides), nothing=nothing)


def _add_slide(builder: TextBuilder, slide: Any, dropped: dict[str, int]) -> None:
    heading = slide.shapes.title
    if heading is not None and heading.has_text_frame:
        builder.heading(heading.text_frame.text, 1)
    rest = [shape for shape in slide.shapes if heading is None or shape.shape_id != heading.shape_id]
    _add_shapes(builder, rest, dropped, 0)
    if slide.has_notes_slide:
        frame = slide.notes_slide.notes_text_frame
        text = frame.text.strip() if frame is not None else ""
        if text:
            builder.paragraph(f"Notes: {text}")


def _add_shapes(builder: TextBuilder, shapes: Iterable[Any], dropped: dict[str, int], depth: int) -> None:
    if depth > _MAX_DEPTH:
        return
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if _is_hidden(shape):
            _count(dropped, "hidden shapes")
        elif hasattr(shape, "shapes"):
            _add_shapes(builder, shape.shapes, dropped, depth + 1)
        elif getattr(shape, "has_table", False):
            rows = [[cell.text_frame.text for cell in row.cells] for row in shape.table.rows]
            builder.table(rows, header=bool(shape.table.first_row))
        elif getattr(shape, "has_chart", False):
            _count(dropped, "charts")
        elif shape.has_text_frame:
            if not (shape.is_placeholder and _FURNITURE.match(shape.placeholder_format.type.name)):
                _add_text(builder, shape)
        elif hasattr(shape, "image"):
            _count(dropped, "images")


def _add_text(builder: TextBuilder, shape: Any) -> None:
    paragraphs = [(part.level, part.text.replace("\v", "\n")) for part in shape.text_frame.paragraphs]
    filled = [(level, text) for level, text in paragraphs if text.strip()]
    is_list = len(filled) > 1 and (shape.is_placeholder or any(level for level, _ in filled))
    for level, text in filled:
        if is_list:
            builder.item(text, level + 1)
        else:
            builder.paragraph(text)


def _is_hidden(shape: Any) -> bool:
    return any(found.get("hidden") in ("1", "true") for found in shape._element.iter("{*}cNvPr"))


def _count(dropped: dict[str, int], what: str) -> None:
    dropped[what] = dropped.get(what, 0) + 1
