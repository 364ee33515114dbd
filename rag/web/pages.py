"""The routes of the pages and their static files. Knows templates and the catalog, no answers, no jobs, no SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from index.errors import FootnoteError
from index.rows import CollectionInfo
from rag.access.errors import NotSignedIn
from rag.access.policy import LEVELS, ROLES, SCOPES, Caller
from rag.api.permit import admins, everyone, known, on, permit_of
from rag.api.problems import problem_for
from rag.app import App
from rag.web.texts import TEXTS, text
from rag.web.view import WINDOW, pieces, window

_FOLDER: Final = Path(__file__).parent
_EXAMPLES: Final[Mapping[str, Any]] = json.loads((_FOLDER / "examples.json").read_text(encoding="utf-8"))
_FORMATS: Final = (
    ".pdf,.docx,.pptx,.xlsx,.odt,.epub,.rtf,.html,.htm,.md,.markdown,.rst,.adoc,.txt,.text,.log,.csv,.tsv,.json,.jsonl,"
    ".eml,.mbox,.zip"
)


PageRequest = Request[Any, Any, Any]


class Templates:
    """The templates, escaping on, unknown names refused."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["t"] = text
        self._environment.filters["path"] = lambda value: quote(str(value), safe="")

    def page(
        self, name: str, data: Mapping[str, Any], *, viewer: "Viewer | None", status: int = 200, **values: Any
    ) -> Response[str]:
        """A whole page. `data` goes to its modules, with the texts, in an attribute of the body."""
        own = {"viewer": viewer.id, "csrf": viewer.csrf} if viewer else {"viewer": None, "csrf": None}
        shown = json.dumps({"texts": dict(TEXTS), **own, **data}, ensure_ascii=False)
        html = self._environment.get_template(name).render(page_data=shown, viewer=viewer, **values)
        headers = {"Cache-Control": "no-store"}
        return Response(html, media_type=MediaType.HTML, status_code=status, headers=headers)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page; `csrf` is what its writes must carry."""

    id: str
    name: str
    role: str
    administers: bool
    csrf: str | None


def viewer_of(request: PageRequest) -> Viewer | None:
    """Who signed in, or None without accounts and for someone unknown."""
    permit = permit_of(request)
    caller: Caller | None = permit.someone
    if caller is None or caller.open:
        return None
    csrf = permit.app.access.sessions.forgery_token(caller.session) if caller.session else None
    return Viewer(caller.person, caller.name, caller.role, caller.administers, csrf)


def own_path(wanted: str) -> str:
    """A path of this service to go to after signing in: never another site."""
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if plain else "/"


def create_page_router(app: App) -> Router:
    """Routes of asking, collections, documents, signing in, the account and administration, and `/static`."""
    templates = Templates()

    @get("/", include_in_schema=False, sync_to_thread=True, opt=known("read"))
    def ask_page(request: PageRequest, collection: FromQuery[str | None] = None) -> Response[str]:
        collections = permit_of(request).collections()
        chosen = _chosen(collections, collection)
        data = {"examples": _EXAMPLES, "collections": [_brief(info) for info in collections]}
        return templates.page(
            "ask.html", data, viewer=viewer_of(request), collections=collections, chosen=chosen, active="ask"
        )

    @get("/collections", include_in_schema=False, sync_to_thread=True, opt=known("read"))
    def collections_page(request: PageRequest) -> Response[str]:
        collections = permit_of(request).collections()
        return templates.page(
            "collections.html", {}, viewer=viewer_of(request), collections=collections, active="collections"
        )

    @get(
        "/collections/{name:str}",
        include_in_schema=False,
        sync_to_thread=True,
        opt=on("collection", parameter="name"),
    )
    def collection_page(request: PageRequest, name: FromPath[str]) -> Response[str]:
        info = app.catalog.collection(name)
        may_write = permit_of(request).caller.may(info.id, "write")
        data = {"collection": _brief(info), "mayWrite": may_write}
        return templates.page(
            "collection.html",
            data,
            viewer=viewer_of(request),
            collection=info,
            may_write=may_write,
            formats=_FORMATS,
            active="collections",
        )

    @get("/documents/{document:str}", include_in_schema=False, sync_to_thread=True, opt=on("document"))
    def document_page(
        request: PageRequest,
        document: FromPath[str],
        start: FromQuery[int] = 0,
        end: FromQuery[int] = 0,
        cited: FromQuery[str] = "",
        first: FromQuery[int | None] = None,
    ) -> Response[str]:
        info = app.catalog.document(document)
        begin, finish = window(info.characters, start, first)
        shown = app.catalog.document_text(info.id, begin, finish)
        parts = pieces(shown, begin, (start, max(start, end)), _span(cited), info.pages)
        collection = app.catalog.collection(info.collection)
        return templates.page(
            "document.html",
            {},
            viewer=viewer_of(request),
            document=info,
            collection=collection,
            parts=parts,
            begin=begin,
            finish=finish,
            earlier=max(0, begin - WINDOW),
            marked=any(part.passage or part.cited for part in parts),
            active="collections",
        )

    @get("/sign-in", include_in_schema=False, sync_to_thread=True, opt=everyone())
    def sign_in_page(
        request: PageRequest, wanted: Annotated[str, QueryParameter(name="next", max_length=2000)] = "/"
    ) -> Response[str]:
        data = {"next": own_path(wanted)}
        return templates.page("sign_in.html", data, viewer=viewer_of(request), active="sign-in")

    @get("/account", include_in_schema=False, sync_to_thread=True, opt=known("read"))
    def account_page(request: PageRequest) -> Response[str]:
        return templates.page("account.html", {}, viewer=viewer_of(request), scopes=SCOPES, active="account")

    @get("/admin", include_in_schema=False, sync_to_thread=True, opt=admins())
    def admin_page(request: PageRequest) -> Response[str]:
        collections = app.catalog.collections()
        return templates.page(
            "admin.html",
            {"roles": ROLES, "collections": [_brief(info) for info in collections]},
            viewer=viewer_of(request),
            collections=collections,
            programs=[person for person in app.access.people.people() if person.role == "service"],
            roles=ROLES,
            levels=LEVELS,
            scopes=SCOPES,
            active="admin",
        )

    def refusal(request: PageRequest, error: FootnoteError) -> Response[Any]:
        if isinstance(error, NotSignedIn):
            query = request.scope["query_string"].decode("latin-1")
            wanted = quote(request.scope["path"] + (f"?{query}" if query else ""), safe="")
            return Redirect(f"/sign-in?next={wanted}", status_code=303, headers={"Cache-Control": "no-store"})
        problem = problem_for(error, request.scope["path"])
        title = HTTPStatus(problem.status).phrase
        viewer = viewer_of(request)
        return templates.page(
            "error.html", {}, viewer=viewer, status=problem.status, title=title, problem=problem, active=""
        )

    static = create_static_files_router(
        path="/static",
        directories=[_FOLDER / "static"],
        cache_control=CacheControlHeader(no_cache=True),
        include_in_schema=False,
        opt=everyone(),
    )
    return Router(
        path="/",
        route_handlers=[
            ask_page,
            collections_page,
            collection_page,
            document_page,
            sign_in_page,
            account_page,
            admin_page,
            static,
        ],
        exception_handlers={FootnoteError: refusal},
    )


def _chosen(collections: Sequence[CollectionInfo], wanted: str | None) -> CollectionInfo | None:
    """The collection named in the address, else the first with documents, else the first."""
    named = [info for info in collections if wanted in (info.name, info.id)]
    filled = [info for info in collections if info.documents]
    return next(iter([*named, *filled, *collections]), None)


def _brief(info: CollectionInfo) -> dict[str, Any]:
    return {"id": info.id, "name": info.name, "documents": info.documents}


def _span(cited: str) -> tuple[int, int]:
    """`120-180` as (120, 180); an empty span for anything else."""
    start, _, end = cited.partition("-")
    return (int(start), int(end)) if start.isdecimal() and end.isdecimal() else (0, 0)
