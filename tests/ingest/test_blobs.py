import hashlib
import io
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from ingest.blobs import Blobs
from ingest.errors import StorageFull, UploadTooLarge
from tests.fakes import FaultyFiles

DATA = b"a footnote\n" * 300_000  # more than three pieces


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


def files_under(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_a_blob_is_named_by_its_content_and_reads_back(root: Path) -> None:
    blobs = Blobs(root)
    blob = blobs.put(io.BytesIO(DATA))
    assert (blob.sha256, blob.size) == (hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert blob.key == f"{blob.sha256[:2]}/{blob.sha256}"
    with blobs.open(blob.key) as stream:
        assert stream.read() == DATA
    with blobs.path(blob.key) as path:
        assert path == root / blob.key
        assert path.read_bytes() == DATA
    assert files_under(root) == [root / blob.key]


def test_equal_bytes_are_stored_once_and_mend_a_damaged_copy(root: Path) -> None:
    blobs = Blobs(root)
    blob = blobs.put(io.BytesIO(DATA))
    (root / blob.key).write_bytes(b"rotten")
    assert blobs.put(io.BytesIO(DATA)) == blob
    assert [path.read_bytes() for path in files_under(root)] == [DATA]


def test_many_threads_may_store_the_same_bytes(root: Path) -> None:
    blobs = Blobs(root)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: blobs.put(io.BytesIO(DATA)), range(16)))) == 1
    assert [path.read_bytes() for path in files_under(root)] == [DATA]


def test_an_upload_beyond_the_limit_leaves_nothing(root: Path) -> None:
    blobs = Blobs(root)
    assert blobs.put(io.BytesIO(b"12345"), limit=5).size == 5
    with pytest.raises(UploadTooLarge, match="larger than 4 bytes"):
        blobs.put(io.BytesIO(b"12345"), limit=4)
    assert len(files_under(root)) == 1


def test_an_empty_file_is_a_blob(root: Path) -> None:
    assert Blobs(root).put(io.BytesIO(b"")).size == 0


def test_the_bytes_are_synced_before_they_are_named_and_the_folder_after(root: Path) -> None:
    files = FaultyFiles()
    Blobs(root, files=files).put(io.BytesIO(b"x"))
    order = [call for call in files.calls if call != "make_folder"]
    # The leading ones come from folders that were made.
    assert order[order.index("create") :] == ["create", "write", "sync", "sync_folder", "rename", "sync_folder"]


def test_a_disk_that_refuses_at_any_step_leaves_nothing_and_says_so(root: Path) -> None:
    clean = FaultyFiles()
    Blobs(root.with_name("clean"), files=clean).put(io.BytesIO(DATA))
    assert len(clean.calls) > 8
    for step in range(1, len(clean.calls) + 1):
        here = root / str(step)
        with pytest.raises(StorageFull, match="no room"):
            Blobs(here, files=FaultyFiles(at=step)).put(io.BytesIO(DATA))
        # A failure after the rename leaves the whole blob: it was not acknowledged, and harms nobody.
        whole = clean.calls[: step - 1].count("rename") == 1
        assert [path.read_bytes() for path in files_under(here)] == ([DATA] if whole else [])
        assert Blobs(here).put(io.BytesIO(DATA)).size == len(DATA)


def test_a_disk_error_is_not_acknowledged(root: Path) -> None:
    def broken(call: str) -> None:
        raise OSError(5, os.strerror(5))

    files = FaultyFiles(at=6, fault=broken)
    with pytest.raises(StorageFull, match="Input/output error"):
        Blobs(root, files=files).put(io.BytesIO(DATA))


def test_a_disk_that_is_really_full_is_one_clear_error(root: Path) -> None:
    program = (
        "import io, resource, signal, sys\n"
        "from ingest.blobs import Blobs\n"
        "from ingest.errors import StorageFull\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "try:\n"
        "    Blobs(sys.argv[1]).put(io.BytesIO(b'x' * (3 << 20)))\n"
        "except StorageFull as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True)
    assert "no room" in done.stdout
    assert files_under(root) == []


def test_memory_does_not_grow_with_the_size(root: Path) -> None:
    class Endless(io.RawIOBase):
        left = 256 * 1024**2

        def read(self, size: int = -1) -> bytes:
            taken = min(size, self.left)
            self.left -= taken
            return bytes(taken)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Blobs(root).put(Endless())  # type: ignore[arg-type]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


def test_what_a_crash_left_behind_is_removed_when_it_is_old(root: Path) -> None:
    blobs = Blobs(root)
    blob = blobs.put(io.BytesIO(b"kept"))
    old, new = root / "incoming" / "old.part", root / "incoming" / "new.part"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    assert blobs.remove_abandoned() == 1
    assert sorted(files_under(root)) == sorted([new, root / blob.key])


def test_delete_is_idempotent_and_a_missing_blob_is_not_found(root: Path) -> None:
    blobs = Blobs(root)
    blob = blobs.put(io.BytesIO(DATA))
    blobs.delete(blob.key)
    blobs.delete(blob.key)
    with pytest.raises(FileNotFoundError), blobs.path(blob.key):
        pass


@pytest.mark.parametrize("key", ["../../etc/passwd", "ab/cd", "", "/etc/passwd", "aa/" + "g" * 64])
def test_a_key_cannot_name_another_file(root: Path, key: str) -> None:
    with pytest.raises(FileNotFoundError):
        Blobs(root).open(key)


@pytest.fixture
def memory() -> Iterator[str]:
    yield "memory://footnote/blobs"
    fsspec.filesystem("memory").rm("/footnote", recursive=True)


def test_another_store_behaves_the_same(memory: str) -> None:
    blobs = Blobs(memory)
    blob = blobs.put(io.BytesIO(DATA))
    assert blobs.put(io.BytesIO(DATA)) == blob
    with blobs.open(blob.key) as stream:
        assert stream.read() == DATA
    with blobs.path(blob.key) as path:
        assert path.read_bytes() == DATA
    assert not path.exists()
    blobs.delete(blob.key)
    blobs.delete(blob.key)
    assert fsspec.filesystem("memory").find("/footnote") == []
