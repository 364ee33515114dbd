"""Draws one page of a PDF and finds the boxes of a passage on it. Knows no document, no SQL and no HTTP.

Runs in the parsing child, because it opens what people sent. What the parser read and what pdfium reads differ in
hyphens, running heads and order, so the page's words are aligned with pdfium's and the passage follows its words. A
passage that is not found has no box, never a wrong one.
"""

import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

from ingest.errors import BrokenDocument

MOST_WIDTH: Final = 2000  # pixels
_MOST_PIXELS: Final = 8_000_000
_MOST_WORDS: Final = 6000  # of a page that is aligned; a denser page is shown without a box
_BRIDGED: Final = 3  # words of pdfium's between two found words that belong to the passage as well
_FOUND_SHARE: Final = 0.5  # of a passage's words that must be found before anything is boxed
_WORD: Final = re.compile(r"\w+")
_INK: Final = ((255, 214, 92), (255, 240, 178))  # of the cited part, of the rest of its passage


@dataclass(frozen=True, slots=True)
class Order:
    """What to draw: page `number` (1-based), `width` pixels wide. `text` is the page's text as the parser read it, and
    `spans` are [start, end) in it: the parts to box. Zero `width` asks for the boxes alone.
    """

    number: int
    width: int = 1200
    text: str = ""
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, its sides as shares of the page's width and height from the upper left; `span` counts from 0."""

    span: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn page as PNG with the boxes marked; `width` and `height` in pixels."""

    png: bytes
    width: int
    height: int
    boxes: tuple[Box, ...]


def draw_page(path: Path, order: Order) -> Picture:
    """The page as a picture. Raises BrokenDocument when pdfium cannot draw it."""
    import pypdfium2  # read where pages are drawn, not where text is parsed

    try:
        with pypdfium2.PdfDocument(path) as file:
            if not 1 <= order.number <= len(file):
                raise BrokenDocument(f"the file has {len(file)} pages, but page {order.number} was wanted")
            return _drawn(file[order.number - 1], order)
    except (pypdfium2.PdfiumError, ValueError, OSError) as error:
        raise BrokenDocument(f"page {order.number} cannot be drawn ({' '.join(str(error).split())[:150]})") from error


def _drawn(page: Any, order: Order) -> Picture:
    wide, high = page.get_size()
    scale = min(order.width, MOST_WIDTH) / max(1.0, wide) if order.width else 1.0
    scale *= min(1.0, (_MOST_PIXELS / max(1.0, wide * high * scale * scale)) ** 0.5)
    bitmap = page.render(scale=scale)
    boxes = tuple(_boxes(page, bitmap, order)) if order.spans else ()
    png = _png(bitmap.to_pil(), boxes) if order.width else b""
    return Picture(png, bitmap.width, bitmap.height, boxes)


def _png(image: Any, boxes: Sequence[Box]) -> bytes:
    from PIL import Image, ImageChops

    image = image.convert("RGB")
    wide, high = image.size
    ink = Image.new("RGB", image.size, (255, 255, 255))
    for box in sorted(boxes, key=lambda box: -box.span):
        corner = (round(box.left * wide) - 2, round(box.top * high) - 1)
        size = (round(box.width * wide) + 4, round(box.height * high) + 2)
        ink.paste(_INK[min(box.span, 1)], (*corner, corner[0] + size[0], corner[1] + size[1]))
    out = io.BytesIO()
    ImageChops.multiply(image, ink).save(out, "PNG", compress_level=4)
    return out.getvalue()


def _boxes(page: Any, bitmap: Any, order: Order) -> Iterable[Box]:
    """The rectangles of each span, line by line."""
    text = page.get_textpage()
    place = bitmap.get_posconv(page)
    drawn = _drawn_words(text)
    read = words_of(order.text)
    if not drawn or len(drawn) > _MOST_WORDS or len(read) > _MOST_WORDS:
        return
    mapping = aligned([word for word, _, _ in read], [word for word, _, _ in drawn])
    for number, (start, end) in enumerate(order.spans):
        for first, last in runs([place for place, (_, a, b) in enumerate(read) if a < end and b > start], mapping):
            begin, stop = drawn[first][1], drawn[last][2]
            for left, bottom, right, top in _rectangles(text, begin, stop - begin):
                x1, y1 = place.to_bitmap(left, top)
                x2, y2 = place.to_bitmap(right, bottom)
                yield _box(number, (x1, y1, x2, y2), bitmap.width, bitmap.height)


def _box(span: int, corners: tuple[float, float, float, float], wide: int, high: int) -> Box:
    left, right = sorted((corners[0], corners[2]))
    top, bottom = sorted((corners[1], corners[3]))
    return Box(
        span, *(round(value, 5) for value in (left / wide, top / high, (right - left) / wide, (bottom - top) / high))
    )


def _rectangles(text: Any, start: int, count: int) -> list[tuple[float, float, float, float]]:
    """(left, bottom, right, top) of each line of these characters, in points of the page."""
    lines: list[list[float]] = []
    for place in range(start, start + count):
        left, bottom, right, top = text.get_charbox(place, loose=True)
        if right <= left or top <= bottom:
            continue
        line = lines[-1] if lines else None
        middle = (bottom + top) / 2
        if line is not None and line[1] <= middle <= line[3] and left >= line[0] - 1:
            lines[-1] = [min(line[0], left), min(line[1], bottom), max(line[2], right), max(line[3], top)]
        else:
            lines.append([left, bottom, right, top])
    return [(line[0], line[1], line[2], line[3]) for line in lines]


def _drawn_words(text: Any) -> list[tuple[str, int, int]]:
    """(word, first character, end) as pdfium counts characters: one each, whatever it becomes as text."""
    from pypdfium2 import raw

    letters = []
    for place in range(text.count_chars()):
        code = raw.FPDFText_GetUnicode(text, place)
        letters.append(chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else " ")
    return words_of("".join(letters))


def words_of(text: str) -> list[tuple[str, int, int]]:
    """(word as it is compared, start, end) of every word."""
    return [(_plain(match.group()), match.start(), match.end()) for match in _WORD.finditer(text)]


def aligned(read: Sequence[str], drawn: Sequence[str]) -> dict[int, int]:
    """Which drawn word each read word is, by the longest common runs; words without a partner are absent."""
    blocks = SequenceMatcher(None, read, drawn, autojunk=False).get_matching_blocks()
    return {block.a + step: block.b + step for block in blocks for step in range(block.size)}


def runs(wanted: Sequence[int], mapping: dict[int, int]) -> list[tuple[int, int]]:
    """The drawn words (first, last) that the wanted read words are; empty when too few of them were found."""
    found = sorted(mapping[word] for word in wanted if word in mapping)
    if not found or len(found) < _FOUND_SHARE * len(wanted):
        return []
    joined = [[found[0], found[0]]]
    for word in found[1:]:
        if word - joined[-1][1] <= _BRIDGED + 1:
            joined[-1][1] = word
        else:
            joined.append([word, word])
    return [(first, last) for first, last in joined]


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()
