"""`/api/v1/session/codes`: one's own one-time codes, turned on and off. Knows no password and no picture's form."""

from typing import Annotated

import segno
from litestar import Controller, get, post, put
from litestar.params import JSONBody
from msgspec import Meta, Struct

from rag.access.errors import NotAllowed
from rag.access.policy import Caller
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import Permit, known

Code = Annotated[str, Meta(min_length=6, max_length=40)]


class CodesView(Struct):
    """Whether signing in takes a code beside the password."""

    on: bool


class EnrolmentView(Struct):
    """What an authenticator is told; `squares` are the rows of a QR code of `address`, 1 is dark."""

    secret: str
    address: str
    squares: list[str]


class CodeTyped(Struct, forbid_unknown_fields=True):
    """A code of the authenticator, or where codes are turned off a recovery code too."""

    code: Code


class RecoveryView(Struct):
    """Codes for the day when the authenticator is lost, each good once; shown this once."""

    recovery: list[str]


class CodesController(Controller):
    """`/api/v1/session/codes`."""

    path = "/session/codes"
    tags = ("access",)

    @get(sync_to_thread=True, opt=known("read"))
    def show(self, app: AppPart, permit: PermitPart) -> CodesView:
        """Whether one's own codes are on."""
        caller = permit.caller
        return CodesView(not caller.open and app.access.second_factors.on(caller.person))

    @post(sync_to_thread=True, status_code=200, opt=known("admin"))
    def begin(self, app: AppPart, permit: PermitPart) -> EnrolmentView:
        """Get a secret for an authenticator; it counts once a code of it was typed."""
        caller = _in_session(permit)
        made = app.access.second_factors.begin(caller.person, caller.name)
        rows = segno.make(made.address, micro=False).matrix
        return EnrolmentView(made.secret, made.address, ["".join(map(str, row)) for row in rows])

    @put(sync_to_thread=True, opt=known("admin"))
    def confirm(self, app: AppPart, permit: PermitPart, data: JSONBody[CodeTyped]) -> RecoveryView:
        """Turn codes on with a first one."""
        caller = _in_session(permit)
        count_codes(permit, caller.name)
        return RecoveryView(app.access.second_factors.confirm(caller.person, data.code, caller.actor()))

    @post("/off", sync_to_thread=True, status_code=200, opt=known("admin"))
    def turn_off(self, app: AppPart, permit: PermitPart, data: JSONBody[CodeTyped]) -> CodesView:
        """Turn codes off with one more."""
        caller = _in_session(permit)
        count_codes(permit, caller.name)
        app.access.second_factors.check(caller.person, data.code)
        app.access.second_factors.off(caller.person, caller.actor())
        return CodesView(on=False)


def count_codes(permit: Permit, name: str) -> None:
    """One attempt more with a code. Raises TooMany."""
    permit.limits.take("codes", name, permit.app.settings.limit_sign_ins)


def _in_session(permit: Permit) -> Caller:
    if permit.caller.session is None:
        raise NotAllowed("codes are turned on and off by the person they belong to, in a session; sign in")
    return permit.caller
