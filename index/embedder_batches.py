"""Which texts are embedded together: a pure plan over lengths. Knows no model and no text."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batch:
    """Positions of rows that go together, padded to `width` tokens."""

    rows: tuple[int, ...]
    width: int


def plan_batches(lengths: Sequence[int], *, budget: int, step: int, lanes: int) -> list[Batch]:
    """Cut rows into batches of at most `budget` padded tokens (a single longer row is a batch of its own).

    Rows are taken longest first, so that neighbours are of like length and the last batches are the short ones, which
    lets `lanes` parallel workers finish together. Widths are multiples of `step`: fewer shapes to prepare. What
    all lanes can take at once is cut into no more batches than there are lanes, as even as may be.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    widths = [_round_up(lengths[row], step) for row in order]
    for share in range(max(-(-sum(widths) // lanes), step), budget, step):
        batches = _cut(order, widths, share)
        if len(batches) <= lanes:
            return batches
    return _cut(order, widths, budget)


def _cut(order: Sequence[int], widths: Sequence[int], budget: int) -> list[Batch]:
    """Rows in this order, each with its width, as many together as the budget allows."""
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end - start + 1) * widths[start] > budget:
            batches.append(Batch(tuple(order[start:end]), widths[start]))
            start = end
    return batches


def _round_up(length: int, step: int) -> int:
    return max(-(-length // step), 1) * step
