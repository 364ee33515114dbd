"""Divide a question that asks several things into questions that stand alone. Knows no retrieval and no model."""

import re

from rag.rewrite import carried_words, rewrite
from rag.words import content_stems, listed, words

MOST_PARTS = 3
LEAST_WORDS = 3  # of a part: fewer ask nothing by themselves
_POINTERS = listed("it its they them their there")
_BEGINS = (
    r"(?:what|when|where|which|who|whom|whose|why|how|is|are|was|were|can|could|do|does|did|will|would|should|may|"
    r"must|has|have)"
)
_BETWEEN = re.compile(
    rf"(?:\?\s+(?:and\s+|also\s+)*|;\s*(?:and\s+)?|,?\s+and\s+(?:also\s+)?|,\s*(?:also\s+)?)(?={_BEGINS}\b)",
    re.IGNORECASE,
)


def parts_of(question: str) -> tuple[str, ...]:
    """What is asked, one question each; those after the first come with the words they lean on.

    `How long is it valid and what does it cost?` asks two things, `How do I add and remove people?` one.
    """
    pieces = [piece.strip() for piece in _BETWEEN.split(question) if piece.strip()]
    if not 2 <= len(pieces) <= MOST_PARTS or not all(_asks(piece) for piece in pieces):
        return (question,)
    whole = [piece if piece.endswith("?") else f"{piece}?" for piece in pieces]
    return (whole[0], *(_alone(piece, whole[0]) for piece in whole[1:]))


def _alone(piece: str, first: str) -> str:
    """The piece with the words of the first that it points at; inside one question `it` stands for it."""
    carried = [] if _POINTERS.isdisjoint(words(piece)) else carried_words(piece, first)
    return f"{piece} ({' '.join(carried)})" if carried else rewrite(piece, [first])


def _asks(piece: str) -> bool:
    begins = re.match(rf"(?:\W*(?:and|also|so|but)\s+)?{_BEGINS}\b", piece, re.IGNORECASE)
    return begins is not None and len(words(piece)) >= LEAST_WORDS and bool(content_stems(piece))
