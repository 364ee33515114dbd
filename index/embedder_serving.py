"""The embedder that serves now, as if it were always the same one. Knows no SQL; who switches says who serves."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from index.embedder import Embedder
from index.embedder_stamp import EmbedderStamp


class ServingEmbedder:
    """Asks whoever serves. Thread-safe. Two calls may meet two models: who compares rows takes `at_once` first."""

    def __init__(self, given: Embedder, now: Callable[[], Embedder]) -> None:
        """`given` served at the start and is closed with this; `now` says who serves and looks after the others."""
        self._given = given
        self._now = now

    @property
    def now(self) -> Embedder:
        """The model itself."""
        return self._now()

    @property
    def stamp(self) -> EmbedderStamp:
        return self.now.stamp

    @property
    def max_tokens(self) -> int:
        return self.now.max_tokens

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.now.embed(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self.now.embed_query(text)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return self.now.offsets(text)

    def count(self, text: str) -> int:
        return self.now.count(text)

    def close(self) -> None:
        self._given.close()


def at_once(embedder: Embedder) -> Embedder:
    """One model for several calls that belong together, whoever serves after them."""
    return embedder.now if isinstance(embedder, ServingEmbedder) else embedder
