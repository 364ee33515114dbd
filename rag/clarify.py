"""When a question is too short to say what it means, name what it may mean. Pure: knows no model, no stream."""

import re
from collections.abc import Sequence

from index.passage import Passage
from rag.evidence import Evidence
from rag.instructions import addresses_model
from rag.words import content_stems, names

MOST_STEMS = 2  # a question with more content words says what it means
LEAST_OPTIONS, MOST_OPTIONS = 2, 4
_LINK = re.compile(r"://|\bwww\.|\]\(", re.IGNORECASE)  # headings are data: no link but to cited sources is shown
_HOW = re.compile(r"\bhow (?:long|many|much|often|old|large|big|far|fast|soon)\b", re.IGNORECASE)


def meanings(question: str, ranked: Sequence[Evidence], passages: Sequence[Passage]) -> tuple[str, ...]:
    """Headings of places that hold all the words of a short question, best first; empty when it is not ambiguous."""
    asked = set(content_stems(_HOW.sub("", question)))
    if not 0 < len(asked) <= MOST_STEMS or names(question):
        return ()
    found: dict[str, None] = {}
    for item in ranked:
        passage = passages[item.n - 1]
        held = set(content_stems(f"{passage.title} {passage.heading} {passage.text}"))
        called = _called(passage)
        if asked <= held and not addresses_model(called) and not _LINK.search(called):
            found.setdefault(called)
    options = tuple(found)[:MOST_OPTIONS]
    return options if len(options) >= LEAST_OPTIONS else ()


def _called(passage: Passage) -> str:
    last = passage.heading.rsplit(" > ", 1)[-1].strip()
    title = (passage.title or passage.name).strip()
    return f"{last} ({title})" if last and last != title else title
