"""Which rows of a segment are looked at, remembered for filters that come again. Knows no vectors and no SQL."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.scope import Scope

MOST = 8  # filters that are remembered, a byte and a bit for each row

Rows = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mask:
    """`rows` (n,) are those to look at, `count` how many, and `bits` the same packed, lowest first."""

    rows: Rows
    count: int
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, rows: Rows) -> "Mask":
        return cls(rows, int(np.count_nonzero(rows)), np.packbits(rows, bitorder="little"))

    @property
    def share(self) -> float:
        return self.count / max(1, len(self.rows))

    @property
    def whole(self) -> bool:
        return self.count == len(self.rows)


class Masks:
    """The masks of one segment whose rows do not change any more. Readers of any thread may ask.

    Search hands the same array of documents to every question with the same filter as long as the log stands still, so
    a filter is known by that array and not by what is in it. Two threads may both work out a mask; either is right.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[int, ...] | None], tuple[Scope, Mask]] = {}

    def of(self, scope: Scope, allowed: Callable[[Scope], Rows]) -> Mask:
        """The mask of `allowed(scope)`."""
        if scope.chunks is not None or scope.barred is not None:
            return Mask.of(allowed(scope))
        name = (id(scope.documents), scope.collections)
        known = self._known.get(name)
        # The scope that is kept holds its array, so no other array can come to have the same id.
        if known is not None and known[0].documents is scope.documents:
            return known[1]
        mask = Mask.of(allowed(scope))
        if len(self._known) >= MOST:
            self._known = {}
        self._known[name] = (scope, mask)
        return mask
