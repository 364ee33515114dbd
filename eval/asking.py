"""Asks the service as a user does and keeps what it said. Knows no right answer."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from rag.answer import Ask
from rag.app import App
from rag.events import AnswerUsage, Citation, Delta, Done, Replace, Source, Sources, Started, Status, Verdict

Outcome = Status | Literal["crashed"]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Asked:
    """An answer as it stood at the end of its stream. `seconds` is wall time from question to last event."""

    question: str
    outcome: Outcome = "crashed"
    text: str = ""
    model: str = ""
    sources: tuple[Source, ...] = ()
    citations: list[Citation] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    confidence: float = 0.0
    seconds: float = 0.0
    error: str = ""
    evidence: float = -1.0  # the score that decided whether to answer; -1 where there is none
    usage: AnswerUsage | None = None

    @property
    def said_something(self) -> bool:
        """Whether a person would take it for an answer."""
        return self.outcome in ("answered", "quoted", "stopped")


async def ask_all(
    app: App,
    asks: Sequence[Ask],
    *,
    parallel: int = 1,
    answered: Callable[[int, Asked], None] = lambda _place, _answer: None,
) -> list[Asked]:
    """Ask every question, at most `parallel` at a time; answers in the order of the questions.

    `answered` hears of each answer at once, with its place, in a thread beside the event loop: it may write.
    """
    places = asyncio.Semaphore(parallel)

    async def one(place: int, ask: Ask) -> Asked:
        async with places:
            answer = await ask_once(app, ask)
            await asyncio.to_thread(answered, place, answer)
            return answer

    return await asyncio.gather(*(one(place, ask) for place, ask in enumerate(asks)))


async def ask_once(app: App, ask: Ask) -> Asked:
    """One question to its end. An error ends as the outcome `crashed` with what was said so far left out."""
    answer = Asked(ask.question)
    began = time.perf_counter()
    try:
        async with aclosing(app.answerer.answer(ask)) as events:
            async for event in events:
                _take(answer, event)
                if isinstance(event, Done):
                    judged = (await asyncio.to_thread(app.history.trace, event.trace)).get("answerability")
                    answer.evidence = float(judged["score"]) if judged else 0.0
    except Exception as error:
        # Whatever failed, the question was asked: the case scores zero and is counted.
        logger.exception("the question %r crashed", ask.question)
        answer = Asked(ask.question, error=f"{type(error).__name__}: {error}")
    answer.seconds = time.perf_counter() - began
    return answer


def _take(answer: Asked, event: object) -> None:
    match event:
        case Started():
            answer.model = event.model
        case Sources():
            answer.sources = event.sources
        case Delta():
            answer.text = answer.text[: event.start] + event.text
        case Replace():
            answer.text, answer.citations, answer.verdicts = event.text, [], []
        case Citation():
            answer.citations.append(event)
        case Verdict():
            answer.verdicts.append(event)
        case AnswerUsage():
            answer.usage = event
        case Done():
            answer.outcome, answer.confidence = event.status, event.confidence
