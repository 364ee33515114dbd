"""Compares two runs case by case. Pure: knows no SQL, no file and no command line.

Only cases that both runs asked are compared. The interval of a difference is a paired bootstrap over these cases, so
what both runs find equally hard adds no noise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.runs import RunCase
from eval.scoring import Score

ROUNDS = 4_000
LEVEL = 0.95
# name -> (value of a case, whether more is better, kinds of cases it is taken over)
MEASURES: Mapping[str, tuple[Callable[[Score], float], bool, tuple[str, ...]]] = {
    "right": (lambda score: float(score.right), True, ("answerable", "unanswerable", "offtopic")),
    "wrong": (lambda score: float(score.wrong), False, ("answerable", "unanswerable", "offtopic")),
    "answered_right": (lambda score: float(score.right), True, ("answerable",)),
    "abstained": (lambda score: float(score.right), True, ("unanswerable", "offtopic")),
    "citations_contain_gold": (lambda score: float(score.citations_contain_gold), True, ("answerable",)),
    "f1": (lambda score: score.f1, True, ("answerable", "unanswerable", "offtopic")),
    "words": (lambda score: float(score.words), False, ("answerable",)),
}
GATES = ("right", "wrong", "answered_right", "abstained", "citations_contain_gold")  # a regression here fails a run


@dataclass(frozen=True, slots=True)
class Difference:
    """`after - before` with its interval, over `cases` pairs."""

    measure: str
    cases: int
    before: float
    after: float
    low: float
    high: float
    more_is_better: bool

    @property
    def change(self) -> float:
        return self.after - self.before

    @property
    def between(self) -> str:
        return f"{self.low:+.3f} to {self.high:+.3f}"

    @property
    def verdict(self) -> str:
        """`better` or `worse` when the whole interval lies on that side of zero, else `same`."""
        if self.low <= 0.0 <= self.high:
            return "same"
        return "better" if (self.low > 0.0) == self.more_is_better else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`changed` are pairs (before, after) of cases whose being right changed, lost ones first."""

    differences: tuple[Difference, ...]
    changed: tuple[tuple[RunCase, RunCase], ...]
    only_before: int
    only_after: int

    @property
    def regressions(self) -> tuple[Difference, ...]:
        return tuple(d for d in self.differences if d.measure in GATES and d.verdict == "worse")


def compare(before: Sequence[RunCase], after: Sequence[RunCase], seed: int = 0) -> Comparison:
    """What changed from one run to the other."""
    old, new = {case.case: case for case in before}, {case.case: case for case in after}
    shared = [(old[id_], new[id_]) for id_ in old if id_ in new]
    differences = []
    for name, (value, more_is_better, kinds) in MEASURES.items():
        pairs = [(value(a.score), value(b.score)) for a, b in shared if a.kind in kinds]
        if pairs:
            differences.append(_difference(name, pairs, more_is_better=more_is_better, seed=seed))
    changed = [(a, b) for a, b in shared if a.score.right != b.score.right]
    changed.sort(key=lambda pair: (pair[1].score.right, pair[0].case))
    return Comparison(tuple(differences), tuple(changed), len(old) - len(shared), len(new) - len(shared))


def _difference(name: str, pairs: Sequence[tuple[float, float]], *, more_is_better: bool, seed: int) -> Difference:
    values = np.array(pairs)
    change = values[:, 1] - values[:, 0]
    draws = np.random.default_rng(seed).integers(0, len(change), size=(ROUNDS, len(change)))
    low, high = np.quantile(change[draws].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    before, after = values.mean(axis=0)
    return Difference(name, len(pairs), float(before), float(after), float(low), float(high), more_is_better)
