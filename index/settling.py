"""What a new document meets: equal bytes, an older version of its name, vectors of another model; and the change log.

The catalog calls it in its transactions, and the readers of documents write the log with it; commits nothing. Knows no
view and no file.
"""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from index.errors import EmbedderMismatch
from index.generations import serving
from index.queries import current_document
from index.rows import ChangeKind, NewDocument, PutOutcome
from index.schema import Change, Chunk, ChunkVector, Collection, Document

_LOG_LOCK = 7309454  # of PostgreSQL, where numbers are given before the commit: one writer of the log at a time


def settle_known_bytes(session: Session, collection: Collection, name: str, content_hash: str) -> PutOutcome | None:
    """What becomes of a name whose bytes the collection holds already; None if it does not hold them."""
    same = current_document(session, collection.key, content_hash=content_hash)
    if same is None:
        return None
    before = current_document(session, collection.key, name=name)
    if before is None or before.key == same.key:
        return PutOutcome(document=same.id, outcome="unchanged", version=same.version)
    supersede(session, before, same.id)
    append_log(session, collection, [("delete", before.key, before.id)])
    return PutOutcome(document=same.id, outcome="replaced", version=same.version)


def check_stamp(session: Session, collection: Collection, new: NewDocument) -> None:
    """Let the first vectors give the collection its stamp. Raises EmbedderMismatch for those of another model."""
    if collection.stamp == new.stamp or not new.chunks:
        return
    now = serving(session)
    if now is not None and now[0] != new.stamp:
        raise EmbedderMismatch(
            f"{new.name!r} has vectors of {new.stamp}, but {now[0]} serves now; embed it again with that model"
        )
    held = select(ChunkVector.chunk).join(Chunk).join(Document).where(Document.collection == collection.key).limit(1)
    if collection.stamp and session.scalar(held) is not None:
        raise EmbedderMismatch(
            f"collection {collection.name!r} holds vectors of {collection.stamp}, but these are of {new.stamp}; "
            "configure that embedder, or put the documents into a new collection"
        )
    collection.stamp = new.stamp


def supersede(session: Session, before: Document, by: str) -> None:
    """A current document loses its chunks and gives way to the document `by` (id)."""
    before.state = "superseded"
    before.superseded_by = by
    before.chunk_count = 0
    session.execute(delete(Chunk).where(Chunk.document == before.key))
    session.flush()  # before the new row comes: only one version of a name may be current


def append_log(session: Session, collection: Collection, lines: Sequence[tuple[ChangeKind, int, str]]) -> None:
    """Append lines (kind, key, id) in order. Their numbers become visible in order, too: that is what views rely on."""
    if not lines:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOG_LOCK})
    rows = [
        {
            "kind": kind,
            "collection": collection.key,
            "collection_id": collection.id,
            "document": key,
            "document_id": name,
        }
        for kind, key, name in lines
    ]
    session.execute(insert(Change), rows)
