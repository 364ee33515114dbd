"""From a file to its parser: the one table of formats. Imports every parser, so only the child process imports it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ingest.document import Document
from ingest.errors import BrokenDocument, WrongType
from ingest.parse.asciidoc import parse_asciidoc
from ingest.parse.delimited import parse_delimited
from ingest.parse.docx import parse_docx
from ingest.parse.encoding import Decoded, decode
from ingest.parse.epub import parse_epub
from ingest.parse.html import parse_html
from ingest.parse.limits import ParseLimits
from ingest.parse.line_numbers import with_lines
from ingest.parse.mail import parse_mail, parse_mailbox
from ingest.parse.markdown import parse_markdown
from ingest.parse.odt import parse_odt
from ingest.parse.pdf import parse_pdf
from ingest.parse.plain import parse_plain
from ingest.parse.plugins import foreign_parser, not_loaded
from ingest.parse.pptx import parse_pptx
from ingest.parse.records import parse_json, parse_json_lines
from ingest.parse.rst import parse_rst
from ingest.parse.rtf import parse_rtf
from ingest.parse.sniff import sniff_bytes, sniff_text
from ingest.parse.xlsx import parse_xlsx

# To add a format: a file beside this one, its row here, and its signs in `sniff`.
CONTAINERS: dict[str, Callable[[bytes, str, ParseLimits], Document]] = {
    "pdf": parse_pdf,
    "docx": parse_docx,
    "pptx": parse_pptx,
    "xlsx": parse_xlsx,
    "odt": parse_odt,
    "epub": parse_epub,
    "rtf": parse_rtf,
}
TEXTS: dict[str, Callable[[Decoded, str, ParseLimits], Document]] = {
    "html": parse_html,
    "markdown": parse_markdown,
    "rst": parse_rst,
    "asciidoc": parse_asciidoc,
    "text": parse_plain,
    "csv": parse_delimited,
    "json": parse_json,
    "jsonl": parse_json_lines,
}
_MAILS = {"eml": parse_mail, "mbox": parse_mailbox}
_READ_BY_LINE = ("text", "markdown", "rst", "asciidoc")  # people read such files as they are, line by line
_MARKUP = ("rst", "markdown", "html", "asciidoc")


def parse_file(path: Path, name: str, limits: ParseLimits) -> Document:
    """Read the file once and parse it. Raises the UnreadableDocument classes, and OSError when it cannot be read."""
    started = time.perf_counter()
    document = parse_bytes(path.read_bytes(), name, limits)
    seconds = {"parse": round(time.perf_counter() - started, 4)}
    return replace(document, report=replace(document.report, seconds=seconds))


def parse_bytes(data: bytes, name: str, limits: ParseLimits, depth: int = 0) -> Document:
    """Parse what is in memory already; `depth` counts the files around it. Raises the UnreadableDocument classes."""
    foreign = foreign_parser(data, name)
    if foreign is not None:
        return foreign.parse(data, name, limits)
    try:
        kind = sniff_bytes(data, name)
    except WrongType as error:
        raise WrongType(f"{error}{not_loaded()}") from error
    if kind in _MAILS:
        return _MAILS[kind](data, name, limits, parse_bytes, depth)
    if kind is not None:
        return CONTAINERS[kind](data, name, limits)
    decoded = decode(data)
    del data
    text_kind = sniff_text(decoded.text, name)
    document = _with_encoding_notes(_parse_text(text_kind, decoded, name, limits), decoded)
    return with_lines(document, decoded.text) if text_kind in _READ_BY_LINE and depth == 0 else document


def _parse_text(kind: str, decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """Markup that its parser refuses is still text that a person can read."""
    if kind not in _MARKUP:
        return TEXTS[kind](decoded, name, limits)
    try:
        return TEXTS[kind](decoded, name, limits)
    except BrokenDocument as error:
        document = parse_plain(decoded, name, limits)
        note = f"read as plain text: {error}"
        return replace(document, report=replace(document.report, dropped=(note, *document.report.dropped)))


def _with_encoding_notes(document: Document, decoded: Decoded) -> Document:
    notes = []
    if decoded.replaced:
        notes.append(f"{decoded.replaced} places were no valid {decoded.encoding} and show as \ufffd")
    if decoded.confidence < 0.5:
        notes.append(f"the encoding is a guess ({decoded.encoding}); check the text or save the file as UTF-8")
    return replace(document, report=replace(document.report, dropped=(*document.report.dropped, *notes)))
