"""Suites of one's own: what is read, what is refused, and that what is written reads back the same."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.datasets import Case, Span
from eval.errors import DatasetUnreadable
from eval.suite_files import read_suite, suite_yaml

CASE = {"id": "1", "question": "q?", "kind": "answerable", "answers": ["a"]}


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_json_lines_are_read(tmp_path: Path) -> None:
    spans = [{"document": "a.md", "text": "x"}, {"document": "a.md", "text": "y"}]
    suite = [CASE | {"spans": spans, "tags": ["t"]}, {"question": "z?", "kind": "offtopic"}]
    first, second = read_suite(lines(tmp_path / "s.jsonl", suite))
    assert (first.documents, len(first.spans), first.tags) == (("a.md",), 2, ("t",))
    assert (second.id, second.answerable, second.collection) == ("2", False, None)


def test_yaml_is_read_with_its_rules_and_the_shared_collection(tmp_path: Path) -> None:
    suite = tmp_path / "week.yaml"
    suite.write_text(
        "collection: handbook\n"
        "cases:\n"
        "- question: How long is the link valid?\n"
        "  facts: [30 minutes, works once]\n"
        "  must_cite: [reset.md]\n"
        "  must_not_say: [forever]\n"
        '- {question: "Who is the owner?", must_abstain: true, collection: other}\n',
        encoding="utf-8",
    )
    first, second = read_suite(suite)
    assert (first.kind, first.facts, first.must_cite, first.must_not_say, first.collection) == (
        "answerable",
        ("30 minutes", "works once"),
        ("reset.md",),
        ("forever",),
        "handbook",
    )
    assert (second.kind, second.collection) == ("unanswerable", "other")


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([CASE, CASE], "two cases with the id '1'"),
        ([CASE | {"kind": "maybe"}], "kind 'maybe'"),
        ([{"kind": "offtopic"}], "line 1 of .* lacks question"),
        ([CASE | {"question": " "}], "lacks question"),
        ([CASE | {"answers": []}], "answerable but has no answers"),
        ([CASE | {"answers": "a"}], "answers 'a', but a list was wanted"),
        ([CASE | {"must_sing": True}], "must_sing, which no case has"),
        ([CASE | {"must_abstain": True}], "is answerable, but must_abstain says otherwise"),
        ([CASE | {"spans": [{"text": "x"}]}], "span without document and text"),
        ([], "holds no case"),
    ],
)
def test_a_bad_suite_is_one_clear_line(tmp_path: Path, rows: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(DatasetUnreadable, match=complaint):
        read_suite(lines(tmp_path / "s.jsonl", rows))


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("s.jsonl", "question: q?\n", "is not JSON"),
        ("s.yaml", "cases: [", "is not YAML"),
        ("s.yaml", "- q?\n", "has no list of cases"),
        ("s.yml", "cases: [q]\n", "has no list of cases"),
    ],
)
def test_a_file_of_another_form_is_one_clear_line(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DatasetUnreadable, match=complaint):
        read_suite(tmp_path / name)
    with pytest.raises(DatasetUnreadable, match="cannot be read"):
        read_suite(tmp_path / f"none-{name}")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1).filter(str.strip)
LISTS = st.lists(TEXTS, max_size=3).map(tuple)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.builds(
            Case,
            id=TEXTS,
            question=TEXTS,
            kind=st.just("answerable"),
            answers=st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
            spans=st.lists(st.builds(Span, st.just("a.md"), TEXTS), max_size=2).map(tuple),
            tags=LISTS,
            facts=LISTS,
            must_cite=LISTS,
            must_not_say=LISTS,
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda case: case.id,
    )
)
def test_what_is_written_reads_back_the_same(tmp_path_factory: pytest.TempPathFactory, cases: list[Case]) -> None:
    path = tmp_path_factory.mktemp("suite") / "s.yaml"
    path.write_text(suite_yaml(cases), encoding="utf-8")
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["cases"][0]["question"] == cases[0].question
    read = read_suite(path)
    assert [case.answers for case in read] == [case.answers for case in cases]
    for name in ("id", "question", "kind", "spans", "tags", "facts", "must_cite", "must_not_say"):
        assert [getattr(case, name) for case in read] == [getattr(case, name) for case in cases]
