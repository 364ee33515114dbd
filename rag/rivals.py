"""Of two pieces of evidence with different numbers, the one that speaks of all that was asked answers. Pure: no model.

`How long is the reset link valid?` finds `The reset link is valid for 30 minutes` and, elsewhere, `The link is valid
for 7 days`, which a reader of single passages likes better: nothing in its passage says that another link is meant.
"""

from collections.abc import Sequence
from dataclasses import replace

from rag.evidence import Evidence
from rag.questions import answer_kind
from rag.words import numbers

NEAR_BEST = 0.5  # of the best evidence's score: weaker evidence shows nothing about others
WHOLE = 0.95  # of what is asked, by weight, stands in the evidence or its headings
LACKS = 0.15  # of what is asked: a rival lacks so much at least
COUNTS = 0.1  # of the score of what answers: a rival is not quoted beside it
LOOKED_AT = 8


def without_rivals(question: str, ranked: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The evidence, best first; what gives another number and lacks a part of what was asked counts little.

    Only where one piece of good evidence lacks nothing of it.
    """
    if len(ranked) < 2 or answer_kind(question) not in ("number", "time"):
        return tuple(ranked)
    asked, near = numbers(question), ranked[:LOOKED_AT]
    said = [numbers(item.text) - asked for item in near]
    good = (place for place, item in enumerate(near) if item.score >= NEAR_BEST * ranked[0].score)
    leader = next((place for place in good if said[place] and _held(near[place]) >= WHOLE), None)
    if leader is None:
        return tuple(ranked)
    best, most = ranked[leader], _held(ranked[leader]) - LACKS
    rivals = {
        place
        for place, other in enumerate(said)
        if other and other.isdisjoint(said[leader]) and _held(ranked[place]) <= most
    }
    lowered = (
        replace(item, score=min(item.score, COUNTS * best.score)) if place in rivals else item
        for place, item in enumerate(ranked)
    )
    return tuple(sorted(lowered, key=lambda item: -item.score))


def _held(item: Evidence) -> float:
    return item.features.get("overlap_heading", 0.0)
