"""Originals go with the last row that refers to them, and never while something may still need them."""

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.blobs import StoredBlob
from ingest.job import JobInfo, Progress
from ingest.originals import Originals
from ingest.quality import qualities, quality_of
from tests.ingest.job_rig import Rig, open_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = open_rig(tmp_path)
    yield rig
    rig.close()


def quiet(_progress: Progress) -> None:
    """Progress that nobody watches."""


def take_in(rig: Rig, name: str, text: str) -> tuple[JobInfo, str]:
    """(job, document), the job row still as it was handed in."""
    job = rig.submit(name, text)
    (key,) = [key for key in rig.blobs.stored() if (rig.data / "blobs" / key).read_text() == text]
    blob = StoredBlob(key, key[3:], len(text))
    return job, rig.pipeline().ingest(rig.collection, name, blob, quiet).document


def age(rig: Rig, seconds: float = 3600.0) -> None:
    for path in (rig.data / "blobs").glob("??/*"):
        os.utime(path, (time.time() - seconds,) * 2)


def texts(rig: Rig) -> set[str]:
    return {(rig.data / "blobs" / key).read_text() for key in rig.blobs.stored()}


def test_the_sweep_keeps_what_documents_and_open_jobs_refer_to(rig: Rig) -> None:
    first, document = take_in(rig, "a.txt", "old words")
    take_in(rig, "a.txt", "new words")
    waiting = rig.submit("b.txt", "waiting words")
    rig.jobs.cancel(first.id)
    age(rig)
    originals = Originals(rig.database, rig.blobs)
    assert originals.sweep() == 0
    (current,) = rig.catalog.documents(rig.collection).items
    keys = originals.of_document(current.id)
    assert len(keys) == 2
    with rig.database.write() as session:
        session.connection().exec_driver_sql("UPDATE jobs SET state = 'done' WHERE name = 'a.txt'")
    rig.catalog.delete_document(current.id)
    assert rig.catalog.find_by_hash(rig.collection, "x") is None
    assert document != current.id
    assert originals.remove(keys) == 2
    assert texts(rig) == {"waiting words"}
    rig.jobs.cancel(waiting.id)
    assert originals.sweep() == 0  # it may be retried
    rig.catalog.delete_collection(rig.collection)
    assert originals.sweep() == 1


def test_a_young_original_is_left_alone(rig: Rig) -> None:
    rig.blobs.put(io.BytesIO(b"words"))
    assert Originals(rig.database, rig.blobs).sweep() == 0
    assert len(list(rig.blobs.stored())) == 1


def test_an_upload_during_the_sweep_loses_nothing(rig: Rig) -> None:
    (rig.data / "file").write_text("words")
    with (rig.data / "file").open("rb") as stream:
        key = rig.blobs.put(stream).key
    age(rig)

    def upload_meanwhile() -> bool:
        with (rig.data / "file").open("rb") as stream:
            rig.blobs.put(stream)
        return False

    assert rig.blobs.discard(key, 900, upload_meanwhile)
    assert texts(rig) == {"words"}
    age(rig)
    assert not rig.blobs.discard(key, 900, lambda: True)
    assert texts(rig) == {"words"}


def test_files_are_sorted_worst_first(rig: Rig) -> None:
    take_in(rig, "good.txt", "good words")
    job = rig.submit("bad.txt", "locked")
    with rig.database.write() as session:
        session.connection().exec_driver_sql(f"UPDATE jobs SET state = 'failed', error = 'why' WHERE id = '{job.id}'")
    found = qualities(rig.catalog, rig.jobs, rig.collection)
    assert [(quality.name, quality.score, quality.error) for quality in found] == [
        ("bad.txt", 0.0, "why"),
        ("good.txt", 1.0, None),
    ]


def test_quality_weighs_what_was_lost() -> None:
    whole = {"pages": 4, "pages_without_text": [], "dropped": [], "encoding_confidence": 1.0}
    assert quality_of(whole) == 1.0
    assert quality_of(whole | {"pages_without_text": [1, 2]}) == 0.7
    assert quality_of(whole | {"pages_recognised": [1, 2, 3, 4]}) == 0.9
    assert quality_of(whole | {"dropped": ["x"] * 50, "encoding_confidence": 0.5}) == 0.7
    assert quality_of({}) == 1.0
