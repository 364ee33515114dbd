"""Two models behind one name: the second speaks when the first cannot, or is too busy. Knows no settings.

The second is asked only while the first has not said a word: nothing is said twice and nothing is paid twice.
"""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final, cast

from rag.errors import ContextTooLong, GenerationFailed, ModelUnavailable, QueueFull
from rag.llm.generator import Finished, GenerationEvent, GenerationRequest, Generator, Message, Queued, TextDelta
from rag.llm.redact import RedactingGenerator

logger = logging.getLogger(__name__)

POLICIES: Final = ("closed", "local-then-closed", "closed-then-local", "by-length", "by-load", "by-confidence")
PASSES_ON: Final = (ModelUnavailable, QueueFull, GenerationFailed, ContextTooLong)


class RoutedGenerator:
    """`name` is the policy. `patience`: an estimated wait in seconds from which the second is asked instead; `by-load`
    has none. `long`: tokens of a prompt from which `by-length` asks the second at once."""

    def __init__(self, name: str, first: Generator, second: Generator, *, patience: float, long: int = 2000) -> None:
        self.name = name
        self.first, self.second = first, second
        self.patience = 0.0 if name == "by-load" else patience
        self.long = long

    @property
    def local(self) -> bool:
        """True only if no text can leave the site."""
        return self.first.local and self.second.local

    @property
    def context_tokens(self) -> int:
        return min(self.first.context_tokens, self.second.context_tokens)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return max(self.first.count_tokens(messages), self.second.count_tokens(messages))

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        if self.name == "by-length" and self.first.count_tokens(request.messages) >= self.long:
            async with aclosing(_from(self.second, request)) as whole:
                async for event in whole:
                    yield event
            return
        spoken = False
        events = cast("AsyncGenerator[GenerationEvent, None]", self.first.stream(request))
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Queued) and event.eta_seconds > self.patience:
                        logger.info("%s: %s is busy, %s speaks", self.name, self.first.name, self.second.name)
                        break
                    spoken = spoken or isinstance(event, TextDelta)
                    yield _signed(event, self.first)
                    if isinstance(event, Finished):
                        return
        except PASSES_ON as error:
            if spoken:
                raise
            logger.info("%s: %s cannot speak, %s does (%s)", self.name, self.first.name, self.second.name, error)
        async with aclosing(_from(self.second, request)) as rest:
            async for event in rest:
                yield event

    def close(self) -> None:
        """Both belong to somebody else."""


def only_local(generator: Generator) -> Generator | None:
    """The part of a model that stays on this site, if there is one."""
    if generator.local:
        return generator
    parts = (generator.first, generator.second) if isinstance(generator, RoutedGenerator) else ()
    return next((part for part in parts if part.local), None)


def redacted(generator: Generator) -> Generator:
    """The same model, with personal data hidden from the parts of it that are not here."""
    if generator.local:
        return generator
    if isinstance(generator, RoutedGenerator):
        first, second = redacted(generator.first), redacted(generator.second)
        return RoutedGenerator(generator.name, first, second, patience=generator.patience, long=generator.long)
    return RedactingGenerator(generator)


def escalation(generator: Generator) -> tuple[Generator, Generator | None]:
    """Who is to speak, and who is asked if what the first says does not hold (`by-confidence`), else None."""
    if isinstance(generator, RoutedGenerator) and generator.name == "by-confidence":
        return generator.first, generator.second
    return generator, None


async def _from(speaker: Generator, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
    events = cast("AsyncGenerator[GenerationEvent, None]", speaker.stream(request))
    async with aclosing(events):
        async for event in events:
            yield _signed(event, speaker)


def _signed(event: GenerationEvent, speaker: Generator) -> GenerationEvent:
    return replace(event, model=event.model or speaker.name) if isinstance(event, Finished) else event
