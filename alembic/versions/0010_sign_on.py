"""People whom a sign-in provider vouches for; one-time codes as a second factor.

Revision ID: 0010_sign_on
Revises: 0009_suites
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010_sign_on"
down_revision: str | None = "0009_suites"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("people", sa.Column("issuer", sa.String(length=500), nullable=True))
    op.add_column("people", sa.Column("subject", sa.String(length=255), nullable=True))
    op.create_index("uq_people_issuer_subject", "people", ["issuer", "subject"], unique=True)
    op.create_table(
        "sign_on_attempts",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=200), nullable=False),
        sa.Column("verifier", sa.String(length=200), nullable=False),
        sa.Column("redirect", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("state", name="pk_sign_on_attempts"),
    )
    op.create_index("ix_sign_on_attempts_expires_at", "sign_on_attempts", ["expires_at"])
    op.create_table(
        "second_factors",
        sa.Column("person", KEY, autoincrement=False, nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("last_step", KEY, nullable=False),
        sa.Column("recovery", sa.JSON(), nullable=False),
        sa.Column("confirmed_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.key"], name="fk_second_factors_person_people", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person", name="pk_second_factors"),
    )


def downgrade() -> None:
    op.drop_table("second_factors")
    op.drop_index("ix_sign_on_attempts_expires_at", "sign_on_attempts")
    op.drop_table("sign_on_attempts")
    op.drop_index("uq_people_issuer_subject", "people")
    with op.batch_alter_table("people") as batch:
        batch.drop_column("subject")
        batch.drop_column("issuer")
