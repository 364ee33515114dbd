"""Times and properties that are told in other words: `three weeks` and `21 days`, `how heavy` and `weight`.

Pure; knows no passages, no scores, no models. English only.
"""

import re
from collections.abc import Collection

from rag.words import SPELLED, numbers, stem

_HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "week": 168.0}
_MONTHS = {"month": 1.0, "quarter": 3.0, "year": 12.0}
_UNITS = "|".join([*_HOURS, *_MONTHS])
_COUNT = rf"\d+(?:\.\d+)?|{'|'.join(SPELLED)}"
_DURATION = re.compile(rf"\b(?:({_COUNT})[ -]({_UNITS})s?|({_UNITS}) (\d+))\b", re.IGNORECASE)
_BOUND = re.compile(
    r"\s*\b(?:(?:still|even|only) )?(?:after|within|for|in|before|during|by|older than|longer than|more than|less than|"
    r"over|under|up to|at least)(?: more than| less than)?(?: the (?:first|last))?(?: about)? "
    rf"(?:an?|a few|{_COUNT})[ -](?:{_UNITS})s?\b(?: (?:old|ago|later|long))?",
    re.IGNORECASE,
)
_CLOSED = re.compile(
    r"(?:(?:and|but|so|hi|hello)\W+)*(?:can|could|may|might|is|are|was|were|am|do|does|did|will|would|should|must|has|have)"
    r"(?:n't)?\b",
    re.IGNORECASE,
)
_HOW = re.compile(r"\bhow ([a-z]+) (is|are|was|were) ", re.IGNORECASE)
_NOUNS = {
    "heavy": ("weight", "mass"), "tall": ("height",), "high": ("height",), "wide": ("width",), "deep": ("depth",),
    "thick": ("thickness",), "fast": ("speed",), "hot": ("temperature",),
    "cold": ("temperature",), "loud": ("noise",), "old": ("age",), "expensive": ("price", "cost"),
    "far": ("distance", "range"),
    "accurate": ("accuracy",), "bright": ("brightness",), "strong": ("strength",),
}  # fmt: skip
_MOST = 1000  # of a unit; nobody tells more in it


def durations(text: str) -> dict[tuple[str, float], str]:
    """The times that a text gives, as (`hours` or `months`, how many), each with its number as `numbers` has it."""
    found = {}
    for match in _DURATION.finditer(text):
        count = (match.group(1) or match.group(4)).lower()
        unit = (match.group(2) or match.group(3)).lower()
        number = SPELLED.get(count, count)
        kind, size = ("hours", _HOURS[unit]) if unit in _HOURS else ("months", _MONTHS[unit])
        found[kind, round(float(number) * size, 4)] = min(numbers(count), default=number)
    return found


def held_numbers(asked: str, text: str) -> set[str]:
    """The numbers of the text, and those of `asked` that belong to a time which the text gives in another unit."""
    here = durations(text)
    return numbers(text) | {number for time, number in durations(asked).items() if time in here}


def answering_numbers(question: str, text: str) -> set[str]:
    """As `held_numbers`; where the question is whether something holds at a time, any time of the text will do."""
    if durations(text) and without_bound(question) != question:
        return numbers(text) | set(durations(question).values())
    return held_numbers(question, text)


def without_bound(question: str) -> str:
    """`Can I return it?` of `Can I return it after three weeks?`; any other question as it is.

    Documents do not say three weeks: they say until when, and that decides.
    """
    match = _BOUND.search(question) if _CLOSED.match(question.strip()) else None
    return question if match is None else question[: match.start()] + question[match.end() :]


def told_with_noun(question: str, held: Collection[str]) -> str:
    """`How heavy is it?` as `What is the weight of it?` where `held`, stems, has the noun and not the adjective."""
    match = _HOW.search(question)
    if match is None or stem(match.group(1).lower()) in held:
        return question
    noun = next((noun for noun in _NOUNS.get(match.group(1).lower(), ()) if stem(noun) in held), None)
    if noun is None:
        return question
    return f"{question[: match.start()]}What {match.group(2).lower()} the {noun} of {question[match.end() :]}"


def also_said(question: str) -> list[str]:
    """What a document may say instead: the noun of the property that is asked for, a time in its other units."""
    how = _HOW.search(question)
    found = list(_NOUNS.get(how.group(1).lower(), ())[:1]) if how else []
    for kind, size in durations(question):
        for unit, of_unit in (_HOURS if kind == "hours" else _MONTHS).items():
            count = round(size / of_unit, 4)
            said = f"{count:.0f} {unit}{'' if count == 1 else 's'}"
            if count == round(count) and 1 <= count <= _MOST and said not in question:
                found.append(said)
    return found
