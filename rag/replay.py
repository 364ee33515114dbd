"""Ask an old question again under the conditions its trace kept, and say what differs. Pure: asks nothing itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.course import Ask
from rag.events import Citation, Source
from rag.history_values import AnswerRecord


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came out otherwise, in words and as plain values."""

    what: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """What of an answer is compared. `cited` are (document, start, end)."""

    status: str
    text: str
    model: str
    sources: tuple[str, ...]
    cited: tuple[tuple[str, int, int], ...]
    evidence: float


def ask_again(record: AnswerRecord, trace: Mapping[str, Any]) -> Ask:
    """The same question with the same settings. The corpus and the models are those of today."""
    settings = trace.get("settings", {})
    return Ask(
        record.question,
        record.collections,
        model=record.model or None,
        mode=record.mode,  # type: ignore[arg-type]  # as it was asked
        k=settings.get("k"),
        max_tokens=settings.get("max_tokens"),
        earlier=tuple(trace.get("earlier", ())),
        evidence_threshold=settings.get("evidence_threshold"),
    )


def outcome_of(record: AnswerRecord, trace: Mapping[str, Any]) -> Outcome:
    """What an answer came to."""
    judged = trace.get("answerability") or {}
    return Outcome(
        record.status,
        record.text,
        record.model,
        tuple(source.document for source in record.sources),
        cited_places(record.sources, record.citations),
        round(float(judged.get("score", 0.0)), 4),
    )


def cited_places(sources: Sequence[Source], citations: Sequence[Citation]) -> tuple[tuple[str, int, int], ...]:
    """The spans that citations point at, each once, in the order of the answer."""
    documents = {source.n: source.document for source in sources}
    spans = ((documents[s.n], s.start, s.end) for citation in citations for s in citation.sources if s.n in documents)
    return tuple(dict.fromkeys(spans))


def differences(before: Outcome, after: Outcome) -> tuple[Difference, ...]:
    """What came out otherwise; empty when the answer is the same to the letter."""
    pairs = (
        ("status", before.status, after.status),
        ("text", before.text, after.text),
        ("model", before.model, after.model),
        ("sources", before.sources, after.sources),
        ("cited spans", before.cited, after.cited),
        ("evidence score", before.evidence, after.evidence),
    )
    return tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2])
