"""Reranking with a cross-encoder of sentence-transformers, from a folder or the local cache; nothing is downloaded.

Imported only where it is chosen: torch takes seconds to load.
"""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder

from index.errors import RerankerUnavailable

_BATCH = 16


class CrossEncoderReranker:
    """One caller at a time runs the model."""

    def __init__(self, model: str, candidates: int, threads: int = 0) -> None:
        """`threads` 0 leaves torch as it is. Raises RerankerUnavailable."""
        if threads:
            torch.set_num_threads(threads)
        try:
            self._model = CrossEncoder(model, local_files_only=True, device="cpu")
        except Exception as error:  # two libraries with error classes of their own
            reason = " ".join(str(error).split())
            raise RerankerUnavailable(
                f"sentence-transformers cannot load the cross-encoder {model} ({reason}); "
                "set retrieve.rerank to the folder of one, or to none"
            ) from error
        if self._model.num_labels != 1:
            raise RerankerUnavailable(
                f"{model} gives {self._model.num_labels} scores for a pair, but one was wanted; "
                "choose a model that was trained to rank, or set retrieve.rerank to none"
            )
        self.name, self.candidates = model, candidates
        self._lock = threading.Lock()

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n,) what the model says of each pair, as its own settings scale it; it leaves out the end of long texts."""
        pairs = [(question, text) for text in texts]
        with self._lock:
            found = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(found, np.float32).reshape(len(texts))

    def close(self) -> None:
        pass
