"""Why an answer became what it is, as plain JSON values. Knows no SQL and no HTTP; decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rag.accept import Checked
from rag.events import Notice
from rag.evidence import Answerability, Evidence
from rag.llm.generator import Message, Usage
from rag.prompt import Prompt
from rag.retrieve import Retrieved

MOST_EVIDENCE = 20


@dataclass(frozen=True, slots=True)
class PartTrace:
    """One of several things that were asked, and how likely its evidence answers."""

    question: str
    score: float


@dataclass
class Trace:
    """Filled in while the answer is made; `record` gives it as JSON values."""

    question: str
    rewritten: str
    earlier: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    retrieved: Retrieved | None = None
    parts: Sequence[PartTrace] = ()  # of a question that asks several things
    ranked: Sequence[Evidence] = ()
    chosen: Sequence[Evidence] = ()
    answerability: Answerability | None = None
    decision: str = ""
    notices: Sequence[Notice] = ()
    prompt: Prompt | None = None
    model: str = ""
    generated: str = ""  # the text as it stood before it was replaced
    finish: str = ""
    usage: Usage | None = None
    checked: Sequence[Checked] = ()
    objection: str = ""
    invented_markers: int = 0
    removed: Sequence[str] = ()
    ms: dict[str, float] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """JSON values, whole enough to judge and replay the answer."""
        return {
            "question": self.question,
            "rewritten": self.rewritten,
            "earlier": list(self.earlier),
            "settings": dict(self.settings),
            "retrieval": _retrieval(self.retrieved),
            "parts": [asdict(part) for part in self.parts],
            "evidence": [_evidence(item, item in self.chosen) for item in self.ranked[:MOST_EVIDENCE]],
            "answerability": asdict(self.answerability) if self.answerability else None,
            "decision": self.decision,
            "notices": [asdict(notice) for notice in self.notices],
            "prompt": _prompt(self.prompt),
            "model": self.model,
            "generated": self.generated,
            "finish": self.finish,
            "usage": asdict(self.usage) if self.usage else None,
            "sentences": [_sentence(item) for item in self.checked],
            "objection": self.objection,
            "invented_markers": self.invented_markers,
            "removed": list(self.removed),
            "ms": {name: round(value, 2) for name, value in self.ms.items()},
        }


def _retrieval(retrieved: Retrieved | None) -> dict[str, Any] | None:
    if retrieved is None:
        return None
    return {
        "applied_seq": retrieved.applied_seq,
        "subjects": list(retrieved.subjects),
        "candidates": [
            {
                "n": n,
                "chunk": passage.chunk,
                "document": passage.document,
                "version": passage.version,
                "start": passage.start,
                "end": passage.end,
                "score": passage.score,
                "stages": dict(passage.stages),
            }
            for n, passage in enumerate(retrieved.passages, start=1)
        ],
        "dropped": [item._asdict() for item in retrieved.dropped],
        "ms": dict(retrieved.ms),
    }


def _evidence(item: Evidence, chosen: bool) -> dict[str, Any]:
    return {**asdict(item), "features": {k: round(v, 4) for k, v in item.features.items()}, "chosen": chosen}


def _prompt(prompt: Prompt | None) -> dict[str, Any] | None:
    if prompt is None:
        return None
    return {
        "messages": [_message(message) for message in prompt.messages],
        "tokens": prompt.tokens,
        "left_out": [{"n": item.n, "start": item.start, "end": item.end} for item in prompt.left_out],
    }


def _message(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _sentence(item: Checked) -> dict[str, Any]:
    return {
        "start": item.verdict.start,
        "end": item.verdict.end,
        "text": item.text,
        "verdict": item.verdict.verdict,
        "score": item.verdict.score,
        "matches": [
            {"n": m.evidence.n, "start": m.evidence.start, "end": m.evidence.end, "score": round(m.score, 4)}
            for m in item.matches
        ],
    }
