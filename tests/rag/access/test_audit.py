"""The audit log: each deed leaves a line, no line can be altered unseen."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from index.database import Database
from rag.access.audit import Audit, AuditFilter
from rag.access.errors import AuditBroken
from rag.access.policy import COMMAND_LINE
from rag.access.secret import Seal
from tests.databases import migrated


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = migrated(f"sqlite:///{tmp_path / 'footnote.db'}")
    yield database
    database.close()


@pytest.fixture
def audit(database: Database) -> Audit:
    audit = Audit(database, Seal(b"a secret"))
    for number in range(5):
        audit.record(COMMAND_LINE, "people.create", f"person:{number}", number=number, words="ü")
    return audit


def alter(database: Database, statement: str) -> None:
    """What somebody does who owns the file."""
    with database.write() as session:
        for deed in ("update", "delete"):
            session.execute(text(f"DROP TRIGGER IF EXISTS audit_no_{deed}"))
        session.execute(text(statement))


def test_a_whole_log_is_verified_and_its_head_told(audit: Audit) -> None:
    head = audit.verify()
    assert head.lines == 5
    assert head.hash == audit.entries(limit=1).items[0].hash
    audit.record(COMMAND_LINE, "keys.create", "key:1")
    assert audit.verify(head.hash).lines == 6


@pytest.mark.parametrize("deed", ["UPDATE audit SET object = 'x'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_it(database: Database, audit: Audit, deed: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), database.write() as session:
        session.execute(text(deed))
    assert audit.verify().lines == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor_name = 'someone else' WHERE seq = 3",
        "UPDATE audit SET detail = '{}' WHERE seq = 3",
        "UPDATE audit SET at = '2020-01-01 00:00:00' WHERE seq = 3",
        "UPDATE audit SET hash = previous WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 1",
        "UPDATE audit SET seq = 99 WHERE seq = 3",
    ],
)
def test_an_altered_line_is_found(database: Database, audit: Audit, statement: str) -> None:
    alter(database, statement)
    with pytest.raises(AuditBroken, match=r"line [1-4] "):
        audit.verify()


def test_a_cut_end_is_found_with_a_noted_head(database: Database, audit: Audit) -> None:
    head = audit.verify().hash
    alter(database, "DELETE FROM audit WHERE seq = 5")
    assert audit.verify().lines == 4
    with pytest.raises(AuditBroken, match="its end was cut off"):
        audit.verify(head)


def test_a_log_sealed_with_another_secret_is_found(database: Database, audit: Audit) -> None:
    with pytest.raises(AuditBroken):
        Audit(database, Seal(b"another secret")).verify()


def test_a_deed_undone_leaves_no_line(database: Database, audit: Audit) -> None:
    def undone() -> None:
        with database.write() as session:
            audit.append(session, COMMAND_LINE, "people.create", "person:x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert audit.verify().lines == 5


def test_many_writers_make_one_chain(audit: Audit) -> None:
    threads = [
        threading.Thread(target=lambda: [audit.record(COMMAND_LINE, "x", "y") for _ in range(5)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.verify().lines == 25


def test_lines_are_filtered_and_paged(audit: Audit) -> None:
    audit.record(COMMAND_LINE, "keys.create", "key:abc person:1")
    page = audit.entries(AuditFilter(action="people."), limit=3)
    assert [entry.seq for entry in page.items] == [5, 4, 3]
    assert [entry.seq for entry in audit.entries(AuditFilter(action="people."), 3, page.next_cursor).items] == [2, 1]
    assert [entry.action for entry in audit.entries(AuditFilter(object="person:1")).items] == [
        "keys.create",
        "people.create",
    ]
    assert audit.entries(AuditFilter(actor="nobody")).items == ()
    assert audit.entries(AuditFilter(actor="command line"), limit=1).items[0].detail == {}
    since = audit.entries().items[0].at
    assert len(audit.entries(AuditFilter(since=since)).items) == 1
    assert len(audit.entries(AuditFilter(until=since)).items) == 5
