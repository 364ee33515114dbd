"""Is a sentence supported by the evidence it rests on? Words, numbers, names, opposites, likeness. Knows no streams.

`Verifier` is the part to swap: a trained checker needs only the same one method.
"""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.embedder import Embedder
from index.embedder_serving import at_once
from rag.calibration import Logistic
from rag.contradiction import contradiction_features
from rag.events import VerdictName
from rag.evidence import fit_to_embedder
from rag.measures import held_numbers
from rag.reading import Reader
from rag.units import whole_sentences
from rag.words import content_stems, has_negation, names, numbers, share, stem, words

_NEAR = (  # of a short claim
    "cover_best", "cover_all", "fresh_best", "joint", "number_missing", "pairs", "cosine", "cosine_best",
)  # fmt: skip
_COURTESIES = frozenset({"yes", "sure", "ok", "okay", "hello", "hi", "thank", "sorry", "certain", "cours", "absolut"})
MOST_TOGETHER = 8  # sentences that the reader sees at once
MOST_ALONE = 3
COMPLETE_WORDS = 8  # a claim of fewer is short: it says nothing without what was asked
MOSTLY = 0.6  # of a longer claim's words: the others may be other words for the same
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
    """Features of a claim against premises (both non-empty). A reader adds those that begin with `check`.

    A short claim, such as an answer of three words, is held against that premise which is nearest to it, too. A longer
    one draws on several premises in words of its own: held against one of them it would always lack something.
    """
    claim = set(content_stems(sentence))
    asked = set(content_stems(question))
    fresh = claim - asked or claim
    together = set[str]().union(*map(content_stems, premises))
    embedder = at_once(embedder)
    rows = embedder.embed([fit_to_embedder(embedder, text) for text in (sentence, *premises)])
    alike = rows[1:] @ rows[0]
    said_names = names(sentence) - {stem(word) for word in words(question)}
    short = len(sentence.split()) < COMPLETE_WORDS
    best = nearest_premise(claim, premises, alike)
    held = share(fresh, together)
    near = _near_features(sentence, premises, best, question, alike) if short else dict.fromkeys(_NEAR, 0.0)
    return {
        **(checking_features(reader, sentence, premises, question, alike) if reader else {}),
        **contradiction_features(sentence, premises, question),
        **near,
        "fresh_all": held if short else min(held, MOSTLY) / MOSTLY,
        "name_missing": 1.0 - share(said_names, together | _all_stems(" ".join(premises))) if said_names else 0.0,
        "negation": 1.0 if has_negation(sentence) != has_negation(premises[best]) else 0.0,
        "short": 1.0 if short else 0.0,
    }


def nearest_premise(claim: Set[str], premises: Sequence[str], alike: NDArray[np.float32]) -> int:
    """The place of the premise nearest to a claim (stems) by words and by likeness (one value a premise)."""
    return max(
        range(len(premises)),
        key=lambda place: share(claim, content_stems(premises[place])) + 0.5 * float(alike[place]),
    )


def _near_features(
    sentence: str, premises: Sequence[str], best: int, question: str, alike: NDArray[np.float32]
) -> dict[str, float]:
    """What a short claim has in common with its nearest premise, and with any one of them."""
    claim, asked = set(content_stems(sentence)), set(content_stems(question))
    fresh = claim - asked or claim
    held = [set(content_stems(premise)) for premise in premises]
    said_numbers = numbers(sentence) - numbers(question)
    cover = share(claim, held[best])
    return {
        "cover_best": cover,
        "cover_all": share(claim, set[str]().union(*held) | asked),
        "fresh_best": share(fresh, held[best]),
        "joint": max(share(fresh, stems) * share(asked, stems) for stems in held) if asked else cover,
        "number_missing": 1.0 - share(said_numbers, held_numbers(sentence, premises[best])) if said_numbers else 0.0,
        "pairs": _pair_share(sentence, premises[best]),
        "cosine": float(np.max(alike)),
        "cosine_best": float(alike[best]),
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
