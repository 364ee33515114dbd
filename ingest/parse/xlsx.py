"""XLSX workbooks through openpyxl: each sheet a heading, each row a line with its column names. Computes no formula."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml.common import DefusedXmlException
from lxml import etree

from ingest.document import Document
from ingest.errors import BrokenDocument
from ingest.parse.archive import DAMAGE, Archive, one_reason
from ingest.parse.build import TextBuilder
from ingest.parse.limits import ParseLimits
from ingest.parse.row_lines import is_header, row_line

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ODD = (*DAMAGE, TypeError, AttributeError, ArithmeticError, ParseError, etree.XMLSyntaxError, DefusedXmlException)


def parse_xlsx(data: bytes, name: str, limits: ParseLimits) -> Document:
    """Stored values, not formulas; hidden sheets are left out and reported. Raises the typed errors."""
    archive = Archive(data, "XLSX")
    try:
        book = openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
    except _ODD as error:
        raise archive.damaged(error) from error
    builder = TextBuilder(limits.max_characters)
    worksheets = set(book.sheetnames) & {sheet.title for sheet in book.worksheets}
    for title in book.sheetnames:
        if title not in worksheets:
            builder.note(f"left out: sheet {title!r}, which is a chart")
        elif book[title].sheet_state != "visible":
            builder.note(f"left out: sheet {title!r}, which is hidden")
        else:
            _add_sheet(builder, book[title], limits)
    properties = book.properties
    found = {"author": properties.creator, "subject": properties.subject, "keywords": properties.keywords}
    metadata = {key: " ".join(str(value).split())[:2000] for key, value in found.items() if value}
    title = str(properties.title or "")
    return builder.document(name, MEDIA_TYPE, title=title, metadata=metadata, nothing="the workbook holds no values")


def _add_sheet(builder: TextBuilder, sheet: Any, limits: ParseLimits) -> None:
    try:
        rows = _rows(sheet)
        first = next(rows, None)
        if first is None:
            return
        names, lines, length = [builder.cleaned(cell) for cell in first], [], 0
        headed = is_header(first)
        named = headed and len(first) > 1
        for row in rows if headed else _with_first(first, rows):
            line = builder.cleaned(row_line(row, names, named=named))
            if line:
                lines.append(line)
                length += len(line) + 1
                if length > limits.max_characters:
                    break  # the builder refuses it with its one sentence
    except _ODD as error:
        raise BrokenDocument(f"the XLSX is damaged: sheet {sheet.title!r}: {one_reason(error)}") from error
    builder.heading(sheet.title, 1)
    builder.lines("table", lines or ["; ".join(names)])
    builder.count_table()


def _rows(sheet: Any) -> Iterator[list[str]]:
    """Rows that hold anything, as text; the size that a sheet claims to have is not believed."""
    sheet.reset_dimensions()
    for row in sheet.iter_rows(values_only=True):
        cells = [_shown(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield cells


def _with_first(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _shown(value: object) -> str:
    """A value as a person would write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return " ".join(str(value).split())
