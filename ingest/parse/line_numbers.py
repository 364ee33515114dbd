"""Which line of the file a line of the text came from, found by its words. Knows no format: markup is passed over.

Parsers rewrite markup, so that counting line ends in the text would give numbers that nobody finds in the file.
"""

import re
from bisect import bisect_left
from dataclasses import replace

from ingest.document import Document

_WORD = re.compile(r"\w+")
_RUN = 3  # words that must follow each other as in the file
_FAR = 2_000  # words: what is found farther on is most likely another place
_MOST_CHARACTERS = 2_000_000  # of the file; beyond, the words would take too much memory


def with_lines(document: Document, source: str) -> Document:
    """The document with the lines of `source`, its file, where they are certain enough."""
    if len(source) > _MOST_CHARACTERS:
        return document
    words, lines = _words(source)
    places: dict[tuple[str, ...], list[int]] = {}
    for place in range(len(words)):
        for length in range(1, _RUN + 1):
            if place + length <= len(words):
                places.setdefault(tuple(words[place : place + length]), []).append(place)
    found: list[tuple[int, int]] = []
    at = start = 0
    for text in document.text.split("\n"):
        own = [word.casefold() for word in _WORD.findall(text)]
        known = _next(places, tuple(own[:_RUN]), at)
        if known is not None:
            found.append((start, lines[known]))
            at = known + len(own)
        start += len(text) + 1
    return replace(document, lines=tuple(found))


def _words(source: str) -> tuple[list[str], list[int]]:
    words: list[str] = []
    lines: list[int] = []
    for number, line in enumerate(source.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        own = [word.casefold() for word in _WORD.findall(line)]
        words += own
        lines += [number] * len(own)
    return words, lines


def _next(places: dict[tuple[str, ...], list[int]], run: tuple[str, ...], at: int) -> int | None:
    known = places.get(run, []) if run else []
    first = bisect_left(known, at)
    return known[first] if first < len(known) and known[first] - at <= _FAR else None
