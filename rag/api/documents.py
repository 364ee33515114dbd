"""Documents: list, upload, show, delete, and their text, chunks, original, report and versions. Knows no parser."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Annotated, Any, BinaryIO, Final
from urllib.parse import quote

from litestar import Controller, Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.response import Stream
from msgspec import DecodeError, Struct
from msgspec.json import decode

from index.errors import NoSuchDocument
from index.rows import ChunkInfo, DocumentInfo
from ingest.originals import Originals
from ingest.quality import qualities
from rag.api.jobs import JobView, job_view
from rag.api.listing import Cursor, Limit, Listing, slice_page
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import Permit, on
from rag.api.uploads import Received, received
from rag.app import App
from rag.errors import BadRequest

_PIECE_BYTES: Final = 256 * 1024
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9 ._-]+")
Offset = Annotated[int | None, QueryParameter(ge=0, description="In characters of the document's text.")]


class PageSpan(Struct):
    """Where a page stands in the document's text."""

    number: int
    start: int
    end: int


class DocumentView(Struct):
    """A document without its text: `size` in bytes, `characters` of its text, `state` current or superseded."""

    id: str
    collection: str
    name: str
    title: str
    media_type: str
    content_hash: str
    version: int
    state: str
    superseded_by: str | None
    size: int
    characters: int
    chunks: int
    pages: list[PageSpan]
    metadata: Mapping[str, Any]
    created_at: datetime


class TextView(Struct):
    """Characters [start, end) of a document's text; `characters` is the length of the whole."""

    document: str
    version: int
    start: int
    end: int
    characters: int
    text: str


class ChunkView(Struct):
    """A chunk: `text` is exactly the document's text at [start, end)."""

    id: int
    ordinal: int
    start: int
    end: int
    text: str
    heading: str
    page: int | None
    tokens: int
    line: int | None = None  # of the file where it begins, from 1
    ocr: bool = False  # recognised text: it may hold errors


class ReportView(Struct):
    """What ingestion says about one document: what it found and what it lost."""

    document: str
    report: Mapping[str, Any]


class Accepted(Struct):
    """An upload is safe on disk. `job` is the first of `jobs`; `batch` groups them when there are several."""

    job: JobView
    jobs: list[JobView]
    batch: str | None


class QualityView(Struct):
    """How well one file was taken in: `score` 1 is whole, 0 not at all. A file that failed has a job, no document."""

    name: str
    document: str | None
    job: str | None
    score: float
    error: str | None
    report: Mapping[str, Any]


class CollectionDocumentsController(Controller):
    """`/api/v1/collections/{collection}/documents`."""

    path = "/collections/{collection:str}/documents"
    tags = ("documents",)

    @get(sync_to_thread=True, opt=on("collection"))
    def list_documents(
        self,
        app: AppPart,
        permit: PermitPart,
        collection: FromPath[str],
        limit: Limit = 50,
        cursor: Cursor = None,
        superseded: FromQuery[bool] = False,
    ) -> Listing[DocumentView]:
        """List the documents of a collection, newest first; `superseded=true` includes older versions."""
        page = app.catalog.documents(app.catalog.collection(collection).id, limit, cursor, superseded)
        return Listing([document_view(info) for info in permit.visible(page.items)], page.next_cursor)

    @get("/report", sync_to_thread=True, opt=on("collection"))
    def list_reports(
        self, app: AppPart, permit: PermitPart, collection: FromPath[str], limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[QualityView]:
        """What was lost of each file, worst first, failed uploads included."""
        chosen = app.catalog.collection(collection).id
        hidden = permit.sight.hidden_names(chosen)
        found = [each for each in qualities(app.catalog, app.jobs, chosen) if each.name not in hidden]
        items, following = slice_page(found, limit, cursor)
        return Listing([QualityView(q.name, q.document, q.job, q.score, q.error, q.report) for q in items], following)

    @post(
        status_code=202,
        opt=on("collection", "write", audit="documents.upload", counted="uploads"),
        request_max_body_size=None,
        responses={413: ResponseSpec(dict[str, Any], description="The file is too large", generate_examples=False)},
    )
    async def upload(
        self,
        app: AppPart,
        permit: PermitPart,
        request: Request[Any, Any, Any],
        collection: FromPath[str],
        name: Annotated[str | None, QueryParameter(description="Name of a raw body; may be a relative path.")] = None,
        batch: Annotated[str | None, QueryParameter(description="Batch that the jobs join.")] = None,
        idempotency_key: Annotated[
            str | None,
            HeaderParameter(name="Idempotency-Key", max_length=200, description="Equal keys are one upload."),
        ] = None,
    ) -> Accepted:
        """Upload files as multipart, or one as a raw body. 202 once the bytes and the jobs are safe on disk.

        The documents of a ZIP archive, and the parts of a very large table, are jobs of their own in one batch.
        """
        info = await asyncio.to_thread(app.catalog.collection, collection)
        limit = app.settings.ingest_max_file_bytes
        async with received(request, app.settings.data, limit, name) as body:
            return await asyncio.to_thread(_submit, app, permit, info.id, body, batch, idempotency_key)


class DocumentController(Controller):
    """`/api/v1/documents/{document}`."""

    path = "/documents/{document:str}"
    tags = ("documents",)

    @get(sync_to_thread=True, opt=on("document"))
    def show_document(self, app: AppPart, document: FromPath[str]) -> DocumentView:
        """Show one document, current or superseded."""
        return document_view(app.catalog.document(document))

    @delete(sync_to_thread=True, opt=on("document", "write", audit="documents.delete"))
    def delete_document(self, app: AppPart, document: FromPath[str]) -> None:
        """Delete a document, its older versions and their originals. Deleting what is gone is no error."""
        originals = Originals(app.database, app.blobs)
        keys = originals.of_document(document)
        app.catalog.delete_document(document)
        originals.remove(keys)

    @get("/text", sync_to_thread=True, opt=on("document"))
    def text(
        self,
        app: AppPart,
        request: Request[Any, Any, Any],
        document: FromPath[str],
        start: Offset = None,
        end: Offset = None,
    ) -> Response[TextView | str]:
        """The text, or its characters [start, end). With `Accept: text/plain` the bare text."""
        info = app.catalog.document(document)
        first = min(start or 0, info.characters)
        last = info.characters if end is None else max(first, min(end, info.characters))
        text = app.catalog.document_text(document, first, last)
        if "text/plain" in request.headers.get("accept", ""):
            return Response(text, media_type="text/plain; charset=utf-8")
        return Response(TextView(info.id, info.version, first, last, info.characters, text))

    @get("/chunks", sync_to_thread=True, opt=on("document"))
    def chunks(
        self, app: AppPart, document: FromPath[str], limit: Limit = 100, cursor: Cursor = None
    ) -> Listing[ChunkView]:
        """The chunks in the order of the text; a superseded version has none."""
        items, following = slice_page(app.catalog.chunks(document), limit, cursor)
        return Listing([_chunk_view(chunk) for chunk in items], following)

    @get("/report", sync_to_thread=True, opt=on("document"))
    def report(self, app: AppPart, document: FromPath[str]) -> ReportView:
        """What ingestion found and lost."""
        info = app.catalog.document(document)
        return ReportView(info.id, info.report)

    @get("/versions", sync_to_thread=True, opt=on("document"))
    def versions(self, app: AppPart, permit: PermitPart, document: FromPath[str]) -> Listing[DocumentView]:
        """Every version of this document's name, newest first."""
        return Listing([document_view(info) for info in permit.visible(app.catalog.versions(document))], None)

    @get(
        "/original",
        opt=on("document", audit="documents.original"),
        responses={200: ResponseSpec(bytes, description="The file as uploaded", media_type="application/octet-stream")},
    )
    async def original(self, app: AppPart, document: FromPath[str]) -> Stream:
        """The file as it was uploaded, always as an attachment."""
        info = await asyncio.to_thread(app.catalog.document, document)
        try:
            source = await asyncio.to_thread(app.blobs.open, info.blob)
        except FileNotFoundError as error:
            raise NoSuchDocument(f"the original of document {document!r} is gone; upload the file again") from error
        headers = {
            "Content-Disposition": _attachment(info.name),
            "Content-Length": str(info.size),
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return Stream(_pieces(source), media_type=info.media_type, headers=headers)


def _submit(
    app: App, permit: Permit, collection: str, body: Received, batch: str | None, idempotency_key: str | None
) -> Accepted:
    """Hand each file to the queue. Several files, and those of an archive, get a batch, and each a key of its own."""
    several = len(body.uploads) > 1
    batch = batch or body.fields.get("batch")
    if batch is not None:
        permit.batch(batch, "write")
    elif several:
        batch = app.jobs.create_batch(collection)
    metadata = _metadata(body.fields)
    accepted = []
    for number, upload in enumerate(body.uploads):
        key = f"{idempotency_key}#{number}" if idempotency_key and several else idempotency_key
        with upload.open() as file:
            entered = app.door.enter(collection, upload.name, file, batch=batch, idempotency_key=key, metadata=metadata)
        accepted += [job_view(job) for job in entered.jobs]
        batch = batch or entered.batch
    permit.told["object"] = {"jobs": ",".join(job.id for job in accepted)}
    return Accepted(accepted[0], accepted, batch)


def _metadata(fields: Mapping[str, str]) -> Mapping[str, Any]:
    """The form field `metadata`: a JSON object that the documents are to bear, for example an effective date."""
    raw = fields.get("metadata")
    if not raw:
        return {}
    try:
        return decode(raw, type=dict[str, str | int | float | bool])
    except DecodeError as error:
        raise BadRequest(f"the field `metadata` is no JSON object of plain values: {error}") from error


async def _pieces(source: BinaryIO) -> AsyncGenerator[bytes, None]:
    with source:
        while piece := await asyncio.to_thread(source.read, _PIECE_BYTES):
            yield piece


def _attachment(name: str) -> str:
    """A Content-Disposition that no name can break out of."""
    last = name.rsplit("/", 1)[-1]
    plain = last if _PLAIN_NAME.fullmatch(last) else "document"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last, safe='')}"


def document_view(info: DocumentInfo) -> DocumentView:
    """A document as clients see it: without where its bytes are kept."""
    return DocumentView(
        id=info.id,
        collection=info.collection,
        name=info.name,
        title=info.title,
        media_type=info.media_type,
        content_hash=info.content_hash,
        version=info.version,
        state=info.state,
        superseded_by=info.superseded_by,
        size=info.size,
        characters=info.characters,
        chunks=info.chunks,
        pages=[PageSpan(*page) for page in info.pages],
        metadata=info.metadata,
        created_at=info.created_at,
    )


def _chunk_view(chunk: ChunkInfo) -> ChunkView:
    return ChunkView(
        id=chunk.id,
        ordinal=chunk.ordinal,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        heading=chunk.heading,
        page=chunk.page,
        tokens=chunk.tokens,
        line=chunk.line,
        ocr=chunk.recognised,
    )
