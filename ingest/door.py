"""Where uploads come in: a file is one job; an archive, or a table too large for one document, is a batch of jobs.

Knows no HTTP, no parser and no worker.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from index.catalog import Catalog
from ingest.divide import is_large_table, parts
from ingest.job import JobInfo, clean_name
from ingest.jobs import Jobs
from ingest.unpack import documents, is_archive

PART_OF = "part_of"  # metadata of a part: the name of the table that was divided
PART = "part"  # its place, from 1
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Entered:
    """What one upload became: one job, or many in a batch."""

    jobs: tuple[JobInfo, ...]
    batch: str | None


class Door:
    """Hands uploads to the queue. When `enter` returns, every job of the upload is durable."""

    def __init__(self, catalog: Catalog, jobs: Jobs) -> None:
        self._catalog = catalog
        self._jobs = jobs

    def enter(
        self,
        collection: str,
        name: str,
        stream: BinaryIO,
        *,
        batch: str | None = None,
        idempotency_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Entered:
        """Accept what `stream`, which can seek, holds for a collection (id).

        With an idempotency key a repeated upload gives the first jobs, also where it was cut off in between.
        Raises what `Jobs.submit` raises and, for an archive that is damaged or beyond the limits, UnreadableDocument.
        """
        given = dict(metadata or {})
        pieces = self._pieces(collection, name, stream)
        if pieces is None:
            job = self._jobs.submit(
                collection, name, stream, batch=batch, idempotency_key=idempotency_key, metadata=given
            )
            return Entered((job,), batch)
        accepted = []
        for piece_name, piece, attributes in pieces:
            if batch is None:
                batch = self._jobs.create_batch(collection)
            key = None if idempotency_key is None else _key(idempotency_key, piece_name)
            accepted.append(
                self._jobs.submit(
                    collection, piece_name, piece, batch=batch, idempotency_key=key, metadata={**given, **attributes}
                )
            )
        return Entered(tuple(accepted), accepted[0].batch if accepted else batch)

    def _pieces(
        self, collection: str, name: str, stream: BinaryIO
    ) -> Iterator[tuple[str, BinaryIO, dict[str, Any]]] | None:
        if is_archive(stream):
            return ((path, file, {}) for path, file in documents(stream))
        if is_large_table(stream, name):
            return self._table(collection, clean_name(name), stream)
        return None

    def _table(self, collection: str, name: str, stream: BinaryIO) -> Iterator[tuple[str, BinaryIO, dict[str, Any]]]:
        number = 0
        suffix = name.rpartition(".")[2] if "." in name else "csv"
        for number, data in enumerate(parts(stream), 1):
            path = f"{name}/part-{number:05d}.{suffix}"
            yield path, io.BytesIO(data), {PART_OF: name, PART: number}
        self._remove_parts_after(collection, name, number)

    def _remove_parts_after(self, collection: str, name: str, last: int) -> None:
        """A table that has become shorter must not leave the end of its earlier version behind."""
        cursor = None
        while True:
            page = self._catalog.documents(collection, _PAGE, cursor)
            for document in page.items:
                if document.metadata.get(PART_OF) == name and document.metadata.get(PART, 0) > last:
                    self._catalog.delete_document(document.id)
            cursor = page.next_cursor
            if cursor is None:
                return


def _key(idempotency_key: str, name: str) -> str:
    return f"{idempotency_key[:200]}#{hashlib.sha256(name.encode()).hexdigest()[:24]}"
