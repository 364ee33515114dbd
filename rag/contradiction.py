"""Where a claim says the opposite of its evidence: a word turned round, a denial put in, a number that stands nowhere.

Overlap does not see these: of twenty words one is another. Each word of the claim is held against that premise which
holds most of the words around it. English. Knows no models and no weights.
"""

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass

from rag.measures import held_numbers
from rag.opposites import alike, opposites
from rag.words import NEGATIONS, STOP_WORDS, listed, numbers, stem, words

_AROUND = 5  # words before and behind a word that say of what it is said
_DENIED = 6  # words behind a denial that it may be about
_MOST = 2.0  # of a feature: the third opposite adds nothing
_DENIALS = frozenset(map(stem, NEGATIONS | {"without", "hardly", "barely", "instead"}))
_STOPS = frozenset(map(stem, STOP_WORDS))
_ABSOLUTES = frozenset(
    map(stem, listed("all every always never none only just solely exclusively mainly entirely completely"))
)


@dataclass(frozen=True, slots=True)
class _Premises:
    """The stems of each premise, and how rare a stem is among them."""

    each: Sequence[Set[str]]
    together: Set[str]

    def weight(self, stems: Set[str]) -> float:
        counts = (1 + sum(found in held for held in self.each) for found in stems)
        return math.fsum(math.log(1 + len(self.each) / count) for count in counts)  # the same in any order

    def nearest(self, around: Set[str]) -> tuple[Set[str], float]:
        """The premise that holds most of these stems, and which share of them; the rarer a stem, the more it counts."""
        shares = [self.weight(around & held) for held in self.each]
        best = max(range(len(self.each)), key=shares.__getitem__)
        return self.each[best], shares[best] / max(self.weight(around), 1e-9)


def contradiction_features(claim: str, premises: Sequence[str], question: str = "") -> dict[str, float]:
    """Features of a claim beside premises (not empty), each from 0, nothing turned, to 2.

    `opposed`: words whose opposite stands in the nearest premise instead; `opposed_anywhere`: the same of all premises
    together; `denied`: denials that the nearest premise does not have; `absolute`: words such as `always` and `only`
    that no premise holds; `numbers_wrong`: numbers that no premise holds. What the question says counts for none.
    """
    held = [frozenset(map(stem, words(premise))) for premise in premises]
    known = _Premises(held, frozenset().union(*held))
    asked = frozenset(map(stem, words(question)))
    said = list(map(stem, words(claim)))
    opposed = anywhere = denied = 0.0
    for place, word in enumerate(said):
        if word in _DENIALS:
            around = _content(said, place - 3, place + _DENIED) - {word}
            here, share = known.nearest(around)
            denied += share if not here & _DENIALS else 0.0
        against = opposites(word)
        if word in asked or not against & known.together:
            continue
        here, share = known.nearest(_content(said, place - _AROUND, place + _AROUND) - {word})
        same = alike(word) | {word}
        if against & here and not same & here:
            opposed += share
        if not same & known.together:
            anywhere += 1.0
    unheld = numbers(claim) - numbers(question)
    if unheld:
        unheld = unheld - held_numbers(claim, "\n".join(premises))
    features = {
        "opposed": opposed,
        "opposed_anywhere": anywhere,
        "denied": denied,
        "absolute": float(len((_ABSOLUTES & set(said)) - asked - known.together)),
        "numbers_wrong": float(len(unheld)),
    }
    return {name: min(_MOST, value) for name, value in features.items()}


def _content(stems: Sequence[str], first: int, last: int) -> frozenset[str]:
    return frozenset(stems[max(0, first) : last + 1]) - _STOPS
