"""The pages of owners and admins. Knows people and collections, no figures: the modules fetch those from the API."""

from litestar import Response, get

from rag.access.policy import LEVELS, ROLES, SCOPES
from rag.api.permit import admins, permit_of
from rag.web.frame import PageRequest, brief, page


@get("/admin", include_in_schema=False, sync_to_thread=True, opt=admins())
def admin_page(request: PageRequest) -> Response[str]:
    """People, groups, grants and keys."""
    app = permit_of(request).app
    collections = app.catalog.collections()
    return page(
        request,
        "admin.html",
        {"roles": ROLES, "collections": [brief(info) for info in collections]},
        collections=collections,
        programs=[person for person in app.access.people.people() if person.role == "service"],
        roles=ROLES,
        levels=LEVELS,
        scopes=SCOPES,
        active="admin",
        tab="people",
    )


@get("/admin/usage", include_in_schema=False, sync_to_thread=True, opt=admins())
def usage_page(request: PageRequest) -> Response[str]:
    """What was answered and what it cost."""
    app = permit_of(request).app
    names = {info.id: info.name for info in app.catalog.collections()}
    every = app.access.keys.keys()
    keys = {info.id: info.name or info.id for info in every}
    return page(request, "usage.html", {"collections": names, "keys": keys}, active="admin", tab="usage")


@get("/admin/system", include_in_schema=False, sync_to_thread=True, opt=admins())
def system_page(request: PageRequest) -> Response[str]:
    """Health, models and settings."""
    index = permit_of(request).app.searcher.status()
    return page(request, "system.html", {}, active="admin", tab="system", index=index)


@get("/admin/audit", include_in_schema=False, sync_to_thread=True, opt=admins())
def audit_page(request: PageRequest) -> Response[str]:
    """Who did what to which object."""
    return page(request, "audit.html", {}, active="admin", tab="audit")
