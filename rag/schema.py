"""The tables of conversations, answers and what people said of them. Knows no session, no query, no grounding."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from index.schema import Base, Key, UTCDateTime, utc_now


class Conversation(Base):
    """Questions that follow each other. `tenant` is who may continue and read it; empty without accounts."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_tenant", "tenant", "key"), {"sqlite_autoincrement": True})

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    tenant: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(Text)  # the first question
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    pinned_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    shared_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # since when others may read it by its id


class Answer(Base):
    """One question with what was answered and why. Survives the documents it cites, so collections are ids only."""

    __tablename__ = "answers"
    __table_args__ = (Index("ix_answers_conversation", "conversation", "key"), {"sqlite_autoincrement": True})

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    conversation: Mapped[int] = mapped_column(Key, ForeignKey("conversations.key", ondelete="CASCADE"))
    question: Mapped[str] = mapped_column(Text)
    rewritten: Mapped[str] = mapped_column(Text)
    collections: Mapped[list[str]] = mapped_column(JSON)
    mode: Mapped[str] = mapped_column(String(8))  # auto | quote | search
    model: Mapped[str] = mapped_column(String(200))  # empty when no model was to speak
    status: Mapped[str] = mapped_column(String(16))  # running | answered | quoted | abstained | stopped | failed
    text: Mapped[str] = mapped_column(Text)
    sources: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    citations: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    verdicts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    usage: Mapped[dict[str, Any]] = mapped_column(JSON)
    confidence: Mapped[float] = mapped_column(Float(53))
    trace_id: Mapped[str] = mapped_column(String(32), unique=True)
    trace: Mapped[dict[str, Any]] = mapped_column(JSON)
    credential: Mapped[str] = mapped_column(String(64), server_default="")  # the API key's id; empty: none was used
    error: Mapped[str] = mapped_column(Text)  # one line; empty when nothing failed
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Spending(Base):
    """What one answer took that is not stored: of a plain chat, or of a conversation that was deleted."""

    __tablename__ = "spendings"
    __table_args__ = (Index("ix_spendings_person", "person", "created_at"), {"sqlite_autoincrement": True})

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    person: Mapped[str] = mapped_column(String(64))
    credential: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(200))
    collections: Mapped[list[str]] = mapped_column(JSON)
    prompt_tokens: Mapped[int] = mapped_column(Integer)
    completion_tokens: Mapped[int] = mapped_column(Integer)
    cost: Mapped[float] = mapped_column(Float(53))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)


class Feedback(Base):
    """What one person said of an answer; goes with it. `person` is empty without accounts."""

    __tablename__ = "feedback"
    __table_args__ = (
        UniqueConstraint("answer", "person"),
        Index("ix_feedback_state", "state", "key"),
        {"sqlite_autoincrement": True},
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    answer: Mapped[int] = mapped_column(Key, ForeignKey("answers.key", ondelete="CASCADE"))
    person: Mapped[str] = mapped_column(String(64))
    rating: Mapped[str] = mapped_column(String(4))  # up | down
    reason: Mapped[str] = mapped_column(String(16))  # one of rag.review.REASONS, or empty
    comment: Mapped[str] = mapped_column(Text)
    better: Mapped[str] = mapped_column(Text)  # the answer it should have been
    state: Mapped[str] = mapped_column(String(16))  # open | done | dismissed
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utc_now)
