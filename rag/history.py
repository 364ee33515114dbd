"""Conversations and answers as they were given, with their traces. The only code that writes these rows.

Knows no retrieval, no model, no HTTP. A conversation of another tenant does not exist for the one who asks.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from index.database import Database
from index.queries import read_cursor, write_cursor
from index.rows import Listing
from index.schema import utc_now
from rag.errors import BadRequest, NoSuchAnswer, NoSuchConversation
from rag.events import AnswerUsage, Citation, Notice, Source, SourceSpan, Verdict
from rag.history_values import (
    AnswerRecord,
    Begun,
    ConversationChange,
    ConversationInfo,
    ConversationRecord,
    Ending,
    NewAnswer,
    Owner,
    Turn,
)
from rag.schema import Answer, Conversation, Spending

MOST_LISTED = 200
EVALUATION = "evaluation"  # the tenant of what suites ask: it stands in nobody's history


class History:
    """Reads and writes conversations. Safe to use from many threads. `tenant=None` means: whoever asks may see all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, new: NewAnswer) -> Begun:
        """Store a question before anything is found or said. Raises NoSuchConversation."""
        begun = Begun(_new_id("a_"), new.conversation or _new_id("v_"), _new_id("t_"))
        with self._database.write() as session:
            if new.conversation is None:
                conversation = Conversation(id=begun.conversation, tenant=new.tenant, title=new.question)
                session.add(conversation)
                session.flush()
            else:
                conversation = _conversation(session, new.conversation, new.tenant)
                conversation.updated_at = utc_now()
            session.add(
                Answer(
                    id=begun.answer,
                    conversation=conversation.key,
                    question=new.question,
                    rewritten=new.rewritten,
                    collections=list(new.collections),
                    mode=new.mode,
                    model=new.model,
                    credential=new.credential,
                    status="running",
                    text="",
                    sources=[],
                    citations=[],
                    verdicts=[],
                    usage={},
                    confidence=0.0,
                    trace_id=begun.trace,
                    trace={},
                    error="",
                    finished_at=None,
                )
            )
        return begun

    def finish(self, answer: str, ending: Ending) -> None:
        """Store how an answer ended. An answer whose conversation was deleted meanwhile is gone, and stays so."""
        with self._database.write() as session:
            session.execute(
                update(Answer)
                .where(Answer.id == answer)
                .values(
                    status=ending.status,
                    text=ending.text,
                    sources=[asdict(source) for source in ending.sources],
                    citations=[asdict(citation) for citation in ending.citations],
                    verdicts=[asdict(verdict) for verdict in ending.verdicts],
                    usage=_usage_row(ending.usage),
                    confidence=ending.confidence,
                    trace=dict(ending.trace),
                    error=ending.error,
                    finished_at=utc_now(),
                    **({"model": ending.model} if ending.model else {}),
                )
            )

    def turns(self, conversation: str, tenant: str | None = None, most: int = 8) -> tuple[Turn, ...]:
        """The last questions, oldest first. Raises NoSuchConversation."""
        with self._database.read() as session:
            key = _conversation(session, conversation, tenant).key
            rows = session.execute(
                select(Answer.question, Answer.rewritten, Answer.collections)
                .where(Answer.conversation == key)
                .order_by(Answer.key.desc())
                .limit(most)
            ).all()
        return tuple(Turn(question, rewritten, tuple(ids)) for question, rewritten, ids in reversed(rows))

    def conversation(
        self,
        conversation: str,
        tenant: str | None = None,
        *,
        or_shared: bool = False,
        last: int | None = None,
        before: str | None = None,
    ) -> ConversationRecord:
        """What was said in a conversation; with `or_shared` also in one of others that they share.

        With `last` only so many answers: the newest, or those before the cursor `before`. Raises NoSuchConversation,
        BadCursor.
        """
        with self._database.read() as session:
            row = _conversation(session, conversation, tenant, or_shared=or_shared)
            query = select(Answer).where(Answer.conversation == row.key).order_by(Answer.key.desc())
            if before is not None:
                query = query.where(Answer.key < read_cursor(before))
            answers = session.scalars(query if last is None else query.limit(last + 1)).all()
            more = last is not None and len(answers) > last
            shown = answers[:last][::-1]
            earlier = write_cursor(shown[0].key) if more else None
            count = session.scalar(select(func.count()).where(Answer.conversation == row.key)) or 0
            records = tuple(_record(answer, row.id) for answer in shown)
            return ConversationRecord(_info(row, count), row.tenant, records, earlier)

    def conversations(
        self,
        limit: int = 50,
        cursor: str | None = None,
        tenant: str | None = None,
        *,
        search: str = "",
        pinned: bool | None = None,
    ) -> Listing[ConversationInfo]:
        """Newest first; with `search` those whose title, questions or answers hold these characters.

        `cursor` is the `next_cursor` of the page before. Raises BadRequest, BadCursor.
        """
        if not 1 <= limit <= MOST_LISTED:
            raise BadRequest(f"limit is {limit}, but 1 to {MOST_LISTED} was wanted")
        counted = (
            select(Conversation, func.count(Answer.key))
            .outerjoin(Answer, Answer.conversation == Conversation.key)
            .group_by(Conversation.key)
            .order_by(Conversation.key.desc())
            .limit(limit + 1)
        )
        whose = Conversation.tenant != EVALUATION if tenant is None else Conversation.tenant == tenant
        counted = counted.where(whose)
        if pinned is not None:
            counted = counted.where(Conversation.pinned_at.is_not(None) if pinned else Conversation.pinned_at.is_(None))
        if search:
            said = Answer.question.icontains(search, autoescape=True) | Answer.text.icontains(search, autoescape=True)
            holding = select(Answer.conversation).where(said)
            title = Conversation.title.icontains(search, autoescape=True)
            counted = counted.where(title | Conversation.key.in_(holding))
        if cursor is not None:
            counted = counted.where(Conversation.key < read_cursor(cursor))
        with self._database.read() as session:
            rows = session.execute(counted).all()
            items = tuple(_info(row, count) for row, count in rows[:limit])
        return Listing(items, write_cursor(rows[limit - 1][0].key) if len(rows) > limit else None)

    def change_conversation(
        self, conversation: str, change: ConversationChange, tenant: str | None = None
    ) -> ConversationInfo:
        """Rename, pin or share a conversation. Raises NoSuchConversation."""
        now = utc_now()
        with self._database.write() as session:
            row = _conversation(session, conversation, tenant)
            if change.title is not None:
                row.title = change.title
            if change.pinned is not None:
                row.pinned_at = now if change.pinned else None
            if change.shared is not None:
                row.shared_at = now if change.shared else None
            count = session.scalar(select(func.count()).where(Answer.conversation == row.key)) or 0
            return _info(row, count)

    def delete_conversation(self, conversation: str, tenant: str | None = None) -> bool:
        """Delete a conversation with its answers and traces; False when there was none. Their cost stays counted."""
        statement = delete(Conversation).where(Conversation.id == conversation)
        if tenant is not None:
            statement = statement.where(Conversation.tenant == tenant)
        with self._database.write() as session:
            _keep_spendings(session, conversation, tenant)
            return bool(session.execute(statement.returning(Conversation.key)).all())

    def answer(self, answer: str, tenant: str | None = None) -> AnswerRecord:
        """One answer as stored. Raises NoSuchAnswer."""
        with self._database.read() as session:
            row, conversation = _answer(session, answer, tenant)
            return _record(row, conversation.id)

    def answer_with_owner(self, id: str) -> tuple[AnswerRecord, Owner]:
        """One answer, by its id or its trace's, and whose it is. Raises NoSuchAnswer."""
        with self._database.read() as session:
            row, conversation = _answer(session, id, None)
            return _record(row, conversation.id), Owner(conversation.tenant, conversation.shared_at is not None)

    def trace(self, id: str, tenant: str | None = None) -> Mapping[str, Any]:
        """Why the answer became what it is; by the answer's id or the trace's. Raises NoSuchAnswer."""
        with self._database.read() as session:
            return dict(_answer(session, id, tenant)[0].trace)

    def close_unfinished(self, older_than: timedelta = timedelta(hours=1)) -> int:
        """Mark answers as stopped that a dead process left running; how many there were."""
        with self._database.write() as session:
            rows = session.execute(
                update(Answer)
                .where(Answer.status == "running", Answer.created_at < utc_now() - older_than)
                .values(status="stopped", error="the server stopped before the answer ended", finished_at=utc_now())
                .returning(Answer.key)
            ).all()
        return len(rows)


def _new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(12)


def _keep_spendings(session: Session, conversation: str, tenant: str | None) -> None:
    """Without them whoever deletes their conversations would have a budget without end."""
    query = select(Answer, Conversation.tenant).join(Conversation, Conversation.key == Answer.conversation)
    query = query.where(Conversation.id == conversation)
    if tenant is not None:
        query = query.where(Conversation.tenant == tenant)
    for answer, person in session.execute(query).all():
        session.add(
            Spending(
                person=person,
                credential=answer.credential,
                model=answer.model,
                collections=answer.collections,
                prompt_tokens=answer.usage.get("prompt_tokens", 0),
                completion_tokens=answer.usage.get("completion_tokens", 0),
                cost=answer.usage.get("cost", 0.0),
                created_at=answer.created_at,
            )
        )


def _conversation(session: Session, id: str, tenant: str | None, *, or_shared: bool = False) -> Conversation:
    row = session.scalar(select(Conversation).where(Conversation.id == id))
    open_to_all = tenant is None or (row is not None and or_shared and row.shared_at is not None)
    if row is None or not (open_to_all or row.tenant == tenant):
        raise NoSuchConversation(f"there is no conversation {id!r}; leave it out to begin a new one")
    return row


def _answer(session: Session, id: str, tenant: str | None) -> tuple[Answer, Conversation]:
    row = session.scalar(select(Answer).where((Answer.id == id) | (Answer.trace_id == id)))
    conversation = session.get(Conversation, row.conversation) if row else None
    if row is None or conversation is None or (tenant is not None and conversation.tenant != tenant):
        raise NoSuchAnswer(f"there is no answer {id!r}; it may have been deleted with its conversation")
    return row, conversation


def _info(row: Conversation, answers: int) -> ConversationInfo:
    pinned, shared = row.pinned_at is not None, row.shared_at is not None
    return ConversationInfo(row.id, row.title, answers, row.created_at, row.updated_at, pinned, shared)


def _usage_row(usage: AnswerUsage | None) -> dict[str, Any]:
    return {} if usage is None else {**asdict(usage), "ms": dict(usage.ms)}


def _notice(stored: Mapping[str, Any]) -> Notice:
    return Notice(stored["kind"], stored["text"], tuple(stored["sources"]), tuple(stored["options"]))


def _record(row: Answer, conversation: str) -> AnswerRecord:
    return AnswerRecord(
        id=row.id,
        conversation=conversation,
        question=row.question,
        rewritten=row.rewritten,
        collections=tuple(row.collections),
        mode=row.mode,
        model=row.model,
        status=row.status,  # type: ignore[arg-type]  # only `begin`, `finish` and `close_unfinished` write it
        text=row.text,
        sources=tuple(Source(**source) for source in row.sources),
        citations=tuple(
            Citation(item["start"], item["end"], tuple(SourceSpan(**span) for span in item["sources"]))
            for item in row.citations
        ),
        verdicts=tuple(Verdict(**verdict) for verdict in row.verdicts),
        notices=tuple(_notice(notice) for notice in row.trace.get("notices", ())),
        usage=AnswerUsage(**row.usage) if row.usage else None,
        confidence=row.confidence,
        trace_id=row.trace_id,
        error=row.error,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
