"""Lists by cursor: `?limit=&cursor=` in, `{items, next}` out. Knows nothing of what is listed."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from litestar.params import QueryParameter
from msgspec import Struct

from rag.errors import BadRequest

Item = TypeVar("Item")

Limit = Annotated[int, QueryParameter(ge=1, le=500, description="Items of this page, at most 500.")]
Cursor = Annotated[str | None, QueryParameter(max_length=500, description="`next` of the page before.")]


class Listing(Struct, Generic[Item]):
    """One page. `next` is null at the end."""

    items: list[Item]
    next: str | None


def slice_page(items: Sequence[Item], limit: int, cursor: str | None) -> tuple[list[Item], str | None]:
    """A page of what is in memory already; the cursor is a position. Raises BadRequest for a cursor not ours."""
    if cursor is not None and not (cursor.isdecimal() and len(cursor) < 12):
        raise BadRequest(f"cursor is {cursor!r}, but the `next` of an earlier page was wanted")
    start = int(cursor or 0)
    end = start + limit
    return list(items[start:end]), str(end) if end < len(items) else None
