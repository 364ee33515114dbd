"""Answer events as the names and JSON objects of the wire contract; pure. Knows no HTTP and no connection."""

from collections.abc import Iterable
from typing import Any

from rag.events import (
    AnswerEvent,
    AnswerUsage,
    Citation,
    Delta,
    Done,
    Notice,
    Replace,
    Source,
    Sources,
    SourceSpan,
    Started,
    Verdict,
    Waiting,
)


def event_json(event: AnswerEvent) -> tuple[str, Any]:
    """(event name, JSON value) of one event."""
    match event:
        case Waiting():
            return "queued", {"position": event.position, "eta_seconds": event.eta_seconds}
        case Started():
            return "started", {
                "answer": event.answer,
                "conversation": event.conversation,
                "model": event.model,
                "question": event.question,
            }
        case Sources():
            return "sources", [source_json(source) for source in event.sources]
        case Notice():
            return "notice", notice_json(event)
        case Delta():
            return "delta", {"start": event.start, "text": event.text}
        case Citation():
            return "citation", citation_json(event)
        case Verdict():
            return "verdict", verdict_json(event)
        case Replace():
            return "replace", {"text": event.text, "reason": event.reason}
        case AnswerUsage():
            return "usage", usage_json(event)
        case Done():
            return "done", {
                "answer": event.answer,
                "status": event.status,
                "confidence": event.confidence,
                "trace": event.trace,
            }


def notice_json(notice: Notice) -> dict[str, Any]:
    """What should be known beside the answer."""
    return {
        "kind": notice.kind,
        "text": notice.text,
        "sources": list(notice.sources),
        "options": list(notice.options),
    }


def source_json(source: Source) -> dict[str, Any]:
    """A numbered passage; `page`, `line` and `heading` only where the document has them, `ocr` only where true."""
    shown: dict[str, Any] = {
        "n": source.n,
        "document": source.document,
        "version": source.version,
        "title": source.title,
        "start": source.start,
        "end": source.end,
        "text": source.text,
        "score": source.score,
        "url": source.url,
    }
    if source.page is not None:
        shown["page"] = source.page
    if source.line is not None:
        shown["line"] = source.line
    if source.recognised:
        shown["ocr"] = True
    if source.heading:
        shown["heading"] = source.heading
    return shown


def citation_json(citation: Citation) -> dict[str, Any]:
    """An answer span with the source spans that back it."""
    return {
        "start": citation.start,
        "end": citation.end,
        "sources": [_span_json(span) for span in citation.sources],
    }


def _span_json(span: SourceSpan) -> dict[str, Any]:
    shown: dict[str, Any] = {"n": span.n, "start": span.start, "end": span.end}
    if span.page is not None:
        shown["page"] = span.page
    return shown


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """What the verifier says of one sentence."""
    return {"start": verdict.start, "end": verdict.end, "verdict": verdict.verdict, "score": verdict.score}


def usage_json(usage: AnswerUsage) -> dict[str, Any]:
    """What an answer cost; `ms` is per stage."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "cost": usage.cost,
        "currency": usage.currency,
        "ms": dict(usage.ms),
    } | ({} if usage.grams_co2 is None else {"grams_co2": usage.grams_co2})


class Transcript:
    """An answer as it stands after the events so far: the law by which events become one object."""

    def __init__(self, events: Iterable[AnswerEvent] = ()) -> None:
        self.text = ""
        self.started: Started | None = None
        self.sources: tuple[Source, ...] = ()
        self.notices: list[Notice] = []
        self.citations: list[Citation] = []
        self.verdicts: list[Verdict] = []
        self.usage: AnswerUsage | None = None
        self.done: Done | None = None
        for event in events:
            self.take(event)

    def take(self, event: AnswerEvent) -> None:
        """Apply the next event. `Replace` voids the text, citations and verdicts before it."""
        match event:
            case Started():
                self.started = event
            case Sources(sources=sources):
                self.sources = sources
            case Notice():
                self.notices.append(event)
            case Delta(text=text):
                self.text += text
            case Citation():
                self.citations.append(event)
            case Verdict():
                self.verdicts.append(event)
            case Replace(text=text):
                self.text, self.citations, self.verdicts = text, [], []
            case AnswerUsage():
                self.usage = event
            case Done():
                self.done = event
            case Waiting():
                pass

    def json(self) -> dict[str, Any]:
        """The one object that `ask` gives without streaming."""
        started, done = self.started, self.done
        return {
            "answer": done.answer if done else started.answer if started else None,
            "conversation": started.conversation if started else None,
            "status": done.status if done else "stopped",
            "question": started.question if started else None,
            "text": self.text,
            "sources": [source_json(source) for source in self.sources],
            "notices": [notice_json(notice) for notice in self.notices],
            "citations": [citation_json(citation) for citation in self.citations],
            "verdicts": [verdict_json(verdict) for verdict in self.verdicts],
            "usage": usage_json(self.usage) if self.usage else None,
            "confidence": done.confidence if done else 0.0,
            "trace": done.trace if done else None,
            "model": started.model if started else None,
        }
