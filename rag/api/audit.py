"""The audit log for admins: pages, an export, and whether it is whole. Writes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery
from litestar.response import Stream
from msgspec import Struct

from rag.access.audit import Audit, AuditEntry, AuditFilter
from rag.api.listing import Cursor, Limit, Listing
from rag.api.parts import AppPart
from rag.api.permit import admins

_PAGE = 500


class AuditView(Struct):
    """Who did what to which object; `hash` covers this line and the one before."""

    seq: int
    at: datetime
    actor: str
    actor_name: str
    via: str
    action: str
    object: str
    detail: Mapping[str, Any]
    hash: str


class AuditHeadView(Struct):
    """The log is whole: how many lines it has and the hash of the last."""

    lines: int
    hash: str


class AuditController(Controller):
    """`/api/v1/audit`."""

    path = "/audit"
    tags = ("access",)

    @get(sync_to_thread=True, opt=admins())
    def list_audit(
        self,
        app: AppPart,
        limit: Limit = 100,
        cursor: Cursor = None,
        actor: FromQuery[str | None] = None,
        action: FromQuery[str | None] = None,
        object: FromQuery[str | None] = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
    ) -> Listing[AuditView]:
        """List lines, newest first. `action` may be a beginning (`people.`), `object` a part."""
        wanted = _filter(actor, action, object, since, until)
        page = app.access.audit.entries(wanted, limit, cursor)
        return Listing([_view(entry) for entry in page.items], page.next_cursor)

    @get(
        "/export",
        sync_to_thread=True,
        opt=admins(audit="audit.export"),
        responses={200: ResponseSpec(str, description="JSON lines, newest first", media_type="application/x-ndjson")},
    )
    def export(
        self,
        app: AppPart,
        actor: FromQuery[str | None] = None,
        action: FromQuery[str | None] = None,
        object: FromQuery[str | None] = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
    ) -> Stream:
        """Every line as one JSON object each."""
        lines = _lines(app.access.audit, _filter(actor, action, object, since, until))
        headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
        return Stream(lines, media_type="application/x-ndjson", headers=headers)

    @get("/verify", sync_to_thread=True, opt=admins())
    def verify(self, app: AppPart, head: FromQuery[str | None] = None) -> AuditHeadView:
        """Go through the whole log. With the hash of an earlier head, that line must still be there."""
        found = app.access.audit.verify(head)
        return AuditHeadView(found.lines, found.hash)


def _filter(
    actor: str | None, action: str | None, object: str | None, since: datetime | None, until: datetime | None
) -> AuditFilter:
    return AuditFilter(actor, action, object, _aware(since), _aware(until))


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _lines(audit: Audit, wanted: AuditFilter) -> Iterator[bytes]:
    cursor: str | None = None
    while True:
        page = audit.entries(wanted, _PAGE, cursor)
        for entry in page.items:
            yield msgspec.json.encode(asdict(entry)) + b"\n"
        cursor = page.next_cursor
        if cursor is None:
            return


def _view(entry: AuditEntry) -> AuditView:
    return AuditView(**asdict(entry))
