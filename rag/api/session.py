"""Signing in and out with a name and a password, and who one is. Knows no page and no cookie's form."""

import asyncio
from typing import Annotated

from litestar import Controller, delete, get, post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from rag.access.errors import CodeWanted, NotAllowed, SignInFailed
from rag.access.policy import Actor
from rag.access.sessions import Opened
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import Permit, everyone, known

Secret = Annotated[str, Meta(max_length=1000)]


class Credentials(Struct, forbid_unknown_fields=True):
    """What a person types. `code` is of their authenticator, or a recovery code, where codes are on."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    password: Secret
    code: Annotated[str, Meta(max_length=40)] = ""


class NewPassword(Struct, forbid_unknown_fields=True):
    """The password that is, and the one that shall be."""

    current: Secret
    new: Secret


class SessionView(Struct):
    """Who calls. Writes with the session's cookie need `csrf` in the header X-CSRF-Token."""

    person: str
    name: str
    role: str
    accounts: bool
    scopes: list[str] | None
    csrf: str | None


class SessionController(Controller):
    """`/api/v1/session`."""

    path = "/session"
    tags = ("access",)

    @post(status_code=200, opt=everyone())
    async def sign_in(self, app: AppPart, permit: PermitPart, data: JSONBody[Credentials]) -> SessionView:
        """Sign in; the session comes as a cookie. Attempts are few a minute, by address and by name."""
        if permit.someone is not None and permit.someone.open:
            raise NotAllowed(
                "this service has no accounts, so nobody signs in; `footnote users create-owner` begins them"
            )
        count_attempt(permit, data.name)
        try:
            person = await asyncio.to_thread(app.access.people.check_password, data.name, data.password)
            await asyncio.to_thread(app.access.second_factors.check, person.id, data.code)
        except (SignInFailed, CodeWanted) as error:
            if isinstance(error, CodeWanted) and not data.code:
                raise  # a page asks for the code only when one is wanted
            told = Actor("", " ".join(data.name.split())[:200], "session")
            await asyncio.to_thread(app.access.audit.record, told, "session.refused", f"peer:{permit.credentials.peer}")
            raise
        opened = await asyncio.to_thread(begin_session, permit, person.id, person.name)
        csrf = app.access.sessions.forgery_token(opened.id)
        return SessionView(person.id, person.name, person.role, True, None, csrf)

    @get(sync_to_thread=False, opt=known("read"))
    def who(self, permit: PermitPart) -> SessionView:
        """Who calls, and what this credential is good for."""
        return session_view(permit)

    @delete(opt=known("read"))
    async def sign_out(self, app: AppPart, permit: PermitPart) -> None:
        """End the session. Without one this is no error."""
        caller = permit.caller
        if caller.session is not None:
            await asyncio.to_thread(app.access.sessions.close, caller.session, caller.actor())
            permit.renewed = ""

    @post("/password", status_code=200, opt=known("admin"))
    async def change_password(self, app: AppPart, permit: PermitPart, data: JSONBody[NewPassword]) -> SessionView:
        """Change one's own password; every other session of one's own ends."""
        caller = permit.caller
        if caller.session is None:
            raise NotAllowed("a password is changed by the person it belongs to, in a session; sign in")
        count_attempt(permit, caller.name)
        await asyncio.to_thread(app.access.people.check_password, caller.name, data.current)
        change = app.access.people.set_password
        await asyncio.to_thread(change, caller.person, data.new, caller.actor(), caller.session)
        return session_view(permit)


def session_view(permit: Permit) -> SessionView:
    """The caller of a request as clients see it."""
    caller = permit.caller
    csrf = permit.app.access.sessions.forgery_token(caller.session) if caller.session else None
    scopes = sorted(caller.scopes) if caller.scopes is not None else None
    return SessionView(caller.person, caller.name, caller.role, not caller.open, scopes, csrf)


def count_attempt(permit: Permit, name: str = "") -> None:
    """One attempt more to sign in, by address and by name. Raises TooMany."""
    most = permit.app.settings.limit_sign_ins
    permit.limits.take("attempts to sign in", f"from {permit.credentials.peer}", most)
    if name:
        permit.limits.take("attempts to sign in", f"to {' '.join(name.split()).casefold()}", most)


def begin_session(permit: Permit, person: str, name: str) -> Opened:
    """Open a session for who proved to be that person; one of before ends. Its cookie goes with the response."""
    access, before = permit.app.access, permit.someone
    if before is not None and before.session is not None:
        access.sessions.close(before.session, before.actor())
    opened = access.sessions.open(person, name)
    permit.renewed = opened.token
    return opened
