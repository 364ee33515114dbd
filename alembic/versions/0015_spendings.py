"""What was spent by answers that are not stored: plain chats, and those whose conversation was deleted.

Revision ID: 0015_spendings
Revises: 0013_document_readers
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015_spendings"
down_revision: str | None = "0013_document_readers"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "spendings",
        sa.Column("key", KEY, nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("credential", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("collections", sa.JSON(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Float(precision=53), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_spendings"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_spendings_person", "spendings", ["person", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_spendings_person", "spendings")
    op.drop_table("spendings")
