"""The dense view as a table of PostgreSQL with pgvector: one for all processes. Knows no faiss, no file and no words.

Half-precision rows, partitioned by collection, each partition with an HNSW index. Whoever sees the log grow first
brings the table forward, rows and position in one transaction; the others find it done. So it needs no snapshot, and
dropping its tables costs a rebuild.

A query that few rows can answer compares with all of them; else the index is walked until enough are found.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Float,
    MetaData,
    Row,
    Select,
    String,
    Table,
    all_,
    any_,
    bindparam,
    cast,
    delete,
    func,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import UserDefinedType

from index.database import Database
from index.errors import DatabaseUnusable
from index.exact import best_first
from index.follow import PARTITION, ChunkRows, position, read_vectors
from index.schema import Document
from index.scope import Scope

Vector = NDArray[np.float32]

FEW_ROWS = 10_000  # a view of so few rows is compared with one by one, and so is what a filter leaves
_ROWS_PER_DOCUMENT = 20  # assumed of the documents that a filter leaves
_MOST_EF = 1000  # pgvector's limit
_MOST_SCANNED = 200_000  # index entries that a filtered walk looks at before it gives up
_LOCK = 7309455  # of PostgreSQL: one process at a time makes tables

_META = MetaData()
_VIEWS = Table(
    "dense_views",
    _META,
    Column("stamp", String(200), primary_key=True),
    Column("applied_seq", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
)


class _HalfVector(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "halfvec"


def _table(stamp: str) -> Table:
    name = f"dense_{hashlib.blake2b(stamp.encode(), digest_size=6).hexdigest()}"
    return Table(
        name,
        MetaData(),
        Column("chunk", BigInteger),
        Column("document", BigInteger),
        Column("collection", BigInteger),
        Column("embedding", _HalfVector),
    )


@dataclass(frozen=True, slots=True)
class TableMoment:
    """What a query sees: the table as it is when it asks. `exact` is false: scores are of half-precision rows."""

    applied_seq: int
    rows: int
    database: Database
    table: Table
    kind: str = "pgvector"
    exact: bool = False

    def search(self, query: Vector, k: int, scope: Scope | None = None) -> tuple[Vector, NDArray[np.int64]]:
        """Inner products and chunk ids of the k nearest rows in scope, best first, no padding. query: (d,) unit row."""
        scope = scope or Scope()
        asked, few = self._query(scope, k)
        with self.database.read() as session:
            # The planner would take the index even where it must skip nearly everything it finds.
            session.execute(text("SET LOCAL enable_indexscan = " + ("off" if few else "on")))
            session.execute(text(f"SET LOCAL hnsw.ef_search = {min(_MOST_EF, max(100, k))}"))
            session.execute(text("SET LOCAL hnsw.iterative_scan = relaxed_order"))
            session.execute(text(f"SET LOCAL hnsw.max_scan_tuples = {_MOST_SCANNED}"))
            found = session.execute(asked, {"query": _literal(query)}).all()
        scores = np.array([row.score for row in found], np.float32)
        chunks = np.array([row.chunk for row in found], np.int64)
        best = best_first(scores, chunks, k)
        return scores[best], chunks[best]

    def contents(self) -> Iterator[ChunkRows]:
        """Every row, in half precision."""
        vectors: ColumnElement[Any] = literal_column("embedding::real[]")
        query = select(self.table.c.chunk, self.table.c.document, self.table.c.collection, vectors)
        with self.database.read() as session:
            rows = session.execute(query.order_by(self.table.c.chunk).execution_options(yield_per=PARTITION))
            for part in rows.partitions(PARTITION):
                chunks, documents, collections, numbers = zip(*part, strict=True)
                yield ChunkRows(
                    np.array(chunks), np.array(documents), np.array(collections), np.array(numbers, np.float32)
                )

    def remembers(self, document: int) -> int:
        """Rows of a document (key)."""
        query = select(func.count()).select_from(self.table).where(self.table.c.document == document)
        with self.database.read() as session:
            return session.scalar(query) or 0

    def _query(self, scope: Scope, k: int) -> tuple[Select[Any], bool]:
        """The nearest rows in scope, and whether so few are in scope that all are compared."""
        table = self.table.c
        asked = cast(bindparam("query", type_=String()), _HalfVector())
        distance = table.embedding.op("<#>", return_type=Float())(asked)  # the negative inner product
        query = select(table.chunk, (-distance).label("score")).order_by(distance).limit(k)
        reach = self.rows
        if scope.collections is not None:
            query = query.where(table.collection.in_(scope.collections))
        if scope.filters:
            passing = select(Document.key).where(Document.state == "current", scope.filters.clause())
            query = query.where(table.document.in_(passing))
        if scope.documents is not None:
            reach = min(reach, len(scope.documents) * _ROWS_PER_DOCUMENT)
            if not scope.filters:
                query = query.where(table.document == any_(_keys(scope.documents)))
        if scope.chunks is not None:
            reach = min(reach, len(scope.chunks))
            query = query.where(table.chunk == any_(_keys(scope.chunks)))
        if scope.barred is not None:
            query = query.where(table.chunk != all_(_keys(scope.barred)))
        return query, reach <= FEW_ROWS


class TableView:
    """The writer's side: brings the table level with the log. Any number of processes may have one."""

    kind = "pgvector"

    def __init__(self, database: Database, stamp: str, dimension: int) -> None:
        """Make the tables if they are missing, and fill them. Raises DatabaseUnusable without PostgreSQL."""
        if database.is_sqlite:
            raise DatabaseUnusable(
                "index.dense is pgvector, but the truth is SQLite; "
                "set database.url to PostgreSQL, or index.dense to faiss"
            )
        self.dimension = dimension
        self._database = database
        self._stamp = stamp
        self._table = _table(stamp)
        with database.write() as session:
            self._make(session)
            row = self._locked(session)
            now: tuple[int, int] = (row.applied_seq, row.rows) if row.applied_seq else self._fill(session)
        self.applied_seq: int = now[0]
        self._rows: int = now[1]

    @property
    def base_rows(self) -> int:
        """Rows of the table."""
        return self._rows

    delta_rows = dead_rows = 0

    @property
    def begun_seq(self) -> int:
        """The line up to which it holds nothing that was deleted: rows go with the step that tells of it."""
        return self.applied_seq

    def moment(self) -> TableMoment:
        """How a reader asks."""
        return TableMoment(self.applied_seq, self._rows, self._database, self._table)

    def apply(self, dead: Sequence[int], added: Iterable[ChunkRows], upto: int) -> None:
        """Rows of the documents `dead` (keys) go, rows come, the table stands at `upto`; unless another did it."""
        with self._database.write() as session:
            now = self._locked(session)
            if now.applied_seq != self.applied_seq:
                self.applied_seq, self._rows = now.applied_seq, now.rows
                return
            gone: Any = session.execute(
                delete(self._table).where(self._table.c.document == any_(_keys(np.array(dead, np.int64))))
            )
            rows = now.rows - gone.rowcount + sum(self._copy(session, part) for part in added)
            self._stand(session, upto, rows)
        self.applied_seq, self._rows = upto, rows

    def refill(self) -> None:
        """Forget every row and read the truth anew, in one transaction: readers see all of before or all of after."""
        with self._database.write() as session:
            self._locked(session)
            session.execute(delete(self._table))
            now = self._fill(session)
        self.applied_seq, self._rows = now

    def vacuum(self) -> None:
        """Give back the room of deleted rows, and forget what they held."""
        with self._database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"VACUUM {self._table.name}"))

    def _make(self, session: Session) -> None:
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        name = self._table.name
        if session.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None:
            session.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
            _META.create_all(session.connection())
            session.execute(
                text(
                    f"CREATE TABLE {name} "
                    "(chunk bigint NOT NULL, document bigint NOT NULL, collection bigint NOT NULL, "
                    f"embedding halfvec({self.dimension}) NOT NULL, PRIMARY KEY (collection, chunk)) "
                    "PARTITION BY LIST (collection)"
                )
            )
            session.execute(text(f"CREATE INDEX ON {name} (document)"))
            session.execute(text(f"CREATE INDEX ON {name} USING hnsw (embedding halfvec_ip_ops)"))
            session.execute(delete(_VIEWS).where(_VIEWS.c.stamp == self._stamp))
        if session.scalar(select(func.count()).where(_VIEWS.c.stamp == self._stamp)) == 0:
            session.execute(_VIEWS.insert().values(stamp=self._stamp, applied_seq=0, rows=0))

    def _locked(self, session: Session) -> Row[Any]:
        return session.execute(select(_VIEWS).where(_VIEWS.c.stamp == self._stamp).with_for_update()).one()

    def _stand(self, session: Session, upto: int, rows: int) -> None:
        session.execute(update(_VIEWS).where(_VIEWS.c.stamp == self._stamp).values(applied_seq=upto, rows=rows))

    def _fill(self, session: Session) -> tuple[int, int]:
        """Returns (position, rows)."""
        # The position first: what comes between the two reads is applied again, which changes nothing.
        upto, _ = position(session)
        rows = sum(self._copy(session, part) for part in read_vectors(session, self._stamp))
        self._stand(session, upto, rows)
        return upto, rows

    def _copy(self, session: Session, rows: ChunkRows) -> int:
        name = self._table.name
        for key in np.unique(rows.collections).tolist():
            if session.scalar(text("SELECT to_regclass(:name)"), {"name": f"{name}_{key}"}) is None:
                # Attached, not created as a partition: that would wait for every reader of the table.
                session.execute(text(f"CREATE TABLE {name}_{key} (LIKE {name} INCLUDING ALL)"))
                session.execute(text(f"ALTER TABLE {name} ATTACH PARTITION {name}_{key} FOR VALUES IN ({key})"))
        raw: Any = session.connection().connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(_binary(rows))
        return len(rows)


def drop_tables(database: Database, stamps: Sequence[str]) -> None:
    """Remove the tables of generations that were dropped, where there are any."""
    if database.is_sqlite:
        return
    with database.write() as session:
        if session.scalar(text("SELECT to_regclass('dense_views')")) is None:
            return
        for stamp in stamps:
            session.execute(text(f"DROP TABLE IF EXISTS {_table(stamp).name}"))
            session.execute(delete(_VIEWS).where(_VIEWS.c.stamp == stamp))


def _keys(values: NDArray[np.int64]) -> BindParameter[Any]:
    return literal(values.tolist(), ARRAY(BigInteger))


def _literal(vector: Vector) -> str:
    return "[" + ",".join(f"{number:.6g}" for number in vector.tolist()) + "]"


def _binary(rows: ChunkRows) -> bytes:
    """PostgreSQL's binary form of COPY: each field with its length before it, all numbers big-endian."""
    d = rows.vectors.shape[1]
    record = np.dtype(
        [("fields", ">i2")]
        + [(f"{part}{name}", kind) for name in ("chunk", "document", "collection") for part, kind in _FIELD]
        + [("length", ">i4"), ("d", ">i2"), ("unused", ">i2"), ("embedding", ">f2", (d,))]
    )
    out = np.zeros(len(rows), record)
    out["fields"], out["length"], out["d"] = 4, 4 + 2 * d, d
    for name, values in (("chunk", rows.chunks), ("document", rows.documents), ("collection", rows.collections)):
        out[f"size_of_{name}"], out[f"value_of_{name}"] = 8, values
    out["embedding"] = rows.vectors
    return b"PGCOPY\n\xff\r\n\x00" + bytes(8) + out.tobytes() + b"\xff\xff"


_FIELD = (("size_of_", ">i4"), ("value_of_", ">i8"))
