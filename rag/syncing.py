"""Sources of documents as the settings allow them, and syncs over them. Knows no HTTP and no terminal."""

from typing import Protocol

from index.catalog import Catalog
from index.database import Database
from ingest.blobs import Blobs
from ingest.door import Door
from ingest.errors import SourceRefused
from ingest.fetch import Fetcher, Limits
from ingest.originals import Originals
from ingest.reach import Gate
from ingest.sources import Source, WebSource
from ingest.sync import Sync
from rag.settings import Settings


class Parts(Protocol):
    """What a sync needs of the service, or of the parts that hand in files."""

    @property
    def database(self) -> Database: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def blobs(self) -> Blobs: ...
    @property
    def door(self) -> Door: ...


def is_web(source: str) -> bool:
    """Whether a source is meant as an address of the web."""
    return source.lower().startswith(("http://", "https://"))


def web_source(settings: Settings, address: str, sitemap: bool) -> WebSource:
    """A page, or the pages of a sitemap. Raises SourceRefused, also when the settings allow none."""
    if settings.sources_web != "on":
        raise SourceRefused(
            "pages of the web are not read, because the setting sources.web is off; turn it on, or save the pages "
            "and ingest the files"
        )
    limits = Limits(bytes=settings.sources_web_page_bytes)
    return WebSource(
        Fetcher(Gate(settings.sources_web_allow), limits),
        address,
        sitemap=sitemap,
        most_pages=settings.sources_web_pages,
        seconds=settings.sources_web_seconds,
    )


def sync_with(parts: Parts, source: Source, collection: str) -> Sync:
    """A sync of a source into a collection (id)."""
    return Sync(parts.catalog, parts.door, Originals(parts.database, parts.blobs), source, collection)
