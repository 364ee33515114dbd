"""JSON and JSON Lines: each record becomes lines "path: value". Knows no other format."""

import json
from collections.abc import Iterator
from typing import Any

from ingest.document import Document
from ingest.errors import BrokenDocument
from ingest.parse.build import TextBuilder
from ingest.parse.encoding import Decoded
from ingest.parse.limits import ParseLimits

_MAX_DEPTH = 50


def parse_json(decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """One block per record: elements of a top-level list, or keys of a top-level object. Raises BrokenDocument."""
    try:
        value = json.loads(decoded.text)
    except ValueError as error:
        raise BrokenDocument(f"the file is no valid JSON: {error}") from error
    except RecursionError as error:
        raise BrokenDocument("the JSON is nested too deeply to be read") from error
    builder = TextBuilder(limits.max_characters)
    _add_records(builder, value)
    title = value.get("title") if isinstance(value, dict) else None
    return builder.document(
        name,
        "application/json",
        title=title if isinstance(title, str) else "",
        encoding=decoded.encoding,
        encoding_confidence=decoded.confidence,
    )


def parse_json_lines(decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """One block per line. Lines that are no JSON are left out and reported; a file of none raises BrokenDocument."""
    builder = TextBuilder(limits.max_characters)
    bad = []
    total = 0
    for number, line in enumerate(decoded.text.splitlines(), 1):
        if not line.strip():
            continue
        total += 1
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            bad.append(number)
            continue
        _add_record(builder, record, "", number)
    if bad and len(bad) == total:
        raise BrokenDocument("no line of the file is valid JSON")
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
        builder.note(f"{len(bad)} lines are no valid JSON and were left out: {shown}")
    return builder.document(
        name, "application/jsonl", encoding=decoded.encoding, encoding_confidence=decoded.confidence
    )


def _add_records(builder: TextBuilder, value: Any) -> None:
    if isinstance(value, list):
        for element in value:
            _add_record(builder, element, "")
    elif isinstance(value, dict):
        scalars = {key: part for key, part in value.items() if not isinstance(part, (dict, list))}
        _add_record(builder, scalars, "")
        for key, part in value.items():
            if isinstance(part, list) and any(isinstance(element, (dict, list)) for element in part):
                builder.heading(str(key), 1)
                for element in part:
                    _add_record(builder, element, "")
            elif isinstance(part, (dict, list)):
                _add_record(builder, part, str(key))
    else:
        _add_record(builder, value, "")


def _add_record(builder: TextBuilder, record: Any, path: str, number: int = 0) -> None:
    """`number` is its line in the file, where one line holds all of it.

    Rows of one block: a record stays together, and is divided between its values when it is too long.
    """
    lines = [line for line in (" ".join(builder.cleaned(raw).split()) for raw in _lines(record, path, 0)) if line]
    builder.lines("paragraph", lines, numbers=[number] * len(lines) if number else ())


def _lines(value: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        for key, part in value.items():
            yield from _lines(part, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        if all(not isinstance(part, (dict, list)) for part in value):
            shown = ", ".join(_scalar(part) for part in value if part is not None)
            if shown:
                yield f"{path}: {shown}" if path else shown
            return
        for position, part in enumerate(value, 1):
            yield from _lines(part, f"{path}[{position}]", depth + 1)
    elif value is not None and value != "":
        yield f"{path}: {_scalar(value)}" if path else _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
