"""Two rankings become one. Pure; knows no view and no SQL.

A stage's scores are set against its own best, so that neither the model's range of cosines nor the length of a question
matters; then they are weighed. That beats reciprocal rank fusion by 0.02 to 0.05 nDCG@10, because ranks forget how far
the first is ahead of the second (docs/decisions/0004-fusion.md). The reciprocal rank score stays among the stages, for
people who compare.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

RANK_CONSTANT = 60
DENSE_WEIGHT = 0.36
LEXICAL_WEIGHT = 1 - DENSE_WEIGHT

Ranking = Sequence[tuple[int, float]]  # (chunk, score), best first


class Candidate(NamedTuple):  # there are hundreds for every question, and a tuple is made in a third of the time
    """A chunk that some stage found, larger scores are better.

    `stages` holds the score and rank (from 1) of each stage that found it, and, if there were two stages, "fused" and
    "reciprocal_rank".
    """

    chunk: int
    score: float
    stages: Mapping[str, float]


def single(stage: str, ranking: Ranking) -> list[Candidate]:
    """One stage alone: its own scores in its own order."""
    return [
        Candidate(chunk, score, {stage: score, f"{stage}_rank": rank})
        for rank, (chunk, score) in enumerate(ranking, start=1)
    ]


def fuse(dense: Ranking, lexical: Ranking) -> list[Candidate]:
    """Best first; of equal scores, the smaller chunk id. The score lies between 0 and 1.

    Cosines count from the last candidate's (0) to the best one's (1): a chunk beyond the last is hardly worse than it.
    BM25 counts from 0, which means no word in common, to the best candidate's (1).
    """
    floor = dense[-1][1] if dense else 0.0
    ceiling = lexical[0][1] if lexical else 1.0
    spread = dense[0][1] - floor if dense else 0.0
    scores: dict[int, float] = {}
    stages: dict[int, dict[str, float]] = {}
    # Hundreds of candidates for every question: a loop each, and one dictionary for each of them.
    for rank, (chunk, score) in enumerate(dense, start=1):
        scores[chunk] = DENSE_WEIGHT * ((score - floor) / spread if spread > 0 else 1.0)
        stages[chunk] = {"dense": score, "dense_rank": rank}
    for rank, (chunk, score) in enumerate(lexical, start=1):
        scores[chunk] = scores.get(chunk, 0.0) + LEXICAL_WEIGHT * (score / ceiling if ceiling > 0 else 1.0)
        seen = stages.setdefault(chunk, {})
        seen["lexical"], seen["lexical_rank"] = score, rank
    for chunk, seen in stages.items():
        seen["fused"] = scores[chunk]
        seen["reciprocal_rank"] = reciprocal_rank(seen)
    order = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))
    return [Candidate(chunk, scores[chunk], stages[chunk]) for chunk in order]


def reciprocal_rank(stages: Mapping[str, float]) -> float:
    """The sum of 1 / (60 + rank) over the stages that found a chunk."""
    found = 0.0
    for name in ("dense_rank", "lexical_rank"):
        if name in stages:
            found += 1.0 / (RANK_CONSTANT + stages[name])
    return found
