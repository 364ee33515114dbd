"""Suites over the API: made, changed, taken in, run in the background and ended; and who may."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from eval.suite_files import read_suite
from rag.access.policy import COMMAND_LINE
from tests.rag.access.people import World, populate
from tests.rag.conftest import Http, Service, client_of

pytestmark = pytest.mark.anyio

CASE = {"question": "How long is the link valid?", "answers": ["30 minutes"], "tags": ["links"]}
LINK = "The reset link is valid for 30 minutes."


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def made(http: Http, *cases: dict[str, Any], **headers: str) -> str:
    answer = await http.post("/api/v1/suites", json={"name": "Links", "collection": "guides"}, headers=headers)
    assert answer.status_code == 201, answer.text
    suite: str = answer.json()["id"]
    for case in cases:
        added = await http.post(f"/api/v1/suites/{suite}/cases", json=case, headers=headers)
        assert added.status_code == 201, added.text
    return suite


async def ended(http: Http, run: str) -> dict[str, Any]:
    """The run once it is no longer running."""
    return await seen(http, run, lambda found: found["state"] != "running")


async def seen(http: Http, run: str, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The run once enough of it is done; looked at again and again, as the page does."""
    async with asyncio.timeout(300):
        while True:
            found: dict[str, Any] = (await http.get(f"/api/v1/runs/{run}")).json()
            if enough(found):
                return found
            await asyncio.sleep(0.02)


async def test_cases_are_made_changed_taken_out_and_exported(build: Callable[..., Service], tmp_path: Any) -> None:
    service = build("x")
    service.collection("guides")
    async with client_of(service) as http:
        suite = await made(http, CASE, {"question": "Who won?", "kind": "offtopic"}, {**CASE, "id": "f_1"})
        cases = (await http.get(f"/api/v1/suites/{suite}/cases")).json()["items"]
        assert [case["kind"] for case in cases] == ["answerable", "offtopic", "answerable"]
        first = f"/api/v1/suites/{suite}/cases/{cases[0]['id']}"
        changed = await http.put(first, json=CASE | {"facts": ["from the mail on"], "must_cite": ["guide.md"]})
        assert changed.json()["facts"] == ["from the mail on"]
        assert (await http.put(f"{first}x", json=CASE)).status_code == 404
        assert (await http.put(first, json={"question": "No answer?"})).status_code == 422
        assert (await http.post(f"/api/v1/suites/{suite}/cases", json=CASE | {"id": "f_1"})).status_code == 409
        assert (await http.post("/api/v1/suites", json={"name": "Links", "collection": "guides"})).status_code == 409
        assert (await http.delete(f"/api/v1/suites/{suite}/cases/f_1")).status_code == 204
        exported = tmp_path / "suite.yaml"
        exported.write_text((await http.get(f"/api/v1/suites/{suite}/export")).text)
        assert [case.question for case in read_suite(exported)] == [CASE["question"], "Who won?"]
        taken = await http.post(f"/api/v1/suites/{suite}/import", json={"text": '{"question": "Q?", "answers": ["a"]}'})
        assert taken.json() == {"cases": 1}
        again = await http.post(f"/api/v1/suites/{suite}/import", json={"text": exported.read_text()})
        assert again.status_code == 409
        assert (await http.get("/api/v1/suites")).json()["items"][0]["cases"] == 3
        renamed = await http.patch(f"/api/v1/suites/{suite}", json={"name": "More links"})
        assert renamed.json()["name"] == "More links"
        page = await http.get(f"/suites/{suite}")
        assert "More links" in page.text
        assert (await http.delete(f"/api/v1/suites/{suite}")).status_code == 204
        assert (await http.get(f"/suites/{suite}")).status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        "cases: [",
        "cases: {}",
        '{"question": 1',
        "[1]",
        '{"question": "Q?", "answers": ["a"], "colour": 1}',
        "a: &a [x]\ncases:\n- question: Q?\n  answers: [*a, *a]",
        "cases:\n- question: [Q]\n  answers: [a]",
        "nothing",
    ],
)
async def test_a_file_that_is_no_suite_is_refused_whole(build: Callable[..., Service], text: str) -> None:
    service = build("x")
    service.collection("guides")
    async with client_of(service) as http:
        suite = await made(http)
        answer = await http.post(f"/api/v1/suites/{suite}/import", json={"text": text})
        assert (answer.status_code, answer.json()["title"]) == (422, "The case is malformed")
        assert (await http.get(f"/api/v1/suites/{suite}/cases")).json()["items"] == []


async def test_a_suite_runs_in_the_background_one_at_a_time(build: Callable[..., Service]) -> None:
    service = build("It is valid for 30 minutes.", pause=0.01)
    service.document(service.collection("guides"), LINK)
    async with client_of(service) as http:
        empty = await http.post("/api/v1/runs", json={"suite": await made(http)})
        assert (empty.status_code, "no case" in empty.json()["detail"]) == (409, True)
        for number in range(3):
            await http.post("/api/v1/suites/Links/cases", json=CASE | {"id": f"c{number}"})
        begun = await http.post("/api/v1/runs", json={"suite": "Links"})
        assert begun.status_code == 202, begun.text
        run = begun.json()["id"]
        busy = await http.post("/api/v1/runs", json={"suite": "Links"})
        assert busy.status_code == 409
        done = await ended(http, run)
        assert (done["state"], done["asked"], done["total"]) == ("finished", 3, 3)
        assert done["measures"]["questions"] == 3
        page = await http.get(f"/runs/{run}")
        assert CASE["question"] in page.text
        assert [item["id"] for item in (await http.get("/api/v1/runs")).json()["items"]] == [run]
        assert (await http.get("/api/v1/conversations")).json()["items"] == [], "nobody asked these"
        assert (await http.get("/api/v1/runs/r_none")).status_code == 404


async def test_a_run_that_was_cancelled_goes_on_where_it_was(build: Callable[..., Service]) -> None:
    service = build(*["word "] * 40, pause=0.02)
    service.document(service.collection("guides"), LINK)
    async with client_of(service) as http:
        await made(http, *(CASE | {"id": f"c{number}"} for number in range(4)))
        run = (await http.post("/api/v1/runs", json={"suite": "Links"})).json()["id"]
        await seen(http, run, lambda found: found["asked"] > 0)
        stopped = (await http.post(f"/api/v1/runs/{run}/cancel")).json()
        assert stopped["state"] == "cancelled"
        assert 0 < stopped["asked"] < 4
        assert (await http.get(f"/runs/{run}")).status_code == 200
        again = (await http.post("/api/v1/runs", json={"suite": "Links"})).json()
        assert (again["id"], again["asked"]) == (run, stopped["asked"])
        assert (await ended(http, run))["asked"] == 4


async def test_suites_are_for_evaluators_who_may_read_the_collection(build: Callable[..., Service]) -> None:
    service = build("x")
    world: World = populate(service)
    guides = service.collection("guides")
    async with client_of(service) as http:
        suite = await made(http, CASE, **world.headers("admin"))
        evaluator, reader = world.headers("evaluator"), world.headers("reader")
        assert (await http.get(f"/api/v1/suites/{suite}", headers=evaluator)).status_code == 404
        assert (await http.get(f"/suites/{suite}", headers=evaluator)).status_code == 404
        assert (await http.get("/api/v1/suites", headers=evaluator)).json()["items"] == []
        assert (await http.post("/api/v1/runs", json={"suite": suite}, headers=evaluator)).status_code == 404
        for person in ("evaluator", "reader"):
            service.app.access.grants.grant(guides, "read", COMMAND_LINE, person=world.people[person])
        assert (await http.get(f"/api/v1/suites/{suite}/cases", headers=evaluator)).status_code == 200
        assert (await http.post(f"/api/v1/suites/{suite}/cases", json=CASE, headers=evaluator)).status_code == 201
        assert (await http.get(f"/api/v1/suites/{suite}", headers=reader)).status_code == 403
        service.app.catalog.delete_collection(guides)
        assert (await http.get("/api/v1/suites", headers=world.headers("owner"))).json()["items"] == []
