"""Whole runs over real storage, with a hashed embedder and a scripted model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from eval.cli import eval_group
from eval.datasets import BeirSet, Case, Text
from eval.errors import NothingToAsk
from eval.retrieval import fill, run_retrieval, summarise_retrieval
from eval.suites import by_tag, run_cases, write_cases
from eval.workplace import add_folder, add_texts
from index.errors import NoSuchCollection
from rag.app import App
from rag.errors import NoSuchModel
from rag.settings import Settings

Make = Callable[..., App]

RESET = "The reset link is valid for 30 minutes and works only once."
TEXTS = (
    Text("reset.txt", "Passwords", RESET),
    Text("hub.txt", "Hubs", "The hub sends readings through port 8883."),
    Text("refund.txt", "", "Refunds are paid within ten working days."),
)
DATA = BeirSet(
    "small",
    TEXTS,
    {"q1": "reset link valid minutes", "q2": "hub port readings", "q3": "refunds paid days"},
    {"q1": {"reset.txt": 1}, "q2": {"hub.txt": 1}, "q3": {"refund.txt": 1}},
)
CASES = [
    Case("a", "How long is the reset link valid?", "answerable", answers=("30 minutes",), documents=("reset.txt",)),
    Case("o", "Who won the cup?", "offtopic", tags=("sport",)),
]
SURE: dict[str, Any] = {"answer_evidence_threshold": 0.0, "answer_support_threshold": 0.0}


def retrieval(app: App, **options: Any) -> dict[str, Any]:
    return summarise_retrieval(DATA, run_retrieval(app, DATA, fill(app, DATA), **options))


@pytest.mark.parametrize(("mode", "exact"), [("hybrid", False), ("dense", True), ("lexical", False)])
def test_documents_are_found_through_the_real_search(make_app: Make, mode: str, exact: bool) -> None:
    result = retrieval(make_app(), mode=mode, exact=exact)
    assert (result["questions"], result["documents"], result["crashed"]) == (3, 3, 0)
    assert result["ndcg@10"] == result["recall@1"] == result["mrr@10"] == 1.0
    assert 0 < result["ms_per_query_p50"] <= result["ms_per_query_p95"]
    assert result["intervals"]["ndcg@10"] == (1.0, 1.0)


def test_invariant_12_a_crashed_query_scores_zero(make_app: Make) -> None:
    app = make_app()
    real = app.searcher

    class Breaks:
        def search(self, query: str, **options: Any) -> Any:
            if "hub" in query:
                raise RuntimeError("disk gone")
            return real.search(query, **options)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    app.searcher = Breaks()  # type: ignore[assignment]
    result = retrieval(app, mode="hybrid")
    assert (result["questions"], result["crashed"]) == (3, 1)
    assert result["recall@1"] == pytest.approx(2 / 3)


def filled(make: Make, *script: Any, **changes: Any) -> App:
    app = make(*script, **changes)
    add_texts(app, app.catalog.create_collection("guides").id, TEXTS)
    return app


def test_a_suite_is_asked_and_scored(make_app: Make, tmp_path: Path) -> None:
    app = filled(make_app, "The reset link is valid ", "for 30 minutes.", **SURE)
    done = run_cases(app, CASES, collection="guides")
    assert done.scores["a"].right
    assert done.scores["a"].found_at == (1,)
    assert done.summary["citations_exist"] == 1.0
    assert (done.summary["questions"], done.summary["crashed"]) == (2, 0)
    assert by_tag(CASES, done.scores)["answerable"] == {"questions": 1, "right": 1.0}
    write_cases(tmp_path / "cases.jsonl", CASES, done)
    rows = [json.loads(line) for line in (tmp_path / "cases.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["a", "o"]
    assert rows[0]["citations"]


def test_all_questions_at_once_give_the_same_scores(make_app: Make) -> None:
    app = filled(make_app, "The reset link is valid for 30 minutes.", **SURE)
    cases = [Case(str(i), CASES[0].question, "answerable", answers=("30 minutes",)) for i in range(6)]
    done = run_cases(app, cases, collection="guides", parallel=4)
    assert [done.scores[case.id].right for case in cases] == [True] * 6


def test_invariant_12_a_crashed_case_is_asked_and_scores_zero(make_app: Make) -> None:
    app = filled(make_app, RuntimeError("the model fell over"), **SURE)
    done = run_cases(app, CASES, collection="guides")
    assert (done.summary["questions"], done.summary["answered_right"]) == (2, 0.0)
    assert done.summary["crashed"] + sum(s.outcome in ("quoted", "abstained") for s in done.scores.values()) == 2
    assert done.scores["a"].outcome == "crashed"
    assert "the model fell over" in done.scores["a"].error


def test_a_case_without_a_collection_cannot_be_asked(make_app: Make) -> None:
    app = make_app()
    with pytest.raises(NothingToAsk, match="case a names no collection"):
        run_cases(app, CASES)
    with pytest.raises(NoSuchCollection):
        run_cases(app, CASES, collection="nowhere")
    with pytest.raises(NoSuchModel):
        run_cases(app, CASES, collection="nowhere", model="none")


def test_a_folder_is_taken_in_as_uploads_are(make_app: Make, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "reset.md").write_text(f"# Passwords\n\n{RESET}\n")
    (folder / "hub.txt").write_text("The hub sends readings through port 8883.\n")
    app = make_app()
    collection = app.catalog.create_collection("suite").id
    assert add_folder(app, collection, folder) == 2
    names = {document.name for document in app.catalog.documents(collection, 10, None).items}
    assert names == {"deep/reset.md", "hub.txt"}


@pytest.mark.parametrize("words", [["retrieval", "nowhere"], ["run", "nowhere.jsonl"], ["qa", "nowhere.jsonl"]])
def test_a_missing_data_set_is_one_line_and_exit_code_1(words: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(eval_group, words, obj=(Settings(data=tmp_path), {}))
    assert done.exit_code == 1
    assert done.output.startswith("footnote: nowhere")
    assert done.output.count("\n") == 1
