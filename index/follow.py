"""What the change log asks of a view, read from SQL in one moment. Writes nothing; knows no FAISS and no tantivy."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from index.database import Database
from index.queries import parts
from index.rows import decode_vectors
from index.schema import Change, Chunk, ChunkVector, Document

PARTITION = 4096  # chunks that are held in memory at a time
SLICE = 16  # chunks that a view takes in before it rests, where questions are asked beside it
CHANGES = 256  # lines of the log that are applied at a time

T = TypeVar("T")

# Of tables and not of classes: each row is read in half the time, while searches wait for the interpreter.
_chunks, _documents, _vectors = Chunk.__table__.c, Document.__table__.c, ChunkVector.__table__.c
_VECTORS = select(_vectors.chunk, _vectors.vector).where(
    _vectors.chunk.in_(bindparam("chunks", expanding=True)), _vectors.stamp == bindparam("stamp")
)


@dataclass(frozen=True, slots=True)
class ChunkRows:
    """Chunks with their vectors, in the order of their ids. All arrays have n entries."""

    chunks: NDArray[np.int64]
    documents: NDArray[np.int64]  # keys
    collections: NDArray[np.int64]  # keys
    vectors: NDArray[np.float32]  # (n, d), unit rows

    def __len__(self) -> int:
        return len(self.chunks)


class ChunkText(NamedTuple):  # made for every chunk that is written
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
    for names in _named(session, documents, every):
        # By id, and not in a join: there SQLite goes through every vector of the embedder, however few are wanted.
        held: dict[int, bytes] = {}
        for part in parts([chunk for chunk, _, _ in names]):
            rows = session.connection().execute(_VECTORS, {"chunks": list(part), "stamp": stamp})
            held.update((chunk, vector) for chunk, vector in rows)
        found = [each for each in names if each[0] in held]
        if found:
            chunks, keys, collections = np.array(found, np.int64).T.copy()
            yield ChunkRows(chunks, keys, collections, decode_vectors([held[chunk] for chunk, _, _ in found]))


def _named(session: Session, documents: Sequence[int] | None, every: int) -> Iterator[list[tuple[int, int, int]]]:
    """(chunk, document, collection) of the chunks of these documents, or of all, in partitions."""
    query = (
        select(_chunks.id, _chunks.document, _documents.collection)
        .select_from(Chunk.__table__)
        .join(Document.__table__, _documents.key == _chunks.document)
        .order_by(_chunks.id)
    )
    if every > 1:
        query = query.where(_chunks.id % every == 0)
    if documents is not None:
        for part in parts(documents):
            rows = session.connection().execute(query.where(_documents.key.in_(part))).all()
            for at in range(0, len(rows), PARTITION):
                yield [(chunk, key, collection) for chunk, key, collection in rows[at : at + PARTITION]]
        return
    last = 0
    while page := session.connection().execute(query.where(_chunks.id > last).limit(PARTITION)).all():
        yield [(chunk, key, collection) for chunk, key, collection in page]
        last = page[-1][0]


def with_rests(items: Iterable[T], rest: Callable[[], object]) -> Iterator[T]:
    """The same; after every few of them `rest` is called, so that other threads get the interpreter."""
    for number, each in enumerate(items, 1):
        yield each
        if number % SLICE == 0:
            rest()


def read_texts(session: Session, documents: Sequence[int] | None = None) -> Iterator[ChunkText]:
    """The texts of the chunks of these documents (keys), or of all."""
    query = (
        select(_chunks.id, _chunks.document, _documents.collection, _documents.title, _chunks.heading, _chunks.text)
        .select_from(Chunk.__table__)
        .join(Document.__table__, _documents.key == _chunks.document)
        .order_by(_chunks.id)
    )
    for part in _narrowed(query, documents):
        for rows in session.connection().execute(part).partitions(PARTITION):
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
            yield streamed.where(_documents.key.in_(part))
