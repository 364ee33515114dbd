"""The state of the engine: answers on their way and the sequences they occupy. Knows no threads, no native code."""

import time
from dataclasses import dataclass, field, fields, replace

from rag.llm.decoder import Decoder, GrammarEnded, Sampler, Sampling, Segment, Vocabulary
from rag.llm.draft import Drafter
from rag.llm.generator import Finished, FinishReason, GenerationRequest, TextDelta, TokenChance, Usage
from rag.llm.outbox import Outbox
from rag.llm.scheduler import WORTH_COPYING, Placement, SlotView, Want, reusable
from rag.llm.text import StreamText
from rag.llm.tokens import Prompt


class Answer:
    """One request from its arrival to its end. `todo` are its tokens that are not decoded yet."""

    __slots__ = (
        "_chances", "_text", "arrived", "began", "cached", "drafter", "outbox", "place", "produced", "prompt",
        "request", "sampler", "todo",
    )  # fmt: skip

    def __init__(self, request: GenerationRequest, prompt: Prompt, outbox: Outbox) -> None:
        self.request = request
        self.prompt = prompt
        self.outbox = outbox
        self.place: int | None = None  # in the queue, as last told to the reader
        self.todo: list[int] = []  # nothing while it waits
        self.cached = 0
        self.produced = 0
        self.arrived = time.monotonic()
        self.began = 0.0
        self._text = StreamText(request.stop)
        self._chances: list[TokenChance] = []  # of tokens whose text is held back
        self.sampler: Sampler | None = None
        self.drafter = Drafter()

    def begin(self, cached: int, sampler: Sampler) -> None:
        """It has a sequence that already holds its first `cached` tokens."""
        self.sampler, self.began = sampler, time.monotonic()
        self.reuse(cached)

    def reuse(self, cached: int) -> None:
        """Its sequence now holds its first `cached` tokens; none of it has been answered yet."""
        self.cached, self.todo = cached, list(self.prompt.tokens[cached:])

    def choose(self, row: int, vocabulary: Vocabulary, decoder: Decoder) -> FinishReason | None:
        """Sample after this batch row and add the text that is certain; the reason if the answer ends here.

        The caller wakes the reader.
        """
        assert self.sampler is not None
        try:
            token = self.sampler.sample(row)
        except GrammarEnded:
            return "stop"
        self.produced += 1
        if vocabulary.is_end(token):
            return "stop"
        if self.request.alternatives is not None:
            self._chances.append(_chance(decoder, vocabulary, row, token, self.request.alternatives))
        if text := self._text.push(vocabulary.piece(token)):
            self._say(text)
        if self._text.stopped:
            return "stop"
        if self.produced >= self.request.max_tokens:
            return "length"
        self.todo = [token]
        return None

    def finish(self, reason: FinishReason) -> None:
        """Send what was held back, and the end."""
        if reason != "cancelled" and (text := self._text.finish()):
            self._say(text)
        self.outbox.put(Finished(reason, Usage(len(self.prompt.tokens), self.cached, self.produced)))
        self.release()

    def _say(self, text: str) -> None:
        self.outbox.add(TextDelta(text, tuple(self._chances)))
        self._chances.clear()

    def fail(self, error: Exception) -> None:
        """End with an error; the text so far has been sent."""
        self.outbox.put(error)
        self.release()

    def release(self) -> None:
        if self.sampler is not None:
            self.sampler.close()
            self.sampler = None


def _sampling(request: GenerationRequest) -> Sampling:
    names = (field.name for field in fields(Sampling))
    return Sampling(**{name: getattr(request, name) for name in names})


def _chance(decoder: Decoder, vocabulary: Vocabulary, row: int, token: int, others: int) -> TokenChance:
    logprob, likeliest = decoder.likely(row, token, others)
    top = tuple((vocabulary.piece(other), chance) for other, chance in likeliest)
    return TokenChance(vocabulary.piece(token), logprob, top)


@dataclass(slots=True)
class Slot:
    """One sequence of the decoder's memory, and the answer that has it."""

    sequence: int
    answer: Answer | None = None
    tokens: list[int] = field(default_factory=list)  # what the memory holds, position by position
    tenant: str = ""
    shared: int = 0
    used: int = 0
    leader: "Leader | None" = None


@dataclass(frozen=True, slots=True)
class Leader:
    """Whom a slot waits for: `answer`, in `sequence`, is about to read `length` tokens that both prompts begin with."""

    sequence: int
    answer: Answer
    length: int


class Slots:
    """All sequences of a decoder. Keeps what it knows equal to what the decoder holds."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._slots = [Slot(sequence) for sequence in range(decoder.sequences)]
        self._clock = 0
        self.may_guess = True  # until the decoder turns out to be unable to take a part back

    def views(self) -> list[SlotView]:
        return [SlotView(s.sequence, s.answer is not None, s.tokens, s.tenant, s.shared, s.used) for s in self._slots]

    def active(self) -> list[Slot]:
        """Slots with an answer, in order of its arrival."""
        return sorted((slot for slot in self._slots if slot.answer is not None), key=lambda slot: slot.used)

    def __getitem__(self, sequence: int) -> Slot:
        return self._slots[sequence]

    def occupy(self, answer: Answer, placement: Placement) -> None:
        """Give the answer its sequence, with the kept tokens in it."""
        slot, keep = self._slots[placement.sequence], placement.keep
        if placement.source is not None:
            held = self._slots[placement.source].tokens
            slot.tokens = held[:keep] if self._decoder.copy(placement.source, slot.sequence, keep) else []
        elif len(slot.tokens) > keep:
            slot.tokens = slot.tokens[:keep] if self._decoder.forget(slot.sequence, keep) else []
        if not slot.tokens:
            # Some models can only drop a whole sequence.
            self._decoder.forget(slot.sequence, 0)
        request = answer.request
        sampler = self._decoder.sampler(_sampling(request))
        answer.begin(len(slot.tokens), sampler)
        self._clock += 1
        slot.answer, slot.tenant, slot.shared, slot.used = answer, request.tenant, answer.prompt.shared, self._clock
        slot.leader = self._leader(slot, answer)

    def _leader(self, slot: Slot, answer: Answer) -> Leader | None:
        """Who reads a beginning that this answer shares, where it is worth waiting for."""
        found = None
        for other in self._slots:
            if other is slot or other.answer is None or len(other.answer.todo) <= 1:
                continue
            ahead = SlotView(other.sequence, True, other.answer.prompt.tokens, other.tenant, other.shared, other.used)
            length = reusable(answer.prompt.tokens, answer.prompt.shared, answer.request.tenant, ahead)
            if length >= (found.length + 1 if found else len(slot.tokens) + WORTH_COPYING):
                found = Leader(other.sequence, other.answer, length)
        return found

    def wants(self) -> list[Want]:
        """What the next batch may hold: answers in order of arrival, those that wait for a leader left out."""
        found = []
        for slot in self.active():
            if slot.leader is not None:
                self._follow(slot, slot.leader)
            if slot.answer is not None and slot.leader is None:
                found.append(Want(slot.sequence, len(slot.answer.todo)))
        return found

    def _follow(self, slot: Slot, leader: Leader) -> None:
        """Take over what the leader has read, once it has read all that is shared or goes no further."""
        ahead, answer = self._slots[leader.sequence], slot.answer
        assert answer is not None
        reads = ahead.answer is leader.answer
        if reads and len(ahead.tokens) < leader.length:
            return
        slot.leader = None
        view = SlotView(ahead.sequence, reads, ahead.tokens, ahead.tenant, ahead.shared, ahead.used)
        length = reusable(answer.prompt.tokens, answer.prompt.shared, answer.request.tenant, view)
        if length < len(slot.tokens) + WORTH_COPYING:
            return
        copied = self._decoder.copy(ahead.sequence, slot.sequence, length)
        slot.tokens = ahead.tokens[:length] if copied else []
        if not copied:
            self._decoder.forget(slot.sequence, 0)
        answer.reuse(len(slot.tokens))

    def segment(self, want: Want) -> Segment:
        """The next tokens of a slot's answer, to be sampled after its last."""
        slot = self._slots[want.sequence]
        assert slot.answer is not None
        todo = slot.answer.todo
        return Segment(slot.sequence, len(slot.tokens), todo[: want.tokens], want.tokens >= len(todo))

    def guessed(self, segment: Segment, most: int) -> Segment:
        """The next token of an answer, with at most `most` guesses of what follows it."""
        slot = self._slots[segment.sequence]
        assert slot.answer is not None
        left = slot.answer.request.max_tokens - slot.answer.produced - 1
        guess = slot.answer.drafter.guess([*slot.tokens, *segment.tokens], min(most, left)) if self.may_guess else []
        return replace(segment, tokens=[*segment.tokens, *guess], guessed=len(guess))

    def judged(self, segment: Segment, right: int) -> None:
        """The first `right` guesses of a decoded segment were what was chosen: forget the others."""
        slot = self._slots[segment.sequence]
        if slot.answer is not None:
            slot.answer.drafter.judged(segment.guessed, right)
        kept = segment.start + len(segment.tokens) - segment.guessed + right
        if kept < len(slot.tokens):
            del slot.tokens[kept:]
            if not self._decoder.forget(segment.sequence, kept):
                self.may_guess = False
                self.wipe(segment.sequence)

    def decoded(self, segment: Segment) -> None:
        """The decoder has taken these tokens."""
        slot = self._slots[segment.sequence]
        assert slot.answer is not None
        slot.tokens += segment.tokens
        slot.answer.todo = slot.answer.todo[len(segment.tokens) :]

    def mend(self, sequence: int) -> None:
        """After a failed batch: drop what the decoder may hold beyond what is known."""
        slot = self._slots[sequence]
        if not self._decoder.forget(sequence, len(slot.tokens)):
            self.wipe(sequence)

    def wipe(self, sequence: int) -> None:
        """Forget the whole sequence; an answer in it begins its prompt anew."""
        slot = self._slots[sequence]
        self._decoder.forget(sequence, 0)
        if slot.answer is not None:
            slot.answer.todo = slot.tokens + slot.answer.todo
        slot.tokens = []

    def vacate(self, sequence: int) -> Answer:
        """Take the answer out, it has ended. Its tokens stay for a later prompt."""
        slot = self._slots[sequence]
        assert slot.answer is not None
        answer, slot.answer, slot.leader = slot.answer, None, None
        return answer

    def drop_idle(self) -> bool:
        """Forget what is kept for later prompts. False if there was nothing."""
        idle = [slot for slot in self._slots if slot.answer is None and slot.tokens]
        for slot in idle:
            self.wipe(slot.sequence)
        return bool(idle)
