"""Readers of single documents: whoever is none of them learns nothing, by any route; whoever is one loses nothing."""

import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from eval.runs import Runs
from eval.suite_shelf import SuiteShelf
from index.filters import Filters
from index.readers import set_readers
from index.schema import Document, DocumentReader
from rag.access.errors import NoSuchGroup, NoSuchPerson
from rag.access.policy import COMMAND_LINE, Caller, Level
from rag.api.sight import Sight
from tests.rag.access.people import World, populate
from tests.rag.access.test_matrix import DOCUMENT_READ, MATRIX
from tests.rag.conftest import Service, client_of

pytestmark = pytest.mark.anyio

SECRET = "quokka"  # in the name, title and text of the document that has readers
UNREAD = ("writer", "evaluator")  # may read the collection, and not the document
READ = ("reader", "manager", "admin", "owner")
NOTHING = "d_" + "0" * 22
QUESTION = f"What is the {SECRET} plan?"


@pytest.fixture
def world(build: Callable[..., Service]) -> World:
    limits = dict.fromkeys(("limit_requests", "limit_streams", "limit_uploads", "limit_unknown", "limit_sign_ins"), 0)
    return populate(build("The plan.", **limits))


@pytest.fixture
def placed(world: World) -> tuple[str, str, str]:
    """A collection (id, name) with an open document and one for the reader alone (id)."""
    collection = world.granted()
    world.service.document(collection, "The open plan is to open a shop.", "open.md", "Open plan")
    text = f"The {SECRET} plan is to sell."
    secret = world.service.pdf_document(collection, text, f"{SECRET}.pdf", f"{SECRET} plan")
    world.service.app.access.readers.set(secret, COMMAND_LINE, people=["reader"])
    return collection, world.service.app.catalog.collection(collection).name, secret


async def test_every_route_of_a_document_denies_it_to_whoever_is_no_reader(
    world: World, placed: tuple[str, str, str]
) -> None:
    *_, secret = placed
    wrong = []
    async with client_of(world.service) as http:
        for route, row in MATRIX.items():
            method, template = route.split(" ")
            if "{document}" not in template:
                continue
            for persona in (*UNREAD, "outsider", "other", *READ):
                if persona in READ and (method != "GET" or row.allowed != DOCUMENT_READ.allowed):
                    continue
                sent: dict[str, Any] = {"headers": world.headers(persona)} | ({"json": {}} if method == "PUT" else {})
                answer = await http.request(method, template.format(document=secret, page="1"), **sent)
                same = await http.request(method, template.format(document=NOTHING, page="1"), **sent)
                told = answer.text.replace(secret, "ID")
                denied = answer.status_code == 404 and told == same.text.replace(NOTHING, "ID")
                if denied is (persona in READ):
                    wrong.append(f"{persona}: {route}: {answer.status_code} {told[:200]}")
    assert wrong == []


async def test_nothing_that_is_listed_or_found_tells_of_it(world: World, placed: tuple[str, str, str]) -> None:
    collection, name, secret = placed
    jobs = world.service.app.jobs
    jobs.cancel(jobs.submit(collection, f"{SECRET}.pdf", io.BytesIO(b"%PDF")).id)
    about = {"question": QUESTION, "collection": collection}
    chat = {"model": f"footnote/{name}", "messages": [{"role": "user", "content": QUESTION}]}
    calls: dict[str, tuple[str, str, Any]] = {
        "documents": ("GET", f"/api/v1/collections/{collection}/documents?superseded=true", None),
        "report": ("GET", f"/api/v1/collections/{collection}/documents/report", None),
        "export": ("GET", f"/api/v1/collections/{collection}/export", None),
        "jobs": ("GET", f"/api/v1/jobs?collection={collection}", None),
        "page": ("GET", f"/collections/{name}", None),
        "search": ("POST", "/api/v1/search", about),
        "exact": ("POST", "/api/v1/search", about | {"exact": True, "mode": "dense"}),
        "words": ("POST", "/api/v1/search", about | {"mode": "lexical"}),
        "quote": ("POST", "/api/v1/ask", about | {"mode": "quote"}),
        "passages": ("POST", "/api/v1/ask", about | {"mode": "search"}),
        "stream": ("POST", "/api/v1/ask", about | {"stream": True}),
        "openai": ("POST", "/v1/chat/completions", chat),
        "openai stream": ("POST", "/v1/chat/completions", chat | {"stream": True}),
    }
    wrong = []
    async with client_of(world.service) as http:
        for what, (method, path, body) in calls.items():
            for persona in (*UNREAD, *READ):
                answer = await http.request(method, path, headers=world.headers(persona), json=body)
                told = answer.text.replace(QUESTION, "")  # an answer repeats what was asked
                tells = SECRET in told or secret in told
                wanted = persona in READ and what != "page"  # whose list of documents comes over the API
                if answer.status_code != 200 or (tells is not wanted):
                    wrong.append(f"{persona}: {what}: {answer.status_code} {told[:300]}")
    assert wrong == []


async def test_what_was_answered_from_it_is_hidden_too(world: World, placed: tuple[str, str, str]) -> None:
    collection, _, secret = placed
    async with client_of(world.service) as http:

        async def get(path: str, persona: str) -> httpx.Response:
            return await http.get(path, headers=world.headers(persona))

        mine = world.headers("reader")
        question = {"question": QUESTION, "collection": collection, "mode": "quote"}
        answer = (await http.post("/api/v1/ask", headers=mine, json=question)).json()
        assert secret in {source["document"] for source in answer["sources"]}
        answered, conversation = (
            f"/api/v1/answers/{answer['answer']}",
            f"/api/v1/conversations/{answer['conversation']}",
        )
        await http.patch(conversation, headers=mine, json={"shared": True})
        await http.put(f"{answered}/feedback", headers=mine, json={"rating": "down", "better": "Sell."})
        whole = [f"{answered}{more}" for more in ("", "/trace", "/stream")]
        whole += [f"{conversation}{more}" for more in ("", "?last=5", "/export", "/export?form=json")]
        for path in whole:
            assert (await get(path, "writer")).status_code == 404, path
            assert (await get(path, "evaluator")).status_code == 404, path
            assert (await get(path, "reader")).status_code == 200, path
        for path in ("/api/v1/feedback", "/api/v1/feedback/export"):
            assert SECRET not in (await get(path, "evaluator")).text
            assert SECRET in (await get(path, "admin")).text

        # It stays so when the document is gone, and for a reader who is none any more.
        world.service.app.catalog.delete_document(secret)
        assert (await get(answered, "evaluator")).status_code == 404
        assert (await get(answered, "reader")).status_code == 200
        named: Any = update(DocumentReader).where(DocumentReader.document == secret)
        with world.service.app.database.write() as session:
            session.execute(named.values(reader=world.people["writer"]))
        assert (await get(answered, "reader")).status_code == 404


async def test_suites_runs_and_syncs_need_the_whole_collection(world: World, placed: tuple[str, str, str]) -> None:
    collection, *_ = placed
    suite = SuiteShelf(world.service.app.database).create("all of it", collection, "")
    run = Runs(world.service.app.database).begin("all of it", (), {"corpus": collection})[0]
    async with client_of(world.service) as http:
        for path in (f"/api/v1/suites/{suite.id}", f"/api/v1/runs/{run}"):
            assert (await http.get(path, headers=world.headers("evaluator"))).status_code == 404
            assert (await http.get(path, headers=world.headers("admin"))).status_code == 200
        made = {"name": "mine", "collection": collection}
        assert (await http.post("/api/v1/suites", headers=world.headers("evaluator"), json=made)).status_code == 403


async def test_readers_are_set_over_the_api_and_noted(world: World, placed: tuple[str, str, str]) -> None:
    collection, _, secret = placed
    access = world.service.app.access
    group = access.grants.create_group("desk", COMMAND_LINE)
    access.grants.join(group.id, world.people["evaluator"], COMMAND_LINE)
    document, path = f"/api/v1/documents/{secret}", f"/api/v1/documents/{secret}/readers"
    async with client_of(world.service) as http:
        manager, evaluator, admin = (world.headers(name) for name in ("manager", "evaluator", "admin"))
        told = await http.put(path, headers=manager, json={"groups": ["desk"], "people": ["writer"]})
        assert [reader["name"] for reader in told.json()["readers"]] == ["desk", "writer"]
        assert (await http.get(path, headers=manager)).json() == told.json()
        assert (await http.get(document, headers=evaluator)).status_code == 200
        assert (await http.get(document, headers=world.headers("reader"))).status_code == 404

        # A group that is gone leaves the document to those who manage the collection, never to everybody.
        await http.put(path, headers=manager, json={"groups": [group.id]})
        access.grants.delete_group(group.id, COMMAND_LINE)
        assert (await http.get(document, headers=evaluator)).status_code == 404
        left = (await http.get(path, headers=manager)).json()["readers"]
        assert left == [{"person": None, "group": group.id, "name": ""}]

        assert (await http.put(path, headers=manager, json={"people": ["no one"]})).status_code == 404
        assert (await http.put(path, headers=manager, json={})).json()["readers"] == []
        question = {"question": QUESTION, "collection": collection}
        found = (await http.post("/api/v1/search", headers=evaluator, json=question)).json()
        assert secret in {passage["document"] for passage in found["passages"]}
        log = (await http.get("/api/v1/audit?action=documents.readers", headers=admin)).json()["items"]
    assert len(log) == 4  # with the first one, which was the command line's
    assert all(f"document:{secret}" in line["object"] for line in log)


def test_versions_old_and_new_have_the_same_readers(world: World) -> None:
    collection, service = world.granted(), world.service
    access = service.app.access
    first = service.document(collection, "The first plan.", "plan.md")
    access.readers.set(first, COMMAND_LINE, people=["reader"])
    second = service.document(collection, "The second plan.", "plan.md")
    service.app.catalog.rename_document(second, "moved.md")
    third = service.document(collection, "The third plan.", "moved.md")
    versions = [first, second, third]
    assert Sight(access.readers, access.by_key(world.keys["writer"])).hidden(versions) == set(versions)
    access.readers.set(third, COMMAND_LINE)
    assert access.readers.restricted(versions) == []
    with pytest.raises(NoSuchPerson):
        access.readers.set(third, COMMAND_LINE, people=["no one"])
    with pytest.raises(NoSuchGroup):
        access.readers.set(third, COMMAND_LINE, groups=["no one"])


@given(
    caller=st.builds(
        Caller,
        person=st.sampled_from(("p_1", "p_2", "p_3")),
        name=st.just("someone"),
        role=st.sampled_from(("member", "evaluator", "admin")),
        grants=st.dictionaries(st.sampled_from(("c", "o")), st.sampled_from(("read", "write", "manage"))),
        groups=st.frozensets(st.sampled_from(("g_1", "g_2"))),
    ),
    readers=st.lists(st.frozensets(st.sampled_from(("p_1", "p_2", "g_1", "g_2"))), min_size=3, max_size=3),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_rule_in_sql_is_the_rule_in_words(world: World, caller: Caller, readers: list[frozenset[str]]) -> None:
    service = world.service
    if not (made := world.__dict__.setdefault("made_once", {})):  # the examples share them
        made |= {name: service.collection(name) for name in ("c", "o")}
        files = enumerate((made["c"], made["c"], made["o"]))
        made["documents"] = [service.document(place, f"Text {number}.", f"{number}.md") for number, place in files]
    ids: dict[str, str] = {name: made[name] for name in ("c", "o")}
    grants: dict[str, Level] = {ids[name]: level for name, level in caller.grants.items()}
    caller = Caller(caller.person, caller.name, caller.role, grants, caller.groups)
    places = [ids["c"], ids["c"], ids["o"]]
    documents: list[str] = made["documents"]
    with service.app.database.write() as session:
        for document, names in zip(documents, readers, strict=True):
            set_readers(session, document, names)
    all_of_it = list(zip(documents, places, readers, strict=True))
    expected = {document for document, place, names in all_of_it if caller.reads(place, names)}

    sight = Sight(service.app.access.readers, caller)
    allowed = {document for document, place, _ in all_of_it if caller.may(place, "read")}
    filters = sight.filters([place for place in ids.values() if caller.may(place, "read")], None) or Filters()
    with service.app.database.read() as session:
        passing = set(session.scalars(select(Document.id).where(filters.clause(), Document.state == "current")))
    assert passing & allowed == expected
    assert allowed - sight.hidden(documents) == expected
