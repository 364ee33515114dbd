"""What every question has in common: its text and the collections it goes to. Knows no route."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from rag.api.permit import Permit
from rag.errors import BadRequest

Question = Annotated[str, Meta(min_length=1, max_length=4000, description="In the asker's own words.")]
_MOST_COLLECTIONS = 50


def chosen_collections(permit: Permit, one: str | None, several: Sequence[str] | None) -> tuple[str, ...]:
    """The ids of the collections named by `collection` or `collections`, names or ids, each once.

    Raises BadRequest when none is named, NoSuchCollection when one does not exist or may not be read.
    """
    named = [*([one] if one else []), *(several or ())]
    if not named:
        raise BadRequest(
            "neither `collection` nor `collections` is given; name where to look, /api/v1/collections lists them"
        )
    if len(named) > _MOST_COLLECTIONS:
        raise BadRequest(f"{len(named)} collections are named, but at most {_MOST_COLLECTIONS} are searched at once")
    return tuple(dict.fromkeys(permit.collection(name).id for name in named))
