"""A data folder with everything ingestion needs, for tests. Parsing is in-process and embedding is hashed."""

import io
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from index.catalog import Catalog
from index.database import Database
from index.embedder import Embedder
from ingest.blobs import Blobs
from ingest.document import Block, Document, Report
from ingest.errors import BrokenDocument, EncryptedDocument
from ingest.job import JobInfo
from ingest.jobs import Jobs
from ingest.parse.limits import ParseLimits
from ingest.pipeline import Parse, Pipeline
from ingest.queue import TicketQueue
from tests.databases import migrated
from tests.fakes import HashEmbedder


def parse_text(path: Path, name: str, limits: ParseLimits) -> Document:
    """Paragraphs of UTF-8 text. The words `locked` and `broken` at the start make a file that cannot be read."""
    text = path.read_text("utf-8")
    if text.startswith("locked"):
        raise EncryptedDocument(f"{name} needs a password; upload a copy without one")
    if text.startswith("broken"):
        raise BrokenDocument(f"{name} is damaged")
    blocks, at = [], 0
    for part in text.split("\n\n"):
        if part.strip():
            blocks.append(Block("paragraph", at, at + len(part)))
        at += len(part) + 2
    return Document(name, "text/plain", name, text, blocks=tuple(blocks), report=Report(characters=len(text)))


@dataclass(frozen=True)
class Rig:
    """Everything of one data folder."""

    data: Path
    database: Database
    catalog: Catalog
    blobs: Blobs
    jobs: Jobs
    collection: str
    jobs_url: str

    @property
    def options(self) -> tuple[str, ...]:
        """What tells a driver in another process where all this is."""
        urls = () if self.database.is_sqlite else ("--database-url", self.database.url, "--jobs-url", self.jobs_url)
        return (str(self.data), *urls)

    def submit(self, name: str, text: str, **options: str) -> JobInfo:
        return self.jobs.submit(self.collection, name, io.BytesIO(text.encode()), **options)

    def pipeline(self, parse: Parse = parse_text, embedder: Embedder | None = None) -> Pipeline:
        return Pipeline(self.catalog, embedder or HashEmbedder(), self.blobs, ParseLimits(), parse)

    def names(self) -> list[str]:
        """Of the current documents, sorted."""
        return sorted(document.name for document in self.catalog.documents(self.collection, limit=10_000).items)

    def close(self) -> None:
        self.jobs.close()
        self.database.close()


def jobs_url(data: Path) -> str:
    return f"sqlite:///{data / 'jobs.db'}"


@cache
def _empty_queue() -> bytes:
    """The file of a queue without tickets: making its tables anew for every test costs more than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        queue = TicketQueue(jobs_url(Path(folder)))
        queue.enqueue([])
        queue.close()
        (path,) = Path(folder).glob("*.db")
        return path.read_bytes()


def open_rig(data: Path, database_url: str = "", jobs: str = "") -> Rig:
    """Open the folder; made with its collection when it is new. The URLs are of a server, where one is used."""
    database = migrated(database_url or f"sqlite:///{data / 'footnote.db'}")
    if not jobs and not (data / "jobs.db").exists():
        (data / "jobs.db").write_bytes(_empty_queue())
    catalog = Catalog(database)
    found = catalog.collections()
    collection = found[0].id if found else catalog.create_collection("manuals").id
    blobs = Blobs(data / "blobs")
    queue = jobs or jobs_url(data)
    return Rig(data, database, catalog, blobs, Jobs(database, queue, blobs), collection, queue)
