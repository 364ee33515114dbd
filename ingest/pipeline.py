"""One stored original becomes one document of the corpus: parse, chunk, embed, commit. Knows no jobs and no queue.

Idempotent by content: the same bytes again change nothing, so it may be cut off anywhere and run again. The commit of
the catalog is the only commit point; before it nothing of the document is visible, after it everything is.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from index.catalog import Catalog
from index.embedder import Embedder
from index.errors import EmbedderMismatch
from index.rows import NewChunk, NewDocument, Outcome, PutOutcome, embedded_text, text_hash
from ingest.blobs import Blobs, StoredBlob
from ingest.chunk import chunk_document
from ingest.document import Chunk, Document
from ingest.errors import NoTextFound
from ingest.job import Progress
from ingest.originals import Originals
from ingest.parse.limits import ParseLimits
from ingest.parse.sandbox import parse_in_child

_EMBED_GROUP = 128  # texts between two reports of progress: about a second of work


class Parse(Protocol):
    """What makes a document of a file, for example `ingest.parse.sandbox.parse_in_child`."""

    def __call__(self, path: Path, name: str, limits: ParseLimits) -> Document: ...


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """What became of one original. `report` is plain JSON: what parsing saw and lost, counts, seconds per stage."""

    document: str
    outcome: Outcome
    version: int
    report: Mapping[str, Any]


class Pipeline:
    """The way of one document. Several threads may use it: one document is parsed while another is embedded."""

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        blobs: Blobs,
        limits: ParseLimits,
        parse: Parse = parse_in_child,
        keep_versions: int = 0,
        *,
        renew: Callable[[Embedder], Embedder] = lambda embedder: embedder,
    ) -> None:
        """`keep_versions` of a name are kept, the newest; 0 keeps all.

        `renew` gives the embedder whose vectors serve now: the one it is given, or another that took its place.
        """
        self._catalog = catalog
        self._embedders = [embedder]  # the last one is in use; those before may still be at work for a document
        self._renew = renew
        self._renewing = threading.Lock()
        self._blobs = blobs
        self._limits = limits
        self._parse = parse
        self._keep = keep_versions

    def ingest(
        self,
        collection: str,
        name: str,
        blob: StoredBlob,
        progress: Callable[[Progress], None],
        *,
        source: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> IngestOutcome:
        """Take the original into the collection (id) under `name`.

        `progress` is called at every boundary of work, last right before the commit; whatever it raises ends the work
        with nothing committed. `source` says who asks: asked again by the same source after a crash, the first answer
        ("added", "replaced") is given again. `metadata` is put over what the file says of
        itself. Raises UnreadableDocument, NoSuchCollection, EmbedderMismatch.
        """
        clock = _Clock()
        known = self._catalog.put_known_bytes(collection, name, blob.sha256)
        if known is not None:
            return self._known(known, source)
        embedder = self._current()
        progress(Progress("parsing"))
        with self._blobs.path(blob.key) as path:
            document = self._parse(path, name, self._limits)
        document = replace(document, metadata={**document.metadata, **(metadata or {})})
        clock.lap("parse")
        pages = len(document.pages)
        chunks = chunk_document(document, embedder, embedder.max_tokens)
        clock.lap("chunk")
        if not chunks:
            raise NoTextFound(f"{name} opened, but holds no text to search; a scan needs text recognition first")
        texts = [embedded_text(chunk.heading, chunk.text) for chunk in chunks]
        vectors, reused = self._vectors(
            embedder, texts, lambda done: progress(Progress("embedding", pages, pages, done, len(chunks)))
        )
        clock.lap("embed")
        report = _report(document, chunks, reused, source) | {"seconds": {**document.report.seconds, **clock.laps}}
        new = _new_document(collection, name, blob, document, chunks, vectors, report, embedder.stamp.key)
        progress(Progress("committing", pages, pages, len(chunks), len(chunks)))
        try:
            put = self._catalog.put_document(new)
        except EmbedderMismatch:
            if self._current() is embedder:
                raise
            # Another model began to serve while this document was embedded.
            return self.ingest(collection, name, blob, progress, source=source, metadata=metadata)
        self._drop_old_versions(put)
        clock.lap("commit")
        return IngestOutcome(
            put.document, put.outcome, put.version, report | {"seconds": report["seconds"] | clock.laps}
        )

    def tidy(self) -> None:
        """Remove what uploads cut off by a crash, and deleted documents, left behind. Safe at any time."""
        self._blobs.remove_abandoned()
        Originals(self._catalog.database, self._blobs).sweep()

    def close(self) -> None:
        """Give the embedding model back."""
        for embedder in self._embedders:
            embedder.close()

    def _current(self) -> Embedder:
        with self._renewing:
            now = self._renew(self._embedders[-1])
            if now is not self._embedders[-1]:
                self._embedders.append(now)
            return now

    def _drop_old_versions(self, put: PutOutcome) -> None:
        """After the commit: cut off here, the next version drops them."""
        if self._keep and put.version > self._keep:
            gone = self._catalog.drop_old_versions(put.document, self._keep)
            Originals(self._catalog.database, self._blobs).remove(gone)

    def _known(self, put: PutOutcome, source: str) -> IngestOutcome:
        """The bytes were in already: from an earlier upload, or from this very one before a crash."""
        report = self._catalog.document(put.document).report
        if put.outcome == "unchanged" and source and report.get("source") == source:
            outcome: Outcome = "added" if put.version == 1 else "replaced"
            return IngestOutcome(put.document, outcome, put.version, report)
        return IngestOutcome(put.document, put.outcome, put.version, report)

    def _vectors(
        self, embedder: Embedder, texts: Sequence[str], progress: Callable[[int], None]
    ) -> tuple[NDArray[np.float32], int]:
        """((n, dimension) unit rows of the texts, how many needed no embedding). Equal texts are embedded once."""
        stamp = embedder.stamp
        hashes = [text_hash(text) for text in texts]
        found: dict[str, NDArray[np.float32]] = dict(self._catalog.known_vectors(stamp.key, hashes))
        wanted = {key: text for key, text in zip(hashes, texts, strict=True) if key not in found}
        reused = len(texts) - len(wanted)
        progress(reused)
        keys = list(wanted)
        for start in range(0, len(keys), _EMBED_GROUP):
            group = keys[start : start + _EMBED_GROUP]
            rows = embedder.embed([wanted[key] for key in group])
            found.update(zip(group, rows, strict=True))
            progress(reused + start + len(group))
        return np.stack([found[key] for key in hashes]).astype(np.float32, copy=False), reused


class _Clock:
    """Seconds between laps, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(now - self._last, 4)
        self._last = now


def _report(document: Document, chunks: Sequence[Chunk], reused: int, source: str) -> dict[str, Any]:
    seen = asdict(document.report)
    seen["pages_without_text"] = list(document.report.pages_without_text)
    seen["pages_recognised"] = list(document.report.pages_recognised)
    seen["dropped"] = list(document.report.dropped)
    return seen | {
        "media_type": document.media_type,
        "chunks": len(chunks),
        "tokens": sum(chunk.tokens for chunk in chunks),
        "embeddings_reused": reused,
        "source": source,
    }


def _new_document(
    collection: str,
    name: str,
    blob: StoredBlob,
    document: Document,
    chunks: Sequence[Chunk],
    vectors: NDArray[np.float32],
    report: Mapping[str, Any],
    stamp: str,
) -> NewDocument:
    return NewDocument(
        collection=collection,
        name=name,
        title=document.title,
        media_type=document.media_type,
        content_hash=blob.sha256,
        size=blob.size,
        text=document.text,
        pages=[(page.number, page.start, page.end) for page in document.pages],
        metadata=document.metadata,
        report=report,
        blob=blob.key,
        chunks=[_new_chunk(chunk) for chunk in chunks],
        vectors=vectors,
        stamp=stamp,
    )


def _new_chunk(chunk: Chunk) -> NewChunk:
    return NewChunk(
        chunk.ordinal,
        chunk.start,
        chunk.end,
        chunk.text,
        chunk.heading,
        chunk.page,
        chunk.tokens,
        chunk.line,
        chunk.recognised,
    )
