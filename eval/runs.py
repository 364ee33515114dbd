"""Keeps evaluation runs in SQL: begun, case by case, finished. Knows no metric and asks nothing."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eval.datasets import Case
from eval.errors import NoSuchRun
from eval.schema import RunCaseRow, RunRow
from eval.scoring import Score
from index.database import Database
from index.schema import utc_now


@dataclass(frozen=True, slots=True)
class RunInfo:
    """`about` is what the figures depend on: corpus, settings, models and code."""

    id: str
    suite: str
    cases_hash: str
    about: Mapping[str, Any]
    summary: Mapping[str, Any]
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunCase:
    """A case as it was answered in one run. `cited` are the texts that the answer points at."""

    case: str
    kind: str
    question: str
    expected: tuple[str, ...]
    score: Score
    cited: tuple[str, ...]


class Runs:
    """All runs of one database. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, suite: str, cases: Sequence[Case], about: Mapping[str, Any]) -> tuple[str, dict[str, Score]]:
        """A new run, or the last unfinished one of the same cases under the same conditions with what it has.

        Returns the run's id and the scores that need not be asked for again.
        """
        digest = cases_hash(cases)
        with self._database.write() as session:
            for row in session.scalars(
                select(RunRow).where(RunRow.cases_hash == digest, RunRow.finished_at.is_(None)).order_by(-RunRow.key)
            ):
                if row.about == dict(about):
                    return row.id, {case.case: case.score for case in _cases(session, row)}
            run = RunRow(id=f"r_{secrets.token_hex(6)}", suite=suite, cases_hash=digest, about=dict(about), summary={})
            session.add(run)
            session.flush()
            return run.id, {}

    def record(self, run: str, case: Case, score: Score, cited: Sequence[str]) -> None:
        """Keep one answered case. Raises NoSuchRun."""
        with self._database.write() as session:
            session.merge(
                RunCaseRow(
                    run=_row(session, run).key,
                    case=case.id,
                    kind=case.kind,
                    question=case.question,
                    expected=list(case.answers),
                    score=asdict(score),
                    cited=list(cited),
                )
            )

    def finish(self, run: str, summary: Mapping[str, Any]) -> None:
        """Say that every case was asked. Raises NoSuchRun."""
        with self._database.write() as session:
            row = _row(session, run)
            row.summary, row.finished_at = dict(summary), utc_now()

    def run(self, id: str) -> RunInfo:  # the word of the wire
        """One run. Raises NoSuchRun."""
        with self._database.read() as session:
            return _info(_row(session, id))

    def runs(self, limit: int = 20) -> list[RunInfo]:
        """The newest runs, newest first."""
        with self._database.read() as session:
            return [_info(row) for row in session.scalars(select(RunRow).order_by(-RunRow.key).limit(limit))]

    def cases(self, run: str) -> list[RunCase]:
        """What was kept of a run, by case id. Raises NoSuchRun."""
        with self._database.read() as session:
            return _cases(session, _row(session, run))


def cases_hash(cases: Sequence[Case]) -> str:
    """Equal for equal questions with equal expectations, whatever file they came from."""
    rows = json.dumps([asdict(case) for case in cases], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(rows.encode()).hexdigest()


def _row(session: Session, id: str) -> RunRow:
    row = session.scalar(select(RunRow).where(RunRow.id == id))
    if row is None:
        raise NoSuchRun(f"there is no run {id!r}; `footnote eval runs` lists them")
    return row


def _cases(session: Session, run: RunRow) -> list[RunCase]:
    rows = session.scalars(select(RunCaseRow).where(RunCaseRow.run == run.key).order_by(RunCaseRow.case))
    return [
        RunCase(row.case, row.kind, row.question, tuple(row.expected), _score(row.score), tuple(row.cited))
        for row in rows
    ]


def _score(values: Mapping[str, Any]) -> Score:
    known = {field.name: values[field.name] for field in fields(Score) if field.name in values}
    listed = {name: tuple(known.get(name, ())) for name in ("found_at", "broken", "unsaid")}
    return Score(**known | listed)


def _info(row: RunRow) -> RunInfo:
    return RunInfo(row.id, row.suite, row.cases_hash, row.about, row.summary, row.created_at, row.finished_at)
