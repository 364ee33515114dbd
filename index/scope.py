"""Where a query looks: keys of SQL, and words that must or must not be there. Made in `index/recheck.py`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.filters import Filters


@dataclass(frozen=True, slots=True)
class Scope:
    """Keys of collections, and of documents if a filter chose them. None: everywhere. `filters` is that filter; it
    chose among `chosen_from` documents, 0 if that is not known.

    The lexical view reads `phrases`, which must all be there, and `without`, of which none may be. `chunks` and
    `barred` say the same to the dense view, which knows no words: only these chunks, and none of those.
    """

    collections: tuple[int, ...] | None = None
    documents: NDArray[np.int64] | None = None
    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    chunks: NDArray[np.int64] | None = None
    barred: NDArray[np.int64] | None = None
    filters: Filters | None = None
    chosen_from: int = 0
