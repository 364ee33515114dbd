"""A change of the embedding model: built beside the one that serves, switched in one step, undone, dropped."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import func, select

from index.errors import EmbedderMismatch, GenerationConflict
from index.generations import LAST_FEW, Generations
from index.reembed import build_and_switch, embed_whole
from index.schema import ChunkVector
from index.search import Searcher
from tests.fakes import HashEmbedder
from tests.index.corpus import Corpus, new_document

ON_EVERY_DATABASE = True
OLD, NEW = HashEmbedder(), HashEmbedder(dimension=48)
MODELS = {"old": OLD, "new": NEW}


def nothing(_done: int, _of: int) -> None:
    pass


@pytest.fixture
def following(corpus: Corpus) -> Iterator[Searcher]:
    """As a running service has it: it opens what serves by itself."""
    searcher = Searcher(corpus.database, corpus.catalog, OLD, corpus.views, reopen=MODELS.__getitem__)
    yield searcher
    searcher.close()


@pytest.fixture
def generations(corpus: Corpus) -> Generations:
    return Generations(corpus.database)


def fill(corpus: Corpus, count: int = 12) -> None:
    for n in range(count):
        corpus.put(f"{n}.txt", f"document {n} about queue limits and error codes")


def begin(generations: Generations) -> None:
    generations.begin((OLD.stamp.key, "old"), (NEW.stamp.key, "new"))


def change(generations: Generations) -> None:
    begin(generations)
    build_and_switch(generations, NEW, nothing)


def found(corpus: Corpus, searcher: Searcher, question: str = "queue limits") -> list[tuple[str, float]]:
    result = searcher.search(question, collections=[corpus.collection], k=50, mode="dense")
    return [(each.name, each.score) for each in result.passages]


def vectors(corpus: Corpus, stamp: str) -> int:
    with corpus.database.read() as session:
        return session.scalar(select(func.count()).where(ChunkVector.stamp == stamp)) or 0


def test_the_new_one_gives_what_it_would_have_given_from_the_start(
    corpus: Corpus, generations: Generations, following: Searcher
) -> None:
    fill(corpus)
    before = found(corpus, following)
    change(generations)
    following.refresh()
    assert following.stamp == NEW.stamp.key
    query = NEW.embed_query("queue limits")
    texts = {
        each.name: [chunk.text for chunk in corpus.catalog.chunks(each.id)]
        for each in corpus.catalog.documents(corpus.collection).items
    }
    expected = sorted((float(row @ query) for some in texts.values() for row in NEW.embed(some)), reverse=True)
    after = found(corpus, following)
    assert np.allclose([score for _, score in after], expected[:50], atol=2e-3)
    assert before != after
    assert corpus.catalog.collection("docs").stamp == NEW.stamp.key
    assert [finding for finding in following.verify() if not finding.ok] == []


def test_questions_are_answered_throughout_and_from_one_model_each(
    corpus: Corpus, generations: Generations, following: Searcher
) -> None:
    fill(corpus)
    begin(generations)
    wrong: list[object] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                names = {name for name, _ in found(corpus, following)}
                if len(names) != 12:
                    wrong.append(names)
            except Exception as error:  # noqa: BLE001 - the thread must tell what happened
                wrong.append(error)
                return

    following.start()
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        build_and_switch(generations, NEW, nothing)
        patience = time.monotonic() + 120
        while following.stamp != NEW.stamp.key and time.monotonic() < patience:
            time.sleep(0.02)
        assert following.stamp == NEW.stamp.key
    finally:
        over.set()
        asking.join()
    assert wrong == []


def test_a_build_that_was_cut_off_goes_on_where_it_stopped(corpus: Corpus, generations: Generations) -> None:
    for n in range(4):
        corpus.put(f"{n}.txt", f"words of document {n} " * 150)
    begin(generations)

    def die(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_and_switch(generations, NEW, die)
    done, of = generations.progress(NEW.stamp.key)
    assert 0 < done < of
    assert generations.serving() == (OLD.stamp.key, "old")
    seen: list[int] = []
    begin(generations)
    build_and_switch(generations, NEW, lambda now, _of: seen.append(now))
    assert seen[0] > done
    assert vectors(corpus, NEW.stamp.key) == of == vectors(corpus, OLD.stamp.key)


def test_documents_that_come_and_go_meanwhile_are_in_time(corpus: Corpus, generations: Generations) -> None:
    fill(corpus, 3)
    gone = corpus.put("gone.txt", "soon gone " * 400)
    begin(generations)

    def disturb(done: int, _of: int) -> None:
        if done <= LAST_FEW:
            corpus.catalog.delete_document(gone.document)
            corpus.put("late.txt", "came while others were embedded " * 400)

    build_and_switch(generations, NEW, disturb)
    assert generations.lacking(NEW.stamp.key, 0, 10) == []


def test_whoever_still_has_the_old_model_is_refused(corpus: Corpus, generations: Generations) -> None:
    fill(corpus, 2)
    change(generations)
    for collection in (corpus.collection, corpus.catalog.create_collection("new").id):
        with pytest.raises(EmbedderMismatch, match="serves now"):
            corpus.catalog.put_document(new_document(collection, "stale.txt", "of the old model", OLD))
        put = corpus.catalog.put_document(new_document(collection, "fresh.txt", "of the new model", NEW))
        assert put.outcome == "added"


def test_it_can_be_undone_until_the_old_one_is_dropped(
    corpus: Corpus, generations: Generations, following: Searcher
) -> None:
    fill(corpus, 5)
    before = found(corpus, following)
    change(generations)
    corpus.catalog.put_document(new_document(corpus.collection, "later.txt", "queue limits", NEW))
    following.refresh()
    assert generations.previous().model == "old"
    generations.begin((NEW.stamp.key, "new"), (OLD.stamp.key, "old"))
    build_and_switch(generations, OLD, nothing)
    following.refresh()
    assert [(name, pytest.approx(score, abs=2e-3)) for name, score in before] == [
        pair for pair in found(corpus, following) if pair[0] != "later.txt"
    ]
    assert generations.drop() == (NEW.stamp.key,)
    assert vectors(corpus, NEW.stamp.key) == 0
    assert {each.state for each in generations.listing()} == {"serving"}
    with pytest.raises(GenerationConflict, match="no earlier"):
        generations.previous()


def test_a_process_that_did_not_switch_answers_until_the_drop_and_not_after(
    corpus: Corpus, generations: Generations, searcher: Searcher
) -> None:
    fill(corpus, 5)
    assert len(found(corpus, searcher)) > 0
    change(generations)
    assert {name for name, _ in found(corpus, searcher)} == {f"{n}.txt" for n in range(5)}
    generations.drop()
    with pytest.raises(EmbedderMismatch):
        found(corpus, searcher)


def test_one_change_at_a_time(corpus: Corpus, generations: Generations) -> None:
    fill(corpus, 2)
    begin(generations)
    begin(generations)
    with pytest.raises(GenerationConflict, match="is being built"):
        generations.begin((OLD.stamp.key, "old"), ("third", "third"))
    with pytest.raises(GenerationConflict, match="serves already"):
        generations.begin((OLD.stamp.key, "old"), (OLD.stamp.key, "old"))
    with pytest.raises(EmbedderMismatch, match="another process switched"):
        generations.begin((NEW.stamp.key, "new"), ("third", "third"))
    assert generations.drop() == (NEW.stamp.key,)


def test_vectors_of_a_model_that_nobody_configured_are_named(corpus: Corpus, generations: Generations) -> None:
    fill(corpus, 2)
    with pytest.raises(EmbedderMismatch, match="'docs'"):
        generations.begin(("another", "another"), (NEW.stamp.key, "new"))


def test_a_text_longer_than_the_new_model_reads_loses_nothing() -> None:
    short = HashEmbedder(max_tokens=12)
    text = " ".join(f"word{n}" for n in range(35))
    row = embed_whole(short, [text, "queue"])
    assert np.allclose(np.linalg.norm(row, axis=1), 1, atol=1e-5)
    assert np.allclose(row[1], short.embed_query("queue"), atol=1e-6)
    everything = HashEmbedder(max_tokens=256).embed([text])[0]
    assert float(row[0] @ everything) > 0.9
