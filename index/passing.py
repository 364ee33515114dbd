"""Which documents pass a filter, remembered beside the change log. Knows no view and no question."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from index.filters import Filters
from index.queries import parts
from index.schema import Change, Document

MOST_FILTERS = 32  # different ones that are remembered: 8 bytes for each document that passes
MOST_CHANGED = 2000  # lines of the log after which all documents are looked at again

Keys = NDArray[np.int64]


class _Known(NamedTuple):
    seq: int  # of the log
    keys: Keys
    among: int  # current documents


class Passing:
    """Thread-safe. Whatever is remembered is checked against SQL again before a passage is shown.

    Where the log went on, only the documents that it names are looked at.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[tuple[int, ...], str], _Known] = OrderedDict()
        self._lock = threading.Lock()

    def documents(self, session: Session, collections: tuple[int, ...], filters: Filters) -> tuple[Keys, int]:
        """(n,) keys of the current documents of these collections (keys) that pass, in order; and of how many."""
        now = session.scalar(select(func.max(Change.seq))) or 0
        # The text of a filter and not itself: to Python, true and 1 are equal; to a filter they are not.
        name = (collections, repr(filters))
        with self._lock:
            known = self._known.get(name)
            if known is not None and known.seq == now:
                self._known.move_to_end(name)
                return known.keys, known.among
        here = Document.collection.in_(collections), Document.state == "current"
        found = select(Document.key).where(*here, filters.clause())
        changed = None if known is None else _changed(session, known.seq, now)
        if known is None or changed is None:
            keys = np.array(session.scalars(found.order_by(Document.key)).all(), np.int64)
        else:
            passing = [
                key for part in parts(changed) for key in session.scalars(found.where(Document.key.in_(part))).all()
            ]
            keys = np.union1d(np.setdiff1d(known.keys, changed), np.array(passing, np.int64))
        count = session.scalar(select(func.count()).select_from(Document).where(*here)) or 0
        keys.flags.writeable = False
        with self._lock:
            self._known[name] = _Known(now, keys, count)
            while len(self._known) > MOST_FILTERS:
                self._known.popitem(last=False)
        return keys, count


def _changed(session: Session, after: int, now: int) -> Sequence[int] | None:
    """The keys of the documents that these lines of the log name; None if there are too many, or it went back."""
    if not after <= now <= after + MOST_CHANGED:
        return None
    return session.scalars(select(Change.document).distinct().where(Change.seq > after, Change.seq <= now)).all()
