"""Which documents pass a filter, remembered as long as the change log stands still. Knows no view and no question."""

import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from index.filters import Filters
from index.schema import Change, Document

MOST_FILTERS = 32  # different ones that are remembered: 8 bytes for each document that passes

Keys = NDArray[np.int64]


class Passing:
    """Thread-safe. Whatever is remembered is checked against SQL again before a passage is shown."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[tuple[int, ...], str], tuple[int, Keys, int]] = OrderedDict()
        self._lock = threading.Lock()

    def documents(self, session: Session, collections: tuple[int, ...], filters: Filters) -> tuple[Keys, int]:
        """(n,) keys of the current documents of these collections (keys) that pass, in order; and of how many."""
        now = session.scalar(select(func.max(Change.seq))) or 0
        # The text of a filter and not itself: to Python, true and 1 are equal; to a filter they are not.
        name = (collections, repr(filters))
        with self._lock:
            known = self._known.get(name)
            if known is not None and known[0] == now:
                self._known.move_to_end(name)
                return known[1], known[2]
        here = Document.collection.in_(collections), Document.state == "current"
        found = select(Document.key).where(*here, filters.clause())
        keys = np.array(session.scalars(found.order_by(Document.key)).all(), np.int64)
        count = session.scalar(select(func.count()).select_from(Document).where(*here)) or 0
        keys.flags.writeable = False
        with self._lock:
            self._known[name] = (now, keys, count)
            while len(self._known) > MOST_FILTERS:
                self._known.popitem(last=False)
        return keys, count
