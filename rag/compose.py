"""Choose evidence for the prompt and make a quoted answer of it. Pure: knows no model, no stream.

A quoted answer is exact document text: each part is one span of a source, parts are joined by a space or a new line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.evidence import Evidence
from rag.words import content_stems, share, word_count

MOST_IN_PROMPT = 5
MOST_PROMPT_WORDS = 200
MOST_QUOTED_WORDS = 60
MOST_QUOTED = 3
SECOND_SCORE = 0.15  # of the best: weaker evidence is not quoted beside it


@dataclass(frozen=True, slots=True)
class Part:
    """The answer's span [start, end) is the evidence's text, character by character."""

    start: int
    end: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Quotation:
    """An answer that consists of document text alone."""

    text: str
    parts: tuple[Part, ...]


def choose_evidence(
    ranked: Sequence[Evidence], *, most: int = MOST_IN_PROMPT, words: int = MOST_PROMPT_WORDS
) -> tuple[Evidence, ...]:
    """The best evidence that is new beside what was chosen before it, within a number of words."""
    chosen: list[Evidence] = []
    used = 0
    for item in ranked:
        length = word_count(item.text)
        if chosen and (used + length > words or any(repeats(item, other) for other in chosen)):
            continue
        chosen.append(item)
        used += length
        if len(chosen) == most:
            break
    return tuple(chosen)


def quote(chosen: Sequence[Evidence], *, words: int = MOST_QUOTED_WORDS) -> Quotation:
    """The evidence as an answer: the best piece whole, then others while they fit and score nearly as well.

    Rows or items that belong together are one piece. Pieces of one document come in the document's order. Only a list
    of steps, and rows and items together, may be longer than `words`. Rows stand below the names of their columns.
    """
    quoted: list[Evidence] = []
    used = 0
    pieces = _pieces(chosen)
    for piece in pieces[:1] if chosen and chosen[0].kind == "steps" else pieces[:MOST_QUOTED]:
        length = sum(word_count(item.text.replace("|", " ")) for item in piece)
        scores = max(item.score for item in piece) >= SECOND_SCORE * chosen[0].score
        if not quoted or (used + length <= words and scores and piece[0].kind != "steps"):
            quoted += piece
            used += length
    documents = list(dict.fromkeys(item.document for item in quoted))
    quoted.sort(key=lambda item: (documents.index(item.document), item.start))
    return _joined(_with_headers(quoted))


def _pieces(chosen: Sequence[Evidence]) -> list[list[Evidence]]:
    """Rows and items that belong together, and everything else by itself."""
    pieces: list[list[Evidence]] = []
    for item in chosen:
        before = pieces[-1][-1] if pieces else item
        if pieces and item.beside and before.beside and (item.document, item.among) == (before.document, before.among):
            pieces[-1].append(item)
        else:
            pieces.append([item])
    return pieces


def _with_headers(quoted: Sequence[Evidence]) -> list[Evidence]:
    """Each header once, before the first of its rows."""
    whole: list[Evidence] = []
    shown: set[tuple[str, int]] = set()
    for item in quoted:
        place = (item.document, item.header_start)
        if item.header and place not in shown:
            shown.add(place)
            end = item.header_start + len(item.header)
            whole.append(replace(item, kind="heading", start=item.header_start, end=end, text=item.header, header=""))
        whole.append(item)
    return whole


def _joined(quoted: Sequence[Evidence]) -> Quotation:
    text = ""
    parts: list[Part] = []
    for place, item in enumerate(quoted):
        if place:
            text += _separator(quoted[place - 1], item)
        parts.append(Part(len(text), len(text) + len(item.text), item))
        text += item.text
    return Quotation(text, tuple(parts))


def _separator(before: Evidence, after: Evidence) -> str:
    prose = before.document == after.document and before.kind == after.kind == "sentence"
    ends = re.search(r"[.!?][\"'”’)\]]*$", before.text)
    return " " if prose and ends else "\n"


def repeats(item: Evidence, other: Evidence) -> bool:
    """Whether the two overlap in one document, or say the same in the same words elsewhere."""
    if item.document == other.document and item.start < other.end and other.start < item.end:
        return True
    stems, others = set(content_stems(item.text)), set(content_stems(other.text))
    return share(stems, others) > 0.9 and share(others, stems) > 0.9
