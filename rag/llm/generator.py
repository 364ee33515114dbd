"""The protocol that every language model speaks. Knows no retrieval, no HTTP, no particular model."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. Content is always data: special tokens inside it are plain text to the model."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What to generate. `tenant` salts every cache, so that no timing crosses from one to another.

    The sampling fields are those of rag/llm/decoder.py; remote models take those that their protocol knows.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    tenant: str = ""
    top_k: int = 0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    grammar: str = ""
    alternatives: int | None = None
    background: bool = False  # it goes after everyone who waits for an answer


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens in the model's own tokenizer. `cached_tokens` of the prompt were not decoded again."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits. Position 0 is next; the estimate is in seconds."""

    position: int
    eta_seconds: float


@dataclass(frozen=True, slots=True)
class TokenChance:
    """A chosen token's bytes and natural log-probability, and the likeliest tokens at its place."""

    piece: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text: whole characters, never part of a stop string. `tokens` only if the request asked for chances."""

    text: str
    tokens: tuple[TokenChance, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """Always the last event of a stream that did not raise. `model` only where several might have spoken."""

    reason: FinishReason
    usage: Usage
    model: str = ""


GenerationEvent = Queued | TextDelta | Finished


class Generator(Protocol):
    """A model that turns messages into a stream of text.

    Errors: ContextTooLong and QueueFull before the first event, ModelUnavailable, GenerationFailed.
    Closing the iterator (`aclose`) or cancelling the task cancels the generation at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def local(self) -> bool:
        """True when no text leaves this machine."""
        ...

    @property
    def context_tokens(self) -> int: ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """The length of the prompt these messages make, template included."""
        ...

    def stream(self, request: GenerationRequest) -> AsyncIterator[GenerationEvent]: ...

    def close(self) -> None: ...
