"""Who may read a single document, where not everyone who reads its collection may.

Revision ID: 0013_document_readers
Revises: 0012_answer_credential
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013_document_readers"
down_revision: str | None = "0012_answer_credential"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "document_readers",
        sa.Column("document", sa.String(length=32), nullable=False),
        sa.Column("reader", sa.String(length=32), nullable=False),
        sa.Column("collection", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"],
            ["collections.key"],
            name="fk_document_readers_collection_collections",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("document", "reader", name="pk_document_readers"),
    )
    op.create_index("ix_document_readers_collection", "document_readers", ["collection"])


def downgrade() -> None:
    op.drop_index("ix_document_readers_collection", "document_readers")
    op.drop_table("document_readers")
