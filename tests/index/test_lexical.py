"""The BM25 view: what is found, kept, filtered and rebuilt, laws and crashes included."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.follow import ChunkText
from index.lexical import FORMAT, NICE, LexicalView
from index.scope import Scope
from index.snapshot import Snapshot, Snapshots

TEXTS = (
    "The queue drops messages after their time to live",
    "Error ERR-1042 means that the connection was reset",
    "Error ERR-1043 means that the disk is full",
    "Version v3.12.1 mends the leak; v3.12.2 mends another",
    "Passwörter werden im Café zurückgesetzt",
)


@pytest.fixture
def view(tmp_path: Path) -> Iterator[LexicalView]:
    view = LexicalView(tmp_path)
    view.add(ChunkText(n, n, n % 2, "Handbook", "Errors > Codes", text) for n, text in enumerate(TEXTS))
    view.commit(5)
    yield view
    view.close()


def found(view: LexicalView, question: str, scope: Scope | None = None) -> list[int]:
    return view.moment().search(question, 10, scope)[1].tolist()


def test_words_are_stemmed(view: LexicalView) -> None:
    assert found(view, "dropping a message")[0] == 0
    assert found(view, "MEND leaks")[0] == 3


def test_identifiers_are_found_whole(view: LexicalView) -> None:
    assert found(view, "what is err-1043?")[0] == 2
    assert found(view, "ERR-1042")[0] == 1
    scores, chunks = view.moment().search("v3.12.1", 10)
    assert chunks.tolist() == [3]
    assert scores[0] > 0


def test_titles_headings_and_accents_count(view: LexicalView) -> None:
    assert sorted(found(view, "handbook")) == [0, 1, 2, 3, 4]
    assert sorted(found(view, "codes")) == [0, 1, 2, 3, 4]
    assert found(view, "cafe passworter") == [4]


def test_scopes_limit_what_is_found(view: LexicalView) -> None:
    assert sorted(found(view, "handbook", Scope(collections=(1,)))) == [1, 3]
    assert found(view, "handbook", Scope(collections=())) == []
    assert sorted(found(view, "handbook", Scope(documents=np.array([0, 3])))) == [0, 3]
    assert found(view, "handbook", Scope(collections=(1,), documents=np.array([0, 3]))) == [3]
    unlimited, limited = (view.moment().search("handbook error", 9, scope) for scope in (None, Scope((0, 1))))
    assert np.allclose(unlimited[0], limited[0]), "a scope must not change scores"


def test_removed_documents_are_not_found_after_the_commit(view: LexicalView) -> None:
    held = view.moment()
    view.remove([1])
    assert found(view, "ERR-1042")[0] == 1
    view.commit(6)
    assert 1 not in found(view, "ERR-1042")
    assert held.search("ERR-1042", 10)[1][0] == 1, "a moment never changes"
    assert (held.applied_seq, view.moment().applied_seq) == (5, 6)


def test_a_rollback_forgets(view: LexicalView) -> None:
    view.remove([1])
    view.rollback()
    view.commit(6)
    assert found(view, "ERR-1042")[0] == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.text(max_size=80))
def test_any_text_is_a_valid_question(view: LexicalView, question: str) -> None:
    scores, chunks = view.moment().search(question, 3)
    assert len(scores) == len(chunks) <= 3


@pytest.mark.parametrize("question", ["", '"', "a AND", "field:x", "((", "*", "+-!", "[1 TO", "\x00", "word " * 50_000])
def test_questions_are_never_parsed(view: LexicalView, question: str) -> None:
    scores, chunks = view.moment().search(question, 3)
    assert len(scores) == len(chunks) <= 3


def written(view: LexicalView, folder: Path) -> Snapshot:
    return Snapshots(folder, "lexical", FORMAT).write(view.applied_seq, "m", view.fill_snapshot)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_snapshot_opens_and_never_changes(view: LexicalView, tmp_path: Path) -> None:
    snapshot = written(view, tmp_path)
    before = digests(snapshot.folder)
    again = LexicalView(tmp_path, snapshot)
    assert again.applied_seq == 5
    assert found(again, "ERR-1042") == found(view, "ERR-1042")
    for n in range(10, 15):
        for each in (view, again):
            each.remove([n - 10])
            each.add([ChunkText(n, n, 0, "", "", f"more words {n}")])
            each.commit(n)
    assert found(again, "words") == found(view, "words")
    again.close()
    assert digests(snapshot.folder) == before


def test_the_work_folder_goes_with_its_view(tmp_path: Path) -> None:
    view = LexicalView(tmp_path)
    assert len(list(tmp_path.glob("work-*"))) == 1
    view.close()
    assert list(tmp_path.glob("work-*")) == []


def test_work_folders_of_dead_processes_are_swept(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from index.lexical import LexicalView\n"
        "view = LexicalView(Path(sys.argv[1])); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    (left,) = tmp_path.glob("work-*")
    living = LexicalView(tmp_path)
    other = LexicalView(tmp_path)
    assert not left.exists()
    assert len(list(tmp_path.glob("work-*"))) == 2, "folders of living views are left alone"
    living.close()
    other.close()


def test_many_allowed_documents_are_found_like_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = LexicalView(tmp_path)
    chance = random.Random(5)
    words = ["queue", "limit", "error", "disk", "key"]
    view.add(ChunkText(n, 1 + n // 3, 1, "", "", " ".join(chance.choices(words, k=1 + n % 7))) for n in range(1, 1500))
    view.commit(1)
    moment = view.moment()
    scopes = [
        Scope(documents=np.array([key for key in range(1, 501) if wanted(key)], np.int64), chosen_from=500)
        for wanted in (lambda key: key % 2 == 0, lambda key: key > 495, lambda key: True, lambda key: False)
    ]
    for question in ("queue", "limit error", "disk key queue"):
        for scope in scopes:
            monkeypatch.setattr("index.lexical.HITS_PER_DOCUMENT", 0)
            one_by_one = moment.search(question, 20, scope)
            monkeypatch.setattr("index.lexical.HITS_PER_DOCUMENT", 10**9)
            looked_through = moment.search(question, 20, scope)
            assert np.allclose(one_by_one[0], looked_through[0])
            assert len(set(one_by_one[1].tolist())) == len(looked_through[1])
    view.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
def test_threads_that_write_stand_behind_those_who_ask(tmp_path: Path) -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    before = set(Path("/proc/self/task").iterdir())
    view = LexicalView(tmp_path)
    for n in range(3):
        view.add([ChunkText(n, n, 0, "", "", "a word or two")])
        view.commit(n + 1)
    made = {thread: (thread / "comm").read_text() for thread in set(Path("/proc/self/task").iterdir()) - before}
    writing = [thread for thread, name in made.items() if name.startswith(("merge", "segment", "thrd-tantivy-in"))]
    assert len(writing) >= 3, made
    assert {os.getpriority(os.PRIO_PROCESS, int(thread.name)) for thread in writing} == {max(mine, NICE)}
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine
    view.close()
