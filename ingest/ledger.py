"""The only code that writes job rows: every change of state is one guarded statement. Knows no queue and no parser.

States: queued -> parsing -> embedding -> committing -> done | failed; cancelled or paused from any of the first three.
A worker's write names job, round and owner; it changes nothing, and raises LostJobError, once the job was cancelled,
taken over, or handed out again. So what a worker that was given up for dead still does is never seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, Update, case, func, select, update
from sqlalchemy.orm import Session

from index.database import Database
from index.rows import Outcome
from index.schema import utc_now
from ingest.errors import JobNotRetryable, NoSuchJob
from ingest.job import CANCELLABLE, MAX_ATTEMPTS, PAUSABLE, PAUSED, RETRYABLE, UNENDED, JobState, Progress, Ticket
from ingest.schema import Job

# What was being committed may be in: it stays `committing`, so that nobody cancels it meanwhile.
_WAITING = case((Job.state == "committing", Job.state), else_="queued")


class LostJobError(Exception):
    """The job is no longer this worker's: cancelled, taken over or deleted. Nothing may be written for it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in the hands of a worker."""

    job: str
    round: int
    owner: str
    attempt: int  # 1-based
    collection: str
    name: str
    blob: str
    sha256: str
    size: int
    attributes: Mapping[str, Any]


class Ledger:
    """Changes of job rows in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, ticket: Ticket, owner: str) -> Claim | None:
        """Take the job; None when the ticket is stale: ended, taken, or handed out again.

        A job in `committing` keeps that state, because its document may be in already and it cannot be cancelled.
        """
        with self._database.write() as session:
            changed = _execute(
                session,
                update(Job)
                .where(Job.id == ticket.job, Job.round == ticket.round, Job.owner.is_(None), Job.state.in_(UNENDED))
                .values(
                    owner=owner,
                    attempts=Job.attempts + 1,
                    state=case((Job.state == "committing", Job.state), else_="parsing"),
                    started_at=func.coalesce(Job.started_at, utc_now()),
                ),
            )
            return _claim_of(session, ticket.job) if changed else None

    def again(self, claim: Claim, reason: str, error: str) -> Claim | None:
        """Note why an attempt failed and begin the next; None when there are none left: the job has then failed."""
        with self._database.write() as session:
            guarded = _guarded(claim)
            if claim.attempt >= MAX_ATTEMPTS:
                _must(session, guarded.values(**_failed(reason, error)))
                return None
            _must(session, guarded.values(attempts=Job.attempts + 1, reason=reason, error=error))
            return _claim_of(session, claim.job)

    def progress(self, claim: Claim, progress: Progress) -> None:
        """Show how far the job is."""
        self._change(
            claim,
            state=progress.stage,
            pages_done=progress.pages_done,
            pages_total=progress.pages_total,
            chunks_done=progress.chunks_done,
            chunks_total=progress.chunks_total,
        )

    def finish(self, claim: Claim, document: str, outcome: Outcome, report: Mapping[str, Any]) -> None:
        """The document is in the corpus."""
        chunks, pages = int(report.get("chunks", 0)), int(report.get("pages", 0))
        self._change(
            claim,
            state="done",
            document=document,
            outcome=outcome,
            report=dict(report),
            pages_done=pages,
            pages_total=pages,
            chunks_done=chunks,
            chunks_total=chunks,
            owner=None,
            reason=None,
            error=None,
            finished_at=utc_now(),
        )

    def fail(self, claim: Claim, reason: str, error: str) -> None:
        """The job ends without a document."""
        self._change(claim, **_failed(reason, error))

    def release(self, claim: Claim) -> Ticket:
        """Put the job back as if this attempt had not begun; returns the ticket to hand to the queue."""
        self._change(claim, owner=None, attempts=claim.attempt - 1, round=claim.round + 1, state=_WAITING)
        return Ticket(claim.job, claim.round + 1, claim.size)

    def release_all(self, owner: str) -> list[Ticket]:
        """Put back everything a worker still has when it is told to stop, the attempts uncounted."""
        with self._database.write() as session:
            jobs = session.scalars(select(Job).where(Job.owner == owner, Job.state.in_(UNENDED))).all()
            for job in jobs:
                job.attempts -= 1
                _put_back(job)
            return [Ticket(job.id, job.round, job.size) for job in jobs]

    def held_by(self, owners: Iterable[str]) -> list[Ticket]:
        """The jobs that these workers have."""
        with self._database.read() as session:
            held = (Job.owner.in_(list(owners)), Job.state.in_(UNENDED))
            return [Ticket(job, number) for job, number in session.execute(select(Job.id, Job.round).where(*held))]

    def take(self, held: Sequence[Ticket], reason: str, error: str) -> list[Ticket]:
        """Take jobs from workers that lost them; returns the tickets to hand out.

        A job whose attempts are used up fails with this reason instead; one that moved on meanwhile is left alone.
        """
        if not held:
            return []
        with self._database.write() as session:
            fresh: list[Ticket] = []
            for ticket in held:
                same = (Job.id == ticket.job, Job.round == ticket.round, Job.owner.is_not(None), Job.state.in_(UNENDED))
                job = session.scalars(select(Job).where(*same)).one_or_none()
                if job is None:
                    continue
                if job.attempts >= MAX_ATTEMPTS:
                    _execute(session, update(Job).where(*same).values(**_failed(reason, _times(error))))
                    continue
                job.reason, job.error = reason, error
                _put_back(job)
                fresh.append(Ticket(job.id, job.round, job.size))
            return fresh

    def hand_out_again(self, stale: Iterable[Ticket]) -> list[Ticket]:
        """New tickets for jobs nobody owns whose present ticket the queue has lost."""
        with self._database.write() as session:
            fresh: list[Ticket] = []
            for ticket in stale:
                changed = _execute(
                    session,
                    update(Job)
                    .where(Job.id == ticket.job, Job.round == ticket.round, Job.owner.is_(None), Job.state.in_(UNENDED))
                    .values(round=Job.round + 1),
                )
                if changed:
                    fresh.append(Ticket(ticket.job, ticket.round + 1, ticket.size))
            return fresh

    def unowned(self, after: int, limit: int) -> list[tuple[int, Ticket]]:
        """(key, ticket) of jobs that wait for a worker, oldest first, with a key above `after`."""
        with self._database.read() as session:
            rows = session.execute(
                select(Job.key, Job.id, Job.round, Job.size)
                .where(Job.state.in_(UNENDED), Job.owner.is_(None), Job.key > after)
                .order_by(Job.key)
                .limit(limit)
            )
            return [(key, Ticket(job, number, size)) for key, job, number, size in rows]

    def owners(self) -> set[str]:
        """Every worker that has a job."""
        with self._database.read() as session:
            found = session.scalars(select(Job.owner).where(Job.owner.is_not(None), Job.state.in_(UNENDED)).distinct())
            return {owner for owner in found if owner}

    def before(self, claim: Claim) -> int:
        """How many unended jobs of the same name were submitted earlier: the last upload of a name must win."""
        with self._database.read() as session:
            key = select(Job.key).where(Job.id == claim.job).scalar_subquery()
            same = (Job.collection == claim.collection, Job.name == claim.name)
            count = select(func.count()).where(*same, Job.key < key, Job.state.in_(UNENDED))
            return session.scalar(count) or 0

    def overtaken(self, claim: Claim) -> bool:
        """Whether a later upload of the same name is in already."""
        with self._database.read() as session:
            key = select(Job.key).where(Job.id == claim.job).scalar_subquery()
            same = (Job.collection == claim.collection, Job.name == claim.name)
            return session.scalar(select(Job.key).where(*same, Job.key > key, Job.state == "done").limit(1)) is not None

    def cancel(self, job: str) -> Ticket:
        """End the job without a document. Raises NoSuchJob, JobNotRetryable; returns the ticket the queue may drop."""
        values = {"state": "cancelled", "owner": None, "finished_at": utc_now()}
        return self._from(job, CANCELLABLE, values, "be cancelled; a document that is in can be deleted")

    def retry(self, job: str) -> Ticket:
        """Begin anew. Raises NoSuchJob, JobNotRetryable; returns the ticket to hand to the queue."""
        values = {
            "state": "queued",
            "round": Job.round + 1,
            "attempts": 0,
            "owner": None,
            "reason": None,
            "error": None,
            "started_at": None,
            "finished_at": None,
            **dict.fromkeys(("pages_done", "pages_total", "chunks_done", "chunks_total"), 0),
        }
        return self._from(job, RETRYABLE, values, "be retried; only failed and cancelled jobs can")

    def pause(self, job: str) -> Ticket:
        """Hold the job until `resume`. Raises NoSuchJob, JobNotRetryable; the queue may drop the ticket returned."""
        return self._from(
            job, PAUSABLE, {"state": PAUSED, "owner": None}, "be paused; only waiting and running jobs can"
        )

    def resume(self, job: str) -> Ticket:
        """Queue a paused job. Raises NoSuchJob, JobNotRetryable; returns the ticket to hand to the queue."""
        values = {"state": "queued", "round": Job.round + 1, "attempts": 0}
        return self._from(job, (PAUSED,), values, "be resumed; only paused jobs can")

    def _from(self, job: str, states: Sequence[JobState], values: Mapping[str, Any], cannot: str) -> Ticket:
        with self._database.write() as session:
            changed = _execute(
                session, update(Job).where(Job.id == job, Job.state.in_(states)).values(**values, updated_at=utc_now())
            )
            row = session.execute(select(Job.state, Job.round, Job.size).where(Job.id == job)).one_or_none()
            if row is None:
                raise NoSuchJob(f"there is no job {job}; list them with `footnote jobs list`")
            if not changed:
                raise JobNotRetryable(f"job {job} is {row.state} and cannot {cannot}")
            return Ticket(job, row.round, row.size)

    def _change(self, claim: Claim, **values: Any) -> None:
        with self._database.write() as session:
            _must(session, _guarded(claim).values(**values))


def _guarded(claim: Claim) -> Update:
    return update(Job).where(
        Job.id == claim.job, Job.round == claim.round, Job.owner == claim.owner, Job.state.in_(UNENDED)
    )


def _put_back(job: Job) -> None:
    job.round += 1
    job.owner = None
    job.state = "committing" if job.state == "committing" else "queued"
    job.updated_at = utc_now()


def _times(error: str) -> str:
    return f"{error}, {MAX_ATTEMPTS} times"


def _failed(reason: str, error: str) -> dict[str, Any]:
    return {"state": "failed", "owner": None, "reason": reason, "error": error, "finished_at": utc_now()}


def _execute(session: Session, statement: Update) -> int:
    result = session.execute(statement.values(updated_at=utc_now()).execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)
    return result.rowcount


def _must(session: Session, statement: Update) -> None:
    if _execute(session, statement) != 1:
        raise LostJobError


def _claim_of(session: Session, job: str) -> Claim:
    row = session.scalars(select(Job).where(Job.id == job)).one()
    assert row.owner is not None
    return Claim(
        row.id,
        row.round,
        row.owner,
        row.attempts,
        row.collection,
        row.name,
        row.blob,
        row.sha256,
        row.size,
        row.attributes,
    )
