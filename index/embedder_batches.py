"""Which texts are embedded together: a pure plan over lengths. Knows no model and no text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batch:
    """Positions of rows that go together, padded to `width` tokens."""

    rows: tuple[int, ...]
    width: int


def plan_batches(lengths: Sequence[int], *, budget: int, step: int, lanes: int) -> Iterator[Batch]:
    """Cut rows into batches of at most `budget` padded tokens (a single longer row is a batch of its own).

    Rows are taken longest first, so that neighbours are of like length and the last batches are the short ones, which
    lets `lanes` parallel workers finish together. Widths are multiples of `step`: fewer shapes to prepare. A small
    job is cut finer so that every lane has work.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    total = sum(_round_up(length, step) for length in lengths)
    budget = min(budget, max(-(-total // lanes), step))
    batch: list[int] = []
    width = 0
    for row in order:
        if batch and (len(batch) + 1) * width > budget:
            yield Batch(tuple(batch), width)
            batch = []
        if not batch:
            width = _round_up(lengths[row], step)
        batch.append(row)
    if batch:
        yield Batch(tuple(batch), width)


def _round_up(length: int, step: int) -> int:
    return max(-(-length // step), 1) * step
