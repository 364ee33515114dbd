"""What a trained reader makes of a text: where it answers a question, whether it supports a claim. Runs no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

LONGEST_SPAN_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading one text for one question gave.

    `spans` (m, 2) int64 are character spans of the text's tokens, `starts` and `ends` (m,) float32 their logits less
    those of "no span"; `answerable` is the logit that the text answers.
    """

    spans: NDArray[np.int64]
    starts: NDArray[np.float32]
    ends: NDArray[np.float32]
    answerable: float

    def best(self, start: int, end: int) -> float:
        """The best span inside the characters [start, end): logits of its ends over "no span"; -20 without tokens."""
        inside = (self.spans[:, 0] >= start) & (self.spans[:, 1] <= end)
        places = np.flatnonzero(inside)
        if not places.size:
            return -20.0
        starts, ends = self.starts[places], self.ends[places]
        best = -20.0
        # The best start at most LONGEST_SPAN_TOKENS before each end.
        for place in range(len(places)):
            low = max(0, place - LONGEST_SPAN_TOKENS + 1)
            best = max(best, float(ends[place] + starts[low : place + 1].max()))
        return best


class Reader(Protocol):
    """Reads and checks pairs of texts. Thread-safe."""

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        """One reading per text, in order."""
        ...

    def check(self, claim: str, texts: Sequence[str]) -> list[float]:
        """For each text the logit that it supports the claim: of its best window."""
        ...
