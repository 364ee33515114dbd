"""One-time codes: turned on, asked for, good once, lost and turned off."""

from collections.abc import Callable
from typing import Any

import pyotp
import pytest

from rag.access import second_factor
from rag.access.policy import COMMAND_LINE
from tests.rag.access.people import PASSWORD, World, populate
from tests.rag.conftest import Http, Service, client_of

pytestmark = pytest.mark.anyio


class Clock:
    """Time in steps of half a minute, so that no test waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        monkeypatch.setattr(second_factor.time, "time", lambda: self.now)

    def code(self, secret: str, steps: int = 0) -> str:
        return pyotp.TOTP(secret).at(int(self.now) + 30 * steps)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def world(build: Callable[..., Service]) -> World:
    return populate(build("x", limit_sign_ins=0))


async def sign_in(http: Http, code: str = "") -> Any:
    http.cookies.clear()
    return await http.post("/api/v1/session", json={"name": "reader", "password": PASSWORD, "code": code})


async def turned_on(http: Http, clock: Clock) -> tuple[str, list[str], dict[str, str]]:
    """The secret, the recovery codes, and the header for writes."""
    csrf = {"X-CSRF-Token": (await sign_in(http)).json()["csrf"]}
    begun = (await http.post("/api/v1/session/codes", headers=csrf)).json()
    assert begun["address"].startswith("otpauth://totp/Footnote:reader?")
    assert {len(row) for row in begun["squares"]} == {len(begun["squares"])}
    wrong = await http.put("/api/v1/session/codes", json={"code": "000000x"}, headers=csrf)
    assert wrong.status_code == 401
    assert (await http.get("/api/v1/session/codes")).json() == {"on": False}
    code = clock.code(begun["secret"])
    on = await http.put("/api/v1/session/codes", json={"code": code}, headers=csrf)
    assert on.status_code == 200, on.text
    return begun["secret"], on.json()["recovery"], csrf


async def test_a_code_is_wanted_and_good_once(world: World, clock: Clock) -> None:
    async with client_of(world.service) as http:
        secret, _, _ = await turned_on(http, clock)
        without = await sign_in(http)
        assert (without.status_code, without.json()["type"].endswith("/code-wanted")) == (401, True)
        assert (await sign_in(http, clock.code(secret))).status_code == 401, "it turned codes on already"
        clock.now += 30
        assert (await sign_in(http, clock.code(secret))).status_code == 200
        assert (await sign_in(http, clock.code(secret))).status_code == 401, "used"
        assert (await sign_in(http, clock.code(secret, -1))).status_code == 401, "older than the one used"
        assert (await sign_in(http, clock.code(secret, 3))).status_code == 401, "not yet good"
        assert (await sign_in(http, clock.code(secret, 1))).status_code == 200, "a clock may be a little fast"


async def test_a_recovery_code_is_good_once(world: World, clock: Clock) -> None:
    async with client_of(world.service) as http:
        _, recovery, _ = await turned_on(http, clock)
        assert len(set(recovery)) == second_factor.RECOVERY_CODES
        assert (await sign_in(http, recovery[3].upper())).status_code == 200
        assert (await sign_in(http, recovery[3])).status_code == 401
        assert (await sign_in(http, recovery[4])).status_code == 200


async def test_codes_go_with_one_more_or_by_an_admin(world: World, clock: Clock) -> None:
    async with client_of(world.service) as http:
        secret, recovery, csrf = await turned_on(http, clock)
        assert (await http.post("/api/v1/session/codes", headers=csrf)).status_code == 422, "they are on"
        clock.now += 60
        refused = await http.post("/api/v1/session/codes/off", json={"code": "123 456"}, headers=csrf)
        assert refused.status_code == 401
        off = await http.post("/api/v1/session/codes/off", json={"code": clock.code(secret)}, headers=csrf)
        assert off.json() == {"on": False}
        assert (await sign_in(http)).status_code == 200
        clock.now += 60
        await turned_on(http, clock)
        http.cookies.clear()
        reader = f"/api/v1/people/{world.people['reader']}"
        assert (await http.patch(reader, json={"codes": "off"}, headers=world.headers("admin"))).status_code == 200
        assert (await sign_in(http, recovery[0])).status_code == 200
    actions = [line.action for line in world.service.app.access.audit.entries(limit=200).items]
    assert actions.count("people.codes_on") == actions.count("people.codes_off") == 2


async def test_codes_are_guessed_slowly(build: Callable[..., Service], clock: Clock) -> None:
    service = build("x", limit_sign_ins=3)
    populate(service)
    async with client_of(service) as http:
        service.app.access.second_factors.begin("reader", "reader")
        csrf = {"X-CSRF-Token": (await sign_in(http)).json()["csrf"]}
        tries = [await http.put("/api/v1/session/codes", json={"code": f"00000{n}x"}, headers=csrf) for n in range(5)]
        assert [answer.status_code for answer in tries] == [401, 401, 401, 429, 429]


async def test_the_secret_is_not_in_the_table(world: World) -> None:
    made = world.service.app.access.second_factors.begin(world.people["reader"], "reader")
    with world.service.app.database.read() as session:
        row = session.get(second_factor.SecondFactor, 5)
        assert row is not None
        assert made.secret not in row.secret
    world.service.app.access.second_factors.off(world.people["reader"], COMMAND_LINE)
