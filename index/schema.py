"""The tables of the corpus: what is known. Knows no session, no query, no file format.

`Base` is shared by the tables of every room, so that one chain of migrations covers them all. Rows have two names:
`key` is a small integer that joins and views use and that never leaves the process; `id` is unguessable, for outside.
Keys and chunk ids are never used twice, so a view that lags can point at nothing, but never at something else.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from index.rows import ChangeKind, DocumentState, Egress, GenerationState

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite gives AUTOINCREMENT only to a column of type INTEGER; elsewhere 2**31 chunks could be too few.
Key = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """The parent of every table of Footnote."""

    metadata = MetaData(naming_convention=NAMING)


class UTCDateTime(TypeDecorator[datetime]):
    """Timezone-aware times, always UTC. SQLite keeps them without a zone, so the zone is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone, but an aware datetime was wanted; use datetime.now(UTC)")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


class Collection(Base):
    """A set of documents that is searched, granted and governed together."""

    __tablename__ = "collections"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(Text)
    egress: Mapped[Egress] = mapped_column(String(8))
    stamp: Mapped[str] = mapped_column(String(200), default="")  # of the embedder; empty until the first vectors
    attributes: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class Document(Base):
    """One version of one document. At most one version of a name, and one of equal bytes, is current."""

    __tablename__ = "documents"
    __table_args__ = (
        Index("ix_documents_collection_name", "collection", "name"),
        Index(
            "uq_documents_current_name",
            "collection",
            "name",
            unique=True,
            sqlite_where=text("state = 'current'"),
            postgresql_where=text("state = 'current'"),
        ),
        Index(
            "uq_documents_current_hash",
            "collection",
            "content_hash",
            unique=True,
            sqlite_where=text("state = 'current'"),
            postgresql_where=text("state = 'current'"),
        ),
        {"sqlite_autoincrement": True},
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    collection: Mapped[int] = mapped_column(Key, ForeignKey("collections.key", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(String(255))
    content_hash: Mapped[str] = mapped_column(String(64))  # sha256 of the original bytes, hexadecimal
    version: Mapped[int] = mapped_column(Integer)  # 1, 2, ... per name
    size: Mapped[int] = mapped_column(BigInteger)  # bytes of the original
    characters: Mapped[int] = mapped_column(BigInteger)
    chunk_count: Mapped[int] = mapped_column(Integer)
    pages: Mapped[list[list[int]]] = mapped_column(JSON)  # [[number, start, end], ...]
    attributes: Mapped[dict[str, Any]] = mapped_column("metadata", JSON)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
    blob: Mapped[str] = mapped_column(String(255))
    state: Mapped[DocumentState] = mapped_column(String(16))  # current | superseded
    superseded_by: Mapped[str | None] = mapped_column(String(32), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class DocumentText(Base):
    """The whole text, apart from the row, so that listing documents reads no text."""

    __tablename__ = "document_texts"

    document: Mapped[int] = mapped_column(
        Key, ForeignKey("documents.key", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    text: Mapped[str] = mapped_column(Text)


class DocumentField(Base):
    """One scalar of a document's metadata in a form that filters can use; a list gives one row per element.

    Exactly one of `text` and `number` is set; booleans are the texts "true" and "false".
    """

    __tablename__ = "document_fields"
    __table_args__ = (
        Index("ix_document_fields_name_text", "name", "text"),
        Index("ix_document_fields_name_number", "name", "number"),
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    document: Mapped[int] = mapped_column(Key, ForeignKey("documents.key", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    text: Mapped[str | None] = mapped_column(String(1000))
    number: Mapped[float | None] = mapped_column(Float(53))


class DocumentReader(Base):
    """Someone who may read a document that not everyone who reads its collection may. Outlives the document."""

    __tablename__ = "document_readers"

    document: Mapped[str] = mapped_column(String(32), primary_key=True)  # an id
    reader: Mapped[str] = mapped_column(String(32), primary_key=True)  # of a person or a group; opaque here
    collection: Mapped[int] = mapped_column(Key, ForeignKey("collections.key", ondelete="CASCADE"), index=True)


class Chunk(Base):
    """A span of a current document's text: `text == document.text[start:end]`."""

    __tablename__ = "chunks"
    __table_args__ = (
        Index("uq_chunks_document_ordinal", "document", "ordinal", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    document: Mapped[int] = mapped_column(Key, ForeignKey("documents.key", ondelete="CASCADE"))
    ordinal: Mapped[int] = mapped_column(Integer)
    start: Mapped[int] = mapped_column(BigInteger)
    end: Mapped[int] = mapped_column(BigInteger)
    text: Mapped[str] = mapped_column(Text)
    heading: Mapped[str] = mapped_column(Text)
    page: Mapped[int | None] = mapped_column(Integer)
    line: Mapped[int | None] = mapped_column(Integer)  # of the file, from 1; for formats that are read by line
    recognised: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())  # by OCR
    tokens: Mapped[int] = mapped_column(Integer)


class ChunkVector(Base):
    """The embedding of a chunk under one embedder: d float16 numbers, little-endian, of a unit row."""

    __tablename__ = "chunk_vectors"
    __table_args__ = (Index("ix_chunk_vectors_stamp_text_hash", "stamp", "text_hash"),)

    chunk: Mapped[int] = mapped_column(
        Key, ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    stamp: Mapped[str] = mapped_column(String(200), primary_key=True)
    text_hash: Mapped[str] = mapped_column(String(32))
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class Change(Base):
    """One line of the log that views follow. Survives what it tells of, hence no foreign keys."""

    __tablename__ = "changes"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(Key, primary_key=True)
    kind: Mapped[ChangeKind] = mapped_column(String(8))  # add | delete
    collection: Mapped[int] = mapped_column(Key)
    collection_id: Mapped[str] = mapped_column(String(32))
    document: Mapped[int] = mapped_column(Key)
    document_id: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class Generation(Base):
    """The vectors of all chunks under one embedder. None: the settings say who embeds, and no other ever did."""

    __tablename__ = "generations"
    __table_args__ = (
        Index(
            "uq_generations_serving",
            "state",
            unique=True,
            sqlite_where=text("state = 'serving'"),
            postgresql_where=text("state = 'serving'"),
        ),
        {"sqlite_autoincrement": True},
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    stamp: Mapped[str] = mapped_column(String(200), unique=True)
    model: Mapped[str] = mapped_column(Text)  # a name or an absolute path, as `embedder.model` takes it
    state: Mapped[GenerationState] = mapped_column(String(16))  # building | serving | old | dropping
    begun_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    switched_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # when it last began to serve
