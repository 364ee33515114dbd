"""Embedding with sentence-transformers in fp32: the oracle, and the fallback where OpenVINO cannot run a model.

Knows no batching of its own. Imported only where it is chosen: torch takes seconds to load.
"""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from index.embedder_model import EmbeddingModel
from index.embedder_stamp import EmbedderStamp
from index.embedder_tokens import Tokens
from index.errors import EmbedderUnavailable


class SentenceTransformerEmbedder:
    """The same face as the fast one; one caller at a time runs the model."""

    def __init__(self, model: EmbeddingModel, threads: int = 0) -> None:
        """`threads` 0 leaves torch as it is. Raises EmbedderUnavailable."""
        if threads:
            torch.set_num_threads(threads)
        try:
            self._model = SentenceTransformer(str(model.folder), local_files_only=True, device="cpu")
        except Exception as error:  # two libraries with error classes of their own
            raise EmbedderUnavailable(f"sentence-transformers cannot load {model.folder} ({error})") from error
        self._model.max_seq_length = model.max_tokens
        self._tokens = Tokens(model.folder, model.max_tokens)
        self._prompts = (model.query_prompt, model.document_prompt)
        self.max_tokens = self._tokens.content_limit - self._tokens.count(model.document_prompt) + 2
        # Asked of the library, since a layer after pooling may change it.
        dimension = int(self._model.get_embedding_dimension())
        self.stamp = EmbedderStamp(model.name, model.revision, "fp32", model.pooling, model.max_tokens, dimension)
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dimension) unit rows. Raises ValueError for a text beyond the model's limit."""
        texts = [self._prompts[1] + text for text in texts]
        self._tokens.encode(texts)  # for its check alone: the library would cut silently
        return self._rows(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """(dimension,) unit row; the library leaves out the end of a question beyond the limit."""
        row: NDArray[np.float32] = self._rows([self._prompts[0] + text])[0]
        return row

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return self._tokens.offsets(text)

    def count(self, text: str) -> int:
        return self._tokens.count(text)

    def close(self) -> None:
        pass

    def _rows(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self.stamp.dimension), dtype=np.float32)
        with self._lock:
            rows = self._model.encode(
                list(texts), prompt="", normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
            )
        return np.asarray(rows, dtype=np.float32)
