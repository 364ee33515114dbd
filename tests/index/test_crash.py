import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from index.catalog import Catalog
from index.database import Database
from index.schema import Chunk, ChunkVector, Document, DocumentText
from index.search import Searcher
from tests.index.corpus import Corpus

pytestmark = pytest.mark.real


@pytest.mark.parametrize("step", ["add", "replace", "delete"])
def test_invariant_1_a_commit_is_whole_or_absent_at_every_statement(tmp_path: Path, step: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.index.crash_driver", str(tmp_path), step],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(runs) > 5
    whole = runs[-1]["after"]
    assert not runs[-1]["killed"]
    assert whole != runs[-1]["before"]
    for run in runs[:-1]:
        assert run["killed"]
        assert run["after"] in (run["before"], whole), f"killed before statement {run['kill_at']}"
    assert runs[0]["after"] == runs[0]["before"]


WRITER = """
import sys
from index.catalog import Catalog
from index.database import Database
from tests.fakes import HashEmbedder
from tests.index.corpus import new_document

catalog, embedder, n = Catalog(Database(sys.argv[1])), HashEmbedder(), int(sys.argv[3])
while True:
    n += 1
    # Names ending in .txt stay, those ending in .tmp are deleted again.
    name = f"{n}.tmp" if n % 3 == 0 else f"{n % 7}.txt"
    put = catalog.put_document(new_document(sys.argv[2], name, f"words of number {n} " * 40, embedder))
    if n % 3 == 0:
        catalog.delete_document(put.document)
        print("-" + put.document, flush=True)
    else:
        print(put.document, flush=True)
"""


def test_kill_9_at_any_time_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.close()
    acknowledged: dict[str, bool] = {}  # document -> whether it is still there
    chance = random.Random(20261122)
    for attempt in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, corpus.database.url, corpus.collection, str(1000 * attempt)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            seen = [writer.stdout.readline()]
            time.sleep(chance.uniform(0.05, 0.6))
            writer.send_signal(signal.SIGKILL)
            seen += writer.stdout.readlines()
        for line in (each.strip() for each in seen if each.endswith("\n")):
            acknowledged[line.removeprefix("-")] = not line.startswith("-")
    check(corpus, acknowledged)


def check(corpus: Corpus, acknowledged: dict[str, bool]) -> None:
    database = Database(corpus.database.url)
    catalog = Catalog(database)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Chunk)) == session.scalar(
            select(func.count()).select_from(ChunkVector)
        )
        documents = session.execute(
            select(Document.id, Document.state, Document.chunk_count, DocumentText.text).outerjoin(
                DocumentText, DocumentText.document == Document.key
            )
        ).all()
    there = {row.id for row in documents}
    assert len(acknowledged) > 4
    for document, kept in acknowledged.items():
        assert (document in there) == kept, "what was acknowledged is undone"
    for row in documents:
        chunks = catalog.chunks(row.id)
        assert len(chunks) == row.chunk_count
        assert all(row.text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
        assert (row.state == "superseded") == (row.chunk_count == 0)
    searcher = Searcher(database, catalog, corpus.embedder, corpus.views)
    found = searcher.search("words of number", collections=[corpus.collection], k=500, mode="dense")
    assert {passage.document for passage in found.passages} == {row.id for row in documents if row.state == "current"}
    searcher.close()
    database.close()
