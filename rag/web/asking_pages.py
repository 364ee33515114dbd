"""The pages of asking, of what was asked before, and of what people said of it. Knows no answer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromQuery

from index.rows import CollectionInfo
from rag.api.permit import known, permit_of, reviewers
from rag.web.frame import FOLDER, PageRequest, brief, page, pages_of_others

_EXAMPLES: Final[Mapping[str, Any]] = json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))


@get("/", include_in_schema=False, sync_to_thread=True, opt=known("read"))
def ask_page(request: PageRequest, collection: FromQuery[str | None] = None) -> Response[str]:
    """Ask, and read the conversation."""
    collections = permit_of(request).collections()
    data = {"examples": _EXAMPLES, "collections": [brief(info) for info in collections]}
    chosen = _chosen(collections, collection)
    return page(request, "ask.html", data, collections=collections, chosen=chosen, active="ask")


@get("/history", include_in_schema=False, sync_to_thread=True, opt=known("read"))
def history_page(request: PageRequest) -> Response[str]:
    """One's own conversations."""
    return page(request, "history.html", {}, active="history")


@get("/review", include_in_schema=False, sync_to_thread=True, opt=reviewers())
def review_page(request: PageRequest) -> Response[str]:
    """What people said of answers."""
    names = {info.id: info.name for info in permit_of(request).collections()}
    data = {"evaluates": bool(pages_of_others()), "collections": names}
    return page(request, "review.html", data, active="review")


def _chosen(collections: Sequence[CollectionInfo], wanted: str | None) -> CollectionInfo | None:
    """The collection named in the address, else the first with documents, else the first."""
    named = [info for info in collections if wanted in (info.name, info.id)]
    filled = [info for info in collections if info.documents]
    return next(iter([*named, *filled, *collections]), None)
