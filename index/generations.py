"""Generations of vectors in SQL: which serves, which is being built, which can be gone back to. Knows no model.

The way of a generation: building -> serving -> old -> dropping -> gone. One serves at a time; the switch is one
transaction, after which every chunk has a vector of the new one. Vectors of a generation that is being built are
committed as they come, so a build that was cut off goes on where it stopped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Insert, Select, and_, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from index.database import Database
from index.errors import EmbedderMismatch, GenerationConflict
from index.rows import GenerationState, embedded_text, encode_vector, text_hash
from index.schema import Chunk, ChunkVector, Collection, Generation, utc_now

Vectors = NDArray[np.float32]

LAST_FEW = 256  # chunks that may still lack a vector when the switch begins: they are embedded while writers wait
_DROPPED_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class GenerationInfo:
    """A generation. `vectors` of `chunks` chunks are there; `model` is what `embedder.model` takes."""

    stamp: str
    model: str
    state: GenerationState
    begun_at: datetime
    switched_at: datetime | None
    vectors: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A chunk that lacks a vector, and what the embedder is to read."""

    chunk: int
    text: str


class Generations:
    """The generations of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def serving(self) -> tuple[str, str] | None:
        """(stamp, model) of the one that serves; None while the embedding model was never changed."""
        with self._database.read() as session:
            return serving(session)

    def listing(self) -> tuple[GenerationInfo, ...]:
        """All of them, oldest first; none while the embedding model was never changed."""
        counts = select(func.count()).where(ChunkVector.stamp == Generation.stamp).scalar_subquery()
        with self._database.read() as session:
            chunks = session.scalar(select(func.count()).select_from(Chunk)) or 0
            rows = session.execute(select(Generation, counts).order_by(Generation.key)).all()
        return tuple(
            GenerationInfo(each.stamp, each.model, each.state, each.begun_at, each.switched_at, count, chunks)
            for each, count in rows
        )

    def begin(self, present: tuple[str, str], wanted: tuple[str, str]) -> None:
        """Note that `wanted` is being built while `present` serves; both are (stamp, model). Harmless when repeated.

        Raises EmbedderMismatch if another one than `present` serves, GenerationConflict if `wanted` cannot be begun.
        """
        with self._database.write() as session:
            now = serving(session)
            if now is None:
                _check_collections(session, present[0])
                session.add(Generation(stamp=present[0], model=present[1], state="serving", switched_at=utc_now()))
            elif now[0] != present[0]:
                raise EmbedderMismatch(f"{now[0]} serves, not {present[0]}; another process switched, try again")
            states = {each.stamp: each for each in session.scalars(select(Generation))}
            if wanted[0] == present[0]:
                raise GenerationConflict(f"{wanted[0]} serves already; name another model")
            for each in states.values():
                if each.stamp != wanted[0] and each.state == "building":
                    raise GenerationConflict(
                        f"{each.stamp} is being built; finish it with `footnote models embed {each.model}`, "
                        "or give it up with `footnote models embed --drop-old`"
                    )
            before = states.get(wanted[0])
            if before is not None and before.state == "dropping":
                raise GenerationConflict(f"{wanted[0]} is being dropped; finish that with --drop-old first")
            if before is None:
                session.add(Generation(stamp=wanted[0], model=wanted[1], state="building"))
            else:
                before.model = wanted[1]

    def previous(self) -> GenerationInfo:
        """The one that served last before the present one. Raises GenerationConflict if it was dropped or never was."""
        old = [each for each in self.listing() if each.state == "old"]
        if not old:
            raise GenerationConflict(
                "there is no earlier generation of vectors to go back to; it was dropped, or none was"
            )
        return max(old, key=lambda each: (each.switched_at is not None, each.switched_at))

    def progress(self, stamp: str) -> tuple[int, int]:
        """(vectors, chunks): how far a generation is."""
        with self._database.read() as session:
            done = session.scalar(select(func.count()).select_from(ChunkVector).where(ChunkVector.stamp == stamp))
            return done or 0, session.scalar(select(func.count()).select_from(Chunk)) or 0

    def lacking(self, stamp: str, after: int, most: int) -> list[Unembedded]:
        """Chunks after `after` (id) without a vector of this generation, by id."""
        with self._database.read() as session:
            return _lacking(session, stamp, after, most)

    def store(self, stamp: str, chunks: Sequence[Unembedded], rows: Vectors) -> None:
        """Keep vectors (n, d) of chunks, unit rows. Chunks that were deleted meanwhile are left out."""
        with self._database.write() as session:
            _store(session, stamp, chunks, rows)

    def switch(self, stamp: str, embed: Callable[[Sequence[Unembedded]], Vectors]) -> bool:
        """Let a generation serve, in one transaction. False if more than LAST_FEW chunks lack a vector of it.

        `embed` gives unit rows (n, d) for the last few.
        """
        with self._database.write() as session:
            # Whoever commits a document holds its collection: from here on, nobody does.
            session.execute(select(Collection.key).order_by(Collection.key).with_for_update()).all()
            lacking = _lacking(session, stamp, 0, LAST_FEW + 1)
            if len(lacking) > LAST_FEW:
                return False
            if lacking:
                _store(session, stamp, lacking, embed(lacking))
            session.execute(update(Generation).where(Generation.state == "serving").values(state="old"))
            session.execute(
                update(Generation).where(Generation.stamp == stamp).values(state="serving", switched_at=utc_now())
            )
            session.execute(update(Collection).where(Collection.stamp != "").values(stamp=stamp))
            return True

    def drop(self) -> tuple[str, ...]:
        """Remove every generation that does not serve, half-built ones too. Returns their stamps."""
        with self._database.write() as session:
            session.execute(update(Generation).where(Generation.state != "serving").values(state="dropping"))
            stamps = session.scalars(select(Generation.stamp).where(Generation.state == "dropping")).all()
        for stamp in stamps:
            # Piece by piece, so that writers get their turn.
            while self._drop_some(stamp):
                pass
            with self._database.write() as session:
                session.execute(delete(Generation).where(Generation.stamp == stamp))
        return tuple(stamps)

    def _drop_some(self, stamp: str) -> bool:
        with self._database.write() as session:
            some = select(ChunkVector.chunk).where(ChunkVector.stamp == stamp).limit(_DROPPED_AT_ONCE)
            done: Any = session.execute(
                delete(ChunkVector).where(ChunkVector.stamp == stamp, ChunkVector.chunk.in_(some))
            )
            return bool(done.rowcount)


def serving(session: Session) -> tuple[str, str] | None:
    """(stamp, model) of the generation that serves; None while the embedding model was never changed."""
    row = session.execute(select(Generation.stamp, Generation.model).where(Generation.state == "serving")).first()
    return None if row is None else (row.stamp, row.model)


def whole(session: Session, *stamps: str) -> bool:
    """Whether each of these stamps is of a generation that serves or did: every chunk of its time has its vector."""
    known = session.scalars(select(Generation.stamp).where(Generation.state.in_(("serving", "old")))).all()
    return set(stamps) <= set(known)


def _lacking(session: Session, stamp: str, after: int, most: int) -> list[Unembedded]:
    query: Select[int, str, str] = (
        select(Chunk.id, Chunk.heading, Chunk.text)
        .outerjoin(ChunkVector, and_(ChunkVector.chunk == Chunk.id, ChunkVector.stamp == stamp))
        .where(ChunkVector.chunk.is_(None), Chunk.id > after)
        .order_by(Chunk.id)
        .limit(most)
    )
    return [Unembedded(row.id, embedded_text(row.heading, row.text)) for row in session.execute(query)]


def _store(session: Session, stamp: str, chunks: Sequence[Unembedded], rows: Vectors) -> None:
    # Locked, so that none is deleted between this look and the commit; SQLite's writers take turns anyway.
    ids = [each.chunk for each in chunks]
    alive = set(session.scalars(select(Chunk.id).where(Chunk.id.in_(ids)).with_for_update(read=True, key_share=True)))
    values = [
        {"chunk": each.chunk, "stamp": stamp, "text_hash": text_hash(each.text), "vector": encode_vector(row)}
        for each, row in zip(chunks, rows, strict=True)
        if each.chunk in alive
    ]
    if values:
        session.execute(_insert_new(session), values)


def _insert_new(session: Session) -> Insert:
    """An insert that leaves rows as they are which another build has put there meanwhile."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement: Insert = dialect.insert(ChunkVector).on_conflict_do_nothing()
    return statement


def _check_collections(session: Session, stamp: str) -> None:
    others = session.scalars(select(Collection.name).where(Collection.stamp.not_in(["", stamp]))).all()
    if others:
        raise EmbedderMismatch(
            f"the collections {', '.join(map(repr, others))} hold vectors of another embedder than {stamp}; "
            "configure the one that made them before you change it"
        )
