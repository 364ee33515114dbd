"""People, groups, grants, API keys, sessions and the audit log.

Revision ID: 0004_access
Revises: 0003_conversations
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004_access"
down_revision: str | None = "0003_conversations"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
REFUSAL = "the audit log is append-only"


def upgrade() -> None:
    _people()
    _grants()
    _credentials()
    _audit()


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("suspended_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_people"),
        sa.UniqueConstraint("id", name="uq_people_id"),
        sa.UniqueConstraint("name", name="uq_people_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "groups",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_groups"),
        sa.UniqueConstraint("id", name="uq_groups_id"),
        sa.UniqueConstraint("name", name="uq_groups_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "memberships",
        sa.Column("person", KEY, nullable=False),
        sa.Column("group", KEY, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.key"], name="fk_memberships_person_people", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group"], ["groups.key"], name="fk_memberships_group_groups", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person", "group", name="pk_memberships"),
    )
    op.create_index("ix_memberships_group", "memberships", ["group"])


def _grants() -> None:
    op.create_table(
        "grants",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("collection", sa.String(length=32), nullable=False),
        sa.Column("person", KEY, nullable=True),
        sa.Column("group", KEY, nullable=True),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint('(person IS NULL) <> ("group" IS NULL)', name="one_grantee"),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name="fk_grants_collection_collections", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person"], ["people.key"], name="fk_grants_person_people", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group"], ["groups.key"], name="fk_grants_group_groups", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", name="pk_grants"),
        sa.UniqueConstraint("id", name="uq_grants_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_grants_collection_person", "grants", ["collection", "person"], unique=True)
    op.create_index("uq_grants_collection_group", "grants", ["collection", "group"], unique=True)
    op.create_index("ix_grants_person", "grants", ["person"])
    op.create_index("ix_grants_group", "grants", ["group"])


def _credentials() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sealed", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=True),
        sa.Column("previous_until", TIME, nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.key"], name="fk_api_keys_person_people", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", name="pk_api_keys"),
        sa.UniqueConstraint("id", name="uq_api_keys_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_api_keys_person", "api_keys", ["person"])
    op.create_table(
        "sessions",
        sa.Column("key", KEY, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person", KEY, nullable=False),
        sa.Column("sealed", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=True),
        sa.Column("rotated_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.key"], name="fk_sessions_person_people", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", name="pk_sessions"),
        sa.UniqueConstraint("id", name="uq_sessions_id"),
        sa.UniqueConstraint("sealed", name="uq_sessions_sealed"),
        sa.UniqueConstraint("previous", name="uq_sessions_previous"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sessions_person", "sessions", ["person"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", KEY, autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(length=32), nullable=False),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("via", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("object", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("ix_audit_actor", "audit", ["actor"])
    op.create_index("ix_audit_object", "audit", ["object"])
    if op.get_bind().dialect.name == "sqlite":
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{deed.lower()} BEFORE {deed} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
        )


def downgrade() -> None:
    for table in ("audit", "sessions", "api_keys", "grants", "memberships", "groups", "people"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_refuse()")
