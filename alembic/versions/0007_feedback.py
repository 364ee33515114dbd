"""What people said of answers; conversations that are pinned or shared.

Revision ID: 0007_feedback
Revises: 0006_runs
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007_feedback"
down_revision: str | None = "0006_runs"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("conversations", sa.Column("pinned_at", TIME, nullable=True))
    op.add_column("conversations", sa.Column("shared_at", TIME, nullable=True))
    op.create_table(
        "feedback",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("answer", KEY, nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("rating", sa.String(length=4), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("better", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["answer"], ["answers.key"], name="fk_feedback_answer_answers", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", name="pk_feedback"),
        sa.UniqueConstraint("answer", "person", name="uq_feedback_answer_person"),
        sa.UniqueConstraint("id", name="uq_feedback_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feedback_state", "feedback", ["state", "key"])


def downgrade() -> None:
    op.drop_index("ix_feedback_state", "feedback")
    op.drop_table("feedback")
    with op.batch_alter_table("conversations") as batch:
        batch.drop_column("shared_at")
        batch.drop_column("pinned_at")
