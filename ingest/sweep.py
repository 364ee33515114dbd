"""Nothing handed in stays lying: the work of dead workers and what the queue lost is handed out again.

Every worker sweeps; that several do at once changes nothing, since each step is guarded in SQL. Knows no documents.
"""

import logging
from collections.abc import Callable, Collection

from ingest.job import Ticket
from ingest.ledger import Ledger
from ingest.liveness import Register, Watcher
from ingest.queue import TicketQueue

log = logging.getLogger(__name__)

_PAGE = 500


class Sweeper:
    """The rounds that one worker makes."""

    def __init__(self, ledger: Ledger, register: Register, watcher: Watcher, queue: TicketQueue) -> None:
        self._ledger = ledger
        self._register = register
        self._watcher = watcher
        self._queue = queue
        self._doubtful: set[str] = set()

    def take_over(self, me: str, busy: Callable[[], Collection[str]]) -> int:
        """Hand out again what dead workers had, and what this worker has by name but not in hand; returns how many."""
        # Owners first, rows second: whoever owns something had entered before, so an owner without a row has left.
        owners = self._ledger.owners() | self._queue.holders()
        beats = self._register.beats()
        gone = self._watcher.look({worker: beat for worker, beat in beats.items() if worker != me})
        gone |= {owner for owner in owners if owner not in beats and owner != me}
        tickets: list[Ticket] = []
        if gone:
            self._queue.forget(gone)
            tickets += self._ledger.take(
                self._ledger.held_by(gone), "worker-died", "the worker ended while it had this file"
            )
        # Held first, busy second: a job is in hand before it is held.
        held = self._ledger.held_by([me])
        in_hand = busy()
        dropped = [ticket for ticket in held if ticket.job not in in_hand]
        tickets += self._ledger.take(dropped, "internal-error", "the worker lost hold of this file")
        self._queue.enqueue(tickets)
        for worker in gone & beats.keys():
            self._register.remove(worker)
        if gone:
            log.warning(
                "workers %s are gone; %d of their files are handed out again", ", ".join(sorted(gone)), len(tickets)
            )
        return len(tickets)

    def find_lost(self, me: str = "", at_hand: Callable[[], Collection[str]] = tuple) -> int:
        """Hand out the waiting jobs that the queue does not know, for example after a crash between row and queue.

        A full disk can keep the queue from learning that a delivery has ended: one that worker `me` was given and that
        is not at hand there, in two rounds in a row, counts as lost too.
        """
        found, after = 0, 0
        delivered = self._queue.delivered(me) if me else set()
        idle = delivered - set(at_hand())
        stuck, self._doubtful = idle & self._doubtful, idle
        while page := self._ledger.unowned(after, _PAGE):
            after = page[-1][0]
            lost = self._queue.missing([ticket for _, ticket in page if ticket.job not in stuck])
            lost += [ticket for _, ticket in page if ticket.job in stuck]
            tickets = self._ledger.hand_out_again(lost)
            self._queue.enqueue(tickets)
            found += len(tickets)
        if found:
            log.info("%d files were accepted but not queued; they are now", found)
        return found

    def prune(self) -> None:
        """Forget what the queue remembers of finished tickets."""
        while self._queue.prune(_PAGE) == _PAGE:
            continue
