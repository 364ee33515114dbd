"""Tie each sentence of an answer to spans of the evidence it rests on. Pure: knows no model, no stream, no SQL."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rag.events import Citation, Source, SourceSpan
from rag.evidence import Evidence
from rag.units import whole_sentences
from rag.words import content_stems, numbers, share

LEAST_MATCH = 0.45
SECOND_MATCH = 0.85  # of the best: a second footnote must match nearly as well
NAMED_BONUS = 0.05  # the model itself named this source
MOST_FOOTNOTES = 2


@dataclass(frozen=True, slots=True)
class Match:
    """How well a piece of evidence matches a sentence, 0..1 or a little above."""

    evidence: Evidence
    score: float


def match(
    sentence: str, evidence: Sequence[Evidence], cosines: Sequence[float], named: Collection[int] = ()
) -> list[Match]:
    """Evidence that backs the sentence, best first, at most `MOST_FOOTNOTES`; empty when none is near enough.

    `cosines` runs along `evidence`. Half of the score is likeness, half is the share of content words and numbers.
    """
    wanted = set(content_stems(sentence)) | numbers(sentence)
    matches = []
    for item, cosine in zip(evidence, cosines, strict=True):
        held = set(content_stems(item.text)) | set(content_stems(item.heading)) | numbers(item.text)
        score = 0.5 * max(float(cosine), 0.0) + 0.5 * share(wanted, held)
        matches.append(Match(item, score + (NAMED_BONUS if item.n in named else 0.0)))
    matches.sort(key=lambda found: -found.score)
    least = max(LEAST_MATCH, SECOND_MATCH * matches[0].score) if matches else LEAST_MATCH
    return [found for found in matches if found.score >= least][:MOST_FOOTNOTES]


def citation(start: int, end: int, backing: Sequence[Evidence], sources: Sequence[Source]) -> Citation | None:
    """The footnotes of the answer's span [start, end).

    A span that does not exist in its source (or a source that does not exist) is left out; None when nothing is left.
    """
    by_number = {source.n: source for source in sources}
    spans: list[SourceSpan] = []
    for item in backing:
        source = by_number.get(item.n)
        if source is None or not (source.start <= item.start < item.end <= source.end):
            continue
        if source.text[item.start - source.start : item.end - source.start] != item.text:
            continue
        span = SourceSpan(item.n, item.start, item.end, source.page)
        if span not in spans:
            spans.append(span)
    return Citation(start, end, tuple(spans)) if spans and start < end else None


def sentences_of(text: str) -> list[tuple[int, int]]:
    """Spans of the answer's sentences without white space around them; lines of a list are sentences."""
    spans: list[tuple[int, int]] = []
    for start, end in whole_sentences(text):
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        end -= len(piece) - len(piece.rstrip())
        if end > start:
            spans.append((start, end))
    return spans
