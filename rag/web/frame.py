"""What every page is made with: the templates, and who looks. Knows no single page and no SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response

from index.rows import CollectionInfo
from rag.access.policy import Caller
from rag.api.permit import permit_of
from rag.web.texts import TEXTS, text

FOLDER: Final = Path(__file__).parent

PageRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page; `csrf` is what its writes must carry."""

    id: str
    name: str
    role: str
    csrf: str | None


@dataclass(frozen=True, slots=True)
class Sight:
    """Which rooms of the pages someone may enter: without accounts all; `evaluates` where those are installed."""

    reviews: bool
    administers: bool
    evaluates: bool


def viewer_of(request: PageRequest) -> Viewer | None:
    """Who signed in, or None without accounts and for someone unknown."""
    permit = permit_of(request)
    caller: Caller | None = permit.someone
    if caller is None or caller.open:
        return None
    csrf = permit.app.access.sessions.forgery_token(caller.session) if caller.session else None
    return Viewer(caller.person, caller.name, caller.role, csrf)


def page(
    request: PageRequest,
    template: str,
    data: Mapping[str, Any],
    *,
    active: str,
    status: int = 200,
    templates: Sequence[Path] = (),
    **values: Any,
) -> Response[str]:
    """A whole page. `data` goes to its modules, with the texts, in an attribute of the body.

    `templates` are folders of rooms above this one, looked through after our own.
    """
    viewer, caller = viewer_of(request), permit_of(request).someone
    reviews = caller is not None and caller.reads_answers_of_others
    sight = Sight(reviews, caller is not None and caller.administers, reviews and bool(pages_of_others()))
    own = {"viewer": viewer.id, "csrf": viewer.csrf} if viewer else {"viewer": None, "csrf": None}
    shown = json.dumps({"texts": dict(TEXTS), **own, **data}, ensure_ascii=False)
    found = _environment(tuple(templates)).get_template(template)
    html = found.render(page_data=shown, viewer=viewer, sight=sight, active=active, **values)
    return Response(html, media_type=MediaType.HTML, status_code=status, headers={"Cache-Control": "no-store"})


@lru_cache(maxsize=1)
def pages_of_others() -> tuple[Any, ...]:
    """The routes that rooms above this one bring by the entry point `footnote.pages`."""
    found = metadata.entry_points(group="footnote.pages")
    return tuple(handler for entry in found for handler in entry.load())


def brief(info: CollectionInfo) -> dict[str, Any]:
    """A collection as the modules of a page know it."""
    return {"id": info.id, "name": info.name, "documents": info.documents}


@lru_cache(maxsize=8)
def _environment(more: tuple[Path, ...]) -> Environment:
    """Escaping on, unknown names refused."""
    environment = Environment(
        loader=FileSystemLoader([FOLDER / "templates", *more]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["t"] = text
    environment.filters["shown"] = lambda value: f"{value:.3f}" if isinstance(value, float) else str(value)
    environment.filters["path"] = lambda value: quote(str(value), safe="")
    return environment
