"""Which text of a PDF page a reader cannot see: its size and its colour. Knows no lines and no pypdf objects."""

from collections.abc import Sequence
from typing import Any

_TINY_POINTS = 1.5
_NEARLY_WHITE = 0.97
_SHOW = (b"Tj", b"TJ", b"'", b'"')
_PAINT = (b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*")
_COLOURS = (b"g", b"rg", b"k", b"sc", b"scn")


class Ink:
    """Follows the operators of one page; `verdict` tells of the text shown since it was asked last.

    White text is invisible on bare paper only: once a page has painted a ground, white may stand on it.
    """

    def __init__(self) -> None:
        self._white = False
        self._saved: list[bool] = []
        self._grounded = False
        self._shown_white = 0
        self._shown = 0

    def operator(self, operator: bytes, operands: Sequence[Any], _cm: Any, _tm: Any) -> None:
        """What pypdf calls before each operator."""
        if operator in _SHOW:
            self._shown += 1
            self._shown_white += self._white
        elif operator in _COLOURS:
            self._white = _is_white(operator, operands)
        elif operator == b"cs":
            self._white = False
        elif operator == b"q":
            self._saved.append(self._white)
        elif operator == b"Q":
            self._white = self._saved.pop() if self._saved else False
        elif operator in (b"Do", b"sh", b"BI", b"INLINE IMAGE") or (operator in _PAINT and not self._white):
            self._grounded = True

    def verdict(self, points: float) -> str:
        """For a piece of text of this size: "seen", "hidden", or "doubtful" for white on a painted ground."""
        white = self._shown > 0 and self._shown_white == self._shown
        self._shown = self._shown_white = 0
        if 0 < points < _TINY_POINTS or (white and not self._grounded):
            return "hidden"
        return "doubtful" if white else "seen"


def _is_white(operator: bytes, operands: Sequence[Any]) -> bool:
    try:
        values = [float(value) for value in operands]
    except (TypeError, ValueError):
        return False  # a pattern
    if operator == b"k" or len(values) == 4:
        return bool(values) and max(values) <= 1 - _NEARLY_WHITE
    return bool(values) and min(values) >= _NEARLY_WHITE
