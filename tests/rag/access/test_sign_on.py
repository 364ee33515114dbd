"""Signing in at a real provider in a process of its own, over HTTP; and at one that lies."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.access.errors import BadAccess
from rag.access.policy import COMMAND_LINE
from rag.access.sign_on import read_rules
from rag.api.credentials import PLAIN_COOKIE
from rag.app import open_access
from tests.rag.access.people import PASSWORD
from tests.rag.conftest import Http, Service, client_of

pytestmark = [pytest.mark.anyio, pytest.mark.real]

ATTEMPT = f"{PLAIN_COOKIE}-sign-on"
ANN = {"sub": "ann-1", "email": "Ann@example.org", "email_verified": True, "groups": ["staff", "leads"]}


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("provider_process.py"))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout as said:
        yield said.readline().strip()
        process.kill()


@pytest.fixture
def service(build: Callable[..., Service], provider: str) -> Service:
    service = build(
        "x",
        limit_sign_ins=0,
        oidc_issuer=provider,
        oidc_client_id="footnote",
        oidc_client_secret="a secret of the client",
        oidc_domains=("example.org",),
        oidc_roles=("leads=evaluator", "boss=admin"),
    )
    service.app.access = open_access(service.app.settings, service.app.database)
    service.app.access.people.create("owner", "owner", COMMAND_LINE, PASSWORD)
    return service


async def be(provider: str, lie: str = "", **changed: Any) -> None:
    """Who is signed in at the provider, and how it lies."""
    async with httpx.AsyncClient(timeout=120) as http:
        await http.post(f"{provider}/lie", json={"lie": lie, "person": ANN | changed})


async def sent_back(http: Http, wanted: str = "/history") -> str:
    """The address that the provider sends the browser back to."""
    away = await http.get("/sign-in/provider", params={"next": wanted})
    assert away.status_code == 303, away.text
    async with httpx.AsyncClient(timeout=120) as browser:
        there = await browser.get(away.headers["location"])
    return str(httpx.URL(there.headers["location"]).raw_path.decode())


async def test_someone_comes_for_the_first_time_and_again(service: Service, provider: str) -> None:
    await be(provider)
    async with client_of(service) as http:
        assert service.app.settings.oidc_label in (await http.get("/sign-in")).text
        back = await http.get(await sent_back(http))
        assert (back.status_code, back.headers["location"]) == (303, "/history")
        told = (await http.get("/api/v1/session")).json()
        assert (told["name"], told["role"]) == ("ann@example.org", "evaluator")
        await be(provider, email="ann.new@example.org", groups=["boss"])
        http.cookies.clear()
        await http.get(await sent_back(http, "https://evil.example/"))
        again = (await http.get("/api/v1/session")).json()
        assert (again["person"], again["name"], again["role"]) == (told["person"], "ann@example.org", "admin")
    lines = [line.action for line in service.app.access.audit.entries(limit=100).items]
    assert {"people.create", "people.link", "people.role", "session.open"} <= set(lines)


@pytest.mark.parametrize(
    "lie", ["nonce", "audience", "party", "expired", "future", "issuer", "nobody", "none", "hmac", "signature"]
)
async def test_a_token_that_is_not_good_signs_nobody_in(service: Service, provider: str, lie: str) -> None:
    await be(provider, lie)
    async with client_of(service) as http:
        back = await http.get(await sent_back(http))
        assert back.status_code == 401, lie
        assert "not trusted" in back.text
        assert PLAIN_COOKIE not in http.cookies
        assert len(service.app.access.people.people()) == 1


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ({"email_verified": False}, "does not vouch"),
        ({"email": "ann@elsewhere.org"}, "may not sign in here"),
        ({"email": "ann@example.org.evil.example"}, "may not sign in here"),
        ({"email": "owner@example.org"}, "by other means"),
    ],
)
async def test_who_may_not_come_is_told_why(service: Service, provider: str, who: dict[str, Any], why: str) -> None:
    service.app.access.people.create("owner@example.org", "member", COMMAND_LINE, PASSWORD)
    await be(provider, **who)
    async with client_of(service) as http:
        back = await http.get(await sent_back(http))
        assert (back.status_code, why in back.text) == (401, True), back.text


async def test_a_way_back_is_good_once_and_for_the_browser_that_began(service: Service, provider: str) -> None:
    await be(provider)
    async with client_of(service) as http, client_of(service) as other:
        assert (await other.get(await sent_back(http))).status_code == 401, "another browser"
        first = await sent_back(http)
        assert (await other.get(first)).status_code == 401, "another browser"
        assert (await http.get(first)).status_code == 401, "used, by whoever it was"
        second = await sent_back(http)
        brought = http.cookies[ATTEMPT]
        assert (await http.get(second)).status_code == 303
        assert ATTEMPT not in http.cookies
        again = await other.get(second, headers={"Cookie": f"{ATTEMPT}={brought}"})
        assert again.status_code == 401, "used"
        assert (await http.get("/sign-in/provider/back?error=access_denied")).status_code == 401
        assert (await http.get("/sign-in/provider/back?state=x&code=y")).status_code == 401


async def test_a_suspended_person_does_not_come_in_this_way(service: Service, provider: str) -> None:
    await be(provider)
    async with client_of(service) as http:
        await http.get(await sent_back(http))
        person = (await http.get("/api/v1/session")).json()["person"]
        service.app.access.people.suspend(person, COMMAND_LINE)
        assert (await http.get("/api/v1/session")).status_code == 401
        assert (await http.get(await sent_back(http))).status_code == 401


async def test_without_a_provider_there_is_no_such_way(build: Callable[..., Service]) -> None:
    async with client_of(build("x")) as http:
        assert (await http.get("/sign-in/provider")).status_code == 401
        assert "/sign-in/provider" not in (await http.get("/sign-in")).text


@pytest.mark.parametrize("pair", ["leads", "leads=owner", "leads=service", "=member", "leads=boss"])
def test_rules_that_make_no_sense_are_refused(pair: str) -> None:
    with pytest.raises(BadAccess):
        read_rules((), (pair,), "member")
