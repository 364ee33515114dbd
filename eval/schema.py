"""The tables of suites and evaluation runs. Knows no metric and no session of SQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from index.schema import Base, Key, UTCDateTime, utc_now


class RunRow(Base):
    """One run of a suite, with everything that its figures depend on."""

    __tablename__ = "runs"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    suite: Mapped[str] = mapped_column(String(200))
    cases_hash: Mapped[str] = mapped_column(String(64), index=True)
    about: Mapped[dict[str, Any]] = mapped_column(JSON)
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class RunCaseRow(Base):
    """One case of a run, written when it was answered: a run that was killed goes on from here."""

    __tablename__ = "run_cases"

    run: Mapped[int] = mapped_column(
        Key, ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    case: Mapped[str] = mapped_column(String(200), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    question: Mapped[str] = mapped_column(Text)
    expected: Mapped[list[Any]] = mapped_column(JSON)
    score: Mapped[dict[str, Any]] = mapped_column(JSON)
    cited: Mapped[list[Any]] = mapped_column(JSON)


class SuiteRow(Base):
    """Cases of one's own, asked of one collection; it goes with the collection, whose words it quotes."""

    __tablename__ = "suites"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    description: Mapped[str] = mapped_column(Text)
    collection: Mapped[str] = mapped_column(String(32), ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class SuiteCaseRow(Base):
    """One case; `content` is what a line of a suite's file holds, without its id and collection."""

    __tablename__ = "suite_cases"
    __table_args__ = (UniqueConstraint("suite", "id", name="uq_suite_cases_suite_id"), {"sqlite_autoincrement": True})

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    suite: Mapped[int] = mapped_column(Key, ForeignKey("suites.key", ondelete="CASCADE"))
    id: Mapped[str] = mapped_column(String(200))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
