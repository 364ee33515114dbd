"""Pages of stored PDFs as pictures with passages marked, drawn in the sandbox and kept for a while. Knows no HTTP.

Who may see a document is decided before. A few pages are drawn at once; what was drawn is kept in memory up to a limit.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from index.catalog import Catalog
from index.rows import DocumentInfo
from ingest.blobs import Blobs
from ingest.errors import NoSuchPage, UnreadableDocument
from ingest.parse.limits import ParseLimits
from ingest.parse.picture import Order, Picture
from ingest.parse.sandbox import Sandbox

PDF: Final = "application/pdf"
_AT_ONCE: Final = 2
_KEPT_BYTES: Final = 48 * 1024**2
_LIMITS: Final = ParseLimits(seconds=20.0, memory_bytes=1024**3)

Span = tuple[int, int]


class Pictures:
    """Draws pages. Safe to use from many threads; `close` ends the child that draws."""

    def __init__(self, catalog: Catalog, blobs: Blobs, sandbox: Sandbox | None = None) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._sandbox = sandbox or Sandbox()
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._kept: OrderedDict[tuple[str, Order], Picture] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, document: DocumentInfo, number: int, width: int, spans: Sequence[Span]) -> Picture:
        """Page `number`, `width` pixels wide (0: boxes alone); `spans` are characters of the document's text.

        Raises NoSuchPage for what has no picture, TimeoutError when too many pages wait to be drawn.
        """
        order = self._order(document, number, width, spans)
        key = (document.blob, order)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        drawn = self._draw(document, order)
        self._keep(key, drawn)
        return drawn

    def close(self) -> None:
        """End the children and forget what was drawn."""
        self._sandbox.close()
        with self._lock:
            self._kept.clear()

    def _order(self, document: DocumentInfo, number: int, width: int, spans: Sequence[Span]) -> Order:
        if document.media_type != PDF:
            raise NoSuchPage(
                f"{document.name!r} is {document.media_type}; only pages of PDF files have pictures, read its text"
            )
        place = next(((start, end) for page, start, end in document.pages if page == number), None)
        if place is None:
            raise NoSuchPage(f"{document.name!r} has {len(document.pages)} pages, but page {number} was wanted")
        first, last = place
        inside = tuple(
            (max(start, first) - first, min(end, last) - first) for start, end in spans if start < last and end > first
        )
        text = self._catalog.document_text(document.id, first, last) if inside else ""
        return Order(number, width, text, inside)

    def _draw(self, document: DocumentInfo, order: Order) -> Picture:
        if not self._places.acquire(timeout=_LIMITS.seconds):
            raise TimeoutError("too many pages wait to be drawn")
        try:
            with self._blobs.path(document.blob) as path:
                return self._sandbox.draw(path, order, _LIMITS)
        except FileNotFoundError as error:
            raise NoSuchPage(f"the original of {document.name!r} is gone; upload the file again") from error
        except UnreadableDocument as error:
            raise NoSuchPage(f"page {order.number} of {document.name!r} has no picture: {error}") from error
        finally:
            self._places.release()

    def _keep(self, key: tuple[str, Order], picture: Picture) -> None:
        with self._lock:
            self._kept[key] = picture
            held = sum(len(one.png) for one in self._kept.values())
            while held > _KEPT_BYTES and len(self._kept) > 1:
                held -= len(self._kept.popitem(last=False)[1].png)
