"""Pieces of text with places on a page become lines. Pure; knows no PDF."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_LEADERS = re.compile(r"(?:[ \t]*[.·_]){5,}[ \t]*")  # dots between a title and its page
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})


@dataclass(frozen=True, slots=True)
class Line:
    """`size` in points; `gap` is the distance down from the line before in reading order, 0 where unknown.

    `left` is the distance of its beginning from the page's left edge.
    """

    text: str
    size: float
    gap: float
    blank_before: bool = False
    left: float = 0.0


def lines_of_page(pieces: Sequence[tuple[str, float, float, float]]) -> list[Line]:
    """Pieces of text with (size, left, baseline) in points, in reading order, to lines."""
    lines: list[Line] = []
    parts: list[tuple[str, float, float, float]] = []
    above: float | None = None
    blank = False

    def close() -> None:
        nonlocal above, blank
        text = "".join(part[0] for part in parts).translate(_LIGATURES)
        text = " ".join(_LEADERS.sub(" … ", text).split())
        if not text:
            blank = blank or bool(lines)
            parts.clear()
            return
        inked = [(len(part.strip()), size, left, baseline) for part, size, left, baseline in parts if part.strip()]
        weight: Counter[float] = Counter()
        for length, size, _, _ in inked:
            weight[round(size, 1)] += length
        _, _, left, baseline = inked[0]
        gap = above - baseline if above is not None else 0.0
        lines.append(Line(text, weight.most_common(1)[0][0], gap, blank, left))
        above, blank = baseline, False
        parts.clear()

    for text, size, left, baseline in pieces:
        first, *others = text.split("\n")
        if first:
            parts.append((first, size, left, baseline))
        for other in others:
            close()
            if other:
                parts.append((other, size, left, baseline))
    close()
    return lines
