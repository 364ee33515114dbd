"""`GET /api/v1/usage`: what was answered and what it cost. Knows no limit."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from litestar import get
from litestar.params import FromQuery
from msgspec import Struct

from index.schema import utc_now
from rag.api.listing import Cursor, Limit, Listing, slice_page
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import known
from rag.usage import UsageLine

_DAYS = 30


class UsageView(Struct):
    """What one person spent on one model on one day (UTC). `name` is empty without accounts.

    `collections` (ids) are those asked together, with `by=collection`; the person is empty then. `key` (id) is the API
    key, empty for a session, with `by=key`.
    """

    day: str
    person: str
    name: str
    model: str
    answers: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    collections: list[str]
    key: str


@get("/usage", sync_to_thread=True, opt=known("read"), tags=["access"])
def usage(
    app: AppPart,
    permit: PermitPart,
    limit: Limit = 100,
    cursor: Cursor = None,
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    by: FromQuery[Literal["person", "key", "collection"]] = "person",
) -> Listing[UsageView]:
    """Answers, tokens and cost by day, model and person, key or collections; of the last 30 days unless said.

    Members see their own.
    """
    caller = permit.caller
    end = _aware(until) or utc_now() + timedelta(seconds=1)
    begin = _aware(since) or end - timedelta(days=_DAYS)
    found = app.usage
    lines_of = {"person": found.lines, "key": found.lines_by_keys, "collection": found.lines_by_collections}[by]
    lines = lines_of(begin, end, None if caller.administers else caller.person)
    names = {person.id: person.name for person in app.access.people.people()} if caller.administers else {}
    names.setdefault(caller.person, caller.name)
    names.setdefault("", "")
    items, following = slice_page(lines, limit, cursor)
    return Listing([_view(line, names.get(line.person, "")) for line in items], following)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _view(line: UsageLine, name: str) -> UsageView:
    spent = line.spent
    counts = (spent.answers, spent.prompt_tokens, spent.completion_tokens, spent.cost)
    return UsageView(line.day, line.person, name, line.model, *counts, list(line.collections), line.credential)
