"""API keys: made once, shown once, kept as a keyed hash; expiry, scopes, rotation, revocation. Knows no HTTP."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from index.database import Database
from index.schema import utc_now
from rag.access.audit import Audit
from rag.access.errors import BadAccess, NoSuchKey, NotSignedIn
from rag.access.people import person_row
from rag.access.policy import Actor, Scope
from rag.access.schema import ApiKey, Person
from rag.access.secret import Seal, key_id, new_key

PURPOSE = "key"
USED_SECONDS = 60.0  # how exact `last_used_at` is: not every call writes


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key without its secret. It is good while it is neither revoked nor expired and its person not suspended."""

    id: str
    person: str
    person_name: str
    name: str
    scopes: tuple[str, ...]
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment its secret is known."""

    info: KeyInfo
    secret: str


class Keys:
    """The API keys. Safe to use from many threads."""

    def __init__(self, database: Database, audit: Audit, seal: Seal) -> None:
        self._database = database
        self._audit = audit
        self._seal = seal

    def create(
        self, person: str, name: str, scopes: Sequence[Scope], by: Actor, expires_at: datetime | None = None
    ) -> NewKey:
        """A new key of a person (id or name). Raises NoSuchPerson, and BadAccess for a bad name or expiry."""
        if expires_at is not None and expires_at <= utc_now():
            raise BadAccess(f"the key would have expired at {expires_at:%Y-%m-%d %H:%M}; name a time to come")
        if not name.isprintable():
            raise BadAccess("the key's name has characters that cannot be shown; name it in plain words")
        new_id = secrets.token_hex(8)
        raw = new_key(new_id)
        with self._database.write() as session:
            who = person_row(session, person)
            row = ApiKey(
                id=new_id,
                person=who.key,
                name=name,
                sealed=self._seal.seal(PURPOSE, raw),
                scopes=list(scopes),
                expires_at=expires_at,
            )
            session.add(row)
            session.flush()
            info = _info(row, who)
            self._audit.append(session, by, "keys.create", f"key:{new_id} person:{who.id}", name=name, scopes=scopes)
        return NewKey(info, raw)

    def keys(self, person: str | None = None) -> tuple[KeyInfo, ...]:
        """Every key, or those of a person (id); newest first."""
        query = select(ApiKey, Person).join(Person, Person.key == ApiKey.person).order_by(ApiKey.key.desc())
        if person is not None:
            query = query.where(Person.id == person)
        with self._database.read() as session:
            return tuple(_info(row, who) for row, who in session.execute(query))

    def find(self, id: str) -> KeyInfo:
        """One key. Raises NoSuchKey."""
        with self._database.read() as session:
            row, who = _row(session, id)
            return _info(row, who)

    def rotate(self, id: str, by: Actor, overlap: timedelta = timedelta(0)) -> NewKey:
        """A new secret for a key; the one before stays good for `overlap`. Raises NoSuchKey also for a revoked one."""
        raw = new_key(id)
        with self._database.write() as session:
            row, who = _row(session, id)
            if row.revoked_at is not None:
                raise NoSuchKey(f"key {id!r} is revoked; make a new one")
            row.previous, row.previous_until = row.sealed, utc_now() + overlap
            row.sealed = self._seal.seal(PURPOSE, raw)
            self._audit.append(session, by, "keys.rotate", f"key:{id}", overlap_seconds=int(overlap.total_seconds()))
            return NewKey(_info(row, who), raw)

    def revoke(self, id: str, by: Actor) -> KeyInfo:
        """End a key for ever; once is enough. Raises NoSuchKey."""
        with self._database.write() as session:
            row, who = _row(session, id)
            if row.revoked_at is None:
                row.revoked_at = utc_now()
                self._audit.append(session, by, "keys.revoke", f"key:{id}")
            return _info(row, who)

    def check(self, session: Session, raw: str) -> tuple[ApiKey, Person]:
        """The rows of a secret that is good now. Raises NotSignedIn."""
        found = self.rows(session, key_id(raw))
        row = found[0]
        current = self._seal.fits(PURPOSE, raw, row.sealed)
        before = self._seal.fits(PURPOSE, raw, row.previous) and row.previous_until is not None
        if not current and not (before and row.previous_until and row.previous_until > utc_now()):
            raise NotSignedIn("the API key is unknown; it may have been rotated")
        return found

    def rows(self, session: Session, id: str) -> tuple[ApiKey, Person]:
        """The rows of a key that is neither revoked nor expired. Raises NotSignedIn."""
        found = session.execute(
            select(ApiKey, Person).join(Person, Person.key == ApiKey.person).where(ApiKey.id == id)
        ).first()
        if found is None:
            raise NotSignedIn("the API key is unknown; it may have been rotated")
        row, who = found
        if row.revoked_at is not None:
            raise NotSignedIn("the API key was revoked; ask for a new one")
        if row.expires_at is not None and row.expires_at <= utc_now():
            raise NotSignedIn(f"the API key expired at {row.expires_at:%Y-%m-%d %H:%M} UTC; ask for a new one")
        return row, who

    def used(self, id: str) -> None:
        """Remember that a key was used just now."""
        with self._database.write() as session:
            session.execute(update(ApiKey).where(ApiKey.id == id).values(last_used_at=utc_now()))


def _row(session: Session, id: str) -> tuple[ApiKey, Person]:
    found = session.execute(
        select(ApiKey, Person).join(Person, Person.key == ApiKey.person).where(ApiKey.id == id)
    ).first()
    if found is None:
        raise NoSuchKey(f"there is no key {id!r}; `footnote keys list` shows those there are")
    return found[0], found[1]


def _info(row: ApiKey, who: Person) -> KeyInfo:
    times = (row.expires_at, row.last_used_at, row.revoked_at, row.created_at)
    return KeyInfo(row.id, who.id, who.name, row.name, tuple(row.scopes), *times)
