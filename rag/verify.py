"""Is a sentence supported by the evidence it rests on? Words, numbers, names, opposites. Knows no streams.

`Verifier` is the part to swap: a trained checker needs only the same one method.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from rag.calibration import Logistic
from rag.contradiction import contradiction_features
from rag.events import VerdictName
from rag.measures import held_numbers
from rag.reading import Reader
from rag.units import whole_sentences
from rag.words import content_stems, has_negation, names, numbers, share, stem, words

_NEAR = ("cover_best", "fresh_best", "number_missing", "pairs")  # of a short claim
_COURTESIES = frozenset({"yes", "sure", "ok", "okay", "hello", "hi", "thank", "sorry", "certain", "cours", "absolut"})
MOST_READ = 8  # sentences that the reader sees, at once
COMPLETE_WORDS = 8  # a claim of fewer is short: it says nothing without what was asked
MOSTLY = 0.6  # of a longer claim's words: the others may be other words for the same
_LENGTH_COUNTS = 0.02  # per word of a premise: of two that hold the same, the shorter is nearer
MOST_PREMISES = 24  # sentences of evidence that one claim is compared with


@dataclass(frozen=True, slots=True)
class Support:
    """How well a sentence is backed: 0..1 and the features behind it; None when there is nothing to check."""

    score: float | None
    features: Mapping[str, float] = field(default_factory=dict)


class Verifier(Protocol):
    """Judges one sentence at a time."""

    def support(self, sentence: str, evidence: Sequence[str], question: str = "") -> Support:
        """Support of `sentence` by the texts. What the question already says needs no support of its own."""
        ...


class FeatureVerifier:
    """A few features of overlap and contradiction, and what the reader says, with fitted weights.

    Without a reader the weights must be those fitted without.
    """

    def __init__(self, weights: Logistic, reader: Reader | None = None) -> None:
        self._weights = weights
        self._reader = reader

    def support(self, sentence: str, evidence: Sequence[str], question: str = "") -> Support:
        if not set(content_stems(sentence)) - _COURTESIES and not numbers(sentence):
            return Support(None)
        premises = premises_of(evidence, sentence)
        if not premises:
            return Support(0.0)
        if is_verbatim(sentence, evidence):
            return Support(0.99, {"verbatim": 1.0})
        features = support_features(sentence, premises, question, self._reader)
        return Support(self._weights.probability(features), features)


def verdict_of(support: Support, threshold: float) -> tuple[VerdictName, float]:
    """The verdict and its score. A sentence that claims nothing is unverified, at 0.5."""
    if support.score is None:
        return "unverified", 0.5
    return ("supported" if support.score >= threshold else "unsupported"), support.score


def premises_of(evidence: Sequence[str], sentence: str) -> list[str]:
    """The sentences of the evidence in their order; the nearest to the claim when there are many."""
    premises = [text[a:b].strip() for text in evidence for a, b in whole_sentences(text)]
    premises = [premise for premise in premises if premise]
    return [premises[place] for place in sorted(nearest_first(sentence, premises)[:MOST_PREMISES])]


def nearest_first(claim: str, premises: Sequence[str]) -> list[int]:
    """Places of the premises, first those that hold most of the claim's words, the rare among them counting more."""
    held = [set(content_stems(premise)) for premise in premises]
    counts = Counter(stem for stems in held for stem in stems)
    wanted = set(content_stems(claim))

    def nearness(place: int) -> float:
        found = math.fsum(math.log(1 + len(premises) / counts[stem]) for stem in wanted & held[place])
        return found / (1 + _LENGTH_COUNTS * len(held[place]))

    return sorted(range(len(premises)), key=nearness, reverse=True)


def is_verbatim(sentence: str, evidence: Sequence[str]) -> bool:
    """Whether the sentence stands in the evidence word for word, at word borders; white space and case aside."""
    wanted = _plain(sentence)
    return bool(wanted) and any(f" {wanted} " in f" {_plain(text)} " for text in evidence)


def support_features(
    sentence: str, premises: Sequence[str], question: str, reader: Reader | None = None
) -> dict[str, float]:
    """Features of a claim against premises (both non-empty). A reader adds `check`.

    A short claim, such as an answer of three words, is held against that premise which is nearest to it, too. A longer
    one draws on several premises in words of its own: held against one of them it would always lack something.
    """
    claim, asked = set(content_stems(sentence)), set(content_stems(question))
    fresh = claim - asked or claim
    together = set[str]().union(*map(content_stems, premises))
    said_names = names(sentence) - {stem(word) for word in words(question)}
    short = len(sentence.split()) < COMPLETE_WORDS
    nearest = nearest_first(sentence, premises)
    best = premises[nearest[0]]
    held = share(fresh, together)
    features = {
        **contradiction_features(sentence, premises, question),
        **(_near_features(sentence, best, question) if short else dict.fromkeys(_NEAR, 0.0)),
        "fresh_all": held if short else min(held, MOSTLY) / MOSTLY,
        "name_missing": 1.0 - share(said_names, together | _all_stems(" ".join(premises))) if said_names else 0.0,
        "negation": 1.0 if has_negation(sentence) != has_negation(best) else 0.0,
        "short": 1.0 if short else 0.0,
    }
    if reader is not None:
        # A few words say nothing without what was asked; the network was trained on question and answer together.
        whole = f"{question} {sentence}" if question and short else sentence
        read = " ".join(premises[place] for place in sorted(nearest[:MOST_READ]))
        features["check"] = max(-1.0, min(1.0, reader.check(whole, [read])[0] / 10.0))
    return features


def _near_features(sentence: str, best: str, question: str) -> dict[str, float]:
    """What a short claim has in common with its nearest premise."""
    claim, held = set(content_stems(sentence)), set(content_stems(best))
    fresh = claim - set(content_stems(question)) or claim
    said_numbers = numbers(sentence) - numbers(question)
    return {
        "cover_best": share(claim, held),
        "fresh_best": share(fresh, held),
        "number_missing": 1.0 - share(said_numbers, held_numbers(sentence, best)) if said_numbers else 0.0,
        "pairs": _pair_share(sentence, best),
    }


def _pair_share(sentence: str, premise: str) -> float:
    """The share of the claim's neighbouring content words that are neighbours, in that order, in the premise."""
    first, second = content_stems(sentence), content_stems(premise)
    wanted = list(pairwise(first))
    near = {(a, b) for place, a in enumerate(second) for b in second[place + 1 : place + 3]}
    return share((f"{a} {b}" for a, b in wanted), (f"{a} {b}" for a, b in near)) if wanted else share(first, second)


def _all_stems(text: str) -> set[str]:
    return {stem(word) for word in words(text)}


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+|[%$€£+#<>=]", text.lower()))
