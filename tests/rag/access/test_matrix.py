"""Every route of the OpenAPI document, called by everybody: who gets in, who is refused, and who learns nothing."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from eval.runs import Runs
from eval.suite_shelf import SuiteShelf
from rag.access.policy import COMMAND_LINE
from rag.review import Opinion
from tests.rag.access.people import EVERYBODY, MARK, NOBODY, PASSWORD, STRANGERS, World, populate
from tests.rag.conftest import Service, client_of

pytestmark = pytest.mark.anyio

KNOWN = tuple(persona for persona in EVERYBODY if persona not in NOBODY)
ADMINS = ("owner", "admin")
MANAGERS = (*ADMINS, "manager")
WRITERS = (*MANAGERS, "writer")
READERS = (*WRITERS, "reader", "evaluator")
HIDDEN = {"outsider": 404, "other": 404}


@dataclass(frozen=True)
class Call:
    """One request: what fills the path, and what goes with it."""

    path: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """Who may call a route; whoever else is known gets what `refusals` say, or 403; nobody gets 401."""

    allowed: tuple[str, ...]
    make: Callable[[World], Call] = lambda world: Call()
    refusals: Mapping[str, int] = field(default_factory=dict)

    def expected(self, persona: str) -> int:
        """The status, or 200 for any success."""
        if persona in self.allowed:
            return 200
        return 401 if persona in NOBODY else self.refusals.get(persona, 403)


def shared(name: str) -> Callable[[World], str]:
    """A thing that many requests are about, made once."""

    def make(world: World) -> str:
        kept: dict[str, str] = world.__dict__.setdefault("shared", {})
        if name not in kept:
            kept[name] = MAKERS[name](world)
        return kept[name]

    return make


MAKERS: Mapping[str, Callable[[World], str]] = {
    "collection": World.granted,
    "document": lambda world: world.document(COLLECTION(world)),
    "pdf": lambda world: world.pdf_document(COLLECTION(world)),
    "job": lambda world: world.job(COLLECTION(world)),
    "batch": lambda world: world.batch(COLLECTION(world)),
    "group": lambda world: world.service.app.access.grants.create_group("a group", COMMAND_LINE).id,
    "suite": lambda world: SuiteShelf(world.service.app.database).create(f"{MARK} suite", COLLECTION(world), MARK).id,
    "empty": lambda world: SuiteShelf(world.service.app.database).create(f"{MARK} empty", COLLECTION(world)).id,
    "run": lambda world: Runs(world.service.app.database).begin(f"{MARK} suite", (), {"corpus": COLLECTION(world)})[0],
}
COLLECTION, DOCUMENT, PDF, JOB, BATCH, GROUP, SUITE, AN_EMPTY_SUITE, RUN = (
    shared(name) for name in ("collection", "document", "pdf", "job", "batch", "group", "suite", "empty", "run")
)


def in_collection(**sent: Any) -> Callable[[World], Call]:
    return lambda world: Call({"collection": COLLECTION(world)}, sent)


def of_document(**sent: Any) -> Callable[[World], Call]:
    return lambda world: Call({"document": DOCUMENT(world)}, sent)


def about(**more: Any) -> Callable[[World], Call]:
    """A question about the secret collection, in the body."""
    return lambda world: Call({}, {"json": {"question": "What is planned?", "collection": COLLECTION(world), **more}})


def body(make: Callable[[World], Mapping[str, Any]]) -> Callable[[World], Call]:
    return lambda world: Call({}, {"json": make(world)})


def a_new_grant(world: World) -> Mapping[str, Any]:
    return {"collection": COLLECTION(world), "level": "read", "person": world.people["reader"]}


def a_grant(world: World) -> Call:
    grants = world.service.app.access.grants
    given = grants.grant(COLLECTION(world), "read", COMMAND_LINE, group=GROUP(world))
    return Call({"grant": given.id})


def a_member(world: World) -> Call:
    return Call({"group": GROUP(world), "person": world.people["reader"]})


def an_answer(world: World) -> Call:
    """An answer that the reader got."""
    return Call({"answer": world.__dict__["answer"]})


def a_conversation(world: World) -> Call:
    return Call({"conversation": world.__dict__["conversation"]}, {"json": {"title": MARK}})


def a_rated_answer(world: World) -> Call:
    return Call({"answer": world.__dict__["answer"]}, {"json": {"rating": "down", "better": MARK}})


def a_feedback(world: World) -> Call:
    opinion = Opinion("down", "wrong", MARK)
    given = world.service.app.review.give(world.__dict__["answer"], world.people["reader"], opinion)
    return Call({"feedback": given.id}, {"json": {"state": "done"}})


def of_suite(**sent: Any) -> Callable[[World], Call]:
    return lambda world: Call({"suite": SUITE(world)}, sent)


def a_case_to_come(world: World) -> Call:
    return Call({"suite": SUITE(world)}, {"json": A_CASE | {"id": f"c{world.number()}"}})


def a_case(world: World) -> Call:
    shelf = SuiteShelf(world.service.app.database)
    if not any(case.id == "c-0" for case in shelf.cases(SUITE(world))):
        shelf.add(SUITE(world), [A_CASE | {"id": "c-0"}])
    return Call({"suite": SUITE(world), "case": "c-0"}, {"json": A_CASE})


def a_file_of_cases(world: World) -> Call:
    row = A_CASE | {"id": f"c{world.number()}"}
    return Call({"suite": SUITE(world)}, {"json": {"text": json.dumps(row)}})


def a_suite_of_its_own(world: World) -> Call:
    made = SuiteShelf(world.service.app.database).create(f"{MARK} {world.number()}", COLLECTION(world))
    return Call({"suite": made.id}, {"json": {"description": MARK}})


def of_run(world: World) -> Call:
    return Call({"run": RUN(world)})


def of_collection_query(world: World) -> Call:
    return Call({}, {"params": {"collection": COLLECTION(world)}})


READ, WRITE, MANAGE = (Row(who, in_collection(), HIDDEN) for who in (READERS, WRITERS, MANAGERS))
DOCUMENT_READ = Row(READERS, of_document(), HIDDEN)
PICTURE_READ = Row(READERS, lambda world: Call({"document": PDF(world), "page": "1"}), HIDDEN)
ANSWER_READ = Row((*ADMINS, "reader", "evaluator"), an_answer, HIDDEN | {"manager": 404, "writer": 404})
BATCH_READ, BATCH_WRITE = (Row(who, lambda world: Call({"batch": BATCH(world)}), HIDDEN) for who in (READERS, WRITERS))
ONLY_ADMINS = Row(ADMINS)
A_CASE: Mapping[str, Any] = {"question": MARK, "answers": [MARK]}
SUITES_READ = Row((*ADMINS, "evaluator"), of_suite())
SUITES_CHANGED = Row((*ADMINS, "evaluator"), a_suite_of_its_own)
CASES = Row((*ADMINS, "evaluator"), a_case)
RUNS = Row((*ADMINS, "evaluator"), of_run)
REVIEWERS = Row((*ADMINS, "evaluator"))
GROUPED = Row(ADMINS, lambda world: Call({"group": GROUP(world)}, {"json": {"name": f"group {world.number()}"}}))
FOREIGN = {persona: 404 for persona in KNOWN if persona != "reader"}
OF_A_PROGRAM = {persona: 404 for persona in KNOWN if persona not in ADMINS}

MATRIX: Mapping[str, Row] = {
    "GET /api/v1/health/live": Row(EVERYBODY),
    "GET /api/v1/health/ready": Row(EVERYBODY),
    "POST /api/v1/session": Row(EVERYBODY, body(lambda world: {"name": "reader", "password": PASSWORD})),
    "GET /api/v1/session": Row(KNOWN),
    "DELETE /api/v1/session": Row(KNOWN),
    "POST /api/v1/session/password": Row((), body(lambda world: {"current": PASSWORD, "new": PASSWORD})),
    "GET /api/v1/session/codes": Row(KNOWN),
    "POST /api/v1/session/codes": Row(()),  # only in a session, and these all come with keys
    "PUT /api/v1/session/codes": Row((), body(lambda world: {"code": "123456"})),
    "POST /api/v1/session/codes/off": Row((), body(lambda world: {"code": "123456"})),
    "GET /api/v1/people": ONLY_ADMINS,
    "POST /api/v1/people": Row(ADMINS, body(lambda world: {"name": f"person {world.number()}"})),
    "GET /api/v1/people/{person}": Row(ADMINS, lambda world: Call({"person": world.people["reader"]})),
    "PATCH /api/v1/people/{person}": Row(
        ADMINS, lambda world: Call({"person": world.people["reader"]}, {"json": {"state": "active"}})
    ),
    "GET /api/v1/groups": ONLY_ADMINS,
    "POST /api/v1/groups": Row(ADMINS, body(lambda world: {"name": f"group {world.number()}"})),
    "GET /api/v1/groups/{group}": GROUPED,
    "PATCH /api/v1/groups/{group}": GROUPED,
    "DELETE /api/v1/groups/{group}": Row(ADMINS, lambda world: Call({"group": "g_none"})),
    "PUT /api/v1/groups/{group}/members/{person}": Row(ADMINS, a_member),
    "DELETE /api/v1/groups/{group}/members/{person}": Row(ADMINS, a_member),
    "GET /api/v1/grants": Row(MANAGERS, of_collection_query, HIDDEN),
    "POST /api/v1/grants": Row(MANAGERS, body(a_new_grant), HIDDEN),
    "DELETE /api/v1/grants/{grant}": Row(
        MANAGERS, a_grant, {persona: 404 for persona in KNOWN if persona not in MANAGERS}
    ),
    "GET /api/v1/keys": Row(KNOWN),
    "POST /api/v1/keys": Row(KNOWN, body(lambda world: {"name": "mine"})),
    "POST /api/v1/keys/{key}/rotate": Row(
        ADMINS, lambda world: Call({"key": world.key_of_a_program()}, {"json": {}}), OF_A_PROGRAM
    ),
    "DELETE /api/v1/keys/{key}": Row(ADMINS, lambda world: Call({"key": world.key_of_a_program()}), OF_A_PROGRAM),
    "GET /api/v1/audit": ONLY_ADMINS,
    "GET /api/v1/audit/export": ONLY_ADMINS,
    "GET /api/v1/audit/verify": ONLY_ADMINS,
    "GET /api/v1/settings": ONLY_ADMINS,
    "GET /api/v1/usage": Row(KNOWN),
    "GET /api/v1/metrics": ONLY_ADMINS,
    "GET /api/v1/models": Row(KNOWN),
    # Nobody has such a model, and only admins are told so.
    "POST /api/v1/models/{model}/promote": Row(
        (), lambda world: Call({"model": "none"}, {"json": {"version": 1}}), dict.fromkeys(ADMINS, 404)
    ),
    "POST /api/v1/models/{model}/rollback": Row((), lambda world: Call({"model": "none"}), dict.fromkeys(ADMINS, 404)),
    "GET /api/v1/collections/{collection}/export": READ,
    "GET /api/v1/collections": Row(KNOWN),
    "POST /api/v1/collections": Row(ADMINS, body(lambda world: {"name": f"new-{world.number()}"})),
    "GET /api/v1/collections/{collection}": READ,
    "PATCH /api/v1/collections/{collection}": Row(MANAGERS, in_collection(json={"description": MARK}), HIDDEN),
    "DELETE /api/v1/collections/{collection}": Row(
        MANAGERS, lambda world: Call({"collection": world.granted()}), HIDDEN
    ),
    "GET /api/v1/collections/{collection}/documents": READ,
    "GET /api/v1/collections/{collection}/documents/report": READ,
    "POST /api/v1/collections/{collection}/documents": Row(
        WRITERS, in_collection(params={"name": "a.md"}, content=b"# A"), HIDDEN
    ),
    "POST /api/v1/collections/{collection}/sync": Row(
        WRITERS, in_collection(json={"folder": str(Path(__file__).parent), "dry_run": True}), HIDDEN
    ),
    "GET /api/v1/documents/{document}": DOCUMENT_READ,
    "DELETE /api/v1/documents/{document}": Row(
        WRITERS, lambda world: Call({"document": world.document(COLLECTION(world))}), HIDDEN
    ),
    "GET /api/v1/documents/{document}/readers": Row(MANAGERS, of_document(), HIDDEN),
    "PUT /api/v1/documents/{document}/readers": Row(MANAGERS, of_document(json={}), HIDDEN),
    "GET /api/v1/documents/{document}/text": DOCUMENT_READ,
    "GET /api/v1/documents/{document}/chunks": DOCUMENT_READ,
    "GET /api/v1/documents/{document}/report": DOCUMENT_READ,
    "GET /api/v1/documents/{document}/versions": DOCUMENT_READ,
    "GET /api/v1/documents/{document}/original": DOCUMENT_READ,
    "GET /api/v1/documents/{document}/pages/{page}": PICTURE_READ,
    "GET /api/v1/documents/{document}/pages/{page}/boxes": PICTURE_READ,
    "GET /api/v1/jobs": Row(KNOWN),
    "GET /api/v1/jobs/{job}": Row(READERS, lambda world: Call({"job": JOB(world)}), HIDDEN),
    "GET /api/v1/jobs/{job}/events": Row(READERS, lambda world: Call({"job": JOB(world)}), HIDDEN),
    "POST /api/v1/jobs/{job}/retry": Row(WRITERS, lambda world: Call({"job": world.job(COLLECTION(world))}), HIDDEN),
    "POST /api/v1/jobs/{job}/cancel": Row(
        WRITERS, lambda world: Call({"job": world.waiting_job(COLLECTION(world))}), HIDDEN
    ),
    "POST /api/v1/jobs/{job}/pause": Row(
        WRITERS, lambda world: Call({"job": world.waiting_job(COLLECTION(world))}), HIDDEN
    ),
    "POST /api/v1/jobs/{job}/resume": Row(
        WRITERS,
        lambda world: Call({"job": world.service.app.jobs.pause(world.waiting_job(COLLECTION(world))).id}),
        HIDDEN,
    ),
    "POST /api/v1/batches": Row(WRITERS, body(lambda world: {"collection": COLLECTION(world)}), HIDDEN),
    "GET /api/v1/batches/{batch}": BATCH_READ,
    "GET /api/v1/batches/{batch}/events": BATCH_READ,
    **{f"POST /api/v1/batches/{{batch}}/{deed}": BATCH_WRITE for deed in ("retry", "cancel", "pause", "resume")},
    "POST /api/v1/search": Row(READERS, about(), HIDDEN),
    "POST /api/v1/ask": Row(READERS, about(mode="quote"), HIDDEN),
    "GET /api/v1/answers/{answer}": ANSWER_READ,
    "GET /api/v1/answers/{answer}/trace": ANSWER_READ,
    "GET /api/v1/answers/{answer}/stream": ANSWER_READ,
    "DELETE /api/v1/answers/{answer}/stream": Row((*ADMINS, "reader"), an_answer, FOREIGN),
    "PUT /api/v1/answers/{answer}/feedback": Row(ANSWER_READ.allowed, a_rated_answer, ANSWER_READ.refusals),
    "DELETE /api/v1/answers/{answer}/feedback": ANSWER_READ,
    "GET /api/v1/feedback": REVIEWERS,
    "GET /api/v1/feedback/export": REVIEWERS,
    "PATCH /api/v1/feedback/{feedback}": Row(REVIEWERS.allowed, a_feedback),
    "GET /api/v1/conversations/{conversation}/export": Row(("reader",), a_conversation, FOREIGN),
    "GET /api/v1/conversations": Row(KNOWN),
    "GET /api/v1/conversations/{conversation}": Row(("reader",), a_conversation, FOREIGN),
    "PATCH /api/v1/conversations/{conversation}": Row(("reader",), a_conversation, FOREIGN),
    "DELETE /api/v1/conversations/{conversation}": Row(KNOWN, lambda world: Call({"conversation": "v_none"})),
    "GET /api/v1/suites": REVIEWERS,
    "POST /api/v1/suites": Row(
        REVIEWERS.allowed, body(lambda world: {"name": f"suite {world.number()}", "collection": COLLECTION(world)})
    ),
    "GET /api/v1/suites/{suite}": SUITES_READ,
    "PATCH /api/v1/suites/{suite}": SUITES_CHANGED,
    "DELETE /api/v1/suites/{suite}": SUITES_CHANGED,
    "GET /api/v1/suites/{suite}/cases": SUITES_READ,
    "POST /api/v1/suites/{suite}/cases": Row(REVIEWERS.allowed, a_case_to_come),
    "PUT /api/v1/suites/{suite}/cases/{case}": CASES,
    "DELETE /api/v1/suites/{suite}/cases/{case}": CASES,
    "POST /api/v1/suites/{suite}/import": Row(REVIEWERS.allowed, a_file_of_cases),
    "GET /api/v1/suites/{suite}/export": SUITES_READ,
    "GET /api/v1/runs": REVIEWERS,
    # Nobody may run a suite that has no case: whoever may is told so.
    "POST /api/v1/runs": Row(
        (), body(lambda world: {"suite": AN_EMPTY_SUITE(world)}), dict.fromkeys(REVIEWERS.allowed, 409)
    ),
    "GET /api/v1/runs/{run}": RUNS,
    "POST /api/v1/runs/{run}/cancel": RUNS,
    "POST /v1/chat/completions": Row(
        READERS,
        body(
            lambda world: {
                "model": f"footnote/{COLLECTION(world)}",
                "messages": [{"role": "user", "content": "What is planned?"}],
            }
        ),
        HIDDEN,
    ),
    "GET /v1/models": Row(KNOWN),
    "GET /v1/models/{model}": Row(
        READERS,
        lambda world: Call({"model": f"footnote/{world.service.app.catalog.collection(COLLECTION(world)).name}"}),
        HIDDEN,
    ),
    "POST /v1/embeddings": Row(
        KNOWN, body(lambda world: {"model": world.service.app.embedder.stamp.model, "input": "a"})
    ),
}


@pytest.fixture
def world(build: Callable[..., Service]) -> World:
    limits = dict.fromkeys(("limit_requests", "limit_streams", "limit_uploads", "limit_unknown", "limit_sign_ins"), 0)
    return populate(build("The plan.", **limits, sources_folders=(str(Path(__file__).parent),)))


async def prepare(world: World, http: httpx.AsyncClient) -> None:
    """The reader asks once."""
    DOCUMENT(world)
    call = about(mode="quote")(world)
    answer = (await http.post("/api/v1/ask", headers=world.headers("reader"), **call.sent)).json()
    world.__dict__["answer"], world.__dict__["conversation"] = answer["answer"], answer["conversation"]


async def test_a_route_that_is_not_in_the_matrix_fails_here(world: World) -> None:
    async with client_of(world.service) as http:
        document = (await http.get("/api/openapi.json", headers=world.headers("outsider"))).json()
    routes = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert routes - set(MATRIX) == set(), "say in MATRIX who may call these"
    assert set(MATRIX) - routes == set(), "these are gone"


async def test_everybody_gets_what_the_matrix_says(world: World) -> None:
    wrong: list[str] = []
    async with client_of(world.service) as http:
        await prepare(world, http)
        for route, row in MATRIX.items():
            for persona in reversed(EVERYBODY):  # strangers first, so that nothing is gone before they try
                wrong += [f"{persona}: {route}: {what}" for what in await complaints(world, http, route, row, persona)]
        kept = await http.get(
            f"/api/v1/conversations/{world.__dict__['conversation']}", headers=world.headers("reader")
        )
    assert wrong == []
    assert kept.status_code == 200
    assert world.service.app.access.audit.verify().lines > 100


async def complaints(world: World, http: httpx.AsyncClient, route: str, row: Row, persona: str) -> list[str]:
    """What is wrong with the answer that a persona gets."""
    call, (method, template) = row.make(world), route.split(" ")
    path = template.format(**call.path)
    answer = await http.request(method, path, headers=world.headers(persona), **call.sent)
    http.cookies.clear()  # a sign-in must not help the next persona
    expected, found = row.expected(persona), answer.status_code
    wrong = []
    if (found != expected) if expected != 200 else not 200 <= found < 300:
        wrong.append(f"{found} where {expected} was wanted: {answer.text[:200]}")
    if persona in STRANGERS and MARK in answer.text and MARK not in path:
        wrong.append(f"tells of the secret collection: {answer.text[:200]}")
    if found == 404 and call.path:
        ids = {name: value for name, value in call.path.items() if len(value) > 3}  # a page's number is no id
        missing = {**call.path, **{name: re.sub("[1-9a-f]", "0", value) for name, value in ids.items()}}
        same = await http.request(method, template.format(**missing), headers=world.headers(persona), **call.sent)
        if without_ids(same, {name: missing[name] for name in ids}) != without_ids(answer, ids):
            wrong.append(f"is told apart from what is not there: {answer.text[:200]} / {same.text[:200]}")
    return wrong


def without_ids(answer: httpx.Response, ids: Mapping[str, str]) -> tuple[int, str]:
    text = answer.text
    for value in ids.values():
        text = text.replace(value, "ID")
    return answer.status_code, text
