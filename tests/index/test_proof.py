"""`verify` notices each way in which rows and views can go wrong, and a deletion leaves nothing behind."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from index.errors import NoSuchDocument
from index.proof import Finding
from index.search import Searcher
from index.views import Moment
from tests.index.corpus import Corpus

ON_EVERY_DATABASE = True


def fill(corpus: Corpus, count: int = 6) -> list[str]:
    return [
        corpus.put(f"{n}.txt", f"document {n} of the queue and its many limits " * 3).document for n in range(count)
    ]


def faults(searcher: Searcher) -> dict[str, str]:
    return {finding.what.split(" (")[0]: finding.detail for finding in searcher.verify() if not finding.ok}


@pytest.mark.parametrize("flat_limit", [100_000, 3], ids=["flat", "compressed"])
def test_sound_views_are_found_sound_at_every_stage(corpus: Corpus, flat_limit: int) -> None:
    searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views, flat_limit=flat_limit)
    assert faults(searcher) == {}
    documents = fill(corpus)
    assert faults(searcher) == {}
    searcher.compact()
    corpus.catalog.delete_document(documents[2])
    corpus.put("1.txt", "another version")
    assert faults(searcher) == {}
    searcher.close()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE chunks SET text = 'other words' WHERE ordinal = 1", "passages"),
        ("DELETE FROM chunks WHERE ordinal = 1", "counts"),
        ("DELETE FROM chunk_vectors WHERE chunk = 3", "vectors"),
        ("UPDATE chunk_vectors SET vector = x'0000' WHERE chunk = 3", "vectors"),
    ],
)
def test_a_broken_truth_is_named(corpus: Corpus, searcher: Searcher, statement: str, what: str) -> None:
    fill(corpus)
    if not corpus.database.is_sqlite:
        statement = statement.replace("x'0000'", r"CAST('\x0000' AS bytea)")
    with corpus.database.write() as session:
        session.execute(text(statement))
    found = [finding.what for finding in _truth(searcher) if not finding.ok]
    assert what in found


def _truth(searcher: Searcher) -> list[Finding]:
    from index.proof import check_truth

    return list(check_truth(searcher._database, searcher.stamp, searcher._serving.embedder.stamp.dimension))


def _lose_a_row(moment: Moment) -> Moment:
    segment = moment.dense.segments[0]
    alive = segment.alive.copy()
    alive[3] = False
    return replace(moment, dense=replace(moment.dense, segments=(replace(segment, alive=alive),)))


def _swap_vectors(moment: Moment) -> Moment:
    segment = moment.dense.segments[0]
    assert segment.vectors is not None
    vectors = np.roll(segment.vectors, 1, axis=0)
    return replace(moment, dense=replace(moment.dense, segments=(replace(segment, vectors=vectors),)))


def _invent_a_row(moment: Moment) -> Moment:
    segment = moment.dense.segments[0]
    chunks = segment.chunks.copy()
    chunks[0] = 999
    return replace(moment, dense=replace(moment.dense, segments=(replace(segment, chunks=chunks),)))


def _misplace_a_row(moment: Moment) -> Moment:
    segment = moment.dense.segments[0]
    return replace(
        moment, dense=replace(moment.dense, segments=(replace(segment, collections=segment.collections + 1),))
    )


@pytest.mark.parametrize("damage", [_lose_a_row, _swap_vectors, _invent_a_row, _misplace_a_row])
def test_a_wrong_dense_view_is_noticed_and_repaired(
    corpus: Corpus, searcher: Searcher, damage: Callable[[Moment], Moment]
) -> None:
    fill(corpus)
    searcher.refresh()
    assert searcher._views.moment is not None
    searcher._views.moment = damage(searcher._views.moment)
    assert "dense" in faults(searcher)
    searcher.repair()
    assert faults(searcher) == {}


def test_a_wrong_lexical_view_is_noticed_and_repaired(corpus: Corpus, searcher: Searcher) -> None:
    fill(corpus)
    searcher.refresh()
    views: Any = searcher._views._views
    views[1].remove([2])
    views[1].commit(views[1].applied_seq)
    searcher._views._publish()
    assert faults(searcher) == {"lexical": "chunk 6 is missing; chunk 7 is missing; chunk 8 is missing; "
                                "chunk 9 is missing; chunk 10 is missing"}  # fmt: skip
    searcher.repair()
    assert faults(searcher) == {}


def test_a_bad_snapshot_is_named_before_it_is_set_aside(corpus: Corpus) -> None:
    fill(corpus)
    first = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    first.compact()
    first.close()
    (rows,) = corpus.views.glob("dense-*/rows.npy")
    rows.write_bytes(rows.read_bytes()[:-1])
    second = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    assert "rows.npy has" in faults(second)["snapshots"]
    assert set(faults(second)) == {"snapshots"}, "the view was rebuilt; the bad snapshot lies aside"
    second.repair()
    assert faults(second) == {}
    second.close()


def test_another_process_takes_the_repaired_views(corpus: Corpus) -> None:
    fill(corpus)
    serving = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    serving.refresh()
    assert serving._views.moment is not None
    serving._views.moment = _lose_a_row(serving._views.moment)
    repairing = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    repairing.repair()
    serving.refresh()
    assert faults(serving) == {}
    assert serving._views.moment.applied_seq == repairing.status()["applied_seq"]
    serving.close()
    again = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    again.refresh()
    assert again.status()["dense"] == "flat", "snapshots made by the repair are opened later"
    again.close()
    repairing.close()


def test_snapshots_of_before_a_repair_are_never_opened_again(corpus: Corpus) -> None:
    fill(corpus)
    lagging = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    lagging.refresh()
    repairing = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    repairing.repair()
    repairing.close()
    views: Any = lagging._views
    views._write_lexical()  # by a process that has not heard of the repair yet
    opened = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    assert faults(opened).keys() <= {"snapshots"}
    opened.close()
    lagging.close()


def test_a_deleted_document_leaves_no_trace_after_the_repair(corpus: Corpus, searcher: Searcher) -> None:
    documents = fill(corpus)
    searcher.compact()
    with pytest.raises(NoSuchDocument, match="is still there"):
        list(searcher.traces(documents[1]))
    with pytest.raises(NoSuchDocument, match="knows no document"):
        list(searcher.traces("d_nothing"))
    corpus.catalog.delete_document(documents[1])
    left = {finding.what for finding in searcher.traces(documents[1]) if not finding.ok}
    assert {"dense view", "lexical view"} <= left, "tombstones are honest about what they hide"
    searcher.repair()
    assert all(finding.ok for finding in searcher.traces(documents[1]))
    assert faults(searcher) == {}


def test_shrinking_takes_deleted_words_out_of_the_file(corpus: Corpus) -> None:
    if not corpus.database.is_sqlite:
        assert corpus.database.shrink(1)  # the server's own affair
        return
    put = corpus.put("secret.txt", "the xylophone codeword of the vault " * 200)
    corpus.put("other.txt", "something else")
    assert corpus.catalog.delete_document(put.document)
    assert corpus.database.path is not None
    assert corpus.database.shrink(1)
    held = [path.name for path in corpus.folder.iterdir() if path.is_file() and b"xylophone" in path.read_bytes()]
    assert held == []
