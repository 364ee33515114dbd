"""Sessions of people who signed in with a browser: kept here, renewed now and then, ended at once. Knows no cookie."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.orm import Session

from index.database import Database
from index.schema import utc_now
from rag.access.audit import Audit
from rag.access.errors import NotSignedIn
from rag.access.people import person_row
from rag.access.policy import Actor
from rag.access.schema import Person, SignedIn
from rag.access.secret import Seal, new_token

PURPOSE: Final = "session"
ROTATE_AFTER: Final = timedelta(minutes=30)
GRACE: Final = timedelta(minutes=1)  # requests under way while the token was renewed
SEEN_EVERY: Final = timedelta(minutes=1)  # how exact `seen_at` is: not every request writes


@dataclass(frozen=True, slots=True)
class Opened:
    """A session and the token that its browser must keep."""

    id: str
    token: str


class Sessions:
    """The sessions. One ends after `longest` altogether, or after `idle` without a request."""

    def __init__(self, database: Database, audit: Audit, seal: Seal, longest: timedelta, idle: timedelta) -> None:
        self._database = database
        self._audit = audit
        self._seal = seal
        self._longest = longest
        self._idle = idle

    def open(self, person: str, name: str) -> Opened:
        """Begin a session of a person (id) whose password was checked. Raises NoSuchPerson."""
        token, session_id = new_token(), "s_" + secrets.token_hex(12)
        now = utc_now()
        with self._database.write() as session:
            who = person_row(session, person)
            session.execute(delete(SignedIn).where(self._over(now)))
            session.add(
                SignedIn(
                    id=session_id,
                    person=who.key,
                    sealed=self._seal.seal(PURPOSE, token),
                    expires_at=now + self._longest,
                )
            )
            self._audit.append(session, Actor(who.id, name, "session"), "session.open", f"person:{who.id}")
        return Opened(session_id, token)

    def rows(self, session: Session, token: str) -> tuple[SignedIn, Person]:
        """The rows of a token that is good now. Raises NotSignedIn."""
        sealed = self._seal.seal(PURPOSE, token)
        found = self._find(session, or_(SignedIn.sealed == sealed, SignedIn.previous == sealed))
        if found[0].previous == sealed and found[0].rotated_at + GRACE <= utc_now():
            raise _over()
        return found

    def again(self, session: Session, id: str) -> tuple[SignedIn, Person]:
        """The rows of a session that was good before. Raises NotSignedIn when it is no longer."""
        return self._find(session, SignedIn.id == id)

    def touch(self, id: str, seen_at: datetime, rotated_at: datetime, token: str) -> str | None:
        """Note that a session is in use, if that was long ago; a new token when the one it has is old."""
        now = utc_now()
        renew = rotated_at + ROTATE_AFTER <= now
        if not renew and seen_at + SEEN_EVERY > now:
            return None
        with self._database.write() as session:
            row = session.scalar(select(SignedIn).where(SignedIn.id == id))
            if row is None:
                return None
            row.seen_at = now
            if not renew or not self._seal.fits(PURPOSE, token, row.sealed):
                return None  # another request has renewed it meanwhile
            fresh = new_token()
            row.previous, row.sealed, row.rotated_at = row.sealed, self._seal.seal(PURPOSE, fresh), now
            return fresh

    def close(self, id: str, by: Actor) -> None:
        """End a session: its token is worth nothing from now on."""
        with self._database.write() as session:
            if session.execute(delete(SignedIn).where(SignedIn.id == id).returning(SignedIn.key)).all():
                self._audit.append(session, by, "session.close", f"person:{by.person}")

    def forgery_token(self, id: str) -> str:
        """What a page of ours sends with its writes, and another site cannot know."""
        return self._seal.seal("forgery", id)

    def _find(self, session: Session, where: ColumnElement[bool]) -> tuple[SignedIn, Person]:
        query = select(SignedIn, Person).join(Person, Person.key == SignedIn.person)
        found = session.execute(query.where(where)).first()
        now = utc_now()
        if found is None or found[0].expires_at <= now or found[0].seen_at + self._idle <= now:
            raise _over()
        return found[0], found[1]

    def _over(self, now: datetime) -> ColumnElement[bool]:
        return or_(SignedIn.expires_at <= now, SignedIn.seen_at <= now - self._idle)


def _over() -> NotSignedIn:
    return NotSignedIn("the session is over; sign in again")
