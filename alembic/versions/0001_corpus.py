"""The corpus: collections, documents, chunks, vectors and the change log.

Revision ID: 0001_corpus
Revises: nothing
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001_corpus"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CURRENT = sa.text("state = 'current'")


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("seq", KEY, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("collection", KEY, nullable=False),
        sa.Column("collection_id", sa.String(length=32), nullable=False),
        sa.Column("document", KEY, nullable=False),
        sa.Column("document_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_changes"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "collections",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("egress", sa.String(length=8), nullable=False),
        sa.Column("stamp", sa.String(length=200), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_collections"),
        sa.UniqueConstraint("id", name="uq_collections_id"),
        sa.UniqueConstraint("name", name="uq_collections_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "documents",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("collection", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("characters", sa.BigInteger(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("pages", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("blob", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("superseded_by", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.key"], name="fk_documents_collection_collections", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_documents"),
        sa.UniqueConstraint("id", name="uq_documents_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_documents_collection_name", "documents", ["collection", "name"], unique=False)
    op.create_index("ix_documents_superseded_by", "documents", ["superseded_by"], unique=False)
    op.create_index(
        "uq_documents_current_hash",
        "documents",
        ["collection", "content_hash"],
        unique=True,
        sqlite_where=CURRENT,
        postgresql_where=CURRENT,
    )
    op.create_index(
        "uq_documents_current_name",
        "documents",
        ["collection", "name"],
        unique=True,
        sqlite_where=CURRENT,
        postgresql_where=CURRENT,
    )
    op.create_table(
        "chunks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("document", KEY, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document"], ["documents.key"], name="fk_chunks_document_documents", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_chunks"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_chunks_document_ordinal", "chunks", ["document", "ordinal"], unique=True)
    op.create_table(
        "document_fields",
        sa.Column("key", KEY, nullable=False),
        sa.Column("document", KEY, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=True),
        sa.Column("number", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(
            ["document"], ["documents.key"], name="fk_document_fields_document_documents", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_document_fields"),
    )
    op.create_index("ix_document_fields_document", "document_fields", ["document"], unique=False)
    op.create_index("ix_document_fields_name_number", "document_fields", ["name", "number"], unique=False)
    op.create_index("ix_document_fields_name_text", "document_fields", ["name", "text"], unique=False)
    op.create_table(
        "document_texts",
        sa.Column("document", KEY, autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document"], ["documents.key"], name="fk_document_texts_document_documents", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document", name="pk_document_texts"),
    )
    op.create_table(
        "chunk_vectors",
        sa.Column("chunk", KEY, autoincrement=False, nullable=False),
        sa.Column("stamp", sa.String(length=200), nullable=False),
        sa.Column("text_hash", sa.String(length=32), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["chunk"], ["chunks.id"], name="fk_chunk_vectors_chunk_chunks", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("chunk", "stamp", name="pk_chunk_vectors"),
    )
    op.create_index("ix_chunk_vectors_stamp_text_hash", "chunk_vectors", ["stamp", "text_hash"], unique=False)


def downgrade() -> None:
    for table in (
        "chunk_vectors",
        "document_texts",
        "document_fields",
        "chunks",
        "documents",
        "collections",
        "changes",
    ):
        op.drop_table(table)
