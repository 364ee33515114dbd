"""Keeps suites in SQL: made, changed and taken apart case by case. Knows no file, no page and asks nothing."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from eval.datasets import Case
from eval.errors import CaseTaken, NoSuchCase, NoSuchSuite, SuiteTaken
from eval.schema import SuiteCaseRow, SuiteRow
from eval.suite_files import case_of, row_of
from index.database import Database
from index.schema import utc_now

MOST_CASES: Final = 5_000  # of one suite: a run keeps its scores in memory


@dataclass(frozen=True, slots=True)
class SuiteInfo:
    """A suite without its cases. `collection` (id) is where they are asked."""

    id: str
    name: str
    description: str
    collection: str
    cases: int
    created_at: datetime
    updated_at: datetime


class SuiteShelf:
    """All suites of one database. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, collection: str, description: str = "") -> SuiteInfo:
        """An empty suite over a collection (id). Raises SuiteTaken."""
        row = SuiteRow(id=f"e_{secrets.token_hex(6)}", name=name, description=description, collection=collection)
        try:
            with self._database.write() as session:
                session.add(row)
                session.flush()
                return _info(session, row)
        except IntegrityError as error:
            raise _taken(name) from error

    def suite(self, id_or_name: str) -> SuiteInfo:
        """One suite. Raises NoSuchSuite."""
        with self._database.read() as session:
            return _info(session, _row(session, id_or_name))

    def suites(self) -> list[SuiteInfo]:
        """Every suite, by name."""
        with self._database.read() as session:
            return [_info(session, row) for row in session.scalars(select(SuiteRow).order_by(SuiteRow.name))]

    def change(self, suite: str, name: str | None = None, description: str | None = None) -> SuiteInfo:
        """Give it another name or description. Raises NoSuchSuite, SuiteTaken."""
        try:
            with self._database.write() as session:
                row = _row(session, suite)
                row.name = name if name is not None else row.name
                row.description = description if description is not None else row.description
                row.updated_at = utc_now()
                session.flush()
                return _info(session, row)
        except IntegrityError as error:
            raise _taken(name or "") from error

    def delete(self, suite: str) -> None:
        """Forget a suite and its cases; its runs stay. What is gone is no error."""
        with self._database.write() as session:
            session.execute(delete(SuiteRow).where(SuiteRow.id == suite))

    def cases(self, suite: str) -> list[Case]:
        """Its cases in the order in which they were made. Raises NoSuchSuite."""
        with self._database.read() as session:
            row = _row(session, suite)
            found = session.scalars(
                select(SuiteCaseRow).where(SuiteCaseRow.suite == row.key).order_by(SuiteCaseRow.key)
            )
            return [_case(one, row.collection) for one in found]

    def add(self, suite: str, rows: Sequence[Mapping[str, Any]]) -> list[Case]:
        """Put cases in, as a suite's file has them; one without an id gets one. All of them or none.

        Raises NoSuchSuite, DatasetUnreadable, CaseTaken.
        """
        named = [dict(row) | {"id": str(row.get("id") or f"c_{secrets.token_hex(4)}")} for row in rows]
        cases = [case_of(row, f"case {row['id']}", number) for number, row in enumerate(named, 1)]
        with self._database.write() as session:
            kept = _row(session, suite)
            there = set(session.scalars(select(SuiteCaseRow.id).where(SuiteCaseRow.suite == kept.key)))
            for case in cases:
                if case.id in there:
                    raise CaseTaken(f"the suite has a case {case.id!r}; change that one, or choose another id")
                there.add(case.id)
                session.add(SuiteCaseRow(suite=kept.key, id=case.id, content=_content(case)))
            if len(there) > MOST_CASES:
                raise CaseTaken(f"the suite would hold {len(there)} cases, but {MOST_CASES} are the most; make another")
            kept.updated_at = utc_now()
        return cases

    def put(self, suite: str, case: str, row: Mapping[str, Any]) -> Case:
        """Change a case. Raises NoSuchSuite, NoSuchCase, DatasetUnreadable."""
        checked = case_of(dict(row) | {"id": case}, f"case {case}", 1)
        with self._database.write() as session:
            kept = _row(session, suite)
            found = session.scalar(select(SuiteCaseRow).where(SuiteCaseRow.suite == kept.key, SuiteCaseRow.id == case))
            if found is None:
                raise NoSuchCase(f"the suite has no case {case!r}; it may have been removed")
            found.content, found.updated_at, kept.updated_at = _content(checked), utc_now(), utc_now()
        return checked

    def remove(self, suite: str, case: str) -> None:
        """Take a case out. What is gone is no error. Raises NoSuchSuite."""
        with self._database.write() as session:
            kept = _row(session, suite)
            session.execute(delete(SuiteCaseRow).where(SuiteCaseRow.suite == kept.key, SuiteCaseRow.id == case))
            kept.updated_at = utc_now()


def _row(session: Session, id_or_name: str) -> SuiteRow:
    row = session.scalar(select(SuiteRow).where((SuiteRow.id == id_or_name) | (SuiteRow.name == id_or_name)))
    if row is None:
        raise NoSuchSuite(f"there is no suite {id_or_name!r}; the page of evaluation lists those there are")
    return row


def _info(session: Session, row: SuiteRow) -> SuiteInfo:
    cases = session.scalar(select(func.count()).where(SuiteCaseRow.suite == row.key)) or 0
    times = (row.created_at, row.updated_at)
    return SuiteInfo(row.id, row.name, row.description, row.collection, cases, *times)


def _content(case: Case) -> dict[str, Any]:
    return {name: value for name, value in row_of(case).items() if name not in ("id", "collection")}


def _case(row: SuiteCaseRow, collection: str) -> Case:
    return replace(case_of(row.content | {"id": row.id}, f"case {row.id}", 1), collection=collection)


def _taken(name: str) -> SuiteTaken:
    return SuiteTaken(f"a suite {name!r} is there already; choose another name, or add to that one")
