"""What may be shown: candidates are joined with SQL as it is now. Knows no view; what SQL does not know is dropped."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, and_, bindparam, select
from sqlalchemy.orm import Session

from index.errors import EmbedderMismatch, NoSuchCollection
from index.filters import Filters
from index.fusion import Candidate
from index.generations import whole
from index.passage import Dropped, Passage
from index.passing import Passing
from index.queries import parts
from index.rows import decode_vectors
from index.schema import Chunk, ChunkVector, Collection, Document
from index.scope import Scope

Vector = NDArray[np.float32]
BATCH = 10  # candidates beyond k that are read at once, in case some are dropped


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question may see: `collections` maps keys to ids."""

    collections: Mapping[int, str]
    filters: Filters
    scope: Scope


def wanted(
    session: Session, ids: Sequence[str], filters: Filters, stamp: str | None, passing: Passing | None = None
) -> Wanted:
    """Look up collections by id, and the documents that pass the filters if there are any.

    `stamp` is of the embedder that will compare vectors, None if none will; `passing` remembers filters. Raises
    NoSuchCollection, EmbedderMismatch.
    """
    query = select(Collection.id, Collection.key, Collection.name, Collection.stamp).where(Collection.id.in_(ids))
    found = session.execute(query).all()
    missing = set(ids) - {row.id for row in found}
    if missing:
        raise NoSuchCollection(f"there is no collection {min(missing)!r}; `footnote collections` lists those there are")
    for row in found:
        # Right after a switch, questions are answered from the vectors of before until the new views are open.
        if stamp is not None and row.stamp not in ("", stamp) and not whole(session, stamp, row.stamp):
            raise EmbedderMismatch(
                f"collection {row.name!r} holds vectors of {row.stamp}, but the embedder is {stamp}; "
                "configure the embedder that made them, or ingest the collection again"
            )
    keys = tuple(sorted(row.key for row in found))
    documents: NDArray[np.int64] | None = None
    chosen_from = 0
    if filters:
        documents, chosen_from = (passing or Passing()).documents(session, keys, filters)
    scope = Scope(keys, documents, filters=filters, chosen_from=chosen_from)
    return Wanted({row.key: row.id for row in found}, filters, scope)


def cosines(session: Session, stamp: str, chunks: Sequence[int], vector: Vector) -> dict[int, float]:
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
    session: Session,
    stamp: str,
    wanted: Wanted,
    candidates: Sequence[Candidate],
    k: int,
    vector: Vector | None,
    per_document: int | None = None,
) -> tuple[list[Passage], list[Dropped]]:
    """The first k candidates that exist, are current and are wanted; all others with the reason they were dropped.

    With the question's `vector` (d,), passages that only their words found learn their nearness, too. No document has
    more than `per_document` passages.
    """
    passages: list[Passage] = []
    dropped: list[Dropped] = []
    taken = 0
    shown: Counter[str] = Counter()  # passages per document
    while len(passages) < k and taken < len(candidates):
        batch = candidates[taken : taken + k + BATCH]
        rows = _rows(session, stamp, wanted, [each.chunk for each in batch])
        for candidate in batch:
            if len(passages) == k:
                break
            taken += 1
            row = rows.get(candidate.chunk)
            if row is None:
                dropped.append(Dropped(candidate.chunk, "gone"))
            elif not row.wanted:
                dropped.append(Dropped(candidate.chunk, "filtered"))
            elif per_document is not None and shown[row.document] >= per_document:
                dropped.append(Dropped(candidate.chunk, "same_document", candidate.score, candidate.stages))
            else:
                shown[row.document] += 1
                passages.append(_passage(candidate, row, wanted, vector))
    dropped += [Dropped(each.chunk, "beyond_k", each.score, each.stages) for each in candidates[taken:]]
    return passages, dropped


def _rows(session: Session, stamp: str, wanted: Wanted, chunks: Sequence[int]) -> dict[int, Row[*tuple[Any, ...]]]:
    # Columns, not entities: this runs for every question, and loading objects would take most of its time.
    fits = and_(Document.collection.in_(wanted.collections), wanted.filters.clause())
    query = _VISIBLE.add_columns(fits.label("wanted"))
    found: dict[int, Row[*tuple[Any, ...]]] = {}
    for part in parts(chunks):
        found.update({row.chunk: row for row in session.execute(query, {"chunks": part, "stamp": stamp})})
    return found


_VISIBLE = (
    select(
        Chunk.id.label("chunk"),
        Chunk.heading,
        Chunk.page,
        Chunk.line,
        Chunk.recognised,
        Chunk.start,
        Chunk.end,
        Chunk.text,
        Document.id.label("document"),
        Document.collection,
        Document.version,
        Document.name,
        Document.title,
        Document.attributes.label("attributes"),
        ChunkVector.vector,
    )
    .join(Document, Document.key == Chunk.document)
    .outerjoin(ChunkVector, and_(ChunkVector.chunk == Chunk.id, ChunkVector.stamp == bindparam("stamp")))
    .where(Chunk.id.in_(bindparam("chunks", expanding=True)), Document.state == "current")
)


def _passage(candidate: Candidate, row: Row[*tuple[Any, ...]], wanted: Wanted, vector: Vector | None) -> Passage:
    stages = candidate.stages
    if vector is not None and row.vector is not None:
        stages = {**stages, "dense": float(decode_vectors([row.vector])[0] @ vector)}
    return Passage(
        chunk=row.chunk,
        document=row.document,
        collection=wanted.collections[row.collection],
        version=row.version,
        name=row.name,
        title=row.title,
        heading=row.heading,
        page=row.page,
        start=row.start,
        end=row.end,
        text=row.text,
        score=candidate.score,
        stages=stages,
        metadata=row.attributes,
        line=row.line,
        recognised=row.recognised,
    )
