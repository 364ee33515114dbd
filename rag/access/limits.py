"""How much one caller may do: calls per minute and calls at once. In memory, of one process; knows no HTTP.

Everything here runs on one thread, the event loop's; nothing is locked.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rag.access.errors import TooMany

MOST_WATCHED: Final = 10_000  # callers remembered; the one longest unseen is forgotten first
_SLOT_SECONDS: Final = 1.0  # when to come back for a place that is taken


@dataclass(slots=True)
class _Bucket:
    """What is left of a minute's calls, and when that was so."""

    left: float
    at: float


class Limits:
    """Token buckets and places per name. A limit of 0 is none."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._held: dict[str, int] = {}

    def take(self, kind: str, name: str, per_minute: int) -> None:
        """Count one call. Raises TooMany when a minute's calls are used up; they come back evenly."""
        if per_minute <= 0:
            return
        bucket = self._bucket(f"{kind} {name}", per_minute)
        if bucket.left < 1.0:
            wait = (1.0 - bucket.left) * 60.0 / per_minute
            raise TooMany(
                f"more than {per_minute} {kind} came within a minute; come back in {max(1, round(wait))} s", wait
            )
        bucket.left -= 1.0

    def hold(self, kind: str, name: str, most: int) -> Callable[[], None]:
        """Take one of `most` places; call what is returned to give it back. Raises TooMany when all are taken."""
        key = f"{kind} {name}"
        held = self._held.get(key, 0)
        if most > 0 and held >= most:
            raise TooMany(
                f"{held} {kind} are running and {most} are allowed at once; wait for one to end", _SLOT_SECONDS
            )
        self._held[key] = held + 1
        return lambda: self._give_back(key)

    def held(self, kind: str, name: str) -> int:
        """How many places are taken now."""
        return self._held.get(f"{kind} {name}", 0)

    def _give_back(self, key: str) -> None:
        left = self._held.get(key, 0) - 1
        if left > 0:
            self._held[key] = left
        else:
            self._held.pop(key, None)

    def _bucket(self, key: str, per_minute: int) -> _Bucket:
        now = self._now()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(float(per_minute), now)
            if len(self._buckets) > MOST_WATCHED:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        bucket.left = min(float(per_minute), bucket.left + (now - bucket.at) * per_minute / 60.0)
        bucket.at = now
        return bucket
