"""Decide whether the evidence answers what was asked, part by part, and what to say beside it. Runs no stream."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from index.passage import Passage
from rag.clarify import meanings
from rag.compose import MOST_QUOTED, choose_evidence
from rag.conflict import Conflict, find_conflict
from rag.events import Notice
from rag.evidence import Answerability, AnswerabilityJudge, Evidence, EvidenceScorer
from rag.questions import wanted_form
from rag.rivals import without_rivals
from rag.together import with_siblings

FORMLESS = 0.1  # of the score of evidence that lacks the phone number or the address that was asked for


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was asked, with its evidence, best first."""

    question: str
    ranked: tuple[Evidence, ...]
    answerability: Answerability
    answered: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What the evidence can do. `chosen` is what an answer may rest on, `ranked` all evidence, both best first."""

    parts: tuple[Part, ...]
    ranked: tuple[Evidence, ...]
    chosen: tuple[Evidence, ...]
    notices: tuple[Notice, ...]

    @property
    def answers(self) -> bool:
        """Whether at least one part can be answered."""
        return any(part.answered for part in self.parts)

    @property
    def best(self) -> Part:
        """The part that can be answered best."""
        return max(self.parts, key=lambda part: part.answerability.score)

    @property
    def needs_several(self) -> bool:
        """Whether one piece of evidence alone cannot be the answer: several parts, rows that belong
        together, or sources that disagree."""
        several = sum(part.answered for part in self.parts) > 1 or sum(item.beside for item in self.chosen) > 1
        return several or any(n.kind == "conflict" for n in self.notices)


def decide(
    scorer: EvidenceScorer,
    judge: AnswerabilityJudge,
    questions: Sequence[str],
    passages: Sequence[Passage],
    least: float,
    subjects: Sequence[float] = (),
) -> Decision:
    """Rank the evidence for each question and keep that of those with a score of at least `least`.

    `subjects` says of each question how much the collections speak of what it is about, see `rag/retrieve.py`.
    """
    parts = tuple(
        _part(scorer, judge, question, passages, least, subject)
        for question, subject in zip(questions, subjects or [0.0] * len(questions), strict=True)
    )
    answered = [part for part in parts if part.answered]
    chosen = choose_evidence(list(_in_turn([choose_evidence(part.ranked) for part in answered or parts])))
    if len(answered) == 1:
        chosen = with_siblings(answered[0].question, chosen, answered[0].ranked, MOST_QUOTED)
    notices: list[Notice] = []
    best = max(parts, key=lambda part: part.answerability.score)
    if best.answered:
        conflict = find_conflict(best.question, best.ranked, passages)
        if conflict:
            notices.append(_disagreement(conflict))
            chosen = _first(conflict, chosen)
    if answered and len(answered) < len(parts):
        notices.append(_gap([part.question for part in parts if not part.answered]))
    if not answered and len(parts) == 1:
        notices += _question_back(meanings(best.question, best.ranked, passages))
    return Decision(parts, tuple(_in_turn([part.ranked for part in parts])), chosen, tuple(notices))


def _part(
    scorer: EvidenceScorer,
    judge: AnswerabilityJudge,
    question: str,
    passages: Sequence[Passage],
    least: float,
    subject: float,
) -> Part:
    ranked = without_rivals(question, scorer.rank(question, passages))
    answerability = judge.judge(question, passages, ranked, subject)
    form = wanted_form(question)
    if form is not None and not any(form.search(item.text) for item in choose_evidence(ranked)):
        answerability = replace(answerability, score=FORMLESS * answerability.score)
    return Part(question, ranked, answerability, bool(ranked) and answerability.score >= least)


def _in_turn(lists: Sequence[Sequence[Evidence]]) -> Iterable[Evidence]:
    """The first of each, then the second of each, and so on; a span once."""
    seen: set[tuple[str, int, int]] = set()
    for row in zip_longest(*lists):
        for item in row:
            if item is not None and (item.document, item.start, item.end) not in seen:
                seen.add((item.document, item.start, item.end))
                yield item


def _first(conflict: Conflict, chosen: Sequence[Evidence]) -> tuple[Evidence, ...]:
    pair = (conflict.first, conflict.second)
    return (*pair, *(item for item in chosen if item not in pair))


def _disagreement(conflict: Conflict) -> Notice:
    order = "; the newer one comes first" if conflict.dated else ""
    text = f"Two documents say different things about this{order}."
    return Notice("conflict", text, tuple(dict.fromkeys((conflict.first.n, conflict.second.n))))


def _gap(questions: Sequence[str]) -> Notice:
    missing = " ".join(f"“{question}”" for question in questions)
    return Notice("partial", f"The documents do not say: {missing}", options=tuple(questions))


def _question_back(options: Sequence[str]) -> list[Notice]:
    if not options:
        return []
    return [
        Notice("clarify", "The question can mean several things. Which of these do you mean?", options=tuple(options))
    ]
