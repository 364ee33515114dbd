"""Collections: list, create, show, change, delete. Knows no documents."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from msgspec import UNSET, Meta, Struct, UnsetType

from index.catalog import Catalog
from index.errors import NoSuchCollection, NoSuchDocument
from index.rows import CollectionInfo
from rag.api.listing import Cursor, Limit, Listing, slice_page
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import Permit, admins, known, on
from rag.collection_rules import EVIDENCE_THRESHOLD, own_threshold

_PAGE: Final = 100
_EXPORTED: Final = ("id", "name", "title", "version", "media_type", "size", "content_hash", "created_at")

Egress = Literal["deny", "redact", "allow"]
Name = Annotated[str, Meta(min_length=1, max_length=64, description="a-z, 0-9, '.', '_' and '-'.")]
Model = Annotated[str, Meta(max_length=200, description="A model's name, or a policy as in `local-then-closed`.")]
ModelNames = Annotated[list[Model], Meta(max_length=50)]
Description = Annotated[str, Meta(max_length=2000)]
Threshold = Annotated[float, Meta(ge=0, le=1)]


class CollectionView(Struct):
    """A collection; `documents` and `chunks` are counts.

    `model` answers when a question names none (empty: the default one); `models` are those that may (none: all).
    """

    id: str
    name: str
    description: str
    egress: Egress
    evidence_threshold: float | None  # evidence scored lower cannot answer here; null: that of the settings
    model: str
    models: list[str]
    documents: int
    chunks: int
    created_at: datetime


class NewCollection(Struct, forbid_unknown_fields=True):
    """What a new collection is called and whether its text may leave the site."""

    name: Name
    description: Description = ""
    egress: Egress = "deny"
    model: Model = ""
    models: ModelNames = []


class CollectionChange(Struct, forbid_unknown_fields=True):
    """The fields to change; absent ones stay."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    egress: Egress | UnsetType = UNSET
    evidence_threshold: Threshold | UnsetType | None = UNSET  # null: that of the settings
    model: Model | UnsetType = UNSET
    models: ModelNames | UnsetType = UNSET


class CollectionController(Controller):
    """`/api/v1/collections`."""

    path = "/collections"
    tags = ("collections",)

    @get(sync_to_thread=True, opt=known("read"))
    def list_collections(
        self, permit: PermitPart, limit: Limit = 100, cursor: Cursor = None
    ) -> Listing[CollectionView]:
        """List collections by name."""
        items, following = slice_page(permit.collections(), limit, cursor)
        return Listing([view(info) for info in items], following)

    @post(sync_to_thread=True, opt=admins("manage", audit="collections.create"))
    def create_collection(self, app: AppPart, data: JSONBody[NewCollection]) -> CollectionView:
        """Create an empty collection."""
        chosen = {"model": data.model, "models": data.models}
        return view(app.catalog.create_collection(data.name, data.description, data.egress, chosen))

    @get("/{collection:str}", sync_to_thread=True, opt=on("collection"))
    def show_collection(self, app: AppPart, collection: FromPath[str]) -> CollectionView:
        """Show one collection by id or name."""
        return view(app.catalog.collection(collection))

    @patch("/{collection:str}", sync_to_thread=True, opt=on("collection", "manage", audit="collections.change"))
    def change_collection(
        self, app: AppPart, collection: FromPath[str], data: JSONBody[CollectionChange]
    ) -> CollectionView:
        """Change a collection's name, description, egress rule or evidence threshold."""
        info = app.catalog.collection(collection)
        return view(_change(app.catalog, info, data))

    @get(
        "/{collection:str}/export",
        sync_to_thread=True,
        opt=on("collection", audit="collections.export"),
        responses={200: ResponseSpec(str, description="JSON lines of documents", media_type="application/x-ndjson")},
    )
    def export(self, app: AppPart, permit: PermitPart, collection: FromPath[str]) -> Stream:
        """Every current document that the caller may read, with its text and metadata, as one JSON object each."""
        info = app.catalog.collection(collection)
        headers = {"Content-Disposition": f'attachment; filename="{info.name}.jsonl"'}
        return Stream(_exported(app.catalog, permit, info.id), media_type="application/x-ndjson", headers=headers)

    @delete("/{collection:str}", sync_to_thread=True, opt=on("collection", "manage", audit="collections.delete"))
    def delete_collection(self, app: AppPart, collection: FromPath[str]) -> None:
        """Delete a collection with all its documents. Deleting what is gone is no error."""
        try:
            info = app.catalog.collection(collection)
        except NoSuchCollection:
            return
        app.catalog.delete_collection(info.id)


def _exported(catalog: Catalog, permit: Permit, collection: str) -> Iterator[bytes]:
    cursor: str | None = None
    while True:
        page = catalog.documents(collection, _PAGE, cursor)
        for info in permit.visible(page.items):
            try:
                text = catalog.document_text(info.id)
            except NoSuchDocument:
                continue  # it was deleted while others were written
            told = {name: getattr(info, name) for name in _EXPORTED}
            yield msgspec.json.encode(told | {"metadata": dict(info.metadata), "text": text}) + b"\n"
        cursor = page.next_cursor
        if cursor is None:
            return


def _change(catalog: Catalog, info: CollectionInfo, data: CollectionChange) -> CollectionInfo:
    return catalog.update_collection(
        info.id,
        name=None if data.name is UNSET else data.name,
        description=None if data.description is UNSET else data.description,
        egress=None if data.egress is UNSET else data.egress,
        metadata=_given(data),
    )


def _given(data: CollectionChange) -> dict[str, Any]:
    fields = {EVIDENCE_THRESHOLD: data.evidence_threshold, "model": data.model, "models": data.models}
    return {name: value for name, value in fields.items() if value is not UNSET}


def view(info: CollectionInfo) -> CollectionView:
    """A collection as clients see it."""
    return CollectionView(
        id=info.id,
        name=info.name,
        description=info.description,
        egress=info.egress,
        evidence_threshold=own_threshold(info),
        model=info.model,
        models=list(info.models),
        documents=info.documents,
        chunks=info.chunks,
        created_at=info.created_at,
    )
