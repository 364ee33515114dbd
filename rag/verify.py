"""Is a sentence supported by the evidence it rests on? Words, numbers, names, negation, likeness. Knows no streams.

`Verifier` is the part to swap: a trained checker needs only the same one method.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.embedder import Embedder
from index.embedder_serving import at_once
from rag.calibration import Logistic
from rag.events import VerdictName
from rag.evidence import fit_to_embedder
from rag.measures import held_numbers
from rag.reading import Reader
from rag.units import whole_sentences
from rag.words import content_stems, has_negation, names, numbers, share, stem, words

_COURTESIES = frozenset({"yes", "sure", "ok", "okay", "hello", "hi", "thank", "sorry", "certain", "cours", "absolut"})
MOST_TOGETHER = 8  # sentences that the reader sees at once
MOST_ALONE = 3
COMPLETE_WORDS = 8
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
    """A few features of overlap, contradiction and likeness, and what the reader says, with fitted weights.

    Without a reader the weights must be those fitted without.
    """

    def __init__(self, embedder: Embedder, weights: Logistic, reader: Reader | None = None) -> None:
        self._embedder = embedder
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
        features = support_features(self._embedder, sentence, premises, question, self._reader)
        return Support(self._weights.probability(features), features)


def verdict_of(support: Support, threshold: float) -> tuple[VerdictName, float]:
    """The verdict and its score. A sentence that claims nothing is unverified, at 0.5."""
    if support.score is None:
        return "unverified", 0.5
    return ("supported" if support.score >= threshold else "unsupported"), support.score


def premises_of(evidence: Sequence[str], sentence: str) -> list[str]:
    """The sentences of the evidence, those nearest to the claim by words when there are many."""
    premises = [text[a:b].strip() for text in evidence for a, b in whole_sentences(text)]
    premises = [premise for premise in premises if premise]
    if len(premises) > MOST_PREMISES:
        stems = set(content_stems(sentence))
        premises.sort(key=lambda premise: -share(stems, content_stems(premise)))
    return premises[:MOST_PREMISES]


def is_verbatim(sentence: str, evidence: Sequence[str]) -> bool:
    """Whether the sentence stands in the evidence word for word, at word borders; white space and case aside."""
    wanted = _plain(sentence)
    return bool(wanted) and any(f" {wanted} " in f" {_plain(text)} " for text in evidence)


def support_features(
    embedder: Embedder, sentence: str, premises: Sequence[str], question: str, reader: Reader | None = None
) -> dict[str, float]:
    """Features of a claim against premises (both non-empty). A reader adds those that begin with `check`."""
    claim = set(content_stems(sentence))
    asked = set(content_stems(question))
    fresh = claim - asked or claim
    held = [set(content_stems(premise)) for premise in premises]
    together = set[str]().union(*held)
    embedder = at_once(embedder)
    rows = embedder.embed([fit_to_embedder(embedder, text) for text in (sentence, *premises)])
    alike = rows[1:] @ rows[0]
    best = max(range(len(premises)), key=lambda place: share(claim, held[place]) + 0.5 * float(alike[place]))
    said_numbers = numbers(sentence) - numbers(question)
    said_names = names(sentence) - {stem(word) for word in words(question)}
    joined = " ".join(premises)
    checks = checking_features(reader, sentence, premises, question, alike) if reader else {}
    return {
        **checks,
        "cover_best": share(claim, held[best]),
        "cover_all": share(claim, together | asked),
        "fresh_best": share(fresh, held[best]),
        "fresh_all": share(fresh, together),
        "joint": max(share(fresh, stems) * share(asked, stems) for stems in held)
        if asked
        else share(claim, held[best]),
        "number_missing": 1.0 - share(said_numbers, held_numbers(sentence, premises[best])) if said_numbers else 0.0,
        "number_nowhere": 1.0 - share(said_numbers, held_numbers(sentence, joined)) if said_numbers else 0.0,
        "name_missing": 1.0 - share(said_names, together | _all_stems(joined)) if said_names else 0.0,
        "negation": 1.0 if has_negation(sentence) != has_negation(premises[best]) else 0.0,
        "negated": 1.0 if has_negation(sentence) else 0.0,
        "pairs": _pair_share(sentence, premises[best]),
        "cosine": float(np.max(alike)),
        "cosine_best": float(alike[best]),
        "length": math.log1p(len(claim)) / 4.0,
        "premises": math.log1p(len(premises)) / 3.0,
    }


def checking_features(
    reader: Reader, sentence: str, premises: Sequence[str], question: str, alike: NDArray[np.float32]
) -> dict[str, float]:
    """Logits, in tens, that the premises nearest to the claim support it: together in their order, and one by one."""
    nearest = np.argsort(-alike, kind="stable")
    together = " ".join(premises[place] for place in sorted(nearest[:MOST_TOGETHER].tolist()))
    alone = [premises[place] for place in nearest[:MOST_ALONE].tolist()]
    # A few words say nothing without what was asked; the network was trained on question and answer together.
    claim = f"{question} {sentence}" if question and len(sentence.split()) < COMPLETE_WORDS else sentence
    logits = [max(-1.0, min(1.0, logit / 10.0)) for logit in reader.check(claim, [together, *alone])]
    return {"check_together": logits[0], "check_alone": max(logits[1:]), "check": max(logits)}


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
