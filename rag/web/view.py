"""A document's text cut into pieces for showing; pure. Knows no template, no HTTP and no SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

WINDOW: Final = 120_000  # characters shown at once
LEAD: Final = 20_000  # characters shown before a passage that stands far inside


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is shown in one way. `page` is the number of the page that begins with it."""

    text: str
    passage: bool
    cited: bool
    page: int | None = None


def window(characters: int, start: int, first: int | None = None) -> tuple[int, int]:
    """Which characters [first, last) are shown: from `first` when it is given, else around `start`."""
    if first is None:
        first = 0 if start <= WINDOW - LEAD else start - LEAD
    first = max(0, min(first, max(0, characters - 1)))
    return first, min(characters, first + WINDOW)


def pieces(
    text: str,
    offset: int,
    passage: tuple[int, int],
    cited: tuple[int, int],
    pages: Iterable[tuple[int, int, int]] = (),
) -> Sequence[Piece]:
    """`text` stands at `offset` in its document; passage and cited are spans of the document, empty when equal ends.

    Page marks come where a page begins. Joined texts of the pieces are `text`.
    """
    end = offset + len(text)
    begins = {start: number for number, start, _ in pages if offset <= start < end}
    borders = {offset, end, *begins}
    borders.update(border for border in (*passage, *cited) if offset < border < end)
    ordered = sorted(borders)
    return [
        Piece(
            text[left - offset : right - offset],
            passage[0] <= left < passage[1],
            cited[0] <= left < cited[1],
            begins.get(left),
        )
        for left, right in pairwise(ordered)
    ]
