"""What kind of answer a question wants, and whether a text could be one. Knows no passages, no scores, no models."""

import re
from typing import Literal

from ingest.sentences import split_sentences
from rag.words import STOP_WORDS, WORD, content_stems, has_negation, names, numbers, stem, words

AnswerKind = Literal["number", "time", "person", "place", "steps", "reason", "definition", "yes_no", "other"]

_KINDS: tuple[tuple[AnswerKind, re.Pattern[str]], ...] = (
    ("number", re.compile(r"\bhow (?:many|much|long|often|old|large|big|far|tall|high|fast|soon|deep|wide)\b")),
    ("number", re.compile(r"\bwhat (?:\w+ )?(?:number|percentage|percent|amount|price|cost|size|limit|port|rate)\b")),
    ("time", re.compile(r"\bwhen\b(?! (?:i|you|we|it|a|an|the|using|my)\b.*\bhow\b)")),
    ("time", re.compile(r"\b(?:what|which|in what|in which) (?:year|date|month|day|century|decade|time|hours)\b")),
    ("steps", re.compile(r"\bhow (?:do|does|can|could|should|would|to|might|must)\b")),
    ("steps", re.compile(r"\b(?:what (?:steps|should i do)|steps to|way to)\b")),
    ("reason", re.compile(r"\b(?:why|what (?:causes?|caused|reason)|how come)\b")),
    ("person", re.compile(r"\b(?:who|whom|whose|what (?:person|company|organi[sz]ation|team|group))\b")),
    ("place", re.compile(r"\b(?:where|(?:what|which) (?:city|country|place|state|town|region|location|continent))\b")),
    (
        "definition",
        re.compile(r"^(?:what (?:is|are|was|were) (?:a |an |the )?\w+(?: \w+)?\??$|what does \w+ (?:mean|do))"),
    ),
    ("yes_no", re.compile(r"^(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had)\b")),
)
_HOW_MUCH = re.compile(r"\bhow (?:many|much|long|often|far|soon)\b", re.IGNORECASE)
_NUMBERED = re.compile(r"^\s*\d+(?:\.\d+)*[.)]?\s+")
_CARRIED = re.compile(r"(?<=\?)\s*\([^()]*\)\s*$")
_TIME = re.compile(
    r"\b(?:1[0-9]{3}|20[0-9]{2})\b|\b(?:january|february|march|april|may|june|july|august|september|october|november|"
    r"december|monday|tuesday|wednesday|thursday|friday|saturday|sunday|century|daily|weekly|monthly|yearly|"
    r"annually|seconds?|minutes?|hours?|days?|weeks?|months?|years?|after|before|until|during|midnight|noon)\b",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"\b(?:once|twice|several|unlimited|half|double|dozens?|hundreds?|thousands?|millions?|all|none)\b", re.I
)
_PLACE = re.compile(r"\b(?:in|at|on|under|near|from|within|inside|to|into|between|along)\b", re.IGNORECASE)
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|in order to|to avoid|to prevent|causes?|caused|reason|therefore|"
    r"result|means that|as a)\b",
    re.IGNORECASE,
)
_ACTION = re.compile(
    r"\b(?:use|set|click|run|open|select|choose|enter|press|type|add|configure|enable|disable|create|call|pass|go to|"
    r"install|start|stop|restart|sign in|log in|contact|send|tap|change|specify|provide|can be|by \w+ing|using)\b",
    re.IGNORECASE,
)
_DEFINES = re.compile(
    r"\b(?:is|are|was|were|means?|refers? to|describes?|represents?|provides?|stands for)\b", re.IGNORECASE
)

# Questions for what is written in one way only, and that way. `What phone number formats` asks for no number.
_ADDRESSED = r"(?=\s+(?:of|for|to|at)\b|\s*\?|\s*$)"
_FORMS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (
        re.compile(
            rf"\bwhat(?:'s|\s+is|\s+are|\s+was)\s+(?:\w+\s+){{0,4}}?(?:(?:tele)?phone|fax|hotline)\s+numbers?{_ADDRESSED}"
            r"|\b(?:what|which)\s+(?:phone\s+)?numbers?\s+(?:can|do|should|must|could|shall)\s+\w+\s+(?:call|ring|dial)\b"
        ),
        re.compile(r"\d(?:[\s()/.-]{0,3}\d){5}|\b(?!(?:19|20)\d\d\b)\d{3,}\b"),  # an extension too, but no year
    ),
    (
        re.compile(
            rf"\bwhat(?:'s|\s+is|\s+are|\s+was)\s+(?:\w+\s+){{1,4}}?e-?mail(?:\s+address(?:es)?)?{_ADDRESSED}"
            r"|\b(?:what|which)\s+e-?mail\s+address(?:es)?\s+(?:can|do|should|must|could|shall)\s+\w+\s+(?:write|send|use|contact)\b"
        ),
        re.compile(r"\S@\S"),
    ),
)


def asked_sentence(text: str) -> str:
    """The last sentence that asks, without the story before it; the whole text where no sentence ends in `?`.

    Words that were carried over from earlier questions stand behind it in brackets, and stay.
    """
    carried = _CARRIED.search(text)
    whole, behind = (text[: carried.start()], f" {carried.group().strip()}") if carried else (text, "")
    asking = [whole[start:end] for start, end in split_sentences(whole) if whole[start:end].rstrip().endswith("?")]
    return asking[-1] + behind if asking else text


def asked_stems(question: str) -> list[str]:
    """Content stems of what is asked about: `many` of `how many` and `long` of `how long` ask, documents lack them."""
    return content_stems(_HOW_MUCH.sub("how", question))


def asked_words(question: str) -> list[str]:
    """The words that `asked_stems` are of, lower case, each once; numbers are left out."""
    found = (word for word in words(_HOW_MUCH.sub("how", question)) if word not in STOP_WORDS and not word.isdigit())
    return list(dict.fromkeys(found))


def answer_kind(question: str) -> AnswerKind:
    """The kind of answer that is wanted; `other` when the words do not tell."""
    lower = " ".join(question.lower().split())
    return next((kind for kind, pattern in _KINDS if pattern.search(lower)), "other")


def wanted_form(question: str) -> re.Pattern[str] | None:
    """How an answer must be written, where that is certain: a phone number has digits, an e-mail address its sign."""
    lower = " ".join(question.lower().split())
    return next((written for asked, written in _FORMS if asked.search(lower)), None)


def could_answer(kind: AnswerKind, question: str, text: str, *, is_steps: bool = False) -> bool | None:
    """Whether the text holds something of the wanted kind that the question does not say; None for no expectation."""
    if (form := wanted_form(question)) is not None:
        return bool(form.search(text))
    if kind == "number":
        return bool(numbers(text) - numbers(question)) or bool(_AMOUNT.search(text))
    if kind == "time":
        return bool(_TIME.search(text))
    if kind == "person":
        return bool(new_names(question, text))
    if kind == "place":
        return bool(new_names(question, text)) or bool(_PLACE.search(text))
    if kind == "steps":
        return is_steps or bool(_ACTION.search(text))
    if kind == "reason":
        return bool(_REASON.search(text))
    if kind == "definition":
        return bool(_DEFINES.search(text))
    return None


def is_heading(question: str, heading: str, title: str) -> bool:
    """Whether the last heading of the path says what the question says: its words, and none that the question lacks.

    `What is not covered by the warranty?` is `Hardware warranty > 3. What is not covered`.
    """
    last = _NUMBERED.sub("", heading.rsplit(" > ", 1)[-1])
    asked, said, titled = (set(content_stems(text)) for text in (question, last, title))
    covers = bool(said & asked) and said <= asked | titled and asked <= titled | set(content_stems(heading))
    return covers and has_negation(question) == has_negation(last)


def new_names(question: str, text: str) -> set[str]:
    """Stems of capitalised words of the text, also at a sentence's start, that the question lacks."""
    found = names(text)
    first = WORD.search(text)
    if first and first.group()[0].isupper() and content_stems(first.group()):
        found = found | {stem(first.group().lower())}
    return found - {stem(word) for word in words(question)}
