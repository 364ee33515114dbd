"""The pages of collections and documents. Knows the catalog, no jobs and no answers."""

from typing import Final

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from index.facts import facts_of
from rag.access.policy import LEVELS
from rag.api.permit import Permit, known, on, permit_of
from rag.collection_rules import own_threshold
from rag.web.frame import PageRequest, brief, page
from rag.web.view import WINDOW, pieces, window

_FORMATS: Final = (
    ".pdf,.docx,.pptx,.xlsx,.odt,.epub,.rtf,.html,.htm,.md,.markdown,.rst,.adoc,.txt,.text,.log,.csv,.tsv,.json,.jsonl,"
    ".eml,.mbox,.zip"
)


@get("/collections", include_in_schema=False, sync_to_thread=True, opt=known("read"))
def collections_page(request: PageRequest) -> Response[str]:
    """Every collection that may be read."""
    return page(request, "collections.html", {}, collections=permit_of(request).collections(), active="collections")


@get("/collections/{name:str}", include_in_schema=False, sync_to_thread=True, opt=on("collection", parameter="name"))
def collection_page(request: PageRequest, name: FromPath[str]) -> Response[str]:
    """The documents of a collection, and the way to add some."""
    permit = permit_of(request)
    info = permit.app.catalog.collection(name)
    may_write = permit.caller.may(info.id, "write")
    data = {"collection": brief(info), "mayWrite": may_write}
    return page(
        request,
        "collection.html",
        data,
        collection=info,
        may_write=may_write,
        may_manage=permit.caller.may(info.id, "manage"),
        levels=LEVELS,
        names=_names(permit),
        index=permit.app.searcher.status(),
        facts=facts_of(permit.app.database, info.id),
        models=sorted({*permit.app.models.names(), *([info.model] if info.model else [])}),
        threshold=own_threshold(info),
        usual_threshold=permit.app.settings.answer_evidence_threshold,
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
    """A document's text around a passage."""
    permit = permit_of(request)
    app, caller = permit.app, permit.caller
    info = app.catalog.document(document)
    begin, finish = window(info.characters, start, first)
    shown = app.catalog.document_text(info.id, begin, finish)
    parts = pieces(shown, begin, (start, max(start, end)), _span(cited), info.pages)
    return page(
        request,
        "document.html",
        {"document": {"id": info.id, "name": info.name, "collection": info.collection}},
        document=info,
        versions=permit.visible(app.catalog.versions(info.id)),
        may_write=caller.may(info.collection, "write"),
        may_manage=caller.may(info.collection, "manage"),
        names=_names(permit),
        collection=app.catalog.collection(info.collection),
        parts=parts,
        begin=begin,
        finish=finish,
        earlier=max(0, begin - WINDOW),
        marked=any(part.passage or part.cited for part in parts),
        active="collections",
    )


def _names(permit: Permit) -> list[str]:
    """What a field that names someone offers: everybody, for those who may list them."""
    if permit.caller.open or not permit.caller.administers:
        return []
    access = permit.app.access
    groups = [group.name for group in access.grants.groups()]
    return groups + [person.name for person in access.people.people()]


def _span(cited: str) -> tuple[int, int]:
    """`120-180` as (120, 180); an empty span for anything else."""
    start, _, end = cited.partition("-")
    return (int(start), int(end)) if start.isdecimal() and end.isdecimal() else (0, 0)
