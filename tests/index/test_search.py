"""Search over both views with the check in SQL, another process writing included."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from index.errors import EmbedderMismatch, NoSuchCollection
from index.filters import parse_filters
from index.scope import Scope
from index.search import Searcher
from index.views import Moment
from tests.fakes import HashEmbedder
from tests.index.corpus import WORDS, Corpus, fill, names, new_document, wait_until

ON_EVERY_DATABASE = True


def test_passages_carry_all_that_a_citation_needs(corpus: Corpus, searcher: Searcher) -> None:
    put = corpus.put("ttl.md", "Messages die when their time to live is over. Queues live on.", metadata={"a": 1})
    result = searcher.search("time to live", collections=[corpus.collection], k=3)
    best = result.passages[0]
    text = corpus.catalog.document_text(put.document)
    assert (best.document, best.collection, best.version) == (put.document, corpus.collection, 1)
    assert (best.name, best.title, best.metadata) == ("ttl.md", "ttl", {"a": 1})
    assert text[best.start : best.end] == best.text
    assert set(best.stages) == {"dense", "dense_rank", "lexical", "lexical_rank", "fused", "reciprocal_rank"}
    assert best.stages["dense_rank"] == 1
    assert best.stages["fused"] == pytest.approx(best.score)
    assert result.applied_seq == corpus.catalog.latest_seq()
    assert {"embed", "dense", "lexical", "recheck", "total"} <= set(result.ms)


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_scores_fall_and_the_rest_is_accounted_for(corpus: Corpus, searcher: Searcher, mode: Any) -> None:
    fill(corpus)
    result = searcher.search("queue limit error", collections=[corpus.collection], k=5, mode=mode)
    scores = [passage.score for passage in result.passages]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 5
    assert {drop.reason for drop in result.dropped} == {"beyond_k"}
    shown = {passage.chunk for passage in result.passages}
    assert shown.isdisjoint(drop.chunk for drop in result.dropped)


def test_the_view_equals_the_exact_scan(corpus: Corpus, searcher: Searcher) -> None:
    fill(corpus)
    for mode in ("hybrid", "dense"):
        for question in WORDS:
            fast, exact = (
                searcher.search(question, collections=[corpus.collection], mode=mode, exact=exact)  # type: ignore[arg-type]
                for exact in (False, True)
            )
            assert [each.chunk for each in fast.passages] == [each.chunk for each in exact.passages]


def test_filters_and_collections_limit(corpus: Corpus, searcher: Searcher) -> None:
    fill(corpus)
    other = corpus.catalog.create_collection("other").id
    corpus.put("other.txt", "queue limit error", collection=other)
    for exact in (False, True):
        result = searcher.search(
            "queue limit error",
            collections=[corpus.collection],
            k=50,
            filters=parse_filters({"even": True, "n": {"lt": 10}}),
            exact=exact,
        )
        assert {passage.metadata["n"] for passage in result.passages} == {0, 2, 4, 6, 8}
    assert set(names(searcher.search("queue", collections=[other], k=50))) == {"other.txt"}
    both = searcher.search("queue limit error", collections=[other, corpus.collection], k=50)
    assert "other.txt" in names(both)
    assert len(set(names(both))) > 1
    assert names(searcher.search("queue", collections=[])) == []


def test_strange_questions_find_something_or_nothing(corpus: Corpus, searcher: Searcher) -> None:
    assert names(searcher.search("anything", collections=[corpus.collection])) == []
    fill(corpus, 3)
    for question in ("", " ", "\ud800", '"(', "word " * 5000, "\x00"):
        searcher.search(question, collections=[corpus.collection])
    with pytest.raises(NoSuchCollection):
        searcher.search("queue", collections=[corpus.collection, "c_nothing"])


@pytest.mark.parametrize("lagging", [False, True])
def test_invariant_3_a_deleted_document_is_never_cited(corpus: Corpus, searcher: Searcher, lagging: bool) -> None:
    fill(corpus)
    searcher.refresh()
    for _ in range(6):
        found = searcher.search("queue limit error", collections=[corpus.collection], k=5)
        victim = found.passages[0].document
        assert corpus.catalog.delete_document(victim)
        if not lagging:
            searcher.refresh()
        for mode in ("hybrid", "dense", "lexical"):
            for exact in (False, True):
                after = searcher.search("queue limit error", collections=[corpus.collection], mode=mode, exact=exact)  # type: ignore[arg-type]
                assert victim not in {passage.document for passage in after.passages}


def test_the_dead_do_not_take_the_places_of_the_living(corpus: Corpus, searcher: Searcher) -> None:
    corpus.put("living.txt", "queue")
    dead = corpus.put("dead.txt", "queue limit error and more " * 400)  # more chunks than a view gives candidates
    searcher.refresh()
    corpus.catalog.delete_document(dead.document)
    assert names(searcher.search("queue limit error", collections=[corpus.collection])) == ["living.txt"]


def test_an_old_version_is_never_cited(corpus: Corpus, searcher: Searcher) -> None:
    corpus.put("policy.txt", "passwords expire after thirty days")
    searcher.refresh()
    new = corpus.put("policy.txt", "passwords never expire at all")
    for _ in range(2):
        result = searcher.search("passwords expire", collections=[corpus.collection])
        assert {passage.document for passage in result.passages} <= {new.document}
        searcher.refresh()
    assert names(searcher.search("passwords expire", collections=[corpus.collection])) == ["policy.txt"]


class Lying:
    """A view that ignores where it was told to look."""

    exact = True

    def __init__(self, honest: Any) -> None:
        self._honest = honest

    def search(self, query: Any, k: int, _scope: Scope, *_: Any) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        found: tuple[NDArray[np.float32], NDArray[np.int64]] = self._honest.search(query, k, None)
        return found


def test_invariant_4_a_caller_never_receives_text_it_may_not_read(corpus: Corpus, searcher: Searcher) -> None:
    fill(corpus)
    secret = corpus.catalog.create_collection("secret").id
    corpus.put("secret.txt", "queue limit error", collection=secret)
    searcher.refresh()
    honest = searcher._views.moment
    assert honest is not None
    lying: Any = (Lying(honest.dense), Lying(honest.lexical))
    searcher._views.moment = Moment(honest.applied_seq, *lying)
    for filters in (None, parse_filters({"even": True})):
        result = searcher.search("queue limit error", collections=[corpus.collection], k=50, filters=filters)
        assert "secret.txt" not in names(result)
        assert {passage.collection for passage in result.passages} == {corpus.collection}
        assert filters is None or all(passage.metadata["even"] for passage in result.passages)
        assert "filtered" in {drop.reason for drop in result.dropped}


@pytest.mark.parametrize(
    "limits",
    [(100_000, 100_000, 20_000), (100_000, 100_000, 5), (10, 100_000, 5), (10, 10, 5)],
    ids=["delta", "flat", "sq8", "ivf"],
)
def test_invariant_2_a_view_equals_what_a_fresh_rebuild_would_give(
    corpus: Corpus, limits: tuple[int, int, int]
) -> None:
    def opened(folder: Path) -> Searcher:
        return Searcher(
            corpus.database,
            corpus.catalog,
            corpus.embedder,
            folder,
            flat_limit=limits[0],
            sq8_limit=limits[1],
            delta_limit=limits[2],
        )

    followed = opened(corpus.views)
    for n in range(4, 13, 4):
        fill(corpus, n)
        followed.refresh()
        corpus.catalog.delete_document(corpus.catalog.documents(corpus.collection, limit=1).items[0].id)
        corpus.put("5.txt", f"another version {n} of queue limit error")
    followed.compact()
    corpus.put("last.txt", "queue limit error at last")
    followed.refresh()
    rebuilt = opened(corpus.views.with_name("other"))
    rebuilt.refresh()
    for question in (*WORDS, "queue limit error", "another version"):
        for mode in ("dense", "lexical"):
            a, b = (
                {
                    each.chunk: each.score
                    for each in s.search(question, collections=[corpus.collection], k=200, mode=mode).passages
                }  # type: ignore[arg-type]
                for s in (followed, rebuilt)
            )
            assert set(a) == set(b)
            if mode == "dense":
                assert a == pytest.approx(b)
    assert {followed.status()[key] for key in ("chunks", "lexical_chunks")} == {rebuilt.status()["chunks"]}
    followed.close()
    rebuilt.close()


def test_another_embedder_is_refused_with_its_name(corpus: Corpus) -> None:
    fill(corpus, 3)
    other = HashEmbedder(dimension=16)
    searcher = Searcher(corpus.database, corpus.catalog, other, corpus.views)
    with pytest.raises(EmbedderMismatch, match="configure the embedder that made them"):
        searcher.start()
    with pytest.raises(EmbedderMismatch):
        searcher.search("queue", collections=[corpus.collection])
    searcher.close()


def test_a_collection_of_another_embedder_is_refused_while_others_serve(corpus: Corpus, searcher: Searcher) -> None:
    fill(corpus, 3)
    searcher.refresh()
    other = corpus.catalog.create_collection("other").id
    document = new_document(other, "x.txt", "queue", HashEmbedder(dimension=16))
    corpus.catalog.put_document(replace(document))
    searcher.refresh()
    assert names(searcher.search("queue", collections=[corpus.collection], mode="dense")) != []
    with pytest.raises(EmbedderMismatch):
        searcher.search("queue", collections=[other])
    assert names(searcher.search("queue", collections=[other], mode="lexical")) == ["x.txt"]


WORKER = """
import sys
from pathlib import Path
from index.catalog import Catalog
from index.database import Database
from tests.fakes import HashEmbedder
from tests.index.corpus import new_document

catalog = Catalog(Database(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    collection, text = line.rstrip("\\n").split("\\t")
    put = catalog.put_document(new_document(collection, "other.txt", text, HashEmbedder()))
    print(put.document, flush=True)
"""


@pytest.mark.real
def test_what_another_process_commits_is_found_soon(corpus: Corpus, searcher: Searcher) -> None:
    fill(corpus, 5)
    searcher.start()
    wait_until(lambda: searcher.ready, 20)
    took = []
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, corpus.database.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        for n in range(5):
            worker.stdin.write(f"{corpus.collection}\tzebra number {n}\n")
            worker.stdin.flush()
            document = worker.stdout.readline().strip()

            def found(document: str = document) -> bool:
                passages = searcher.search("zebra", collections=[corpus.collection]).passages
                return document in {passage.document for passage in passages}

            took.append(wait_until(found, 120))
            assert corpus.catalog.delete_document(document)
            assert "other.txt" not in names(searcher.search("zebra", collections=[corpus.collection]))
        worker.stdin.close()
        assert worker.wait(20) == 0
    assert len(took) == 5  # how long it takes on a quiet machine is measured by `footnote bench hybrid`


def test_words_of_the_background_decide_between_equals(corpus: Corpus, searcher: Searcher) -> None:
    corpus.put("queue.txt", "limit of the queue")
    corpus.put("disk.txt", "limit of the disk")
    for word in ("queue", "disk"):
        found = searcher.search("limit", collections=[corpus.collection], mode="lexical", background=[(word, 0.3)])
        assert names(found)[0] == f"{word}.txt"
        assert len(found.passages) == 2


def test_the_log_is_waited_for_where_somebody_follows(corpus: Corpus, searcher: Searcher) -> None:
    corpus.put("before.txt", "an old lamp")
    assert not searcher.wait_for_log(60.0)  # nobody follows: at once
    searcher.start()
    for number in range(5):
        corpus.put(f"{number}.txt", f"lamp number {number}")
        assert searcher.wait_for_log(60.0)
        found = searcher.search(f"lamp number {number}", collections=[corpus.collection], mode="lexical")
        assert f"{number}.txt" in {passage.name for passage in found.passages}
