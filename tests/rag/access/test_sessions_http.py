"""Sessions, forged writes, the end of running requests, and a service without accounts, over HTTP."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from index.schema import utc_now
from rag.access.policy import COMMAND_LINE
from rag.access.schema import SignedIn
from rag.api.credentials import PLAIN_COOKIE, SECURE_COOKIE, cookie_name, credentials_of, set_cookie
from tests.rag.access.people import MARK, PASSWORD, World, populate
from tests.rag.conftest import Http, Service, client_of
from tests.web.live import over_socket

pytestmark = pytest.mark.anyio


SIGN_IN = {"name": "reader", "password": PASSWORD}


@pytest.fixture
def world(build: Callable[..., Service]) -> World:
    return populate(build(*["word "] * 500, pause=0.02))


async def signed_in(http: Http, name: str = "reader") -> dict[str, Any]:
    answer = await http.post("/api/v1/session", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_from_signing_in_to_signing_out(world: World) -> None:
    async with client_of(world.service) as http:
        refused = await http.get("/api/v1/session")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        answer = await http.post("/api/v1/session", json=SIGN_IN)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{PLAIN_COOKIE}=")
        assert "HttpOnly; SameSite=Lax" in cookie
        token = http.cookies[PLAIN_COOKIE]
        csrf = {"X-CSRF-Token": answer.json()["csrf"]}
        assert (await http.get("/api/v1/session")).json()["name"] == "reader"
        assert (await http.post("/api/v1/keys", json={})).status_code == 403
        assert (await http.post("/api/v1/keys", json={}, headers={"X-CSRF-Token": "0" * 64})).status_code == 403
        assert (await http.post("/api/v1/keys", json={}, headers=csrf)).status_code == 201
        assert (await http.delete("/api/v1/session", headers=csrf)).status_code == 204
        assert PLAIN_COOKIE not in http.cookies
        http.cookies.set(PLAIN_COOKIE, token)
        assert (await http.get("/api/v1/session")).status_code == 401


async def test_signing_in_again_makes_the_session_before_worthless(world: World) -> None:
    async with client_of(world.service) as http:
        await signed_in(http)
        before = http.cookies[PLAIN_COOKIE]
        await signed_in(http)
        assert http.cookies[PLAIN_COOKIE] != before
        http.cookies.clear()
        http.cookies.set(PLAIN_COOKIE, before)
        assert (await http.get("/api/v1/session")).status_code == 401


async def test_an_old_token_is_renewed_by_the_next_request(world: World) -> None:
    async with client_of(world.service) as http:
        await signed_in(http)
        before = http.cookies[PLAIN_COOKIE]
        with world.service.app.database.write() as session:
            session.execute(update(SignedIn).values(rotated_at=utc_now() - timedelta(hours=1)))
        assert (await http.get("/api/v1/models")).status_code == 200
        assert http.cookies[PLAIN_COOKIE] != before
        assert (await http.get("/api/v1/session")).json()["name"] == "reader"


async def test_a_password_is_changed_by_who_knows_it(world: World) -> None:
    async with client_of(world.service) as http:
        csrf = {"X-CSRF-Token": (await signed_in(http))["csrf"]}
        wrong = {"current": "wrong horse battery", "new": PASSWORD + "!"}
        assert (await http.post("/api/v1/session/password", json=wrong, headers=csrf)).status_code == 401
        right = {"current": PASSWORD, "new": PASSWORD + "!"}
        assert (await http.post("/api/v1/session/password", json=right, headers=csrf)).status_code == 200
        assert (await http.get("/api/v1/session")).status_code == 200
        assert (await http.post("/api/v1/session", json=SIGN_IN)).status_code == 401


async def test_guessing_is_slow_and_told(world: World) -> None:
    async with client_of(world.service) as http:
        answers = [await http.post("/api/v1/session", json={**SIGN_IN, "password": f"guess {n}"}) for n in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert (await http.post("/api/v1/session", json=SIGN_IN)).status_code == 429
    lines = world.service.app.access.audit.entries(limit=500).items
    assert sum(line.action == "session.refused" for line in lines) == 10


@pytest.mark.parametrize(
    "wanted",
    [
        {"expires_at": "2000-01-01T00:00:00Z"},
        {"expires_at": "2100-01-01T00:00:00"},
        {"name": "a\u0000b"},
        {"scopes": []},
        {"scopes": ["root"]},
        {"person": "u_none", "scopes": ["read"]},
    ],
)
async def test_a_malformed_key_is_refused(world: World, wanted: dict[str, Any]) -> None:
    async with client_of(world.service) as http:
        answer = await http.post("/api/v1/keys", json=wanted, headers=world.headers("owner"))
    assert answer.status_code in (404, 422), answer.text


async def test_a_key_has_its_scopes_and_no_more(world: World) -> None:
    keys = world.service.app.access.keys
    collection = world.granted()
    key = keys.create(world.people["owner"], "", ("read",), COMMAND_LINE).secret
    headers = {"Authorization": f"Bearer {key}"}
    async with client_of(world.service) as http:
        assert (await http.get(f"/api/v1/collections/{collection}", headers=headers)).status_code == 200
        for method, path in (
            ("DELETE", f"/api/v1/collections/{collection}"),
            ("GET", "/api/v1/people"),
            ("POST", "/api/v1/keys"),
            ("POST", "/api/v1/ask"),
        ):
            assert (await http.request(method, path, headers=headers)).status_code == 403, path


async def test_nobody_rises_above_themselves(world: World) -> None:
    owner, reader = world.people["owner"], world.people["reader"]
    async with client_of(world.service) as http:
        http.headers.update(world.headers("admin"))
        for method, path, body in (
            ("PATCH", f"/api/v1/people/{owner}", {"state": "suspended"}),
            ("PATCH", f"/api/v1/people/{owner}", {"password": PASSWORD}),
            ("PATCH", f"/api/v1/people/{reader}", {"role": "owner"}),
            ("POST", "/api/v1/people", {"name": "new", "role": "owner"}),
            ("POST", "/api/v1/keys", {"person": owner}),
            ("POST", "/api/v1/keys", {"person": reader}),
        ):
            assert (await http.request(method, path, json=body)).status_code == 403, (method, path, body)


@pytest.mark.parametrize("deed", ["suspend", "revoke", "grant", "readers"])
async def test_a_running_answer_ends_within_two_seconds_of(world: World, deed: str) -> None:
    access, collection = world.service.app.access, world.granted()
    document = world.document(collection)
    body = {"question": "What is the plan?", "collection": collection, "stream": True}
    async with over_socket(world.service) as http:
        async with http.stream("POST", "/api/v1/ask", json=body, headers=world.headers("reader")) as answer:
            assert answer.status_code == 200
            lines = answer.aiter_lines()
            async for line in lines:
                if line == "event: sources":
                    break
            if deed == "suspend":
                access.people.suspend(world.people["reader"], COMMAND_LINE)
            elif deed == "revoke":
                access.keys.revoke(access.keys.keys(world.people["reader"])[0].id, COMMAND_LINE)
            elif deed == "readers":
                access.readers.set(document, COMMAND_LINE, people=["writer"])
            else:
                given = [g for g in access.grants.grants(collection) if g.name == "reader"]
                access.grants.revoke(given[0].id, COMMAND_LINE)
            began = time.monotonic()
            rest = [line async for line in lines]
        assert time.monotonic() - began < 2.0
        assert "event: error" in rest
        problem = json.loads(next(line for line in reversed(rest) if line.startswith("data: ")).removeprefix("data: "))
        assert problem["status"] == 401
        running = world.service.running
        assert running is not None
        for _ in range(100):
            if running.running == 0:
                break
            await asyncio.sleep(0.05)
        assert running.running == 0


async def test_a_stream_is_resumed_by_its_asker_alone(world: World) -> None:
    collection = world.granted()
    world.document(collection)
    body = {"question": "What is the plan?", "collection": collection, "mode": "quote", "stream": True}
    async with client_of(world.service) as http:
        told = (await http.post("/api/v1/ask", json=body, headers=world.headers("reader"))).text
        first = next(line for line in told.splitlines() if line.startswith("id: ")).removeprefix("id: ")
        for persona, status in (("reader", 200), ("writer", 404), ("outsider", 404)):
            headers = {**world.headers(persona), "Last-Event-ID": first}
            again = await http.post("/api/v1/ask", json=body, headers=headers)
            assert again.status_code == status
            assert (MARK in again.text) is (status == 200)


async def test_what_was_answered_is_hidden_when_the_grant_is_taken_back(world: World) -> None:
    access, collection = world.service.app.access, world.granted()
    world.document(collection)
    async with client_of(world.service) as http:
        http.headers.update(world.headers("reader"))
        body = {"question": "What is the plan?", "collection": collection, "mode": "quote"}
        answer = (await http.post("/api/v1/ask", json=body)).json()
        assert MARK in json.dumps(answer)
        grant = next(g for g in access.grants.grants(collection) if g.name == "reader")
        access.grants.revoke(grant.id, COMMAND_LINE)
        assert (await http.get(f"/api/v1/answers/{answer['answer']}")).status_code == 404
        conversation = await http.get(f"/api/v1/conversations/{answer['conversation']}")
        assert conversation.json()["answers"] == []
        assert MARK not in conversation.text


async def test_asking_leaves_a_line_without_the_question(world: World) -> None:
    collection = world.granted()
    world.document(collection)
    async with client_of(world.service) as http:
        body = {"question": "What is the secret plan?", "collection": collection, "mode": "quote"}
        await http.post("/api/v1/ask", json=body, headers=world.headers("reader"))
    line = world.service.app.access.audit.entries(limit=1).items[0]
    assert (line.actor_name, line.action, line.object) == ("reader", "ask", f"collections:{collection}")
    assert line.detail["mode"] == "quote"
    assert line.detail["left_site"] is False
    assert line.detail["answer"].startswith("a_")
    assert "secret plan" not in json.dumps(line.detail)


async def test_without_an_owner_nothing_needs_a_credential(build: Callable[..., Service]) -> None:
    service = build("x")
    async with client_of(service) as http:
        http.headers["Authorization"] = "Bearer sk-anything"  # as clients of the OpenAI protocol always send
        assert (await http.get("/api/v1/collections")).status_code == 200
        assert (await http.get("/api/v1/people")).json()["items"] == []
        assert (await http.post("/api/v1/session", json=SIGN_IN)).status_code == 403
        service.app.access.people.create("olga", "owner", COMMAND_LINE, PASSWORD)
        assert (await http.get("/api/v1/collections")).status_code == 401


@pytest.mark.parametrize(
    ("scheme", "host", "name"),
    [
        ("http", "127.0.0.1:8000", PLAIN_COOKIE),
        ("http", "localhost", PLAIN_COOKIE),
        ("http", "[::1]:8000", PLAIN_COOKIE),
        ("http", "[::1]", PLAIN_COOKIE),
        ("https", "localhost", SECURE_COOKIE),
        ("http", "docs.example.com", SECURE_COOKIE),
        ("http", "192.168.1.5:8000", SECURE_COOKIE),
        ("http", "", SECURE_COOKIE),
    ],
)
def test_the_cookie_of_an_address(scheme: str, host: str, name: str) -> None:
    assert cookie_name(scheme, host) == name
    assert (b"Secure" in set_cookie(name, "t", 1)) is (name == SECURE_COOKIE)


@pytest.mark.parametrize(
    ("client", "forwarded", "peer"),
    [
        ("10.0.0.9", "1.2.3.4", "10.0.0.9"),  # not trusted: what it forwards is its own invention
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_the_peer_behind_proxies(client: str, forwarded: str, peer: str) -> None:
    headers = [(b"host", b"localhost"), (b"x-forwarded-for", forwarded.encode())]
    scope: Any = {"type": "http", "scheme": "http", "headers": headers, "client": (client, 1)}
    assert credentials_of(scope, ("10.0.0.1", "10.0.0.2")).peer == peer


def test_a_forwarded_address_that_the_client_made_up_is_not_believed() -> None:
    headers = [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"1.2.3.4")]
    scope: Any = {"type": "http", "scheme": "http", "headers": headers, "client": ("10.0.0.1", 1)}
    assert credentials_of(scope, ("10.0.0.1",)).peer == "1.2.3.4"
