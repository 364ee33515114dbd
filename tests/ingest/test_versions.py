"""Versions of a document: the newest answers, older ones are kept and stay readable, and the oldest go at last."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from index.errors import NoSuchDocument
from ingest.originals import Originals
from ingest.parse.limits import ParseLimits
from ingest.pipeline import IngestOutcome, Pipeline
from tests.fakes import HashEmbedder
from tests.ingest.job_rig import Rig, open_rig, parse_text
from tests.ingest.test_pipeline import ignore, put


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = open_rig(tmp_path)
    yield rig
    rig.close()


def take(rig: Rig, text: str, keep: int, name: str = "policy.txt") -> IngestOutcome:
    pipeline = Pipeline(rig.catalog, HashEmbedder(), rig.blobs, ParseLimits(), parse_text, keep)
    return pipeline.ingest(rig.collection, name, put(rig, text), ignore)


def test_as_many_versions_are_kept_as_the_setting_says(rig: Rig) -> None:
    taken = [take(rig, f"The policy of year {year} says {year} days.", keep=3) for year in range(2020, 2026)]
    kept = rig.catalog.versions(taken[-1].document)
    assert [(info.version, info.state) for info in kept] == [(6, "current"), (5, "superseded"), (4, "superseded")]
    for old in taken[:3]:
        with pytest.raises(NoSuchDocument):
            rig.catalog.document(old.document)
    Originals(rig.database, rig.blobs, 0.0).sweep()
    assert len(list(rig.blobs.stored(older_than_seconds=0))) == 3


def test_an_old_version_is_read_and_not_searched(rig: Rig) -> None:
    first, second = (take(rig, f"The policy says {days} days.", keep=0) for days in (14, 30))
    assert rig.catalog.document_text(first.document) == "The policy says 14 days."
    assert rig.catalog.document(first.document).superseded_by == second.document
    assert rig.catalog.chunks(first.document) == ()
    assert [chunk.text for chunk in rig.catalog.chunks(second.document)] == ["The policy says 30 days."]


def test_only_the_current_one_is_kept_with_a_setting_of_one(rig: Rig) -> None:
    for days in (14, 30, 60):
        last = take(rig, f"The policy says {days} days.", keep=1)
        take(rig, f"Another document says {days}.", keep=1, name="other.txt")
    assert [info.version for info in rig.catalog.versions(last.document)] == [3]
    assert rig.names() == ["other.txt", "policy.txt"]
    assert rig.catalog.drop_old_versions("d_none", 1) == []


def test_the_log_tells_of_versions_that_are_gone(rig: Rig) -> None:
    first = take(rig, "The policy says 14 days.", keep=1)
    take(rig, "The policy says 30 days.", keep=1)
    kinds = [change.kind for change in rig.catalog.changes_after(0) if change.document == first.document]
    assert kinds[0] == "add"
    assert kinds[-1] == "delete"
