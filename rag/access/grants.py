"""Groups and grants: who may do what with which collection. Knows no HTTP; whether the actor may is decided before."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from index.database import Database
from index.queries import collection_row
from rag.access.audit import Audit
from rag.access.errors import BadAccess, NameTaken, NoSuchGrant, NoSuchGroup
from rag.access.people import person_row
from rag.access.policy import LEVELS, Actor, Level, checked_name
from rag.access.schema import Grant, Group, Membership, Person


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A group with the ids of its members."""

    id: str
    name: str
    members: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GrantInfo:
    """A grant: exactly one of `person` and `group` is an id."""

    id: str
    collection: str
    person: str | None
    group: str | None
    name: str  # of the person or the group
    level: Level
    created_at: datetime


class Grants:
    """Groups, memberships and grants. Safe to use from many threads."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def create_group(self, name: str, by: Actor) -> GroupInfo:
        """A new, empty group. Raises NameTaken, BadAccess."""
        row = Group(id="g_" + secrets.token_hex(12), name=checked_name(name))
        try:
            with self._database.write() as session:
                session.add(row)
                session.flush()
                self._audit.append(session, by, "groups.create", f"group:{row.id}", name=row.name)
        except IntegrityError as error:
            raise NameTaken(f"there is a group {name!r} already; choose another name") from error
        return GroupInfo(row.id, row.name, (), row.created_at)

    def groups(self) -> tuple[GroupInfo, ...]:
        """Every group, by name."""
        with self._database.read() as session:
            return tuple(_group_info(session, row) for row in session.scalars(select(Group).order_by(Group.name)))

    def group(self, id: str) -> GroupInfo:
        """One group. Raises NoSuchGroup."""
        with self._database.read() as session:
            return _group_info(session, group_row(session, id))

    def rename_group(self, id: str, name: str, by: Actor) -> GroupInfo:
        """Give a group another name. Raises NoSuchGroup, NameTaken, BadAccess."""
        name = checked_name(name)
        try:
            with self._database.write() as session:
                row = group_row(session, id)
                self._audit.append(session, by, "groups.rename", f"group:{row.id}", before=row.name, after=name)
                row.name = name
                session.flush()
                return _group_info(session, row)
        except IntegrityError as error:
            raise NameTaken(f"there is a group {name!r} already; choose another name") from error

    def delete_group(self, id: str, by: Actor) -> None:
        """Delete a group with its grants. One that is gone is no error."""
        with self._database.write() as session:
            if session.execute(delete(Group).where(Group.id == id).returning(Group.key)).all():
                self._audit.append(session, by, "groups.delete", f"group:{id}")

    def join(self, group: str, person: str, by: Actor) -> GroupInfo:
        """Put a person into a group; once is enough. Raises NoSuchGroup, NoSuchPerson."""
        with self._database.write() as session:
            row, who = group_row(session, group), person_row(session, person)
            if session.get(Membership, (who.key, row.key)) is None:
                session.add(Membership(person=who.key, group=row.key))
                self._audit.append(session, by, "groups.join", f"group:{row.id} person:{who.id}")
                session.flush()
            return _group_info(session, row)

    def leave(self, group: str, person: str, by: Actor) -> GroupInfo:
        """Take a person out of a group. Raises NoSuchGroup, NoSuchPerson."""
        with self._database.write() as session:
            row, who = group_row(session, group), person_row(session, person)
            member = session.get(Membership, (who.key, row.key))
            if member is not None:
                session.delete(member)
                self._audit.append(session, by, "groups.leave", f"group:{row.id} person:{who.id}")
                session.flush()
            return _group_info(session, row)

    def grant(
        self, collection: str, level: Level, by: Actor, *, person: str | None = None, group: str | None = None
    ) -> GrantInfo:
        """Let a person or a group do something with a collection (id); replaces what they had there.

        Raises NoSuchCollection, NoSuchPerson, NoSuchGroup, BadAccess unless exactly one of the two is named.
        """
        if (person is None) == (group is None):
            raise BadAccess("a grant is for a person or for a group; name exactly one of the two")
        with self._database.write() as session:
            collection_row(session, collection)
            who = person_row(session, person).key if person is not None else None
            whose = group_row(session, group).key if group is not None else None
            mine = Grant.person == who if who is not None else Grant.group == whose
            row = session.scalar(select(Grant).where(Grant.collection == collection, mine))
            if row is None:
                row = Grant(
                    id="r_" + secrets.token_hex(12), collection=collection, person=who, group=whose, level=level
                )
                session.add(row)
            row.level = level
            session.flush()
            info = _grant_info(session, row)
            self._audit.append(session, by, "grants.give", _told(info), level=level)
            return info

    def revoke(self, id: str, by: Actor) -> None:
        """Take a grant back. One that is gone is no error."""
        with self._database.write() as session:
            row = session.scalar(select(Grant).where(Grant.id == id))
            if row is not None:
                self._audit.append(session, by, "grants.revoke", _told(_grant_info(session, row)), level=row.level)
                session.delete(row)

    def grants(self, collection: str | None = None) -> tuple[GrantInfo, ...]:
        """Every grant, or those of a collection (id); oldest first."""
        query = select(Grant).order_by(Grant.key)
        if collection is not None:
            query = query.where(Grant.collection == collection)
        with self._database.read() as session:
            return tuple(_grant_info(session, row) for row in session.scalars(query))

    def find(self, id: str) -> GrantInfo:
        """One grant. Raises NoSuchGrant."""
        with self._database.read() as session:
            row = session.scalar(select(Grant).where(Grant.id == id))
            if row is None:
                raise NoSuchGrant(f"there is no grant {id!r}; it may have been taken back")
            return _grant_info(session, row)


def levels_of(session: Session, person: int) -> dict[str, Level]:
    """Collection id -> the highest level that a person (key) has, by themselves or by a group."""
    groups = select(Membership.group).where(Membership.person == person)
    query = select(Grant.collection, Grant.level).where(or_(Grant.person == person, Grant.group.in_(groups)))
    highest: dict[str, Level] = {}
    for collection, level in session.execute(query):
        if collection not in highest or LEVELS.index(level) > LEVELS.index(highest[collection]):
            highest[collection] = level
    return highest


def groups_of(session: Session, person: int) -> frozenset[str]:
    """The ids of the groups that a person (key) belongs to."""
    mine = select(Group.id).join(Membership, Membership.group == Group.key).where(Membership.person == person)
    return frozenset(session.scalars(mine))


def group_row(session: Session, id: str) -> Group:
    """The row of a group by id or name; an id wins over a name that looks like it. Raises NoSuchGroup."""
    query = select(Group).where((Group.id == id) | (Group.name == id.casefold())).order_by(Group.id != id)
    row = session.scalars(query).first()
    if row is None:
        raise NoSuchGroup(f"there is no group {id!r}; it may have been deleted")
    return row


def _group_info(session: Session, row: Group) -> GroupInfo:
    members = (
        select(Person.id)
        .join(Membership, Membership.person == Person.key)
        .where(Membership.group == row.key)
        .order_by(Person.name)
    )
    return GroupInfo(row.id, row.name, tuple(session.scalars(members)), row.created_at)


def _grant_info(session: Session, row: Grant) -> GrantInfo:
    who = session.get_one(Person, row.person) if row.person is not None else None
    whose = session.get_one(Group, row.group) if row.group is not None else None
    name = who.name if who else whose.name if whose else ""
    ids = (who.id if who else None, whose.id if whose else None)
    return GrantInfo(row.id, row.collection, *ids, name, row.level, row.created_at)


def _told(info: GrantInfo) -> str:
    to = f"person:{info.person}" if info.person else f"group:{info.group}"
    return f"collection:{info.collection} {to}"
