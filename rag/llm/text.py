"""Turns the bytes of tokens into text that may be shown. Knows no model and no scheduling.

Two things cross tokens: a character of several bytes, and a stop string. Text that could still become part of
either is held back.
"""

import codecs
from collections.abc import Sequence


class StreamText:
    """Feeds on token bytes, gives whole characters that are certainly no part of a stop string."""

    __slots__ = ("_decode", "_held", "_stops", "stopped")

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def push(self, data: bytes) -> str:
        """The text that is now certain. After a stop string was seen, `stopped` is true and nothing more comes."""
        if self.stopped:
            return ""
        self._held += self._decode(data)
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            # The stop string that is complete first counts: so it does not matter how the text came in pieces.
            self.stopped = True
            return self._release(min(found)[1], forget=True)
        return self._release(len(self._held) - possible_stop(self._held, self._stops))

    def finish(self) -> str:
        """What was held back, once nothing more comes. Bytes of an unfinished character are dropped."""
        return "" if self.stopped else self._release(len(self._held))

    def _release(self, end: int, *, forget: bool = False) -> str:
        text, self._held = self._held[:end], "" if forget else self._held[end:]
        return text


def possible_stop(text: str, stops: Sequence[str]) -> int:
    """Length of the longest end of `text` that a stop string begins with, in characters."""
    longest = max((len(stop) for stop in stops), default=1) - 1
    return next(
        (
            size
            for size in range(min(longest, len(text)), 0, -1)
            if any(stop.startswith(text[-size:]) for stop in stops)
        ),
        0,
    )
