"""The tables of people, groups, grants, keys, sessions and the audit log. Knows no session of SQL and no rule.

Secrets are kept as keyed hashes only: a stolen table signs nobody in.
"""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from index.schema import Base, Key, UTCDateTime, utc_now
from rag.access.policy import Level, Role


class Person(Base):
    """Someone, or some program (`service`), that may call. Never deleted, so that the audit log keeps its names."""

    __tablename__ = "people"
    __table_args__ = (
        Index("uq_people_issuer_subject", "issuer", "subject", unique=True),
        {"sqlite_autoincrement": True},
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)  # casefolded
    role: Mapped[Role] = mapped_column(String(16))
    password: Mapped[str] = mapped_column(Text)  # argon2id; empty: cannot sign in
    suspended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    issuer: Mapped[str | None] = mapped_column(String(500))  # who vouches for them, and under which name of its own
    subject: Mapped[str | None] = mapped_column(String(255))


class SignOnAttempt(Base):
    """Someone is at the sign-in provider. `state` and `browser` are hashes; the row goes with the return."""

    __tablename__ = "sign_on_attempts"

    state: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser: Mapped[str] = mapped_column(String(64))
    nonce: Mapped[str] = mapped_column(String(200))
    verifier: Mapped[str] = mapped_column(String(200))
    redirect: Mapped[str] = mapped_column(Text)
    wanted: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class SecondFactor(Base):
    """A person's shared secret of one-time codes, encrypted; `last_step` is the newest code that was used."""

    __tablename__ = "second_factors"

    person: Mapped[int] = mapped_column(
        Key, ForeignKey("people.key", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    secret: Mapped[str] = mapped_column(Text)
    last_step: Mapped[int] = mapped_column(Key)
    recovery: Mapped[list[str]] = mapped_column(JSON)  # hashes of the codes that are left
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class Group(Base):
    """People who are granted things together."""

    __tablename__ = "groups"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class Membership(Base):
    """A person belongs to a group."""

    __tablename__ = "memberships"

    person: Mapped[int] = mapped_column(
        Key, ForeignKey("people.key", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    group: Mapped[int] = mapped_column(
        Key, ForeignKey("groups.key", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )


class Grant(Base):
    """What one person or one group may do with a collection; it ends with the collection."""

    __tablename__ = "grants"
    __table_args__ = (
        Index("uq_grants_collection_person", "collection", "person", unique=True),
        Index("uq_grants_collection_group", "collection", "group", unique=True),
        CheckConstraint('(person IS NULL) <> ("group" IS NULL)', name="one_grantee"),
        {"sqlite_autoincrement": True},
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    collection: Mapped[str] = mapped_column(String(32), ForeignKey("collections.id", ondelete="CASCADE"))
    person: Mapped[int | None] = mapped_column(Key, ForeignKey("people.key", ondelete="CASCADE"), index=True)
    group: Mapped[int | None] = mapped_column(Key, ForeignKey("groups.key", ondelete="CASCADE"), index=True)
    level: Mapped[Level] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class ApiKey(Base):
    """A program's credential. After a rotation the secret before stays good until `previous_until`."""

    __tablename__ = "api_keys"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    person: Mapped[int] = mapped_column(Key, ForeignKey("people.key", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    sealed: Mapped[str] = mapped_column(String(64))
    previous: Mapped[str | None] = mapped_column(String(64))
    previous_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class SignedIn(Base):
    """A browser that signed in. Its token is renewed now and then; the one before stays good for a moment."""

    __tablename__ = "sessions"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    person: Mapped[int] = mapped_column(Key, ForeignKey("people.key", ondelete="CASCADE"), index=True)
    sealed: Mapped[str] = mapped_column(String(64), unique=True)
    previous: Mapped[str | None] = mapped_column(String(64), unique=True)
    rotated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class AuditLine(Base):
    """One line of the audit log. The database refuses to change or delete it; `hash` covers it and the line before."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_actor", "actor"), Index("ix_audit_object", "object"))

    seq: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)  # 1, 2, ... without gaps
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor: Mapped[str] = mapped_column(String(32))  # a person's id; empty for the command line and without accounts
    actor_name: Mapped[str] = mapped_column(String(200))
    via: Mapped[str] = mapped_column(String(64))  # session | key <id> | command line | open
    action: Mapped[str] = mapped_column(String(64))
    object: Mapped[str] = mapped_column(String(200))
    detail: Mapped[str] = mapped_column(Text)  # canonical JSON
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
