"""What was deleted leaves the files by itself: when, after how much rest, and that nothing of it is left."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.erasing import Eraser, newest_deletion
from index.search import Searcher
from tests.index.corpus import Corpus

LARGE = 1 << 40


@pytest.fixture
def kept(corpus: Corpus) -> Iterator[Searcher]:
    """Over a corpus whose views have snapshots on disk, and a document that is to go."""
    searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    for n in range(8):
        corpus.put(f"{n}.txt", f"document {n} of the queue and its many limits " * 30)
    corpus.put("secret.txt", "the xylophone codeword of the vault " * 200)
    searcher.compact()
    yield searcher
    searcher.close()


def until_erased(eraser: Eraser, searcher: Searcher) -> None:
    end = time.monotonic() + 60
    while eraser._erased < eraser._deleted or not eraser._deleted:
        assert time.monotonic() < end
        searcher.refresh()
        eraser.look(searcher._views)
        time.sleep(0.005)


def files_with(folder: Path, word: bytes) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


def secret_of(corpus: Corpus) -> str:
    return next(each.id for each in corpus.catalog.documents(corpus.collection).items if each.name == "secret.txt")


def test_nothing_of_it_is_left_in_any_file(corpus: Corpus, kept: Searcher) -> None:
    secret = secret_of(corpus)
    corpus.catalog.delete_document(secret)
    assert {finding.what for finding in kept.traces(secret) if not finding.ok} >= {"dense view", "lexical view"}
    until_erased(Eraser(corpus.database, 0.01, LARGE), kept)
    assert [finding for finding in kept.traces(secret) if not finding.ok] == []
    assert files_with(corpus.folder, b"xylophone") == []
    assert [finding for finding in kept.verify() if not finding.ok] == []
    assert corpus.database.erased_upto() >= newest_deletion(corpus.database, 0) > 0
    assert len(list(corpus.views.glob("work-*/meta.json"))) == 1, "the words of before are let go"


def test_a_process_that_opens_later_finds_nothing_to_do(corpus: Corpus, kept: Searcher) -> None:
    corpus.catalog.delete_document(secret_of(corpus))
    until_erased(Eraser(corpus.database, 0.01, LARGE), kept)
    kept.close()
    before = sorted(path.name for path in corpus.views.glob("*-0*"))
    later = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    later.refresh()
    assert later._views.cleanse(newest_deletion(corpus.database, 0))
    later.close()
    assert sorted(path.name for path in corpus.views.glob("*-0*")) == before
    assert len(before) == 2


def test_it_waits_and_never_comes_by_itself_at_zero(corpus: Corpus, kept: Searcher) -> None:
    corpus.catalog.delete_document(secret_of(corpus))
    kept.refresh()
    never, later = Eraser(corpus.database, 0, LARGE), Eraser(corpus.database, 3600, LARGE)
    for _ in range(3):
        never.look(kept._views)
        later.look(kept._views)
    assert not kept._views.cleanse(newest_deletion(corpus.database, 0)), "neither has begun"


def test_erasing_rests_twenty_times_as_long_as_it_took(
    corpus: Corpus, kept: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("index.erasing.time.monotonic", lambda: now)
    answers = iter([False, True])
    monkeypatch.setattr(kept._views, "cleanse", lambda _upto: next(answers))
    eraser = Eraser(corpus.database, 10, LARGE)
    corpus.catalog.delete_document(secret_of(corpus))
    kept.refresh()
    eraser.look(kept._views)
    now += 10
    eraser.look(kept._views)  # not clean yet
    now += 30
    eraser.look(kept._views)
    assert eraser._erased == eraser._deleted
    corpus.catalog.delete_document(corpus.catalog.documents(corpus.collection).items[0].id)
    kept.refresh()
    eraser.look(kept._views)
    now += 599
    eraser.look(kept._views)
    assert eraser._began is None
    monkeypatch.setattr(kept._views, "cleanse", lambda _upto: False)
    now += 2
    eraser.look(kept._views)
    assert eraser._began is not None


def test_a_large_file_is_not_rewritten_and_proof_says_so(corpus: Corpus, kept: Searcher) -> None:
    corpus.catalog.delete_document(secret_of(corpus))
    until_erased(Eraser(corpus.database, 0.01, 1), kept)
    assert corpus.database.erased_upto() == 0
    assert files_with(corpus.folder, b"xylophone") == [], "zeros were written over it all the same"


def test_a_version_that_gave_way_is_not_gone(corpus: Corpus) -> None:
    first = corpus.put("a.txt", "a first text")
    corpus.put("a.txt", "a second text")
    assert newest_deletion(corpus.database, 0) == 0
    corpus.catalog.delete_document(corpus.catalog.documents(corpus.collection).items[0].id)
    assert newest_deletion(corpus.database, 0) == corpus.catalog.latest_seq()
    assert newest_deletion(corpus.database, corpus.catalog.latest_seq()) == 0
    assert first.document


def test_readers_in_the_way_are_waited_for_another_time(corpus: Corpus, kept: Searcher) -> None:
    corpus.catalog.delete_document(secret_of(corpus))
    with corpus.database.read() as session:
        session.connection().exec_driver_sql("SELECT count(*) FROM chunks").all()
        assert not corpus.database.empty_log()
    assert corpus.database.empty_log()
