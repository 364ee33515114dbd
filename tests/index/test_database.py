from pathlib import Path

import pytest
from sqlalchemy import text

from index.database import Database
from index.errors import DatabaseUnusable
from index.schema import Collection, UTCDateTime, utc_now
from tests.index.corpus import Corpus


def test_sqlite_is_set_up_to_survive_power_loss(corpus: Corpus) -> None:
    with corpus.database.read() as session:
        values = [session.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous")]
        assert session.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    assert values == ["wal", 2]


def test_a_block_that_raises_leaves_nothing(corpus: Corpus) -> None:
    def write_and_raise() -> None:
        with corpus.database.write() as session:
            session.add(Collection(id="c_x", name="x", description="", egress="deny"))
            session.flush()
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        write_and_raise()
    assert [each.name for each in corpus.catalog.collections()] == ["docs"]


def test_a_reader_holds_one_moment(corpus: Corpus) -> None:
    with corpus.database.read() as session:
        count = text("SELECT count(*) FROM documents")
        assert session.execute(count).scalar_one() == 0
        corpus.put("a.txt", "written while somebody reads")
        assert session.execute(count).scalar_one() == 0
    with corpus.database.read() as session:
        assert session.execute(count).scalar_one() == 1


def test_a_damaged_database_is_one_clear_line(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    for n in range(50):
        corpus.put(f"{n}.txt", f"text number {n}")
    corpus.close()
    path = tmp_path / "footnote.db"
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xff" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnusable, match="is damaged") as caught, database.read() as session:
        session.execute(text("SELECT * FROM documents")).all()
    assert "\n" not in str(caught.value)
    database.close()


def test_a_full_disk_is_one_clear_line(corpus: Corpus) -> None:
    with corpus.database.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(DatabaseUnusable, match="no room left"):
        corpus.put("big.txt", "words " * 20_000)
    assert corpus.catalog.latest_seq() == 0


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        UTCDateTime().process_bind_param(utc_now().replace(tzinfo=None), Database("sqlite://").engine.dialect)
