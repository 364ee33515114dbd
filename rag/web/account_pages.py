"""The pages to sign in and for one's own account. Knows no password: the modules hand those to the API."""

from typing import Annotated

from litestar import Response, get
from litestar.params import QueryParameter

from rag.access.policy import SCOPES
from rag.api.permit import everyone, known
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
    return page(request, "sign_in.html", {"next": own_path(wanted)}, active="sign-in")


@get("/account", include_in_schema=False, sync_to_thread=True, opt=known("read"))
def account_page(request: PageRequest) -> Response[str]:
    """One's own password and keys."""
    return page(request, "account.html", {}, scopes=SCOPES, active="account")
