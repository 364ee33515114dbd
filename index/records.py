"""A new document as rows of SQL. The catalog alone calls it, in its transaction; checks and commits nothing."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from index.rows import NewDocument, embedded_text, encode_vector, text_hash
from index.schema import Chunk, ChunkVector, Document, DocumentField, DocumentText

LONGEST_FIELD = 1000  # characters of a metadata text that filters can compare; longer ones are kept, not filtered
LONGEST_FIELD_NAME = 255


def insert_document(session: Session, collection: int, id: str, version: int, new: NewDocument) -> int:
    """Write every row of a checked document under a collection's key. Returns the document's key."""
    row = Document(
        id=id,
        collection=collection,
        name=new.name,
        title=new.title,
        media_type=new.media_type,
        content_hash=new.content_hash,
        version=version,
        size=new.size,
        characters=len(new.text),
        chunk_count=len(new.chunks),
        pages=[list(page) for page in new.pages],
        attributes=dict(new.metadata),
        report=dict(new.report),
        blob=new.blob,
        state="current",
    )
    session.add(row)
    session.flush()
    session.execute(insert(DocumentText), [{"document": row.key, "text": new.text}])
    fields = [{"document": row.key, **each} for each in _fields(new.metadata)]
    if fields:
        session.execute(insert(DocumentField), fields)
    if new.chunks:
        _insert_chunks(session, row.key, new)
    return row.key


def _insert_chunks(session: Session, document: int, new: NewDocument) -> None:
    rows = [
        {
            "document": document,
            "ordinal": chunk.ordinal,
            "start": chunk.start,
            "end": chunk.end,
            "text": chunk.text,
            "heading": chunk.heading,
            "page": chunk.page,
            "line": chunk.line,
            "recognised": chunk.recognised,
            "tokens": chunk.tokens,
        }
        for chunk in new.chunks
    ]
    ids = session.scalars(insert(Chunk).returning(Chunk.id, sort_by_parameter_order=True), rows).all()
    vectors = [
        {
            "chunk": chunk_id,
            "stamp": new.stamp,
            "text_hash": text_hash(embedded_text(chunk.heading, chunk.text)),
            "vector": encode_vector(row),
        }
        for chunk_id, chunk, row in zip(ids, new.chunks, new.vectors, strict=True)
    ]
    session.execute(insert(ChunkVector), vectors)


def _fields(metadata: Mapping[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    """The scalars of nested metadata, named "outer.inner"; what filters cannot compare is left out."""
    for inner, value in metadata.items():
        name = f"{prefix}{inner}"[:LONGEST_FIELD_NAME]
        if isinstance(value, Mapping):
            yield from _fields(value, f"{name}.")
            continue
        many = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        for each in many:
            if isinstance(each, bool):
                yield {"name": name, "text": "true" if each else "false", "number": None}
            elif isinstance(each, int | float) and math.isfinite(each):
                yield {"name": name, "text": None, "number": float(each)}
            elif isinstance(each, str) and len(each) <= LONGEST_FIELD:
                yield {"name": name, "text": each, "number": None}
