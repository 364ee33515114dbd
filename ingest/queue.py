"""The one room of DBOS: tickets go in durably and come out at a worker. Knows no documents and no job rows.

The queue's own database may lose its last writes in a power cut: job rows are the truth, and a worker hands out again
what the queue does not know. One workflow per ticket; what a workflow does is idempotent, so it has no steps.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions

from ingest.job import MAX_ATTEMPTS, Ticket

log = logging.getLogger(__name__)

# A worker takes only tickets of its own version. Raise it when a ticket's meaning changes, never otherwise: tickets of
# an older version would wait for ever.
TICKET_VERSION = "footnote-jobs-1"

_APPLICATION = "footnote"
_QUEUE = "documents"
_WORKFLOW = "ingest_document"
_BUSY_MILLISECONDS = 30_000
_PAGE = 500  # workflow ids per query
_SIZES = (1024**2, 16 * 1024**2, 1 << 62)  # bytes below which a file has priority 1 (served first), 2, 3
_ALIVE = ("ENQUEUED", "PENDING", "DELAYED")
_POLL_SECONDS = 0.2  # between two looks for tickets; a look costs about 8 ms of processor time


class TicketQueue:
    """The side that hands out tickets; any number of processes may. Opens its database at the first use.

    `url` is an SQLAlchemy URL: SQLite, or PostgreSQL through psycopg.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = _engine(url)
        self._client: DBOSClient | None = None
        self._lock = threading.Lock()

    def enqueue(self, tickets: Sequence[Ticket], delay_seconds: float = 0.0) -> None:
        """Durable when it returns. A ticket that the queue knows already is left as it is."""
        client = self._open()
        remaining = iter(tickets)
        while part := list(islice(remaining, _PAGE)):
            with self._engine.begin() as connection:
                for ticket in part:
                    client.enqueue_in_transaction(connection, _options(ticket, delay_seconds), ticket.job, ticket.round)

    def missing(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Those that the queue neither holds nor is delivering."""
        client = self._open()
        lost: list[Ticket] = []
        for start in range(0, len(tickets), _PAGE):
            part = tickets[start : start + _PAGE]
            found = client.list_workflows(
                workflow_ids=[_workflow_id(t) for t in part], status=list(_ALIVE), load_input=False, load_output=False
            )
            alive = {workflow.workflow_id for workflow in found}
            lost += [ticket for ticket in part if _workflow_id(ticket) not in alive]
        return lost

    def delivered(self, executor: str) -> set[str]:
        """The jobs whose tickets this executor was given and has not finished, as far as the queue knows."""
        found = self._open().list_workflows(
            status="PENDING", executor_id=[executor], load_input=False, load_output=False
        )
        return {workflow.workflow_id.partition(".")[0] for workflow in found}

    def holders(self) -> set[str]:
        """Every executor that tickets were delivered to and that has not finished them."""
        found = self._open().list_workflows(status="PENDING", queue_name=_QUEUE, load_input=False, load_output=False)
        return {workflow.executor_id for workflow in found if workflow.executor_id}

    def forget(self, executors: Iterable[str]) -> int:
        """Drop the undone deliveries of executors that are gone, so that `missing` reports them."""
        client = self._open()
        gone = list(executors)
        found = (
            client.list_workflows(status="PENDING", executor_id=gone, load_input=False, load_output=False)
            if gone
            else []
        )
        self._cancel([workflow.workflow_id for workflow in found])
        return len(found)

    def drop(self, tickets: Iterable[Ticket]) -> None:
        """Do not deliver these any more; nothing happens to one that was delivered."""
        self._cancel([_workflow_id(ticket) for ticket in tickets])

    def prune(self, limit: int = _PAGE) -> int:
        """Delete the records of finished tickets; returns how many there were, at most `limit`."""
        client = self._open()
        ended = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
        found = client.list_workflows(status=ended, limit=limit, load_input=False, load_output=False)
        if found:
            client.delete_workflows([workflow.workflow_id for workflow in found])
        return len(found)

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.destroy()
                self._client = None
            self._engine.dispose()

    def _open(self) -> DBOSClient:
        with self._lock:
            if self._client is None:
                _quiet()
                with self._engine.connect():  # sets the journal mode before anybody else has the file open
                    pass
                # The client cannot make tables; a server may take uploads before the first worker ever ran.
                DBOS.migrate(self._url)
                self._client = DBOSClient(
                    system_database_engine=self._engine,
                    serializer=DBOSPortableJSONSerializer(),
                    application_name=_APPLICATION,
                )
            return self._client

    def _cancel(self, workflows: Sequence[str]) -> None:
        client = self._open()
        for start in range(0, len(workflows), _PAGE):
            client.cancel_workflows(list(workflows[start : start + _PAGE]))


class TicketRunner:
    """The side that takes tickets: calls `handle` in threads, at most `concurrency` at a time.

    One per process, because DBOS is. `executor` must never have been used before: equal names take each other's work.
    """

    def __init__(self, url: str, executor: str, handle: Callable[[Ticket], None], concurrency: int) -> None:
        self._url = url
        self._executor = executor
        self._handle = handle
        self._concurrency = concurrency
        self._engine: sa.Engine | None = None

    def start(self) -> None:
        """Begin to take tickets. No network is opened beyond the database."""
        _quiet()
        self._engine = _engine(self._url)
        config = DBOSConfig(
            name=_APPLICATION,
            system_database_engine=self._engine,
            application_version=TICKET_VERSION,
            executor_id=self._executor,
            serializer=DBOSPortableJSONSerializer(),
            use_listen_notify=False,
            enable_otlp=False,
            log_level="ERROR",
        )
        DBOS(config=config)

        @DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=MAX_ATTEMPTS)
        def ingest_document(job: str, number: int) -> None:
            self._handle(Ticket(job, number))

        DBOS.launch()
        DBOS.register_queue(
            _QUEUE,
            worker_concurrency=self._concurrency,
            polling_interval_sec=_POLL_SECONDS,
            on_conflict="always_update",
        )

    def stop(self, drain_seconds: int) -> None:
        """Take no more, then wait as long for `handle` to return where it runs."""
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=drain_seconds)
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


def _options(ticket: Ticket, delay_seconds: float) -> EnqueueOptions:
    options = EnqueueOptions(
        workflow_name=_WORKFLOW,
        queue_name=_QUEUE,
        workflow_id=_workflow_id(ticket),
        app_version=TICKET_VERSION,
    )
    options["priority"] = next(place for place, limit in enumerate(_SIZES, 1) if ticket.size < limit)
    if delay_seconds > 0:
        options["delay_seconds"] = delay_seconds
    return options


def _workflow_id(ticket: Ticket) -> str:
    """The first round bears the job's own id."""
    return ticket.job if ticket.round == 1 else f"{ticket.job}.{ticket.round}"


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True)
    if parsed.database:
        Path(parsed.database).resolve().parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed)
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
    connection.execute("PRAGMA journal_mode=WAL")
    # Job rows are the truth and are synced in full; what the queue loses in a power cut is handed out again.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _quiet() -> None:
    """DBOS logs through a handler of its own unless there is one; its errors belong into our log."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.propagate = True
        logger.setLevel(logging.ERROR)
