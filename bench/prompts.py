"""Prompts of a wanted length, as answering makes them: a rule, invented passages, a question. Knows no measurement."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rag.llm.generator import GenerationRequest, Message

Counter = Callable[[Sequence[Message]], int]  # the tokens of a prompt, as the model counts them


class Prompts:
    """No two prompts with different marks are equal, nor do they share more than the rule."""

    def __init__(self, count: Counter) -> None:
        self._count = count

    def request(self, length: int, mark: str, max_tokens: int) -> GenerationRequest:
        """A prompt of at least `length` tokens and at most a sentence more."""
        passages, n = f"Manual {mark}.", 0
        while self._count(_messages_of(passages)) < length:
            n += 1
            passages += f" Step {n} of part {mark}: hold the lower button for {n} seconds until lamp {n} turns green."
        return GenerationRequest(_messages_of(passages), max_tokens=max_tokens, tenant=mark)

    def several(self, length: int, mark: str, count: int, max_tokens: int) -> list[GenerationRequest]:
        return [self.request(length, f"{mark}{n}", max_tokens) for n in range(count)]

    def about_the_same(self, length: int, mark: str, count: int, max_tokens: int) -> list[GenerationRequest]:
        """Several questions over the same passages, as askers of one collection send them."""
        one = self.request(length, mark, max_tokens)
        rule, asked = one.messages
        return [
            replace(one, messages=(rule, replace(asked, content=f"{asked.content} Begin with lamp {n + 1}.")))
            for n in range(count)
        ]

    def follow_up(self, request: GenerationRequest) -> GenerationRequest:
        """The next question of the same conversation."""
        turns = (Message("assistant", "Hold the lower button."), Message("user", "And what comes after that?"))
        return GenerationRequest((*request.messages, *turns), max_tokens=request.max_tokens, tenant=request.tenant)


def _messages_of(passages: str) -> tuple[Message, ...]:
    rule = Message("system", "Answer the question from the passages, in full sentences.")
    return rule, Message("user", f"{passages}\n\nExplain in detail how the lamps are switched on.")
