"""`/api/v1/collections/{collection}/sync`: a source and a collection made equal, the difference first.

Knows no kind of source beyond how a request names it.
"""

from contextlib import closing
from pathlib import Path
from typing import Annotated

from litestar import Controller, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from ingest.sources import Source, pick_folder
from ingest.sync import Applied, Difference
from rag.access.errors import NotAllowed
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import on
from rag.errors import BadRequest
from rag.settings import Settings
from rag.syncing import sync_with, web_source

Address = Annotated[str, Meta(max_length=2000)]


class SyncRequest(Struct, forbid_unknown_fields=True):
    """Exactly one of `folder` (on the server, below one of `sources.folders`), `page` and `sitemap`.

    Without `confirm` nothing is removed; with it, the `digest` of a difference, that very difference is carried out.
    """

    folder: Address | None = None
    page: Address | None = None
    sitemap: Address | None = None
    dry_run: bool = False
    confirm: Annotated[str, Meta(max_length=64)] | None = None


class MovedView(Struct):
    """A file that has another name now; its document keeps its id."""

    before: str
    after: str


class LeftView(Struct):
    """A file that is not touched, or was not accepted, and why."""

    name: str
    reason: str


class DifferenceView(Struct):
    """What a sync would do, by names of files."""

    digest: str
    added: list[str]
    changed: list[str]
    moved: list[MovedView]
    removed: list[str]
    unchanged: int
    left: list[LeftView]


class AppliedView(Struct):
    """What a sync did: `jobs` were queued in `batch`, `removed` documents deleted, `refused` files not accepted."""

    batch: str | None
    jobs: int
    moved: int
    removed: int
    refused: list[LeftView]


class SyncView(Struct):
    """The difference, and what was done about it; `applied` is null for a dry run."""

    source: str
    difference: DifferenceView
    applied: AppliedView | None


class SyncController(Controller):
    """`/api/v1/collections/{collection}/sync`."""

    path = "/collections/{collection:str}/sync"
    tags = ("documents",)

    @post(
        status_code=200,
        sync_to_thread=True,
        opt=on("collection", "write", audit="documents.sync", counted="uploads"),
    )
    def sync(
        self, app: AppPart, permit: PermitPart, collection: FromPath[str], data: JSONBody[SyncRequest]
    ) -> SyncView:
        """Make a collection follow a folder, a page or a sitemap; only what came from there is changed or removed.

        Call it with `dry_run` first: what is gone from the source is removed only when its `digest` is confirmed.
        """
        with closing(_source(app.settings, data)) as source:
            info = app.catalog.collection(collection)
            if not permit.whole(info.id):
                raise NotAllowed("a sync compares every document, and you may not read all of them; ask who manages it")
            work = sync_with(app, source, info.id)
            found, _ = work.look()
            permit.told["object"] = {"source": source.name, "digest": found.digest}
            if data.dry_run:
                return SyncView(source.name, _difference(found), None)
            batch = app.jobs.create_batch(info.id) if found.added or found.changed else None
            return SyncView(source.name, _difference(found), _applied(work.apply(data.confirm, batch=batch)))


def _source(settings: Settings, data: SyncRequest) -> Source:
    given = [kind for kind in ("folder", "page", "sitemap") if getattr(data, kind)]
    if len(given) != 1:
        raise BadRequest(f"{len(given)} sources are given, but one of folder, page and sitemap was wanted")
    if data.folder:
        return pick_folder(Path(data.folder), settings.sources_folders)
    return web_source(settings, data.page or data.sitemap or "", sitemap=bool(data.sitemap))


def _difference(found: Difference) -> DifferenceView:
    return DifferenceView(
        digest=found.digest,
        added=list(found.added),
        changed=list(found.changed),
        moved=[MovedView(*pair) for pair in found.moved],
        removed=list(found.removed),
        unchanged=found.unchanged,
        left=[LeftView(*pair) for pair in found.left],
    )


def _applied(done: Applied) -> AppliedView:
    refused = [LeftView(*pair) for pair in done.refused]
    return AppliedView(done.batch, done.jobs, done.moved, done.removed, refused)
