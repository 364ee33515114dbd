"""What the engine asks of a local model: three small faces over plain values. Knows no llama.cpp and no requests."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

DECODED, NO_ROOM = 0, 1  # other results of `decode` are failures of the batch


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive tokens of one sequence in a batch: positions [start, start + len(tokens)).

    With `sample`, the distribution after the last token is computed and can be sampled. The last `guessed` tokens are
    not certain; then that before each of them is there as well.
    """

    sequence: int
    start: int
    tokens: Sequence[int]
    sample: bool
    guessed: int = 0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. Temperature 0 takes the likeliest; the neutral value of each other field changes nothing.

    `grammar` is GBNF that the whole answer follows. `alternatives`: None, or how many other tokens are told of with
    the log-probability of each chosen one.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = 0
    grammar: str = ""
    alternatives: int | None = None


class Vocabulary(Protocol):
    """Text to tokens and back. Safe to call from several threads."""

    @property
    def special(self) -> Mapping[str, int]:
        """Text of every token that is more than its letters (control, unknown, user-defined) -> its id."""
        ...

    @property
    def stubborn(self) -> Collection[str]:
        """Special texts that `tokenize` finds even in plain text."""
        ...

    @property
    def first_token(self) -> int | None:
        """Token that every prompt must begin with, if the model wants one."""
        ...

    def text_of(self, token: int) -> str:
        """How the vocabulary writes this token, special ones included."""
        ...

    def tokenize(self, text: str) -> list[int]:
        """Tokens of plain text. The caller keeps special texts out (see rag/llm/tokens.py)."""
        ...

    def piece(self, token: int) -> bytes:
        """Bytes this token adds to an answer; none for special tokens."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether the model ends its answer with this token."""
        ...

    def accepts_grammar(self, grammar: str) -> bool:
        """Whether this is a grammar that tokens can be chosen by."""
        ...


class GrammarEnded(Exception):
    """No token may follow by the grammar."""


class Sampler(Protocol):
    """Chooses tokens for one answer."""

    def sample(self, row: int) -> int:
        """Choose after batch row `row` of the last decode, and remember the choice.

        Raises GrammarEnded when the grammar allows no token of this model.
        """
        ...

    def close(self) -> None: ...


class Decoder(Protocol):
    """A loaded model with memory for several sequences. One thread at a time."""

    @property
    def sequences(self) -> int: ...

    @property
    def context_tokens(self) -> int:
        """Room of each sequence, in tokens."""
        ...

    @property
    def batch_tokens(self) -> int:
        """Most tokens of one decode."""
        ...

    def decode(self, segments: Sequence[Segment]) -> int:
        """Compute one batch. 0 done; 1 no room, nothing changed; otherwise failed, and the memory of the batch's
        sequences past their starts is undefined: `forget` it."""
        ...

    def forget(self, sequence: int, start: int) -> bool:
        """Drop positions [start, end) of a sequence. False if this model can only drop all of it."""
        ...

    def copy(self, source: int, target: int, length: int) -> bool:
        """Make `target` hold exactly the first `length` positions of `source`. False as for `forget`."""
        ...

    def sampler(self, sampling: Sampling) -> Sampler: ...

    def likely(self, row: int, token: int, others: int) -> tuple[float, list[tuple[int, float]]]:
        """Log-probability of a token after batch row `row` of the last decode, and of the likeliest `others`.

        By the model's own distribution, before any sampling.
        """
        ...

    def close(self) -> None: ...
