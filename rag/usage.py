"""What was answered, and what it cost, by day, person and model; read from the stored answers. Writes nothing.

Knows no HTTP. Answers whose conversation was deleted are no longer counted.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, String, cast, func, select

from index.database import Database
from rag.schema import Answer, Conversation


@dataclass(frozen=True, slots=True)
class Spent:
    """Answers and what they took; `cost` is in the currency that the models' prices are in."""

    answers: int
    prompt_tokens: int
    completion_tokens: int
    cost: float

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What one person (id; empty without accounts) spent on one model on one day (UTC, `2026-11-22`).

    `collections` (ids) only where it was asked for by them; the person is empty then. `credential` (id of a key; empty
    for a session) only where it was asked for by key.
    """

    day: str
    person: str
    model: str
    spent: Spent
    collections: tuple[str, ...] = ()
    credential: str = ""


class Usage:
    """Sums over the answers. Safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spent(self, person: str, since: datetime, credential: str | None = None) -> Spent:
        """What a person (id), or one of their keys (id), has spent since a moment."""
        query = select(*_SUMS).join(Conversation, Conversation.key == Answer.conversation)
        if credential is not None:
            query = query.where(Answer.credential == credential)
        with self._database.read() as session:
            row = session.execute(query.where(Conversation.tenant == person, Answer.created_at >= since)).one()
        return _spent(row)

    def lines(self, since: datetime, until: datetime, person: str | None = None) -> tuple[UsageLine, ...]:
        """One line per day, person and model in [since, until), newest day first."""
        day: Any = func.date(Answer.created_at)
        query: Select[Any] = (
            select(day, Conversation.tenant, Answer.model, *_SUMS)
            .join(Conversation, Conversation.key == Answer.conversation)
            .where(Answer.created_at >= since, Answer.created_at < until)
            .group_by(day, Conversation.tenant, Answer.model)
            .order_by(day.desc(), Conversation.tenant, Answer.model)
        )
        if person is not None:
            query = query.where(Conversation.tenant == person)
        with self._database.read() as session:
            return tuple(
                UsageLine(str(row[0]), row[1], row[2], _spent(row[3:])) for row in session.execute(query).all()
            )

    def lines_by_keys(self, since: datetime, until: datetime, person: str | None = None) -> tuple[UsageLine, ...]:
        """One line per day, person, key and model in [since, until), newest day first."""
        day: Any = func.date(Answer.created_at)
        query: Select[Any] = (
            select(day, Conversation.tenant, Answer.credential, Answer.model, *_SUMS)
            .join(Conversation, Conversation.key == Answer.conversation)
            .where(Answer.created_at >= since, Answer.created_at < until)
            .group_by(day, Conversation.tenant, Answer.credential, Answer.model)
            .order_by(day.desc(), Conversation.tenant, Answer.credential, Answer.model)
        )
        if person is not None:
            query = query.where(Conversation.tenant == person)
        with self._database.read() as session:
            return tuple(
                UsageLine(str(row[0]), row[1], row[3], _spent(row[4:]), credential=row[2])
                for row in session.execute(query).all()
            )

    def lines_by_collections(
        self, since: datetime, until: datetime, person: str | None = None
    ) -> tuple[UsageLine, ...]:
        """One line per day, model and set of collections that were asked together, newest day first."""
        day: Any = func.date(Answer.created_at)
        asked: Any = cast(Answer.collections, String)
        query: Select[Any] = (
            select(day, asked, Answer.model, *_SUMS)
            .join(Conversation, Conversation.key == Answer.conversation)
            .where(Answer.created_at >= since, Answer.created_at < until)
            .group_by(day, asked, Answer.model)
            .order_by(day.desc(), asked, Answer.model)
        )
        if person is not None:
            query = query.where(Conversation.tenant == person)
        with self._database.read() as session:
            return tuple(
                UsageLine(str(row[0]), "", row[2], _spent(row[3:]), tuple(json.loads(row[1])))
                for row in session.execute(query).all()
            )


_SUMS = (
    func.count(Answer.key),
    func.sum(Answer.usage["prompt_tokens"].as_integer()),
    func.sum(Answer.usage["completion_tokens"].as_integer()),
    func.sum(Answer.usage["cost"].as_float()),
)


def _spent(row: Any) -> Spent:
    answers, prompt, completion, cost = row
    return Spent(answers, int(prompt or 0), int(completion or 0), float(cost or 0.0))
