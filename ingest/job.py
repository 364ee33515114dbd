"""Jobs as plain values. Knows no SQL, no queue and no parser."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from index.rows import Outcome

JobState = Literal["queued", "parsing", "embedding", "committing", "done", "failed", "cancelled", "paused"]

STATES: tuple[JobState, ...] = get_args(JobState)
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")
PAUSED: JobState = "paused"  # neither ended nor given to a worker
UNENDED: tuple[JobState, ...] = tuple(state for state in STATES if state not in (*ENDED, PAUSED))
PAUSABLE: tuple[JobState, ...] = ("queued", "parsing", "embedding")
CANCELLABLE: tuple[JobState, ...] = (*PAUSABLE, PAUSED)
RETRYABLE: tuple[JobState, ...] = ("failed", "cancelled")

MAX_ATTEMPTS = 3
_LONGEST_NAME = 1000  # characters


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job as people see it. Totals are 0 until they are known; `report` is empty until the job is done."""

    id: str
    collection: str
    batch: str | None
    name: str
    state: JobState
    size: int  # bytes
    pages_done: int
    pages_total: int
    chunks_done: int
    chunks_total: int
    attempts: int
    reason: str | None  # "encrypted-document": the error's class, for programs
    error: str | None  # one line, for people
    document: str | None
    outcome: Outcome | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    report: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)  # metadata that the document is to bear

    def speed(self, now: datetime) -> float | None:
        """Chunks per second since the start, while chunks are embedded."""
        if self.state != "embedding" or self.started_at is None or not self.chunks_done:
            return None
        return self.chunks_done / max((now - self.started_at).total_seconds(), 0.001)

    def seconds_left(self, now: datetime) -> float | None:
        """Until the chunks are embedded, as far as can be told."""
        speed = self.speed(now)
        return None if speed is None else (self.chunks_total - self.chunks_done) / speed


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """How far a batch is: jobs per state (states without jobs are left out)."""

    id: str
    collection: str
    created_at: datetime
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def ended(self) -> bool:
        return all(self.counts.get(state, 0) == 0 for state in (*UNENDED, PAUSED))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one document is. Totals are 0 until they are known."""

    stage: Literal["parsing", "embedding", "committing"]
    pages_done: int = 0
    pages_total: int = 0
    chunks_done: int = 0
    chunks_total: int = 0


@dataclass(frozen=True, slots=True)
class Ticket:
    """One handing of a job to the queue. A ticket is delivered at least once; its job honours only the newest round.

    `size` of the file in bytes decides who is served first; it is no part of what the ticket is.
    """

    job: str
    round: int
    size: int = field(default=0, compare=False)


def reason_of(error: BaseException) -> str:
    """`EncryptedDocument` -> "encrypted-document"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", type(error).__name__).lower()


def one_line(error: BaseException) -> str:
    """The message of an error on one line; an empty message gives the class."""
    return " ".join(str(error).split()) or type(error).__name__


def clean_name(name: str) -> str:
    """A file's name or relative path, fit to show and to compare: composed Unicode, forward slashes, no control
    characters, no empty, `.` or `..` parts, at most 1000 characters (the end is kept, for the file type).
    """
    flat = unicodedata.normalize("NFC", name).replace("\\", "/")
    visible = "".join(c for c in flat if unicodedata.category(c) not in ("Cc", "Cs"))
    parts = [part.strip() for part in visible.split("/")]
    return "/".join(part for part in parts if part not in ("", ".", ".."))[-_LONGEST_NAME:] or "unnamed"
