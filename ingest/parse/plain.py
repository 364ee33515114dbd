"""Plain text: paragraphs by empty lines. Guesses no markup."""

import re

from ingest.document import Document
from ingest.parse.build import TextBuilder
from ingest.parse.encoding import Decoded
from ingest.parse.limits import ParseLimits

_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n(?:[^\S\n]*\n)*")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s")
_INDENTED = re.compile(r"(?:[ ]{4}|\t)")


def parse_plain(decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """Lines are kept as they stand: a reader compares the passage with the file."""
    builder = TextBuilder(limits.max_characters)
    add_paragraphs(builder, decoded.text)
    return builder.document(name, "text/plain", encoding=decoded.encoding, encoding_confidence=decoded.confidence)


def add_paragraphs(builder: TextBuilder, text: str) -> None:
    """The paragraphs, lists and indented listings of plain text."""
    for paragraph in _PARAGRAPHS.split(builder.cleaned(text)):
        lines = [line for line in paragraph.split("\n") if line.strip()]
        if not lines:
            continue
        if len(lines) > 1 and all(_INDENTED.match(line) for line in lines):
            builder.code(paragraph)
        elif len(lines) > 1 and all(_ITEM.match(line) for line in lines):
            builder.lines("list", [line.rstrip() for line in lines])
        else:
            builder.paragraph(paragraph)
