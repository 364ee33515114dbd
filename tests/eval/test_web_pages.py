"""The pages of runs over real rows: what they show, and who sees them."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from eval.datasets import Case
from eval.runs import Runs
from eval.scoring import Score
from eval.web_plots import confidences, height, times, trends
from rag.access.policy import COMMAND_LINE
from tests.rag.access.people import World, populate
from tests.rag.conftest import Http, Service, client_of

pytestmark = pytest.mark.anyio

CASES = tuple(Case(f"c{number}", f"Question {number}?", "answerable", answers=("30 minutes",)) for number in range(3))
RIGHT = Score("c0", "quoted", True, False, True, 1.0, (1,), 1, True, True, 4, 0.1, 0.9, "It is <b>30</b> minutes.", "")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def a_run(service: Service, rights: tuple[bool, ...], corpus: str = "guides") -> str:
    runs = Runs(service.app.database)
    run, _ = runs.begin("golden", CASES, {"corpus": corpus, "try": len(runs.runs())})
    for case, right in zip(CASES, rights, strict=True):
        runs.record(run, case, replace(RIGHT, case=case.id, right=right), ("The link is valid for 30 minutes.",))
    share = sum(rights) / len(rights)
    runs.finish(run, {"questions": 3, "answered_right": share, "intervals": {"answered_right": [0.1, 0.9]}})
    return run


async def seen(http: Http, path: str, **headers: str) -> BeautifulSoup:
    answer = await http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return BeautifulSoup(answer.text, "html.parser")


async def test_runs_are_listed_shown_compared_and_downloaded(build: Callable[..., Service]) -> None:
    service = build("x")
    first, second = a_run(service, (True, False, False)), a_run(service, (True, True, False))
    async with client_of(service) as http:
        listed = await seen(http, "/runs")
        assert [link.text for link in listed.select("tbody a")] == [second, first]
        assert len(listed.select("polyline.right")) == 1
        shown = await seen(http, f"/runs/{first}?show=wrong")
        assert [title.text for title in shown.select(".opinions h3")] == ["Question 1?", "Question 2?"]
        assert "0.100 – 0.900" in shown.text
        assert "It is <b>30</b> minutes." in shown.text
        compared = await seen(http, f"/runs/{first}/compare/{second}")
        assert [title.text for title in compared.select("h3")] == ["Question 1?"]
        assert (await http.get(f"/runs/{first}/cases")).text.count("\n") == 3
        assert (await http.get("/runs/r_none")).status_code == 404


async def test_a_run_is_seen_by_who_may_read_what_it_quotes(build: Callable[..., Service]) -> None:
    service = build("x")
    world: World = populate(service)
    service.collection()
    run = a_run(service, (True, True, True))
    async with client_of(service) as http:
        evaluator = world.headers("evaluator")
        assert (await http.get(f"/runs/{run}", headers=evaluator)).status_code == 404
        assert run not in (await http.get("/runs", headers=evaluator)).text
        assert (await http.get(f"/runs/{run}/cases", headers=evaluator)).status_code == 404
        guides = service.app.catalog.collection("guides").id
        service.app.access.grants.grant(guides, "read", COMMAND_LINE, person=world.people["evaluator"])
        assert run in (await seen(http, "/runs", **evaluator)).text
        assert (await http.get("/runs", headers=world.headers("reader"))).status_code == 403


def test_a_trend_needs_two_finished_runs(build: Callable[..., Service]) -> None:
    service = build("x")
    assert trends([]) == []
    first, second = a_run(service, (True, False, False)), a_run(service, (True, True, False))
    (trend,) = trends(Runs(service.app.database).runs())
    assert [mark.run for mark in trend.marks] == [first, second]
    assert [mark.y for mark in trend.marks] == [height(1 / 3), height(2 / 3)]
    assert height(1) < height(0.5) < height(0)


def test_cases_fall_into_bars_of_confidence_and_time(build: Callable[..., Service]) -> None:
    service = build("x")
    cases = Runs(service.app.database).cases(a_run(service, (True, True, False)))
    (bar,) = confidences(cases)
    assert (bar.name, bar.right, bar.others, bar.right_share + bar.others_share) == ("0.9 – 1.0", 2, 1, 1.0)
    assert [(bar.name, bar.right, bar.others) for bar in times(cases)] == [("≤ 0.25 s", 2, 1)]
