"""From a file to its parser: the one table of formats. Imports every parser, so only the child process imports it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ingest.document import Document
from ingest.errors import BrokenDocument
from ingest.parse.delimited import parse_delimited
from ingest.parse.docx import parse_docx
from ingest.parse.encoding import Decoded, decode
from ingest.parse.html import parse_html
from ingest.parse.limits import ParseLimits
from ingest.parse.markdown import parse_markdown
from ingest.parse.pdf import parse_pdf
from ingest.parse.plain import parse_plain
from ingest.parse.records import parse_json, parse_json_lines
from ingest.parse.rst import parse_rst
from ingest.parse.sniff import sniff_bytes, sniff_text

CONTAINERS: dict[str, Callable[[bytes, str, ParseLimits], Document]] = {"pdf": parse_pdf, "docx": parse_docx}
TEXTS: dict[str, Callable[[Decoded, str, ParseLimits], Document]] = {
    "html": parse_html,
    "markdown": parse_markdown,
    "rst": parse_rst,
    "text": parse_plain,
    "csv": parse_delimited,
    "json": parse_json,
    "jsonl": parse_json_lines,
}


def parse_file(path: Path, name: str, limits: ParseLimits) -> Document:
    """Read the file once and parse it. Raises the UnreadableDocument classes, and OSError when it cannot be read."""
    started = time.perf_counter()
    data = path.read_bytes()
    kind = sniff_bytes(data, name)
    if kind is not None:
        document = CONTAINERS[kind](data, name, limits)
    else:
        decoded = decode(data)
        del data
        kind = sniff_text(decoded.text, name)
        document = _with_encoding_notes(_parse_text(kind, decoded, name, limits), decoded)
    seconds = {"parse": round(time.perf_counter() - started, 4)}
    return replace(document, report=replace(document.report, seconds=seconds))


def _parse_text(kind: str, decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """Markup that its parser refuses is still text that a person can read."""
    if kind not in ("rst", "markdown", "html"):
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
