"""What people said of answers, and the queue in which it is looked at. Knows no HTTP and not who may look."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from index.database import Database
from index.queries import read_cursor, write_cursor
from index.rows import Listing
from index.schema import utc_now
from rag.errors import NoSuchAnswer, NoSuchFeedback
from rag.schema import Answer, Conversation, Feedback

Rating = Literal["up", "down"]
Reason = Literal["", "wrong", "incomplete", "source", "outdated", "invented", "other"]
State = Literal["open", "done", "dismissed"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)[1:]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What someone says of an answer. `better` is what it should have said."""

    rating: Rating
    reason: Reason = ""
    comment: str = ""
    better: str = ""


@dataclass(frozen=True, slots=True)
class FeedbackInfo:
    """An opinion with the answer that it is about; `person` is an id, empty without accounts."""

    id: str
    answer: str
    person: str
    opinion: Opinion
    state: State
    question: str
    text: str
    status: str
    collections: tuple[str, ...]
    documents: frozenset[str]
    created_at: datetime
    updated_at: datetime


class Review:
    """Reads and writes opinions. Safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, answer: str, person: str, opinion: Opinion) -> FeedbackInfo:
        """Keep what a person says of an answer, instead of what they said before. Raises NoSuchAnswer."""
        with self._database.write() as session:
            said = session.scalar(select(Answer).where(Answer.id == answer))
            if said is None:
                raise NoSuchAnswer(f"there is no answer {answer!r}; it may have been deleted with its conversation")
            mine = (Feedback.answer == said.key, Feedback.person == person)
            row = session.scalar(select(Feedback).where(*mine))
            if row is None:
                row = Feedback(id="f_" + secrets.token_hex(12), answer=said.key, person=person)
                session.add(row)
            row.rating, row.reason = opinion.rating, opinion.reason
            row.comment, row.better = opinion.comment, opinion.better
            row.state, row.updated_at = "open", utc_now()
            session.flush()
            return _info(row, said)

    def take_back(self, answer: str, person: str) -> None:
        """Forget what a person said of an answer. What was never said is no error."""
        keys = select(Answer.key).where(Answer.id == answer)
        with self._database.write() as session:
            session.execute(delete(Feedback).where(Feedback.answer.in_(keys), Feedback.person == person))

    def ratings(self, conversation: str, person: str) -> dict[str, Rating]:
        """Answer id -> how this person rated it, of one conversation (id)."""
        query = (
            select(Answer.id, Feedback.rating)
            .join(Feedback, Feedback.answer == Answer.key)
            .join(Conversation, Conversation.key == Answer.conversation)
            .where(Conversation.id == conversation, Feedback.person == person)
        )
        with self._database.read() as session:
            return {answer: _rating(rating) for answer, rating in session.execute(query)}

    def opinions(
        self, limit: int = 50, cursor: str | None = None, state: State | None = None, rating: Rating | None = None
    ) -> Listing[FeedbackInfo]:
        """Newest first. Raises BadCursor."""
        query = select(Feedback, Answer).join(Answer, Answer.key == Feedback.answer).order_by(Feedback.key.desc())
        if state is not None:
            query = query.where(Feedback.state == state)
        if rating is not None:
            query = query.where(Feedback.rating == rating)
        if cursor is not None:
            query = query.where(Feedback.key < read_cursor(cursor))
        with self._database.read() as session:
            rows = session.execute(query.limit(limit + 1)).all()
            items = tuple(_info(row, answer) for row, answer in rows[:limit])
        return Listing(items, write_cursor(rows[limit - 1][0].key) if len(rows) > limit else None)

    def opinion(self, id: str) -> FeedbackInfo:
        """One of them. Raises NoSuchFeedback."""
        with self._database.read() as session:
            return _info(*_row(session, id))

    def settle(self, id: str, state: State) -> FeedbackInfo:
        """Say how far the look at it is. Raises NoSuchFeedback."""
        with self._database.write() as session:
            row, answer = _row(session, id)
            row.state, row.updated_at = state, utc_now()
            return _info(row, answer)


def case_of(feedback: FeedbackInfo, collection: str | None) -> dict[str, object] | None:
    """The opinion as a case of a suite: what should have been said, or that nothing should have been; else None."""
    if feedback.opinion.better:
        expected: dict[str, object] = {"kind": "answerable", "answers": [feedback.opinion.better]}
    elif feedback.opinion.reason == "invented":
        expected = {"kind": "unanswerable"}
    else:
        return None
    tags = [tag for tag in ("review", feedback.opinion.reason) if tag]
    case = {"id": feedback.id, "question": feedback.question, **expected, "tags": tags}
    return case | ({"collection": collection} if collection else {})


def _row(session: Session, id: str) -> tuple[Feedback, Answer]:
    query = select(Feedback, Answer).join(Answer, Answer.key == Feedback.answer).where(Feedback.id == id)
    found = session.execute(query).first()
    if found is None:
        raise NoSuchFeedback(f"there is no feedback {id!r}; it may have been taken back or deleted with its answer")
    return found[0], found[1]


def _info(row: Feedback, answer: Answer) -> FeedbackInfo:
    return FeedbackInfo(
        id=row.id,
        answer=answer.id,
        person=row.person,
        opinion=Opinion(_rating(row.rating), row.reason, row.comment, row.better),  # type: ignore[arg-type]  # as given
        state=row.state,  # type: ignore[arg-type]  # only `give` and `settle` write it
        question=answer.question,
        text=answer.text,
        status=answer.status,
        collections=tuple(answer.collections),
        documents=frozenset(source["document"] for source in answer.sources),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _rating(rating: str) -> Rating:
    return "up" if rating == "up" else "down"
