"""Originals that nothing refers to any more are removed. Knows which rows keep an original, and no jobs in work.

An upload stores its bytes first and commits its job after, so young originals are left alone, and what is about to go
is taken aside and looked at once more before it goes.
"""

import logging
from collections.abc import Iterable, Sequence
from functools import partial

from sqlalchemy import select

from index.database import Database
from index.queries import parts
from index.schema import Collection, Document
from ingest.blobs import Blobs
from ingest.schema import Job

log = logging.getLogger(__name__)

YOUNG_SECONDS = 900.0  # longer than any upload takes between its bytes and its job


class Originals:
    """The stored originals of one database."""

    def __init__(self, database: Database, blobs: Blobs, young_seconds: float = YOUNG_SECONDS) -> None:
        self._database = database
        self._blobs = blobs
        self._young = young_seconds

    def of_document(self, document: str) -> list[str]:
        """Keys of a document's original and of those of every version of its name; none if it is not there."""
        with self._database.read() as session:
            found = session.execute(select(Document.collection, Document.name).where(Document.id == document)).first()
            if found is None:
                return []
            same = (Document.collection == found.collection, Document.name == found.name)
            return list(session.scalars(select(Document.blob).where(*same)))

    def remove(self, keys: Iterable[str]) -> int:
        """Remove those of these that nothing refers to; returns how many. Young ones stay for a later sweep."""
        removed = 0
        for part in parts(list(dict.fromkeys(keys))):
            kept = self._kept(part)
            for key in part:
                if key not in kept:
                    removed += self._blobs.discard(key, self._young, partial(self._is_kept, key))
        return removed

    def unkept(self, keys: Iterable[str]) -> set[str]:
        """Those of these that nothing refers to."""
        found = list(dict.fromkeys(keys))
        return set(found).difference(*(self._kept(part) for part in parts(found)))

    def sweep(self) -> int:
        """Remove every original that nothing refers to; returns how many."""
        removed = self.remove(self._blobs.stored(older_than_seconds=self._young))
        if removed:
            log.info("removed %d originals that no document and no job refers to", removed)
        return removed

    def _is_kept(self, key: str) -> bool:
        return bool(self._kept([key]))

    def _kept(self, keys: Sequence[str]) -> set[str]:
        """Those that a document, or a job of a collection that still is and may run again, refers to."""
        with self._database.read() as session:
            kept = set(session.scalars(select(Document.blob).where(Document.blob.in_(keys))))
            jobs = select(Job.blob).where(
                Job.blob.in_(keys), Job.state != "done", Job.collection.in_(select(Collection.id))
            )
            return kept | set(session.scalars(jobs))
