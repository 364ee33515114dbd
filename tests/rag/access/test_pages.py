"""The pages with accounts: who sees which, where the others are sent, and what the forms are called."""

from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup

from eval.suite_shelf import SuiteShelf
from rag.web.account_pages import own_path
from tests.rag.access.people import EVERYBODY, MARK, NOBODY, World, populate
from tests.rag.conftest import Service, client_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(build: Callable[..., Service]) -> World:
    return populate(build("x", limit_unknown=0))


async def test_everybody_sees_their_pages_and_no_others(world: World) -> None:
    collection = world.granted()
    document = world.document(collection)
    suite = SuiteShelf(world.service.app.database).create("suite", collection).id
    readers = {"owner", "admin", "manager", "writer", "reader", "evaluator"}
    known = {persona for persona in EVERYBODY if persona not in NOBODY}
    pages = {
        "/": known,
        "/collections": known,
        "/account": known,
        "/history": known,
        "/review": {"owner", "admin", "evaluator"},
        "/runs": {"owner", "admin", "evaluator"},
        f"/suites/{suite}": {"owner", "admin", "evaluator"},
        **{f"/admin{page}": {"owner", "admin"} for page in ("", "/usage", "/system", "/audit")},
        f"/collections/{collection}": readers,
        f"/documents/{document}": readers,
    }
    async with client_of(world.service) as http:
        for path, allowed in pages.items():
            for persona in EVERYBODY:
                answer = await http.get(path, headers=world.headers(persona))
                refusal = 303 if persona in NOBODY else 404 if path.count(collection) or path.count(document) else 403
                assert answer.status_code == (200 if persona in allowed else refusal), (path, persona)
                if persona not in readers:
                    assert MARK not in answer.text, (path, persona)
        there = await http.get("/collections?a=b&c=d")
        assert there.headers["location"] == "/sign-in?next=%2Fcollections%3Fa%3Db%26c%3Dd"
        assert (await http.get(there.headers["location"])).status_code == 200
        assert (await http.get("/static/api.js")).status_code == 200
        assert (await http.get("/nowhere")).status_code == 404


async def test_every_control_of_the_new_pages_has_a_name(world: World) -> None:
    world.granted()
    async with client_of(world.service) as http:
        for path in ("/sign-in", "/account", "/admin", "/admin/audit", "/admin/usage", "/history", "/review"):
            answer = await http.get(path, headers=world.headers("owner"))
            found = BeautifulSoup(answer.text, "html.parser")
            labelled = {label["for"] for label in found("label") if label.get("for")}
            ids = [tag["id"] for tag in found(id=True)]
            assert len(ids) == len(set(ids))
            assert len(found("h1")) == 1
            for control in found(["input", "select", "textarea"]):
                assert control.get("id") in labelled or control.find_parent("label") or control.get("aria-label")
            for tag in found(True):
                assert not [name for name in tag.attrs if name == "style" or name.startswith("on")]


async def test_without_accounts_the_pages_say_how_to_begin(build: Callable[..., Service]) -> None:
    async with client_of(build("x")) as http:
        for path in ("/account", "/admin"):
            page = (await http.get(path)).text
            assert "footnote users create-owner" in page
            assert "sign-out" not in page


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/collections?a=b", "/collections?a=b"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\nb", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_signing_in_never_leads_elsewhere(wanted: str, path: str) -> None:
    assert own_path(wanted) == path
