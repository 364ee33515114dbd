"""Conversations and answers with their traces.

Revision ID: 0003_conversations
Revises: 0002_jobs
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003_conversations"
down_revision: str | None = "0002_jobs"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_conversations"),
        sa.UniqueConstraint("id", name="uq_conversations_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_conversations_tenant", "conversations", ["tenant", "key"])
    op.create_table(
        "answers",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("conversation", KEY, nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("rewritten", sa.Text(), nullable=False),
        sa.Column("collections", sa.JSON(), nullable=False),
        sa.Column("mode", sa.String(length=8), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("citations", sa.JSON(), nullable=False),
        sa.Column("verdicts", sa.JSON(), nullable=False),
        sa.Column("usage", sa.JSON(), nullable=False),
        sa.Column("confidence", sa.Float(precision=53), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("trace", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation"], ["conversations.key"], name="fk_answers_conversation_conversations", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_answers"),
        sa.UniqueConstraint("id", name="uq_answers_id"),
        sa.UniqueConstraint("trace_id", name="uq_answers_trace_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_answers_conversation", "answers", ["conversation", "key"])


def downgrade() -> None:
    op.drop_index("ix_answers_conversation", "answers")
    op.drop_table("answers")
    op.drop_index("ix_conversations_tenant", "conversations")
    op.drop_table("conversations")
