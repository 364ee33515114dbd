"""People and groups: list, make, change, suspend. Knows no credential and no grant."""

from datetime import datetime
from typing import Annotated, Literal

from litestar import Controller, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from rag.access.grants import GroupInfo
from rag.access.people import PersonInfo
from rag.access.policy import Actor, Role, check_administers
from rag.api.listing import Cursor, Limit, Listing, slice_page
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import admins
from rag.app import App

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Password = Annotated[str, Meta(max_length=1000, description="12 to 200 characters.")]
State = Literal["active", "suspended"]


class PersonView(Struct):
    """A person, or a program (`service`), that may call."""

    id: str
    name: str
    role: Role
    state: State
    can_sign_in: bool
    created_at: datetime


class NewPerson(Struct, forbid_unknown_fields=True):
    """Who is to come. Without a password they call with keys only."""

    name: Name
    role: Role = "member"
    password: Password | None = None


class PersonChange(Struct, forbid_unknown_fields=True):
    """What is to be different; absent fields stay."""

    role: Role | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    state: State | UnsetType = UNSET
    codes: Literal["off"] | UnsetType = UNSET  # turns their one-time codes off, when they lost them


class GroupView(Struct):
    """A group and the ids of its members."""

    id: str
    name: str
    members: list[str]
    created_at: datetime


class GroupName(Struct, forbid_unknown_fields=True):
    """What a group is called."""

    name: Name


class PeopleController(Controller):
    """`/api/v1/people`."""

    path = "/people"
    tags = ("access",)

    @get(sync_to_thread=True, opt=admins())
    def list_people(self, app: AppPart, limit: Limit = 100, cursor: Cursor = None) -> Listing[PersonView]:
        """List people by name."""
        items, following = slice_page(app.access.people.people(), limit, cursor)
        return Listing([person_view(info) for info in items], following)

    @post(sync_to_thread=True, opt=admins())
    def create_person(self, app: AppPart, permit: PermitPart, data: JSONBody[NewPerson]) -> PersonView:
        """Make a person. Only an owner makes owners."""
        caller = permit.caller
        check_administers(caller, "member", data.role)
        return person_view(app.access.people.create(data.name, data.role, caller.actor(), data.password))

    @get("/{person:str}", sync_to_thread=True, opt=admins())
    def show_person(self, app: AppPart, person: FromPath[str]) -> PersonView:
        """Show one person."""
        return person_view(app.access.people.person(person))

    @patch("/{person:str}", sync_to_thread=True, opt=admins())
    def change_person(
        self, app: AppPart, permit: PermitPart, person: FromPath[str], data: JSONBody[PersonChange]
    ) -> PersonView:
        """Change a role, set a password, suspend or restore. A suspension ends every credential and running stream."""
        info = app.access.people.person(person)
        becomes = None if data.role is UNSET else data.role
        check_administers(permit.caller, info.role, becomes)
        _change(app, info.id, data, permit.caller.actor())
        return person_view(app.access.people.person(info.id))


class GroupController(Controller):
    """`/api/v1/groups`."""

    path = "/groups"
    tags = ("access",)

    @get(sync_to_thread=True, opt=admins())
    def list_groups(self, app: AppPart, limit: Limit = 100, cursor: Cursor = None) -> Listing[GroupView]:
        """List groups by name."""
        items, following = slice_page(app.access.grants.groups(), limit, cursor)
        return Listing([group_view(info) for info in items], following)

    @post(sync_to_thread=True, opt=admins())
    def create_group(self, app: AppPart, permit: PermitPart, data: JSONBody[GroupName]) -> GroupView:
        """Make an empty group."""
        return group_view(app.access.grants.create_group(data.name, permit.caller.actor()))

    @get("/{group:str}", sync_to_thread=True, opt=admins())
    def show_group(self, app: AppPart, group: FromPath[str]) -> GroupView:
        """Show one group."""
        return group_view(app.access.grants.group(group))

    @patch("/{group:str}", sync_to_thread=True, opt=admins())
    def rename_group(
        self, app: AppPart, permit: PermitPart, group: FromPath[str], data: JSONBody[GroupName]
    ) -> GroupView:
        """Give a group another name."""
        return group_view(app.access.grants.rename_group(group, data.name, permit.caller.actor()))

    @delete("/{group:str}", sync_to_thread=True, opt=admins())
    def delete_group(self, app: AppPart, permit: PermitPart, group: FromPath[str]) -> None:
        """Delete a group with its grants. Deleting what is gone is no error."""
        app.access.grants.delete_group(group, permit.caller.actor())

    @put("/{group:str}/members/{person:str}", sync_to_thread=True, opt=admins())
    def join(self, app: AppPart, permit: PermitPart, group: FromPath[str], person: FromPath[str]) -> GroupView:
        """Put a person into a group."""
        return group_view(app.access.grants.join(group, person, permit.caller.actor()))

    @delete("/{group:str}/members/{person:str}", status_code=200, sync_to_thread=True, opt=admins())
    def leave(self, app: AppPart, permit: PermitPart, group: FromPath[str], person: FromPath[str]) -> GroupView:
        """Take a person out of a group."""
        return group_view(app.access.grants.leave(group, person, permit.caller.actor()))


def _change(app: App, id: str, data: PersonChange, by: Actor) -> None:
    people = app.access.people
    if data.password is not UNSET:
        people.set_password(id, data.password, by)
    if data.role is not UNSET:
        people.set_role(id, data.role, by)
    if data.codes is not UNSET:
        app.access.second_factors.off(id, by)
    if data.state == "suspended":
        people.suspend(id, by)
    elif data.state == "active":
        people.restore(id, by)


def person_view(info: PersonInfo) -> PersonView:
    """A person as admins see them."""
    state: State = "suspended" if info.suspended else "active"
    return PersonView(info.id, info.name, info.role, state, info.can_sign_in, info.created_at)


def group_view(info: GroupInfo) -> GroupView:
    """A group as admins see it."""
    return GroupView(info.id, info.name, list(info.members), info.created_at)
