"""What people say of answers, the queue evaluators look at, and conversations that are pinned, shared or exported."""

import json
from pathlib import Path

import pytest

from eval.suite_files import read_suite
from rag.access.policy import COMMAND_LINE
from tests.rag.access.people import populate
from tests.rag.conftest import Http, Service, client_of

pytestmark = pytest.mark.anyio
TEXT = "The reset link is valid for 30 minutes."


async def asked(http: Http, question: str = "How long is the link valid?", **headers: str) -> dict[str, str]:
    sent = {"question": question, "collection": "guides", "mode": "quote"}
    answer = await http.post("/api/v1/ask", json=sent, headers=headers)
    found: dict[str, str] = answer.raise_for_status().json()
    return found


async def test_a_rating_is_kept_changed_listed_settled_and_taken_back(service: Service, http: Http) -> None:
    service.document(service.collection(), TEXT)
    answer = await asked(http)
    path = f"/api/v1/answers/{answer['answer']}/feedback"
    first = (await http.put(path, json={"rating": "up"})).json()
    said = {"rating": "down", "reason": "incomplete", "better": "30 minutes, once."}
    second = (await http.put(path, json=said)).json()
    assert (second["id"], second["rating"], second["reason"]) == (first["id"], "down", "incomplete")
    conversation = (await http.get(f"/api/v1/conversations/{answer['conversation']}")).json()
    assert conversation["ratings"] == {answer["answer"]: "down"}
    (listed,) = (await http.get("/api/v1/feedback", params={"rating": "down", "state": "open"})).json()["items"]
    assert (listed["question"], listed["better"]) == ("How long is the link valid?", "30 minutes, once.")
    assert (await http.get("/api/v1/feedback?rating=up")).json()["items"] == []
    settled = await http.patch(f"/api/v1/feedback/{first['id']}", json={"state": "done"})
    assert settled.json()["state"] == "done"
    assert (await http.get("/api/v1/feedback?state=open")).json()["items"] == []
    assert (await http.delete(path)).status_code == 204
    assert (await http.patch(f"/api/v1/feedback/{first['id']}", json={"state": "done"})).status_code == 404
    for wrong in ({"rating": "left"}, {"rating": "up", "reason": "mood"}, {"rating": "up", "better": "x" * 5000}, {}):
        assert (await http.put(path, json=wrong)).status_code == 422


async def test_the_export_is_a_suite_that_can_be_run(service: Service, http: Http, tmp_path: Path) -> None:
    service.document(service.collection(), TEXT)
    opinions = ({"better": "30 minutes"}, {"reason": "invented"}, {"reason": "wrong"})
    for number, opinion in enumerate(opinions):
        answer = await asked(http, f"Question {number}?")
        await http.put(f"/api/v1/answers/{answer['answer']}/feedback", json={"rating": "down", **opinion})
    exported = await http.get("/api/v1/feedback/export")
    path = tmp_path / "review.jsonl"
    path.write_bytes(exported.content)
    cases = read_suite(path)
    assert {(case.question, case.kind, case.collection) for case in cases} == {
        ("Question 0?", "answerable", "guides"),
        ("Question 1?", "unanswerable", "guides"),
    }


async def test_feedback_goes_with_its_conversation(service: Service, http: Http) -> None:
    service.document(service.collection(), TEXT)
    answer = await asked(http)
    await http.put(f"/api/v1/answers/{answer['answer']}/feedback", json={"rating": "down"})
    await http.delete(f"/api/v1/conversations/{answer['conversation']}")
    assert (await http.get("/api/v1/feedback")).json()["items"] == []


async def test_an_evaluator_sees_only_what_was_said_of_collections_they_may_read(service: Service) -> None:
    world = populate(service)
    service.document(service.collection(), TEXT)
    async with client_of(service) as http:
        answer = await asked(http, **world.headers("owner"))
        path = f"/api/v1/answers/{answer['answer']}/feedback"
        given = (await http.put(path, json={"rating": "down"}, headers=world.headers("owner"))).json()
        evaluator = world.headers("evaluator")
        assert (await http.get("/api/v1/feedback", headers=evaluator)).json()["items"] == []
        settling = {"json": {"state": "done"}, "headers": evaluator}
        assert (await http.patch(f"/api/v1/feedback/{given['id']}", **settling)).status_code == 404
        guides = service.app.catalog.collection("guides").id
        service.app.access.grants.grant(guides, "read", COMMAND_LINE, person=world.people["evaluator"])
        (seen,) = (await http.get("/api/v1/feedback", headers=evaluator)).json()["items"]
        assert (seen["id"], seen["name"]) == (given["id"], "owner")


async def test_conversations_are_searched_pinned_and_exported(service: Service, http: Http) -> None:
    service.document(service.collection(), TEXT)
    ids = [(await asked(http, f"{word} 100%?"))["conversation"] for word in ("Apple", "Pear")]
    found = (await http.get("/api/v1/conversations", params={"search": "pear 100%"})).json()["items"]
    assert [item["id"] for item in found] == [ids[1]]
    assert (await http.get("/api/v1/conversations", params={"search": "1_0"})).json()["items"] == []
    changed = (await http.patch(f"/api/v1/conversations/{ids[0]}", json={"pinned": True, "title": "Fruit"})).json()
    assert (changed["pinned"], changed["title"], changed["shared"]) == (True, "Fruit", False)
    pinned = (await http.get("/api/v1/conversations?pinned=true")).json()["items"]
    assert [item["id"] for item in pinned] == [ids[0]]
    markdown = await http.get(f"/api/v1/conversations/{ids[0]}/export")
    assert markdown.headers["content-disposition"] == 'attachment; filename="fruit.md"'
    assert markdown.text.startswith("# Fruit\n\n## Apple 100%?")
    assert "[^1]: Guide, version 1" in markdown.text
    exported = (await http.get(f"/api/v1/conversations/{ids[0]}/export?form=json")).json()
    assert [answer["asked"] for answer in exported] == ["Apple 100%?"]


async def test_a_shared_conversation_is_read_by_who_may_read_its_collections(service: Service) -> None:
    world = populate(service)
    document = service.document(world.granted(), TEXT)
    collection = service.app.catalog.document(document).collection
    async with client_of(service) as http:
        sent = {"question": "How long?", "collection": collection, "mode": "quote"}
        answer = (await http.post("/api/v1/ask", json=sent, headers=world.headers("reader"))).json()
        path = f"/api/v1/conversations/{answer['conversation']}"
        assert (await http.get(path, headers=world.headers("writer"))).status_code == 404
        await http.patch(path, json={"shared": True}, headers=world.headers("reader"))
        read = (await http.get(path, headers=world.headers("writer"))).json()
        assert (read["mine"], [item["asked"] for item in read["answers"]]) == (False, ["How long?"])
        trace = f"/api/v1/answers/{answer['answer']}/trace"
        assert (await http.get(trace, headers=world.headers("writer"))).status_code == 200
        assert (await http.get(path, headers=world.headers("outsider"))).status_code == 404
        assert (await http.get(trace, headers=world.headers("outsider"))).status_code == 404
        for change in ({"title": "Mine"}, {"shared": False}):
            assert (await http.patch(path, json=change, headers=world.headers("writer"))).status_code == 404
        followed = {**sent, "conversation": answer["conversation"]}
        assert (await http.post("/api/v1/ask", json=followed, headers=world.headers("writer"))).status_code == 404
        await http.patch(path, json={"shared": False}, headers=world.headers("reader"))
        assert (await http.get(path, headers=world.headers("writer"))).status_code == 404
        assert json.dumps(read).count(TEXT) >= 1
