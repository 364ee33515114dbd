"""Reciprocal rank fusion: several rankings become one. Pure; knows no view and no SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RANK_CONSTANT = 60


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that some stage found. `stages` holds each stage's score and rank (from 1), and "fused"."""

    chunk: int
    score: float
    stages: Mapping[str, float]


def fuse(rankings: Mapping[str, Sequence[tuple[int, float]]]) -> list[Candidate]:
    """Rankings are (chunk, score) per stage, best first. Several are fused; a single one keeps its own scores.

    The fused score is the sum over stages of 1 / (60 + rank). Best first; of equal scores, the smaller chunk id.
    """
    stages: dict[int, dict[str, float]] = {}
    for stage, ranking in rankings.items():
        for rank, (chunk, score) in enumerate(ranking, start=1):
            seen = stages.setdefault(chunk, {})
            seen[stage] = score
            seen[f"{stage}_rank"] = rank
            seen["fused"] = seen.get("fused", 0.0) + 1.0 / (RANK_CONSTANT + rank)
    only = next(iter(rankings)) if len(rankings) == 1 else None
    found = [Candidate(chunk, seen[only or "fused"], seen) for chunk, seen in stages.items()]
    return sorted(found, key=lambda each: (-each.score, each.chunk))
