"""Asking over HTTP: the order of events, one object, resuming, stopping, leaving, and what is kept."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from rag.errors import GenerationFailed
from rag.llm.generator import Queued
from tests.rag.conftest import Http, Service, client_of

pytestmark = pytest.mark.anyio
TEXT = "The reset link is valid for 30 minutes.\n\nChoose a password of 12 characters."
QUESTION = {"question": "How long is the reset link valid?", "collection": "guides"}
STREAM = {"accept": "text/event-stream"}
ORDER = ("queued", "started", "sources", "delta", "citation", "verdict", "replace", "usage", "done")


def events_of(text: str) -> list[tuple[str, str, Any]]:
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if lines:
            found.append((lines["id"], lines["event"], json.loads(lines["data"])))
    return found


async def until_speaking(service: Service) -> None:
    async with asyncio.timeout(20):
        while not service.generator.open_streams:  # noqa: ASYNC110  # the generator knows no event loop
            await asyncio.sleep(0.01)


async def test_the_events_of_an_answer(service: Service, http: Http) -> None:
    document = service.document(service.collection(), TEXT)
    answer = await http.post("/api/v1/ask", json=QUESTION, headers=STREAM)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    events = events_of(answer.text)
    names = [name for _, name, _ in events]
    assert names[:2] == ["started", "sources"]
    assert names[-2:] == ["usage", "done"]
    assert set(names) <= set(ORDER)
    by_name = {name: data for _, name, data in events}
    text = "".join(data["text"] for _, name, data in events if name == "delta")
    assert text == "The reset link is valid for 30 minutes."
    source = by_name["sources"][0]
    assert source["document"] == document
    assert source["text"] == TEXT[source["start"] : source["end"]]
    assert "page" not in source
    citation = by_name["citation"]
    span = citation["sources"][0]
    assert span["n"] in [item["n"] for item in by_name["sources"]]
    assert text[citation["start"] : citation["end"]]
    where = f"/api/v1/documents/{document}/text?start={span['start']}&end={span['end']}"
    assert "30 minutes" in (await http.get(where)).json()["text"]
    assert by_name["verdict"]["verdict"] == "supported"
    assert set(by_name["usage"]["ms"]) == {"queue", "retrieve", "evidence", "verify", "first_token", "total"}
    done = by_name["done"]
    assert (done["status"], done["answer"]) == ("answered", by_name["started"]["answer"])


async def test_two_things_are_asked_where_more_is_found_than_is_shown(service: Service, http: Http) -> None:
    collection = service.collection()
    for n in range(10):
        service.document(collection, f"The reset link of list {n} is valid for 30 minutes.", f"link-{n}.txt")
        service.document(collection, f"The password of list {n} has 12 characters.", f"password-{n}.txt")
    both = {**QUESTION, "question": "How long is the reset link valid, and how many characters has the password?"}
    answer = (await http.post("/api/v1/ask", json=both)).json()
    trace = (await http.get(f"/api/v1/answers/{answer['answer']}/trace")).json()
    assert len(trace["parts"]) == 2
    beyond = [item for item in trace["retrieval"]["dropped"] if item["reason"] == "beyond_k"]
    assert beyond
    assert all(item["stages"] and item["score"] for item in beyond)


async def test_without_streaming_it_is_one_object(service: Service, http: Http) -> None:
    service.document(service.collection(), TEXT)
    answer = (await http.post("/api/v1/ask", json=QUESTION)).json()
    assert set(answer) >= {
        *("answer", "conversation", "status", "text", "sources", "citations", "verdicts", "usage", "confidence"),
        *("trace", "model"),
    }
    assert answer["text"] == "The reset link is valid for 30 minutes."
    stored = (await http.get(f"/api/v1/answers/{answer['answer']}")).json()
    for field in ("answer", "conversation", "status", "text", "sources", "citations", "verdicts", "trace", "model"):
        assert stored[field] == answer[field], field
    trace = (await http.get(f"/api/v1/answers/{answer['answer']}/trace")).json()
    assert trace["question"]


async def test_the_body_may_say_whether_to_stream(service: Service, http: Http) -> None:
    service.document(service.collection(), TEXT)
    streamed = await http.post("/api/v1/ask", json={**QUESTION, "stream": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    whole = await http.post("/api/v1/ask", json={**QUESTION, "stream": False}, headers=STREAM)
    assert whole.headers["content-type"] == "application/json"


async def test_waiting_quoting_searching_and_abstaining(build: Callable[..., Service]) -> None:
    service = build(Queued(2, 1.5), "The reset link is valid for 30 minutes.")
    service.document(service.collection(), TEXT)
    service.collection("empty")
    async with client_of(service) as http:
        events = events_of((await http.post("/api/v1/ask", json=QUESTION, headers=STREAM)).text)
        assert ("queued", {"position": 2, "eta_seconds": 1.5}) in [(name, data) for _, name, data in events]
        quoted = (await http.post("/api/v1/ask", json={**QUESTION, "mode": "quote"})).json()
        assert quoted["status"] == "quoted"
        assert quoted["text"] in TEXT
        searched = (await http.post("/api/v1/ask", json={**QUESTION, "mode": "search"})).json()
        assert (searched["text"], bool(searched["sources"])) == ("", True)
        empty = (await http.post("/api/v1/ask", json={**QUESTION, "collection": "empty"})).json()
        assert empty["status"] == "abstained"
        assert "no documents" in empty["text"]


async def test_questions_that_cannot_be_are_http_errors_even_when_streaming(service: Service, http: Http) -> None:
    service.document(service.collection(), TEXT)
    for wrong, status in (
        ({"question": "x"}, 422),
        ({"question": "   ", "collection": "guides"}, 422),
        ({**QUESTION, "collection": "nowhere"}, 404),
        ({**QUESTION, "model": "nobody"}, 404),
        ({**QUESTION, "conversation": "v_none"}, 404),
        ({**QUESTION, "k": 0}, 422),
        ({**QUESTION, "colour": "red"}, 422),
        ({**QUESTION, "filters": {"year": {"near": 3}}}, 422),
    ):
        for headers in ({}, STREAM):
            answer = await http.post("/api/v1/ask", json=wrong, headers=headers)
            assert answer.status_code == status, wrong
            assert answer.headers["content-type"] == "application/problem+json"


async def test_an_error_in_the_middle_is_the_last_event_and_the_text_is_kept(build: Callable[..., Service]) -> None:
    service = build("The reset link ", GenerationFailed("the model ran out of memory; ask again"))
    service.document(service.collection(), TEXT)
    async with client_of(service) as http:
        events = events_of((await http.post("/api/v1/ask", json=QUESTION, headers=STREAM)).text)
        assert events[-1][1] == "error"
        assert (events[-1][2]["status"], events[-1][2]["detail"]) == (502, "the model ran out of memory; ask again")
        answer = next(data["answer"] for _, name, data in events if name == "started")
        stored = (await http.get(f"/api/v1/answers/{answer}")).json()
        assert (stored["status"], stored["text"].strip()) == ("failed", "The reset link")
        whole = await http.post("/api/v1/ask", json=QUESTION)
        assert (whole.status_code, whole.headers["content-type"]) == (502, "application/problem+json")


async def test_a_stream_is_resumed_after_the_last_event_seen(service: Service, http: Http) -> None:
    service.document(service.collection(), TEXT)
    whole = await http.post("/api/v1/ask", json=QUESTION, headers=STREAM)
    events = events_of(whole.text)
    seen, answer = events[2][0], events[0][2]["answer"]
    for again in (
        await http.get(f"/api/v1/answers/{answer}/stream", headers={"last-event-id": seen}),
        await http.post("/api/v1/ask", json=QUESTION, headers={**STREAM, "last-event-id": seen}),
    ):
        assert events_of(again.text) == events[3:]
    from_the_start = await http.get(f"/api/v1/answers/{answer}/stream")
    assert from_the_start.text == whole.text
    for path, headers, status in (
        (f"/api/v1/answers/{answer}/stream", {"last-event-id": "nonsense"}, 422),
        (f"/api/v1/answers/{answer}/stream", {"last-event-id": "abc-3"}, 404),
        ("/api/v1/answers/a_none/stream", {}, 404),
    ):
        assert (await http.get(path, headers=headers)).status_code == status


async def test_a_stop_keeps_what_was_said(build: Callable[..., Service]) -> None:
    service = build(*["word "] * 500, pause=0.01)
    service.document(service.collection(), TEXT)
    async with client_of(service) as http:
        asked = asyncio.create_task(http.post("/api/v1/ask", json=QUESTION, headers=STREAM))
        await until_speaking(service)
        conversation = (await http.get("/api/v1/conversations")).json()["items"][0]["id"]
        said = (await http.get(f"/api/v1/conversations/{conversation}")).json()["answers"]
        answer = said[0]["answer"]
        assert (await http.delete(f"/api/v1/answers/{answer}/stream")).status_code == 204
        events = events_of((await asked).text)
        assert events[-1][1] == "done"
        assert events[-1][2]["status"] == "stopped"
        stored = (await http.get(f"/api/v1/answers/{answer}")).json()
        assert stored["status"] == "stopped"
        assert stored["text"] == "".join(data["text"] for _, name, data in events if name == "delta")
        assert (await http.delete("/api/v1/answers/a_none/stream")).status_code == 204
    assert service.generator.open_streams == 0


async def test_invariant_10_more_answers_than_allowed_are_told_when_to_come_back(build: Callable[..., Service]) -> None:
    service = build(*["word "] * 500, pause=0.01, server_answers=1)
    service.document(service.collection(), TEXT)
    async with client_of(service) as http:
        first = asyncio.create_task(http.post("/api/v1/ask", json=QUESTION, headers=STREAM))
        await until_speaking(service)
        refused = await http.post("/api/v1/ask", json=QUESTION, headers=STREAM)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        service.running.stop_all()
        await first


async def test_conversations_follow_up_rename_and_delete(service: Service, http: Http) -> None:
    service.document(service.collection(), TEXT)
    first = (await http.post("/api/v1/ask", json=QUESTION)).json()
    conversation = first["conversation"]
    again = {**QUESTION, "question": "And how often does it work?", "conversation": conversation}
    second = (await http.post("/api/v1/ask", json=again)).json()
    assert second["conversation"] == conversation
    assert "reset" in second["question"]
    listed = (await http.get("/api/v1/conversations")).json()["items"]
    assert [(item["id"], item["answers"]) for item in listed] == [(conversation, 2)]
    where = f"/api/v1/conversations/{conversation}"
    assert (await http.patch(where, json={"title": "Links"})).json()["title"] == "Links"
    whole = (await http.get(where)).json()
    assert whole["title"] == "Links"
    assert [item["answer"] for item in whole["answers"]] == [first["answer"], second["answer"]]
    for _ in range(2):
        assert (await http.delete(where)).status_code == 204
    assert (await http.get(where)).status_code == 404
    assert (await http.get(f"/api/v1/answers/{first['answer']}")).status_code == 404
    assert (await http.patch(where, json={"title": "x"})).status_code == 404


async def test_logs_hold_no_question_and_no_text(
    service: Service, http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    service.document(service.collection(), TEXT)
    await http.post("/api/v1/ask", json=QUESTION, headers=STREAM)
    await http.post("/api/v1/ask", json={**QUESTION, "model": "nobody"})
    await http.post("/api/v1/search", json=QUESTION)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("rag", "index", "ingest"))]
    assert any("/api/v1/ask" in line for line in ours)
    assert not any("valid" in line or "minutes" in line for line in ours)
