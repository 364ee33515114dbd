"""Where a query looks, in the keys of SQL. Made in `index/search.py`, read by both views."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scope:
    """Keys of collections, and of documents if a filter chose them. None: everywhere."""

    collections: tuple[int, ...] | None = None
    documents: NDArray[np.int64] | None = None
