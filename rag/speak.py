"""Let a model speak from evidence, check each sentence, and quote the evidence where the text does not hold.

Knows no retrieval, no SQL and no particular model. A text is trusted in one of two ways (setting `answer.generated`):
`strict`: a sentence is shown once it was checked, and only if it follows the best evidence closely; the first that does
not ends the generation. `supported`: the text streams as it comes, and is replaced if too much of it is unsupported.
"""

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.embedder import Embedder
from index.embedder_serving import at_once
from rag.accept import Checked, follows_closely, long_enough, objection, refuses
from rag.cite import citation, match, sentences_of
from rag.compose import Quotation, quote
from rag.course import Course
from rag.events import AnswerEvent, Delta, Replace, Verdict, Waiting
from rag.evidence import fit_to_embedder
from rag.llm.generator import Finished, GenerationEvent, GenerationRequest, Generator, Queued, TextDelta, Usage
from rag.llm.router import PASSES_ON, escalation
from rag.prompt import Prompt, build_prompt
from rag.sanitize import Sanitizer
from rag.settings import Settings
from rag.verify import Verifier, verdict_of

logger = logging.getLogger(__name__)
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
STOPS = ("\nQuestion:", "\nNotes:")
SURE = 0.7  # evidence this good is quoted even when the model says that it cannot answer
NOTHING_FOUND = "The documents do not hold an answer to this question; the nearest passages are listed as sources."


class Runner(Protocol):
    """Runs blocking work on a thread."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]: ...


class Draft:
    """The clean text of a model as it grows, and how much of it was checked and shown."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.sanitizer = Sanitizer(
            "\n".join(item.text for item in prompt.evidence), frozenset(item.n for item in prompt.evidence)
        )
        self.text = ""
        self.shown_to = 0
        self.checked_to = 0
        self.pieces = 0
        self.ended = ""  # why the model is to be stopped; empty while it may go on
        self.embedded: NDArray[np.float32] | None = None  # (evidence, dimension), from the first check on

    def finished(self, *, last: bool) -> list[tuple[int, int]]:
        """Spans of sentences that cannot grow any more and were not given before."""
        begin = self.checked_to
        spans = [(start + begin, end + begin) for start, end in sentences_of(self.text[begin:])]
        done = spans if last else spans[:-1]
        if done:
            self.checked_to = done[-1][1]
        return done

    def show(self, end: int) -> Iterator[AnswerEvent]:
        """The text up to `end`, as far as it was not shown before."""
        if end > self.shown_to:
            yield Delta(self.shown_to, self.text[self.shown_to : end])
            self.shown_to = end

    def named(self, start: int, end: int) -> set[int]:
        """Sources that the model named inside or right behind the sentence."""
        return {number for offset, number in self.sanitizer.named if start < offset <= end}


class Speaker:
    """Turns a prompt into the events of a checked answer."""

    def __init__(self, embedder: Embedder, verifier: Verifier, settings: Settings, run: Runner) -> None:
        self._embedder = embedder
        self._verifier = verifier
        self._settings = settings
        self._run = run

    async def speak(self, course: Course, generator: Generator) -> AsyncGenerator[AnswerEvent, None]:
        """Deltas, citations and verdicts; then a replacement if need be. Sets the status of the course.

        With the policy `by-confidence` the second model is asked where what the first says does not hold.
        """
        generator, second = escalation(generator)
        if second is not None:
            course.trace.model = generator.name
        draft = await self._draft(course, generator)
        strict = self.is_strict(generator)
        async with aclosing(self._generate(course, generator, draft, strict=strict)) as events:
            async for event in events:
                yield event
        course.trace.generated = draft.text
        course.trace.removed, course.trace.invented_markers = draft.sanitizer.removed, draft.sanitizer.invented
        if course.stop_asked():
            return
        confidence = course.confidence
        settled = list(self._settle(course, draft, strict=strict))
        if second is not None and course.status != "answered":
            kept = replace(course.trace), course.status, course.confidence
            course.confidence, course.trace.checked, course.trace.usage, spoken = confidence, (), None, False
            try:
                async with aclosing(self._escalated(course, second)) as events:
                    async for event in events:
                        spoken = True
                        yield event
                return
            except PASSES_ON as error:
                if spoken:
                    raise
                logger.info("%s was to speak in place of %s and cannot (%s)", second.name, generator.name, error)
                course.trace, course.status, course.confidence = kept
        for event in settled:
            yield event

    async def _escalated(self, course: Course, second: Generator) -> AsyncGenerator[AnswerEvent, None]:
        """The whole of another model's answer, in place of what was said before."""
        course.trace.model = second.name
        async with aclosing(self.speak(course, second)) as events:
            async for event in events:
                if course.text and isinstance(event, Delta) and event.start == 0:
                    yield Replace("", "the first model's answer does not hold; another one is asked")
                yield event

    def is_strict(self, generator: Generator) -> bool:
        """Whether this model's text is shown only where it follows the best evidence closely."""
        trust = self._settings.answer_generated
        return trust == "strict" or (trust == "auto" and generator.local)

    async def _draft(self, course: Course, generator: Generator) -> Draft:
        most = course.ask.max_tokens or self._settings.answer_max_tokens
        course.trace.prompt = prompt = await self._run(
            lambda: build_prompt(
                course.question,
                course.trace.chosen,
                generator.count_tokens,
                context_tokens=generator.context_tokens,
                max_tokens=most,
            )
        )
        course.trace.chosen = prompt.evidence
        return Draft(prompt)

    async def _generate(
        self, course: Course, generator: Generator, draft: Draft, *, strict: bool
    ) -> AsyncGenerator[AnswerEvent, None]:
        trace = course.trace
        request = GenerationRequest(
            draft.prompt.messages,
            course.ask.max_tokens or self._settings.answer_max_tokens,
            self._settings.answer_temperature,
            stop=STOPS,
            tenant=course.ask.tenant,
            background=course.ask.background,
        )
        began = time.perf_counter()
        async with aclosing(course.until_stopped(generator.stream(request))) as stream:
            async for event in stream:
                if isinstance(event, Queued):
                    trace.ms["queue"] = (time.perf_counter() - began) * 1000
                    yield Waiting(event.position, event.eta_seconds)
                async for checked in self._take(course, draft, event, strict=strict):
                    yield checked
                if draft.ended:
                    trace.finish = draft.ended
                    break
        if trace.usage is None:
            trace.usage = Usage(draft.prompt.tokens, 0, draft.pieces)
        if course.stop_asked() or draft.ended:
            return
        draft.text += draft.sanitizer.finish()
        async for checked in self._check(course, draft, strict=strict, last=True):
            yield checked

    async def _take(
        self, course: Course, draft: Draft, event: GenerationEvent, *, strict: bool
    ) -> AsyncGenerator[AnswerEvent, None]:
        """One event of the model."""
        if isinstance(event, Finished):
            course.trace.finish, course.trace.usage = event.reason, event.usage
            course.trace.model = event.model or course.trace.model
        if not isinstance(event, TextDelta):
            return
        draft.pieces += 1
        piece = draft.sanitizer.feed(event.text)
        if not piece:
            return
        draft.text += piece
        async for checked in self._check(course, draft, strict=strict, last=False):
            yield checked
        if not draft.ended and long_enough(draft.text[: draft.checked_to], len(course.trace.checked)):
            draft.ended = "long enough"

    async def _check(
        self, course: Course, draft: Draft, *, strict: bool, last: bool
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Show what may be shown; a citation and a verdict for each sentence that has ended."""
        if not strict:
            for event in draft.show(len(draft.text)):
                yield event
        for start, end in draft.finished(last=last):
            began = time.perf_counter()
            checked = await self._judged(course, draft, start, end)
            ms = course.trace.ms
            ms["verify"] = ms.get("verify", 0.0) + (time.perf_counter() - began) * 1000
            course.trace.checked = (*course.trace.checked, checked)
            if strict and not follows_closely(course.question, checked, draft.prompt.evidence[0]):
                draft.ended = "a sentence does not follow the best evidence"
                return
            for event in draft.show(end):
                yield event
            cited = citation(start, end, [found.evidence for found in checked.matches], course.sources)
            if cited and checked.verdict.verdict != "unsupported":
                yield cited
            yield checked.verdict

    def _judged(self, course: Course, draft: Draft, start: int, end: int) -> Awaitable[Checked]:
        return self._run(lambda: self._judge(course, draft, start, end))

    def _judge(self, course: Course, draft: Draft, start: int, end: int) -> Checked:
        sentence, evidence = draft.text[start:end], draft.prompt.evidence
        embedder = at_once(self._embedder)
        if draft.embedded is None:
            draft.embedded = embedder.embed([fit_to_embedder(embedder, item.text) for item in evidence])
        cosines = draft.embedded @ embedder.embed([fit_to_embedder(embedder, sentence)])[0]
        matches = match(sentence, evidence, cosines.tolist(), draft.named(start, end))
        backing = [found.evidence for found in matches] or evidence
        premises = ["\n".join(part for part in (item.heading, item.header, item.text) if part) for item in backing]
        support = self._verifier.support(sentence, premises, course.question)
        verdict, score = verdict_of(support, self._settings.answer_support_threshold)
        return Checked(sentence, tuple(matches), Verdict(start, end, verdict, score))

    def _settle(self, course: Course, draft: Draft, *, strict: bool) -> Iterator[AnswerEvent]:
        """Let the shown text stand, or put the quoted evidence in its place."""
        trace = course.trace
        stands = [item for item in trace.checked if item.verdict.end <= draft.shown_to]
        trace.objection = objection(course.question, stands, trace.chosen[0].score) or ""
        if not trace.objection:
            course.status = "answered"
            course.confidence *= sum(item.verdict.score for item in stands) / len(stands)
            return
        if strict and draft.ended and not stands:
            trace.objection = draft.ended
        if refuses(draft.text) and course.confidence < SURE:
            course.status, course.confidence = "abstained", 1.0 - course.confidence
            yield from _instead(course, NOTHING_FOUND, "the model found no answer in the evidence")
            return
        course.status = "quoted"
        yield from quoted_events(course, quote(trace.chosen), trace.objection)


def quoted_events(course: Course, quotation: Quotation, reason: str = "") -> Iterator[AnswerEvent]:
    """The quotation as the whole text, each part cited; `reason` says why it stands instead of what was shown."""
    yield from _instead(course, quotation.text, reason)
    for part in quotation.parts:
        cited = citation(part.start, part.end, [part.evidence], course.sources)
        if cited:
            yield cited
        yield Verdict(part.start, part.end, "supported", 1.0)


def _instead(course: Course, text: str, reason: str) -> Iterator[AnswerEvent]:
    """The text, as the first words where nothing was shown before."""
    yield Replace(text, reason) if course.text else Delta(0, text)
