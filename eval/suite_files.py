"""Reads suites of one's own, JSON lines or YAML, into cases. Knows no metric and never asks anything."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast, get_args

import yaml

from eval.datasets import Case, Kind, Span, distinct, evenly, json_rows
from eval.errors import DatasetUnreadable

_LISTS = ("answers", "facts", "must_cite", "must_not_say", "tags")
_FIELDS = frozenset((*_LISTS, "id", "question", "kind", "collection", "spans", "must_abstain"))


def read_suite(path: Path, limit: int | None = None) -> tuple[Case, ...]:
    """The cases of a suite, at most `limit` evenly from the file. Raises DatasetUnreadable.

    `.yaml` and `.yml` hold `cases` (and a `collection` for those that name none), all else one JSON object a line.
    """
    rows = read_rows(path)
    cases = [case_of(row, f"case {row.get('id') or number} of {path}", number) for number, row in enumerate(rows, 1)]
    return tuple(distinct(evenly(cases, limit), path))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a suite's file as they stand, each with a question. Raises DatasetUnreadable."""
    return _yaml_rows(path) if path.suffix.lower() in {".yaml", ".yml"} else list(json_rows(path, "question"))


def suite_yaml(cases: Sequence[Case]) -> str:
    """The cases as a YAML suite that reads back the same; fields without a value are left out."""
    rows = [row_of(case) for case in cases]
    text: str = yaml.safe_dump({"cases": rows}, sort_keys=False, allow_unicode=True, width=110)
    return text


def row_of(case: Case) -> dict[str, Any]:
    """A case as a line of a suite's file; fields without a value are left out."""
    return {name: _plain(value) for name, value in asdict(case).items() if value and name != "documents"}


def _plain(value: Any) -> Any:
    return [dict(item) if isinstance(item, Mapping) else item for item in value] if isinstance(value, tuple) else value


def rows_of(text: str, where: str) -> list[dict[str, Any]]:
    """The lines of a suite in a text: JSON lines when it begins with a brace, else YAML. Raises DatasetUnreadable."""
    if not text.lstrip().startswith("{"):
        return _rows_of_yaml(text, where)
    try:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise DatasetUnreadable(f"{where} is not JSON with one object a line ({error}); mend it") from error
    if not all(isinstance(row, dict) for row in rows):
        raise DatasetUnreadable(f"{where} is not JSON with one object a line; write each case as one object")
    return rows


def _yaml_rows(path: Path) -> list[dict[str, Any]]:
    try:
        return _rows_of_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise DatasetUnreadable(f"{path} cannot be read ({error.strerror or error}); name an existing file") from error
    except UnicodeDecodeError as error:
        raise DatasetUnreadable(f"{path} is not YAML ({error}); mend it") from error


def _rows_of_yaml(text: str, path: str) -> list[dict[str, Any]]:
    try:
        whole = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise DatasetUnreadable(f"{path} is not YAML ({said}); mend it") from error
    rows = whole.get("cases") if isinstance(whole, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DatasetUnreadable(f"{path} has no list of cases; write `cases:` with one entry for each question")
    shared = {"collection": whole["collection"]} if whole.get("collection") else {}
    return [shared | row for row in rows]


def case_of(row: Mapping[str, Any], where: str, number: int) -> Case:
    """A case from a line of a suite's file; `where` names it in errors. Raises DatasetUnreadable."""
    unknown = sorted(set(row) - _FIELDS)
    if unknown:
        known = ", ".join(sorted(_FIELDS))
        raise DatasetUnreadable(f"{where} has {', '.join(unknown)}, which no case has; known are {known}")
    if isinstance(row.get("question"), list | dict) or not str(row.get("question") or "").strip():
        raise DatasetUnreadable(f"{where} lacks question; write what is asked")
    for name in (*_LISTS, "spans"):
        found = row.get(name) or []
        if not isinstance(found, list):
            shown = "that are a mapping" if isinstance(found, dict) else f"{found!r}"
            raise DatasetUnreadable(f"{where} has {name} {shown}, but a list was wanted")
    for name in _LISTS:
        # Written out, a list of lists that refer to each other may be far longer than the file.
        if any(isinstance(item, list | dict) for item in row.get(name) or ()):
            raise DatasetUnreadable(f"{where} has {name} within {name}; write plain texts")
    texts = {name: tuple(map(str, row.get(name) or ())) for name in _LISTS}
    spans = tuple(_span(span, where) for span in row.get("spans") or ())
    kind = _kind(row, where)
    case = Case(
        id=str(row.get("id") or number),
        question=str(row["question"]),
        kind=kind,
        collection=row.get("collection"),
        spans=spans,
        documents=tuple(dict.fromkeys(span.document for span in spans)),
        **texts,
    )
    if case.answerable and not (case.answers or case.facts):
        raise DatasetUnreadable(f"{where} is answerable but has no answers; give it at least one, or facts")
    return case


def _kind(row: Mapping[str, Any], where: str) -> Kind:
    kind = row.get("kind") or ("unanswerable" if row.get("must_abstain") else "answerable")
    if kind not in get_args(Kind):
        raise DatasetUnreadable(f"{where} has kind {kind!r}, but one of {', '.join(get_args(Kind))} was wanted")
    if row.get("must_abstain") is not None and bool(row["must_abstain"]) == (kind == "answerable"):
        raise DatasetUnreadable(f"{where} is {kind}, but must_abstain says otherwise; leave one of them out")
    return cast(Kind, kind)


def _span(span: object, where: str) -> Span:
    if not isinstance(span, dict) or not span.get("document") or not span.get("text"):
        raise DatasetUnreadable(f"{where} has a span without document and text; give both")
    return Span(str(span["document"]), str(span["text"]))
