"""Grants and API keys: who may do what, and what programs call with. Knows no password and no session."""

from datetime import datetime, timedelta
from typing import Annotated

from litestar import Controller, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from rag.access.errors import NoSuchGrant, NoSuchKey, NotAllowed
from rag.access.grants import GrantInfo
from rag.access.keys import KeyInfo, NewKey
from rag.access.policy import Level, Scope, check_administers, checked_scopes
from rag.api.listing import Cursor, Limit, Listing, slice_page
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import Permit, known
from rag.errors import BadRequest


class GrantView(Struct):
    """What a person or a group, by id, may do with a collection. `name` is theirs."""

    id: str
    collection: str
    person: str | None
    group: str | None
    name: str
    level: Level
    created_at: datetime


class NewGrant(Struct, forbid_unknown_fields=True):
    """A collection, by id or name, and exactly one of a person and a group."""

    collection: str
    level: Level
    person: str | None = None
    group: str | None = None


class KeyView(Struct):
    """A key without its secret."""

    id: str
    person: str
    person_name: str
    name: str
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


class NewKeyView(Struct):
    """A key with its secret, which is shown this once."""

    key: KeyView
    secret: str


class KeyWanted(Struct, forbid_unknown_fields=True):
    """A key for oneself, or for a program (`service`) when an admin asks."""

    name: Annotated[str, Meta(max_length=200)] = ""
    scopes: tuple[Scope, ...] = ("ask", "read")
    person: str | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class Rotation(Struct, forbid_unknown_fields=True):
    """How long the secret before stays good."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=30 * 86400)] = 0


class GrantController(Controller):
    """`/api/v1/grants`."""

    path = "/grants"
    tags = ("access",)

    @get(sync_to_thread=True, opt=known("manage"))
    def list_grants(
        self,
        app: AppPart,
        permit: PermitPart,
        limit: Limit = 100,
        cursor: Cursor = None,
        collection: FromQuery[str | None] = None,
    ) -> Listing[GrantView]:
        """List grants. Who manages a collection names it; owners and admins see all."""
        if collection is None and not permit.caller.administers:
            raise BadRequest("no collection is named; name one that you manage with ?collection=")
        chosen = permit.collection(collection, "manage").id if collection is not None else None
        items, following = slice_page(app.access.grants.grants(chosen), limit, cursor)
        return Listing([grant_view(info) for info in items], following)

    @post(sync_to_thread=True, opt=known("manage"))
    def give(self, app: AppPart, permit: PermitPart, data: JSONBody[NewGrant]) -> GrantView:
        """Let a person or a group do something with a collection; replaces what they had there."""
        chosen = permit.collection(data.collection, "manage").id
        by = permit.caller.actor()
        return grant_view(app.access.grants.grant(chosen, data.level, by, person=data.person, group=data.group))

    @delete("/{grant:str}", sync_to_thread=True, opt=known("manage"))
    def take_back(self, app: AppPart, permit: PermitPart, grant: FromPath[str]) -> None:
        """Take a grant back; running answers from that collection end within 2 seconds."""
        info = app.access.grants.find(grant)
        if not permit.caller.may(info.collection, "manage"):
            raise NoSuchGrant(f"there is no grant {grant!r}; it may have been taken back")
        app.access.grants.revoke(grant, permit.caller.actor())


class KeyController(Controller):
    """`/api/v1/keys`. A key makes no keys unless it has the scope `admin`."""

    path = "/keys"
    tags = ("access",)

    @get(sync_to_thread=True, opt=known("admin"))
    def list_keys(
        self, app: AppPart, permit: PermitPart, limit: Limit = 100, cursor: Cursor = None
    ) -> Listing[KeyView]:
        """List one's own keys, newest first; owners and admins see all."""
        caller = permit.caller
        items, following = slice_page(
            app.access.keys.keys(None if caller.administers else caller.person), limit, cursor
        )
        return Listing([key_view(info) for info in items], following)

    @post(sync_to_thread=True, opt=known("admin"))
    def create_key(self, app: AppPart, permit: PermitPart, data: JSONBody[KeyWanted]) -> NewKeyView:
        """Make a key. Its secret is in this answer and nowhere else."""
        caller = permit.caller
        person = data.person if data.person is not None else caller.person
        if caller.open:
            raise NotAllowed(
                "this service has no accounts, so it needs no keys; `footnote users create-owner` begins them"
            )
        if person != caller.person:
            _check_program(permit, person)
        scopes = checked_scopes(data.scopes)
        return new_key_view(app.access.keys.create(person, data.name, scopes, caller.actor(), data.expires_at))

    @post("/{key:str}/rotate", status_code=200, sync_to_thread=True, opt=known("admin"))
    def rotate(self, app: AppPart, permit: PermitPart, key: FromPath[str], data: JSONBody[Rotation]) -> NewKeyView:
        """Give a key a new secret; the one before stays good for a while if that is asked."""
        info = app.access.keys.find(key)
        if info.person != permit.caller.person:
            _check_theirs(permit, info)
            _check_program(permit, info.person)
        overlap = timedelta(seconds=data.overlap_seconds)
        return new_key_view(app.access.keys.rotate(key, permit.caller.actor(), overlap))

    @delete("/{key:str}", sync_to_thread=True, opt=known("admin"))
    def revoke(self, app: AppPart, permit: PermitPart, key: FromPath[str]) -> None:
        """End a key for ever."""
        info = app.access.keys.find(key)
        if info.person != permit.caller.person:
            _check_theirs(permit, info)
            check_administers(permit.caller, app.access.people.person(info.person).role)
        app.access.keys.revoke(key, permit.caller.actor())


def _check_theirs(permit: Permit, info: KeyInfo) -> None:
    if not permit.caller.administers:
        raise NoSuchKey(f"there is no key {info.id!r}; `footnote keys list` shows those there are")


def _check_program(permit: Permit, person: str) -> None:
    """A secret that acts as a person is known to that person alone; a program's is made by admins."""
    check_administers(permit.caller, "member")
    if permit.app.access.people.person(person).role != "service":
        raise NotAllowed("people make their own keys; you can make them for programs (role service)")


def grant_view(info: GrantInfo) -> GrantView:
    """A grant as clients see it."""
    return GrantView(info.id, info.collection, info.person, info.group, info.name, info.level, info.created_at)


def key_view(info: KeyInfo) -> KeyView:
    """A key as clients see it."""
    times = (info.expires_at, info.last_used_at, info.revoked_at, info.created_at)
    return KeyView(info.id, info.person, info.person_name, info.name, list(info.scopes), *times)


def new_key_view(made: NewKey) -> NewKeyView:
    """A key with its secret."""
    return NewKeyView(key_view(made.info), made.secret)
