"""The process that takes files in: loads the model, takes tickets, shows that it lives, sweeps. Knows no HTTP.

It may be killed at any moment: what it had is taken over by another worker, or by itself when it comes back.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from index.database import Database
from index.errors import DatabaseUnusable
from ingest.desk import Desk
from ingest.ledger import Ledger
from ingest.liveness import BEAT_SECONDS, Register, Watcher, runs_here, started, this_host
from ingest.pipeline import Pipeline
from ingest.queue import TicketQueue, TicketRunner
from ingest.sweep import Sweeper

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 3.0
_FIND_LOST_SECONDS = 15.0
_TIDY_SECONDS = 600.0
_LOOK_SECONDS = 0.25  # between two looks at the parent and the stop signal
_DRAIN_SECONDS = 5
SLOTS = 4  # documents in work at a time: enough that the embedder always has a full batch waiting
_PARSER = "ingest.parse.child"  # the module that a parsing child runs


class Worker:
    """Takes files in until it is told to stop. One per process.

    `build` makes the pipeline, embedder and all, once, in the background; `run` closes it. `concurrency` documents are
    in work at a time: one is parsed in its child process while another is embedded; as many again wait at hand. With
    `parent_pid` the worker ends soon after that process does.
    """

    def __init__(
        self,
        database: Database,
        jobs_url: str,
        build: Callable[[], Pipeline],
        *,
        concurrency: int = SLOTS,
        parent_pid: int | None = None,
    ) -> None:
        self._database = database
        self._jobs_url = jobs_url
        self._build = build
        self._concurrency = concurrency
        self._parent = None if parent_pid is None else (parent_pid, started(parent_pid) or 0)
        self._register = Register(database)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set or the parent ends; returns within seconds of that.

        Raises what `build` raised, for example EmbedderUnavailable, and DatabaseUnusable.
        """
        pipeline = self._load(stop)
        if pipeline is None:
            return
        try:
            pipeline.tidy()
            while not self._ended(stop):
                self._shift(pipeline, stop)
        finally:
            pipeline.close()

    def _load(self, stop: threading.Event) -> Pipeline | None:
        """The pipeline; None when the worker was told to stop while the model loaded."""
        built: list[Pipeline] = []
        failed: list[BaseException] = []

        def load() -> None:
            try:
                built.append(self._build())
            except BaseException as error:  # noqa: BLE001 - `run` raises it again
                failed.append(error)

        # A daemon, because loading cannot be interrupted and must not hold up the end of the process.
        thread = threading.Thread(target=load, name="load-embedder", daemon=True)
        thread.start()
        while thread.is_alive():
            if self._ended(stop):
                return None
            thread.join(_LOOK_SECONDS)
        if failed:
            raise failed[0]
        return built[0]

    def _shift(self, pipeline: Pipeline, stop: threading.Event) -> None:
        """Work under one id, until told to stop or until the others gave this id up for dead."""
        me = self._register.enter()
        stopping = threading.Event()
        ledger = Ledger(self._database)
        queue = TicketQueue(self._jobs_url)
        desk = Desk(me, ledger, pipeline, queue.enqueue, self._concurrency, stopping)
        runner = TicketRunner(self._jobs_url, me, desk.take, self._concurrency * 2)
        sweeper = Sweeper(ledger, self._register, Watcher(this_host(), runs_here), queue)
        sweeping = threading.Thread(
            target=_sweep, args=(sweeper, desk, pipeline.tidy, stopping), name="sweep", daemon=True
        )
        try:
            runner.start()
            sweeping.start()
            log.info("worker %s takes files in", me)
            while not self._ended(stop) and self._beat(me):
                self._wait(stop, BEAT_SECONDS)
        finally:
            stopping.set()
            _end_parsers()
            runner.stop(_DRAIN_SECONDS)
            if sweeping.ident is not None:
                sweeping.join(_DRAIN_SECONDS)
            self._leave(me, ledger, queue, sweeper)
            log.info("worker %s stopped", me)

    def _beat(self, me: str) -> bool:
        try:
            return self._register.beat(me)
        except DatabaseUnusable as error:
            log.warning("%s", error)
            return True

    def _leave(self, me: str, ledger: Ledger, queue: TicketQueue, sweeper: Sweeper) -> None:
        """Hand back what is left. Whatever fails here, the others do later when they find this worker gone."""
        try:
            queue.forget([me])
            queue.enqueue(ledger.release_all(me))
            sweeper.find_lost()
            self._register.remove(me)
        except Exception:
            log.exception("worker %s could not hand back its work; others will take it over", me)
        finally:
            queue.close()

    def _ended(self, stop: threading.Event) -> bool:
        return stop.is_set() or (self._parent is not None and not runs_here(*self._parent))

    def _wait(self, stop: threading.Event, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._ended(stop):
            stop.wait(_LOOK_SECONDS)


def _end_parsers() -> None:
    """A file may take minutes to parse; its job goes back and a worker to come parses it anew."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if _PARSER in child.cmdline():
                child.kill()


def _sweep(sweeper: Sweeper, desk: Desk, tidy: Callable[[], None], stopping: threading.Event) -> None:
    next_find = 0.0
    next_tidy = time.monotonic() + _TIDY_SECONDS
    while not stopping.is_set():
        try:
            sweeper.take_over(desk.owner, desk.busy)
            if time.monotonic() >= next_find:
                sweeper.find_lost(desk.owner, desk.at_hand)
                sweeper.prune()
                next_find = time.monotonic() + _FIND_LOST_SECONDS
            if time.monotonic() >= next_tidy:
                tidy()
                next_tidy = time.monotonic() + _TIDY_SECONDS
        except Exception:
            log.exception("a round of the sweep failed; the next one tries again")
        stopping.wait(_SWEEP_SECONDS)
