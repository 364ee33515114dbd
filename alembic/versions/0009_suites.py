"""Suites of cases that are made and edited on the page.

Revision ID: 0009_suites
Revises: 0008_chunk_place
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009_suites"
down_revision: str | None = "0008_chunk_place"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "suites",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("collection", sa.String(length=32), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name="fk_suites_collection_collections", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_suites"),
        sa.UniqueConstraint("id", name="uq_suites_id"),
        sa.UniqueConstraint("name", name="uq_suites_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_suites_collection", "suites", ["collection"])
    op.create_table(
        "suite_cases",
        sa.Column("key", KEY, nullable=False),
        sa.Column("suite", KEY, nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["suite"], ["suites.key"], name="fk_suite_cases_suite_suites", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", name="pk_suite_cases"),
        sa.UniqueConstraint("suite", "id", name="uq_suite_cases_suite_id"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("suite_cases")
    op.drop_index("ix_suites_collection", "suites")
    op.drop_table("suites")
