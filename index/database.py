"""The one room of SQL connections. Knows no table but the version that migrations left, and no query of any room.

SQLite runs in WAL mode with synchronous=FULL: a commit that returned survives power loss. Writers take the lock when
they begin, so they never fail half-way because another process wrote meanwhile. PostgreSQL takes any other URL.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Inspector, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from index.errors import DatabaseTooNew, DatabaseUnusable

BUSY_SECONDS = 30
_CHECKPOINT_SECONDS = 2

# In an installed wheel the migrations lie inside this package; in a checkout, beside it.
_PACKAGED = Path(__file__).parent / "migrations"
MIGRATIONS = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "alembic"

# Errors that tell about the disk or the file, not about our SQL.
_UNUSABLE = {
    sqlite3.SQLITE_BUSY: "stays locked by another process; find who holds it and stop that",
    sqlite3.SQLITE_READONLY: "is read-only; make the file and its folder writable",
    sqlite3.SQLITE_IOERR: "cannot be read or written; check the disk",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_FULL: "has no room left on its disk; make some and try again",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its folder exists and is writable",
    sqlite3.SQLITE_PERM: "cannot be opened; check the permissions of its folder",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database; move the file away or point `data` elsewhere",
}


class Database:
    """Sessions over one database.

    `url` is an SQLAlchemy URL. Nothing is opened before the first use. Raises DatabaseUnusable if the URL is nonsense,
    and from `read`, `write` and `migrate` if the database cannot be reached or the disk refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            parsed = make_url(url)
            self.is_sqlite = parsed.get_backend_name() == "sqlite"
            self.engine: Engine = create_engine(parsed, **_engine_arguments(parsed))
        except (ArgumentError, NoSuchModuleError) as error:
            raise DatabaseUnusable(
                f"{url!r} is no database URL ({error}); use for example sqlite:////path/footnote.db"
            ) from error
        self.path = Path(parsed.database) if self.is_sqlite and parsed.database else None
        self._name = str(self.path) if self.path else parsed.render_as_string(hide_password=True)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(footnote_writes=True)
        self._reader = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one moment of the database, whatever others commit meanwhile."""
        with self._explained(), Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back if it raises. Writers on SQLite take turns."""
        with self._explained(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def migrate(self) -> None:
        """Bring the tables to the newest form; costs one query when they have it.

        Raises DatabaseTooNew if a later Footnote wrote here, DatabaseUnusable if the database cannot be written.
        """
        self._make_folder()
        with self._explained():
            with self.engine.connect() as connection:
                found = _revision(connection)
            known = revisions()
            if found == known[-1]:
                return
            if found is not None and found not in known:
                raise DatabaseTooNew(
                    f"{self._name} has revision {found}, but this Footnote knows none later than {known[-1]}; "
                    "install a later Footnote or restore an older backup"
                )
            with self._writer.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(7309453)"))
                _upgrade(connection)

    def copy_to(self, path: Path) -> None:
        """Write the database of one moment into a new file; others read and write meanwhile. SQLite only."""
        with self._explained(), closing(self.engine.raw_connection()) as source, closing(sqlite3.connect(path)) as copy:
            connection: Any = source.driver_connection
            connection.backup(copy)  # in one step: the copy is of one moment however much is written meanwhile

    def shrink(self, upto: int) -> bool:
        """Rewrite the file and empty its log: what was deleted is no longer on disk. Writers wait meanwhile.

        `upto` is the line of the change log that tells of it. SQLite only; on other databases nothing happens. False if
        readers of this moment kept the log from emptying: then it is to be done again.
        """
        if not self.is_sqlite:
            return True
        with self._explained(), self.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            # Deletions are overwritten at once, but rows that moved between pages left copies behind in the old ones.
            raw.execute("VACUUM")
            if not _emptied_log(raw):
                return False
            # The one number that a file of SQLite keeps for its user: no table, so no migration and no other database.
            raw.execute(f"PRAGMA user_version = {upto:d}")
            return True

    def erased_upto(self) -> int:
        """The line of the change log up to which nothing that was deleted is on disk; the databases of others: 0."""
        if not self.is_sqlite:
            return 0
        with self.read() as session:
            return session.scalar(text("PRAGMA user_version")) or 0

    def empty_log(self) -> bool:
        """Bring the log of SQLite into its file and cut it to nothing; False if readers are in the way."""
        if not self.is_sqlite:
            return True
        with self._explained(), self.engine.connect() as connection:
            return _emptied_log(connection.connection.driver_connection)

    def file_bytes(self) -> int:
        """The size of the file of SQLite; 0 for other databases."""
        return self.path.stat().st_size if self.path is not None and self.path.exists() else 0

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    def _make_folder(self) -> None:
        if self.path is None:
            return
        folder = self.path.resolve().parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnusable(
                f"the data folder {folder} cannot be made ({error.strerror}); choose a folder you can write with --data"
            ) from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            reason = _why(error)
            if reason is None:
                raise
            raise DatabaseUnusable(f"the database {self._name} {reason} ({error.orig})".replace("\n", " ")) from error


def revisions() -> list[str]:
    """Every migration, oldest first. Their files are named by their revision, in order."""
    return sorted(path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _engine_arguments(url: URL) -> dict[str, Any]:
    # Parameters are questions and document text: an error message would carry them into the log.
    arguments: dict[str, Any] = {"hide_parameters": True}
    if url.get_backend_name() != "sqlite":
        return {**arguments, "pool_pre_ping": True}
    # isolation_level=None: the driver begins nothing by itself, `_begin_sqlite` does.
    arguments["connect_args"] = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
    if url.database:
        # A connection is a few open files: as many as there may be threads asking at once.
        arguments |= {"pool_size": 16, "max_overflow": 64}
    return arguments


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    try:
        _enter_wal(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # zeros over what is deleted, wherever it lay last
    finally:
        cursor.close()


def _emptied_log(connection: Any) -> bool:
    # Readers are waited for, and writers wait meanwhile: not for as long as for a lock.
    connection.execute(f"PRAGMA busy_timeout={1000 * _CHECKPOINT_SECONDS:d}")
    try:
        busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        connection.execute(f"PRAGMA busy_timeout={1000 * BUSY_SECONDS:d}")
    return not busy


def _enter_wal(cursor: sqlite3.Cursor) -> None:
    """Two processes that open a new file together collide here, and SQLite does not wait for this lock by itself."""
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("footnote_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _why(error: DatabaseError) -> str | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return _UNUSABLE.get(code & 0xFF)
    # Drivers of servers raise OperationalError when the server is out of reach or out of room.
    return "cannot be reached or refuses to write" if isinstance(error, OperationalError) else None


def _revision(connection: Connection) -> str | None:
    found: Inspector = inspect(connection)
    if not found.has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(connection: Connection) -> None:
    # Lazy: importing alembic costs a good part of a warm start, which needs no migration.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
