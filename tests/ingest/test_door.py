"""Archives and large tables at the door: one job each, one batch, within limits, and nothing of what is damaged."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.rows import NewDocument
from ingest import divide
from ingest.door import Door, Entered
from ingest.errors import BrokenDocument, EmptyFile, ParserLimit
from ingest.unpack import documents, is_archive
from tests.ingest import made_files as made
from tests.ingest.hostile_files import announced_directory, nested_zip, overlapping_zip
from tests.ingest.job_rig import Rig, open_rig

FILES = {"guide.md": "# Guide", "plans/a.txt": "words", "__MACOSX/a.txt": "x", ".hidden/b.txt": "x", "empty/": ""}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = open_rig(tmp_path)
    yield rig
    rig.close()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def enter(rig: Rig, name: str, data: bytes, **options: str) -> Entered:
    return Door(rig.catalog, rig.jobs).enter(rig.collection, name, io.BytesIO(data), **options)


def names(data: bytes) -> list[str]:
    return [name for name, _ in documents(io.BytesIO(data))]


def test_a_plain_file_is_one_job_without_a_batch(rig: Rig) -> None:
    entered = enter(rig, "a.txt", b"words")
    assert ([job.name for job in entered.jobs], entered.batch) == (["a.txt"], None)


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx", "a.pptx", "a.odt", "a.epub"])
def test_documents_that_are_archives_inside_are_no_archives(name: str) -> None:
    assert not is_archive(io.BytesIO(made.MADE[name]()))


def test_an_archive_is_one_job_for_each_of_its_files(rig: Rig) -> None:
    entered = enter(rig, "upload", made.zipped(FILES), idempotency_key="k")
    assert [job.name for job in entered.jobs] == ["guide.md", "plans/a.txt"]
    assert entered.batch is not None
    assert rig.jobs.batch(entered.batch).counts == {"queued": 2}
    again = enter(rig, "upload", made.zipped(FILES), idempotency_key="k")
    assert [job.id for job in again.jobs] == [job.id for job in entered.jobs]
    assert again.batch == entered.batch
    with rig.blobs.open(f"{sha(b'words')[:2]}/{sha(b'words')}") as stored:
        assert stored.read() == b"words"


def test_archives_in_archives_are_opened_to_a_depth() -> None:
    assert names(nested_zip(2, {"a.txt": "words", "b/c.md": "x"})) == ["inner/inner/a.txt", "inner/inner/b/c.md"]
    assert names(nested_zip(3, {"a.txt": "words"})) == ["inner/inner/inner.zip"]


def test_what_is_damaged_or_beyond_the_limits_gives_nothing(rig: Rig) -> None:
    whole = bytearray(made.zipped({"a.txt": "words " * 200, "b.txt": "words"}, zipfile.ZIP_STORED))
    at = whole.index(b"words words")
    whole[at : at + 5] = b"wards"
    with pytest.raises(BrokenDocument, match="damaged"):
        enter(rig, "a.zip", bytes(whole))
    with pytest.raises(EmptyFile, match="no files"):
        names(made.zipped({"empty/": ""}))
    with pytest.raises(ParserLimit, match="more files than one upload"):
        list(documents(io.BytesIO(made.zipped({f"{n}.txt": "x" for n in range(11)})), most=10))
    assert rig.jobs.counts() == {}
    for data in (overlapping_zip(), announced_directory(), made.zipped({f"{n}": "" for n in range(20_001)})):
        assert not is_archive(io.BytesIO(data))  # the job will say why
    assert len(enter(rig, "bomb.zip", overlapping_zip()).jobs) == 1


def table(rows: int) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["plan", "note", "days"])
    writer.writerows([f"plan {n}", f'he said "{n}"\nand left', n] for n in range(rows))
    return out.getvalue().encode()


def test_parts_of_a_table_hold_every_row_once_below_the_header() -> None:
    whole = list(csv.reader(io.StringIO(table(500).decode(), newline="")))
    pieces = list(divide.parts(io.BytesIO(table(500)), part_bytes=2000))
    assert len(pieces) > 5
    assert max(map(len, pieces)) < 2200
    read = [list(csv.reader(io.StringIO(piece.decode(), newline=""))) for piece in pieces]
    assert all(rows[0] == whole[0] for rows in read)
    assert [row for rows in read for row in rows[1:]] == whole[1:]


def test_a_quote_that_never_ends_is_refused() -> None:
    with pytest.raises(ParserLimit, match="never closed"):
        list(divide.parts(io.BytesIO(b'a,b\n1,"' + b"x\n" * 2_000_000)))


def test_a_large_table_is_divided_and_a_shorter_one_leaves_no_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divide, "DIVIDE_BYTES", 1000)
    data = b"plan,days\n" + b"".join(b"plan %06d,%d\n" % (n, n) for n in range(150_000))
    entered = enter(rig, "big.csv", data)
    assert [job.name for job in entered.jobs] == [f"big.csv/part-{n:05d}.csv" for n in (1, 2, 3)]
    assert [job.attributes for job in entered.jobs] == [{"part_of": "big.csv", "part": n} for n in (1, 2, 3)]
    for job in entered.jobs:
        _put(rig, job.name, {**job.attributes})
    _put(rig, "other.csv/part-00009.csv", {"part_of": "other.csv", "part": 9})
    enter(rig, "big.csv", data[:1_500_000])
    assert rig.names() == ["big.csv/part-00001.csv", "big.csv/part-00002.csv", "other.csv/part-00009.csv"]


def _put(rig: Rig, name: str, metadata: dict[str, object]) -> None:
    none = np.zeros((0, 32), np.float32)
    digest = sha(name.encode())
    new = NewDocument(rig.collection, name, name, "text/csv", digest, 1, "", [], metadata, {}, "", [], none, "s")
    rig.catalog.put_document(new)
