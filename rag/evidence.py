"""Find the sentences of passages that answer a question, and judge whether they can. Knows no SQL, no language model.

Two parts can be swapped: `EvidenceScorer` ranks, `AnswerabilityJudge` decides how likely the best evidence answers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.embedder import Embedder
from index.embedder_serving import at_once
from index.passage import Passage
from rag.calibration import Logistic, squash
from rag.coverage import covered, found_share, weighted_stems, word_rarity
from rag.instructions import addresses_model
from rag.measures import answering_numbers, told_with_noun, without_bound
from rag.questions import AnswerKind, answer_kind, asked_sentence, asked_stems, could_answer, is_heading, new_names
from rag.reading import Reader
from rag.synonyms import told_with_held
from rag.units import Unit, UnitKind, units_of
from rag.words import codes, content_stems, identifiers, names, numbers, share, word_count

MOST_CANDIDATES = 20  # units that are embedded per question; with 32, none of 370 questions was decided otherwise
LONGEST_UNIT_WORDS = 140
COMMON_SUBJECT = 0.55  # what is spoken of less says nothing about whether a question belongs here
MOST_TOLD = 16  # units that are also read by themselves, as one would say them aloud


@dataclass(frozen=True, slots=True)
class Evidence:
    """A unit that may answer. `text == document.text[start:end]` and lies inside source `n`."""

    n: int  # 1-based number of the source
    document: str
    kind: UnitKind
    start: int
    end: int
    text: str
    heading: str
    score: float  # 0..1: how likely this unit holds the answer
    features: Mapping[str, float] = field(default_factory=dict)
    header: str = ""  # of a row: the names of its columns, which stand at `header_start` of the same source
    header_start: int = 0
    among: int = -1  # where the table or list begins that this is a row or an item of
    beside: bool = False  # belongs into one answer with the others that are marked so


@dataclass(frozen=True, slots=True)
class Answerability:
    """How likely the evidence answers the question, calibrated, with what it was judged by."""

    score: float  # 0..1
    features: Mapping[str, float] = field(default_factory=dict)


class EvidenceScorer(Protocol):
    """Ranks the units of passages."""

    def rank(self, question: str, passages: Sequence[Passage]) -> tuple[Evidence, ...]:
        """Evidence, best first. `n` is the passage's position + 1. May leave out hopeless units."""
        ...


class AnswerabilityJudge(Protocol):
    """Says how likely the best evidence answers."""

    def judge(
        self, question: str, passages: Sequence[Passage], ranked: Sequence[Evidence], subject: float = 0.0
    ) -> Answerability:
        """`subject`, 0..1: how much the collections speak of what the question is about."""
        ...


class FeatureScorer:
    """Ranks by a few features (what the reader found, cosine, weighted word overlap, kind of answer, passage rank) and
    fitted weights. Without a reader the weights must be those fitted without."""

    def __init__(self, embedder: Embedder, weights: Logistic, reader: Reader | None = None) -> None:
        self._embedder = embedder
        self._weights = weights
        self._reader = reader

    def rank(self, question: str, passages: Sequence[Passage]) -> tuple[Evidence, ...]:
        return self.ordered(self._weights, passages, unit_features(self._embedder, question, passages, self._reader))

    @staticmethod
    def ordered(
        weights: Logistic, passages: Sequence[Passage], table: Sequence[tuple[Unit, Mapping[str, float]]]
    ) -> tuple[Evidence, ...]:
        """Units with their features as evidence, best first."""
        ranked = [
            Evidence(
                unit.passage + 1,
                passages[unit.passage].document,
                unit.kind,
                unit.start,
                unit.end,
                unit.text,
                passages[unit.passage].heading,
                weights.probability(features),
                features,
                unit.header,
                unit.header_start,
                unit.among,
            )
            for unit, features in table
        ]
        return tuple(sorted(ranked, key=lambda evidence: (-evidence.score, evidence.n, evidence.start)))


class FeatureJudge:
    """Judges by the best evidence, what the question names that is found nowhere, and how the stages agree."""

    def __init__(self, weights: Logistic) -> None:
        self._weights = weights

    def judge(
        self, question: str, passages: Sequence[Passage], ranked: Sequence[Evidence], subject: float = 0.0
    ) -> Answerability:
        if not ranked:
            return Answerability(0.0)
        features = decision_features(question, passages, ranked, subject)
        return Answerability(self._weights.probability(features), features)


def unit_features(
    embedder: Embedder, question: str, passages: Sequence[Passage], reader: Reader | None = None
) -> list[tuple[Unit, dict[str, float]]]:
    """Candidate units with their features, in no particular order. A reader adds those that begin with `read`.

    All units are scored by words and by the reader first; only the `MOST_CANDIDATES` best are embedded, in one batch.
    """
    units = [unit for unit in units_of(passages) if _may_answer(unit)]
    if not units:
        return []
    said = in_words_of(question, passages)
    question = without_bound(said)
    rarity = word_rarity([passage.text + "\n" + passage.heading for passage in passages], units)
    wanted = weighted_stems(question, rarity)
    held = [set(content_stems(f"{passage.title} {passage.heading} {passage.text}")) for passage in passages]
    asked = _Asked(question, answer_kind(question), wanted, names(question), numbers(said), identifiers(question), said)
    cheap = [_word_features(asked, unit, passages[unit.passage], held[unit.passage]) for unit in units]
    if reader is not None:
        told = _told(units, passages, sorted(range(len(units)), key=lambda place: -_promise(cheap[place])))
        for features, read in zip(cheap, reading_features(reader, question, passages, units, told), strict=True):
            features |= read
    order = sorted(range(len(units)), key=lambda place: -_promise(cheap[place]))[:MOST_CANDIDATES]
    chosen = [units[place] for place in order]
    cosines = _cosines(at_once(embedder), question, chosen, passages)
    around = _likeness_around(chosen, cosines)
    return [(unit, {**cheap[place], **likeness}) for unit, place, likeness in zip(chosen, order, around, strict=True)]


def in_words_of(question: str, passages: Sequence[Passage]) -> str:
    """The question in the words of the passages, where they hold none of its own that may be said otherwise."""
    held = _stems_of(passages)
    return told_with_held(told_with_noun(question, held), held)


def _may_answer(unit: Unit) -> bool:
    """Not a heading, not a wall of text, and nothing that gives orders to a language model."""
    short = unit.kind != "heading" and word_count(unit.text) <= LONGEST_UNIT_WORDS
    return short and not addresses_model(unit.text)


def _told(units: Sequence[Unit], passages: Sequence[Passage], order: Sequence[int]) -> dict[int, tuple[str, int]]:
    """The first units of the order that say more with their headings and columns, by place."""
    told = ((place, units[place].told(passages[units[place].passage].heading)) for place in order)
    return dict(islice(((place, text) for place, text in told if text is not None), MOST_TOLD))


def reading_features(
    reader: Reader,
    question: str,
    passages: Sequence[Passage],
    units: Sequence[Unit],
    told: Mapping[int, tuple[str, int]],
) -> list[dict[str, float]]:
    """What the reader makes of each unit: its best span, beside the best of all and of its passage; tens of logits.

    `told` are units in words that are read by themselves: cells of a table mean nothing without their columns.
    `read_answerable` is of the whole passage, or of the unit's own words.
    """
    texts = [passage.text for passage in passages]
    # The network learned from questions of one sentence: a story before it only distracts.
    readings = reader.read(asked_sentence(question), [*texts, *(text for text, _ in told.values())])
    alone = dict(zip(told, readings[len(texts) :], strict=True))
    spans, answerable = [], []
    for place, unit in enumerate(units):
        offset, reading = passages[unit.passage].start, readings[unit.passage]
        best, can = reading.best(unit.start - offset, unit.end - offset), reading.answerable
        if place in alone:
            text, start = told[place]
            best = max(best, alone[place].best(start, len(text)))
            can = max(can, alone[place].answerable)
        spans.append(max(-20.0, best) / 10.0)
        answerable.append(max(-1.0, min(1.0, can / 10.0)))
    best = max(spans)
    of_passage: dict[int, float] = {}
    for unit, span in zip(units, spans, strict=True):
        of_passage[unit.passage] = max(of_passage.get(unit.passage, -2.0), span)
    return [
        {
            "read": span,
            "read_gap": min(best - span, 2.0),
            "read_passage": min(best - of_passage[unit.passage], 2.0),
            "read_answerable": can,
        }
        for unit, span, can in zip(units, spans, answerable, strict=True)
    ]


def _likeness_around(units: Sequence[Unit], cosines: NDArray[np.float32]) -> list[dict[str, float]]:
    """The cosine of each unit beside those of the best unit, of its passage's best, and of its neighbours."""
    best = float(cosines.max())
    of_passage: dict[int, float] = {}
    for unit, cosine in zip(units, cosines, strict=True):
        of_passage[unit.passage] = max(of_passage.get(unit.passage, -1.0), float(cosine))
    places = sorted(range(len(units)), key=lambda place: (units[place].passage, units[place].start))
    near = [0.0] * len(units)
    for before, after in pairwise(places):
        if units[before].passage == units[after].passage:
            near[before] = max(near[before], float(cosines[after]))
            near[after] = max(near[after], float(cosines[before]))
    return [
        {
            "cosine": float(cosine),
            "cosine_gap": best - float(cosine),
            "cosine_passage": of_passage[unit.passage],
            "cosine_near": near[place],
        }
        for place, (unit, cosine) in enumerate(zip(units, cosines, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is computed once per question."""

    question: str
    kind: AnswerKind
    wanted: Mapping[str, float]
    names: set[str]
    numbers: set[str]
    identifiers: set[str]
    said: str  # the question with the time whose side is asked for


def _word_features(asked: _Asked, unit: Unit, passage: Passage, held: set[str]) -> dict[str, float]:
    """Features that need no model; `held` are the stems of the passage with title and headings."""
    stems = set(content_stems(unit.text))
    context = set(content_stems(f"{passage.heading} {unit.lead}")) | stems
    question, kind, wanted = asked.question, asked.kind, asked.wanted
    fits = could_answer(kind, question, unit.text, is_steps=unit.kind == "steps")
    length = word_count(unit.text)
    fresh = len(stems - set(wanted)) / max(len(stems), 1)
    return {
        "overlap": covered(wanted, stems),
        "overlap_heading": covered(wanted, context),
        "overlap_passage": covered(wanted, held | context),
        "headed": 1.0 if is_heading(question, passage.heading, passage.title) else 0.0,
        "names": share(asked.names, held | context),
        "numbers": share(asked.numbers, answering_numbers(asked.said, f"{passage.heading} {unit.lead} {unit.text}")),
        "identifiers": share(asked.identifiers, context),
        "kind_fits": 1.0 if fits else 0.0,
        "kind_misses": 1.0 if fits is False else 0.0,
        "fresh": fresh,
        "new_names": min(len(new_names(question, unit.text)), 3) / 3.0,
        "short": 1.0 if length < 5 else 0.0,
        "length": math.log1p(length) / 5.0,
        "steps": 1.0 if unit.kind == "steps" else 0.0,
        "how_steps": 1.0 if unit.kind == "steps" and kind == "steps" else 0.0,
        "item": 1.0 if unit.kind in {"item", "row"} else 0.0,
        "code": 1.0 if unit.kind == "code" else 0.0,
        "rank": 1.0 / (1.0 + unit.passage),
    }


def _promise(features: Mapping[str, float]) -> float:
    words = features["overlap_heading"] + 0.3 * features["overlap"]
    return words + 0.5 * features["rank"] + 0.3 * features["kind_fits"] - features.get("read_gap", 0.0)


def _cosines(
    embedder: Embedder, question: str, units: Sequence[Unit], passages: Sequence[Passage]
) -> NDArray[np.float32]:
    """(n,) float32. A unit is embedded behind what introduces it: the line before a list, else the nearest heading."""
    texts = [_with_heading(unit.lead or passages[unit.passage].heading, unit.text) for unit in units]
    rows = embedder.embed([fit_to_embedder(embedder, text) for text in texts])
    return rows @ embedder.embed_query(question)


def _with_heading(heading: str, text: str) -> str:
    last = heading.rsplit(" > ", 1)[-1].strip()
    return f"{last}: {text}" if last else text


def fit_to_embedder(embedder: Embedder, text: str) -> str:
    """The beginning of the text that the model reads. Only the scoring sees it; spans stay whole."""
    limit = embedder.max_tokens - 2
    if len(text) <= limit:  # a token has at least one character
        return text
    spans = embedder.offsets(text)
    return text if len(spans) <= limit else text[: spans[limit - 1][1]]


def decision_features(
    question: str, passages: Sequence[Passage], ranked: Sequence[Evidence], subject: float = 0.0
) -> dict[str, float]:
    """What tells whether the best evidence answers at all."""
    best = ranked[0]
    source = passages[best.n - 1]
    logits = [math.log(max(e.score, 1e-9) / max(1.0 - e.score, 1e-9)) for e in ranked[:5]]
    everywhere = _stems_of(passages)
    said = in_words_of(question, passages)
    question = without_bound(said)
    asked = set(asked_stems(question))
    here = set(content_stems(f"{source.title} {source.heading} {source.text}"))
    near = set(content_stems(f"{source.heading} {best.text}"))
    named = names(question) | numbers(said)
    held = here | answering_numbers(said, best.text)
    exact = codes(question)
    dense = max((float(passage.stages.get("dense", 0.0)) for passage in passages), default=0.0)
    ranks = source.stages
    return {
        "best": logits[0],
        "margin": logits[0] - logits[1] if len(logits) > 1 else 2.0,
        "cosine": max(e.features.get("cosine", 0.0) for e in ranked[:5]),
        "best_cosine": best.features.get("cosine", 0.0),
        "dense": dense,
        "found_nowhere": 1.0 - found_share(asked, everywhere),
        "found_here": found_share(asked, here),
        "found_near": found_share(asked, near),
        "names_here": share(named, held) if named else 1.0,
        "code_near": share(exact, near) if exact else 0.0,
        "overlap_near": best.features.get("overlap_heading", 0.0),
        "overlap_passage": best.features.get("overlap_passage", 0.0),
        "headed": best.features.get("headed", 0.0),
        "subject": max(0.0, subject - COMMON_SUBJECT),
        "kind_fits": best.features.get("kind_fits", 0.0),
        "kind_misses": best.features.get("kind_misses", 0.0),
        "agree": 1.0 if ranks.get("dense_rank") == 1 and ranks.get("lexical_rank") == 1 else 0.0,
        "first": 1.0 if best.n == 1 else 0.0,
        "asked": min(len(asked), 12) / 12.0,
        "crowd": squash(sum(logits) / len(logits)),
        **{name: value for name, value in best.features.items() if name.startswith("read")},
        **_readings_together(ranked),
    }


def _stems_of(passages: Sequence[Passage]) -> set[str]:
    return set().union(*(content_stems(f"{item.title} {item.heading} {item.text}") for item in passages))


def _readings_together(ranked: Sequence[Evidence]) -> dict[str, float]:
    """The reader's best anywhere; nothing without a reader."""
    if "read" not in ranked[0].features:
        return {}
    return {
        "read_best": max(item.features["read"] for item in ranked),
        "read_best_answerable": max(item.features["read_answerable"] for item in ranked),
    }
