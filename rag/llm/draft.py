"""Guesses how an answer goes on where it copies its prompt: as it went on after the same tokens before. Knows no model.

Several tokens of one answer are decoded almost as quickly as one, so a right guess is a token for little. The model
checks every guess before it counts: guessing changes how fast an answer comes, not what it says.
"""

from collections.abc import Sequence

FEW = 2  # answers at once up to which guessing pays: with more, batches are full of certain tokens
LONGEST, SHORTEST = 3, 2  # tokens that must be the same
MOST = 6  # tokens of one guess
LEAST_RIGHT = 0.35  # share of guessed tokens below which guessing costs more than it brings
REST = 24  # tokens without a guess after too many wrong ones


class Drafter:
    """Of one answer. Remembers where each short run of its tokens was seen last, prompt included."""

    __slots__ = ("_after", "_length", "_quiet_until", "_share", "_tokens")

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}  # a run of tokens -> the place behind it
        self._length = MOST // 2
        self._share = 0.6
        self._quiet_until = 0

    def guess(self, tokens: Sequence[int], most: int) -> list[int]:
        """What may follow, at most `most` tokens, often none. `tokens`: the prompt and all of the answer so far."""
        self._read(tokens)
        if len(tokens) < self._quiet_until:
            return []
        for length in range(LONGEST, SHORTEST - 1, -1):
            place = self._after.get(tuple(self._tokens[-length:]))
            if place is not None:
                return self._tokens[place : place + min(most, self._length)]
        return []

    def judged(self, guessed: int, right: int) -> None:
        """Of a guess of `guessed` tokens the first `right` were what the model chose."""
        self._share += 0.25 * (right / guessed - self._share)
        self._length = min(MOST, self._length + 2) if right == guessed else max(1, right + 1)
        if self._share < LEAST_RIGHT:
            self._share = 0.5
            self._quiet_until = len(self._tokens) + REST

    def _read(self, tokens: Sequence[int]) -> None:
        known = len(self._tokens)
        self._tokens += tokens[known:]
        for place in range(max(known, SHORTEST), len(self._tokens)):
            for length in range(SHORTEST, min(LONGEST, place) + 1):
                self._after[tuple(self._tokens[place - length : place])] = place
