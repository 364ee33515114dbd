"""Words of a text: tokens, light stems, stop words, numbers, names. Knows no passages, no models, no scores."""

import re
from collections.abc import Iterable
from functools import lru_cache

WORD = re.compile(r"[^\W_]+(?:[._'’@/:+#-][^\W_]+)*[+#]*")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
SPELLED = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15",
    "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20", "thirty": "30",
    "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100", "thousand": "1000",
}  # fmt: skip


def listed(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


STOP_WORDS = listed(
    """a about after all also am an and any are as at be because been before being both but by can cannot could did do
    does doing done down during each either else etc ever for from further get gets got had has have having he her here
    hers him his how however i if in into is it its itself just let may me might mine more most much must my myself no
    nor not now of off on once one only onto or other our ours out over own per please shall she should since so some
    such than that the their theirs them then there these they this those through thus to too under until up upon us
    very was we were what when where whether which while who whom whose why will with within without would yet you your
    yours yourself s t d ll m re ve don doesn didn isn wasn aren weren won wouldn can't don't doesn't didn't isn't
    wasn't aren't won't anybody anyone anything everybody everyone everything somebody someone something hello hey hi
    thank thanks way i'm i've it's that's there's what's who's how's where's"""
)
QUESTION_WORDS = listed("what when where which who whom whose why how")
NEGATIONS = listed(
    """no not never none nobody nothing neither nor cannot can't don't doesn't didn't isn't wasn't aren't
    weren't won't wouldn't shouldn't couldn't hasn't haven't hadn't unable fails failed refuse refuses refused lack
    lacks"""
)

# Longest first: the first that fits is cut, and what is left keeps at least three letters.
_SUFFIXES = (
    ("ization", "ize"), ("isation", "ize"), ("ational", "ate"), ("fulness", "ful"), ("iveness", "ive"),
    ("ations", ""), ("ation", ""), ("ities", "ity"), ("ments", "ment"), ("ingly", ""), ("edly", ""),
    ("ising", "ize"), ("izing", "ize"), ("ised", "ize"), ("ized", "ize"), ("iest", "y"), ("ically", "ic"),
    ("ions", "ion"), ("ies", "y"), ("ied", "y"), ("ing", ""), ("ers", "er"), ("ed", ""), ("ly", ""),
    ("es", ""), ("s", ""),
)  # fmt: skip


def words(text: str) -> list[str]:
    """Every word, lower case, in order. `t-shirt`, `x.y.z` and `don't` are one word each."""
    return [match.group().lower().replace("’", "'") for match in WORD.finditer(text)]


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A light stem of a lower-case word: equal for the plain forms of one word, readable, never empty."""
    word = word.removesuffix("'s").removesuffix("'") or word
    if len(word) <= 3 or not word.isalpha():
        return word
    for suffix, instead in _SUFFIXES:
        if (
            word.endswith(suffix)
            and len(word) - len(suffix) >= (4 if suffix.startswith("ation") else 3)
            and not word.endswith("ss")
        ):
            word = word[: -len(suffix)] + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] in "bdfgmnprt":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order, with repetitions. Joined words also count part by part."""
    found: list[str] = []
    for word in words(text):
        if word in STOP_WORDS:
            continue
        found.append(stem(word))
        if word.isalnum():
            continue
        parts = re.split(r"[^\w]+", word)
        if len(parts) > 1:
            found += [stem(part) for part in parts if len(part) > 1 and part not in STOP_WORDS]
    return found


def numbers(text: str) -> set[str]:
    """Numbers in one form: `1,000` is `1000`, `seven` is `7`, `3.50` is `3.5`."""
    found = {_plain_number(match) for match in _NUMBER.findall(text)}
    return found | {SPELLED[word] for word in words(text) if word in SPELLED}


def names(text: str) -> set[str]:
    """Stems of words with a capital letter that do not merely begin a sentence, and of words like `x-max-length`."""
    found: set[str] = set()
    for match in WORD.finditer(text):
        word = match.group()
        begins = not text[: match.start()].rstrip(" \"'“‘(*`").strip() or _ends_sentence(text[: match.start()])
        inner_capital = any(letter.isupper() for letter in word[1:])
        if inner_capital or (word[0].isupper() and not begins and word.lower() not in STOP_WORDS):
            found.add(stem(word.lower()))
    return found


def identifiers(text: str) -> set[str]:
    """Stems of words that mix letters with digits or signs, such as `MD-4013`, `M2` and `x-max-length`."""
    return {stem(word) for word in words(text) if re.search(r"[a-z].*[\d_./+#-]|\d.*[a-z]", word)}


def codes(text: str) -> set[str]:
    """Stems of words like `MD-4013` and `E1234`: letters, then three digits or more."""
    return {stem(word) for word in words(text) if re.fullmatch(r"[a-z]+[-_#]?\d{3,}", word)}


def has_negation(text: str) -> bool:
    """Whether the text denies something, by its words alone."""
    return not NEGATIONS.isdisjoint(words(text))


def word_count(text: str) -> int:
    """Words as a person counts them: runs without white space."""
    return len(text.split())


def share(wanted: Iterable[str], held: Iterable[str]) -> float:
    """The share of distinct `wanted` that `held` contains; 1.0 when nothing is wanted."""
    wanted, held = set(wanted), set(held)
    return len(wanted & held) / len(wanted) if wanted else 1.0


def _plain_number(number: str) -> str:
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", number):
        number = number.replace(",", "")
    if re.fullmatch(r"\d+\.\d+", number):
        number = number.rstrip("0").rstrip(".")
    return number.lstrip("0") or "0"


def _ends_sentence(before: str) -> bool:
    return before.rstrip(" \t\"'“‘(*`")[-1:] in {".", "?", "!", ":", "\n", ";", "•"}
