"""What holds on SQLite holds on a real PostgreSQL server; where the two differ, the difference has its test here."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

import eval.schema
import ingest.schema
import rag.access.schema
import rag.schema
from index.catalog import Catalog
from index.database import MIGRATIONS, Database
from index.errors import DatabaseUnusable
from index.schema import Base, Collection
from tests.index.corpus import Corpus, new_document
from tests.index.test_model import CorpusMachine, run
from tests.postgres import PostgresServer

pytestmark = pytest.mark.real

ROOMS = (eval.schema, ingest.schema, rag.schema, rag.access.schema)


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.close()


def test_migrations_equal_the_models_and_can_be_undone(database: Database) -> None:
    from alembic import command

    database.migrate()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.downgrade(config, "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    database.migrate()
    assert "chunks" in inspect(database.engine).get_table_names()


def test_two_processes_may_migrate_at_once(postgres_url: str) -> None:
    program = f"from index.database import Database; Database({postgres_url!r}).migrate()"
    running = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[1] for process in running] == [b""] * 2


def test_a_reader_holds_one_moment_and_a_block_that_raises_leaves_nothing(database: Database) -> None:
    database.migrate()
    count = text("SELECT count(*) FROM collections")
    with database.read() as session:
        assert session.execute(count).scalar_one() == 0
        Catalog(database).create_collection("docs")
        assert session.execute(count).scalar_one() == 0

    def write_and_raise() -> None:
        with database.write() as session:
            session.add(Collection(id="c_x", name="x", description="", egress="deny"))
            session.flush()
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        write_and_raise()
    assert [each.name for each in Catalog(database).collections()] == ["docs"]


def test_a_server_out_of_reach_is_one_clear_line(tmp_path: Path) -> None:
    database = Database(f"postgresql+psycopg://me:hidden@/nothing?host={tmp_path}")
    with pytest.raises(DatabaseUnusable, match="cannot be reached") as caught:
        database.migrate()
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_writers_beside_each_other_leave_one_log_in_order(postgres_url: str, tmp_path: Path) -> None:
    """Whoever reads the log after line n never finds a line before n later: views would miss it."""
    corpus = Corpus(tmp_path, postgres_url)
    other = corpus.catalog.create_collection("other").id

    def write(place: int) -> None:
        for n in range(20):
            collection = (corpus.collection, other)[place % 2]
            corpus.catalog.put_document(new_document(collection, f"{n}.txt", f"words {place} {n}", corpus.embedder))

    seen: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, place) for place in range(4)]
        while True:
            over = all(writer.done() for writer in writers)
            seen += [change.seq for change in corpus.catalog.changes_after(seen[-1] if seen else 0)]
            if over:
                break
        for writer in writers:
            writer.result()
    assert seen == [change.seq for change in corpus.catalog.changes_after(0)]
    assert {corpus.catalog.collection(name).documents for name in ("docs", "other")} == {20}
    corpus.close()


def test_many_histories(postgres_server: PostgresServer) -> None:
    """The model of `test_model`, with PostgreSQL as the truth."""
    made: list[str] = []

    class PostgresMachine(CorpusMachine):
        def new_corpus(self, folder: Path) -> Corpus:
            made.append(f"model_{secrets.token_hex(6)}")
            postgres_server.execute(f"CREATE DATABASE {made[-1]}")
            return Corpus(folder, postgres_server.url(made[-1]))

        def teardown(self) -> None:
            super().teardown()
            postgres_server.execute(f"DROP DATABASE {made.pop()} WITH (FORCE)")

    run(PostgresMachine, examples=4, steps=25)
