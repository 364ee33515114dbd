"""Generations of vectors: which embedding model serves, which one is being built, which one can be gone back to.

Revision ID: 0011_generations
Revises: 0010_sign_on
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011_generations"
down_revision: str | None = "0010_sign_on"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
SERVING = sa.text("state = 'serving'")


def upgrade() -> None:
    op.create_table(
        "generations",
        sa.Column("key", KEY, nullable=False),
        sa.Column("stamp", sa.String(length=200), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
        sa.Column("switched_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_generations"),
        sa.UniqueConstraint("stamp", name="uq_generations_stamp"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_generations_serving",
        "generations",
        ["state"],
        unique=True,
        sqlite_where=SERVING,
        postgresql_where=SERVING,
    )


def downgrade() -> None:
    op.drop_index("uq_generations_serving", "generations")
    op.drop_table("generations")
