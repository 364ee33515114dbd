"""Who may read single documents: opaque names beside them. Knows no person, no group and no rule.

A document without names is read by everyone who reads its collection. The names outlive their document, so that what
was quoted from it stays with those who could read it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from index.queries import IN_LIMIT, no_such_document, parts
from index.schema import Collection, Document, DocumentReader
from index.settling import append_log


@dataclass(frozen=True, slots=True)
class Restricted:
    """A document (id) of a collection (id) that only these readers may read, and whoever manages the collection."""

    document: str
    collection: str
    readers: frozenset[str]


def restricted(session: Session, documents: Iterable[str]) -> list[Restricted]:
    """Those of these documents (ids) that have readers; deleted ones too."""
    found: dict[tuple[str, str], set[str]] = {}
    for part in parts(list(dict.fromkeys(documents))):
        query = (
            select(DocumentReader.document, Collection.id, DocumentReader.reader)
            .join(Collection, Collection.key == DocumentReader.collection)
            .where(DocumentReader.document.in_(part))
        )
        for document, collection, reader in session.execute(query):
            found.setdefault((document, collection), set()).add(reader)
    return [Restricted(*place, frozenset(readers)) for place, readers in found.items()]


def readers_in(session: Session, collections: Iterable[str]) -> frozenset[str]:
    """Everyone who is named beside some document of these collections (ids)."""
    query = (
        select(DocumentReader.reader)
        .join(Collection, Collection.key == DocumentReader.collection)
        .where(Collection.id.in_(list(collections)))
    )
    return frozenset(session.scalars(query.distinct()))


def hidden_names(session: Session, collection: str, names: Iterable[str]) -> frozenset[str]:
    """File names of the documents of a collection (id), older versions too, that have readers but none of these."""
    mine = DocumentReader.document == Document.id
    named = exists().where(mine, DocumentReader.reader.in_(list(names)))
    query = select(Document.name).join(Collection, Collection.key == Document.collection)
    return frozenset(session.scalars(query.where(Collection.id == collection, exists().where(mine), ~named)))


def set_readers(session: Session, document: str, readers: Iterable[str]) -> str:
    """Make these the readers of a document (id) and of all its versions; none: whoever reads its collection.

    Returns the collection's id. Raises NoSuchDocument.
    """
    found = session.scalar(select(Document).where(Document.id == document))
    if found is None:
        raise no_such_document(document)
    collection = session.get_one(Collection, found.collection, with_for_update=True)  # no version comes meanwhile
    versions = _versions(session, found)
    names = list(dict.fromkeys(readers))
    for part in parts([row.id for row in versions]):
        session.execute(delete(DocumentReader).where(DocumentReader.document.in_(part)))
    rows = [{"document": row.id, "collection": collection.key, "reader": name} for row in versions for name in names]
    if rows:
        session.execute(insert(DocumentReader), rows)
    # What the views hold stays right; whoever remembers which documents a filter lets pass must look again.
    current = [row for row in versions if row.state == "current"]
    append_log(session, collection, [("add", row.key, row.id) for row in current])
    return collection.id


def inherit_readers(session: Session, before: Document, after: str) -> None:
    """A new version (id) is read by whoever may read the one before."""
    names = session.scalars(select(DocumentReader.reader).where(DocumentReader.document == before.id)).all()
    if names:
        rows = [{"document": after, "collection": before.collection, "reader": name} for name in names]
        session.execute(insert(DocumentReader), rows)


def _versions(session: Session, document: Document) -> list[Document]:
    """Every version of a document: of its name, and what those gave way to or took the place of."""
    same = (Document.collection == document.collection, Document.name == document.name)
    known = {row.id: row for row in session.scalars(select(Document).where(*same))}
    frontier = list(known)
    while frontier:
        now, frontier = frontier[:IN_LIMIT], frontier[IN_LIMIT:]
        for row in session.scalars(select(Document).where(Document.superseded_by.in_(now))):
            if row.id not in known:
                known[row.id] = row
                frontier.append(row.id)
    return list(known.values())
