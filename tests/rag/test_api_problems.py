"""Every error becomes one problem document."""

import importlib
import json
from collections.abc import Iterator
from typing import Any

from litestar import Litestar, Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.testing import TestClient
from msgspec import Struct

from index.errors import FootnoteError, NoSuchDocument
from rag.api.problems import MEDIA_TYPE, TABLE, TYPE_PREFIX, problem_for, problem_response, row_for
from rag.errors import BadRequest, QueueFull

for room in ("index.errors", "ingest.errors", "rag.errors"):
    importlib.import_module(room)


def every_class(root: type[FootnoteError]) -> Iterator[type[FootnoteError]]:
    yield root
    for child in root.__subclasses__():
        yield from every_class(child)


def test_invariant_13_every_error_class_has_its_row_in_the_table() -> None:
    ours = {found for found in every_class(FootnoteError) if not found.__module__.startswith("test")}
    missing = sorted(found.__qualname__ for found in ours if found not in TABLE)
    assert missing == [], f"add a row to rag/api/problems.py for {missing}"


def test_slugs_are_unique_and_statuses_are_errors() -> None:
    slugs = [row.slug for row in TABLE.values()]
    assert len(slugs) == len(set(slugs))
    assert all(400 <= row.status < 600 for row in TABLE.values())


def test_a_class_without_a_row_takes_that_of_its_nearest_ancestor() -> None:
    class Stranger(NoSuchDocument):
        pass

    assert row_for(Stranger) is TABLE[NoSuchDocument]
    assert row_for(ValueError) is TABLE[FootnoteError]


def test_a_full_queue_says_when_to_come_back() -> None:
    problem = problem_for(QueueFull("full", 2.2), "/api/v1/ask")
    assert (problem.status, problem.headers()) == (503, {"Retry-After": "3"})
    assert problem.body()["retry_after"] == 3


class Body(Struct, forbid_unknown_fields=True):
    name: str
    size: int = 0


@post("/body")
async def takes_a_body(data: JSONBody[Body]) -> str:
    return data.name


@get("/number/{number:int}")
async def takes_a_number(number: FromPath[int], much: FromQuery[int]) -> str:
    return str(number + much)


@get("/ours")
async def fails_ours() -> str:
    raise BadRequest("k is 0, but 1 was wanted")


@get("/theirs")
async def fails_theirs(request: Request[Any, Any, Any]) -> str:
    raise ZeroDivisionError("secret internals")


def client() -> TestClient[Litestar]:
    app = Litestar(
        [takes_a_body, takes_a_number, fails_ours, fails_theirs],
        exception_handlers={Exception: problem_response},
        logging_config=None,
        request_max_body_size=1000,
    )
    return TestClient(app, raise_server_exceptions=False)


def test_an_error_of_ours_is_told_in_full() -> None:
    with client() as http:
        answer = http.get("/ours")
    assert answer.headers["content-type"].startswith(MEDIA_TYPE)
    assert answer.json() == {
        "type": TYPE_PREFIX + "bad-request",
        "title": "The request is malformed",
        "status": 422,
        "detail": "k is 0, but 1 was wanted",
        "instance": "/ours",
    }


def test_an_unexpected_error_tells_no_internals() -> None:
    with client() as http:
        answer = http.get("/theirs")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["type"] == TYPE_PREFIX + "internal"


def test_malformed_bodies_list_their_fields() -> None:
    with client() as http:
        unknown = http.post("/body", json={"name": "a", "colour": 1})
        wrong = http.post("/body", json={"name": 1})
        missing = http.post("/body", json={})
        broken = http.post("/body", content="{", headers={"content-type": "application/json"})
        parameter = http.get("/number/3?much=x")
    for answer in (unknown, wrong, missing, parameter):
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"].startswith(MEDIA_TYPE)
        assert answer.json()["errors"], answer.text
    assert wrong.json()["errors"][0]["pointer"] == "#/name"
    assert parameter.json()["errors"][0]["pointer"] == "much"
    assert broken.status_code == 400
    assert broken.headers["content-type"].startswith(MEDIA_TYPE)


def test_addresses_methods_and_sizes_that_do_not_fit_are_problems_too() -> None:
    with client() as http:
        statuses = {
            http.get("/nowhere").status_code: 404,
            http.delete("/body").status_code: 405,
            http.post("/body", content=json.dumps({"name": "x" * 2000})).status_code: 413,
        }
        assert http.get("/nowhere").headers["content-type"].startswith(MEDIA_TYPE)
    assert all(got == wanted for got, wanted in statuses.items())
