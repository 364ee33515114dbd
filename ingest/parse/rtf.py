"""RTF through striprtf: paragraphs and table rows. Keeps no styles; hidden runs are taken out before."""

import re

from striprtf.striprtf import rtf_to_text

from ingest.document import Document
from ingest.errors import BrokenDocument
from ingest.parse.archive import one_reason
from ingest.parse.build import TextBuilder
from ingest.parse.limits import ParseLimits

_HIDDEN = re.compile(
    r"\{(?:\\[a-uw-z]+-?\d* ?){0,20}\\v(?![a-z0-9])[^{}]*\}|\\v(?![a-z0-9])[^{}]*?(?:\\v0(?!\d)|(?=[{}]))"
)
# What a field is made of; its result follows in a group of its own. The library's own search for links is quadratic.
_FIELD = re.compile(r"\{\\\*\\fldinst(?:[^{}]|\{[^{}]{0,2000}\}){0,2000}\}?")
_PICTURE = re.compile(r"\\(?:pict|objdata)(?![a-z])")
_TITLE = re.compile(r"\{\\title (?P<title>[^{}\\]{1,300})\}")
_CELL = "|"


def parse_rtf(data: bytes, name: str, limits: ParseLimits) -> Document:
    """Paragraph by paragraph; runs of rows become tables. Raises BrokenDocument, NoTextFound."""
    source = data.decode("latin-1")
    visible, hidden = _HIDDEN.subn("", source)
    try:
        text = rtf_to_text(_FIELD.sub("", visible), errors="replace")
    except (ValueError, TypeError, KeyError, IndexError, LookupError, OverflowError) as error:
        raise BrokenDocument(f"the RTF is damaged: {one_reason(error)}") from error
    builder = TextBuilder(limits.max_characters)
    rows: list[list[str]] = []
    for line in text.split("\n"):
        if line.rstrip().endswith(_CELL):
            rows.append([cell.strip() for cell in line.rstrip().removesuffix(_CELL).split(_CELL)])
            continue
        _end_table(builder, rows)
        builder.paragraph(line)
    _end_table(builder, rows)
    if hidden:
        builder.note(f"left out: hidden text ({hidden})")
    if pictures := len(_PICTURE.findall(source)):
        builder.note(f"left out: images or embedded objects ({pictures})")
    title = _TITLE.search(source)
    return builder.document(
        name, "application/rtf", title=title["title"] if title else "", nothing="the RTF holds no text"
    )


def _end_table(builder: TextBuilder, rows: list[list[str]]) -> None:
    if rows:
        builder.table(rows, header=len(rows) > 1 and all(0 < len(cell) <= 60 for cell in rows[0]))
        rows.clear()
