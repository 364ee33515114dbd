"""PDF through pypdf, page by page. A page without a text layer is read by OCR where there is one, else reported."""

import logging
import math
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Any

from pypdf import Configuration, PasswordType, PdfReader, apply_configuration
from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError, PdfReadError, PyPdfError

from ingest.document import Document
from ingest.errors import BrokenDocument, EncryptedDocument, ParserLimit
from ingest.parse.build import TextBuilder
from ingest.parse.limits import ParseLimits
from ingest.parse.ocr import recognise
from ingest.parse.pdf_ink import Ink
from ingest.parse.pdf_lines import Line, lines_of_page
from ingest.parse.pdf_paragraphs import Paragraph, paragraphs_of_pages

MAX_PAGES = 20_000
_RECOGNISED_POINTS = 10.0  # recognised text has no size of its own
_STREAM_BYTES = 32_000_000  # of one decoded content stream; pypdf's own default is 75 MB per filter
_LIMITS = Configuration(
    maximum_declared_stream_length=75_000_000,
    array_based_stream_maximum_output_length=_STREAM_BYTES,
    lzw_maximum_output_length=_STREAM_BYTES,
    run_length_maximum_output_length=_STREAM_BYTES,
    zlib_maximum_output_length=_STREAM_BYTES,
    brotli_maximum_output_length=_STREAM_BYTES,
    stream_decoding_work_maximum_length=150_000_000,
    xmp_maximum_input_length=1_000_000,
    page_tree_maximum_entries=50_000,
    outline_maximum_entries=20_000,
    jbig2dec_binary=None,
    disable_legacy_handling=True,
)
# Damaged files make pypdf and its helpers raise almost anything; what it is decides nothing, the file is broken.
_DAMAGE = (
    PyPdfError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    NotImplementedError,
    ArithmeticError,
    OSError,
)


def parse_pdf(data: bytes, name: str, limits: ParseLimits) -> Document:
    """Page spans in `pages`; repeated headers and footers are dropped and reported. Raises the typed errors."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns about each oddity; the report says what was lost
    with apply_configuration(_LIMITS):
        return _parse(data, name, limits)


def _parse(data: bytes, name: str, limits: ParseLimits) -> Document:
    reader, count = _open(data)
    builder = TextBuilder(limits.max_characters)
    pages: list[list[Line]] = []
    ink = _Hidden()
    unreadable: list[int] = []
    characters = 0
    for number in range(1, count + 1):
        try:
            lines = _page_lines(reader, number, builder, ink)
        except LimitReachedError as error:
            raise ParserLimit(f"page {number} of the PDF is too large: {_reason(error)}") from error
        except _DAMAGE:
            lines = []
            unreadable.append(number)
        characters += sum(len(line.text) for line in lines)
        if characters > limits.max_characters * 1.5:
            raise ParserLimit(f"the PDF yields more than {limits.max_characters:,} characters of text; divide it")
        pages.append(lines)
    recognised = _recognise(data, limits, pages, builder)
    paragraphs, furniture = paragraphs_of_pages(pages)
    _add(builder, paragraphs, count)
    ink.describe(builder)
    if unreadable:
        if len(unreadable) == count and not recognised:
            raise BrokenDocument("the PDF is damaged: none of its pages can be read")
        builder.note(f"pages that are damaged and were left out: {_numbers(unreadable)}")
    if furniture:
        builder.note(f"repeated headers and footers left out: {'; '.join(furniture[:5])}")
    title, metadata = _information(reader)
    if recognised:
        metadata["pages_recognised"] = recognised
    if not title and paragraphs and paragraphs[0].level == 1:
        title = paragraphs[0].text  # the largest type, at the very top
    return builder.document(
        name,
        "application/pdf",
        title=title,
        metadata=metadata,
        pages=count,
        pages_recognised=recognised,
        nothing=_nothing(count, builder),
    )


def _recognise(data: bytes, limits: ParseLimits, pages: list[list[Line]], builder: TextBuilder) -> list[int]:
    """Put recognised lines where a page has none; returns the pages."""

    def take(number: int, text: str) -> None:
        lines = builder.cleaned(text).split("\n")
        filled = [(line, not above.strip()) for above, line in zip(["x", *lines], lines, strict=False) if line.strip()]
        pages[number - 1] = [Line(" ".join(line.split()), _RECOGNISED_POINTS, 0.0, blank) for line, blank in filled]

    empty = [number for number, lines in enumerate(pages, 1) if not lines]
    found, notes = recognise(data, limits, empty, list(range(1, len(pages) + 1)), take)
    for sentence in notes:
        builder.note(sentence)
    return found


def _nothing(count: int, builder: TextBuilder) -> str:
    first = f"none of the {count} pages has a text layer" if count > 1 else "the only page has no text layer"
    said = "; ".join(builder.notes)
    return f"{first}; scanned pages need OCR ({said})" if said else f"{first}; scanned pages need OCR first"


class _Hidden:
    """Counts characters that nobody sees, and those of which nobody knows."""

    def __init__(self) -> None:
        self._counts = {"hidden": 0, "doubtful": 0}
        self._pages: dict[str, list[int]] = {"hidden": [], "doubtful": []}

    def count(self, verdict: str, text: str, page: int) -> None:
        letters = len("".join(text.split()))
        if letters and verdict in self._counts:
            self._counts[verdict] += letters
            if page not in self._pages[verdict]:
                self._pages[verdict].append(page)

    def describe(self, builder: TextBuilder) -> None:
        for verdict, sentence in (
            ("hidden", "hidden text left out, too small to be seen or white on white"),
            ("doubtful", "white text on a painted ground was kept; see that it is meant to be read"),
        ):
            if self._counts[verdict]:
                pages = _numbers(self._pages[verdict])
                builder.note(f"{sentence}: {self._counts[verdict]} characters on pages {pages}")


def _open(data: bytes) -> tuple[PdfReader, int]:
    try:
        reader = PdfReader(BytesIO(data), strict=False)
        if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            raise EncryptedDocument("the PDF is protected by a password; save it without one and upload it again")
        count = len(reader.pages)
    except LimitReachedError as error:
        raise ParserLimit(f"the PDF is too large: {_reason(error)}") from error
    except FileNotDecryptedError as error:
        raise EncryptedDocument(
            "the PDF is protected by a password; save it without one and upload it again"
        ) from error
    except DependencyError as error:
        raise BrokenDocument(f"the PDF needs a library that is not installed: {_reason(error)}") from error
    except (PdfReadError, *_DAMAGE) as error:
        raise BrokenDocument(f"the PDF is damaged or incomplete: {_reason(error)}") from error
    if count == 0:
        raise BrokenDocument("the PDF is damaged or incomplete: it has no pages")
    if count > MAX_PAGES:
        raise ParserLimit(f"the PDF has {count:,} pages, more than the {MAX_PAGES:,} allowed")
    return reader, count


def _page_lines(reader: PdfReader, number: int, builder: TextBuilder, hidden: _Hidden) -> list[Line]:
    page = reader.pages[number - 1]
    ink = Ink()
    pieces: list[tuple[str, float, float, float]] = []  # (text, size in points, left, height of the baseline)

    def visit(text: str, cm: list[float], tm: list[float], _font: Any, size: float) -> None:
        if text:
            x_scale = tm[2] * cm[0] + tm[3] * cm[2]
            y_scale = tm[2] * cm[1] + tm[3] * cm[3]
            left = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            baseline = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
            points = abs(size) * math.hypot(x_scale, y_scale)
            verdict = ink.verdict(points) if text.strip() else "seen"
            hidden.count(verdict, text, number)
            pieces.append((text if verdict != "hidden" else "\n" * text.count("\n"), points, left, baseline))

    page.extract_text(visitor_text=visit, visitor_operand_before=ink.operator)
    return lines_of_page([(builder.cleaned(text), size, left, height) for text, size, left, height in pieces])


def _add(builder: TextBuilder, paragraphs: list[Paragraph], count: int) -> None:
    announced = 0
    for paragraph in paragraphs:
        for number in range(announced + 1, paragraph.page + 1):
            builder.page(number)
        announced = max(announced, paragraph.page)
        if paragraph.table:
            builder.table(paragraph.table.rows, header=paragraph.table.has_header)
        elif paragraph.level:
            builder.heading(paragraph.text, paragraph.level)
        elif paragraph.is_item:
            builder.item(paragraph.text, 1, "")
        else:
            builder.paragraph(paragraph.text, paragraph.page_starts)
            announced = max([announced, *(page for _, page in paragraph.page_starts)])
    for number in range(announced + 1, count + 1):
        builder.page(number)


def _information(reader: PdfReader) -> tuple[str, dict[str, Any]]:
    """(title, metadata); damaged information is as good as none."""
    found: dict[str, Any] = dict(_information_entries(reader))
    return found.pop("title", ""), found


def _information_entries(reader: PdfReader) -> Iterator[tuple[str, str]]:
    try:
        information = reader.metadata
    except _DAMAGE:
        return
    for key in ("title", "author", "subject", "keywords", "creator", "creation_date", "modification_date"):
        try:
            value = getattr(information, key, None)
        except _DAMAGE:
            continue
        if isinstance(value, datetime):
            yield key, value.isoformat()
        elif isinstance(value, str) and value.strip():
            yield key, " ".join(value.split())[:2000]


def _numbers(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
