"""Data sets and suites, good and broken."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.datasets import read_beir, read_qa
from eval.errors import DatasetUnreadable


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    write(tmp_path / "corpus.jsonl", [{"_id": f"d{i}", "title": "T", "text": f"text {i}"} for i in range(4)])
    write(tmp_path / "queries.jsonl", [{"_id": f"q{i}", "text": f"question {i}"} for i in range(4)])
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td1\t2\nq1\td2\t0\nq2\td3\t0\n")
    return tmp_path


def test_a_beir_folder_is_read(beir: Path) -> None:
    data = read_beir(beir)
    assert [text.name for text in data.documents] == ["d0", "d1", "d2", "d3"]
    assert data.queries == {"q0": "question 0", "q1": "question 1"}  # the others have nothing to find
    assert data.judged == {"q0": {"d0": 1}, "q1": {"d1": 2, "d2": 0}}
    assert list(read_beir(beir, limit=1).queries) == ["q0"]


def test_qrels_may_lie_in_a_folder(beir: Path) -> None:
    (beir / "qrels").mkdir()
    (beir / "qrels.tsv").rename(beir / "qrels" / "test.tsv")
    assert len(read_beir(beir).queries) == 2


def test_a_missing_or_torn_beir_file_is_one_clear_line(beir: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetUnreadable, match="is no folder"):
        read_beir(tmp_path / "nowhere")
    (beir / "qrels.tsv").write_text("q0 d0 1\n")
    with pytest.raises(DatasetUnreadable, match="tabs between"):
        read_beir(beir)
    (beir / "qrels.tsv").unlink()
    with pytest.raises(DatasetUnreadable, match="is missing"):
        read_beir(beir)


def test_equal_contexts_are_one_text(tmp_path: Path) -> None:
    rows = [
        {"question": "a?", "context": "One.", "answers": ["One"], "answerable": True},
        {"question": "b?", "context": "One.", "answers": [], "answerable": False},
        {"question": "c?", "context": "Two.", "answers": ["Two"], "answerable": True, "id": "x", "title": "Second"},
    ]
    data = read_qa(write(tmp_path / "qa.jsonl", rows))
    assert [text.text for text in data.texts] == ["One.", "Two."]
    assert [(case.id, case.kind, case.documents) for case in data.cases] == [
        ("1", "answerable", ("context-00001.txt",)),
        ("2", "unanswerable", ("context-00001.txt",)),
        ("x", "answerable", ("context-00002.txt",)),
    ]


def test_a_limit_spreads_over_the_file_and_keeps_every_context(tmp_path: Path) -> None:
    rows = [{"question": f"{i}?", "context": f"C{i}.", "answers": ["C"], "answerable": True} for i in range(10)]
    data = read_qa(write(tmp_path / "qa.jsonl", rows), limit=5)
    assert [case.question for case in data.cases] == ["0?", "2?", "4?", "6?", "8?"]
    assert len(data.texts) == 10
