"""People: make, change, suspend, and check their passwords. Writes each deed into the audit log with it.

Knows no session, no key and no HTTP. Whether the actor may do this is decided before, in `policy`.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from index.database import Database
from index.schema import utc_now
from rag.access.audit import Audit
from rag.access.errors import LastOwner, NameTaken, NoSuchPerson, SignInFailed
from rag.access.passwords import Passwords
from rag.access.policy import Actor, Role, checked_name
from rag.access.schema import Person, SignedIn


@dataclass(frozen=True, slots=True)
class PersonInfo:
    """A person as admins see them."""

    id: str
    name: str
    role: Role
    suspended: bool
    can_sign_in: bool
    created_at: datetime


class People:
    """The people of this service. Safe to use from many threads."""

    def __init__(self, database: Database, audit: Audit, passwords: Passwords) -> None:
        self._database = database
        self._audit = audit
        self._passwords = passwords

    def has_owner(self) -> bool:
        """Whether accounts are in use. Once true it stays true: the last owner cannot be removed."""
        with self._database.read() as session:
            return session.scalar(select(Person.key).where(Person.role == "owner").limit(1)) is not None

    def create(self, name: str, role: Role, by: Actor, password: str | None = None) -> PersonInfo:
        """A new person; without a password they cannot sign in. Raises NameTaken, BadAccess, WeakPassword."""
        name = checked_name(name)
        row = Person(
            id="u_" + secrets.token_hex(12),
            name=name,
            role=role,
            password=self._passwords.hash(password) if password is not None else "",
            suspended_at=None,
        )
        try:
            with self._database.write() as session:
                session.add(row)
                session.flush()
                self._audit.append(session, by, "people.create", f"person:{row.id}", name=name, role=role)
        except IntegrityError as error:
            raise NameTaken(f"{name!r} is taken; choose another name, or change that person") from error
        return _info(row)

    def person(self, name_or_id: str) -> PersonInfo:
        """One person. Raises NoSuchPerson."""
        with self._database.read() as session:
            return _info(person_row(session, name_or_id))

    def people(self) -> tuple[PersonInfo, ...]:
        """Everyone, by name."""
        with self._database.read() as session:
            return tuple(_info(row) for row in session.scalars(select(Person).order_by(Person.name)))

    def set_role(self, id: str, role: Role, by: Actor) -> PersonInfo:
        """Give a person another role. Raises NoSuchPerson, LastOwner."""
        with self._database.write() as session:
            row = person_row(session, id)
            if row.role == "owner" and role != "owner":
                _refuse_without_owner(session, row)
            self._audit.append(session, by, "people.role", f"person:{row.id}", before=row.role, after=role)
            row.role = role
            return _info(row)

    def set_password(self, id: str, password: str, by: Actor, keep_session: str | None = None) -> PersonInfo:
        """Set a password and end every other session of that person. Raises NoSuchPerson, WeakPassword."""
        hashed = self._passwords.hash(password)
        with self._database.write() as session:
            row = person_row(session, id)
            row.password = hashed
            ended = delete(SignedIn).where(SignedIn.person == row.key)
            session.execute(ended.where(SignedIn.id != keep_session) if keep_session else ended)
            self._audit.append(session, by, "people.password", f"person:{row.id}")
            return _info(row)

    def suspend(self, id: str, by: Actor) -> PersonInfo:
        """End every session and hold every key until `restore`. Raises NoSuchPerson, LastOwner."""
        with self._database.write() as session:
            row = person_row(session, id)
            if row.suspended_at is None:
                if row.role == "owner":
                    _refuse_without_owner(session, row)
                row.suspended_at = utc_now()
                session.execute(delete(SignedIn).where(SignedIn.person == row.key))
                self._audit.append(session, by, "people.suspend", f"person:{row.id}")
            return _info(row)

    def restore(self, id: str, by: Actor) -> PersonInfo:
        """End a suspension. Raises NoSuchPerson."""
        with self._database.write() as session:
            row = person_row(session, id)
            if row.suspended_at is not None:
                row.suspended_at = None
                self._audit.append(session, by, "people.restore", f"person:{row.id}")
            return _info(row)

    def check_password(self, name: str, password: str) -> PersonInfo:
        """Who signs in. Takes as long for a name that does not exist. Raises SignInFailed."""
        with self._database.read() as session:
            row = session.scalar(select(Person).where(Person.name == " ".join(name.split()).casefold()[:200]))
        fits = self._passwords.fits(password, row.password if row else "")
        if row is None or not fits or row.suspended_at is not None:
            raise SignInFailed("the name or the password is wrong; try again, or ask an admin for a new password")
        return _info(row)


def person_row(session: Session, name_or_id: str) -> Person:
    """The row of a person by id or name. Raises NoSuchPerson."""
    row = session.scalar(select(Person).where((Person.id == name_or_id) | (Person.name == name_or_id.casefold())))
    if row is None:
        raise NoSuchPerson(f"there is no person {name_or_id!r}; `footnote users list` shows those there are")
    return row


def _refuse_without_owner(session: Session, leaving: Person) -> None:
    others = select(func.count()).where(
        Person.role == "owner", Person.suspended_at.is_(None), Person.key != leaving.key, Person.password != ""
    )
    if not session.scalar(others):
        raise LastOwner(f"{leaving.name!r} is the last owner who can sign in; make another owner first")


def _info(row: Person) -> PersonInfo:
    return PersonInfo(row.id, row.name, row.role, row.suspended_at is not None, bool(row.password), row.created_at)
