"""Rows of a table and items of a list that a question does not tell apart belong into one answer. Pure.

`How long is the warranty?` asks for every row of a table of products, `How long for the hub?` for the rows of hubs.
Three rows of seven would mislead: nothing tells the reader that there are more.
"""

from collections.abc import Sequence
from dataclasses import replace

from rag.compose import repeats
from rag.evidence import Evidence
from rag.measures import without_bound
from rag.words import content_stems, word_count

NEAR_BEST = 0.5  # of the best one's score: the reader finds this one about as good
LEAST_NEAR = 0.5  # share of the others that must be as good: else the best one was meant
MOST_WORDS = 100


def with_siblings(
    question: str, chosen: Sequence[Evidence], ranked: Sequence[Evidence], most: int
) -> tuple[Evidence, ...]:
    """The chosen evidence, among the first `most` each row or item followed by those that answer with it.

    They are marked `beside`. Rows and items that the question tells apart from one before them are left out.
    """
    asked = set(content_stems(without_bound(question)))
    found: list[Evidence] = []
    for place, item in enumerate(chosen):
        if any(_same(item, other) or _is_told_apart(asked, item, other) for other in found):
            continue
        group = together(question, item, ranked) if place < most else (item,)
        if not any(repeats(one, other) for one in group for other in found):
            found += [replace(one, beside=len(group) > 1) for one in group]
    return tuple(found)


def together(question: str, best: Evidence, ranked: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The rows or items that answer with `best`, itself among them, in the document's order.

    Those of its table or list that hold the same words of the question, where most score nearly as well and all are
    short enough to be quoted; else `best` alone.
    """
    asked = set(content_stems(without_bound(question)))
    named = _named(asked, best)
    others = [
        item
        for item in ranked
        if _among_the_same(item, best) and item.start != best.start and _named(asked, item) == named
    ]
    near = sum(item.score >= NEAR_BEST * best.score for item in others)
    words = sum(word_count(item.text.replace("|", " ")) for item in (best, *others))
    if near < LEAST_NEAR * len(others) or words > MOST_WORDS:
        return (best,)
    return tuple(sorted((best, *others), key=lambda item: item.start))


def _named(asked: set[str], item: Evidence) -> set[str]:
    return asked & set(content_stems(item.text))


def _same(item: Evidence, other: Evidence) -> bool:
    return (item.document, item.start, item.end) == (other.document, other.start, other.end)


def _among_the_same(item: Evidence, other: Evidence) -> bool:
    return item.among >= 0 and (item.document, item.among) == (other.document, other.among)


def _is_told_apart(asked: set[str], item: Evidence, better: Evidence) -> bool:
    """Whether the question names more of the better one than of this: it is meant, and this one is not."""
    return _among_the_same(item, better) and _named(asked, item) < _named(asked, better)
