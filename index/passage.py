"""The values that search hands out. Made in `index/recheck.py`, changed by nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

SearchMode = Literal["hybrid", "dense", "lexical"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found, joined with its document's row at the moment of the query.

    `text == document.text[start:end]`; offsets are characters. Scores: larger is more alike.
    `stages` holds what each stage thought, for example
    {"dense": 0.61, "dense_rank": 3, "lexical": 12.4, "lexical_rank": 1, "fused": 0.032}.
    """

    chunk: int
    document: str
    collection: str
    version: int
    name: str  # the file's name or relative path
    title: str
    heading: str  # "Guide > Queues > TTL"; empty if none
    page: int | None  # 1-based; None for formats without pages
    start: int
    end: int
    text: str
    score: float
    stages: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = None  # of the file where it begins, from 1; None for formats that are not read by line
    recognised: bool = False  # by OCR: the text may hold errors


class Dropped(NamedTuple):  # there are hundreds for every question, and a tuple is made in a third of the time
    """A candidate that was found and not returned, with the reason.

    "gone": deleted since the views saw it; "filtered": not what was asked for; "same_document": its document has
    passages enough above it; "beyond_k": others were better. `stages` holds what each stage thought, as in a passage.
    """

    chunk: int
    reason: Literal["gone", "filtered", "forbidden", "same_document", "beyond_k"]
    score: float
    stages: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Passages, best first, and how they came about. `ms` is milliseconds per stage.

    `relaxed` names quoted phrases that no passage holds: they counted as words instead of finding nothing.
    """

    passages: tuple[Passage, ...]
    dropped: tuple[Dropped, ...]
    applied_seq: int
    ms: Mapping[str, float]
    relaxed: tuple[str, ...] = ()
