"""One answer against one case, and many scores as shares. Pure; asks nothing and reads no file.

Every share divides by the questions it is named after: all asked, the answerable, those that must abstain, or the
answers given. A crashed case is among the questions and scores zero.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from eval.asking import Asked
from eval.datasets import Case
from eval.metrics import best_f1, interval, percentile, says, share, without_markers

RECALL_AT = (1, 3, 5, 8)


class Library(Protocol):
    """What scoring needs to know about documents."""

    def name(self, document: str) -> str:
        """The name of a document; empty if it is gone."""
        ...

    def text(self, document: str) -> str:
        """Its whole text; empty if it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Score:
    """What one answer was worth. `wrong`: it said something, and that was not right or not to be said."""

    case: str
    outcome: str
    right: bool
    wrong: bool
    contains_gold: bool
    f1: float  # as SQuAD 2 counts: an unanswerable question scores 1 for an abstention
    found_at: tuple[int, ...]  # per gold span or document: rank of the first source that holds it, 0 if none does
    citations: int
    citations_exist: bool
    citations_contain_gold: bool
    words: int
    seconds: float
    confidence: float
    text: str
    error: str
    evidence: float = -1.0  # the calibrated score that decides whether to answer; -1 where it is not known
    facts: float = 1.0  # share of the case's facts that were said
    broken: tuple[str, ...] = ()  # rules of the case that the answer broke, in words
    unsaid: tuple[str, ...] = ()  # facts of the case that the answer did not say
    cited_on_gold: int = 0  # cited spans that overlap a gold span
    gold_cited: int = 0  # gold spans that a cited span overlaps
    gold_spans: int = 0
    first_word_seconds: float = 0.0
    grounding_ms: float = 0.0  # evidence, decision and verdicts together
    tokens: int = 0  # read and written by the model
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class CitedSpan:
    """Where a citation points, and whether that place exists."""

    document: str  # its name
    text: str
    exists: bool
    start: int = 0
    end: int = 0


def score(case: Case, asked: Asked, library: Library) -> Score:
    """Judge one answer."""
    spoke = asked.said_something
    plain = without_markers(asked.text)
    cited = cited_spans(asked, library)
    unsaid = tuple(fact for fact in case.facts if not (spoke and says(plain, (fact,))))
    gold = spoke and case.answerable and (says(plain, case.answers) or not case.answers) and not unsaid
    right_place = not case.documents or any(span.exists and span.document in case.documents for span in cited)
    broken = rules_broken(case, plain, cited) if spoke else ()
    right = (gold and right_place and not broken) if case.answerable else asked.outcome == "abstained"
    answer_f1 = best_f1(plain, case.answers) if spoke else 0.0
    on_gold, gold_cited = _against_gold(case, asked, cited, library)
    usage = asked.usage
    return Score(
        case=case.id,
        outcome=asked.outcome,
        right=right,
        wrong=spoke and not right,
        contains_gold=gold,
        f1=answer_f1 if case.answerable else float(right),
        found_at=found_at(case, asked, library),
        citations=len(cited),
        citations_exist=bool(cited) and all(span.exists for span in cited),
        citations_contain_gold=says("\n".join(span.text for span in cited if span.exists), case.answers),
        words=len(plain.split()),
        seconds=asked.seconds,
        confidence=asked.confidence,
        text=asked.text,
        error=asked.error,
        evidence=asked.evidence,
        facts=1.0 - len(unsaid) / len(case.facts) if case.facts else 1.0,
        broken=broken,
        unsaid=unsaid,
        cited_on_gold=on_gold,
        gold_cited=gold_cited,
        gold_spans=len(case.spans),
        first_word_seconds=usage.ms.get("first_token", 0.0) / 1000 if usage else 0.0,
        grounding_ms=usage.ms.get("evidence", 0.0) + usage.ms.get("verify", 0.0) if usage else 0.0,
        tokens=usage.prompt_tokens + usage.completion_tokens if usage else 0,
        cost=usage.cost if usage else 0.0,
    )


def _against_gold(case: Case, asked: Asked, cited: Sequence[CitedSpan], library: Library) -> tuple[int, int]:
    """How many cited spans overlap a gold span, and how many gold spans a cited one overlaps."""
    texts = {library.name(source.document): library.text(source.document) for source in asked.sources}
    gold = [(span.document, locate(texts.get(span.document, ""), span.text)) for span in case.spans]
    placed = [(document, place) for document, place in gold if place is not None]

    def overlap(span: CitedSpan, document: str, place: tuple[int, int]) -> bool:
        return span.exists and span.document == document and span.start < place[1] and place[0] < span.end

    return (
        sum(any(overlap(span, *found) for found in placed) for span in cited),
        sum(any(overlap(span, *found) for span in cited) for found in placed),
    )


def rules_broken(case: Case, said: str, cited: Sequence[CitedSpan]) -> tuple[str, ...]:
    """What the answer left out or said against the case's rules."""
    there = {span.document for span in cited if span.exists}
    missing = [f"does not cite {document}" for document in case.must_cite if document not in there]
    return (*missing, *(f"says {text!r}" for text in case.must_not_say if says(said, (text,))))


def cited_spans(asked: Asked, library: Library) -> list[CitedSpan]:
    """Every place the answer cites, checked against the answer's text, its sources and the stored documents."""
    sources = {source.n: source for source in asked.sources}
    spans = []
    for citation in asked.citations:
        in_answer = 0 <= citation.start < citation.end <= len(asked.text)
        for place in citation.sources:
            source = sources.get(place.n)
            if source is None:
                spans.append(CitedSpan("", "", exists=False))
                continue
            whole = library.text(source.document)
            inside = source.start <= place.start < place.end <= source.end <= len(whole)
            same = whole[source.start : source.end] == source.text
            spans.append(
                CitedSpan(
                    library.name(source.document),
                    whole[place.start : place.end],
                    in_answer and inside and same,
                    place.start,
                    place.end,
                )
            )
    return spans


def found_at(case: Case, asked: Asked, library: Library) -> tuple[int, ...]:
    """Rank of the first source that overlaps each gold span; without spans, that is of each gold document."""
    ranks = []
    for span in case.spans:
        hits = []
        for rank, source in enumerate(asked.sources, 1):
            if library.name(source.document) == span.document:
                place = locate(library.text(source.document), span.text)
                if place and place[0] < source.end and source.start < place[1]:
                    hits.append(rank)
        ranks.append(min(hits, default=0))
    if not case.spans and case.answerable:
        names = [library.name(source.document) for source in asked.sources]
        ranks = [names.index(document) + 1 if document in names else 0 for document in case.documents]
    return tuple(ranks)


def locate(text: str, span: str) -> tuple[int, int] | None:
    """Where the words of `span` stand in `text`, whatever white space lies between them."""
    start = text.find(span)
    if start >= 0:
        return start, start + len(span)
    found = re.search(r"\s+".join(re.escape(word) for word in span.split()), text)
    return found.span() if found else None


def summarise(cases: Sequence[Case], scores: Mapping[str, Score]) -> dict[str, Any]:
    """Shares under the names of the command contract. A case without a score counts as zero everywhere."""
    every = [case.id for case in cases]
    answerable = [case.id for case in cases if case.answerable]
    silent = [case.id for case in cases if not case.answerable]
    spoke = [id_ for id_ in every if id_ in scores and scores[id_].outcome in ("answered", "quoted", "stopped")]
    gold = [id_ for id_ in answerable if id_ in scores and scores[id_].contains_gold]
    abstained = [id_ for id_ in every if id_ in scores and scores[id_].outcome == "abstained"]
    crashed = [id_ for id_ in every if id_ not in scores or scores[id_].outcome == "crashed"]

    values = partial(_values, scores)
    right, wrong = values(lambda s: s.right), values(lambda s: s.wrong)
    result: dict[str, Any] = {
        "questions": len(every),
        "answerable": len(answerable),
        "unanswerable": len(silent),
        "crashed": len(crashed),
        "answered": share(dict.fromkeys(spoke, 1.0), every),
        "answered_right": share(right, answerable),
        "abstained_unanswerable": share(right, silent),
        "wrong": share(wrong, every),
        "f1": share(values(lambda s: s.f1), every),
        "contains_gold": share(values(lambda s: s.contains_gold), answerable),
        "citations_exist": share(values(lambda s: s.citations_exist), spoke),
        "citations_contain_gold": share(values(lambda s: s.citations_contain_gold), gold),
        "abstention_precision": share(dict.fromkeys(silent, 1.0), abstained),
        "abstention_recall": share(right, silent),
        "words_per_answer": share(values(lambda s: s.words), spoke),
    }
    result |= _of_places(cases, scores) | _of_costs(every, scores) | _of_rules(cases, scores)
    result["intervals"] = {
        "answered_right": interval(right, answerable),
        "abstained_unanswerable": interval(right, silent),
        "wrong": interval(wrong, every),
        "contains_gold": interval(values(lambda s: s.contains_gold), answerable),
        "f1": interval(values(lambda s: s.f1), every),
    }
    return result


def _values(scores: Mapping[str, Score], of: Callable[[Score], float]) -> dict[str, float]:
    return {id_: float(of(found)) for id_, found in scores.items()}


def _of_places(cases: Sequence[Case], scores: Mapping[str, Score]) -> dict[str, float]:
    """Shares of the gold places that were found and cited."""
    values, result = partial(_values, scores), dict[str, float]()
    placed = [case.id for case in cases if case.answerable and (case.spans or case.documents)]
    for k in RECALL_AT if placed else ():
        result[f"recall@{k}"] = share({id_: _recall(found, k) for id_, found in scores.items()}, placed)
    spanned = [case.id for case in cases if case.answerable and case.spans]
    if spanned:
        cites = [id_ for id_ in spanned if id_ in scores and scores[id_].citations]
        result["citation_precision"] = share(values(lambda s: s.cited_on_gold / max(s.citations, 1)), cites)
        result["citation_recall"] = share(values(lambda s: s.gold_cited / max(s.gold_spans, 1)), spanned)
    return result


def _of_costs(every: Sequence[str], scores: Mapping[str, Score]) -> dict[str, float]:
    """Seconds, milliseconds, tokens and money."""
    values, result = partial(_values, scores), dict[str, float]()
    first = [found.first_word_seconds for found in scores.values() if found.first_word_seconds]
    result["seconds_to_first_word_p50"] = percentile(first, 50)
    grounding = [found.grounding_ms for found in scores.values() if found.grounding_ms]
    result["grounding_ms_p50"], result["grounding_ms_p95"] = percentile(grounding, 50), percentile(grounding, 95)
    result["tokens_per_question"] = share(values(lambda s: s.tokens), every)
    result["cost"] = sum(found.cost for found in scores.values())
    seconds = [found.seconds for found in scores.values()]
    result["seconds_per_question_p50"] = percentile(seconds, 50)
    result["seconds_per_question_p95"] = percentile(seconds, 95)
    return result


def _of_rules(cases: Sequence[Case], scores: Mapping[str, Score]) -> dict[str, float]:
    """Facts said and rules broken, where cases name some."""
    values, result = partial(_values, scores), dict[str, float]()
    with_facts = [case.id for case in cases if case.facts]
    with_rules = [case.id for case in cases if case.must_cite or case.must_not_say]
    if with_facts:
        result["facts_said"] = share(values(lambda s: s.facts), with_facts)
    if with_rules:
        result["rules_broken"] = share(values(lambda s: bool(s.broken)), with_rules)
    return result


def _recall(found: Score, k: int) -> float:
    """Share of the gold places among the first k sources."""
    return sum(1 for rank in found.found_at if 0 < rank <= k) / len(found.found_at) if found.found_at else 0.0
