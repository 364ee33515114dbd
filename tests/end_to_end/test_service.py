"""The service as people meet it: a real server process, real workers, the real models, over HTTP."""

import io
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tests.end_to_end.server_process import ServerProcess, one_line_failure

pytestmark = pytest.mark.real

GUIDE = """# Router guide

## Resetting the password

To reset your password, hold the reset button for 10 seconds. The reset link is valid for 30 minutes.

## Updating the firmware

Open the web page of the router and choose Update. The router restarts by itself after two minutes.
"""
WARRANTY = ["The warranty of the Heron lamp lasts 24 months from the day of purchase.", "Keep the receipt."]
QUESTION = "How long is the reset link valid?"
STREAM = {"accept": "text/event-stream"}


def pdf(pages: list[list[str]]) -> bytes:
    output = io.BytesIO()
    canvas = Canvas(output, pagesize=A4)
    for lines in pages:
        for number, line in enumerate(lines):
            canvas.drawString(60, 780 - 20 * number, line)
        canvas.showPage()
    canvas.save()
    return output.getvalue()


def scanned_pdf() -> bytes:
    output = io.BytesIO()
    canvas = Canvas(output, pagesize=A4)
    canvas.rect(50, 50, 300, 300, fill=1)
    canvas.save()
    return output.getvalue()


def encrypted_pdf() -> bytes:
    writer, output = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf([["secret"]])))), io.BytesIO()
    writer.encrypt("password", algorithm="AES-256")
    writer.write(output)
    return output.getvalue()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("service") / "data", models)
    try:
        running.http.post("/api/v1/collections", json={"name": "guides"}).raise_for_status()
        running.upload("guides", "router.md", GUIDE.encode())
        running.upload("guides", "lamp.pdf", pdf([["Heron lamp"], WARRANTY]))
        assert {job["state"] for job in running.wait_for_jobs("guides").values()} == {"done"}
        yield running
    finally:
        code = running.stop()
    assert code == 0, "".join(running.lines)


def read_events(server: ServerProcess, question: dict[str, Any]) -> list[tuple[str, str, Any]]:
    with server.http.stream("POST", "/api/v1/ask", json=question, headers=STREAM) as answer:
        assert answer.status_code == 200
        text = "".join(answer.iter_text())
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if lines:
            found.append((lines["id"], lines["event"], json.loads(lines["data"])))
    return found


def test_an_upload_is_searchable_within_a_second_of_its_commit(server: ServerProcess) -> None:
    server.http.post("/api/v1/collections", json={"name": "fresh"}).raise_for_status()
    delays = []
    for number in range(3):
        job = server.upload(
            "fresh", f"{number}.md", f"# Part {number}\n\nThe zebra{number} valve opens first.".encode()
        )
        while (state := server.http.get(f"/api/v1/jobs/{job['id']}").json()["state"]) != "done":
            assert state not in ("failed", "cancelled")
            time.sleep(0.01)
        committed = time.monotonic()
        search = {"question": f"zebra{number}", "collection": "fresh", "mode": "lexical"}
        while not server.http.post("/api/v1/search", json=search).json()["passages"]:
            assert time.monotonic() < committed + 30
        delays.append(time.monotonic() - committed)
    assert min(delays) < 1.0, delays


def test_an_answer_streams_and_its_citation_leads_to_the_exact_span(server: ServerProcess) -> None:
    events = read_events(server, {"question": QUESTION, "collection": "guides"})
    names = [name for _, name, _ in events if name != "queued"]
    assert names[:2] == ["started", "sources"]
    assert names[-2:] == ["usage", "done"]
    assert {"queued", *names} <= {
        *("queued", "started", "sources", "delta", "citation", "verdict", "replace", "usage", "done")
    }
    data = {name: value for _, name, value in events}
    assert data["done"]["status"] in ("answered", "quoted")
    replaced = [place for place, (_, name, _) in enumerate(events) if name == "replace"]
    last = events[replaced[-1] :] if replaced else events
    text = "".join(value["text"] for _, name, value in last if name in ("delta", "replace"))
    assert "30 minutes" in text
    citation = next(value for _, name, value in last if name == "citation")
    assert text[citation["start"] : citation["end"]].strip()
    span = citation["sources"][0]
    source = next(item for item in data["sources"] if item["n"] == span["n"])
    where = f"/api/v1/documents/{source['document']}/text"
    whole = server.http.get(where).json()["text"]
    part = server.http.get(where, params={"start": span["start"], "end": span["end"]}).json()["text"]
    assert part == whole[span["start"] : span["end"]]
    assert "30 minutes" in part
    assert source["text"] == whole[source["start"] : source["end"]]
    stored = server.http.get(f"/api/v1/answers/{data['started']['answer']}").json()
    assert stored["text"] == text
    assert server.http.get(f"/api/v1/answers/{data['started']['answer']}/trace").json()


def test_a_pdf_is_cited_with_its_page_and_its_original_comes_back(server: ServerProcess) -> None:
    question = {"question": "How long does the warranty of the Heron lamp last?", "collection": "guides"}
    answer = server.http.post("/api/v1/ask", json={**question, "mode": "quote"}).json()
    assert "24 months" in answer["text"]
    span = answer["citations"][0]["sources"][0]
    source = next(item for item in answer["sources"] if item["n"] == span["n"])
    assert (span["page"], source["page"]) == (2, 2)
    original = server.http.get(f"/api/v1/documents/{source['document']}/original")
    assert original.content.startswith(b"%PDF-")
    assert original.headers["content-disposition"].startswith("attachment")


def test_what_the_documents_do_not_hold_is_not_answered(server: ServerProcess) -> None:
    answer = server.http.post(
        "/api/v1/ask", json={"question": "Who won the chess world championship in 1972?", "collection": "guides"}
    ).json()
    assert answer["status"] == "abstained"


def test_a_stream_is_resumed_where_it_broke(server: ServerProcess) -> None:
    events = read_events(server, {"question": QUESTION, "collection": "guides"})
    answer = events[0][2].get("answer") or events[1][2]["answer"]
    again = server.http.get(f"/api/v1/answers/{answer}/stream", headers={"last-event-id": events[3][0]})
    ids = [line.removeprefix("id: ") for line in again.text.splitlines() if line.startswith("id: ")]
    assert ids == [number for number, _, _ in events[4:]]


def test_invariant_11_a_client_that_leaves_frees_the_model(server: ServerProcess) -> None:
    chatter = {"question": QUESTION, "collection": "guides", "max_tokens": 2000}
    for _ in range(3):
        with server.http.stream("POST", "/api/v1/ask", json=chatter, headers=STREAM) as answer:
            next(answer.iter_raw())
    end = time.monotonic() + 10
    while "\nfootnote_answers_running 0\n" not in server.http.get("/api/v1/metrics").text:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert read_events(server, {"question": QUESTION, "collection": "guides"})[-1][1] == "done"


def test_the_official_openai_client_keeps_the_citations(server: ServerProcess) -> None:
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        assert "footnote/guides" in [model.id for model in client.models.list()]
        messages: Any = [{"role": "user", "content": QUESTION}]
        whole = client.chat.completions.create(model="footnote/guides", messages=messages)
        content = whole.choices[0].message.content or ""
        assert "30 minutes" in content
        assert "[1]" in content
        extra = whole.choices[0].message.model_dump()["annotations"][0]
        assert "30 minutes" in content[extra["start"] : extra["end"]]
        pieces, notes, usage = [], [], None
        stream = client.chat.completions.create(
            model="footnote/guides", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                pieces.append(choice.delta.content or "")
                notes += (choice.delta.model_extra or {}).get("annotations", [])
        assert "".join(pieces) == content
        assert notes == whole.choices[0].message.model_dump(exclude_unset=True)["annotations"]
        assert usage is not None
        plain = client.chat.completions.create(
            model="local", messages=[{"role": "user", "content": "Hi"}], max_tokens=8
        )
        assert plain.choices[0].message.content
        vector = client.embeddings.create(model="all-MiniLM-L6-v2", input="reset link").data[0].embedding
        assert abs(sum(number * number for number in vector) - 1) < 1e-3
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="footnote/nowhere", messages=messages)


def test_bad_files_each_fail_with_a_reason_and_the_batch_goes_on(server: ServerProcess) -> None:
    server.http.post("/api/v1/collections", json={"name": "mixed"}).raise_for_status()
    files = {
        "good.md": GUIDE.encode(),
        "scanned.pdf": scanned_pdf(),
        "encrypted.pdf": encrypted_pdf(),
        "empty.txt": b"",
        "zero.docx": b"",
        "picture.pdf": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
        "latin.txt": "Die Gewährleistung für Geräte läuft über zwölf Monate.\n".encode("latin-1") * 4,
        "last.md": b"# Last\n\nThe last one is fine.\n",
    }
    batch = server.http.post("/api/v1/batches", json={"collection": "mixed"}).json()["id"]
    answer = server.http.post(
        "/api/v1/collections/mixed/documents",
        params={"batch": batch},
        files=[("file", (name, data)) for name, data in files.items()],
    )
    assert answer.status_code == 202
    jobs = server.wait_for_jobs("mixed")
    assert {name for name, job in jobs.items() if job["state"] == "done"} == {"good.md", "latin.txt", "last.md"}
    for name in ("scanned.pdf", "encrypted.pdf", "empty.txt", "zero.docx", "picture.pdf"):
        assert jobs[name]["state"] == "failed", name
        assert jobs[name]["reason"], name
        assert jobs[name]["error"], name
        assert "\n" not in jobs[name]["error"]
    state = server.http.get(f"/api/v1/batches/{batch}").json()
    assert (state["counts"], state["ended"]) == ({"done": 3, "failed": 5}, True)
    search = {"question": "Gewährleistung", "collection": "mixed", "mode": "lexical"}
    committed = time.monotonic()
    while not (passages := server.http.post("/api/v1/search", json=search).json()["passages"]):
        assert time.monotonic() < committed + 30  # the views follow a commit within a second, on a machine that is free
    assert "Gewährleistung für Geräte läuft" in passages[0]["text"]


def test_a_large_upload_is_not_held_in_memory(server: ServerProcess) -> None:
    server.http.post("/api/v1/collections", json={"name": "large"}).raise_for_status()
    before = psutil.Process(server.process.pid).memory_info().rss

    def pieces() -> Iterator[bytes]:
        for _ in range(256):
            yield b"\0" * 1024 * 1024

    job = server.http.post("/api/v1/collections/large/documents?name=zeros.bin", content=pieces()).json()["job"]
    assert job["size"] == 256 * 1024 * 1024
    assert psutil.Process(server.process.pid).memory_info().rss - before < 100 * 1024 * 1024
    assert server.wait_for_jobs("large")["zeros.bin"]["state"] == "failed"


def test_what_cannot_be_served_is_said_in_one_line(server: ServerProcess, tmp_path: Path) -> None:
    port = server.address.rsplit(":", 1)[1]
    assert f"port {port}" in one_line_failure("--data", str(tmp_path / "a"), "serve", "--port", port)
    assert "another server" in one_line_failure("--data", str(server.data), "serve", "--port", "0")
    (tmp_path / "file").write_text("no folder")
    assert "cannot be written" in one_line_failure("--data", str(tmp_path / "file" / "x"), "serve", "--port", "0")
    assert "create-owner" in one_line_failure("--data", str(tmp_path / "a"), "serve", "--host", "0.0.0.0")


def test_a_second_start_is_cheap_and_an_end_leaves_no_process(tmp_path: Path, models: Path) -> None:
    assert ServerProcess(tmp_path / "data", models).stop() == 0
    server = ServerProcess(tmp_path / "data", models)
    process = psutil.Process(server.process.pid)
    spent = process.cpu_times()
    # Processor time and not the clock, because other programs may be busy; torch alone would take it past this.
    assert spent.user + spent.system < 8.0
    assert not any("libtorch" in mapped.path for mapped in process.memory_maps())
    children = process.children(recursive=True)
    assert server.stop() == 0, "".join(server.lines)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_dead_worker_is_replaced_and_its_work_done(tmp_path: Path, models: Path) -> None:
    server = ServerProcess(tmp_path / "data", models)
    try:
        server.http.post("/api/v1/collections", json={"name": "guides"}).raise_for_status()
        for number in range(12):
            server.upload("guides", f"{number}.md", GUIDE.replace("30 minutes", f"{number} minutes").encode())
        worker = next(c for c in psutil.Process(server.process.pid).children() if "worker" in c.cmdline())
        while not any(job["state"] != "queued" for job in server.jobs("guides")):
            time.sleep(0.02)
        os.kill(worker.pid, signal.SIGKILL)
        jobs = server.wait_for_jobs("guides")
        assert {job["state"] for job in jobs.values()} == {"done"}
    finally:
        server.stop()


def test_invariant_8_an_acknowledged_upload_survives_kill_9(tmp_path: Path, models: Path) -> None:
    server = ServerProcess(tmp_path / "data", models, workers=2)
    server.http.post("/api/v1/collections", json={"name": "guides"}).raise_for_status()
    acknowledged = []
    for number in range(40):
        name = f"part-{number}.md"
        text = "\n\n".join(f"## Step {number}.{step}\n\nTurn valve {number}-{step} to the left." for step in range(20))
        server.upload("guides", name, text.encode())
        acknowledged.append(name)
        if number in (9, 24):
            server.kill()
            server = ServerProcess(tmp_path / "data", models, workers=2)
    try:
        jobs = server.wait_for_jobs("guides")
        assert {name: job["state"] for name, job in jobs.items()} == dict.fromkeys(acknowledged, "done")
        documents = server.http.get("/api/v1/collections/guides/documents", params={"limit": 500}).json()["items"]
        assert sorted(item["name"] for item in documents) == sorted(acknowledged)
        assert {item["version"] for item in documents} == {1}
        for number in range(40):
            query = {"question": f"valve {number}-7", "collection": "guides", "mode": "lexical", "k": 5}
            passages = server.http.post("/api/v1/search", json=query).json()["passages"]
            assert f"part-{number}.md" in {passage["name"] for passage in passages}
    finally:
        server.stop()


def test_writes_of_other_origins_and_unknown_hosts_are_refused(server: ServerProcess) -> None:
    forged = server.http.post("/api/v1/collections", json={"name": "x"}, headers={"origin": "http://evil.example"})
    assert forged.status_code == 403
    assert httpx.get(f"{server.address}/api/v1/collections", headers={"host": "evil.example"}).status_code == 400
