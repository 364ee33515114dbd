"""A second look at the best passages by a model that reads question and passage together. Knows no view and no SQL.

The part can be swapped: anything with `scores` will do, and none is the default.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.passage import Dropped, Passage

MOST_CHARACTERS = 4000  # of a passage that are read; models cut at their own limit of tokens, which is less
STAGE = "rerank"


class Reranker(Protocol):
    """`candidates` is how many passages are read for one question."""

    name: str
    candidates: int

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n,) how well each text answers; larger is better. Called from several threads."""
        ...

    def close(self) -> None: ...


def reranked(
    reranker: Reranker, question: str, passages: Sequence[Passage], k: int
) -> tuple[list[Passage], list[Dropped]]:
    """The k best of the passages by the model's score, which becomes theirs, and those left out.

    The fused score stays among the stages. Equal scores keep the order in which the passages came.
    """
    texts = [f"{each.heading}\n{each.text}".strip()[:MOST_CHARACTERS] for each in passages]
    scores = reranker.scores(question, texts) if texts else np.empty(0, np.float32)
    order = np.argsort(-scores, kind="stable").tolist()
    found = [
        replace(passages[n], score=float(scores[n]), stages={**passages[n].stages, STAGE: float(scores[n])})
        for n in order
    ]
    return found[:k], [Dropped(each.chunk, "beyond_k", each.score, each.stages) for each in found[k:]]
