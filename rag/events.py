"""The typed events of an answer, in the words of the wire contract. Knows neither JSON nor HTTP.

All offsets are characters, half-open. Order: queued* started sources notice* (delta | citation | verdict | queued)*
replace? (citation | verdict)* usage done. An error ends the stream instead of `done`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["answered", "quoted", "abstained", "stopped"]
VerdictName = Literal["supported", "unsupported", "unverified"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """SSE event `queued`."""

    position: int
    eta_seconds: float


@dataclass(frozen=True, slots=True)
class Started:
    """The question was accepted and gets an answer."""

    answer: str
    conversation: str
    model: str
    question: str  # as rewritten for retrieval


@dataclass(frozen=True, slots=True)
class Source:
    """A numbered passage. `text == document.text[start:end]`."""

    n: int  # 1-based
    document: str
    version: int
    title: str
    page: int | None
    heading: str
    start: int
    end: int
    text: str
    score: float
    url: str  # of the page that shows it, relative to the server
    line: int | None = None  # of the file where the passage begins, from 1
    recognised: bool = False  # by OCR: the text may hold errors


@dataclass(frozen=True, slots=True)
class Sources:
    """What was found, before the first word."""

    sources: tuple[Source, ...]


NoticeKind = Literal["conflict", "partial", "clarify"]


@dataclass(frozen=True, slots=True)
class Notice:
    """What should be known beside the answer: sources disagree, a part is not answered, or what the question may mean.

    `options` are the parts that are not answered, or what may be meant.
    """

    kind: NoticeKind
    text: str
    sources: tuple[int, ...] = ()  # numbers of those that disagree
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the answer's text."""

    start: int  # offset in the answer's text
    text: str


@dataclass(frozen=True, slots=True)
class SourceSpan:
    """Where in source `n`'s document the support stands. Inside the source's own span."""

    n: int
    start: int
    end: int
    page: int | None


@dataclass(frozen=True, slots=True)
class Citation:
    """The answer's span [start, end) is backed by these source spans."""

    start: int
    end: int
    sources: tuple[SourceSpan, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well a sentence of the answer stands on its sources."""

    start: int
    end: int
    verdict: VerdictName
    score: float  # 0..1, larger is better supported


@dataclass(frozen=True, slots=True)
class Replace:
    """The text so far is withdrawn and this stands instead; citations and verdicts so far are void."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerUsage:
    """What the answer cost. `ms` is milliseconds per stage."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost: float
    currency: str
    ms: Mapping[str, float]  # queue, retrieve, evidence, verify, first_token, total
    grams_co2: float | None = None  # an estimate; None where none was asked for


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer that did not fail."""

    answer: str
    status: Status
    confidence: float  # 0..1
    trace: str  # the trace's id


AnswerEvent = Waiting | Started | Sources | Notice | Delta | Citation | Verdict | Replace | AnswerUsage | Done
