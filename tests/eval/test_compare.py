"""Runs that are kept, compared and told about."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from click.testing import CliRunner

from eval.cli import eval_group
from eval.compare import compare
from eval.datasets import Case, Text
from eval.documents import html, junit, markdown
from eval.errors import NoSuchRun
from eval.runs import RunCase, Runs
from eval.scoring import Score
from eval.suites import run_cases
from eval.workplace import add_texts
from rag.app import App

Make = Callable[..., App]
SURE: dict[str, Any] = {"answer_evidence_threshold": 0.0, "answer_support_threshold": 0.0}
RESET = "The reset link is valid for 30 minutes and works only once."
CASES = (
    Case("a", "How long is the reset link valid?", "answerable", answers=("30 minutes",), documents=("reset.txt",)),
    Case("b", "How often does the reset link work?", "answerable", answers=("once",), documents=("reset.txt",)),
    Case("o", "Who won the cup?", "offtopic"),
)


def case(number: int, *, right: bool, kind: str = "answerable") -> RunCase:
    score = Score(
        case=f"q{number}",
        outcome="quoted",
        right=right,
        wrong=not right,
        contains_gold=right,
        f1=float(right),
        found_at=(1,),
        citations=1,
        citations_exist=True,
        citations_contain_gold=right,
        words=9,
        seconds=0.1 * number,
        confidence=0.9 if right else 0.2,
        text="<b>said</b>",
        error="",
    )
    return RunCase(f"q{number}", kind, f"What is {number}?", ("x",), score, ("quoted <i>text</i>",))


def test_equal_runs_differ_in_nothing() -> None:
    cases = [case(n, right=n % 2 == 0) for n in range(40)]
    found = compare(cases, cases)
    assert {d.verdict for d in found.differences} == {"same"}
    assert (found.changed, found.regressions) == ((), ())


def test_a_clear_loss_is_a_regression_and_a_clear_gain_is_not() -> None:
    good, bad = [case(n, right=True) for n in range(40)], [case(n, right=n % 3 == 0) for n in range(40)]
    lost = compare(good, bad)
    assert {d.measure for d in lost.regressions} >= {"right", "wrong", "answered_right"}
    assert len(lost.changed) == sum(n % 3 != 0 for n in range(40))
    assert compare(bad, good).regressions == ()
    assert {d.verdict for d in compare(bad, good).differences if d.measure == "wrong"} == {"better"}


def test_one_changed_case_of_many_is_noise() -> None:
    before = [case(n, right=True) for n in range(40)]
    after = [replace(before[0], score=replace(before[0].score, right=False)), *before[1:]]
    assert compare(before, after).regressions == ()
    assert [pair[0].case for pair in compare(before, after).changed] == ["q0"]


def test_only_shared_cases_are_compared() -> None:
    found = compare([case(n, right=True) for n in range(5)], [case(n, right=True) for n in range(3, 9)])
    assert (found.differences[0].cases, found.only_before, found.only_after) == (2, 3, 4)


@pytest.fixture
def app(make_app: Make) -> App:
    app = make_app("The reset link is valid for 30 minutes [1].", **SURE)
    collection = app.catalog.create_collection("guides").id
    add_texts(app, collection, [Text("reset.txt", "Passwords", RESET)])
    return app


def test_a_run_that_was_cut_goes_on_where_it_stopped(app: App) -> None:
    runs, asked = Runs(app.database), []

    def keep(run: str) -> Callable[..., None]:
        def kept(case: Case, score: Score, cited: Any) -> None:
            asked.append(case.id)
            runs.record(run, case, score, cited)

        return kept

    run, known = runs.begin("guides", CASES, {"seq": 1})
    assert known == {}
    run_cases(app, CASES[:1], collection="guides", keep=keep(run))
    again, known = runs.begin("guides", CASES, {"seq": 1})
    assert (again, set(known)) == (run, {"a"})
    done = run_cases(app, CASES, collection="guides", known=known, keep=keep(run))
    assert asked == ["a", "b", "o"]
    runs.finish(run, done.summary)
    assert [kept.case for kept in runs.cases(run)] == ["a", "b", "o"]
    assert runs.cases(run)[0].score == done.scores["a"]
    assert runs.run(run).summary["questions"] == 3
    assert runs.begin("guides", CASES, {"seq": 1})[0] != run


def test_other_conditions_or_other_cases_are_another_run(app: App) -> None:
    runs = Runs(app.database)
    run, _ = runs.begin("guides", CASES, {"seq": 1})
    assert runs.begin("guides", CASES, {"seq": 2})[0] != run
    assert runs.begin("guides", CASES[:2], {"seq": 1})[0] != run


def test_an_unknown_run_is_one_clear_line(app: App) -> None:
    with pytest.raises(NoSuchRun, match="there is no run 'r_0'"):
        Runs(app.database).cases("r_0")


def test_reports_tell_everything_and_load_nothing(app: App) -> None:
    runs = Runs(app.database)
    run, _ = runs.begin("guides", CASES, {"seq": 1})
    runs.finish(run, {"questions": 2, "wrong": 0.5, "intervals": {"wrong": (0.0, 1.0)}})
    info, cases = runs.run(run), [case(1, right=True), case(2, right=False)]
    comparison = compare(cases, cases)
    page = html(info, cases, comparison)
    assert "&lt;b&gt;said" in page
    assert "<b>said" not in page
    assert not any(word in page for word in ("http://", "https://", "<script", "src=", "@import", "url("))
    assert "| wrong | 0.500 | 0.000 to 1.000 |" in markdown(info, cases, comparison)
    suite = fromstring(junit(info, cases))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    assert suite.find("testcase/failure") is not None


def test_the_commands_list_compare_and_report(app: App, tmp_path: Path) -> None:
    runs = Runs(app.database)
    names = []
    for right in (True, False):
        run, _ = runs.begin("guides", CASES, {"right": right})
        for kept, expected in zip((case(n, right=right) for n in range(3)), CASES, strict=True):
            runs.record(run, replace(expected, id=kept.case), kept.score, kept.cited)
        runs.finish(run, {"questions": 3, "wrong": float(not right)})
        names.append(run)

    def call(*words: str) -> str:
        result = CliRunner().invoke(eval_group, words, obj=(app.settings, {}))
        assert result.exit_code == 0, result.output
        return result.stdout

    assert [row["id"] for row in json.loads(call("runs", "--json"))] == names[::-1]
    found = json.loads(call("compare", *names, "--json"))
    assert found["differences"][0] | {"low": 0, "high": 0} == {
        "measure": "right", "cases": 3, "before": 1.0, "after": 0.0, "low": 0, "high": 0, "more_is_better": True,
    }  # fmt: skip
    target = tmp_path / "report.html"
    call("report", names[1], "--baseline", names[0], "--html", str(target))
    assert "Against the baseline" in target.read_text()
    assert "3 cases changed." in call("report", names[1], "--baseline", names[0])
    failed = CliRunner().invoke(eval_group, ["compare", "r_x", names[0]], obj=(app.settings, {}))
    assert (failed.exit_code, failed.stderr.startswith("footnote: there is no run 'r_x'")) == (1, True)
