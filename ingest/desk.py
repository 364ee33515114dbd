"""Where a ticket becomes a document: claim the job, run the pipeline, write down what became of it.

Decides what is tried again and what is not. Knows no queue library, no heartbeat and no other worker.
"""

import errno
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from index.errors import DatabaseUnusable, EmbedderUnavailable, FootnoteError
from ingest.blobs import StoredBlob
from ingest.errors import StorageFull
from ingest.job import MAX_ATTEMPTS, Progress, Ticket, one_line, reason_of
from ingest.ledger import Claim, Ledger, LostJobError
from ingest.pipeline import Pipeline

log = logging.getLogger(__name__)

_SHOW_SECONDS = 0.2  # between two writes of a job's progress
_WAIT_SECONDS = 0.25  # between two looks at the stop signal
_BACKOFF_SECONDS = 2.0  # times the number of the attempt that failed
_LARGE_BYTES = 4 * 1024**2  # half of the slots are kept free of files larger than this
_LANE_SECONDS = 3.0  # after which a large file is tried again
_MAY_PASS = (DatabaseUnusable, EmbedderUnavailable, StorageFull)
_OF_THE_DISK = (DatabaseUnusable, StorageFull)  # no file's fault: such attempts are not counted
_DISK_SECONDS = 5.0


class StoppingError(Exception):
    """The worker was told to stop; the job goes back as it was."""


class Desk:
    """Works on at most `slots` documents at a time, in whatever threads bring the tickets.

    `hand_out` queues tickets, with a delay in seconds. Once `stopping` is set nothing new is begun, and what runs goes
    back at its next boundary.
    """

    def __init__(
        self,
        owner: str,
        ledger: Ledger,
        pipeline: Pipeline,
        hand_out: Callable[[Sequence[Ticket], float], None],
        slots: int,
        stopping: threading.Event,
    ) -> None:
        self.owner = owner
        self._ledger = ledger
        self._pipeline = pipeline
        self._hand_out = hand_out
        self._count = slots
        self._slots = threading.BoundedSemaphore(slots)
        self._alone = threading.Lock()
        self._lane = threading.BoundedSemaphore(max(1, slots // 2))  # of large files
        self._stopping = stopping
        self._busy: set[str] = set()
        self._at_hand: Counter[str] = Counter()
        self._lock = threading.Lock()

    def busy(self) -> set[str]:
        """The jobs that some thread has in hand."""
        with self._lock:
            return set(self._busy)

    def at_hand(self) -> set[str]:
        """The jobs in hand and those that wait for a slot."""
        with self._lock:
            return {job for job, count in self._at_hand.items() if count > 0}

    def take(self, ticket: Ticket) -> None:
        """Do what a ticket asks for. Never raises: a job that this loses hold of is found by the sweep."""
        with self._lock:
            self._at_hand[ticket.job] += 1
        try:
            self._when_free(ticket)
        finally:
            with self._lock:
                self._at_hand[ticket.job] -= 1
                self._at_hand += Counter()  # forgets those at zero

    def _when_free(self, ticket: Ticket) -> None:
        while not self._slots.acquire(timeout=_WAIT_SECONDS):
            if self._stopping.is_set():
                break
        else:
            try:
                self._with_slot(ticket)
            finally:
                self._slots.release()

    def _with_slot(self, ticket: Ticket) -> None:
        with self._lock:
            self._busy.add(ticket.job)
        try:
            # An unclaimed ticket is lost here; whoever leaves hands out again what nobody owns.
            claim = None if self._stopping.is_set() else self._ledger.claim(ticket, self.owner)
            if claim is not None and claim.attempt >= MAX_ATTEMPTS and self._count > 1:
                self._work_alone(self._ledger.release(claim))
            elif claim is not None:
                self._work(claim)
        except LostJobError:
            log.debug("job %s was cancelled or taken over", ticket.job)
        except Exception:
            log.exception("job %s could not be written down; the sweep will find it", ticket.job)
        finally:
            with self._lock:
                self._busy.discard(ticket.job)

    def _work_alone(self, ticket: Ticket) -> None:
        """The last attempt, with nothing beside it: if the worker dies now, no other file is to blame or suffers."""
        if not self._alone.acquire(blocking=False):
            self._hand_out([ticket], _LANE_SECONDS)
            return
        taken = 0
        try:
            while taken < self._count - 1 and not self._stopping.is_set():
                taken += self._slots.acquire(timeout=_WAIT_SECONDS)
            claim = None if self._stopping.is_set() else self._ledger.claim(ticket, self.owner)
            if claim is not None:
                self._work(claim)
        finally:
            for _ in range(taken):
                self._slots.release()
            self._alone.release()

    def _work(self, claim: Claim) -> None:
        earlier = self._ledger.before(claim)
        if earlier:
            # The last upload of a name must win, so uploads of one name take turns.
            self._hand_out([self._ledger.release(claim)], float(min(earlier, 30)))
        elif self._ledger.overtaken(claim):
            error = f"a later upload of {claim.name} is in already; upload this one again if it shall replace that"
            self._ledger.fail(claim, "overtaken", error)
        elif claim.size < _LARGE_BYTES:
            self._attempts(claim)
        elif self._lane.acquire(blocking=False):
            try:
                self._attempts(claim)
            finally:
                self._lane.release()
        else:
            self._hand_out([self._ledger.release(claim)], _LANE_SECONDS)

    def _attempts(self, claim: Claim) -> None:
        present: Claim | None = claim
        while present is not None:
            try:
                return self._attempt(present)
            except LostJobError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a file does, it ends in its job row
                if self._stopping.is_set():
                    # Also when the error came from a child process that was ended because of that.
                    return self._hand_out([self._ledger.release(present)], 0.0)
                present = self._after(present, error)
        return None

    def _attempt(self, claim: Claim) -> None:
        shown = _Shown(self._ledger, claim, self._stopping)
        blob = StoredBlob(claim.blob, claim.sha256, claim.size)
        done = self._pipeline.ingest(
            claim.collection, claim.name, blob, shown, source=claim.job, metadata=claim.attributes
        )
        self._ledger.finish(claim, done.document, done.outcome, done.report)

    def _after(self, claim: Claim, error: Exception) -> Claim | None:
        """The next attempt; None when there is none: the job has failed."""
        if isinstance(error, FootnoteError) and not isinstance(error, _MAY_PASS):
            log.info("%s failed: %s", claim.name, one_line(error))
            self._ledger.fail(claim, reason_of(error), one_line(error))
            return None
        if isinstance(error, _OF_THE_DISK) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            log.warning("%s waits for the disk: %s", claim.name, one_line(error))
            self._hand_out([self._ledger.release(claim)], _DISK_SECONDS)
            return None
        known = isinstance(error, FootnoteError)
        if not known:
            log.error("attempt %d at %s failed", claim.attempt, claim.name, exc_info=error)
        text = one_line(error) if known else f"{type(error).__name__}: {one_line(error)}"
        following = self._ledger.again(claim, reason_of(error) if known else "internal-error", text)
        if following is not None:
            self._stopping.wait(_BACKOFF_SECONDS * claim.attempt)
        return following


class _Shown:
    """Writes a job's progress down, at most five times a second; the step before the commit always, since it decides.

    Raises StoppingError, and LostJobError when the job was cancelled or taken over.
    """

    def __init__(self, ledger: Ledger, claim: Claim, stopping: threading.Event) -> None:
        self._ledger = ledger
        self._claim = claim
        self._stopping = stopping
        self._written = time.monotonic()  # the claim has just shown the first stage

    def __call__(self, progress: Progress) -> None:
        if self._stopping.is_set():
            raise StoppingError
        now = time.monotonic()
        if progress.stage == "committing" or now - self._written >= _SHOW_SECONDS:
            self._written = now
            self._ledger.progress(self._claim, progress)
