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

POLICIES: Final = ("closed", "local-then-closed", "closed-then-local")
_PASSES_ON = (ModelUnavailable, QueueFull, GenerationFailed, ContextTooLong)


class RoutedGenerator:
    """`patience`: an estimated wait in seconds from which the second is asked instead."""

    def __init__(self, name: str, first: Generator, second: Generator, *, patience: float) -> None:
        self.name = name
        self.first, self.second = first, second
        self.patience = patience

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
        except _PASSES_ON as error:
            if spoken:
                raise
            logger.info("%s: %s cannot speak, %s does (%s)", self.name, self.first.name, self.second.name, error)
        events = cast("AsyncGenerator[GenerationEvent, None]", self.second.stream(request))
        async with aclosing(events):
            async for event in events:
                yield _signed(event, self.second)

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
        return RoutedGenerator(generator.name, first, second, patience=generator.patience)
    return RedactingGenerator(generator)


def _signed(event: GenerationEvent, speaker: Generator) -> GenerationEvent:
    return replace(event, model=event.model or speaker.name) if isinstance(event, Finished) else event
