"""A snapshot of the words is of one commit, whatever merges add and take away while its files are linked."""

from pathlib import Path

import pytest

import index.lexical_files as files
from index.follow import ChunkText
from index.lexical import FORMAT, LexicalView
from index.snapshot import Snapshots


def texts(first: int, count: int) -> list[ChunkText]:
    return [ChunkText(n, n, 1, "", "", f"word{n} and more of the same") for n in range(first, first + count)]


def test_every_commit_of_a_living_index_can_be_linked_at_once(tmp_path: Path) -> None:
    """One commit after the other, so that merges go on all the time; none is waited for."""
    view = LexicalView(tmp_path)
    snapshots = Snapshots(tmp_path, "lexical", FORMAT)
    for n in range(40):
        view.remove([n - 3])
        view.add(texts(n, 1))
        view.commit(n)
        if n % 3:
            continue
        again = LexicalView(tmp_path, snapshots.write(n, "m", view.fill_snapshot, view.details))
        assert again.moment().rows == view.moment().rows == min(n + 1, 3)
        assert again.moment().search(f"word{n}", 5)[1].tolist() == [n]
        again.add(texts(100, 2))
        again.commit(n + 1)
        assert again.moment().rows == min(n + 1, 3) + 2
        again.close()
    view.close()


def test_a_pinned_index_stays_what_it_was(tmp_path: Path) -> None:
    view = LexicalView(tmp_path)
    view.add(texts(0, 5))
    view.commit(1)
    fill = view.pinned()
    view.remove([0, 1, 2])
    view.add(texts(10, 5))
    view.commit(2)
    snapshot = Snapshots(tmp_path, "lexical", FORMAT).write(1, "m", fill, view.details)
    again = LexicalView(tmp_path, snapshot)
    assert sorted(again.moment().chunks().tolist()) == [0, 1, 2, 3, 4]
    assert not list(view._work.path.glob("pin-*")), "what was pinned is let go"
    again.close()
    view.close()


def test_files_that_a_merge_takes_away_meanwhile_are_looked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = LexicalView(tmp_path)
    view.add(texts(0, 3))
    view.commit(1)
    link, calls = files._link, 0

    def gone_at_first(path: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise FileNotFoundError(path)
        link(path, target)

    monkeypatch.setattr(files, "_link", gone_at_first)
    snapshot = Snapshots(tmp_path, "lexical", FORMAT).write(1, "m", view.fill_snapshot, view.details)
    again = LexicalView(tmp_path, snapshot)
    assert again.moment().rows == 3
    again.close()
    monkeypatch.setattr(files, "_linked", lambda *_: False)
    with pytest.raises(RuntimeError, match="changed 50 times"):
        Snapshots(tmp_path, "lexical", FORMAT).write(1, "m", view.fill_snapshot, view.details)
    view.close()
