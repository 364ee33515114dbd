"""Readers of single documents: people and groups, where not everyone who reads the collection may. Knows no HTTP.

Whether the actor may say so is decided before. Who is deleted stays a name that nobody has: a document never becomes
readable because a group went away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from index.database import Database
from index.readers import Restricted, hidden_names, readers_in, restricted, set_readers
from rag.access.audit import Audit
from rag.access.grants import group_row
from rag.access.people import person_row
from rag.access.policy import Actor
from rag.access.schema import Group, Person


@dataclass(frozen=True, slots=True)
class ReaderInfo:
    """Exactly one of `person` and `group` is an id; `name` is theirs, empty for a group that was deleted."""

    person: str | None
    group: str | None
    name: str


class Readers:
    """Who may read single documents. Safe to use from many threads."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def set(
        self, document: str, by: Actor, *, people: Sequence[str] = (), groups: Sequence[str] = ()
    ) -> tuple[ReaderInfo, ...]:
        """Let only these read a document (id) and its versions; nobody named: whoever reads its collection.

        Raises NoSuchDocument, NoSuchPerson, NoSuchGroup.
        """
        with self._database.write() as session:
            names = [person_row(session, person).id for person in people]
            names += [group_row(session, group).id for group in groups]
            collection = set_readers(session, document, names)
            about = f"collection:{collection} document:{document}"
            self._audit.append(session, by, "documents.readers", about, readers=" ".join(dict.fromkeys(names)))
            return _infos(session, frozenset(names))

    def of(self, document: str) -> tuple[ReaderInfo, ...]:
        """Who alone may read a document (id); empty: whoever reads its collection."""
        with self._database.read() as session:
            return _infos(session, frozenset[str]().union(*(each.readers for each in restricted(session, [document]))))

    def restricted(self, documents: Iterable[str]) -> list[Restricted]:
        """Those of these documents (ids) that have readers of their own."""
        with self._database.read() as session:
            return restricted(session, documents)

    def named(self, collections: Iterable[str]) -> frozenset[str]:
        """The ids of everyone who is a reader of some document of these collections (ids)."""
        with self._database.read() as session:
            return readers_in(session, collections)

    def hidden(self, collection: str, names: Iterable[str]) -> frozenset[str]:
        """File names of the documents of a collection (id) that none of these (ids) may read."""
        with self._database.read() as session:
            return hidden_names(session, collection, names)


def _infos(session: Session, ids: frozenset[str]) -> tuple[ReaderInfo, ...]:
    people = {row.id: row.name for row in session.scalars(select(Person).where(Person.id.in_(ids)))}
    groups = dict.fromkeys(ids - people.keys(), "")
    groups |= {row.id: row.name for row in session.scalars(select(Group).where(Group.id.in_(ids)))}
    found = [ReaderInfo(None, group, name) for group, name in groups.items()]
    found += [ReaderInfo(person, None, name) for person, name in people.items()]
    return tuple(sorted(found, key=lambda reader: (reader.group is None, reader.name)))
