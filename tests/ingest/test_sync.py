"""A folder and a collection: the difference is shown first, and nothing that came from elsewhere is touched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import divide
from ingest.blobs import StoredBlob
from ingest.door import Door
from ingest.errors import SyncNotConfirmed
from ingest.job import Progress
from ingest.originals import Originals
from ingest.sources import FolderSource
from ingest.sync import Sync
from tests.ingest import made_files as made
from tests.ingest.job_rig import Rig, open_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    (tmp_path / "data").mkdir()
    rig = open_rig(tmp_path / "data")
    yield rig
    rig.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "sub/c.txt"):
        (folder / name).write_text(f"the words of {name}")
    (folder / ".hidden").write_text("x")
    return folder


def sync_of(rig: Rig, folder: Path) -> Sync:
    door = Door(rig.catalog, rig.jobs)
    return Sync(rig.catalog, door, Originals(rig.database, rig.blobs, 0.0), FolderSource(folder), rig.collection)


def quiet(_progress: Progress) -> None:
    """Progress that nobody watches."""


def work_off(rig: Rig) -> None:
    """Do the waiting jobs, as a worker would."""
    pipeline = rig.pipeline()
    for job in reversed(rig.jobs.jobs(state="queued", limit=1000).items):
        with rig.database.read() as session:
            row = session.connection().exec_driver_sql(f"SELECT blob, sha256 FROM jobs WHERE id = '{job.id}'").one()
        pipeline.ingest(rig.collection, job.name, StoredBlob(row[0], row[1], job.size), quiet, metadata=job.attributes)
        with rig.database.write() as session:
            session.connection().exec_driver_sql(f"UPDATE jobs SET state = 'done' WHERE id = '{job.id}'")


def test_a_sync_adds_changes_moves_and_removes_what_is_its_own(rig: Rig, folder: Path) -> None:
    rig.submit("by-hand.txt", "handed in")
    work_off(rig)
    sync = sync_of(rig, folder)
    found, _ = sync.look()
    assert (found.added, found.changed, found.moved, found.removed) == (("a.txt", "b.txt", "sub/c.txt"), (), (), ())
    assert sync.apply(None).jobs == 3
    work_off(rig)
    again, _ = sync.look()
    assert again.is_empty
    assert again.unchanged == 3
    (folder / "a.txt").write_text("new words of a")
    (folder / "sub/c.txt").rename(folder / "d.txt")
    (folder / "b.txt").unlink()
    (folder / "by-hand.txt").write_text("another text of that name")
    (folder / "copy.txt").write_text("new words of a")
    (folder / "docs.zip").write_bytes(made.zipped({"x.txt": "x"}))
    found, _ = sync.look()
    assert (found.added, found.changed, found.removed) == (("copy.txt",), ("a.txt",), ("b.txt",))
    assert found.moved == (("sub/c.txt", "d.txt"),)
    assert [name for name, _ in found.left] == ["by-hand.txt", "docs.zip"]
    chunk = rig.catalog.chunks(next(d.id for d in rig.catalog.documents(rig.collection).items if d.name == "sub/c.txt"))
    with pytest.raises(SyncNotConfirmed, match="confirm again"):
        sync.apply("0" * 12)
    applied = sync.apply(found.digest)
    assert (applied.jobs, applied.moved, applied.removed) == (2, 1, 1)
    work_off(rig)
    assert rig.names() == ["a.txt", "by-hand.txt", "d.txt"]
    moved = next(d for d in rig.catalog.documents(rig.collection).items if d.name == "d.txt")
    assert rig.catalog.chunks(moved.id) == chunk
    assert sync.look()[0].is_empty


def test_without_a_confirmation_nothing_is_removed(rig: Rig, folder: Path) -> None:
    sync = sync_of(rig, folder)
    sync.apply(None)
    work_off(rig)
    (folder / "a.txt").unlink()
    applied = sync.apply(None)
    assert (applied.jobs, applied.removed) == (0, 0)
    assert sync.look()[0].removed == ("a.txt",)
    assert len(rig.names()) == 3


def test_a_large_table_goes_with_all_its_parts(rig: Rig, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divide, "DIVIDE_BYTES", 1000)
    monkeypatch.setattr("ingest.sources.DIVIDE_BYTES", 1000)
    (folder / "big.csv").write_text("plan,days\n" + "".join(f"plan {n},{n}\n" for n in range(500)))
    sync = sync_of(rig, folder)
    sync.apply(None)
    work_off(rig)
    assert "big.csv/part-00001.csv" in rig.names()
    assert sync.look()[0].changed == ("big.csv",)  # its parts are compared at the door
    (folder / "big.csv").unlink()
    found, _ = sync.look()
    assert found.removed == ("big.csv",)
    assert sync.apply(found.digest).removed == 1


def test_links_out_of_the_folder_are_not_followed(rig: Rig, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert "link.txt" not in sync_of(rig, folder).look()[0].added


def test_a_document_cannot_take_a_name_in_use(rig: Rig) -> None:
    rig.submit("a.txt", "one")
    rig.submit("b.txt", "two")
    work_off(rig)
    first = next(d.id for d in rig.catalog.documents(rig.collection).items if d.name == "a.txt")
    assert not rig.catalog.rename_document(first, "b.txt")
    assert rig.catalog.rename_document(first, "c.txt")
    assert rig.names() == ["b.txt", "c.txt"]
