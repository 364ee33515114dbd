"""Rows of several callers in shared batches: all done once, in bounds, errors to whom they belong. Runs no model."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from index.embedder_lanes import Lanes, Pool, Rows

BUDGET, LEAST, STEP = 256, 64, 16


def results(rows: Rows, width: int) -> NDArray[np.float32]:
    """A lane: the sum and the length of each row."""
    assert max(map(len, rows)) <= width
    return np.array([[sum(row), len(row)] for row in rows], dtype=np.float32)


def run(lanes: Lanes, rows: Rows) -> NDArray[np.float32]:
    out = np.full((len(rows), 2), -1, dtype=np.float32)
    lanes.run(rows, out)
    return out


@given(
    calls=st.lists(st.lists(st.integers(1, 300), min_size=1, max_size=40), min_size=1, max_size=5),
    lanes=st.integers(1, 4),
)
def test_a_pool_gives_every_row_once_within_budget(calls: list[list[int]], lanes: int) -> None:
    pool = Pool(budget=BUDGET, least=LEAST, step=STEP, lanes=lanes)
    added = [pool.add([[1] * length for length in call], np.empty((len(call), 2), np.float32)) for call in calls]
    seen: list[tuple[int, int]] = []
    while True:
        batch, width = pool.take()
        if not batch:
            break
        lengths = [len(call.rows[row]) for call, row in batch]
        assert max(lengths) <= width < max(lengths) + STEP
        assert len(batch) == 1 or len(batch) * width <= BUDGET
        seen += [(added.index(call), row) for call, row in batch]
    assert sorted(seen) == [(number, row) for number, call in enumerate(calls) for row in range(len(call))]
    assert pool.take() == ([], 0)


def test_small_calls_fill_a_batch_together_with_rows_of_like_length() -> None:
    pool = Pool(budget=BUDGET, least=LEAST, step=STEP, lanes=1)
    first = pool.add([[1] * 60, [1] * 5], np.empty((2, 2), np.float32))
    second = pool.add([[1] * 58, [1] * 50], np.empty((2, 2), np.float32))
    batch, width = pool.take()
    assert width == 64
    assert batch == [(first, 0), (second, 0), (second, 1)]


def test_who_came_first_is_not_passed_over_for_longer_rows() -> None:
    pool = Pool(budget=BUDGET, least=LEAST, step=STEP, lanes=1)
    first = pool.add([[1] * 16], np.empty((1, 2), np.float32))
    pool.add([[1] * 250] * 50, np.empty((50, 2), np.float32))
    batch, _ = pool.take()
    assert batch == [(first, 0)]


def test_many_callers_get_their_own_results() -> None:
    lanes = Lanes([results, results], budget=BUDGET, least=LEAST, step=STEP)
    found: dict[int, NDArray[np.float32]] = {}
    wanted = {n: [[n] * (1 + (n * 7 + row * 13) % 90) for row in range(30)] for n in range(8)}
    threads = [threading.Thread(target=lambda n=n: found.update({n: run(lanes, wanted[n])})) for n in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lanes.close()
    for n, rows in wanted.items():
        assert found[n].tolist() == [[float(sum(row)), float(len(row))] for row in rows]


def test_an_error_comes_to_the_caller_and_the_lanes_go_on() -> None:
    def picky(rows: Rows, width: int) -> NDArray[np.float32]:
        if any(row[0] == 13 for row in rows):
            raise ValueError("13 is not read")
        return results(rows, width)

    lanes = Lanes([picky], budget=BUDGET, least=LEAST, step=STEP)
    with pytest.raises(ValueError, match="13 is not read"):
        run(lanes, [[13]] * 100)
    assert run(lanes, [[1, 2], [3]]).tolist() == [[3, 2], [3, 1]]
    assert run(lanes, []).shape == (0, 2)
    lanes.close()
    with pytest.raises(RuntimeError, match="closed"):
        run(lanes, [[1]])
