"""Reads public data sets into plain values. Knows no metric and never asks anything."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from eval.errors import DatasetUnreadable

Kind = Literal["answerable", "unanswerable", "offtopic"]


@dataclass(frozen=True, slots=True)
class Text:
    """A document to be found or asked about."""

    name: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class BeirSet:
    """A retrieval data set. `judged` maps query id -> document id -> grade; every query has at least one grade > 0."""

    name: str
    documents: tuple[Text, ...]
    queries: Mapping[str, str]
    judged: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Span:
    """Words that answer, and the name of the document they stand in."""

    document: str
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """A question with what a right answer to it looks like. Any one of `answers` will do."""

    id: str
    question: str
    kind: Kind
    collection: str | None = None
    answers: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    documents: tuple[str, ...] = ()  # names of documents that hold the answer
    tags: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()  # every one of them must be said
    must_cite: tuple[str, ...] = ()  # names of documents, every one of which must be cited
    must_not_say: tuple[str, ...] = ()

    @property
    def answerable(self) -> bool:
        return self.kind == "answerable"


@dataclass(frozen=True, slots=True)
class Claim:
    """A text that was written from a context, and whether it says what the context does not.

    `spans` are the characters [start, end) of the answer that are made up, where they are known.
    """

    id: str
    context: str
    answer: str
    hallucinated: bool
    question: str = ""
    spans: tuple[tuple[int, int], ...] | None = None


Asked = TypeVar("Asked", Case, Claim)


@dataclass(frozen=True, slots=True)
class QaSet:
    """Cases over contexts. Equal contexts are one text."""

    texts: tuple[Text, ...] = ()
    cases: tuple[Case, ...] = field(default=())


def read_beir(folder: Path, limit: int | None = None) -> BeirSet:
    """Read `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` (or `qrels/test.tsv`), with at most `limit` queries.

    Queries without a relevant document are no questions of the set. Raises DatasetUnreadable.
    """
    if not folder.is_dir():
        raise DatasetUnreadable(f"{folder} is no folder; name one with corpus.jsonl, queries.jsonl and qrels.tsv")
    qrels = folder / "qrels.tsv" if (folder / "qrels.tsv").is_file() else folder / "qrels" / "test.tsv"
    judged = _read_qrels(qrels)
    texts = {str(row["_id"]): str(row["text"]) for row in json_rows(folder / "queries.jsonl", "_id", "text")}
    relevant = [query for query in texts if any(grade > 0 for grade in judged.get(query, {}).values())]
    queries = {query: texts[query] for query in relevant[:limit]}
    if not queries:
        raise DatasetUnreadable(f"{folder} has no query with a relevant document; its files do not belong together")
    documents = tuple(
        Text(str(row["_id"]), str(row.get("title") or ""), str(row["text"]))
        for row in json_rows(folder / "corpus.jsonl", "_id", "text")
    )
    return BeirSet(folder.name, documents, queries, {query: judged[query] for query in queries})


def read_qa(path: Path, limit: int | None = None) -> QaSet:
    """Read rows of `question`, `context`, `answers` and `answerable`, at most `limit` questions evenly from the file.

    All contexts of the file are kept, whatever the limit: fewer distractors would flatter the result.
    Raises DatasetUnreadable.
    """
    rows = list(json_rows(path, "question", "context", "answerable"))
    names: dict[str, Text] = {}
    cases: list[Case] = []
    for number, row in enumerate(rows, 1):
        context = str(row["context"])
        if not context.strip():
            raise DatasetUnreadable(f"question {number} of {path} has an empty context; remove it or give it one")
        text = names.setdefault(
            context, Text(f"context-{len(names) + 1:05d}.txt", str(row.get("title") or ""), context)
        )
        cases.append(
            Case(
                id=str(row.get("id") or number),
                question=str(row["question"]),
                kind="answerable" if row["answerable"] else "unanswerable",
                answers=tuple(map(str, row.get("answers") or ())),
                documents=(text.name,),
            )
        )
    return QaSet(tuple(names.values()), tuple(distinct(evenly(cases, limit), path)))


def read_claims(path: Path, limit: int | None = None) -> tuple[Claim, ...]:
    """Read rows of `context`, `answer` and `hallucinated`, with `question` and `spans` where they are.

    At most `limit`, evenly from the file. Raises DatasetUnreadable.
    """
    claims = []
    for number, row in enumerate(json_rows(path, "context", "answer", "hallucinated"), 1):
        if not isinstance(row["hallucinated"], bool):
            raise DatasetUnreadable(f"row {number} of {path} has hallucinated {row['hallucinated']!r}; true or false")
        spans = row.get("spans")
        claims.append(
            Claim(
                id=str(row.get("id") or number),
                context=str(row["context"]),
                answer=str(row["answer"]),
                hallucinated=row["hallucinated"],
                question=str(row.get("question") or ""),
                spans=None if spans is None else tuple((int(span["start"]), int(span["end"])) for span in spans),
            )
        )
    return tuple(distinct(evenly(claims, limit), path))


def evenly(cases: list[Asked], limit: int | None) -> list[Asked]:
    """`limit` cases spread over the whole list: neighbours often share a document."""
    if limit is None or limit >= len(cases):
        return cases
    return [cases[i * len(cases) // limit] for i in range(limit)]


def distinct(cases: list[Asked], path: Path) -> list[Asked]:
    """Ids count the questions, so two equal ones would lose a question."""
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise DatasetUnreadable(f"{path} has two cases with the id {case.id!r}; ids must differ")
        seen.add(case.id)
    if not cases:
        raise DatasetUnreadable(f"{path} holds no case")
    return cases


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file, delimiter="\t"):
                if row and row[0] != "query-id":
                    judged.setdefault(row[0], {})[row[1]] = int(row[2])
    except FileNotFoundError as error:
        raise DatasetUnreadable(
            f"{path} is missing; a BEIR folder has corpus.jsonl, queries.jsonl, qrels.tsv"
        ) from error
    except (IndexError, ValueError) as error:
        raise DatasetUnreadable(f"{path} is not query-id, corpus-id and grade with tabs between ({error})") from error
    return judged


def json_rows(path: Path, *fields: str) -> Iterator[dict[str, Any]]:
    """The objects of a file, one a line, each with at least these fields. Raises DatasetUnreadable."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = json.loads(line)
                missing = [name for name in fields if not isinstance(row, dict) or name not in row]
                if missing:
                    raise DatasetUnreadable(f"line {number} of {path} lacks {', '.join(missing)}")
                yield row
    except OSError as error:
        raise DatasetUnreadable(f"{path} cannot be read ({error.strerror or error}); name an existing file") from error
    except ValueError as error:
        raise DatasetUnreadable(f"{path} is not JSON with one object a line ({error})") from error
