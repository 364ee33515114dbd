"""The tables of jobs: what people see of ingestion. Knows no queue library and no corpus rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from index.schema import Base, Key, UTCDateTime, utc_now


class Batch(Base):
    """Uploads that are watched together."""

    __tablename__ = "batches"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    collection: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class Job(Base):
    """One upload on its way into a collection. `key` grows in the order of submission.

    `round` counts how often the job was handed to the queue and `owner` is the worker that has it: together they fence
    off a worker that was given up for dead and comes back. `attempts` counts tries since the submission or last retry.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_collection_key", "collection", "key"),
        Index("ix_jobs_collection_name_key", "collection", "name", "key"),
        Index("ix_jobs_batch_key", "batch", "key"),
        Index("ix_jobs_state_key", "state", "key"),
        Index("ix_jobs_owner", "owner"),
        Index("uq_jobs_collection_idempotency_key", "collection", "idempotency_key", unique=True),
        {"sqlite_autoincrement": True},
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    # The public id and no foreign key: the story of an upload outlives its collection.
    collection: Mapped[str] = mapped_column(String(32))
    batch: Mapped[str | None] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text)
    blob: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(16), default="queued")
    round: Mapped[int] = mapped_column(Integer, default=1)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    owner: Mapped[str | None] = mapped_column(String(64))
    pages_done: Mapped[int] = mapped_column(Integer, default=0)
    pages_total: Mapped[int] = mapped_column(Integer, default=0)
    chunks_done: Mapped[int] = mapped_column(Integer, default=0)
    chunks_total: Mapped[int] = mapped_column(Integer, default=0)
    reason: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(Text)
    document: Mapped[str | None] = mapped_column(String(32))
    outcome: Mapped[str | None] = mapped_column(String(16))
    report: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    attributes: Mapped[dict[str, Any]] = mapped_column(
        JSON, default=dict, server_default=text("'{}'")
    )  # metadata to be
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class WorkerRow(Base):
    """A worker that shows it lives by counting `beat` up, so that no machine's clock is compared with another's."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))  # this boot of this machine, and the process namespace
    pid: Mapped[int] = mapped_column(Integer)
    pid_started: Mapped[int] = mapped_column(BigInteger)  # milliseconds; tells the worker from a later user of its pid
    beat: Mapped[int] = mapped_column(BigInteger, default=0)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
