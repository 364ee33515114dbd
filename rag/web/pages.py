"""The router of the pages and their static files, and the page that tells of an error. Knows what no page shows."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from litestar import Response, Router
from litestar.datastructures import CacheControlHeader
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from index.errors import FootnoteError
from rag.access.errors import NotSignedIn
from rag.api.permit import everyone
from rag.api.problems import problem_for
from rag.web.account_pages import account_page, back_from_provider, sign_in_page, to_provider
from rag.web.admin_pages import admin_page, audit_page, system_page, usage_page
from rag.web.asking_pages import ask_page, history_page, review_page
from rag.web.corpus_pages import collection_page, collections_page, document_page
from rag.web.frame import FOLDER, PageRequest, page, pages_of_others

_PAGES: Final[Sequence[Any]] = (
    ask_page,
    history_page,
    review_page,
    collections_page,
    collection_page,
    document_page,
    sign_in_page,
    to_provider,
    back_from_provider,
    account_page,
    admin_page,
    usage_page,
    system_page,
    audit_page,
)


def create_page_router() -> Router:
    """Routes of asking, collections, documents, signing in, the account and administration, and `/static`."""
    static = create_static_files_router(
        path="/static",
        directories=[FOLDER / "static"],
        cache_control=CacheControlHeader(no_cache=True),
        include_in_schema=False,
        opt=everyone(),
    )
    return Router(
        path="/",
        route_handlers=[*_PAGES, *pages_of_others(), static],
        exception_handlers={FootnoteError: _refusal},
    )


def _refusal(request: PageRequest, error: FootnoteError) -> Response[Any]:
    """The page instead of one that may not be seen; whoever is nobody goes to sign in first."""
    if isinstance(error, NotSignedIn):
        query = request.scope["query_string"].decode("latin-1")
        wanted = quote(request.scope["path"] + (f"?{query}" if query else ""), safe="")
        return Redirect(f"/sign-in?next={wanted}", status_code=303, headers={"Cache-Control": "no-store"})
    problem = problem_for(error, request.scope["path"])
    title = HTTPStatus(problem.status).phrase
    return page(request, "error.html", {}, status=problem.status, title=title, problem=problem, active="")
