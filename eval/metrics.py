"""Metrics over texts and numbers, each a pure function. Knows no data set, no file and no service.

The questions own the denominator: `share` divides by the questions asked, so a case that crashed and left no score
counts as zero and does not vanish.
"""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

LONG_ANSWER_WORDS = 12  # gold answers longer than this are told in other words, so containment asks too much
LONG_ANSWER_RECALL = 0.5

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "“”‘’–—…", " "))
_MARKERS = re.compile(r"\s*\[\d{1,2}\]")


def share(scores: Mapping[str, float], questions: Sequence[str]) -> float:
    """Mean score over `questions`; one without a score counts zero. 0.0 when there are no questions."""
    return sum(scores.get(question, 0.0) for question in questions) / len(questions) if questions else 0.0


def interval(
    scores: Mapping[str, float], questions: Sequence[str], *, level: float = 0.95, rounds: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of `share`, resampling questions. (0.0, 0.0) when there are no questions."""
    if not questions:
        return 0.0, 0.0
    values = np.array([scores.get(question, 0.0) for question in questions])
    draws = np.random.default_rng(seed).integers(0, len(values), size=(rounds, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear between neighbours; 0.0 without values."""
    return float(np.percentile(values, percent)) if len(values) else 0.0


def normalised(text: str) -> str:
    """The usual form of SQuAD: lower case, without punctuation, articles and repeated spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def without_markers(text: str) -> str:
    """The answer without its footnote numbers `[1]`."""
    return _MARKERS.sub("", text)


def token_f1(text: str, gold: str) -> float:
    """Harmonic mean of word precision and recall of the normalised texts."""
    said, wanted = normalised(text).split(), normalised(gold).split()
    if not said or not wanted:
        return float(said == wanted)
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted))


def best_f1(text: str, golds: Sequence[str]) -> float:
    """`token_f1` with the gold answer that fits best; 0.0 without one."""
    return max((token_f1(text, gold) for gold in golds), default=0.0)


def says(text: str, golds: Sequence[str]) -> bool:
    """Whether the text contains a gold answer as whole words.

    Of a gold answer longer than `LONG_ANSWER_WORDS` words, `LONG_ANSWER_RECALL` of its words must be there instead.
    """
    return any(_says(normalised(text), normalised(gold)) for gold in golds)


def _says(text: str, gold: str) -> bool:
    if not gold:
        return False
    words = gold.split()
    if len(words) <= LONG_ANSWER_WORDS:
        return f" {gold} " in f" {text} "
    common = sum((Counter(text.split()) & Counter(words)).values())
    return common / len(words) >= LONG_ANSWER_RECALL


def auroc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The chance that a right one scores above a wrong one."""
    right = np.array(labels, dtype=bool)
    values, place, counts = np.unique(np.array(scores), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # equal scores share their mean rank
    n, m = int(right.sum()), int((~right).sum())
    return float((ranks[right].sum() - n * (n + 1) / 2) / (n * m)) if n and m and len(values) else float("nan")
