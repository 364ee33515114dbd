"""The views behind a search: taken away, built anew, written while asked, on a disk that is full."""

import threading
from pathlib import Path
from typing import Any

import pytest

from index.errors import ViewsUnwritable
from index.search import Searcher
from tests.index.corpus import Corpus, fill, names, wait_until

ON_EVERY_DATABASE = True


def test_a_base_that_another_process_tidies_away_while_it_is_taken_changes_nothing(corpus: Corpus) -> None:
    searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views, delta_limit=5)
    searcher.refresh()
    fill(corpus)
    searcher.refresh()  # begins to write a base in the background
    for thread in threading.enumerate():
        if thread.name == "footnote-base":
            thread.join()
    written = list(corpus.views.glob("dense-*/rows.npy"))
    assert written
    for path in written:
        path.unlink()
    corpus.put("last.txt", "queue limit error at last")
    searcher.refresh()
    found = searcher.search("at last", collections=[corpus.collection], k=200).passages
    assert "last.txt" in {passage.name for passage in found}
    searcher.close()


def test_any_view_may_be_deleted_at_any_time(corpus: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    fill(corpus)
    expected = None
    for damage in (None, "index.faiss", "rows.npy", "header", "meta.json", "everything"):
        searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
        found = names(searcher.search("queue limit error", collections=[corpus.collection]))
        assert expected is None or found == expected
        expected = found
        searcher.compact()
        searcher.close()
        for part in corpus.views.rglob("*"):
            if part.is_file() and damage in (part.name, "everything"):
                part.chmod(0o600)
                part.unlink()
    assert "set aside" in caplog.text


def test_snapshots_of_a_database_that_went_back_in_time_are_not_served(tmp_path: Path) -> None:
    first = Corpus(tmp_path / "one")
    fill(first)
    searcher = Searcher(first.database, first.catalog, first.embedder, first.views)
    searcher.compact()
    searcher.close()
    first.close()
    second = Corpus(tmp_path / "two")
    for n in range(13):
        second.put(f"{n}.txt", f"quite another history {n}")
    other = Searcher(second.database, second.catalog, second.embedder, first.views)
    found = other.search("queue another history", collections=[second.collection], k=100)
    assert {passage.collection for passage in found.passages} == {second.collection}
    assert len(found.passages) == 13
    assert not any(drop.reason == "gone" for drop in found.dropped)
    other.close()
    second.close()


def test_the_base_is_rebuilt_in_the_background_and_swapped(corpus: Corpus) -> None:
    searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views, delta_limit=12)
    searcher.start()
    wait_until(lambda: searcher.ready, 20)
    assert searcher.status()["dense"] == "empty"
    fill(corpus)
    wait_until(lambda: searcher.status()["dense"] == "flat" and searcher.status()["delta_chunks"] <= 12, 30)
    wait_until(lambda: searcher.status()["applied_seq"] == 12, 20)
    status = searcher.status()
    assert status["chunks"] == status["lexical_chunks"] == corpus.catalog.collection("docs").chunks
    assert (status["follow_errors"], status["snapshot_failures"]) == (0, 0)
    searcher.close()
    assert [path.name for path in corpus.views.iterdir() if path.name.startswith("work-")] == []


def test_what_is_written_is_found_while_a_snapshot_of_the_words_is_written(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views, delta_limit=5)
    searcher.refresh()
    go_on = threading.Event()
    write = searcher._views._files.lexical.write

    def slowly(*arguments: Any) -> Any:
        assert go_on.wait(120)
        return write(*arguments)

    monkeypatch.setattr(searcher._views._files.lexical, "write", slowly)
    fill(corpus)
    searcher.refresh()
    assert searcher._views._makers.sealing
    corpus.put("late.txt", "a xylophone")
    searcher.refresh()
    found = searcher.search("xylophone", collections=[corpus.collection], mode="lexical")
    assert (names(found), list(corpus.views.glob("lexical-*"))) == (["late.txt"], [])
    go_on.set()
    searcher.close()
    assert len([path for path in corpus.views.glob("lexical-*") if "." not in path.name]) == 1
    again = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views, delta_limit=5)
    assert names(again.search("xylophone", collections=[corpus.collection], mode="lexical")) == ["late.txt"]
    assert [each for each in again.verify() if not each.ok] == []
    again.close()


def test_a_snapshot_of_the_words_that_failed_is_made_up_for_on_closing(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.views.WORTH_KEEPING", 1)
    searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views, delta_limit=5)
    searcher.refresh()

    def no_room(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(searcher._views._files.lexical, "write", no_room)
    fill(corpus)
    searcher.refresh()
    searcher._views._makers.await_sealer()
    assert searcher.status()["snapshot_failures"] == 1
    monkeypatch.undo()
    monkeypatch.setattr("index.views.WORTH_KEEPING", 1)
    searcher.close()
    assert len([path for path in corpus.views.glob("lexical-*") if "." not in path.name]) == 1


def test_a_disk_that_refuses_snapshots_costs_no_answer(corpus: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    fill(corpus)
    searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views, delta_limit=5)
    corpus.views.mkdir()
    # A name that only snapshots of the dense view need is taken by a file.
    searcher._views._files.dense.folder = corpus.views / "file"
    (corpus.views / "file").write_text("in the way")
    assert len(names(searcher.search("queue", collections=[corpus.collection]))) == 10
    assert searcher.status()["snapshot_failures"] >= 1
    assert "could not be written" in caplog.text
    searcher.close()


@pytest.mark.parametrize("refuse", ["faiss", "tantivy", "system"])
def test_a_full_disk_is_one_clear_error_and_the_views_serve_on(
    corpus: Corpus, searcher: Searcher, monkeypatch: pytest.MonkeyPatch, refuse: str
) -> None:
    """Each library has words of its own for a disk that is full."""
    fill(corpus)
    before = names(searcher.search("queue", collections=[corpus.collection]))
    files = searcher._views._files

    def no_room(*_: Any) -> None:
        raise {"faiss": RuntimeError, "tantivy": ValueError, "system": OSError}[refuse]("No space left\non device")

    kind = files.lexical if refuse == "tantivy" else files.dense
    monkeypatch.setattr(kind, "write", no_room)
    for work in (searcher.compact, searcher.repair):
        with pytest.raises(ViewsUnwritable, match=r"cannot be written \(No space left on device\); make room"):
            work()
    monkeypatch.undo()
    assert names(searcher.search("queue", collections=[corpus.collection])) == before
    searcher.compact()
    assert [each for each in searcher.verify() if not each.ok] == []
