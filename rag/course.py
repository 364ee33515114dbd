"""One answer on its way: what was said so far, and how it is stopped. Knows no retrieval, no model, no SQL."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast

from index.filters import Filters
from rag.carbon import Carbon
from rag.events import (
    AnswerEvent,
    AnswerUsage,
    Citation,
    Delta,
    Notice,
    Replace,
    Source,
    Sources,
    Status,
    Verdict,
)
from rag.history_values import Begun, Ending
from rag.llm.generator import Generator
from rag.prices import Prices
from rag.trace import Trace

T = TypeVar("T")
Mode = Literal["auto", "quote", "search"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question. `collections` are ids; `k` passages and `max_tokens` default to the settings.

    Modes: `auto` lets the model speak from the evidence, `quote` answers with the evidence itself, `search` gives the
    sources alone. `tenant` owns the conversation and salts the model's caches; `credential` is the API key (id) that
    asks. `earlier` are the questions before this one, oldest first, from a client that keeps the conversation itself.
    `evidence_threshold` decides instead of that of the settings and the collections.
    """

    question: str
    collections: tuple[str, ...]
    conversation: str | None = None
    model: str | None = None
    mode: Mode = "auto"
    filters: Filters | None = None
    k: int | None = None
    max_tokens: int | None = None
    tenant: str = ""
    credential: str = ""
    earlier: tuple[str, ...] = ()
    background: bool = False
    evidence_threshold: float | None = None


@dataclass
class Course:
    """What is said is said through `say`, so that what is stored is what was streamed."""

    ask: Ask
    question: str  # as rewritten; once decided, what of it can be answered
    parts: tuple[str, ...]  # what it asks, one thing each
    begun: Begun
    generator: Generator | None  # None when no model is to speak
    empty: str  # the names of the collections when none of them has a document; else empty
    trace: Trace
    text: str = ""
    sources: tuple[Source, ...] = ()
    citations: list[Citation] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    status: Status | Literal["failed"] = "stopped"
    confidence: float = 0.0
    error: str = ""
    stored: bool = False
    prices: Prices = field(default_factory=Prices)
    carbon: Carbon = field(default_factory=Carbon)
    began: float = field(default_factory=time.perf_counter)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def say(self, event: AnswerEvent) -> AnswerEvent:
        """Keep what the event says and hand it on."""
        if isinstance(event, Delta):
            self.text += event.text
            self.trace.ms.setdefault("first_token", self.milliseconds())
        elif isinstance(event, Sources):
            self.sources = event.sources
        elif isinstance(event, Notice):
            self.trace.notices = (*self.trace.notices, event)
        elif isinstance(event, Citation):
            self.citations.append(event)
        elif isinstance(event, Verdict):
            self.verdicts.append(event)
        elif isinstance(event, Replace):
            self.text = event.text
            self.citations.clear()
            self.verdicts.clear()
        return event

    def milliseconds(self) -> float:
        """Since the question came."""
        return (time.perf_counter() - self.began) * 1000

    def stop(self) -> None:
        """Ask for an end, from any thread; again is harmless."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def stop_asked(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    async def until_stopped(self, stream: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """The stream's events until it ends or a stop is asked for; the stream is closed in every case."""
        stop = asyncio.ensure_future(self._stop.wait())
        step: asyncio.Future[T] | None = None
        try:
            while not self.stop_asked():
                step = asyncio.ensure_future(anext(stream))
                await asyncio.wait({step, stop}, return_when=asyncio.FIRST_COMPLETED)
                if not step.done():
                    return
                try:
                    event = step.result()
                except StopAsyncIteration:
                    return
                yield event
        finally:
            stop.cancel()
            if step is not None and not step.done():
                step.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await step
            await cast("AsyncGenerator[T, None]", stream).aclose()

    def usage(self) -> AnswerUsage:
        """Tokens and times so far, in milliseconds."""
        used = self.trace.usage
        ms = {name: self.trace.ms.get(name, 0.0) for name in ("queue", "retrieve", "evidence", "verify", "first_token")}
        self.trace.ms["total"] = ms["total"] = self.milliseconds()
        return AnswerUsage(
            prompt_tokens=used.prompt_tokens if used else 0,
            cached_tokens=used.cached_tokens if used else 0,
            completion_tokens=used.completion_tokens if used else 0,
            cost=self.prices.cost(self.trace.model, used) if used else 0.0,
            currency=self.prices.currency,
            ms={name: round(value, 1) for name, value in ms.items()},
            grams_co2=self._grams_co2(ms["total"] - ms["queue"]),
        )

    def _grams_co2(self, worked: float) -> float | None:
        """`worked` in milliseconds."""
        used = self.trace.usage
        remote = ":" in self.trace.model and used is not None
        return self.carbon.grams(worked / 1000, used.prompt_tokens + used.completion_tokens if remote and used else 0)

    def ending(self) -> Ending:
        """What is to be stored."""
        return Ending(
            status=self.status,
            text=self.text,
            sources=self.sources,
            citations=self.citations,
            verdicts=self.verdicts,
            usage=self.usage(),
            confidence=self.confidence,
            trace=self.trace.record(),
            error=self.error,
            model=self.trace.model,
        )
