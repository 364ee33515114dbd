"""Make a follow-up question stand alone, from the words of earlier questions. Knows no retrieval and no model."""

import re
from collections.abc import Sequence

from rag.words import QUESTION_WORDS, STOP_WORDS, WORD, content_stems, listed, stem, words

_OPENERS = re.compile(
    r"^\s*(?:and|also|but|or|so|then|ok(?:ay)?|what about|how about|what if|and what about|and how about|"
    r"anything else|why not|for)\b[\s,]*",
    re.IGNORECASE,
)
_POINTERS = listed(
    """it its itself they them their theirs he him his she her hers this that these those one ones same former
    latter such instead both either"""
)
MOST_CARRIED = 12
LAST_WEIGHT = 1 / 4  # of the content words of the last two questions, beside the words of the question itself ...
FADING = 0.7  # ... and of each older one, as a share of the one after it
MOST_REMEMBERED = 6  # earlier questions


def rewrite(question: str, earlier: Sequence[str]) -> str:
    """The question as retrieval should see it.

    `earlier` are the questions of the conversation as they were rewritten, oldest first. A question that stands
    alone comes back as it is; a follow-up is followed by the content words of the last question that it lacks,
    in brackets, so that a person can see what was carried over.
    """
    question = " ".join(question.split())
    if not earlier or not needs_context(question):
        return question
    carried = carried_words(question, earlier[-1])
    return f"{question} ({' '.join(carried)})" if carried else question


def background(earlier: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """The content words of what was asked before and what they count, oldest first.

    A conversation has a subject that few of its turns name. Its small words say nothing of that subject, and counted
    for every turn they would outweigh it.
    """
    remembered = list(earlier)[-MOST_REMEMBERED:]
    weights = [LAST_WEIGHT * FADING ** max(0, age - 1) for age in range(len(remembered) - 1, -1, -1)]
    told = ((" ".join(_content_words(text)), weight) for text, weight in zip(remembered, weights, strict=True))
    return tuple((text, weight) for text, weight in told if text)


def needs_context(question: str) -> bool:
    """Whether the question leans on what was said before: an opener, a pointing word, or very few content words."""
    tokens = words(question)
    content = {stem(word) for word in tokens if word not in STOP_WORDS and word not in QUESTION_WORDS}
    if _OPENERS.match(question) and len(content) <= 5:
        return True
    if len(content) <= 1:
        return True
    return not _POINTERS.isdisjoint(_pointing_words(question)) and len(content) <= 6


def carried_words(question: str, last: str) -> list[str]:
    """Words of the last question that the new one lacks, in their order, as they were written."""
    have = set(content_stems(question))
    carried: list[str] = []
    for match in WORD.finditer(last):
        word = match.group()
        lower = word.lower()
        if lower in STOP_WORDS or lower in QUESTION_WORDS or stem(lower) in have:
            continue
        have.add(stem(lower))
        carried.append(word)
    return carried[-MOST_CARRIED:]


def _content_words(text: str) -> list[str]:
    found = (match.group() for match in WORD.finditer(text))
    return [word for word in found if word.lower() not in STOP_WORDS and word.lower() not in QUESTION_WORDS]


def _pointing_words(question: str) -> list[str]:
    """Words that may point back. `this` and `that` between two content words are grammar, not pointing."""
    tokens = words(question)
    pointing = []
    for place, word in enumerate(tokens):
        following = tokens[place + 1] if place + 1 < len(tokens) else ""
        previous = tokens[place - 1] if place else ""
        if word == "that" and previous and previous not in STOP_WORDS and following:
            continue
        if word == "one" and following and following not in STOP_WORDS:
            continue
        if word in {"it", "its", "they", "them", "their", "he", "him", "his", "she", "her"} and _named_before(
            tokens[:place]
        ):
            continue
        pointing.append(word)
    return pointing


def _named_before(before: Sequence[str]) -> bool:
    """Whether the same question already named something that the pronoun can stand for."""
    return sum(word not in STOP_WORDS and word not in QUESTION_WORDS for word in before) >= 2
