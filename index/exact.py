"""Brute force in numpy: the oracle that every view is compared with, and the choice for small sets. Knows no SQL."""

import numpy as np
from numpy.typing import NDArray


def top_k(
    queries: NDArray[np.float32], rows: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores D and positions I of the k rows with the largest inner product per query.

    queries: (nq, d), rows: (n, d), allowed: (n,) or None for all. Returns D (nq, k) and I (nq, k), best first, equal
    scores in the order of rows; where fewer than k are allowed, the rest is D = -inf and I = -1.
    """
    nq = len(queries)
    D = np.full((nq, k), -np.inf, dtype=np.float32)  # noqa: N806 - the field's letters
    I = np.full((nq, k), -1, dtype=np.int64)  # noqa: E741, N806
    places = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed)
    if len(places) == 0 or k == 0 or nq == 0:
        return D, I
    scores = queries @ (rows if allowed is None else rows[places]).T
    for at, row in enumerate(scores):
        best = best_first(row, places, k)
        D[at, : len(best)] = row[best]
        I[at, : len(best)] = places[best]
    return D, I


def best_first(scores: NDArray[np.float32], names: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Positions of the k largest scores (n,), best first; of equal scores, the smaller name (n,) comes first."""
    if len(scores) > k:
        # All that reach the k-th best score, so that ties are decided by name and not by the partition.
        worst = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = np.flatnonzero(scores >= worst)
    else:
        near = np.arange(len(scores))
    order = np.lexsort((names[near], -scores[near]))
    return near[order[:k]]
