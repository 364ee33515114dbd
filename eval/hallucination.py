"""Runs the verifier over texts of which it is known whether they were made up. Asks no model and keeps no file."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.datasets import Claim
from eval.metrics import auroc, interval, percentile
from rag.checking import CheckedSpan, check_text, weakest
from rag.verify import Verifier


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """`score` is how likely the text is made up: 1 less the support of its weakest sentence."""

    spans: tuple[CheckedSpan, ...]
    score: float
    seconds: float


def check_claims(
    verifier: Verifier, claims: Sequence[Claim], threshold: float, checked: Callable[[int], None] = lambda _: None
) -> dict[str, CheckedClaim]:
    """Check every claim against its context, one after another, by id."""
    found = {}
    for claim in claims:
        began = time.perf_counter()
        spans = check_text(verifier, claim.answer, [claim.context], threshold=threshold, question=claim.question)
        found[claim.id] = CheckedClaim(tuple(spans), 1.0 - weakest(spans), time.perf_counter() - began)
        checked(1)
    return found


def summarise_claims(claims: Sequence[Claim], checked: Mapping[str, CheckedClaim], threshold: float) -> dict[str, Any]:
    """Figures under the names of the command contract; made-up texts are the positive class."""
    scores = [checked[claim.id].score for claim in claims]
    labels = [claim.hallucinated for claim in claims]
    flagged = [score > 1.0 - threshold for score in scores]
    right = {claim.id: float(flag == label) for claim, flag, label in zip(claims, flagged, labels, strict=True)}
    hits = sum(flag and label for flag, label in zip(flagged, labels, strict=True))
    precision = hits / sum(flagged) if any(flagged) else 0.0
    recall = hits / sum(labels) if any(labels) else 0.0
    made_up = [claim.id for claim in claims if claim.hallucinated]
    faithful = [claim.id for claim in claims if not claim.hallucinated]
    of_faithful = sum(right[id_] for id_ in faithful) / len(faithful) if faithful else 0.0
    result: dict[str, Any] = {
        "cases": len(claims),
        "hallucinated": len(made_up),
        "auroc": auroc(scores, labels),
        "auroc_length_alone": auroc([float(len(claim.answer)) for claim in claims], labels),
        "balanced_accuracy": (recall + of_faithful) / 2,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
    }
    spanned = [claim for claim in claims if claim.spans is not None]
    if spanned:
        result["span_f1"] = sum(span_f1(claim, checked[claim.id]) for claim in spanned) / len(spanned)
    milliseconds = [found.seconds * 1000 for found in checked.values()]
    sentences = sum(len(found.spans) for found in checked.values())
    result["ms_per_case_p50"] = percentile(milliseconds, 50)
    result["ms_per_sentence"] = sum(milliseconds) / max(sentences, 1)
    result["intervals"] = {"recall": interval(right, made_up)}
    return result


def span_f1(claim: Claim, checked: CheckedClaim) -> float:
    """Harmonic mean of precision and recall over the characters of spans; 1.0 when none is made up and none marked."""
    gold = {place for start, end in claim.spans or () for place in range(start, end)}
    found = {place for span in checked.spans if span.verdict == "unsupported" for place in range(span.start, span.end)}
    if not gold or not found:
        return float(gold == found)
    return 2 * len(gold & found) / (len(gold) + len(found))
