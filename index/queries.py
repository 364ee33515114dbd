"""How corpus rows are read and become frozen values. Writes nothing and knows no view."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.orm import Session

from index.errors import BadCursor, NoSuchCollection, NoSuchDocument
from index.rows import CollectionInfo, DocumentInfo
from index.schema import Collection, Document

T = TypeVar("T")

IN_LIMIT = 500  # parameters of one IN (...)


def parts(values: Sequence[T]) -> list[Sequence[T]]:
    """Cut a long list of parameters into pieces that a database takes."""
    return [values[at : at + IN_LIMIT] for at in range(0, len(values), IN_LIMIT)]


def select_collections() -> Select[Collection, int, int]:
    """Collections with the numbers of their current documents and chunks."""
    counts = (
        select(
            Document.collection,
            func.count().label("documents"),
            func.sum(Document.chunk_count).label("chunks"),
        )
        .where(Document.state == "current")
        .group_by(Document.collection)
        .subquery()
    )
    return select(Collection, func.coalesce(counts.c.documents, 0), func.coalesce(counts.c.chunks, 0)).outerjoin(
        counts, counts.c.collection == Collection.key
    )


def collection_info(row: Row[Collection, int, int]) -> CollectionInfo:
    """The value of a row of `select_collections`."""
    found, documents, chunks = row
    return CollectionInfo(
        id=found.id,
        name=found.name,
        description=found.description,
        egress=found.egress,
        created_at=found.created_at,
        documents=int(documents),
        chunks=int(chunks),
        stamp=found.stamp,
        metadata=found.attributes,
    )


def select_documents() -> Select[Document, str]:
    """Documents with the ids of their collections."""
    return select(Document, Collection.id).join(Collection, Collection.key == Document.collection)


def document_info(row: Row[Document, str]) -> DocumentInfo:
    """The value of a row of `select_documents`."""
    found, collection = row
    return DocumentInfo(
        id=found.id,
        collection=collection,
        name=found.name,
        title=found.title,
        media_type=found.media_type,
        content_hash=found.content_hash,
        version=found.version,
        size=found.size,
        characters=found.characters,
        chunks=found.chunk_count,
        pages=tuple((number, start, end) for number, start, end in found.pages),
        metadata=found.attributes,
        report=found.report,
        blob=found.blob,
        state=found.state,
        superseded_by=found.superseded_by,
        created_at=found.created_at,
    )


def current_document(session: Session, collection: int, **columns: Any) -> Document | None:
    """The current document of a collection (key) whose columns have these values."""
    wanted = [getattr(Document, name) == value for name, value in columns.items()]
    return session.scalar(
        select(Document).where(and_(Document.collection == collection, Document.state == "current", *wanted))
    )


def collection_row(session: Session, id: str, *, lock: bool = False) -> Collection:
    """A collection by id; with `lock`, other writers of it wait. Raises NoSuchCollection."""
    query = select(Collection).where(Collection.id == id)
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NoSuchCollection(f"there is no collection {id!r}; `footnote collections` lists those there are")
    return found


def no_such_document(id: str) -> NoSuchDocument:
    """The error for an id that names no document."""
    return NoSuchDocument(f"there is no document {id!r}; it was deleted or never was")


def write_cursor(key: int) -> str:
    """The place after a row, for a client to give back."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> int:
    """The inverse of `write_cursor`. Raises BadCursor."""
    try:
        return int(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadCursor(f"{cursor!r} is no cursor of this list; use the `next` of an earlier page, or none") from error
