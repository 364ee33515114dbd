"""How long the stages of one search take. Knows no stage."""

import time
from collections.abc import Mapping


class Clock:
    """Milliseconds per stage. A stage that comes twice adds up."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._stages: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._stages[stage] = self._stages.get(stage, 0.0) + (now - self._last) * 1e3
        self._last = now

    def ms(self) -> Mapping[str, float]:
        return {**self._stages, "total": (time.perf_counter() - self._start) * 1e3}
