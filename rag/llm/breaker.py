"""Leaves a failing remote model alone for a while, then tries it with one request. Knows no network.

Closed: requests pass. After some failures in a row it opens: requests are refused at once. When the rest is over one
request passes (half-open); its outcome closes the breaker or opens it again, for longer.
"""

import threading
import time
from collections.abc import Callable

FAILURES = 5
REST_SECONDS, LONGEST_REST = 10.0, 300.0


class Breaker:
    """Of one remote model. Safe from any thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        self._rest = REST_SECONDS
        self._open_until = 0.0
        self._probing = False

    def wait(self) -> float:
        """Seconds until it is worth asking; 0: ask now, and report with `succeeded`, `failed` or `left`."""
        with self._lock:
            left = self._open_until - self._now()
            if left > 0:
                return left
            if self._failures < FAILURES:
                return 0.0
            if self._probing:
                return 1.0
            self._probing = True
            return 0.0

    def succeeded(self) -> None:
        """The model has spoken."""
        with self._lock:
            self._failures, self._rest, self._open_until, self._probing = 0, REST_SECONDS, 0.0, False

    def failed(self, retry_after: float | None = None) -> None:
        """The model could not be reached, fails on its side, or has asked to be left alone for this long."""
        with self._lock:
            now, probing = self._now(), self._probing
            self._probing = False
            self._failures += 1
            if retry_after:
                self._open_until = max(self._open_until, now + retry_after)
            if self._failures >= FAILURES:
                self._rest = min(self._rest * 2, LONGEST_REST) if probing else self._rest
                self._open_until = max(self._open_until, now + self._rest)

    def left(self) -> None:
        """The asker has gone before it was known."""
        with self._lock:
            self._probing = False
