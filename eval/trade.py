"""What another evidence threshold would give, from one run that always answered. Pure: asks nothing, reads no file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

from eval.datasets import Case
from eval.scoring import Score

STEPS = 20


@dataclass(frozen=True, slots=True)
class Trade:
    """Shares at one threshold: answered (rightly) of the answerable, declined of all others, wrong of all asked."""

    threshold: float
    answered: float
    answered_right: float
    declined: float
    wrong: float

    @property
    def balance(self) -> float:
        """The mean of being right where there is an answer and silent where there is none."""
        return (self.answered_right + self.declined) / 2


def trade(cases: Sequence[Case], scores: Mapping[str, Score]) -> tuple[Trade, ...]:
    """One row per threshold 0, 0.05 ... 1. The scores must come from a run with threshold 0.

    A case that crashed, or without a score, was neither answered nor declined rightly at any threshold.
    """
    return tuple(trade_at(cases, scores, step / STEPS) for step in range(STEPS + 1))


def trade_at(cases: Sequence[Case], scores: Mapping[str, Score], threshold: float) -> Trade:
    """The shares at one threshold."""
    answered = right = declined = wrong = 0
    answerable = sum(case.answerable for case in cases)
    for case in cases:
        found = scores.get(case.id)
        if found is None or found.outcome == "crashed":
            continue
        spoke = found.evidence >= threshold and found.outcome != "abstained"
        good = spoke and case.answerable and found.right
        answered += spoke and case.answerable
        right += good
        declined += not spoke and not case.answerable
        wrong += spoke and not good
    others = len(cases) - answerable
    return Trade(
        threshold,
        answered / answerable if answerable else 0.0,
        right / answerable if answerable else 0.0,
        declined / others if others else 0.0,
        wrong / len(cases) if cases else 0.0,
    )


def lowest_that_declines(cases: Sequence[Case], scores: Mapping[str, Score], share: float) -> Trade | None:
    """The lowest threshold that declines at least this share of what must be declined; None if none does."""
    thresholds = sorted({0.0, 1.0, *(floor(found.evidence * 1000 + 1) / 1000 for found in scores.values())})
    rows = (trade_at(cases, scores, threshold) for threshold in thresholds)
    return next((row for row in rows if row.declined >= share), None)
