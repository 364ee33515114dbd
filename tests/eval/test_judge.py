"""A judge's votes: how they are asked for, counted, and compared with the measure."""

import asyncio
from dataclasses import replace

import pytest

from eval.judge import Judgement, judge_all, judgeable, summarise_judgements
from eval.runs import RunCase
from eval.scoring import Score
from rag.errors import GenerationFailed
from tests.fakes import ScriptedGenerator

SCORE = Score("a", "quoted", True, False, True, 1.0, (1,), 1, True, True, 5, 0.1, 0.5, "Valid for 30 minutes.", "")
CASE = RunCase("a", "answerable", "How long?", ("30 minutes",), SCORE, ())


def votes(*script: str | Exception, rounds: int = 3, **model: object) -> Judgement:
    (found,) = asyncio.run(judge_all(ScriptedGenerator(list(script), **model), [CASE], rounds))  # type: ignore[arg-type]
    return found


def test_every_round_asks_once_more_with_a_seed_of_its_own_and_only_yes_or_no_allowed() -> None:
    generator = ScriptedGenerator(["yes"])
    (found,) = asyncio.run(judge_all(generator, [CASE], 3))
    assert (found.votes, found.verdict, found.agreement) == ((True, True, True), True, 1.0)
    assert [request.seed for request in generator.requests] == [0, 1, 2]
    assert all('"yes" | "no"' in request.grammar for request in generator.requests)
    assert "30 minutes" in generator.requests[0].messages[1].content


def test_a_remote_judge_gets_no_grammar_and_may_say_neither() -> None:
    assert votes("No.", local=False).verdict is False
    assert votes("I think so", local=False).verdict is None
    generator = ScriptedGenerator(["no"], local=False)
    asyncio.run(judge_all(generator, [CASE], 1))
    assert generator.requests[0].grammar == ""


def test_a_judge_that_fails_leaves_the_case_unscored() -> None:
    failed = votes(GenerationFailed("gone"))
    assert (failed.votes, failed.verdict, failed.agreement) == ((None, None, None), None, 0.0)


@pytest.mark.parametrize(
    ("given", "verdict", "agreement"),
    [
        ((True, True, False), True, 1 / 3),
        ((True, False), None, 0.0),
        ((False, None, None), None, 0.0),
        ((False, False, None), False, 1 / 3),
        ((True,), True, 1.0),
    ],
)
def test_a_verdict_needs_most_of_all_votes(
    given: tuple[bool | None, ...], verdict: bool | None, agreement: float
) -> None:
    found = Judgement("a", given)
    assert (found.verdict, found.agreement) == (verdict, pytest.approx(agreement))


def test_the_summary_counts_the_unscored_and_compares_with_the_measure() -> None:
    cases = [CASE, replace(CASE, case="b", score=replace(SCORE, right=False)), replace(CASE, case="c")]
    found = [Judgement("a", (True,)), Judgement("b", (True,)), Judgement("c", (None,))]
    assert summarise_judgements(cases, found) == {
        "cases": 3,
        "unscored": 1,
        "judged_right": 1.0,
        "agreement_of_rounds": 1.0,
        "agreement_with_measure": 0.5,
    }


def test_only_answers_with_something_expected_are_judged() -> None:
    silent = replace(CASE, score=replace(SCORE, outcome="abstained"))
    assert judgeable([CASE, silent, replace(CASE, expected=())]) == [CASE]
