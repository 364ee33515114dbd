"""What conversations and answers are, as values. Knows no row, no database and no way to make an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from rag.events import AnswerUsage, Citation, Notice, Source, Status, Verdict

StoredStatus = Literal["running", "answered", "quoted", "abstained", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """One line of the list of conversations."""

    id: str
    title: str
    answers: int
    created_at: datetime
    updated_at: datetime
    pinned: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an answer is; empty without accounts. `shared`: whoever has the link may read its conversation."""

    tenant: str
    shared: bool


@dataclass(frozen=True, slots=True)
class ConversationChange:
    """What shall be otherwise; None leaves it."""

    title: str | None = None
    pinned: bool | None = None
    shared: bool | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What a follow-up question needs to know of an earlier one."""

    question: str
    rewritten: str
    collections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """An answer as stored. Without a status of its own end it is still running, or its process died."""

    id: str
    conversation: str
    question: str
    rewritten: str
    collections: tuple[str, ...]
    mode: str
    model: str
    status: StoredStatus
    text: str
    sources: tuple[Source, ...]
    citations: tuple[Citation, ...]
    verdicts: tuple[Verdict, ...]
    notices: tuple[Notice, ...]
    usage: AnswerUsage | None
    confidence: float
    trace_id: str
    error: str
    created_at: datetime
    finished_at: datetime | None

    @property
    def documents(self) -> frozenset[str]:
        """The ids of the documents that it shows passages of."""
        return frozenset(source.document for source in self.sources)


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """A conversation with its answers, oldest first. `tenant` is whose it is.

    `earlier` is the cursor of what was said before these answers, None when that is nothing.
    """

    info: ConversationInfo
    tenant: str
    answers: tuple[AnswerRecord, ...]
    earlier: str | None = None


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """What is known when an answer begins. A conversation of None begins a new one."""

    question: str
    rewritten: str
    collections: tuple[str, ...]
    mode: str
    model: str
    conversation: str | None = None
    tenant: str = ""
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """The ids of an answer that has begun."""

    answer: str
    conversation: str
    trace: str


@dataclass(frozen=True, slots=True)
class Ending:
    """What an answer ended as."""

    status: Status | Literal["failed"]
    text: str
    sources: Sequence[Source]
    citations: Sequence[Citation]
    verdicts: Sequence[Verdict]
    usage: AnswerUsage | None
    confidence: float
    trace: Mapping[str, Any]
    error: str = ""
    model: str = ""  # who spoke, where it was not certain before
