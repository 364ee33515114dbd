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
_Row = Row[*tuple[Any, ...]]
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
    found = session.connection().execute(_COLLECTIONS, {"ids": list(ids)}).all()
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
        rows = session.connection().execute(_VECTORS, {"chunks": list(part), "stamp": stamp}).all()
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
    shown: list[tuple[Candidate, _Row]] = []
    dropped: list[Dropped] = []
    taken = 0
    each_has: Counter[str] = Counter()  # passages per document
    while len(shown) < k and taken < len(candidates):
        batch = candidates[taken : taken + k + BATCH]
        rows, fitting = _rows(session, stamp, wanted, [each.chunk for each in batch])
        for candidate in batch:
            if len(shown) == k:
                break
            taken += 1
            row = rows.get(candidate.chunk)
            if row is None:
                dropped.append(Dropped(candidate.chunk, "gone", 0.0, {}))
            elif candidate.chunk not in fitting:
                dropped.append(Dropped(candidate.chunk, "filtered", 0.0, {}))
            elif per_document is not None and each_has[row.document] >= per_document:
                dropped.append(Dropped(candidate.chunk, "same_document", candidate.score, candidate.stages))
            else:
                each_has[row.document] += 1
                shown.append((candidate, row))
    dropped += [Dropped(chunk, "beyond_k", score, stages) for chunk, score, stages in candidates[taken:]]
    return _passages(shown, wanted, vector), dropped


def _rows(
    session: Session, stamp: str, wanted: Wanted, chunks: Sequence[int]
) -> tuple[dict[int, _Row], frozenset[int]]:
    """What is current of these chunks, by id, and which of them are asked for, as SQL says now."""
    query = _VISIBLE if not wanted.filters else _VISIBLE.add_columns(wanted.filters.clause().label("passes"))
    found: dict[int, _Row] = {}
    for part in parts(chunks):
        rows = session.connection().execute(query, {"chunks": list(part), "stamp": stamp})
        found.update({row.chunk: row for row in rows})
    fitting = (row for row in found.values() if row.collection in wanted.collections)
    return found, frozenset(row.chunk for row in fitting if not wanted.filters or row.passes)


# These run for every question. They are made once, and of columns of tables: making a query, and loading what belongs
# to an object, would take longer than the database does.
_chunks, _documents = Chunk.__table__.c, Document.__table__.c
_vectors, _collections = ChunkVector.__table__.c, Collection.__table__.c
_COLLECTIONS = select(_collections.id, _collections.key, _collections.name, _collections.stamp).where(
    _collections.id.in_(bindparam("ids", expanding=True))
)
_VECTORS = select(_vectors.chunk, _vectors.vector).where(
    _vectors.chunk.in_(bindparam("chunks", expanding=True)), _vectors.stamp == bindparam("stamp")
)
_VISIBLE = (
    select(
        _chunks.id.label("chunk"),
        _chunks.heading,
        _chunks.page,
        _chunks.line,
        _chunks.recognised,
        _chunks.start,
        _chunks.end,
        _chunks.text,
        _documents.id.label("document"),
        _documents.collection,
        _documents.version,
        _documents.name,
        _documents.title,
        _documents.metadata.label("attributes"),
        _vectors.vector,
    )
    .select_from(Chunk.__table__)
    .join(Document.__table__, _documents.key == _chunks.document)
    .outerjoin(ChunkVector.__table__, and_(_vectors.chunk == _chunks.id, _vectors.stamp == bindparam("stamp")))
    .where(_chunks.id.in_(bindparam("chunks", expanding=True)), _documents.state == "current")
)


def _passages(shown: Sequence[tuple[Candidate, _Row]], wanted: Wanted, vector: Vector | None) -> list[Passage]:
    near: dict[int, float] = {}
    stored = [row for _, row in shown if row.vector is not None]
    if vector is not None and stored:
        scores = decode_vectors([row.vector for row in stored]) @ vector
        near = dict(zip((row.chunk for row in stored), scores.tolist(), strict=True))
    return [_passage(candidate, row, wanted, near.get(row.chunk)) for candidate, row in shown]


def _passage(candidate: Candidate, row: _Row, wanted: Wanted, nearness: float | None) -> Passage:
    stages = candidate.stages if nearness is None else {**candidate.stages, "dense": nearness}
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
