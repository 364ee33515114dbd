"""How much of what a question is about a text holds, by words and by words that mean the same. Pure; no models."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from rag.questions import asked_stems
from rag.synonyms import alike
from rag.units import Unit
from rag.words import content_stems

OTHER_WORD = 0.7  # what a word counts that means the same as the one asked for


def word_rarity(texts: Sequence[str], units: Sequence[Unit]) -> dict[str, float]:
    """Inverse document frequency of stems over the units at hand; `""` holds the weight of an unseen stem."""
    counts: Counter[str] = Counter()
    for unit in units:
        counts.update(set(content_stems(unit.text)))
    total = len(units)
    rarity = {stem: math.log(1.0 + (total - count + 0.5) / (count + 0.5)) for stem, count in counts.items()}
    unseen = math.log(1.0 + (total + 0.5) / 0.5)
    for text in texts:
        for stem in content_stems(text):
            rarity.setdefault(stem, unseen)
    return rarity | {"": unseen}


def weighted_stems(question: str, rarity: Mapping[str, float]) -> dict[str, float]:
    """The question's content stems with their weights."""
    return {stem: rarity.get(stem, rarity[""]) for stem in asked_stems(question)}


def covered(wanted: Mapping[str, float], stems: set[str]) -> float:
    """The share of the wanted weight that the stems hold, 0..1; 0.0 when nothing is wanted."""
    total = sum(wanted.values())
    return sum(weight * _held(stem, stems) for stem, weight in wanted.items()) / total if total else 0.0


def _held(stem: str, stems: Collection[str]) -> float:
    """1 for a stem that is there, less for one that a word with the same meaning stands for."""
    return 1.0 if stem in stems else OTHER_WORD if not alike(stem).isdisjoint(stems) else 0.0


def found_share(asked: set[str], stems: Collection[str]) -> float:
    """The share of the stems of a question that are there, 1.0 when there are none."""
    return sum(_held(stem, stems) for stem in asked) / len(asked) if asked else 1.0
