"""A small corpus for the tests of the index: words become documents without a parser. Knows no test."""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from index.catalog import Catalog, NewChunk, NewDocument, PutOutcome, embedded_text
from index.database import Database
from index.passage import SearchResult
from tests.databases import migrated
from tests.fakes import HashEmbedder

CHUNK = 30  # characters
WORDS = ["queue", "message", "broker", "consumer", "ttl", "policy", "limit", "error", "disk", "password", "session"]


def new_database(folder: Path, url: str | None = None) -> Database:
    folder.mkdir(parents=True, exist_ok=True)
    return migrated(url or f"sqlite:///{folder / 'footnote.db'}")


def cut(text: str) -> list[NewChunk]:
    starts = range(0, len(text), CHUNK)
    return [NewChunk(i, a, min(a + CHUNK, len(text)), text[a : a + CHUNK]) for i, a in enumerate(starts)]


def new_document(
    collection: str,
    name: str,
    text: str,
    embedder: HashEmbedder,
    *,
    metadata: Mapping[str, Any] | None = None,
    stamp: str | None = None,
    media_type: str = "text/plain",
) -> NewDocument:
    chunks = cut(text)
    texts = [embedded_text(chunk.heading, chunk.text) for chunk in chunks]
    return NewDocument(
        collection=collection,
        name=name,
        title=name.partition(".")[0],
        media_type=media_type,
        content_hash=hashlib.sha256(text.encode()).hexdigest(),
        size=len(text.encode()),
        text=text,
        pages=[(1, 0, len(text))],
        metadata=metadata or {},
        report={"characters": len(text)},
        blob="ab/abcdef",
        chunks=chunks,
        vectors=embedder.embed(texts) if texts else np.empty((0, embedder.stamp.dimension), np.float32),
        stamp=embedder.stamp.key if stamp is None else stamp,
    )


class Corpus:
    """One database with a collection; of SQLite in `folder`, or at `url`."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.views = folder / "views"
        self.database = new_database(folder, url)
        self.catalog = Catalog(self.database)
        self.embedder = HashEmbedder()
        self.collection = self.catalog.create_collection("docs").id

    def put(self, name: str, text: str, collection: str | None = None, **more: Any) -> PutOutcome:
        return self.catalog.put_document(new_document(collection or self.collection, name, text, self.embedder, **more))

    def close(self) -> None:
        self.database.close()


def fill(corpus: Corpus, count: int = 12) -> None:
    for n in range(count):
        picked = [WORDS[(n * 7 + step * (n % 5 + 1)) % len(WORDS)] for step in range(12)]
        corpus.put(f"{n}.txt", f"document {n} " + " ".join(picked), metadata={"n": n, "even": n % 2 == 0})


def names(result: SearchResult) -> list[str]:
    return [passage.name for passage in result.passages]


def wait_until(condition: Callable[[], bool], seconds: float) -> float:
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise TimeoutError(f"not so after {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - start
