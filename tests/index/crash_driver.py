"""Puts, replaces and deletes a document, and dies by SIGKILL before its Nth SQL statement. A program, not a test.

For N = 1, 2, ... the work is done in a forked child that shares nothing but the file; the last N is the one that the
child outlives. Prints one JSON line per N: what the child had done when it died, and what the database holds after.
"""

import json
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import event, func, select

from index.catalog import Catalog
from index.database import Database
from index.schema import Change, Chunk, ChunkVector, Document, DocumentField, DocumentText
from tests.fakes import HashEmbedder
from tests.index.corpus import Corpus, new_document

OLD, NEW = "the old words of the policy " * 4, "the new words of the policy, which are more " * 4


def work(url: str, collection: str, step: str, kill_at: int) -> None:
    database = Database(url)
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.engine, "before_cursor_execute", count)
    # The moment just before the commit is the most dangerous one.
    event.listen(database.engine, "commit", count)
    catalog = Catalog(database)
    if step == "delete":
        catalog.delete_document(catalog.documents(collection).items[0].id)
    else:
        text = OLD if step == "add" else NEW
        catalog.put_document(new_document(collection, "policy.txt", text, HashEmbedder(), metadata={"a": [1, 2]}))


def state(database: Database) -> dict[str, int]:
    with database.read() as session:
        tables = (Document, DocumentText, DocumentField, Chunk, ChunkVector, Change)
        counts = {table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}
        counts["current"] = session.scalar(select(func.count()).where(Document.state == "current")) or 0
        return counts


def main(folder: Path, step: str) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        place = folder / f"{step}-{kill_at}"
        corpus = Corpus(place)
        if step != "add":
            corpus.put("policy.txt", OLD, metadata={"a": [1, 2]})
        url, collection = corpus.database.url, corpus.collection
        before = state(corpus.database)
        corpus.close()
        child = os.fork()
        if child == 0:
            work(url, collection, step, kill_at)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        database = Database(url)
        line = {"kill_at": kill_at, "killed": killed, "before": before, "after": state(database)}
        print(json.dumps(line), flush=True)  # noqa: T201 - the test reads it
        database.close()
        if not killed:
            return


main(Path(sys.argv[1]), sys.argv[2])
