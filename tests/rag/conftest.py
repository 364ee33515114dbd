"""A whole service over real storage with a hashed embedder and a scripted model, for the tests of the API."""

import hashlib
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from reportlab.pdfgen.canvas import Canvas

from index.catalog import Catalog, NewChunk, NewDocument
from index.rows import embedded_text
from index.search import Searcher
from ingest.blobs import Blobs
from ingest.jobs import Jobs
from rag.access.passwords import Passwords
from rag.access.room import Access
from rag.answer import Answerer
from rag.api.running import RunningAnswers
from rag.api.server import create_routes, put_over
from rag.app import App
from rag.history import History
from rag.llm.shelf import Shelf
from rag.settings import Settings
from tests.databases import migrated
from tests.fakes import HashEmbedder, ScriptedGenerator, ScriptedModels
from tests.rag.answer_desk import desk as desk  # the fixture of a desk without HTTP

Http = httpx.AsyncClient

_FREE: list[Litestar] = []  # routes that no client uses now: making them is most of what a quick test would take


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Service:
    """The parts behind the API and shortcuts to fill them."""

    app: App
    generator: ScriptedGenerator
    running: RunningAnswers | None = None  # while a client is open

    def collection(self, name: str = "guides", **fields: Any) -> str:
        return self.app.catalog.create_collection(name, **fields).id

    def pdf_document(self, collection: str, text: str, name: str = "guide.pdf", title: str = "Guide") -> str:
        """Put a PDF of one page with one line."""
        written = io.BytesIO()
        canvas = Canvas(written)
        canvas.drawString(60, 800, text)
        canvas.save()
        return self.document(collection, text, name, title, written.getvalue())

    def document(
        self, collection: str, text: str, name: str = "guide.md", title: str = "Guide", pdf: bytes = b""
    ) -> str:
        """Put a document with one chunk per paragraph, and let the views catch up."""
        chunks, start = [], 0
        for ordinal, part in enumerate(text.split("\n\n")):
            tokens = self.app.embedder.count(part)
            chunks.append(NewChunk(ordinal, start, start + len(part), part, "", None, tokens))
            start += len(part) + 2
        original = pdf or text.encode()
        blob = self.app.blobs.put(io.BytesIO(original))
        put = self.app.catalog.put_document(
            NewDocument(
                collection=collection,
                name=name,
                title=title,
                media_type="application/pdf" if pdf else "text/markdown",
                content_hash=hashlib.sha256(original).hexdigest(),
                size=len(original),
                text=text,
                pages=((1, 0, len(text)),) if pdf else (),
                metadata={"product": "router"},
                report={"characters": len(text)},
                blob=blob.key,
                chunks=chunks,
                vectors=self.app.embedder.embed([embedded_text(c.heading, c.text) for c in chunks]),
                stamp=self.app.embedder.stamp.key,
            )
        )
        self.app.searcher.refresh()
        return put.document


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Make a service: `script` is what its model says, other arguments change settings."""
    made: list[App] = []

    def make(*script: Any, pause: float = 0.0, **changes: Any) -> Service:
        # Every evidence answers and every sentence is supported, so that the script decides what is said.
        settings = replace(
            Settings(
                data=tmp_path, answer_evidence_threshold=0.0, answer_support_threshold=0.0, answer_generated="supported"
            ),
            **changes,
        )
        database = migrated(settings.resolved_database_url)
        catalog, embedder, blobs = Catalog(database), HashEmbedder(64), Blobs(tmp_path / "blobs")
        searcher = Searcher(database, catalog, embedder, tmp_path / "views")
        generator = ScriptedGenerator(script, pause=pause)
        models: Any = ScriptedModels(generator)
        models.shelf = Shelf(tmp_path / "shelf")
        history = History(database)
        app = App(
            settings=settings,
            database=database,
            catalog=catalog,
            embedder=embedder,
            searcher=searcher,
            blobs=blobs,
            jobs=Jobs(database, settings.resolved_jobs_url, blobs, max_file_bytes=settings.ingest_max_file_bytes),
            models=models,
            history=history,
            answerer=Answerer(searcher, catalog, embedder, models, history, settings),
            access=Access(database, tmp_path, passwords=Passwords(cost=1)),
            origin={"server_port": "command line"},
        )
        searcher.refresh()
        made.append(app)
        return Service(app, generator)

    yield make
    for app in made:
        app.close()


@pytest.fixture
def service(build: Callable[..., Service]) -> Service:
    return build("The reset link is valid ", "for 30 minutes.")


@pytest.fixture
async def http(service: Service, anyio_backend: str) -> AsyncIterator[Http]:
    async with client_of(service) as client:
        yield client


@asynccontextmanager
async def client_of(service: Service) -> AsyncIterator[Http]:
    """A client on the same event loop, so that requests can overlap; errors become responses, as real ones do."""
    server = put_over(_FREE.pop() if _FREE else create_routes(), service.app)
    service.running = server.state.running
    transport = httpx.ASGITransport(server, raise_app_exceptions=False)  # type: ignore[arg-type]
    try:
        async with (
            server.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=30) as client,
        ):
            yield client
    finally:
        _FREE.append(server)
