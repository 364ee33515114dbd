"""What a searcher wrote, taken apart: words, "quoted phrases", -excluded words, title:beginnings. Pure; knows no index.

Questions in plain words pass through unchanged. Operators are read only where somebody searches, not where somebody
asks: in "what does docker run -v do?" the minus is part of the question.
"""

import re
from dataclasses import dataclass

MOST_OPERATORS = 20

_OPERATOR = re.compile(
    r"""(?<!\S)
    (?: (?P<not>-) (?: "(?P<not_phrase>[^"]+)" | (?P<not_word>[^\W_][^\s"]*) )
      | title: (?: "(?P<title_phrase>[^"]+)" | (?P<title>[^\s"]+) )
      | "(?P<phrase>[^"]+)"
    ) (?=[\s?!.,;:)]|$)""",
    re.VERBOSE | re.IGNORECASE,
)
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})


@dataclass(frozen=True, slots=True)
class Wording:
    """`text` is what is compared in meaning and in words: phrases stay in it, the rest of the operators does not."""

    text: str
    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()  # words and phrases
    titles: tuple[str, ...] = ()  # beginnings of words of the title


def read_wording(written: str) -> Wording:
    """Take a search apart. Whatever cannot be an operator is words; the text is never empty if `written` has words."""
    phrases: list[str] = []
    without: list[str] = []
    titles: list[str] = []

    def take(match: re.Match[str]) -> str:
        if len(phrases) + len(without) + len(titles) >= MOST_OPERATORS:
            return match.group()
        found = match.groupdict()
        if found["not"]:
            without.append(found["not_phrase"] or found["not_word"])
            return ""
        if found["title"] or found["title_phrase"]:
            titles.append(found["title"] or found["title_phrase"])
            return ""
        phrases.append(found["phrase"])
        return found["phrase"]

    text = " ".join(_OPERATOR.sub(take, written.translate(_QUOTES)).split())
    # Somebody who only names a title wants its passages: the title is then what they look for.
    return Wording(text or " ".join(titles), tuple(phrases), tuple(without), tuple(titles))
