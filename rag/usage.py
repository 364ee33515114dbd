"""What was answered, and what it cost, by day, person and model: of stored answers, and of those that are not stored.

Knows no HTTP and no limit.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, cast, func, select, union_all

from index.database import Database
from rag.schema import Answer, Conversation, Spending


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
    """Sums over the answers, stored or not. Safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, person: str, credential: str, model: str, tokens: tuple[int, int], cost: float = 0.0) -> None:
        """Count an answer that is not stored. `tokens`: of its prompt and of what was said."""
        with self._database.write() as session:
            session.add(
                Spending(
                    person=person,
                    credential=credential,
                    model=model,
                    collections=[],
                    prompt_tokens=tokens[0],
                    completion_tokens=tokens[1],
                    cost=cost,
                )
            )

    def spent(self, person: str, since: datetime, credential: str | None = None) -> Spent:
        """What a person (id), or one of their keys (id), has spent since a moment."""
        query = select(*_SUMS).where(_all.c.person == person, _all.c.created_at >= since)
        if credential is not None:
            query = query.where(_all.c.credential == credential)
        with self._database.read() as session:
            return _spent(session.execute(query).one())

    def lines(self, since: datetime, until: datetime, person: str | None = None) -> tuple[UsageLine, ...]:
        """One line per day, person and model in [since, until), newest day first."""
        rows = self._rows((_DAY, _all.c.person, _all.c.model), since, until, person)
        return tuple(UsageLine(str(row[0]), row[1], row[2], _spent(row[3:])) for row in rows)

    def lines_by_keys(self, since: datetime, until: datetime, person: str | None = None) -> tuple[UsageLine, ...]:
        """One line per day, person, key and model in [since, until), newest day first."""
        rows = self._rows((_DAY, _all.c.person, _all.c.credential, _all.c.model), since, until, person)
        return tuple(UsageLine(str(row[0]), row[1], row[3], _spent(row[4:]), credential=row[2]) for row in rows)

    def lines_by_collections(
        self, since: datetime, until: datetime, person: str | None = None
    ) -> tuple[UsageLine, ...]:
        """One line per day, model and set of collections that were asked together, newest day first."""
        rows = self._rows((_DAY, _all.c.collections, _all.c.model), since, until, person)
        return tuple(UsageLine(str(row[0]), "", row[2], _spent(row[3:]), tuple(json.loads(row[1]))) for row in rows)

    def _rows(self, by: Sequence[Any], since: datetime, until: datetime, person: str | None) -> Sequence[Any]:
        """What these columns tell apart, with its sums; ordered by them, the newest day first."""
        query = select(*by, *_SUMS).where(_all.c.created_at >= since, _all.c.created_at < until)
        if person is not None:
            query = query.where(_all.c.person == person)
        query = query.group_by(*by).order_by(by[0].desc(), *by[1:])
        with self._database.read() as session:
            return session.execute(query).all()


_all = union_all(
    select(
        Conversation.tenant.label("person"),
        Answer.credential.label("credential"),
        Answer.model.label("model"),
        cast(Answer.collections, String).label("collections"),
        Answer.usage["prompt_tokens"].as_integer().label("prompt_tokens"),
        Answer.usage["completion_tokens"].as_integer().label("completion_tokens"),
        Answer.usage["cost"].as_float().label("cost"),
        Answer.created_at.label("created_at"),
    ).join(Conversation, Conversation.key == Answer.conversation),
    select(
        Spending.person,
        Spending.credential,
        Spending.model,
        cast(Spending.collections, String),
        Spending.prompt_tokens,
        Spending.completion_tokens,
        Spending.cost,
        Spending.created_at,
    ),
).subquery("spent")
_DAY: Any = func.date(_all.c.created_at)
_SUMS = (
    func.count(),
    func.sum(_all.c.prompt_tokens),
    func.sum(_all.c.completion_tokens),
    func.sum(_all.c.cost),
)


def _spent(row: Any) -> Spent:
    answers, prompt, completion, cost = row
    return Spent(answers, int(prompt or 0), int(completion or 0), float(cost or 0.0))
