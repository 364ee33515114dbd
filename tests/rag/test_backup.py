"""A backup taken while another process writes is of one moment and whole; a damaged one is never brought back."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.catalog import Catalog
from index.proof import check_truth
from ingest.blobs import Blobs
from rag.access.secret import open_seal
from rag.backup import MANIFEST, back_up, restore
from rag.errors import BackupUnusable, DataFolderUnusable
from tests.databases import migrated
from tests.fakes import HashEmbedder
from tests.index.corpus import new_document

EMBEDDER = HashEmbedder()


class Folder:
    """A data folder with a few documents and their originals."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        self.database = migrated(f"sqlite:///{path / 'footnote.db'}")
        self.catalog = Catalog(self.database)
        self.blobs = Blobs(path / "blobs")

    def put(self, collection: str, name: str, words: str) -> str:
        from dataclasses import replace

        blob = self.blobs.put(io.BytesIO(words.encode()))
        document = replace(new_document(collection, name, words, EMBEDDER), blob=blob.key)
        return self.catalog.put_document(document).document


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path / "data")
    open_seal(folder.path)
    collection = folder.catalog.create_collection("docs").id
    for n in range(3):
        folder.put(collection, f"{n}.txt", f"words of number {n} " * 20)
    yield folder
    folder.database.close()


def check(path: Path) -> Folder:
    folder = Folder(path)
    findings = list(check_truth(folder.database, EMBEDDER.stamp.key, EMBEDDER.stamp.dimension))
    assert all(finding.ok for finding in findings), findings
    for info in folder.catalog.documents(folder.catalog.collection("docs").id, limit=1000).items:
        with folder.blobs.open(info.blob) as file:
            assert file.read().decode() == folder.catalog.document_text(info.id)
    return folder


def test_a_backup_comes_back_whole(data: Folder, tmp_path: Path) -> None:
    saved = back_up(data.path, data.database, tmp_path / "saved")
    assert (saved.documents, saved.originals, saved.lost) == (3, 3, ())
    (data.path / "footnote.db").touch()
    again = restore(tmp_path / "saved", tmp_path / "again")
    assert again.latest_seq == saved.latest_seq == 3
    folder = check(tmp_path / "again")
    assert folder.catalog.collection("docs").documents == 3
    assert (folder.path / "access.secret").read_bytes() == (data.path / "access.secret").read_bytes()
    assert (folder.path / "access.secret").stat().st_mode & 0o077 == 0
    assert not (folder.path / "jobs.db").exists()
    folder.database.close()
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {"footnote.db", "access.secret", "blobs", MANIFEST}


def test_nothing_that_exists_is_overwritten_unasked(data: Folder, tmp_path: Path) -> None:
    back_up(data.path, data.database, tmp_path / "saved")
    with pytest.raises(BackupUnusable, match="is there already"):
        back_up(data.path, data.database, tmp_path / "saved")
    data.put(data.catalog.collection("docs").id, "later.txt", "what came later")
    data.database.close()
    with pytest.raises(DataFolderUnusable, match="holds a database already"):
        restore(tmp_path / "saved", data.path)
    restore(tmp_path / "saved", data.path, replace=True)
    folder = check(data.path)
    assert folder.catalog.collection("docs").documents == 3
    folder.database.close()
    (aside,) = data.path.glob("before-restore-*")
    earlier = check(aside)
    assert earlier.catalog.collection("docs").documents == 4
    earlier.database.close()


@pytest.mark.parametrize("damage", ["footnote.db", "access.secret", "blob", "lost blob", MANIFEST, "format"])
def test_a_damaged_backup_changes_nothing(data: Folder, tmp_path: Path, damage: str) -> None:
    saved = back_up(data.path, data.database, tmp_path / "saved").folder
    blob = next(iter(sorted(saved.glob("blobs/??/*"))))
    if damage == "lost blob":
        blob.unlink()
    elif damage == MANIFEST:
        (saved / MANIFEST).write_text("{")
    elif damage == "format":
        (saved / MANIFEST).write_text(json.dumps({**json.loads((saved / MANIFEST).read_text()), "format": 2}))
    else:
        path = blob if damage == "blob" else saved / damage
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(BackupUnusable):
        restore(saved, tmp_path / "again")
    assert not (tmp_path / "again").exists() or list((tmp_path / "again").iterdir()) == []


def test_originals_that_were_lost_before_are_told(data: Folder, tmp_path: Path) -> None:
    key = next(data.blobs.stored())
    data.blobs.delete(key)
    assert back_up(data.path, data.database, tmp_path / "saved").lost == (key,)
    assert restore(tmp_path / "saved", tmp_path / "again").lost == (key,)


WRITER = """
import sys
from pathlib import Path
from tests.rag.test_backup import Folder

folder = Folder(Path(sys.argv[1]))
collection = folder.catalog.collection("docs").id
held = []
for n in range(100_000):
    held.append(folder.put(collection, f"more {n}.txt", f"more words of number {n} " * 30))
    if n % 3 == 2:
        gone = held.pop(0)
        key = folder.catalog.document(gone).blob
        folder.catalog.delete_document(gone)
        folder.blobs.delete(key)
    print(n, flush=True)
"""


@pytest.mark.real
def test_a_backup_beside_a_writer_is_of_one_moment(data: Folder, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(data.path)], stdout=subprocess.PIPE, text=True
    ) as writer:  # fmt: skip
        assert writer.stdout is not None
        try:
            for turn in range(3):
                for _ in range(5):
                    assert writer.stdout.readline()
                saved = back_up(data.path, data.database, tmp_path / f"saved {turn}")
                assert saved.lost == ()
        finally:
            writer.kill()
    for turn in range(3):
        restored = restore(tmp_path / f"saved {turn}", tmp_path / f"again {turn}")
        folder = check(tmp_path / f"again {turn}")
        assert folder.catalog.collection("docs").documents == restored.documents > 3
        assert folder.catalog.latest_seq() == restored.latest_seq
        folder.database.close()
