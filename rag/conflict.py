"""Notice that two documents say different things about one question. Pure: knows no model, no stream.

The test is narrow on purpose: two pieces of evidence in much the same words, of two documents, whose numbers differ or
of which one denies. A wrong alarm costs more trust than a missed one, and both pieces can be read anyway.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from index.passage import Passage
from rag.evidence import Evidence
from rag.words import content_stems, has_negation, names, numbers

NEAR_BEST = 0.3  # of the best evidence's score: weaker evidence does not speak against it
ALIKE = 0.5  # share of common words, of all words of both
LOOKED_AT = 12

_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_DATES = ("effective", "effective_date", "valid_from", "date", "modified", "modification_date", "creation_date")


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two pieces of evidence that disagree. `dated`: the first is known to be the newer."""

    first: Evidence
    second: Evidence
    dated: bool


def find_conflict(question: str, ranked: Sequence[Evidence], passages: Sequence[Passage]) -> Conflict | None:
    """The best evidence and what speaks against it in another document, newest first; None if nothing does."""
    if not ranked:
        return None
    best = ranked[0]
    for other in ranked[1:LOOKED_AT]:
        if (
            other.document != best.document
            and other.score >= NEAR_BEST * best.score
            and disagree(question, best, other)
        ):
            return _ordered(best, other, passages)
    return None


def disagree(question: str, one: Evidence, other: Evidence) -> bool:
    """Whether the two say the same of the same things, but for a number or a denial."""
    if "steps" in (one.kind, other.kind):
        return False
    first, second = _plain_stems(one.text), _plain_stems(other.text)
    if not first or not second or len(first & second) < ALIKE * len(first | second):
        return False
    if names(one.text) - names(other.text) and names(other.text) - names(one.text):
        return False  # each speaks of something of its own
    left, right = numbers(one.text) - numbers(question), numbers(other.text) - numbers(question)
    return bool(left and right and left != right) or has_negation(one.text) != has_negation(other.text)


def newest(passage: Passage) -> str:
    """When a document began to hold, as text that sorts: a date of its metadata, else the last year it is named by."""
    date = _date(passage.metadata)
    return date or max(_YEAR.findall(f"{passage.name} {passage.title}"), default="")


def _date(metadata: Mapping[str, object]) -> str:
    return next((value for key in _DATES if isinstance(value := metadata.get(key), str) and _YEAR.match(value)), "")


def _ordered(best: Evidence, other: Evidence, passages: Sequence[Passage]) -> Conflict:
    age, other_age = (newest(passages[item.n - 1]) for item in (best, other))
    if age and other_age and age != other_age:
        newer, older = (best, other) if age > other_age else (other, best)
        return Conflict(newer, older, dated=True)
    return Conflict(best, other, dated=False)


def _plain_stems(text: str) -> set[str]:
    return set(content_stems(text)) - numbers(text)
