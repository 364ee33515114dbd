"""Evaluation runs and their cases.

Revision ID: 0006_runs
Revises: 0005_job_attributes
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006_runs"
down_revision: str | None = "0005_job_attributes"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("suite", sa.String(length=200), nullable=False),
        sa.Column("cases_hash", sa.String(length=64), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_cases_hash", "runs", ["cases_hash"])
    op.create_table(
        "run_cases",
        sa.Column("run", KEY, nullable=False),
        sa.Column("case", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("expected", sa.JSON(), nullable=False),
        sa.Column("score", sa.JSON(), nullable=False),
        sa.Column("cited", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.key"], name="fk_run_cases_run_runs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "case", name="pk_run_cases"),
    )


def downgrade() -> None:
    op.drop_table("run_cases")
    op.drop_index("ix_runs_cases_hash", "runs")
    op.drop_table("runs")
