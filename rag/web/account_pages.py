"""The pages to sign in and for one's own account. Knows no password: the modules hand those to the API."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.params import QueryParameter
from litestar.response import Redirect

from rag.access.errors import SignOnFailed
from rag.access.policy import SCOPES
from rag.access.sign_on import LASTS, SignOn
from rag.api.credentials import attempt_cookie, attempt_token
from rag.api.permit import Permit, everyone, known, permit_of
from rag.api.session import begin_session, count_attempt
from rag.web.frame import PageRequest, page


def own_path(wanted: str) -> str:
    """A path of this service to go to after signing in: never another site."""
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if plain else "/"


@get("/sign-in", include_in_schema=False, sync_to_thread=True, opt=everyone())
def sign_in_page(
    request: PageRequest, wanted: Annotated[str, QueryParameter(name="next", max_length=2000)] = "/"
) -> Response[str]:
    """Sign in, and go on to `next`."""
    provider = permit_of(request).app.access.sign_on is not None
    values: dict[str, Any] = {
        "provider": provider,
        "label": permit_of(request).app.settings.oidc_label,
        "following": own_path(wanted),
    }
    return page(request, "sign_in.html", {"next": own_path(wanted)}, active="sign-in", **values)


@get("/sign-in/provider", include_in_schema=False, sync_to_thread=True, opt=everyone())
def to_provider(
    request: PageRequest, wanted: Annotated[str, QueryParameter(name="next", max_length=2000)] = "/"
) -> Response[Any]:
    """Send the browser to the sign-in provider."""
    permit = permit_of(request)
    count_attempt(permit)
    redirect = permit.app.settings.oidc_redirect_url or f"{request.base_url}sign-in/provider/back"
    sent = _sign_on(permit).begin(redirect, own_path(wanted))
    cookie = attempt_cookie(permit.credentials.cookie, sent.browser, int(LASTS.total_seconds()))
    return _on_to(sent.address, cookie)


@get("/sign-in/provider/back", include_in_schema=False, sync_to_thread=True, opt=everyone())
def back_from_provider(
    request: PageRequest,
    attempt: Annotated[str, QueryParameter(name="state", max_length=200)] = "",
    code: Annotated[str, QueryParameter(max_length=4000)] = "",
    error: Annotated[str, QueryParameter(max_length=200)] = "",
) -> Response[Any]:
    """Come back from the sign-in provider, with a session when it vouches for someone."""
    permit = permit_of(request)
    count_attempt(permit)
    browser = attempt_token(request.scope, permit.credentials.cookie)
    if error or not code:
        raise SignOnFailed("the sign-in provider let nobody in; begin again, or ask an admin")
    who = _sign_on(permit).finish(attempt, browser, code)
    begin_session(permit, who.person, who.name)
    return _on_to(own_path(who.wanted), attempt_cookie(permit.credentials.cookie, "", 0))


@get("/account", include_in_schema=False, sync_to_thread=True, opt=known("read"))
def account_page(request: PageRequest) -> Response[str]:
    """One's own password and keys."""
    return page(request, "account.html", {}, scopes=SCOPES, active="account")


def _sign_on(permit: Permit) -> SignOn:
    if permit.app.access.sign_on is None or not permit.app.access.in_use:
        raise SignOnFailed("no sign-in provider is set here; sign in with a name and a password")
    return permit.app.access.sign_on


def _on_to(address: str, cookie: bytes) -> Response[Any]:
    headers = {"Cache-Control": "no-store", "Set-Cookie": cookie.decode()}
    return Redirect(address, status_code=303, headers=headers)
