"""What may be shown: candidates are joined with SQL as it is now. Knows no view; what SQL does not know is dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, and_, select
from sqlalchemy.orm import Session

from index.errors import EmbedderMismatch, NoSuchCollection
from index.filters import Filters
from index.fusion import Candidate
from index.passage import Dropped, Passage
from index.queries import parts
from index.rows import decode_vectors
from index.schema import Chunk, ChunkVector, Collection, Document
from index.scope import Scope


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question may see: `collections` maps keys to ids."""

    collections: Mapping[int, str]
    filters: Filters
    scope: Scope


def wanted(session: Session, ids: Sequence[str], filters: Filters, stamp: str | None) -> Wanted:
    """Look up collections by id, and the documents that pass the filters if there are any.

    `stamp` is of the embedder that will compare vectors, None if none will. Raises NoSuchCollection, EmbedderMismatch.
    """
    query = select(Collection.id, Collection.key, Collection.name, Collection.stamp).where(Collection.id.in_(ids))
    found = session.execute(query).all()
    missing = set(ids) - {row.id for row in found}
    if missing:
        raise NoSuchCollection(f"there is no collection {min(missing)!r}; `footnote collections` lists those there are")
    for row in found:
        if stamp is not None and row.stamp not in ("", stamp):
            raise EmbedderMismatch(
                f"collection {row.name!r} holds vectors of {row.stamp}, but the embedder is {stamp}; "
                "configure the embedder that made them, or ingest the collection again"
            )
    keys = tuple(sorted(row.key for row in found))
    documents: NDArray[np.int64] | None = None
    if filters:
        passing = select(Document.key).where(
            Document.collection.in_(keys), Document.state == "current", filters.clause()
        )
        documents = np.array(session.scalars(passing).all(), np.int64)
    return Wanted({row.key: row.id for row in found}, filters, Scope(keys, documents))


def cosines(session: Session, stamp: str, chunks: Sequence[int], vector: NDArray[np.float32]) -> dict[int, float]:
    """The inner products of `vector` (d,) with the stored vectors of these chunks; those without one are left out."""
    found: dict[int, float] = {}
    for part in parts(chunks):
        query = select(ChunkVector.chunk, ChunkVector.vector).where(
            ChunkVector.chunk.in_(part), ChunkVector.stamp == stamp
        )
        rows = session.execute(query).all()
        if rows:
            scores = decode_vectors([row.vector for row in rows]) @ vector
            found.update(zip((row.chunk for row in rows), scores.tolist(), strict=True))
    return found


def recheck(
    session: Session, wanted: Wanted, candidates: Sequence[Candidate], k: int
) -> tuple[list[Passage], list[Dropped]]:
    """The first k candidates that exist, are current and are wanted; all others with the reason they were dropped."""
    passages: list[Passage] = []
    dropped: list[Dropped] = []
    taken = 0
    while len(passages) < k and taken < len(candidates):
        batch = candidates[taken : taken + k + 10]
        rows = _rows(session, wanted, [each.chunk for each in batch])
        for candidate in batch:
            if len(passages) == k:
                break
            taken += 1
            row = rows.get(candidate.chunk)
            if row is None:
                dropped.append(Dropped(candidate.chunk, "gone"))
            elif not row.wanted:
                dropped.append(Dropped(candidate.chunk, "filtered"))
            else:
                passages.append(_passage(candidate, row, wanted))
    dropped += [Dropped(each.chunk, "beyond_k") for each in candidates[taken:]]
    return passages, dropped


def _rows(session: Session, wanted: Wanted, chunks: Sequence[int]) -> dict[int, Row[*tuple[Any, ...]]]:
    fits = and_(Document.collection.in_(wanted.collections), wanted.filters.clause())
    found: dict[int, Row[*tuple[Any, ...]]] = {}
    for part in parts(chunks):
        query = (
            select(Chunk, Document, fits.label("wanted"))
            .join(Document, Document.key == Chunk.document)
            .where(Chunk.id.in_(part), Document.state == "current")
        )
        found.update({row.Chunk.id: row for row in session.execute(query)})
    return found


def _passage(candidate: Candidate, row: Row[*tuple[Any, ...]], wanted: Wanted) -> Passage:
    chunk, document = row.Chunk, row.Document
    return Passage(
        chunk=chunk.id,
        document=document.id,
        collection=wanted.collections[document.collection],
        version=document.version,
        name=document.name,
        title=document.title,
        heading=chunk.heading,
        page=chunk.page,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        score=candidate.score,
        stages=candidate.stages,
        metadata=document.attributes,
    )
