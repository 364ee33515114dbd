"""Databases for tests: a SQLite file is migrated once per process and copied from then on, a hundred times quicker."""

import tempfile
import threading
from functools import cache
from pathlib import Path

from index.database import Database

_ONE_AT_A_TIME = threading.Lock()  # alembic keeps its state in globals


def migrated(url: str) -> Database:
    """The database of the URL in its newest form. The caller closes it."""
    database = Database(url)
    with _ONE_AT_A_TIME:
        if database.path is not None and not database.path.exists():
            database.path.parent.mkdir(parents=True, exist_ok=True)
            database.path.write_bytes(_empty())
        database.migrate()  # one query on a copy
    return database


@cache
def _empty() -> bytes:
    """A migrated file without rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "footnote.db"
        database = Database(f"sqlite:///{path}")
        database.migrate()
        copy = path.with_name("copy.db")
        database.copy_to(copy)
        database.close()
        return copy.read_bytes()
