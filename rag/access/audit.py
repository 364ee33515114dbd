"""The audit log: who did what to which object. Append-only, each line hashed with the one before. Knows no rule.

The hash is keyed by the service's secret, so that someone with the database alone cannot write a believable log. A log
cut short at its end is still a whole one: note its head from time to time, and give it to `verify`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from index.database import Database
from index.queries import read_cursor, write_cursor
from index.rows import Listing
from index.schema import utc_now
from rag.access.errors import AuditBroken
from rag.access.policy import Actor
from rag.access.schema import AuditLine
from rag.access.secret import Seal

_FIRST: Final = "0" * 64  # what the first line follows
_PURPOSE: Final = "audit"
_PAGE: Final = 1000
_LONGEST_OBJECT: Final = 200


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the log. `object` is `kind:id`, several separated by blanks; `detail` never holds text or secrets."""

    seq: int
    at: datetime
    actor: str
    actor_name: str
    via: str
    action: str
    object: str
    detail: Mapping[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class AuditHead:
    """How many lines there are and the hash of the last."""

    lines: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines to show; None takes all. `action` may be a beginning ("people.")."""

    actor: str | None = None
    action: str | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Audit:
    """Writes and reads the log. Safe to use from many threads and processes."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    def record(self, actor: Actor, action: str, object: str, **detail: Any) -> None:
        """Append one line in a transaction of its own."""
        with self._database.write() as session:
            self.append(session, actor, action, object, **detail)

    def append(self, session: Session, actor: Actor, action: str, object: str, **detail: Any) -> None:
        """Append one line in the caller's writing transaction: it is there if and only if the deed is."""
        if not self._database.is_sqlite:
            session.execute(text("LOCK TABLE audit IN EXCLUSIVE MODE"))  # SQLite's writers take turns anyway
        last = session.execute(select(AuditLine.seq, AuditLine.hash).order_by(AuditLine.seq.desc()).limit(1)).first()
        line = AuditLine(
            seq=last.seq + 1 if last else 1,
            at=utc_now(),
            actor=actor.person,
            actor_name=actor.name,
            via=actor.via,
            action=action,
            object=object[:_LONGEST_OBJECT],
            detail=json.dumps(detail, sort_keys=True, separators=(",", ":"), default=str),
            previous=last.hash if last else _FIRST,
            hash="",
        )
        line.hash = self._hash(line)
        session.add(line)
        session.flush()

    def entries(
        self, wanted: AuditFilter | None = None, limit: int = 100, cursor: str | None = None
    ) -> Listing[AuditEntry]:
        """Lines, newest first. Raises BadCursor."""
        query = select(AuditLine).order_by(AuditLine.seq.desc()).limit(limit + 1)
        wanted = wanted or AuditFilter()
        if wanted.actor is not None:
            query = query.where((AuditLine.actor == wanted.actor) | (AuditLine.actor_name == wanted.actor))
        if wanted.action is not None:
            query = query.where(AuditLine.action.startswith(wanted.action, autoescape=True))
        if wanted.object is not None:
            query = query.where(AuditLine.object.contains(wanted.object, autoescape=True))
        if wanted.since is not None:
            query = query.where(AuditLine.at >= wanted.since)
        if wanted.until is not None:
            query = query.where(AuditLine.at < wanted.until)
        if cursor is not None:
            query = query.where(AuditLine.seq < read_cursor(cursor))
        with self._database.read() as session:
            rows = session.scalars(query).all()
        more = write_cursor(rows[limit - 1].seq) if len(rows) > limit else None
        return Listing(tuple(_entry(row) for row in rows[:limit]), more)

    def verify(self, head: str | None = None) -> AuditHead:
        """Go through the whole log. With the hash of an earlier head, that line must still be there.

        Raises AuditBroken with the first line that does not fit.
        """
        before, lines, seen = _FIRST, 0, head is None
        for line in self._lines():
            lines += 1
            if line.seq != lines:
                raise AuditBroken(f"line {lines} of the audit log is missing: line {line.seq} follows {lines - 1}")
            if line.previous != before or line.hash != self._hash(line):
                raise AuditBroken(
                    f"line {line.seq} of the audit log ({line.at:%Y-%m-%d %H:%M} {line.action}) was altered, or the "
                    "secret it was sealed with is another; compare with a backup"
                )
            before = line.hash
            seen = seen or line.hash == head
        if not seen:
            raise AuditBroken(f"the audit log is whole but has no line {head}; its end was cut off")
        return AuditHead(lines, before)

    def _lines(self) -> Iterator[AuditLine]:
        after = 0
        while True:
            with self._database.read() as session:
                query = select(AuditLine).where(AuditLine.seq > after).order_by(AuditLine.seq).limit(_PAGE)
                rows = session.scalars(query).all()
            yield from rows
            if len(rows) < _PAGE:
                return
            after = rows[-1].seq

    def _hash(self, line: AuditLine) -> str:
        told = (line.seq, line.at.isoformat(), line.actor, line.actor_name, line.via, line.action, line.object)
        return self._seal.seal(_PURPOSE, json.dumps([*told, line.detail, line.previous]))


def _entry(row: AuditLine) -> AuditEntry:
    detail = json.loads(row.detail)
    return AuditEntry(row.seq, row.at, row.actor, row.actor_name, row.via, row.action, row.object, detail, row.hash)
