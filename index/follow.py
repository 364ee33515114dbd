"""What the change log asks of a view, read from SQL in one moment. Writes nothing; knows no FAISS and no tantivy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from index.database import Database
from index.queries import parts
from index.rows import decode_vectors
from index.schema import Change, Chunk, ChunkVector, Document

PARTITION = 4096  # chunks that are held in memory at a time
CHANGES = 256  # lines of the log that are applied at a time


@dataclass(frozen=True, slots=True)
class ChunkRows:
    """Chunks with their vectors, in the order of their ids. All arrays have n entries."""

    chunks: NDArray[np.int64]
    documents: NDArray[np.int64]  # keys
    collections: NDArray[np.int64]  # keys
    vectors: NDArray[np.float32]  # (n, d), unit rows

    def __len__(self) -> int:
        return len(self.chunks)


@dataclass(frozen=True, slots=True)
class ChunkText:
    """What BM25 reads of a chunk."""

    chunk: int
    document: int  # key
    collection: int  # key
    title: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """Lines of the log: after it a view stands at `upto`. `mark` names the last line; `gone` and `added` are keys."""

    upto: int
    mark: str
    gone: tuple[int, ...]
    added: tuple[int, ...]


def position(session: Session) -> tuple[int, str]:
    """The newest line of the log: its number and its mark; (0, "") if there is none."""
    row = session.execute(select(Change.seq, Change.document_id).order_by(Change.seq.desc()).limit(1)).first()
    return (0, "") if row is None else (row[0], row[1])


def mark_at(database: Database, seq: int) -> str | None:
    """The mark of a line: ids are random, so another history has another one. "" before the first line, None after."""
    if seq == 0:
        return ""
    with database.read() as session:
        return session.scalar(select(Change.document_id).where(Change.seq == seq))


def next_step(session: Session, after: int, upto: int | None = None) -> Step | None:
    """The next lines of the log, none beyond `upto` if that is given; None at the end."""
    query = select(Change.seq, Change.kind, Change.document, Change.document_id).where(Change.seq > after)
    if upto is not None:
        query = query.where(Change.seq <= upto)
    rows = session.execute(query.order_by(Change.seq).limit(CHANGES)).all()
    if not rows:
        return None
    gone = dict.fromkeys(row.document for row in rows if row.kind == "delete")
    added = dict.fromkeys(row.document for row in rows if row.kind == "add" and row.document not in gone)
    return Step(rows[-1].seq, rows[-1].document_id, tuple(gone), tuple(added))


def read_vectors(
    session: Session, stamp: str, documents: Sequence[int] | None = None, every: int = 1
) -> Iterator[ChunkRows]:
    """The vectors of these documents (keys), or of all, under one embedder; in partitions. `every` thins them out."""
    query = (
        select(Chunk.id, Chunk.document, Document.collection, ChunkVector.vector)
        .join(Document, Document.key == Chunk.document)
        .join(ChunkVector, and_(ChunkVector.chunk == Chunk.id, ChunkVector.stamp == stamp))
        .order_by(Chunk.id)
    )
    if every > 1:
        query = query.where(Chunk.id % every == 0)
    for part in _narrowed(query, documents):
        for rows in session.execute(part).partitions(PARTITION):
            chunks, keys, collections, vectors = zip(*rows, strict=True)
            yield ChunkRows(np.array(chunks), np.array(keys), np.array(collections), decode_vectors(vectors))


def read_texts(session: Session, documents: Sequence[int] | None = None) -> Iterator[ChunkText]:
    """The texts of the chunks of these documents (keys), or of all."""
    query = (
        select(Chunk.id, Chunk.document, Document.collection, Document.title, Chunk.heading, Chunk.text)
        .join(Document, Document.key == Chunk.document)
        .order_by(Chunk.id)
    )
    for part in _narrowed(query, documents):
        for rows in session.execute(part).partitions(PARTITION):
            yield from (ChunkText(*row) for row in rows)


def count_vectors(session: Session, stamp: str) -> int:
    """The number of vectors under one embedder."""
    return session.scalar(select(func.count()).select_from(ChunkVector).where(ChunkVector.stamp == stamp)) or 0


def _narrowed(query: Select[*tuple[Any, ...]], documents: Sequence[int] | None) -> Iterator[Select[*tuple[Any, ...]]]:
    streamed = query.execution_options(yield_per=PARTITION)
    if documents is None:
        yield streamed
    else:
        for part in parts(documents):
            yield streamed.where(Document.key.in_(part))
