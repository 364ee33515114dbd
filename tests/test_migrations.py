import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import eval.schema
import ingest.schema
import rag.access.schema
import rag.schema
from index.database import MIGRATIONS, Database, revisions
from index.errors import DatabaseTooNew, DatabaseUnusable
from index.schema import Base

ROOMS = (eval.schema, ingest.schema, rag.schema, rag.access.schema)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'new' / 'footnote.db'}")
    yield database
    database.close()


def test_migrations_equal_the_models(database: Database) -> None:
    database.migrate()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_files_are_named_by_their_revision_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    chain = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions() == chain[::-1]


def test_every_migration_can_be_undone(database: Database) -> None:
    from alembic import command

    database.migrate()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.downgrade(config, "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    database.migrate()
    assert "chunks" in inspect(database.engine).get_table_names()


def test_migrating_again_is_quick_and_loads_no_alembic(database: Database) -> None:
    database.migrate()
    program = (
        "import sys, time\n"
        "from index.database import Database\n"
        "start = time.perf_counter()\n"
        f"database = Database({database.url!r})\n"
        "database.migrate()\n"
        "assert 'alembic' not in sys.modules, 'a warm start loaded alembic'\n"
        "print(time.perf_counter() - start)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.0
    start = time.perf_counter()
    database.migrate()
    assert time.perf_counter() - start < 0.1


def test_two_processes_may_migrate_at_once(tmp_path: Path) -> None:
    program = f"from index.database import Database; Database('sqlite:///{tmp_path}/footnote.db').migrate()"
    running = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(3)]
    assert [(process.wait(), process.stderr.read()) for process in running if process.stderr] == [(0, b"")] * 3
    for process in running:
        if process.stderr:
            process.stderr.close()


def test_a_later_database_is_refused(database: Database) -> None:
    database.migrate()
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    with pytest.raises(DatabaseTooNew, match=r"9999_future.*install a later Footnote"):
        database.migrate()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "footnote.db"
    path.write_bytes(b"this is a text file, long enough to look at" * 100)
    with pytest.raises(DatabaseUnusable, match="is not a SQLite database"):
        Database(f"sqlite:///{path}").migrate()


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file is in the way")
    with pytest.raises(DatabaseUnusable, match=r"data folder .* cannot be made") as caught:
        Database(f"sqlite:///{tmp_path / 'data' / 'footnote.db'}").migrate()
    assert "\n" not in str(caught.value)


def test_a_read_only_place_is_one_clear_line() -> None:
    # /proc takes no files, not even from root.
    with pytest.raises(DatabaseUnusable) as caught:
        Database("sqlite:////proc/footnote.db").migrate()
    assert "\n" not in str(caught.value)


def test_a_nonsense_url_is_one_clear_line() -> None:
    with pytest.raises(DatabaseUnusable, match="is no database URL"):
        Database("nonsense")
    with pytest.raises(DatabaseUnusable, match="is no database URL"):
        Database("nosuchdialect://x/y")
