"""Texts become rows of numbers: the protocol of embedders. Knows no chunks, no SQL and no views."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.embedder_stamp import EmbedderStamp

__all__ = ["Embedder", "EmbedderStamp"]


class Embedder(Protocol):
    """Thread-safe. Rows are float32 of length 1, so the inner product is the cosine.

    A row depends on its text alone, never on its neighbours in the batch.
    """

    @property
    def stamp(self) -> EmbedderStamp: ...

    @property
    def max_tokens(self) -> int:
        """Longest input including the 2 special tokens; content may have `max_tokens - 2`."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dimension) unit rows in the order of `texts`.

        Raises ValueError when a text has more content tokens than the model reads: nothing is cut silently.
        """
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """(dimension,) unit row, the fast path for one question.

        A question longer than the model reads is cut at its limit, with a log line at debug level.
        """
        ...

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Half-open character spans of the content tokens in order; never cut, no special tokens."""
        ...

    def count(self, text: str) -> int:
        """The number of content tokens, without the 2 special ones."""
        ...

    def close(self) -> None: ...
