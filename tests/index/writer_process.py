"""A second process that writes: takes documents as lines of JSON, puts and deletes them, answers each line with one.

Knows no view. Run as `python -m tests.index.writer_process`; each line names the database.
"""

import dataclasses
import json
import subprocess
import sys
from typing import Any

from index.catalog import Catalog, NewDocument, PutOutcome
from index.database import Database
from tests.fakes import HashEmbedder
from tests.index.corpus import new_document


class WriterProcess:
    """The process, from outside. `at` gives a catalog of one database whose writes happen there."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.index.writer_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def at(self, url: str) -> "CatalogElsewhere":
        return CatalogElsewhere(self, url)

    def ask(self, **line: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """Wait for its end."""
        assert self._process.stdout is not None
        self._process.communicate()


class CatalogElsewhere:
    """The two writes of a catalog, done by the other process."""

    def __init__(self, process: WriterProcess, url: str) -> None:
        self._process = process
        self._url = url

    def put_document(self, new: NewDocument) -> PutOutcome:
        wanted = {"collection": new.collection, "name": new.name, "text": new.text, "metadata": dict(new.metadata)}
        return PutOutcome(**self._process.ask(url=self._url, put=wanted))

    def delete_document(self, id: str) -> bool:
        gone: bool = self._process.ask(url=self._url, delete=id)
        return gone

    def close(self) -> None:
        """Let the process forget this database."""
        self._process.ask(url=self._url)


def main() -> None:
    """What the module's docstring says, until standard input ends."""
    databases: dict[str, Database] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        url = asked["url"]
        catalog = Catalog(databases.setdefault(url, Database(url)))
        answer: Any = None
        if "put" in asked:
            answer = dataclasses.asdict(catalog.put_document(new_document(**asked["put"], embedder=HashEmbedder())))
        elif "delete" in asked:
            answer = catalog.delete_document(asked["delete"])
        else:
            databases.pop(url).close()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
