"""Rows of several callers share the lanes of a model: what waits is put together anew for each batch.

Many small documents fill batches together that each would leave half empty, and no lane rests while anybody waits.
Knows no tokenizer and no network: a lane is a function from rows to rows.
"""

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = list[list[int]]
Lane = Callable[[Rows, int], NDArray[np.float32]]  # rows of at most `width` ids, and that width -> (n, d)


@dataclass(slots=True, eq=False)
class _Call:
    """One caller's rows. `waiting` holds (width, row), narrow before wide; `left` have no result yet."""

    rows: Sequence[list[int]]
    out: NDArray[np.float32]
    waiting: list[tuple[int, int]]
    left: int
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


Batch = list[tuple[_Call, int]]


class Pool:
    """What waits, and which of it goes together next. Not thread-safe: `Lanes` guards it.

    A batch has at most `budget` padded tokens and, while more waits, at least `least`, unless one row alone is longer.
    It begins with the widest row of the caller that came first and goes on with the next narrower ones of everybody, so
    neighbours are of like length, the last batches are small, and nobody waits for ever. Widths are multiples of
    `step`: fewer shapes to prepare.
    """

    def __init__(self, *, budget: int, least: int, step: int, lanes: int) -> None:
        self._budget, self._least, self._step, self._lanes = budget, least, step, lanes
        self._calls: list[_Call] = []
        self._tokens = 0

    def add(self, rows: Sequence[list[int]], out: NDArray[np.float32]) -> _Call:
        """Put a caller's rows (n > 0) behind those that wait; results go to `out` (n, d)."""
        waiting = sorted((max(-(-len(ids) // self._step), 1) * self._step, -row) for row, ids in enumerate(rows))
        call = _Call(rows, out, waiting, len(rows))
        self._calls.append(call)
        self._tokens += sum(width for width, _ in waiting)
        return call

    def take(self) -> tuple[Batch, int]:
        """The next batch and its width; ([], 0) when nothing waits."""
        if not self._calls:
            return [], 0
        width = self._calls[0].waiting[-1][0]
        # Shared among the lanes, so that they finish together.
        most = max(min(self._budget, max(-(-self._tokens // self._lanes), self._least)) // width, 1)
        fitting = [(call, bisect_right(call.waiting, (width, 1))) for call in self._calls]
        candidates = [(one[0], call, one) for call, end in fitting for one in reversed(call.waiting[:end][-most:])]
        candidates.sort(key=lambda candidate: -candidate[0])  # stable: of equal width, who came first
        batch = [(call, -one[1]) for _, call, one in candidates[:most]]
        for call, end in fitting:
            taken = sum(of is call for of, _ in batch)
            self._tokens -= sum(one for one, _ in call.waiting[end - taken : end])
            del call.waiting[end - taken : end]
        self._calls = [call for call in self._calls if call.waiting]
        return batch, width

    def drop(self, call: _Call) -> None:
        """Forget what of a caller still waits."""
        self._tokens -= sum(width for width, _ in call.waiting)
        call.waiting.clear()
        self._calls = [one for one in self._calls if one is not call]


class Lanes:
    """Threads that work batches off, one per function of `lanes`. Many callers may wait at a time."""

    def __init__(self, lanes: Sequence[Lane], *, budget: int, least: int, step: int) -> None:
        self._pool = Pool(budget=budget, least=least, step=step, lanes=len(lanes))
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, args=(lane,), name=f"embed-{number}", daemon=True)
            for number, lane in enumerate(lanes)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, rows: Sequence[list[int]], out: NDArray[np.float32]) -> None:
        """Fill `out` (n, d) with the results of the rows. Raises what a lane raised, RuntimeError once closed."""
        if not rows:
            return
        with self._changed:
            if self._closing:
                raise RuntimeError("the embedder is closed; open it again")
            call = self._pool.add(rows, out)
            self._changed.notify_all()
        call.done.wait()
        if call.error is not None:
            raise call.error

    def close(self) -> None:
        """Finish what was begun, then end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self, lane: Lane) -> None:
        while True:
            with self._changed:
                batch, width = self._pool.take()
                while not batch:
                    if self._closing:
                        return
                    self._changed.wait()
                    batch, width = self._pool.take()
            error: BaseException | None = None
            try:
                found = lane([call.rows[row] for call, row in batch], width)
                for (call, row), vector in zip(batch, found, strict=True):
                    call.out[row] = vector
            except Exception as raised:  # noqa: BLE001 - `run` raises it where somebody waits for it
                error = raised
            with self._changed:
                self._settle(batch, error)

    def _settle(self, batch: Batch, error: BaseException | None) -> None:
        for call, _ in batch:
            call.left -= 1
            if error is not None and call.error is None:
                call.error = error
                self._pool.drop(call)
            if call.left == 0 or call.error is not None:
                call.done.set()
