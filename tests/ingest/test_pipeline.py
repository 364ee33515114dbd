import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.errors import EmbedderMismatch, NoSuchCollection
from index.rows import embedded_text
from ingest.blobs import StoredBlob
from ingest.document import Document
from ingest.errors import EncryptedDocument, NoTextFound
from ingest.job import Progress
from ingest.parse.limits import ParseLimits
from ingest.pipeline import IngestOutcome
from tests.fakes import HashEmbedder
from tests.ingest.job_rig import Rig, open_rig, parse_text


class CountingEmbedder(HashEmbedder):
    """Remembers what it was asked to embed."""

    def __init__(self, dimension: int = 32) -> None:
        super().__init__(dimension)
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        return super().embed(texts)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = open_rig(tmp_path)
    yield rig
    rig.close()


def prose(seed: str, paragraphs: int = 3) -> str:
    return "\n\n".join(
        f"Part {n} of {seed}. " + " ".join(f"{seed}{n}word{i}" for i in range(120)) for n in range(paragraphs)
    )


def put(rig: Rig, text: str) -> StoredBlob:
    return rig.blobs.put(io.BytesIO(text.encode()))


def ignore(_: Progress) -> None:
    pass


def take(rig: Rig, name: str, text: str, **options: str) -> IngestOutcome:
    return rig.pipeline().ingest(rig.collection, name, put(rig, text), ignore, **options)


def test_a_file_becomes_a_document_with_chunks_and_vectors(rig: Rig) -> None:
    text = prose("alpha")
    done = take(rig, "alpha.txt", text)
    document = rig.catalog.document(done.document)
    chunks = rig.catalog.chunks(done.document)
    assert (done.outcome, done.version, document.name) == ("added", 1, "alpha.txt")
    assert rig.catalog.document_text(done.document) == text
    assert document.chunks == len(chunks) >= 2
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    with rig.blobs.path(document.blob) as path:
        assert path.read_text() == text


def test_the_report_says_what_was_seen_and_how_long_it_took(rig: Rig) -> None:
    done = take(rig, "alpha.txt", prose("alpha"))
    assert done.report["characters"] == len(prose("alpha"))
    assert done.report["chunks"] == len(rig.catalog.chunks(done.document))
    assert {"parse", "chunk", "embed", "commit"} <= set(done.report["seconds"])
    stored = rig.catalog.document(done.document).report
    assert stored["chunks"] == done.report["chunks"]


def test_progress_passes_every_stage_and_ends_before_the_commit(rig: Rig) -> None:
    seen: list[Progress] = []
    pipeline = rig.pipeline()
    pipeline.ingest(rig.collection, "long.txt", put(rig, prose("long", 300)), seen.append)
    assert list(dict.fromkeys(p.stage for p in seen)) == ["parsing", "embedding", "committing"]
    done = [p.chunks_done for p in seen if p.stage == "embedding"]
    assert done == sorted(done)
    assert len(done) >= 3
    assert done[-1] == seen[-1].chunks_total


@pytest.mark.parametrize("stage", ["parsing", "embedding", "committing"])
def test_invariant_1_what_is_stopped_at_any_stage_commits_nothing(rig: Rig, stage: str) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == stage:
            raise KeyboardInterrupt

    pipeline = rig.pipeline()
    with pytest.raises(KeyboardInterrupt):
        pipeline.ingest(rig.collection, "a.txt", put(rig, prose("a")), stop)
    assert rig.names() == []
    assert rig.catalog.latest_seq() == 0
    assert pipeline.ingest(rig.collection, "a.txt", put(rig, prose("a")), ignore).outcome == "added"


def test_invariant_7_equal_bytes_are_one_document(rig: Rig) -> None:
    first = take(rig, "a.txt", prose("a"))
    again = take(rig, "a.txt", prose("a"))
    other_name = take(rig, "b.txt", prose("a"))
    assert [again.outcome, other_name.outcome] == ["unchanged", "unchanged"]
    assert {first.document, again.document, other_name.document} == {first.document}
    assert rig.names() == ["a.txt"]


def test_equal_bytes_are_not_parsed_again(rig: Rig) -> None:
    parsed: list[str] = []

    def parse(path: Path, name: str, limits: ParseLimits) -> Document:
        parsed.append(name)
        return parse_text(path, name, limits)

    pipeline = rig.pipeline(parse)
    blob = put(rig, prose("a"))
    pipeline.ingest(rig.collection, "a.txt", blob, ignore)
    pipeline.ingest(rig.collection, "a.txt", blob, ignore)
    assert parsed == ["a.txt"]


def test_the_same_name_with_other_bytes_is_a_new_version(rig: Rig) -> None:
    first = take(rig, "a.txt", prose("a"))
    second = take(rig, "a.txt", prose("b"))
    assert (second.outcome, second.version) == ("replaced", 2)
    assert rig.catalog.document(first.document).superseded_by == second.document
    assert rig.names() == ["a.txt"]


def test_the_same_source_gets_its_first_answer_again(rig: Rig) -> None:
    assert take(rig, "a.txt", prose("a"), source="j1").outcome == "added"
    assert take(rig, "a.txt", prose("a"), source="j1").outcome == "added"
    assert take(rig, "a.txt", prose("b"), source="j2").outcome == "replaced"
    assert take(rig, "a.txt", prose("b"), source="j2").outcome == "replaced"
    assert take(rig, "a.txt", prose("b"), source="j3").outcome == "unchanged"


def test_only_texts_that_are_not_known_are_embedded(rig: Rig) -> None:
    embedder = CountingEmbedder()
    pipeline = rig.pipeline(embedder=embedder)
    text = prose("a", 6)
    first = pipeline.ingest(rig.collection, "a.txt", put(rig, text), ignore)
    once = {embedded_text(c.heading, c.text) for c in rig.catalog.chunks(first.document)}
    assert sorted(embedder.texts) == sorted(once)
    embedder.texts.clear()
    second = pipeline.ingest(rig.collection, "b.txt", put(rig, text + "\n\n" + prose("new", 1)), ignore)
    fresh = {embedded_text(c.heading, c.text) for c in rig.catalog.chunks(second.document)} - once
    assert sorted(embedder.texts) == sorted(fresh)
    assert second.report["embeddings_reused"] == second.report["chunks"] - len(fresh) > 0


def test_a_file_that_cannot_be_read_says_why(rig: Rig) -> None:
    with pytest.raises(EncryptedDocument, match="needs a password"):
        take(rig, "a.txt", "locked away")
    with pytest.raises(NoTextFound):
        take(rig, "a.txt", "   \n\n  ")
    assert rig.names() == []


def test_a_collection_that_is_gone_and_a_foreign_model_are_refused(rig: Rig) -> None:
    with pytest.raises(NoSuchCollection):
        rig.pipeline().ingest("c_gone", "a.txt", put(rig, prose("a")), ignore)
    take(rig, "a.txt", prose("a"))
    with pytest.raises(EmbedderMismatch):
        rig.pipeline(embedder=HashEmbedder(64)).ingest(rig.collection, "b.txt", put(rig, prose("b")), ignore)
