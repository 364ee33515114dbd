"""From a question to the stream of its answer: retrieve, find evidence, decide, generate, cite, verify, or quote.

Knows no HTTP, no particular model and no SQL. Blocking work runs on a few threads of its own, never on the event loop.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from index.catalog import Catalog, CollectionInfo
from index.embedder import Embedder
from index.errors import FootnoteError
from rag.calibration import packaged
from rag.carbon import Carbon
from rag.collection_rules import evidence_threshold
from rag.compose import quote
from rag.course import Ask, Course
from rag.decide import Decision, decide
from rag.errors import BadRequest, EgressDenied, NoSuchAnswer, QueueFull
from rag.events import AnswerEvent, Delta, Done, Sources, Started
from rag.evidence import AnswerabilityJudge, EvidenceScorer, FeatureJudge, FeatureScorer
from rag.history import History
from rag.history_values import NewAnswer
from rag.llm.generator import Generator
from rag.llm.router import only_local, redacted
from rag.parts import parts_of
from rag.prices import Prices
from rag.reading import Reader
from rag.retrieve import PassageSearch, retrieve
from rag.rewrite import background, rewrite
from rag.settings import Settings
from rag.speak import NOTHING_FOUND, Speaker, quoted_events
from rag.trace import PartTrace, Trace
from rag.verify import FeatureVerifier, Verifier

__all__ = ["Answerer", "Ask", "Grounding"]

T = TypeVar("T")
MOST_RUNNING = 256
THREADS = 2
LONGEST_QUESTION = 4_000
MOST_PASSAGES = 50
MOST_EARLIER = 8


class ModelRoom(Protocol):
    """What answering needs of `rag.llm.registry.Models`."""

    def get(self, name: str | None) -> Generator: ...


@dataclass(frozen=True, slots=True)
class Grounding:
    """The three judgements that can be swapped, each behind its protocol."""

    scorer: EvidenceScorer
    judge: AnswerabilityJudge
    verifier: Verifier

    @classmethod
    def packaged(cls, embedder: Embedder, reader: Reader | None = None) -> "Grounding":
        """The judgements with the weights that come with Footnote; without a reader by features of words alone."""
        read = reader is not None
        return cls(
            FeatureScorer(embedder, packaged("evidence", reader=read), reader),
            FeatureJudge(packaged("decision", reader=read)),
            FeatureVerifier(packaged("support", reader=read), reader),
        )


class Answerer:
    """Answers questions. One per process; safe for many answers at a time on one event loop."""

    def __init__(
        self,
        searcher: PassageSearch,
        catalog: Catalog,
        embedder: Embedder,
        models: ModelRoom,
        history: History,
        settings: Settings,
        grounding: Grounding | None = None,
    ) -> None:
        self._searcher = searcher
        self._catalog = catalog
        self._embedder = embedder
        self._models = models
        self._history = history
        self._settings = settings
        self._prices = Prices.read(settings.price_models, settings.price_currency)
        self._carbon = Carbon.by(settings)
        self.grounding = grounding or Grounding.packaged(embedder)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="grounding")
        self._speaker = Speaker(embedder, self.grounding.verifier, settings, self._run)
        self._courses: dict[str, Course] = {}
        self._places = 0

    async def answer(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        """The answer's events in the order of `rag/events.py`, `Done` last.

        Errors of the question itself come before the first event: BadRequest, NoSuchCollection, NoSuchConversation,
        NoSuchModel, ModelUnavailable, EgressDenied, QueueFull. Later errors (GenerationFailed and others) end the
        stream; the text so far is stored. Closing the iterator, or cancelling its task, ends the generation and stores
        the answer as stopped.
        """
        with self._place():
            course = await self._begin(ask)
            self._courses[course.begun.answer] = course
            try:
                async with aclosing(self._events(course)) as events:
                    async for event in events:
                        yield course.say(event)
                yield course.usage()
                await self._store(course)
                begun = course.begun
                yield Done(begun.answer, course.status, course.confidence, begun.trace)  # type: ignore[arg-type]
            except Exception as error:
                course.status = "failed"
                course.error = (
                    str(error) if isinstance(error, FootnoteError) else f"internal error ({type(error).__name__})"
                )
                raise
            finally:
                del self._courses[course.begun.answer]
                if not course.stored:
                    course.status = "failed" if course.status == "failed" else "stopped"
                    await asyncio.shield(self._store(course))

    def stop(self, answer: str) -> None:
        """End an answer in progress: its stream says what it has, then `Done` with `stopped`. Raises NoSuchAnswer."""
        course = self._courses.get(answer)
        if course is None:
            raise NoSuchAnswer(f"answer {answer!r} is not in progress; it has ended or never was")
        course.stop()

    def close(self) -> None:
        """Stop what runs and end the threads."""
        for course in list(self._courses.values()):
            course.stop()
        self._threads.shutdown(wait=True)

    # The stages

    async def _events(self, course: Course) -> AsyncGenerator[AnswerEvent, None]:
        begun = course.begun
        name = course.generator.name if course.generator else ""
        yield Started(begun.answer, begun.conversation, name, course.question)
        await self._find(course)
        yield Sources(course.trace.retrieved.sources if course.trace.retrieved else ())
        if course.stop_asked():
            return
        if course.ask.mode == "search":
            course.status, course.trace.decision = "quoted", "search only: the sources are the answer"
            course.confidence = 0.0
            return
        decision = await self._decide(course)
        for notice in decision.notices:
            yield notice
        if not decision.answers:
            course.status = "abstained"
            yield Delta(0, _abstention(course, decision))
            return
        if course.stop_asked():
            return
        if course.generator is None or (decision.needs_several and self._speaker.is_strict(course.generator)):
            why = "as asked" if course.generator is None else "as one piece of it cannot be the whole answer"
            course.trace.decision = f"the evidence is quoted, {why}"
            course.status = "quoted"
            for event in quoted_events(course, quote(course.trace.chosen)):
                yield event
            return
        async with aclosing(self._speaker.speak(course, course.generator)) as events:
            async for event in events:
                yield event

    async def _begin(self, ask: Ask) -> Course:
        infos, generator, earlier = await self._run(lambda: self._check(ask))
        threshold = ask.evidence_threshold
        if threshold is None:
            threshold = evidence_threshold(infos, self._settings.answer_evidence_threshold)
        question = await self._run(lambda: self._standing_alone(ask, earlier))
        new = NewAnswer(
            question=ask.question,
            rewritten=question,
            collections=ask.collections,
            mode=ask.mode,
            model=generator.name if generator else "",
            conversation=ask.conversation,
            tenant=ask.tenant,
            credential=ask.credential,
        )
        begun = await self._run(lambda: self._history.begin(new))
        empty = "" if any(info.documents for info in infos) else ", ".join(f"“{info.name}”" for info in infos)
        settings = {
            "k": ask.k or self._settings.answer_passages,
            "max_tokens": ask.max_tokens or self._settings.answer_max_tokens,
            "temperature": self._settings.answer_temperature,
            "evidence_threshold": threshold,
            "support_threshold": self._settings.answer_support_threshold,
        }
        trace = Trace(ask.question, question, earlier, settings, model=new.model)
        parts, prices, carbon = parts_of(question), self._prices, self._carbon
        return Course(ask, question, parts, begun, generator, empty, trace, prices=prices, carbon=carbon)

    def _standing_alone(self, ask: Ask, earlier: Sequence[str]) -> str:
        """The question as retrieval sees it: with what it leans on, and its mistyped words put right."""
        question = rewrite(ask.question, earlier)
        return self._searcher.spelled(question, collections=ask.collections, filters=ask.filters)

    def _check(self, ask: Ask) -> tuple[list[CollectionInfo], Generator | None, list[str]]:
        """Everything that can be wrong with a question before it costs anything."""
        _check_fields(ask)
        infos = [self._catalog.collection(name) for name in ask.collections]
        turns = self._history.turns(ask.conversation, ask.tenant) if ask.conversation else ()
        generator = self._models.get(_model_for(ask.model, infos)) if ask.mode == "auto" else None
        if generator is not None and not generator.local:
            generator = _within_egress(generator, infos)
        # Words of a question about other collections stay with them.
        earlier = [turn.rewritten for turn in turns if set(turn.collections) == set(ask.collections)]
        return infos, generator, [*_rewritten(ask.earlier), *earlier]

    async def _find(self, course: Course) -> None:
        began = time.perf_counter()
        ask, k = course.ask, course.ask.k or self._settings.answer_passages
        course.trace.retrieved = await self._run(
            lambda: retrieve(
                self._searcher, course.parts, ask.collections, k, ask.filters, background(course.trace.earlier)
            )
        )
        course.trace.ms["retrieve"] = (time.perf_counter() - began) * 1000

    async def _decide(self, course: Course) -> Decision:
        """Rank the evidence and decide whether it can answer."""
        began = time.perf_counter()
        trace = course.trace
        passages, subjects = (trace.retrieved.passages, trace.retrieved.subjects) if trace.retrieved else ((), ())
        least = float(trace.settings["evidence_threshold"])
        scorer, judge = self.grounding.scorer, self.grounding.judge
        decision = await self._run(lambda: decide(scorer, judge, course.parts, passages, least, subjects))
        trace.ranked, trace.chosen = decision.ranked, decision.chosen
        if len(decision.parts) > 1:
            trace.parts = [PartTrace(part.question, part.answerability.score) for part in decision.parts]
            if decision.answers:  # what else was asked would let a model say anything in its words
                course.question = " ".join(part.question for part in decision.parts if part.answered)
        trace.answerability = decision.best.answerability
        trace.ms["evidence"] = (time.perf_counter() - began) * 1000
        score = trace.answerability.score
        sign = ">=" if decision.answers else "<"
        trace.decision = f"evidence {score:.3f} {sign} {least:.3f}" if trace.ranked else "no evidence was found"
        course.confidence = score if decision.answers else 1.0 - score
        return decision

    # Threads and places

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _store(self, course: Course) -> None:
        ending = course.ending()
        course.stored = True
        await self._run(lambda: self._history.finish(course.begun.answer, ending))

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._places >= MOST_RUNNING:
            raise QueueFull(
                f"{MOST_RUNNING} answers are in progress, which is the most; try again in a few seconds", 5.0
            )
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1


def _rewritten(questions: Sequence[str]) -> list[str]:
    """Questions of one conversation as retrieval would have seen each of them."""
    seen: list[str] = []
    for question in questions[-MOST_EARLIER:]:
        seen.append(rewrite(question[:LONGEST_QUESTION], seen))
    return seen


def _abstention(course: Course, decision: Decision) -> str:
    if course.empty:
        several = "," in course.empty
        return f"The collection{'s' if several else ''} {course.empty} {'have' if several else 'has'} no documents yet."
    back = next((notice for notice in decision.notices if notice.kind == "clarify"), None)
    return f"{back.text} {'; '.join(back.options)}." if back else NOTHING_FOUND


def _check_fields(ask: Ask) -> None:
    if not ask.question.strip():
        raise BadRequest("the question is empty; ask something")
    if len(ask.question) > LONGEST_QUESTION:
        raise BadRequest(
            f"the question has {len(ask.question)} characters, but at most {LONGEST_QUESTION} are read; ask briefly"
        )
    if not ask.collections:
        raise BadRequest("no collection was named; name one, `footnote collections` lists them")
    if ask.mode not in ("auto", "quote", "search"):
        raise BadRequest(f"mode is {ask.mode!r}, but auto, quote or search was wanted")
    if ask.k is not None and not 1 <= ask.k <= MOST_PASSAGES:
        raise BadRequest(f"k is {ask.k}, but 1 to {MOST_PASSAGES} was wanted")
    if ask.max_tokens is not None and ask.max_tokens < 1:
        raise BadRequest(f"max_tokens is {ask.max_tokens}, but at least 1 was wanted")


def _model_for(asked: str | None, infos: Sequence[CollectionInfo]) -> str | None:
    """The model that was asked for, else that of the collections if they agree; None: the default one."""
    for info in infos:
        if asked and info.models and asked not in info.models:
            raise BadRequest(
                f"model {asked!r} may not answer from collection {info.name!r}; those that may are "
                f"{', '.join(info.models)}"
            )
    chosen = {info.model for info in infos}
    return asked or (chosen.pop() or None if len(chosen) == 1 else None)


def _within_egress(generator: Generator, infos: Sequence[CollectionInfo]) -> Generator:
    """The model as far as every collection lets text leave: all of it, without personal data, or its local part."""
    for info in infos:
        if info.egress == "deny":
            here = only_local(generator)
            if here is None:
                raise EgressDenied(
                    f"collection {info.name!r} has egress {info.egress!r}, so its text stays on this site; set its "
                    f"egress to redact or allow, or choose a local model instead of {generator.name!r}"
                )
            return here
    return redacted(generator) if any(info.egress != "allow" for info in infos) else generator
