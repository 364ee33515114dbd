"""May a generated text stand as the answer? Pure rules over its checked sentences. Knows no model and no stream."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.cite import Match
from rag.events import Verdict
from rag.evidence import Evidence
from rag.questions import answer_kind, could_answer
from rag.words import content_stems, has_negation, numbers, word_count

MOST_UNSUPPORTED = 0.34  # share of the text's characters
NEAR_BEST = 0.5  # of the best evidence's score: a text that rests on less does not answer
MOST_ANSWER_WORDS = 60  # at the sentence end after this many words the model is stopped
MOST_SENTENCES = 5

_REFUSES = re.compile(
    r"\b(?:(?:do(?:es)? not|don't|doesn't|did not|no) (?:\w+ )?(?:say|state|mention|contain|specify|provide|include|"
    r"answer|information)|not (?:mentioned|stated|specified|provided|given)|cannot (?:answer|determine|be determined)|"
    r"i (?:do not|don't) know|i(?:'m| am) (?:sorry|unable|not sure)|unable to (?:answer|determine|find))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A finished sentence of the answer's text [start, end) with what it rests on."""

    text: str
    matches: tuple[Match, ...]
    verdict: Verdict


def objection(question: str, sentences: Sequence[Checked], best_score: float) -> str | None:
    """Why the text may not stand, in words for the person who asked; None when it may.

    `best_score` is that of the best evidence.
    """
    text = " ".join(sentence.text for sentence in sentences)
    if not content_stems(text):
        return "the model said nothing"
    if repeats_itself(sentences):
        return "the model repeated itself"
    if refuses(text):
        return "the model did not answer although the documents hold evidence"
    if not set(content_stems(text)) - set(content_stems(question)):
        return "the model only repeated the question"
    length = sum(len(sentence.text) for sentence in sentences)
    unsupported = sum(len(s.text) for s in sentences if s.verdict.verdict == "unsupported")
    if unsupported > MOST_UNSUPPORTED * length:
        return "the generated text is not supported by the documents"
    backing = max((match.evidence.score for s in sentences for match in s.matches), default=0.0)
    if backing < NEAR_BEST * best_score:
        return "the generated text does not rest on the evidence that answers best"
    return None


def follows_closely(question: str, checked: Checked, best: Evidence) -> bool:
    """Whether the sentence says what the best evidence says, in its words, and leaves no choice unmade.

    For models whose text is not trusted: the wanted kind of answer, nothing new, no number picked out of several, no
    denial added or lost.
    """
    kind = answer_kind(question)
    if checked.verdict.verdict != "supported" or could_answer(kind, question, checked.text, is_steps=True) is False:
        return False
    said, asked, held = set(content_stems(checked.text)), set(content_stems(question)), set(content_stems(best.text))
    fresh = said - asked - numbers(checked.text)
    if not fresh <= held | set(content_stems(best.heading)) or not said - asked:
        return False
    if has_negation(checked.text) != has_negation(best.text):
        return False
    there, given = numbers(best.text) - numbers(question), numbers(checked.text) - numbers(question)
    return given <= there and (not given or given == there)


def refuses(text: str) -> bool:
    """Whether the text says that it cannot answer."""
    return bool(_REFUSES.search(text))


def repeats_itself(sentences: Sequence[Checked]) -> bool:
    """Whether a sentence comes twice, or one word makes up most of a longer text."""
    stems = [tuple(content_stems(sentence.text)) for sentence in sentences]
    said = [stem for stem in stems if stem]
    if len(set(said)) < len(said):
        return True
    flat = [stem for sentence in said for stem in sentence]
    return len(flat) >= 12 and len(set(flat)) < len(flat) / 3


def long_enough(text: str, sentences: int) -> bool:
    """Whether the model should be stopped at this sentence's end."""
    return word_count(text) >= MOST_ANSWER_WORDS or sentences >= MOST_SENTENCES
