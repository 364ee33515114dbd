"""What one caller may ask, hold open, spend and take time for, over HTTP. Who may do it at all is tested elsewhere."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rag.access.errors import TooMany, TooSlow
from rag.access.limits import Limits
from rag.access.policy import COMMAND_LINE
from rag.api.gate import _Paced
from tests.rag.access.people import populate
from tests.rag.conftest import Service, client_of
from tests.web.live import over_socket

pytestmark = pytest.mark.anyio


async def test_limits_of_requests_and_streams(build: Callable[..., Service]) -> None:
    world = populate(build("The plan.", *["more "] * 200, pause=0.02, limit_requests=5, limit_streams=1))
    collection = world.granted()
    world.document(collection)
    body = {"question": "What is the plan?", "collection": collection, "stream": True}
    async with over_socket(world.service) as http:
        http.headers.update(world.headers("reader"))
        async with http.stream("POST", "/api/v1/ask", json=body) as first:
            assert first.status_code == 200
            second = await http.post("/api/v1/ask", json=body)
            assert (second.status_code, second.headers["retry-after"]) == (429, "1")
        statuses = [(await http.get("/api/v1/models")).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        http.headers.update(world.headers("writer"))
        assert (await http.get("/api/v1/models")).status_code == 200


async def test_what_is_spent_is_told_and_limited(build: Callable[..., Service]) -> None:
    world = populate(build("The plan is long.", limit_tokens=10))
    collection = world.granted()
    world.document(collection)
    body = {"question": "What is the plan?", "collection": collection}
    async with client_of(world.service) as http:
        assert (await http.post("/api/v1/ask", json=body, headers=world.headers("reader"))).status_code == 200
        refused = await http.post("/api/v1/ask", json=body, headers=world.headers("reader"))
        chat = {"model": f"footnote/{collection}", "messages": [{"role": "user", "content": "What?"}]}
        also = await http.post("/v1/chat/completions", json=chat, headers=world.headers("reader"))
        assert (refused.status_code, also.status_code) == (429, 429)
        assert (await http.post("/api/v1/ask", json=body, headers=world.headers("writer"))).status_code == 200
        everything = (await http.get("/api/v1/usage", headers=world.headers("admin"))).json()["items"]
        assert {(line["name"], line["answers"]) for line in everything} == {("reader", 1), ("writer", 1)}
        assert all(line["prompt_tokens"] + line["completion_tokens"] >= 10 for line in everything)
        own = (await http.get("/api/v1/usage", headers=world.headers("reader"))).json()["items"]
        assert [line["name"] for line in own] == ["reader"]
        past = {"since": "2020-01-01T00:00:00Z", "until": "2020-02-01T00:00:00Z"}
        assert (await http.get("/api/v1/usage", params=past, headers=world.headers("admin"))).json()["items"] == []


def test_tokens_come_back_evenly_and_places_when_given_back() -> None:
    now = 0.0
    limits = Limits(lambda: now)
    for _ in range(60):
        limits.take("requests", "a", 60)
    with pytest.raises(TooMany, match="more than 60 requests") as refused:
        limits.take("requests", "a", 60)
    assert refused.value.retry_after == pytest.approx(1.0)
    limits.take("requests", "b", 60)
    now = 1.0
    limits.take("requests", "a", 60)
    give_back = limits.hold("streams", "a", 1)
    with pytest.raises(TooMany):
        limits.hold("streams", "a", 1)
    give_back()
    limits.hold("streams", "a", 1)


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async def never() -> Any:
        await asyncio.sleep(60)

    async def trickle() -> Any:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(TooSlow, match="nothing of the body"):
        await _Paced(never, 0.05)()
    paced = _Paced(trickle, 0.05)
    with pytest.raises(TooSlow, match="less than 1024"):  # noqa: PT012  # it takes a few pieces
        for _ in range(10):
            await paced()


async def test_what_a_key_spent_is_told_and_limited_by_itself(build: Callable[..., Service]) -> None:
    world = populate(build("The plan is long.", limit_key_tokens=10))
    service = world.service
    collection = world.granted()
    world.document(collection)
    asked = {"question": "What is planned?", "collection": collection}
    second = service.app.access.keys.create(world.people["reader"], "second", ("ask", "read"), COMMAND_LINE)
    other = {"Authorization": f"Bearer {second.secret}"}
    async with client_of(service) as http:
        assert (await http.post("/api/v1/ask", json=asked, headers=world.headers("reader"))).status_code == 200
        refused = await http.post("/api/v1/ask", json=asked, headers=world.headers("reader"))
        assert (refused.status_code, "this key" in refused.json()["detail"]) == (429, True)
        assert (await http.post("/api/v1/ask", json=asked, headers=other)).status_code == 200
        lines = (await http.get("/api/v1/usage?by=key", headers=world.headers("owner"))).json()["items"]
    assert sorted(line["answers"] for line in lines) == [1, 1]
    assert second.info.id in {line["key"] for line in lines}
    assert {line["name"] for line in lines} == {"reader"}


async def test_a_key_has_a_budget_for_the_month_and_plain_chats_and_deletions_do_not_get_around_it(
    build: Callable[..., Service],
) -> None:
    world = populate(build("The plan is long.", limit_key_month_tokens=10))
    plain = {"model": "scripted", "messages": [{"role": "user", "content": "What is planned for the coming year?"}]}
    headers = world.headers("reader")
    async with client_of(world.service) as http:
        first = await http.post("/v1/chat/completions", json=plain, headers=headers)
        assert first.status_code == 200, first.text
        refused = await http.post("/v1/chat/completions", json=plain, headers=headers)
        assert refused.status_code == 429
        assert "30 days" in refused.text
        lines = (await http.get("/api/v1/usage?by=key", headers=world.headers("owner"))).json()["items"]
    assert [(line["answers"], line["model"]) for line in lines] == [(1, "scripted")]
