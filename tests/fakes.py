"""Stand-ins with the real signatures, for tests that need no real model. Knows no test."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index.embedder import EmbedderStamp

_WORD = re.compile(r"\w+|[^\w\s]")


class HashEmbedder:
    """A hashed bag of words: texts that share words are alike. Deterministic across processes; no model needed."""

    def __init__(self, dimension: int = 32, max_tokens: int = 256) -> None:
        self.max_tokens = max_tokens
        self.stamp = EmbedderStamp("hash", "1", "fp32", "bag", max_tokens, dimension)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        for text in texts:
            tokens = self.count(text)
            if tokens > self.max_tokens - 2:
                raise ValueError(f"a text has {tokens} tokens but this model reads {self.max_tokens - 2}; split it first")
        rows = np.zeros((len(texts), self.stamp.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._row(_WORD.findall(text.lower()))
        return rows

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._row(_WORD.findall(text.lower())[: self.max_tokens - 2])

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _WORD.finditer(text)]

    def count(self, text: str) -> int:
        return sum(1 for _ in _WORD.finditer(text))

    def close(self) -> None:
        pass

    def _row(self, words: Sequence[str]) -> NDArray[np.float32]:
        row = np.zeros(self.stamp.dimension, dtype=np.float32)
        for word in words or [""]:
            digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
            sign = 1.0 if digest & 1 else -1.0
            row[(digest >> 1) % self.stamp.dimension] += sign
        length = float(np.linalg.norm(row))
        if length == 0.0:  # the signs of the words cancelled each other
            row[0] = length = 1.0
        return (row / np.float32(length)).astype(np.float32)
