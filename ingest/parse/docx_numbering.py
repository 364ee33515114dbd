"""Markers of the numbered lists of a DOCX: "1. ", "b) ", "- ". Knows no paragraphs and no text."""

from typing import Any

from ingest.parse.docx_package import W

_LETTERS = {"lowerLetter": "abcdefghijklmnopqrstuvwxyz", "upperLetter": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_UNNUMBERED = ("bullet", "none")
_DEEPEST = 9


class Numbering:
    """Counts the items of one document in reading order."""

    def __init__(self, root: Any | None) -> None:
        self._formats: dict[str, dict[int, tuple[str, int]]] = {}  # number id -> level -> (format, start)
        self._counts: dict[tuple[str, int], int] = {}
        abstract: dict[str, dict[int, tuple[str, int]]] = {}
        for found in () if root is None else root.iter(W + "abstractNum"):
            abstract[found.get(W + "abstractNumId", "")] = dict(_levels(found))
        for found in () if root is None else root.iter(W + "num"):
            of = found.find(W + "abstractNumId")
            levels = abstract.get(of.get(W + "val", "")) if of is not None else None
            self._formats[found.get(W + "numId", "")] = levels or {}

    def marker(self, number: str, level: int) -> str:
        """What stands before the next item of this list at this level (0 is the outermost)."""
        kind, start = self._formats.get(number, {}).get(level, ("bullet", 1))
        for deeper in range(level + 1, _DEEPEST):
            self._counts.pop((number, deeper), None)
        if kind in _UNNUMBERED:
            return "- "
        count = self._counts.get((number, level), start - 1) + 1
        self._counts[number, level] = count
        letters = _LETTERS.get(kind)
        return f"{letters[(count - 1) % 26]}) " if letters else f"{count}. "


def _levels(abstract: Any) -> list[tuple[int, tuple[str, int]]]:
    found = []
    for level in abstract.findall(W + "lvl"):
        place, kind, start = level.get(W + "ilvl", "0"), level.find(W + "numFmt"), level.find(W + "start")
        first = start.get(W + "val", "1") if start is not None else "1"
        if place.isdecimal():
            kind_name = kind.get(W + "val", "bullet") if kind is not None else "bullet"
            found.append((int(place), (kind_name, int(first) if first.isdecimal() and len(first) < 9 else 1)))
    return found
