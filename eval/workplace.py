"""Places to evaluate in: the given data folder, or a temporary one that is filled and thrown away. Knows no metric."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from eval.datasets import Text
from index.embedder import Embedder
from index.rows import NewChunk, NewDocument, embedded_text
from ingest.chunk import chunk_document
from ingest.document import Block, Chunk, Document
from ingest.parse.limits import ParseLimits
from ingest.pipeline import Pipeline
from rag.app import App, build_app
from rag.settings import Settings

TOGETHER = 256  # texts that are chunked and embedded together: many short ones make full batches


@contextmanager
def temporary_app(settings: Settings) -> Iterator[App]:
    """The whole service over an empty data folder, removed at the end; settings and models are the given ones."""
    models = settings.data.resolve() / "models"
    models.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="footnote-eval-"))
    try:
        # Converted models are shared with the real data folder: converting takes longer than a small evaluation.
        (folder / "models").symlink_to(models, target_is_directory=True)
        with closing(build_app(replace(settings, data=folder, database_url="", jobs_url=""))) as app:
            yield app
    finally:
        shutil.rmtree(folder)


@contextmanager
def open_app(settings: Settings) -> Iterator[App]:
    """The service over the data folder of the settings, its views up to date."""
    with closing(build_app(settings)) as app:
        app.searcher.refresh()
        yield app


def document_of(text: Text) -> Document:
    """A text as the parser of a titled page would give it: the title is a heading over one paragraph."""
    if not text.title:
        return Document(text.name, "text/plain", text.name, text.text, blocks=(Block("paragraph", 0, len(text.text)),))
    whole = f"{text.title}\n\n{text.text}"
    start = len(text.title)
    blocks = (Block("heading", 0, start, level=1), Block("paragraph", start + 2, len(whole)))
    return Document(text.name, "text/plain", text.title, whole, blocks=blocks)


def whole(document: Document, embedder: Embedder) -> tuple[Chunk, ...]:
    """One chunk of as much of the document as the embedder reads, the way public figures are measured."""
    spans = embedder.offsets(document.text)[: embedder.max_tokens - 2]
    if not spans:
        return ()
    text = document.text[: spans[-1][1]]
    return (Chunk(0, 0, len(text), text, "", None, len(spans)),)


def add_texts(
    app: App,
    collection: str,
    texts: Sequence[Text],
    progress: Callable[[int], None] = lambda _: None,
    *,
    plain: bool = False,
) -> None:
    """Chunk, embed and commit texts into a collection (id), and bring the views up to date. `progress` gets a count.

    With `plain` each text is one chunk, cut where the embedder stops reading.
    """
    for start in range(0, len(texts), TOGETHER):
        documents = [document_of(text) for text in texts[start : start + TOGETHER]]
        chunks = [
            whole(document, app.embedder) if plain else chunk_document(document, app.embedder, app.embedder.max_tokens)
            for document in documents
        ]
        rows = app.embedder.embed([embedded_text(chunk.heading, chunk.text) for each in chunks for chunk in each])
        taken = 0
        for document, of_document in zip(documents, chunks, strict=True):
            vectors = rows[taken : taken + len(of_document)]
            taken += len(of_document)
            digest = hashlib.sha256(f"{document.name}\0{document.text}".encode()).hexdigest()
            app.catalog.put_document(
                NewDocument(
                    collection=collection,
                    name=document.name,
                    title=document.title,
                    media_type=document.media_type,
                    content_hash=digest,
                    size=len(document.text.encode()),
                    text=document.text,
                    pages=(),
                    metadata={},
                    report={},
                    blob="",
                    chunks=[
                        NewChunk(c.ordinal, c.start, c.end, c.text, c.heading, c.page, c.tokens) for c in of_document
                    ],
                    vectors=vectors,
                    stamp=app.embedder.stamp.key,
                )
            )
        progress(len(documents))
    app.searcher.refresh()


def add_folder(app: App, collection: str, folder: Path) -> int:
    """Take every file below the folder in as an upload would be, named by its relative path. Returns how many."""
    pipeline = Pipeline(app.catalog, app.embedder, app.blobs, ParseLimits())
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        with path.open("rb") as stream:
            blob = app.blobs.put(stream, app.settings.ingest_max_file_bytes)
        pipeline.ingest(collection, path.relative_to(folder).as_posix(), blob, lambda _: None)
    app.searcher.refresh()
    return len(files)
