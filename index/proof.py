"""Is the truth whole, do the views equal it, and is what was deleted gone? Repairs nothing; knows no file formats.

The truth is read in one moment. A view that stands at another line of the log is compared without the documents that
changed between the two, so a busy service can be checked while it serves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, func, select, text
from sqlalchemy.orm import Session

from index.database import Database
from index.errors import NoSuchDocument
from index.follow import ChunkRows, position, read_vectors
from index.schema import Change, Chunk, ChunkVector, Document, DocumentField, DocumentText
from index.scope import Scope
from index.views import Moment

ALIKE = 0.99  # cosine of a compressed row with the stored one; another text's vector is far below
_DOCUMENTS = 200  # whose texts are held in memory at a time
_SHOWN = 5  # examples in one line


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and in `detail` what was found. `part` is "truth", "view" or "trace"."""

    part: str
    what: str
    ok: bool
    detail: str


def check_truth(database: Database, stamp: str, dimension: int) -> Iterator[Finding]:
    """Hold the rows of the corpus to their laws. `stamp` and `dimension` are those of the embedder."""
    with database.read() as session:
        if database.is_sqlite:
            trouble = session.scalars(text("PRAGMA quick_check(10)")).all()
            yield _finding("truth", "the database file", [] if trouble == ["ok"] else list(map(str, trouble)), "sound")
            orphans = session.execute(text("PRAGMA foreign_key_check")).all()
            yield _finding("truth", "references", [f"{row[0]} row {row[1]}" for row in orphans], "all lead somewhere")
        chunks, broken = _broken_spans(session)
        yield _finding("truth", "passages", broken, f"{chunks} are exact spans of their documents")
        yield _finding("truth", "counts", _miscounted(session), "documents have as many passages as they say")
        vectors, odd = _odd_vectors(session, stamp, dimension)
        yield _finding("truth", "vectors", odd, f"{vectors} under {stamp}, one for each passage")


def check_views(database: Database, stamp: str, moment: Moment) -> Iterator[Finding]:
    """Compare both views with the truth, chunk by chunk; the dense one vector by vector."""
    with database.read() as session:
        latest, _ = position(session)
        moving = _changed_between(session, *sorted((moment.applied_seq, latest)))
        dense = _Rows(moment.dense.contents(), moving)
        lexical = moment.lexical.chunks()
        wrong: list[str] = []
        known: list[NDArray[np.int64]] = []
        for part in read_vectors(session, stamp):
            stays = ~np.isin(part.documents, moving)
            known.append(part.chunks[stays])
            wrong += dense.differences(part, stays)
        true = np.concatenate(known or [np.empty(0, np.int64)])
        texts = _texts(session, moving)
    extra = np.setdiff1d(dense.chunks, true)
    wrong += [f"chunk {chunk} is no row of the truth" for chunk in extra[:_SHOWN].tolist()]
    yield _finding("view", f"dense ({moment.dense.kind})", wrong, f"{len(true)} rows equal the truth")
    lexical = np.setdiff1d(lexical, _of_documents(moment, moving))
    missing = [f"chunk {chunk} is missing" for chunk in np.setdiff1d(texts, lexical).tolist()]
    added = [f"chunk {chunk} is no row of the truth" for chunk in np.setdiff1d(lexical, texts).tolist()]
    yield _finding("view", "lexical", missing + added, f"{len(texts)} passages, as in the truth")


class Deletion(NamedTuple):
    """That a document (key) was deleted, by this line of the log."""

    key: int
    seq: int
    at: datetime


def deletion(database: Database, document: str) -> Deletion:
    """The newest deletion of a document (id). Raises NoSuchDocument if none is known."""
    with database.read() as session:
        there = session.scalar(select(Document.state).where(Document.id == document))
        query = select(Change.document, Change.seq, Change.at).where(
            Change.document_id == document, Change.kind == "delete"
        )
        line = session.execute(query.order_by(Change.seq.desc()).limit(1)).first()
    if there is not None:
        raise NoSuchDocument(
            f"document {document!r} is still there ({there}); delete it first, then prove that it went"
        )
    if line is None:
        raise NoSuchDocument(f"the log knows no document {document!r} that was deleted; check the id")
    return Deletion(line.document, line.seq, line.at)


def traces(database: Database, key: int, moment: Moment) -> Iterator[Finding]:
    """Look for what a deleted document (key) may have left in the rows and in the views."""
    with database.read() as session:
        for table, column in (
            (Document, Document.key),
            (DocumentText, DocumentText.document),
            (DocumentField, DocumentField.document),
            (Chunk, Chunk.document),
        ):
            count = session.scalar(select(func.count()).select_from(table).where(column == key)) or 0
            yield _finding("trace", f"rows of {table.__tablename__}", [f"{count} rows"] if count else [], "none")
        orphans = select(func.count()).select_from(ChunkVector).outerjoin(Chunk, Chunk.id == ChunkVector.chunk)
        count = session.scalar(orphans.where(Chunk.id.is_(None))) or 0
        yield _finding("trace", "vectors, which are the embedding cache too", [f"{count}"] if count else [], "none")
    held = moment.dense.remembers(key)
    yield _finding("trace", "dense view", [f"{held} rows, not compacted yet"] if held else [], "none")
    held = moment.lexical.remembers(key)
    yield _finding("trace", "lexical view", [f"{held} passages, not purged yet"] if held else [], "none")


class _Rows:
    """The rows of a dense view by chunk id."""

    def __init__(self, contents: Iterator[ChunkRows], moving: NDArray[np.int64]) -> None:
        names = [np.empty((3, 0), np.int64)]
        vectors: list[NDArray[np.float16]] = []
        for part in contents:
            keep = ~np.isin(part.documents, moving)
            names.append(np.stack([part.chunks, part.documents, part.collections])[:, keep])
            # Half precision, as in SQL: it is enough to tell one text's vector from another's.
            vectors.append(part.vectors[keep].astype(np.float16))
        joined = np.concatenate(names, axis=1)
        self._order = np.argsort(joined[0], kind="stable")
        self.chunks, self._documents, self._collections = joined[:, self._order]
        self._vectors = np.concatenate(vectors) if vectors else np.empty((0, 0), np.float16)

    def differences(self, part: ChunkRows, stays: NDArray[np.bool_]) -> list[str]:
        chunks = part.chunks[stays]
        places = np.searchsorted(self.chunks, chunks)
        inside = np.minimum(places, max(0, len(self.chunks) - 1))
        found = self.chunks[inside] == chunks if len(self.chunks) else np.zeros(len(chunks), np.bool_)
        lines = [f"chunk {chunk} is missing" for chunk in chunks[~found][:_SHOWN].tolist()]
        if not found.any():
            return lines
        at = inside[found]
        kept = np.flatnonzero(stays)[found]
        ours, theirs = self._vectors[self._order[at]].astype(np.float32), part.vectors[kept]
        lengths = np.maximum(np.linalg.norm(ours, axis=1), 1e-9)
        alike = np.einsum("nd,nd->n", ours, theirs) / lengths >= ALIKE
        same = self._documents[at] == part.documents[kept]
        same &= self._collections[at] == part.collections[kept]
        lines += [f"chunk {chunk} has another vector" for chunk in chunks[found][~alike][:_SHOWN].tolist()]
        lines += [f"chunk {chunk} bears another document" for chunk in chunks[found][~same][:_SHOWN].tolist()]
        return lines


def _changed_between(session: Session, after: int, upto: int) -> NDArray[np.int64]:
    changed = select(Change.document).where(Change.seq > after, Change.seq <= upto).distinct()
    return np.array(session.scalars(changed).all(), np.int64)


def _texts(session: Session, without: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) chunk ids of the truth, in order."""
    rows = session.execute(select(Chunk.id, Chunk.document).order_by(Chunk.id)).all()
    pairs = np.array([tuple(row) for row in rows], np.int64).reshape(-1, 2)
    chunks: NDArray[np.int64] = pairs[~np.isin(pairs[:, 1], without), 0]
    return chunks


def _of_documents(moment: Moment, documents: NDArray[np.int64]) -> NDArray[np.int64]:
    return moment.lexical.chunks(Scope(documents=documents)) if len(documents) else np.empty(0, np.int64)


def _broken_spans(session: Session) -> tuple[int, list[str]]:
    # Compared here and not in SQL: SQLite's functions end a text at its first NUL character.
    keys = session.scalars(select(Document.key).order_by(Document.key)).all()
    count, broken = 0, []
    for at in range(0, len(keys), _DOCUMENTS):
        some = keys[at : at + _DOCUMENTS]
        pairs = select(DocumentText.document, DocumentText.text).where(DocumentText.document.in_(some))
        whole = {row.document: row.text for row in session.execute(pairs)}
        spans = select(Chunk.id, Chunk.document, Chunk.start, Chunk.end, Chunk.text).where(Chunk.document.in_(some))
        for row in session.execute(spans):
            count += 1
            if whole.get(row.document, "")[row.start : row.end] != row.text:
                broken.append(f"chunk {row.id} is no span of its document")
    return count, broken


def _miscounted(session: Session) -> list[str]:
    counted = (
        select(Document.id, Document.chunk_count, func.count(Chunk.id).label("chunks"))
        .outerjoin(Chunk, Chunk.document == Document.key)
        .group_by(Document.key, Document.id, Document.chunk_count)
        .having(func.count(Chunk.id) != Document.chunk_count)
    )
    return [f"document {row.id} has {row.chunks} of {row.chunk_count}" for row in session.execute(counted)]


def _odd_vectors(session: Session, stamp: str, dimension: int) -> tuple[int, list[str]]:
    count = session.scalar(select(func.count()).select_from(ChunkVector).where(ChunkVector.stamp == stamp)) or 0
    bare = (
        select(Chunk.id)
        .outerjoin(ChunkVector, and_(ChunkVector.chunk == Chunk.id, ChunkVector.stamp == stamp))
        .where(ChunkVector.chunk.is_(None))
    )
    short = select(ChunkVector.chunk).where(
        ChunkVector.stamp == stamp, func.length(ChunkVector.vector) != 2 * dimension
    )
    lines = [f"chunk {chunk} has none under {stamp}" for chunk in session.scalars(bare)]
    return count, lines + [f"chunk {chunk} has one of another length" for chunk in session.scalars(short)]


def _finding(part: str, what: str, faults: list[str], sound: str) -> Finding:
    if not faults:
        return Finding(part, what, True, sound)
    more = f", and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return Finding(part, what, False, "; ".join(faults[:_SHOWN]) + more)
