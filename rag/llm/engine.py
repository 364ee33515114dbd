"""Serves many answers at once from one local model: the queue, the thread, and the batches it decodes.

One thread owns the decoder. Requests wait in a bounded queue; each batch holds one token of every generating answer
and some tokens of prompts. Knows no model files, no native library and no HTTP.
"""

import asyncio
import atexit
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence

from rag.errors import BadRequest, ContextTooLong, GenerationFailed, ModelUnavailable, QueueFull
from rag.llm.decoder import DECODED, NO_ROOM, Decoder, Segment, Vocabulary
from rag.llm.draft import FEW
from rag.llm.generator import Finished, FinishReason, GenerationEvent, GenerationRequest, Message, Queued
from rag.llm.grammar import check_sampling
from rag.llm.outbox import LEASE_SECONDS, Outbox, wake
from rag.llm.scheduler import Bite, Pace, Want, halves, place, plan, turns
from rag.llm.slots import Answer, Slots
from rag.llm.tokens import Prompt, PromptMaker

logger = logging.getLogger(__name__)

RAISED = -100  # in the place of a decoder's result: it raised
LONG_TEXT = 20_000  # characters from which a prompt is tokenised apart from the event loop


class LocalEngine:
    """A Generator over a local model. Owns the decoder: `close` ends the thread and frees it."""

    def __init__(
        self,
        name: str,
        vocabulary: Vocabulary,
        decoder: Decoder,
        prompts: PromptMaker,
        *,
        queue: int = 32,
        lease: float = LEASE_SECONDS,
        longest_wait: float = 0.0,
    ) -> None:
        self._name = name
        self._vocabulary = vocabulary
        self._decoder = decoder
        self._prompts = prompts
        self._most_waiting = queue
        self._longest_wait = longest_wait
        self.lease = lease
        self._slots = Slots(decoder)
        self._pace = Pace()
        self._bite = Bite()
        self._change = threading.Condition()
        self._waiting: deque[Answer] = deque()
        self._inside = 0  # answers that wait or have a sequence
        self._last_used = time.monotonic()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"engine-{name}", daemon=True)
        self._thread.start()
        # The thread must not be inside native code when the interpreter goes away.
        atexit.register(self.close)

    @property
    def name(self) -> str:
        return self._name

    @property
    def local(self) -> bool:
        return True

    @property
    def context_tokens(self) -> int:
        return self._decoder.context_tokens

    @property
    def alive(self) -> bool:
        """Whether it takes answers."""
        return not self._closing

    @property
    def idle_seconds(self) -> float:
        """How long it has had nothing to do, and nobody has touched it."""
        with self._change:
            return 0.0 if self._inside else time.monotonic() - self._last_used

    def touch(self) -> None:
        """Somebody means to use it."""
        with self._change:
            self._last_used = time.monotonic()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Exact: the prompt is built by the model's own tokenizer, as for an answer."""
        return len(self._prompts.prompt(messages).tokens)

    def stream(self, request: GenerationRequest) -> "EngineStream":
        """Nothing happens before the first event is awaited. Must be read on one event loop."""
        return EngineStream(self, request)

    def prepare(self, request: GenerationRequest) -> Prompt:
        """Build the prompt. Raises ContextTooLong if it and the answer cannot fit together."""
        if request.max_tokens < 1:
            raise BadRequest(f"max_tokens is {request.max_tokens}, but at least 1 was wanted")
        check_sampling(request)
        if request.grammar and not self._vocabulary.accepts_grammar(request.grammar):
            raise BadRequest("the grammar cannot be read; give GBNF with a rule named root, or a simpler JSON schema")
        prompt = self._prompts.prompt(request.messages)
        if len(prompt.tokens) + request.max_tokens > self.context_tokens:
            raise ContextTooLong(
                f"the prompt has {len(prompt.tokens)} tokens and up to {request.max_tokens} were asked for, but the "
                f"model's context holds {self.context_tokens}; send less text or ask for a shorter answer"
            )
        return prompt

    def submit(self, answer: Answer) -> None:
        """Put an answer into the queue. Raises QueueFull with the time after which it is worth asking again."""
        with self._change:
            if self._closing:
                raise ModelUnavailable(f"the model {self._name} is being shut down; ask again later")
            # Those that wait only until the thread has looked at them do not count as waiting.
            waiting = self._inside - self._decoder.sequences
            if waiting >= self._most_waiting:
                wait = self._pace.wait(waiting, self._decoder.sequences)
                raise QueueFull(
                    f"{waiting} questions wait for the model {self._name}, which is all it takes; "
                    f"ask again in {max(1, round(wait))} s",
                    max(1.0, wait),
                )
            self._inside += 1
            self._waiting.append(answer)
            self._change.notify()

    def close(self) -> None:
        """End what runs, free the model's memory, join the thread. May be called twice."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join()
        atexit.unregister(self.close)

    def _run(self) -> None:
        try:
            while self._rest():
                self._admit()
                self._step()
        except Exception:
            logger.exception("the engine of model %s has failed and ends", self._name)
            with self._change:
                self._closing = True
        finally:
            self._end()

    def _rest(self) -> bool:
        """Sleep while there is nothing to do. False when the engine closes."""
        with self._change:
            while not (self._closing or self._waiting or self._slots.active()):
                self._change.wait()
            return not self._closing

    def _end(self) -> None:
        with self._change:
            waiting, self._waiting = list(self._waiting), deque()
        for answer in waiting:
            answer.fail(ModelUnavailable(f"the model {self._name} is being shut down; ask again later"))
        for slot in self._slots.active():
            answer = self._slots.vacate(slot.sequence)
            answer.fail(GenerationFailed(f"the model {self._name} was shut down before the answer was complete"))
        self._decoder.close()

    def _admit(self) -> None:
        """Let go of answers nobody reads, give free sequences to those who wait, tell the others their place."""
        for slot in self._slots.active():
            if slot.answer is not None and slot.answer.outbox.left:
                self._finish(slot.sequence, "cancelled")
        self._let_go()
        while self._admit_first():
            pass
        with self._change:
            waiting = list(self._waiting)
        for position, answer in enumerate(waiting):
            if answer.place != position:
                answer.place = position
                answer.outbox.put(Queued(position, self._pace.wait(position, self._decoder.sequences)))

    def _let_go(self) -> None:
        """Part with those in the queue who have left or waited too long, and put the others in order."""
        late = time.monotonic() - self._longest_wait if self._longest_wait else 0.0
        with self._change:
            waiting = sorted(self._waiting, key=lambda answer: answer.arrived)
            gone = [answer for answer in waiting if answer.outbox.left or answer.arrived < late]
            kept = [answer for answer in waiting if answer not in gone]
            running = Counter(slot.answer.request.tenant for slot in self._slots.active() if slot.answer is not None)
            order = turns([(answer.request.tenant, answer.request.background) for answer in kept], running)
            self._waiting = deque(kept[number] for number in order)
            self._inside -= len(gone)
        for answer in gone:
            if answer.outbox.left:
                answer.finish("cancelled")
            else:
                waited = f"the model {self._name} was busy for {self._longest_wait:.0f} s; ask again later"
                answer.fail(QueueFull(waited, self._longest_wait))

    def _admit_first(self) -> bool:
        # Only this thread takes from the left, so the first stays the first between the two locks.
        with self._change:
            first = self._waiting[0] if self._waiting else None
        if first is None or (first.request.background and self._reserved()):
            return False
        placement = place(first.prompt.tokens, first.prompt.shared, first.request.tenant, self._slots.views())
        if placement is None:
            return False
        with self._change:
            self._waiting.popleft()
        try:
            self._slots.occupy(first, placement)
        except Exception:  # whatever it was, this answer alone fails
            logger.exception("an answer could not be begun")
            with self._change:
                self._inside -= 1
            self._slots.wipe(placement.sequence)
            first.fail(GenerationFailed(f"the model {self._name} could not begin this answer; ask again"))
        return True

    def _reserved(self) -> bool:
        """Whether background work has all but one of the sequences: a person who comes finds one free."""
        busy = sum(1 for slot in self._slots.active() if slot.answer is not None and slot.answer.request.background)
        return busy >= max(1, self._decoder.sequences - 1)

    def _step(self) -> None:
        wants = self._slots.wants()
        if wants:
            unread = sum(1 for want in wants if want.tokens > 1)
            chosen = plan(wants, batch=self._decoder.batch_tokens, chunk=self._bite.tokens(unread))
            self._decode(chosen, guess=len(wants) <= FEW and all(want.tokens == 1 for want in wants))

    def _decode(self, wants: Sequence[Want], *, guess: bool = False) -> None:
        """Decode one batch and hand out its tokens. A failure is narrowed down to the one answer it belongs to."""
        segments = [self._slots.segment(want) for want in wants]
        if guess:
            segments = [self._slots.guessed(s, self._decoder.batch_tokens // len(wants) - 1) for s in segments]
        began = time.monotonic()
        result = self._try(segments)
        self._bite.decoded(sum(len(segment.tokens) for segment in segments), time.monotonic() - began)
        if result == DECODED:
            row, told = -1, list[Outbox]()
            for segment in segments:
                row += len(segment.tokens)
                self._slots.decoded(segment)
                if segment.sample:
                    told.append(self._choose(segment, row))
            # All at once: the event loop takes its turn while the next batch is decoded, not between two choices.
            wake(told)
            return
        logger.warning("decoding %d tokens of %d answers gave %d", sum(w.tokens for w in wants), len(wants), result)
        for segment in segments:
            self._slots.mend(segment.sequence)
        if any(segment.guessed for segment in segments) or (result == NO_ROOM and self._slots.drop_idle()):
            self._decode(wants)
        elif len(wants) > 1 or (result == NO_ROOM and wants[0].tokens > 1):
            for part in halves(wants):
                self._decode(part)
        else:
            self._give_up(wants[0].sequence, result)

    def _try(self, segments: Sequence[Segment]) -> int:
        try:
            return self._decoder.decode(segments)
        except Exception:
            logger.exception("decoding raised")
            return RAISED

    def _give_up(self, sequence: int, result: int) -> None:
        """This answer alone cannot be decoded further."""
        answer = self._slots[sequence].answer
        assert answer is not None
        if result == NO_ROOM and answer.produced:
            self._finish(sequence, "length")
            return
        why = "its memory is full" if result == NO_ROOM else f"decoding gave {result}"
        self._fail(sequence, GenerationFailed(f"the model {self._name} cannot continue this answer ({why}); ask again"))

    def _choose(self, segment: Segment, row: int) -> Outbox:
        """Choose the token after a segment whose last batch row is `row`, and one more for each right guess.

        Returns where the text was added.
        """
        sequence, right = segment.sequence, 0
        answer = self._slots[sequence].answer
        assert answer is not None
        guesses = segment.tokens[len(segment.tokens) - segment.guessed :]
        try:
            reason = answer.choose(row - segment.guessed, self._vocabulary, self._decoder)
            while reason is None and right < len(guesses) and answer.todo == [guesses[right]]:
                right += 1
                reason = answer.choose(row - segment.guessed + right, self._vocabulary, self._decoder)
        except Exception:
            logger.exception("choosing a token failed")
            self._fail(sequence, GenerationFailed(f"the model {self._name} failed to choose a token; ask again"))
            return answer.outbox
        if guesses:
            self._slots.judged(segment, right)
        if reason is not None:
            self._finish(sequence, reason)
        return answer.outbox

    def _finish(self, sequence: int, reason: FinishReason) -> None:
        answer = self._vacate(sequence)
        if reason != "cancelled":
            self._pace.finished(time.monotonic() - answer.began)
        answer.finish(reason)

    def _fail(self, sequence: int, error: GenerationFailed) -> None:
        self._vacate(sequence).fail(error)
        self._slots.wipe(sequence)

    def _vacate(self, sequence: int) -> Answer:
        with self._change:
            self._inside -= 1
            self._last_used = time.monotonic()
        return self._slots.vacate(sequence)


class EngineStream(AsyncIterator[GenerationEvent]):
    """One answer's events. `aclose`, a cancelled wait and losing the last reference all free its sequence.

    While nothing is ready, `__anext__` waits; a time limit around it that cancels the wait cancels the answer too.
    """

    __slots__ = ("_done", "_engine", "_outbox", "_request")

    def __init__(self, engine: LocalEngine, request: GenerationRequest) -> None:
        self._engine = engine
        self._request = request
        self._outbox: Outbox | None = None
        self._done = False

    async def __anext__(self) -> GenerationEvent:
        if self._done:
            raise StopAsyncIteration
        try:
            outbox = self._outbox or await self._begin()
            event = await outbox.get()
        except BaseException:
            self._leave()
            raise
        self._done = isinstance(event, Finished)
        return event

    async def aclose(self) -> None:
        """Cancel the answer if it still runs."""
        self._leave()

    def __del__(self) -> None:
        self._leave()

    async def _begin(self) -> Outbox:
        if sum(len(message.content) for message in self._request.messages) > LONG_TEXT:
            prompt = await asyncio.to_thread(self._engine.prepare, self._request)
        else:
            prompt = self._engine.prepare(self._request)
        outbox = Outbox(asyncio.get_running_loop(), self._engine.lease)
        self._engine.submit(Answer(self._request, prompt, outbox))
        self._outbox = outbox
        return outbox

    def _leave(self) -> None:
        self._done = True
        if self._outbox is not None:
            self._outbox.leave()
