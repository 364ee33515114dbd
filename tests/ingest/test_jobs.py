import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from index.errors import BadCursor
from ingest.blobs import Blobs
from ingest.errors import JobNotRetryable, NoSuchJob, StorageFull, UploadTooLarge
from ingest.job import CANCELLABLE, MAX_ATTEMPTS, PAUSABLE, Progress, Ticket, clean_name, one_line, reason_of
from ingest.jobs import Jobs
from ingest.ledger import Claim, Ledger, LostJobError
from ingest.queue import TicketQueue
from ingest.sweep import Sweeper
from tests.fakes import FaultyFiles
from tests.ingest.job_rig import Rig, open_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = open_rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def ledger(rig: Rig) -> Ledger:
    return Ledger(rig.database)


def claimed(rig: Rig, ledger: Ledger, name: str = "a.txt", owner: str = "w_1") -> Claim:
    claim = ledger.claim(Ticket(rig.submit(name, name).id, 1), owner)
    assert claim is not None
    return claim


def test_a_submitted_file_is_a_queued_job_with_its_bytes_kept(rig: Rig) -> None:
    job = rig.submit("folder/a.txt", "hello")
    assert (job.state, job.name, job.size, job.attempts) == ("queued", "folder/a.txt", 5, 0)
    assert rig.jobs.job(job.id) == job
    with rig.database.read() as session:
        key = session.connection().exec_driver_sql("SELECT blob FROM jobs").scalar_one()
    with rig.blobs.open(key) as stream:
        assert stream.read() == b"hello"
    assert TicketQueue(rig.jobs_url).missing([Ticket(job.id, 1)]) == []


def test_invariant_8_a_job_is_accepted_even_when_the_queue_is_out_of_order(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("no database")
    jobs = Jobs(rig.database, f"sqlite:///{tmp_path / 'in-the-way'}", rig.blobs)
    job = jobs.submit(rig.collection, "a.txt", io.BytesIO(b"hello"))
    assert rig.jobs.job(job.id).state == "queued"
    assert Ledger(rig.database).unowned(0, 10) == [(1, Ticket(job.id, 1))]
    jobs.close()


def test_a_disk_that_refuses_accepts_nothing(rig: Rig, tmp_path: Path) -> None:
    for step in range(1, 8):
        blobs = Blobs(tmp_path / f"blobs{step}", files=FaultyFiles(at=step))
        jobs = Jobs(rig.database, rig.jobs_url, blobs)
        with pytest.raises(StorageFull):
            jobs.submit(rig.collection, "a.txt", io.BytesIO(b"hello"))
        jobs.close()
    assert rig.jobs.jobs().items == ()


def test_an_upload_beyond_the_limit_is_no_job(rig: Rig) -> None:
    jobs = Jobs(rig.database, rig.jobs_url, rig.blobs, max_file_bytes=4)
    with pytest.raises(UploadTooLarge):
        jobs.submit(rig.collection, "a.txt", io.BytesIO(b"hello"))
    assert jobs.jobs().items == ()
    jobs.close()


def test_invariant_10_no_more_uploads_wait_than_may(rig: Rig) -> None:
    jobs = Jobs(rig.database, rig.jobs_url, rig.blobs, max_waiting=1)
    jobs.submit(rig.collection, "a.txt", io.BytesIO(b"1"))
    jobs._waiting_seen = -10.0  # the second in which waiting jobs are not counted again has passed
    with pytest.raises(StorageFull, match="1 uploads wait"):
        jobs.submit(rig.collection, "b.txt", io.BytesIO(b"2"))
    jobs.close()


def test_a_repeated_idempotency_key_gives_the_first_job_unread(rig: Rig) -> None:
    first = rig.submit("a.txt", "one", idempotency_key="k")
    stream = io.BytesIO(b"two")
    assert rig.jobs.submit(rig.collection, "b.txt", stream, idempotency_key="k") == first
    assert stream.tell() == 0
    other = rig.catalog.create_collection("other").id
    assert rig.jobs.submit(other, "b.txt", stream, idempotency_key="k").id != first.id


def test_one_key_from_many_threads_at_once_is_one_job(rig: Rig) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: rig.submit("a.txt", f"text {n}", idempotency_key="k").id, range(16)))
    assert len(set(found)) == 1
    assert len(rig.jobs.jobs().items) == 1


def test_jobs_are_listed_newest_first_by_pages_and_filters(rig: Rig) -> None:
    batch = rig.jobs.create_batch(rig.collection)
    for number in range(5):
        rig.submit(f"{number}.txt", str(number), **({"batch": batch} if number % 2 else {}))
    first = rig.jobs.jobs(limit=2)
    second = rig.jobs.jobs(limit=2, cursor=first.next_cursor)
    third = rig.jobs.jobs(limit=2, cursor=second.next_cursor)
    assert [job.name[0] for page in (first, second, third) for job in page.items] == list("43210")
    assert third.next_cursor is None
    assert [job.name for job in rig.jobs.jobs(batch=batch).items] == ["3.txt", "1.txt"]
    assert rig.jobs.jobs(state="done").items == rig.jobs.jobs(collection="c_none").items == ()
    with pytest.raises(BadCursor):
        rig.jobs.jobs(cursor="no cursor")


def test_a_batch_counts_its_jobs(rig: Rig, ledger: Ledger) -> None:
    batch = rig.jobs.create_batch(rig.collection)
    found = rig.jobs.submit_many(rig.collection, ((f"{n}.txt", io.BytesIO(b"%d" % n)) for n in range(250)), batch=batch)
    assert len({job.id for job in found}) == 250
    rig.jobs.cancel(found[0].id)
    info = rig.jobs.batch(batch)
    assert (info.total, info.counts, info.ended) == (250, {"queued": 249, "cancelled": 1}, False)
    assert TicketQueue(rig.jobs_url).missing([Ticket(job.id, 1) for job in found]) == [Ticket(found[0].id, 1)]
    assert rig.jobs.counts() == info.counts
    with pytest.raises(NoSuchJob):
        rig.jobs.batch("b_none")


def test_a_ticket_is_honoured_once(rig: Rig, ledger: Ledger) -> None:
    job = rig.submit("a.txt", "a").id
    assert ledger.claim(Ticket(job, 2), "w_1") is None
    claim = ledger.claim(Ticket(job, 1), "w_1")
    assert claim is not None
    assert claim.attempt == 1
    assert ledger.claim(Ticket(job, 1), "w_2") is None
    assert rig.jobs.job(job).state == "parsing"


def test_a_finished_job_shows_its_document(rig: Rig, ledger: Ledger) -> None:
    claim = claimed(rig, ledger)
    ledger.progress(claim, Progress("embedding", 3, 3, 1, 7))
    shown = rig.jobs.job(claim.job)
    assert (shown.state, shown.pages_done, shown.chunks_done, shown.chunks_total) == ("embedding", 3, 1, 7)
    ledger.finish(claim, "d_1", "added", {"chunks": 7, "pages": 3})
    job = rig.jobs.job(claim.job)
    assert (job.state, job.document, job.outcome, job.chunks_done) == ("done", "d_1", "added", 7)
    assert job.finished_at is not None
    assert job.finished_at >= job.created_at


def test_a_cancelled_job_cannot_be_committed(rig: Rig, ledger: Ledger) -> None:
    claim = claimed(rig, ledger)
    assert rig.jobs.cancel(claim.job).state == "cancelled"
    with pytest.raises(LostJobError):
        ledger.progress(claim, Progress("committing"))
    with pytest.raises(LostJobError):
        ledger.finish(claim, "d_1", "added", {})
    with pytest.raises(JobNotRetryable, match="is cancelled and cannot be cancelled"):
        rig.jobs.cancel(claim.job)


def test_a_job_that_is_committing_cannot_be_cancelled_even_after_its_worker_died(rig: Rig, ledger: Ledger) -> None:
    claim = claimed(rig, ledger)
    ledger.progress(claim, Progress("committing"))
    with pytest.raises(JobNotRetryable):
        rig.jobs.cancel(claim.job)
    (ticket,) = ledger.take(ledger.held_by(["w_1"]), "worker-died", "the worker ended")
    with pytest.raises(JobNotRetryable):
        rig.jobs.cancel(claim.job)
    assert ledger.claim(ticket, "w_2") is not None


def test_a_worker_given_up_for_dead_changes_nothing_when_it_comes_back(rig: Rig, ledger: Ledger) -> None:
    zombie = claimed(rig, ledger)
    (ticket,) = ledger.take(ledger.held_by(["w_1"]), "worker-died", "the worker ended")
    assert ticket == Ticket(zombie.job, 2)
    living = ledger.claim(ticket, "w_2")
    assert living is not None
    for write in (
        lambda: ledger.progress(zombie, Progress("committing")),
        lambda: ledger.finish(zombie, "d_zombie", "added", {}),
        lambda: ledger.fail(zombie, "x", "x"),
        lambda: ledger.release(zombie),
        lambda: ledger.again(zombie, "x", "x"),
    ):
        with pytest.raises(LostJobError):
            write()
    ledger.finish(living, "d_1", "added", {})
    assert rig.jobs.job(zombie.job).document == "d_1"


def test_a_file_that_ends_three_workers_is_given_up_with_the_reason(rig: Rig, ledger: Ledger) -> None:
    job = rig.submit("poison.pdf", "x").id
    ticket = Ticket(job, 1)
    for attempt in range(MAX_ATTEMPTS):
        claim = ledger.claim(ticket, f"w_{attempt}")
        assert claim is not None
        taken = ledger.take(ledger.held_by([f"w_{attempt}"]), "worker-died", "the worker ended while it had this file")
        ticket = taken[0] if taken else ticket
    shown = rig.jobs.job(job)
    assert (shown.state, shown.reason, shown.attempts) == ("failed", "worker-died", MAX_ATTEMPTS)
    assert shown.error == "the worker ended while it had this file, 3 times"


def test_errors_that_may_pass_are_tried_three_times(rig: Rig, ledger: Ledger) -> None:
    claim: Claim | None = claimed(rig, ledger)
    for attempt in range(MAX_ATTEMPTS):
        assert claim is not None
        assert claim.attempt == attempt + 1
        claim = ledger.again(claim, "database-unusable", "it is locked")
    assert claim is None
    job = rig.jobs.jobs().items[0]
    assert (job.state, job.reason, job.error) == ("failed", "database-unusable", "it is locked")


def test_a_worker_that_stops_in_order_costs_no_attempt(rig: Rig, ledger: Ledger) -> None:
    claim = claimed(rig, ledger)
    ticket = ledger.release(claim)
    again = ledger.claim(ticket, "w_2")
    assert again is not None
    assert again.attempt == 1
    (ticket,) = ledger.release_all("w_2")
    assert rig.jobs.job(claim.job).attempts == 0
    assert rig.jobs.job(claim.job).state == "queued"


def test_a_failed_job_can_be_retried(rig: Rig, ledger: Ledger) -> None:
    claim = claimed(rig, ledger)
    with pytest.raises(JobNotRetryable, match="is parsing and cannot be retried"):
        rig.jobs.retry(claim.job)
    ledger.fail(claim, "broken-document", "a.txt is damaged")
    job = rig.jobs.retry(claim.job)
    assert (job.state, job.attempts, job.reason, job.error, job.finished_at) == ("queued", 0, None, None, None)
    assert TicketQueue(rig.jobs_url).missing([Ticket(job.id, 2)]) == []
    with pytest.raises(NoSuchJob):
        rig.jobs.retry("j_none")


def test_every_failed_job_of_a_batch_can_be_retried(rig: Rig, ledger: Ledger) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        ledger.fail(claimed(rig, ledger, name), "broken-document", "damaged")
    assert rig.jobs.retry_failed(collection=rig.collection) == 3
    assert rig.jobs.counts() == {"queued": 3}


def test_uploads_of_one_name_take_turns_and_the_last_wins(rig: Rig, ledger: Ledger) -> None:
    first, second = claimed(rig, ledger), claimed(rig, ledger)
    assert (ledger.before(first), ledger.before(second)) == (0, 1)
    ledger.fail(first, "broken-document", "damaged")
    assert ledger.before(second) == 0
    ledger.finish(second, "d_1", "added", {})
    ticket = Ticket(rig.jobs.retry(first.job).id, 2)
    again = ledger.claim(ticket, "w_1")
    assert again is not None
    assert ledger.overtaken(again)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("a.pdf", "a.pdf"),
        ("../../etc/passwd", "etc/passwd"),
        ("C:\\docs\\a.pdf", "C:/docs/a.pdf"),
        ("/abs//x/./y.txt", "abs/x/y.txt"),
        ("a\x00b\n.txt", "ab.txt"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("  ", "unnamed"),
        ("x" * 2000 + ".pdf", "x" * 996 + ".pdf"),
    ],
)
def test_names_are_made_fit_to_show(given: str, wanted: str) -> None:
    assert clean_name(given) == wanted


def test_reasons_are_the_names_of_errors() -> None:
    assert reason_of(UploadTooLarge()) == "upload-too-large"
    assert reason_of(OSError()) == "os-error"
    assert one_line(ValueError("two\n lines")) == "two lines"
    assert one_line(OSError(2, os.strerror(2))) == "[Errno 2] No such file or directory"
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_a_paused_job_waits_for_its_resume_and_a_batch_is_changed_as_one(rig: Rig) -> None:
    batch = rig.jobs.create_batch(rig.collection)
    first, second = (rig.submit(f"{n}.txt", f"words {n}", batch=batch) for n in (1, 2))
    assert rig.jobs.pause(first.id).state == "paused"
    with pytest.raises(JobNotRetryable, match="is paused and cannot be paused"):
        rig.jobs.pause(first.id)
    ledger = Ledger(rig.database)
    assert [ticket.job for _, ticket in ledger.unowned(0, 10)] == [second.id]
    assert ledger.claim(Ticket(first.id, 1), "w") is None
    assert not rig.jobs.batch(batch).ended
    assert rig.jobs.resume(first.id).state == "queued"
    claim = ledger.claim(Ticket(first.id, 2), "w")
    assert claim is not None
    assert rig.jobs.each_of(batch, PAUSABLE, rig.jobs.pause) == 2
    with pytest.raises(LostJobError):
        ledger.progress(claim, Progress("embedding"))
    assert rig.jobs.batch(batch).counts == {"paused": 2}
    assert rig.jobs.each_of(batch, CANCELLABLE, rig.jobs.cancel) == 2
    assert rig.jobs.batch(batch).ended


class ForgetfulQueue:
    """A queue that believes to have delivered these jobs to `me` and never learned that they ended."""

    def __init__(self, jobs: set[str]) -> None:
        self.jobs = jobs
        self.enqueued: list[Ticket] = []

    def delivered(self, executor: str) -> set[str]:
        return self.jobs

    def missing(self, tickets: list[Ticket]) -> list[Ticket]:
        return []

    def enqueue(self, tickets: list[Ticket]) -> None:
        self.enqueued += tickets


def test_a_delivery_that_never_ended_is_handed_out_again_in_the_second_round(rig: Rig) -> None:
    first, second = rig.submit("a.txt", "one"), rig.submit("b.txt", "two")
    queue: Any = ForgetfulQueue({first.id, second.id})
    unused: Any = None
    sweeper = Sweeper(Ledger(rig.database), unused, unused, queue)
    assert sweeper.find_lost("me", lambda: [second.id]) == 0
    assert sweeper.find_lost("me", lambda: [second.id]) == 1
    assert queue.enqueued == [Ticket(first.id, 2)]
