"""Two services on one PostgreSQL, each with a data folder and a FAISS view of its own: what one takes in, both know."""

import time
from pathlib import Path

import pytest

from index.catalog import Catalog
from index.database import Database
from index.embedder import open_embedder
from index.rows import NewChunk, NewDocument
from tests.end_to_end.server_process import ServerProcess

pytestmark = pytest.mark.real

PATIENCE = 240.0  # seconds; on a quiet machine it takes a fraction of one
TEXTS = ("The heron lamp has a codeword.", "The otter lamp has a switch.", "The heron lamp has a new bulb.")


def test_both_agree_soon_and_a_deletion_holds_at_once(postgres_url: str, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    database = Database(postgres_url)
    servers: list[ServerProcess] = []
    try:
        servers.append(ServerProcess(tmp_path / "first", models, workers=0, FOOTNOTE_DATABASE_URL=postgres_url))
        servers.append(ServerProcess(tmp_path / "second", models, workers=0, FOOTNOTE_DATABASE_URL=postgres_url))
        catalog = Catalog(database)
        collection = catalog.create_collection("lamps").id
        embedder = open_embedder(cache_folder=models)
        documents = []
        for number, text in enumerate(TEXTS):
            new = NewDocument(
                collection=collection,
                name=f"{number}.txt",
                title=f"{number}",
                media_type="text/plain",
                content_hash=f"{number:064x}",
                size=len(text),
                text=text,
                pages=[(1, 0, len(text))],
                metadata={},
                report={},
                blob="none",
                chunks=[NewChunk(0, 0, len(text), text)],
                vectors=embedder.embed([text]),
                stamp=embedder.stamp.key,
            )
            documents.append(catalog.put_document(new).document)
            _agree(servers, {f"{n}.txt" for n in range(number + 1)})
        embedder.close()
        servers[0].http.delete(f"/api/v1/documents/{documents[0]}").raise_for_status()
        # No waiting: a question that is asked after the deletion returned never finds it, however far the view is.
        assert "0.txt" not in _names(servers[1])
        _agree(servers, {"1.txt", "2.txt"})
    finally:
        for server in servers:
            server.kill()
        database.close()


def _agree(servers: list[ServerProcess], names: set[str]) -> None:
    patience = time.monotonic() + PATIENCE
    while not all(_names(server) == names for server in servers):
        assert time.monotonic() < patience, [_names(server) for server in servers]
        time.sleep(0.05)


def _names(server: ServerProcess) -> set[str]:
    asked = {"question": "Which lamp has a codeword, a switch or a new bulb?", "collection": "lamps"}
    answer = server.http.post("/api/v1/search", json=asked)
    answer.raise_for_status()
    return {passage["name"] for passage in answer.json()["passages"]}
