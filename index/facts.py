"""What a collection amounts to in SQL: bytes of its originals, and when something last came. Knows no view."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from index.database import Database
from index.schema import Collection, Document


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """`bytes` of the originals of current documents; `newest` is when the last of them came, None for none."""

    bytes: int
    newest: datetime | None


def facts_of(database: Database, collection: str) -> CollectionFacts:
    """The facts of a collection (id)."""
    query = (
        select(func.sum(Document.size), func.max(Document.created_at))
        .join(Collection, Collection.key == Document.collection)
        .where(Collection.id == collection, Document.state == "current")
    )
    with database.read() as session:
        size, newest = session.execute(query).one()
    return CollectionFacts(int(size or 0), newest)
