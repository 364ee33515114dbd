"""The only code that writes corpus rows: add, replace, delete, each one transaction with its line in the change log.

Knows no embedder, no view and no file format; it takes finished values and holds them to the laws of the corpus.
"""

import re
import secrets
import string
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from index.database import Database
from index.errors import BadCollection, CollectionExists, NoSuchCollection
from index.old_versions import drop_old_versions
from index.queries import (
    IN_LIMIT,
    collection_info,
    collection_row,
    current_document,
    document_info,
    no_such_document,
    parts,
    read_cursor,
    select_collections,
    select_documents,
    write_cursor,
)
from index.readers import inherit_readers
from index.records import insert_document
from index.rows import (
    ChangeInfo,
    ChangeKind,
    ChunkInfo,
    CollectionInfo,
    DocumentInfo,
    Egress,
    Listing,
    NewChunk,
    NewDocument,
    PutOutcome,
    check_document,
    decode_vectors,
    embedded_text,
    text_hash,
)
from index.schema import Change, Chunk, ChunkVector, Collection, Document, DocumentText
from index.settling import append_log, check_stamp, settle_known_bytes, supersede

__all__ = [
    "Catalog",
    "ChangeInfo",
    "ChunkInfo",
    "CollectionInfo",
    "DocumentInfo",
    "Listing",
    "NewChunk",
    "NewDocument",
    "PutOutcome",
    "embedded_text",
    "text_hash",
]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ALPHABET = string.ascii_letters + string.digits


class Catalog:
    """Collections, documents and the change log of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # Collections

    def create_collection(
        self, name: str, description: str = "", egress: Egress = "deny", metadata: Mapping[str, Any] | None = None
    ) -> CollectionInfo:
        """Make an empty collection. Raises BadCollection or CollectionExists."""
        _check_collection(name, egress)
        new = _new_id("c")
        row = Collection(id=new, name=name, description=description, egress=egress, attributes=dict(metadata or {}))
        try:
            with self.database.write() as session:
                session.add(row)
        except IntegrityError as error:
            raise CollectionExists(f"a collection {name!r} is there already; use it or choose another name") from error
        return self.collection(new)

    def collection(self, name_or_id: str) -> CollectionInfo:
        """One collection, by id or name; an id wins over a name that looks like it. Raises NoSuchCollection."""
        query = select_collections().where((Collection.id == name_or_id) | (Collection.name == name_or_id))
        with self.database.read() as session:
            found = session.execute(query.order_by(Collection.id != name_or_id)).first()
        if found is None:
            raise NoSuchCollection(
                f"there is no collection {name_or_id!r}; `footnote collections` lists those there are"
            )
        return collection_info(found)

    def collections(self) -> tuple[CollectionInfo, ...]:
        """Every collection, by name."""
        with self.database.read() as session:
            return tuple(
                collection_info(row) for row in session.execute(select_collections().order_by(Collection.name))
            )

    def update_collection(
        self,
        id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        egress: Egress | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CollectionInfo:
        """Change what is given and leave the rest; of `metadata` a None removes its key.

        Raises NoSuchCollection, BadCollection, CollectionExists.
        """
        _check_collection(name, egress)
        given: dict[str, Any] = {"name": name, "description": description, "egress": egress}
        values = {field: value for field, value in given.items() if value is not None}
        if values or metadata:
            try:
                with self.database.write() as session:
                    row = collection_row(session, id, lock=True)
                    for field, value in values.items():
                        setattr(row, field, value)
                    merged = {**row.attributes, **(metadata or {})}
                    row.attributes = {key: value for key, value in merged.items() if value is not None}
            except IntegrityError as error:
                raise CollectionExists(f"a collection {name!r} is there already; choose another name") from error
        return self.collection(id)

    def delete_collection(self, id: str) -> bool:
        """Remove a collection with all its documents in one transaction. False if it was not there."""
        with self.database.write() as session:
            try:
                collection = collection_row(session, id, lock=True)
            except NoSuchCollection:
                return False
            gone = session.execute(select(Document.key, Document.id).where(Document.collection == collection.key)).all()
            append_log(session, collection, [("delete", key, name) for key, name in gone])
            session.execute(delete(Collection).where(Collection.key == collection.key))
            return True

    # Documents

    def put_document(self, new: NewDocument) -> PutOutcome:
        """Store a document whole, or leave everything as it was.

        Equal bytes in the collection: nothing is stored ("unchanged"). A name that holds other bytes: that version is
        superseded and loses its chunks ("replaced"). Raises NoSuchCollection; EmbedderMismatch if the collection's
        vectors are of another stamp; ValueError if a chunk is no exact span of the text or the vectors do not fit.
        """
        check_document(new)
        with self.database.write() as session:
            collection = collection_row(session, new.collection, lock=True)
            settled = settle_known_bytes(session, collection, new.name, new.content_hash)
            if settled is not None:
                return settled
            check_stamp(session, collection, new)
            versions = select(func.max(Document.version)).where(
                Document.collection == collection.key, Document.name == new.name
            )
            version = (session.scalar(versions) or 0) + 1
            before = current_document(session, collection.key, name=new.name)
            document = _new_id("d")
            if before is not None:
                supersede(session, before, document)
                inherit_readers(session, before, document)
            key = insert_document(session, collection.key, document, version, new)
            # Added first: a view that stops between the two lines knows both, and SQL decides; it never knows neither.
            lines: list[tuple[ChangeKind, int, str]] = [("add", key, document)]
            if before is not None:
                lines.append(("delete", before.key, before.id))
            append_log(session, collection, lines)
            return PutOutcome(document=document, outcome="added" if before is None else "replaced", version=version)

    def put_known_bytes(self, collection: str, name: str, content_hash: str) -> PutOutcome | None:
        """What `put_document` does when the collection (id) holds these bytes already, without parsing them again.

        None if it does not hold them. If `name` held other bytes, that version gives way to the document that has them.
        Raises NoSuchCollection.
        """
        found = self.find_by_hash(collection, content_hash)
        if found is None:
            return None
        if found.name == name:  # nothing to write, and nobody to wait for
            return PutOutcome(document=found.id, outcome="unchanged", version=found.version)
        with self.database.write() as session:
            row = collection_row(session, collection, lock=True)
            return settle_known_bytes(session, row, name, content_hash)

    def rename_document(self, id: str, name: str) -> bool:
        """Give a current document another name; its chunks stay. False if another document has the name.

        Raises NoSuchDocument.
        """
        with self.database.write() as session:
            found = session.scalar(select(Document).where(Document.id == id, Document.state == "current"))
            if found is None:
                raise no_such_document(id)
            taken = current_document(session, found.collection, name=name)
            if taken is not None and taken.key != found.key:
                return False
            versions = select(func.max(Document.version)).where(
                Document.collection == found.collection, Document.name == name
            )
            found.version = max(found.version, (session.scalar(versions) or 0) + 1)
            found.name = name
            # What the views hold stays right; whoever remembers which documents a filter lets pass must look again.
            append_log(session, session.get_one(Collection, found.collection), [("add", found.key, found.id)])
            return True

    def delete_document(self, id: str) -> bool:
        """Remove a document and the versions it superseded, in one transaction. False if it was not there."""
        with self.database.write() as session:
            found = session.execute(select(Document.key, Document.collection).where(Document.id == id)).first()
            if found is None:
                return False
            gone, frontier = [(found.key, id)], [id]
            while frontier:
                now, frontier = frontier[:IN_LIMIT], frontier[IN_LIMIT:]
                older = session.execute(select(Document.key, Document.id).where(Document.superseded_by.in_(now))).all()
                frontier += [row.id for row in older]
                gone += [(row.key, row.id) for row in older]
            collection = session.get_one(Collection, found.collection, with_for_update=True)
            append_log(session, collection, [("delete", key, name) for key, name in gone])
            for part in parts([key for key, _ in gone]):
                session.execute(delete(Document).where(Document.key.in_(part)))
            return True

    def drop_old_versions(self, id: str, keep: int) -> list[str]:
        """Keep the newest `keep` versions of a document's name; returns the blobs of those that are gone."""
        with self.database.write() as session:
            gone = drop_old_versions(session, id, keep)
            if gone:
                collection = session.get_one(Collection, gone[0][1], with_for_update=True)
                append_log(session, collection, [("delete", key, name) for key, _, name, _ in gone])
            return [blob for *_, blob in gone]

    def document(self, id: str) -> DocumentInfo:
        """One document, current or superseded. Raises NoSuchDocument."""
        with self.database.read() as session:
            found = session.execute(select_documents().where(Document.id == id)).first()
        if found is None:
            raise no_such_document(id)
        return document_info(found)

    def versions(self, id: str) -> tuple[DocumentInfo, ...]:
        """Every version that has this document's name in its collection, newest first. Raises NoSuchDocument."""
        with self.database.read() as session:
            found = session.execute(select(Document.collection, Document.name).where(Document.id == id)).first()
            if found is None:
                raise no_such_document(id)
            rows = session.execute(
                select_documents()
                .where(Document.collection == found.collection, Document.name == found.name)
                .order_by(Document.version.desc())
            ).all()
        return tuple(document_info(row) for row in rows)

    def document_text(self, id: str, start: int | None = None, end: int | None = None) -> str:
        """The text of a document, or of its characters [start, end). Raises NoSuchDocument."""
        query = select(DocumentText.text).join(Document, Document.key == DocumentText.document).where(Document.id == id)
        with self.database.read() as session:
            found = session.scalar(query)
        if found is None:
            raise no_such_document(id)
        return found[start:end]

    def documents(
        self, collection: str, limit: int = 100, cursor: str | None = None, include_superseded: bool = False
    ) -> Listing[DocumentInfo]:
        """Documents of a collection (id), newest first. Raises NoSuchCollection, BadCursor."""
        query = select_documents().where(Collection.id == collection).order_by(Document.key.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(Document.key < read_cursor(cursor))
        if not include_superseded:
            query = query.where(Document.state == "current")
        with self.database.read() as session:
            collection_row(session, collection)
            rows = session.execute(query).all()
        more = write_cursor(rows[limit - 1][0].key) if len(rows) > limit else None
        return Listing(tuple(document_info(row) for row in rows[:limit]), more)

    def find_by_hash(self, collection: str, sha256: str) -> DocumentInfo | None:
        """The current document of a collection (id) with these bytes, if there is one."""
        query = select_documents().where(
            Collection.id == collection, Document.content_hash == sha256, Document.state == "current"
        )
        with self.database.read() as session:
            found = session.execute(query).first()
        return None if found is None else document_info(found)

    def chunks(self, document: str) -> tuple[ChunkInfo, ...]:
        """The chunks of a document in order; none if it is superseded. Raises NoSuchDocument."""
        with self.database.read() as session:
            key = session.scalar(select(Document.key).where(Document.id == document))
            if key is None:
                raise no_such_document(document)
            rows = session.scalars(select(Chunk).where(Chunk.document == key).order_by(Chunk.ordinal)).all()
        return tuple(
            ChunkInfo(
                c.id, document, c.ordinal, c.start, c.end, c.text, c.heading, c.page, c.tokens, c.line, c.recognised
            )
            for c in rows
        )

    # The log and the cache

    def changes_after(self, seq: int, limit: int = 1000) -> tuple[ChangeInfo, ...]:
        """Lines of the log after `seq`, oldest first."""
        with self.database.read() as session:
            rows = session.scalars(select(Change).where(Change.seq > seq).order_by(Change.seq).limit(limit)).all()
        return tuple(ChangeInfo(c.seq, c.collection_id, c.document_id, c.kind, c.at) for c in rows)

    def latest_seq(self) -> int:
        """The number of the newest line of the log; 0 if there is none."""
        with self.database.read() as session:
            return session.scalar(select(func.max(Change.seq))) or 0

    def known_vectors(self, stamp: str, text_hashes: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Unit rows (d,) of texts that some chunk holds embedded under this stamp already, by `text_hash`."""
        found: dict[str, NDArray[np.float32]] = {}
        with self.database.read() as session:
            for part in parts(list(dict.fromkeys(text_hashes))):
                chosen = (
                    select(func.min(ChunkVector.chunk))
                    .where(ChunkVector.stamp == stamp, ChunkVector.text_hash.in_(part))
                    .group_by(ChunkVector.text_hash)
                )
                query = select(ChunkVector.text_hash, ChunkVector.vector).where(
                    ChunkVector.stamp == stamp, ChunkVector.chunk.in_(chosen)
                )
                rows = session.execute(query).all()
                if rows:
                    found.update(zip([row[0] for row in rows], decode_vectors([row[1] for row in rows]), strict=True))
        return found


def _check_collection(name: str | None, egress: str | None) -> None:
    """Raise BadCollection for a name or an egress rule that cannot be; None is not looked at."""
    if name is not None and not _NAME.fullmatch(name):
        raise BadCollection(
            f"{name!r} cannot name a collection; use 1 to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or digit"
        )
    if egress is not None and egress not in get_args(Egress):
        raise BadCollection(f"egress is {egress!r}, but one of {', '.join(get_args(Egress))} was wanted")


def _new_id(kind: str) -> str:
    """An id that cannot be guessed: 22 letters and digits, 130 bits."""
    return f"{kind}_" + "".join(secrets.choice(_ALPHABET) for _ in range(22))
