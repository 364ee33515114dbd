"""Notice that two documents say different things about one question. Pure: knows no model, no stream.

The test is narrow on purpose: two pieces of evidence in much the same words, of two documents, whose numbers differ or
of which one denies. A wrong alarm costs more trust than a missed one, and both pieces can be read anyway.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from index.passage import Passage
from rag.evidence import Evidence
from rag.words import content_stems, has_negation, names, numbers, stem, words

NEAR_BEST = 0.3  # of the best evidence's score: weaker evidence does not speak against it
BEFORE, AFTER = 4, 3  # words around a number that say what it counts
ALIKE = 0.7  # of the words around both numbers
LEAST_AROUND = 4
DENIED = 0.8  # of the shorter one's words: so many are common when one denies what the other says
LEAST_COMMON = 2
LOOKED_AT = 8

_NUMBERING = re.compile(r"^\W*\d+(?:\.\d+)*[.)]?\s+")  # of a clause: 1.2
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_DATES = ("effective", "effective_date", "valid_from", "date", "modified", "modification_date", "creation_date")


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two pieces of evidence that disagree. `dated`: the first is known to be the newer."""

    first: Evidence
    second: Evidence
    dated: bool


def find_conflict(question: str, ranked: Sequence[Evidence], passages: Sequence[Passage]) -> Conflict | None:
    """The two best pieces of evidence of two documents that disagree, newest first; None if none do."""
    near = [item for item in ranked[:LOOKED_AT] if item.score >= NEAR_BEST * ranked[0].score]
    for one, other in combinations(near, 2):
        if one.document != other.document and disagree(question, one, other):
            return _ordered(one, other, passages)
    return None


def disagree(question: str, one: Evidence, other: Evidence) -> bool:
    """Whether the two say the same of the same things, but for a number or a denial."""
    if one.kind != other.kind or one.kind == "steps":
        return False
    left, right = (_NUMBERING.sub("", item.text) for item in (one, other))
    if names(left) - names(right) and names(right) - names(left):
        return False  # each speaks of something of its own
    if has_negation(left) != has_negation(right):
        first, second = (set(content_stems(text)) - numbers(text) for text in (left, right))
        common = len(first & second)
        return common >= LEAST_COMMON and common >= DENIED * min(len(first), len(second))
    return _other_number(left, right, numbers(question))


def _other_number(left: str, right: str, asked: set[str]) -> bool:
    """Whether a number stands among the same words in both texts, but is another one."""
    here, there = _placed_numbers(left), _placed_numbers(right)
    said, meant = {number for number, _ in here}, {number for number, _ in there}
    for number, around in here:
        for another, near in there:
            alike = len(around & near) >= max(LEAST_AROUND, ALIKE * len(around | near))
            if alike and number not in meant | asked and another not in said | asked:
                return True
    return False


def _placed_numbers(text: str) -> list[tuple[str, set[str]]]:
    """Each number with the stems of the words around it."""
    tokens = words(text)
    found = []
    for place, token in enumerate(tokens):
        for number in numbers(token):
            around = tokens[max(place - BEFORE, 0) : place] + tokens[place + 1 : place + 1 + AFTER]
            found.append((number, {stem(word) for word in around}))
    return found


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
