import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from index.snapshot import HEADER, Snapshot, Snapshots

PARTS = {"rows": os.urandom(20_000), "small": b"abc", "empty": b""}


def ours(_seq: int, mark: str) -> bool:
    return mark == "ours"


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path / "views", "dense", "stamp-1")


def write(snapshots: Snapshots, seq: int = 7, mark: str = "ours") -> Snapshot:
    def fill(folder: Path) -> None:
        for name, content in PARTS.items():
            (folder / name).write_bytes(content)

    return snapshots.write(seq, mark, fill, {"kind": "flat"})


def test_a_snapshot_comes_back_whole(snapshots: Snapshots) -> None:
    assert snapshots.newest(ours) is None
    write(snapshots)
    found = snapshots.newest(ours)
    assert found is not None
    assert (found.applied_seq, found.mark, found.stamp, found.details) == (7, "ours", "stamp-1", {"kind": "flat"})
    assert {name: found.part(name).read_bytes() for name in PARTS} == PARTS


def test_the_newest_is_served_and_the_older_removed(snapshots: Snapshots) -> None:
    write(snapshots, 7)
    newest = write(snapshots, 1000)
    assert snapshots.newest(ours) == newest
    snapshots.keep_only(newest)
    assert list(snapshots.folder.iterdir()) == [newest.folder]


def damage_header(folder: Path, at: int) -> None:
    content = bytearray((folder / HEADER).read_bytes())
    content[at] ^= 0x01
    (folder / HEADER).write_bytes(content)


def test_each_byte_of_the_header_is_guarded(snapshots: Snapshots, caplog: pytest.LogCaptureFixture) -> None:
    snapshot = write(snapshots)
    whole = (snapshot.folder / HEADER).read_bytes()
    for at in range(len(whole)):
        damage_header(snapshot.folder, at)
        assert snapshots.newest(ours) is None, f"byte {at} of the header may change unnoticed"
        aside = snapshot.folder.with_name(f"{snapshot.folder.name}.bad")
        aside.rename(snapshot.folder)
        (snapshot.folder / HEADER).write_bytes(whole)
    assert snapshots.newest(ours) is not None
    assert "is set aside and its view rebuilt" in caplog.text


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bits_in_parts_are_noticed(snapshots: Snapshots, seed: int) -> None:
    snapshot = write(snapshots)
    content = bytearray(PARTS["rows"])
    content[random.Random(seed).randrange(len(content))] ^= 1 << seed % 8
    snapshot.part("rows").write_bytes(content)
    assert snapshots.newest(ours) is None


@pytest.mark.parametrize("length", [0, 1, 4096, 8192, 16384, 19_999])
def test_truncated_parts_are_noticed(snapshots: Snapshots, length: int) -> None:
    snapshot = write(snapshots)
    snapshot.part("rows").write_bytes(PARTS["rows"][:length])
    assert snapshots.newest(ours) is None


def test_truncated_headers_and_missing_parts_are_noticed(snapshots: Snapshots) -> None:
    for length in (0, 1, 30, 100):
        snapshot = write(snapshots)
        header = snapshot.folder / HEADER
        header.write_bytes(header.read_bytes()[:length])
        assert snapshots.newest(ours) is None
    snapshot = write(snapshots)
    snapshot.part("small").unlink()
    assert snapshots.newest(ours) is None
    snapshot = write(snapshots)
    snapshot.part("more").write_bytes(b"")
    assert snapshots.newest(ours) is None


def test_an_older_good_one_serves_when_the_newest_is_bad(snapshots: Snapshots) -> None:
    older = write(snapshots, 7)
    newer = write(snapshots, 8)
    newer.part("small").write_bytes(b"abd")
    assert snapshots.newest(ours) == older
    assert [path.name for path in snapshots.folder.glob("*.bad")] == [f"{newer.folder.name}.bad"]


def test_another_history_and_another_embedder_are_not_served(snapshots: Snapshots) -> None:
    write(snapshots, mark="theirs")
    assert snapshots.newest(ours) is None
    write(Snapshots(snapshots.folder, "dense", "stamp-2"))
    assert snapshots.newest(ours) is None
    write(Snapshots(snapshots.folder, "lexical", "stamp-1"))
    assert snapshots.newest(ours) is None


def test_a_future_format_is_not_read(snapshots: Snapshots) -> None:
    header = write(snapshots).folder / HEADER
    header.write_bytes(header.read_bytes().replace(b"footnote-snapshot 1 ", b"footnote-snapshot 2 ", 1))
    assert snapshots.newest(ours) is None


def test_a_snapshot_that_cannot_be_written_leaves_nothing(snapshots: Snapshots) -> None:
    def fill(folder: Path) -> None:
        (folder / "rows").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        snapshots.write(7, "ours", fill)
    assert list(snapshots.folder.iterdir()) == []


def test_leftovers_of_dead_writers_are_swept(snapshots: Snapshots) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    snapshots.folder.mkdir()
    left = snapshots.folder / f"dense-000000000009-abcd.tmp-{dead.pid}"
    ongoing = snapshots.folder / f"dense-000000000009-abce.tmp-{os.getpid()}"
    for folder in (left, ongoing):
        folder.mkdir()
    assert snapshots.newest(ours) is None
    assert (left.exists(), ongoing.exists()) == (False, True)


def test_a_mapped_snapshot_outlives_its_removal(snapshots: Snapshots) -> None:
    held = write(snapshots, 7).part("rows").open("rb")
    snapshots.keep_only(write(snapshots, 8))
    assert held.read() == PARTS["rows"]
    held.close()
    shutil.rmtree(snapshots.folder)
    assert snapshots.newest(ours) is None
