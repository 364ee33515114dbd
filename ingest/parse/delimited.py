"""CSV and its kin: each row becomes one line "header: value; header: value". Knows no other format."""

import csv
from collections.abc import Iterator
from io import StringIO

from ingest.document import Document
from ingest.errors import BrokenDocument
from ingest.parse.build import TextBuilder
from ingest.parse.encoding import Decoded
from ingest.parse.limits import ParseLimits
from ingest.parse.row_lines import is_header, row_line

_DELIMITERS = ",;\t|"
_FIELD_LIMIT = 1_000_000  # characters


def parse_delimited(decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """One table block; its rows are the spans of the rows. A single column keeps its plain values."""
    text = decoded.text.replace("\x00", "")
    delimiter = find_delimiter(text, ",")
    builder = TextBuilder(limits.max_characters)
    rows = _rows(text, delimiter)
    first = next(rows, (0, []))
    has_header = is_header(first[1])
    names = [builder.cleaned(" ".join(cell.split())) for cell in first[1]] if has_header else []
    lines, numbers, length = [], [], 0
    for number, row in rows if has_header else _with_first(first, rows):
        line = builder.cleaned(row_line(row, names, named=len(first[1]) > 1))
        if line:
            lines.append(line)
            numbers.append(number)
            length += len(line) + 1
            if length > limits.max_characters:
                break  # the builder refuses it with its one sentence
    if not lines and has_header:
        lines = ["; ".join(names)]
    builder.lines("table", lines, numbers=numbers)
    return builder.document(
        name,
        "text/tab-separated-values" if delimiter == "\t" else "text/csv",
        metadata={"columns": names} if names else {},
        encoding=decoded.encoding,
        encoding_confidence=decoded.confidence,
    )


def find_delimiter(text: str, default: str) -> str:
    """The delimiter whose count per row agrees best over the first rows."""
    best, best_score = default, 0.0
    for delimiter in _DELIMITERS:
        widths = [len(row) for row in _sample(text, delimiter)]
        if not widths or max(widths) < 2:
            continue
        common = max(set(widths), key=widths.count)
        score = widths.count(common) / len(widths) * min(common, 10) if common > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def looks_delimited(text: str) -> bool:
    """Whether text without a telling name is a table beyond doubt: 4+ rows of equal width, 3+ short columns."""
    delimiter = find_delimiter(text[:20_000], "")
    if not delimiter:
        return False
    rows = _sample(text, delimiter)
    return (
        len(rows) >= 4
        and len({len(row) for row in rows}) == 1
        and len(rows[0]) >= 3
        and is_header(rows[0])
        and max(len(cell) for row in rows for cell in row) <= 200
    )


def _sample(text: str, delimiter: str) -> list[list[str]]:
    head = text[:20_000]
    lines = head.split("\n")
    if len(text) > len(head):
        lines.pop()  # it may be cut
    try:
        return [row for row in csv.reader(StringIO("\n".join(lines)), delimiter=delimiter) if any(row)][:30]
    except csv.Error:
        return []


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line of the file where it begins."""
    csv.field_size_limit(_FIELD_LIMIT)
    try:
        reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
        number = 1
        for row in reader:
            if any(cell.strip() for cell in row):
                yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise BrokenDocument(f"the table cannot be read as delimited text: {error}") from error


def _with_first(first: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    if first[1]:
        yield first
    yield from rows
