"""Texts become rows of numbers: the protocol of embedders and the choice of one. Knows no chunks, SQL or views."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.embedder_model import EmbeddingModel, read_model
from index.embedder_stamp import EmbedderStamp
from index.errors import EmbedderUnavailable

__all__ = ["Embedder", "EmbedderStamp", "open_embedder"]

logger = logging.getLogger(__name__)

PRECISIONS = ("auto", "bf16", "int8", "fp32")


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


def open_embedder(
    *,
    model: str = "all-MiniLM-L6-v2",
    backend: str = "auto",
    precision: str = "auto",
    threads: int = 0,
    cache_folder: Path,
) -> Embedder:
    """Load the embedding model; nothing is downloaded.

    `auto` takes OpenVINO and falls back to sentence-transformers, with one warning. Converted files are kept in
    `cache_folder`. `threads` 0 means all processors this process may use.
    Raises EmbedderUnavailable; ValueError for an unknown backend or precision.
    """
    if backend not in ("auto", "openvino", "sentence-transformers") or precision not in PRECISIONS:
        raise ValueError(f"backend {backend!r} with precision {precision!r} is unknown; see the settings page")
    # The libraries would otherwise look for newer files on the internet.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    description = read_model(model)
    if backend == "sentence-transformers":
        return _open_torch(description, precision, threads)
    try:
        # Imported here: OpenVINO takes a third of a second, which commands that embed nothing need not wait for.
        from index.embedder_openvino import OpenVINOEmbedder

        return OpenVINOEmbedder(description, precision, threads, cache_folder)
    except (EmbedderUnavailable, ImportError) as error:
        if backend == "openvino" or precision in ("bf16", "int8"):
            raise EmbedderUnavailable(str(error)) from error
        logger.warning("%s; sentence-transformers embeds instead, several times slower", error)
        return _open_torch(description, precision, threads)


def _open_torch(model: EmbeddingModel, precision: str, threads: int) -> Embedder:
    if precision in ("bf16", "int8"):
        raise EmbedderUnavailable("sentence-transformers runs in fp32 here; set embedder.precision to auto or fp32")
    from index.embedder_torch import SentenceTransformerEmbedder  # imports torch, which takes seconds

    return SentenceTransformerEmbedder(model, threads)
