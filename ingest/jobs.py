"""Handing in files and watching them: the face of ingestion. Runs nothing; workers do. Knows no parser and no HTTP."""

import logging
import secrets
import string
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from index.database import Database
from index.queries import read_cursor, write_cursor
from index.rows import Listing
from ingest.blobs import Blobs, StoredBlob
from ingest.errors import JobNotRetryable, NoSuchJob, StorageFull
from ingest.job import STATES, UNENDED, BatchInfo, JobInfo, JobState, Ticket, clean_name
from ingest.ledger import Ledger
from ingest.queue import TicketQueue
from ingest.schema import Batch, Job

log = logging.getLogger(__name__)

_ALPHABET = string.ascii_letters + string.digits
_GROUP = 100  # files of `submit_many` per transaction
_LOOK_SECONDS = 1.0  # between two counts of the waiting jobs: the bound is soft by what arrives in this time
_COLUMNS = list(JobInfo.__dataclass_fields__)


class Jobs:
    """Jobs of one data folder. Threads may share it; call it from worker threads of a server, it writes to disk.

    `submit` acknowledges: when it returns, the bytes are on disk and the job row is committed, so the upload survives
    the loss of every process and of power. The queue comes last; a worker finds a job that the queue has not heard of.
    """

    def __init__(
        self,
        database: Database,
        jobs_url: str,
        blobs: Blobs,
        *,
        max_file_bytes: int | None = None,
        max_waiting: int = 100_000,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._limit = max_file_bytes
        self._max_waiting = max_waiting
        self._waiting_seen = -_LOOK_SECONDS  # when the waiting jobs were last counted, on the monotonic clock
        self._ledger = Ledger(database)
        self._queue = TicketQueue(jobs_url)

    def submit(
        self,
        collection: str,
        name: str,
        stream: BinaryIO,
        *,
        batch: str | None = None,
        idempotency_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> JobInfo:
        """Accept one file for a collection (id); its document will bear `metadata`.

        A repeated idempotency key gives the first job, and the stream is not read. Raises UploadTooLarge, StorageFull,
        DatabaseUnusable: then nothing was accepted.
        """
        first = self._first(collection, idempotency_key)
        if first is not None:
            return first
        self._refuse_beyond_bound()
        blob = self._blobs.put(stream, self._limit)
        row = _row(collection, name, blob, batch, idempotency_key, metadata)
        try:
            self._insert([row])
        except IntegrityError:
            # The same key came twice at once; the other one was faster.
            first = self._first(collection, idempotency_key)
            if first is None:
                raise
            return first
        self._hand_out([Ticket(row.id, row.round, row.size)])
        return _info(row)

    def submit_many(
        self, collection: str, files: Iterable[tuple[str, BinaryIO]], *, batch: str | None = None
    ) -> list[JobInfo]:
        """Accept many files, some dozens per transaction. Raises like `submit`; what was accepted before stays."""
        accepted: list[JobInfo] = []
        rows: list[Job] = []

        def settle() -> None:
            self._insert(rows)
            self._hand_out([Ticket(row.id, row.round, row.size) for row in rows])
            accepted.extend(_info(row) for row in rows)
            rows.clear()

        try:
            for name, stream in files:
                self._refuse_beyond_bound()
                rows.append(_row(collection, name, self._blobs.put(stream, self._limit), batch))
                if len(rows) >= _GROUP:
                    settle()
        finally:
            if rows:
                settle()
        return accepted

    def create_batch(self, collection: str) -> str:
        """A new, empty batch; returns its id."""
        row = Batch(id=_new_id("b"), collection=collection)
        with self._database.write() as session:
            session.add(row)
        return row.id

    def job(self, id: str) -> JobInfo:
        """One job. Raises NoSuchJob."""
        with self._database.read() as session:
            row = session.scalars(select(Job).where(Job.id == id)).one_or_none()
        if row is None:
            raise NoSuchJob(f"there is no job {id}; list them with `footnote jobs list`")
        return _info(row)

    def jobs(
        self,
        collection: str | None = None,
        batch: str | None = None,
        state: JobState | None = None,
        limit: int = 100,
        cursor: str | None = None,
        among: frozenset[str] | None = None,
    ) -> Listing[JobInfo]:
        """Jobs, newest first; with `among`, those of these collections (ids) alone.

        Raises BadCursor; a state that does not exist has no jobs.
        """
        query = select(Job).order_by(Job.key.desc()).limit(limit + 1)
        for column, value in ((Job.collection, collection), (Job.batch, batch), (Job.state, state)):
            if value is not None:
                query = query.where(column == value)
        if among is not None:
            query = query.where(Job.collection.in_(among))
        if cursor is not None:
            query = query.where(Job.key < read_cursor(cursor))
        with self._database.read() as session:
            rows = session.scalars(query).all()
        more = write_cursor(rows[limit - 1].key) if len(rows) > limit else None
        return Listing(tuple(_info(row) for row in rows[:limit]), more)

    def batch(self, id: str) -> BatchInfo:
        """How far a batch is. Raises NoSuchJob."""
        with self._database.read() as session:
            row = session.scalars(select(Batch).where(Batch.id == id)).one_or_none()
            if row is None:
                raise NoSuchJob(f"there is no batch {id}; an upload of several files names its batch")
            return BatchInfo(row.id, row.collection, row.created_at, _counts(session, Job.batch == id))

    def counts(self, collection: str | None = None) -> dict[str, int]:
        """Jobs per state; states without jobs are left out."""
        with self._database.read() as session:
            return _counts(session, *([Job.collection == collection] if collection is not None else []))

    def retry(self, id: str) -> JobInfo:
        """Queue a failed or cancelled job again. Raises NoSuchJob, JobNotRetryable."""
        self._hand_out([self._ledger.retry(id)])
        return self.job(id)

    def retry_failed(self, *, collection: str | None = None, batch: str | None = None) -> int:
        """Queue every failed job of a collection or batch again; returns how many."""
        query = select(Job.id).where(Job.state == "failed").order_by(Job.key)
        query = query if collection is None else query.where(Job.collection == collection)
        query = query if batch is None else query.where(Job.batch == batch)
        with self._database.read() as session:
            failed = session.scalars(query).all()
        self._hand_out([self._ledger.retry(job) for job in failed])
        return len(failed)

    def cancel(self, id: str) -> JobInfo:
        """End a job before its commit; a worker that has it stops at its next step.

        Raises NoSuchJob, JobNotRetryable.
        """
        ticket = self._ledger.cancel(id)
        self._queue.drop([ticket])
        return self.job(id)

    def pause(self, id: str) -> JobInfo:
        """Hold a job until `resume`; a worker that has it stops at its next step, and it begins anew.

        Raises NoSuchJob, JobNotRetryable.
        """
        ticket = self._ledger.pause(id)
        self._queue.drop([ticket])
        return self.job(id)

    def resume(self, id: str) -> JobInfo:
        """Queue a paused job. Raises NoSuchJob, JobNotRetryable."""
        self._hand_out([self._ledger.resume(id)])
        return self.job(id)

    def each_of(self, batch: str, states: Sequence[JobState], change: Callable[[str], object]) -> int:
        """Call `change` with the id of each job of a batch in these states; returns how many it changed.

        A job that has left the state meanwhile is passed over. Raises NoSuchJob for a batch that is not there.
        """
        self.batch(batch)
        with self._database.read() as session:
            found = session.scalars(select(Job.id).where(Job.batch == batch, Job.state.in_(states))).all()
        changed = 0
        for job in found:
            with suppress(JobNotRetryable):
                change(job)
                changed += 1
        return changed

    def close(self) -> None:
        self._queue.close()

    def _first(self, collection: str, idempotency_key: str | None) -> JobInfo | None:
        if idempotency_key is None:
            return None
        same = (Job.collection == collection, Job.idempotency_key == idempotency_key)
        with self._database.read() as session:
            row = session.scalars(select(Job).where(*same)).one_or_none()
        return None if row is None else _info(row)

    def _refuse_beyond_bound(self) -> None:
        now = time.monotonic()
        if now - self._waiting_seen < _LOOK_SECONDS:
            return
        with self._database.read() as session:
            waiting = session.scalar(select(func.count()).where(Job.state.in_(UNENDED))) or 0
        if waiting >= self._max_waiting:
            raise StorageFull(
                f"{waiting} uploads wait to be taken in, and {self._max_waiting} are the most that may; "
                "let the workers catch up and upload again"
            )
        self._waiting_seen = now

    def _insert(self, rows: Sequence[Job]) -> None:
        with self._database.write() as session:
            session.add_all(rows)

    def _hand_out(self, tickets: Sequence[Ticket]) -> None:
        try:
            self._queue.enqueue(tickets)
        except Exception:
            # The job rows are safe and workers look for jobs that the queue has not heard of: late, not lost.
            log.warning("the queue took no tickets; workers will find the jobs themselves", exc_info=True)


def _row(
    collection: str,
    name: str,
    blob: StoredBlob,
    batch: str | None,
    idempotency_key: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Job:
    return Job(
        id=_new_id("j"),
        collection=collection,
        batch=batch,
        name=clean_name(name),
        blob=blob.key,
        sha256=blob.sha256,
        size=blob.size,
        idempotency_key=idempotency_key,
        attributes=dict(metadata or {}),
        round=1,
    )


def _info(row: Job) -> JobInfo:
    values: dict[str, Any] = {name: getattr(row, name) for name in _COLUMNS}
    return JobInfo(**values)


def _counts(session: Session, *where: Any) -> dict[str, int]:
    rows = session.execute(select(Job.state, func.count()).where(*where).group_by(Job.state)).all()
    found = {row[0]: row[1] for row in rows}
    return {state: found[state] for state in STATES if state in found}


def _new_id(kind: str) -> str:
    """An id that cannot be guessed: 22 letters and digits, 130 bits."""
    return f"{kind}_" + "".join(secrets.choice(_ALPHABET) for _ in range(22))
