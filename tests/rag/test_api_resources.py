"""Collections, documents, uploads, jobs, conversations, settings and health over HTTP."""

import io
import zipfile
from collections.abc import Callable

import pytest

from rag.api.guard import CONTENT_SECURITY_POLICY
from tests.rag.conftest import Http, Service, client_of

pytestmark = pytest.mark.anyio
TEXT = "The reset link is valid for 30 minutes.\n\nChoose a password of 12 characters.\n\nDas Gerät läuft — 日本."


async def test_collections_are_made_listed_changed_and_deleted(http: Http) -> None:
    made = await http.post("/api/v1/collections", json={"name": "guides", "description": "All guides"})
    assert made.status_code == 201
    info = made.json()
    assert (info["name"], info["egress"], info["documents"]) == ("guides", "deny", 0)
    assert (await http.get(f"/api/v1/collections/{info['id']}")).json() == info
    assert (await http.get("/api/v1/collections/guides")).json() == info
    path = "/api/v1/collections/guides"
    assert (await http.patch(path, json={"evidence_threshold": 0.2})).json()["evidence_threshold"] == 0.2
    assert (await http.patch(path, json={"evidence_threshold": 2})).status_code == 422
    assert (await http.patch(path, json={"evidence_threshold": None})).json()["evidence_threshold"] is None
    changed = await http.patch(path, json={"egress": "allow"})
    assert (changed.json()["egress"], changed.json()["description"]) == ("allow", "All guides")
    chosen = {"model": "local-then-closed", "models": ["local", "local-then-closed"]}
    changed = (await http.patch("/api/v1/collections/guides", json=chosen)).json()
    assert {name: changed[name] for name in chosen} == chosen
    changed = (await http.patch("/api/v1/collections/guides", json={"model": ""})).json()
    assert (changed["model"], changed["models"], changed["egress"]) == ("", chosen["models"], "allow")
    assert (await http.get("/api/v1/collections")).json() == {"items": [changed], "next": None}
    for _ in range(2):
        assert (await http.delete("/api/v1/collections/guides")).status_code == 204
    assert (await http.get("/api/v1/collections/guides")).status_code == 404


async def test_collections_that_cannot_be_are_refused(http: Http) -> None:
    await http.post("/api/v1/collections", json={"name": "guides"})
    again = await http.post("/api/v1/collections", json={"name": "guides"})
    assert (again.status_code, again.json()["type"].rsplit("/")[-1]) == (409, "collection-exists")
    for body in ({"name": "No Spaces"}, {"name": ""}, {}, {"name": "a", "egress": "maybe"}, {"name": "a", "x": 1}, []):
        answer = await http.post("/api/v1/collections", json=body)
        assert answer.status_code == 422, body
        assert answer.headers["content-type"] == "application/problem+json"


async def test_lists_come_in_pages(service: Service, http: Http) -> None:
    guides = service.collection()
    for number in range(5):
        service.document(guides, f"Guide number {number}.", name=f"{number}.md")
    names: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await http.get(f"/api/v1/collections/guides/documents?limit=2{cursor and f'&cursor={cursor}'}")).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert names == ["4.md", "3.md", "2.md", "1.md", "0.md"]
    for query in ("limit=0", "limit=x", "limit=9999", "cursor=nonsense"):
        assert (await http.get(f"/api/v1/collections/guides/documents?{query}")).status_code == 422, query
    for query in ("cursor=-1", "cursor=x"):
        assert (await http.get(f"/api/v1/collections?{query}")).status_code == 422, query


async def test_a_document_shows_its_parts(service: Service, http: Http) -> None:
    guides = service.collection()
    document = service.document(guides, TEXT)
    where = f"/api/v1/documents/{document}"
    info = (await http.get(where)).json()
    assert (info["name"], info["version"], info["state"], info["characters"]) == ("guide.md", 1, "current", len(TEXT))
    assert "blob" not in info
    whole = (await http.get(f"{where}/text")).json()
    assert (whole["text"], whole["start"], whole["end"]) == (TEXT, 0, len(TEXT))
    chunks = (await http.get(f"{where}/chunks")).json()["items"]
    for chunk in chunks:
        part = (await http.get(f"{where}/text?start={chunk['start']}&end={chunk['end']}")).json()
        assert part["text"] == chunk["text"]
    plain = await http.get(f"{where}/text?start=4&end=14", headers={"accept": "text/plain"})
    assert plain.text == TEXT[4:14]
    assert plain.headers["content-type"].startswith("text/plain")
    beyond = (await http.get(f"{where}/text?start=5000&end=9000")).json()
    assert (beyond["text"], beyond["start"], beyond["end"]) == ("", len(TEXT), len(TEXT))
    assert (await http.get(f"{where}/text?start=-1")).status_code == 422
    assert (await http.get(f"{where}/report")).json()["report"] == {"characters": len(TEXT)}


async def test_the_original_is_an_attachment_and_nothing_else(service: Service, http: Http) -> None:
    document = service.document(service.collection(), TEXT, name='reports/a";\r\nSet-Cookie: x=1é.html')
    answer = await http.get(f"/api/v1/documents/{document}/original")
    assert answer.content == TEXT.encode()
    assert answer.headers["content-disposition"].startswith("attachment; filename=\"document\"; filename*=UTF-8''")
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_versions_and_deletion(service: Service, http: Http) -> None:
    guides = service.collection()
    old = service.document(guides, "The link is valid for 10 minutes.")
    new = service.document(guides, "The link is valid for 30 minutes.")
    versions = (await http.get(f"/api/v1/documents/{new}/versions")).json()["items"]
    assert [(v["id"], v["version"], v["state"]) for v in versions] == [(new, 2, "current"), (old, 1, "superseded")]
    assert versions[1]["superseded_by"] == new
    for _ in range(2):
        assert (await http.delete(f"/api/v1/documents/{new}")).status_code == 204
    for part in ("", "/text", "/chunks", "/original", "/report", "/versions"):
        assert (await http.get(f"/api/v1/documents/{new}{part}")).status_code == 404, part
    found = await http.post("/api/v1/search", json={"question": "link", "collection": "guides"})
    assert found.json()["passages"] == []


async def test_search_gives_passages_with_the_scores_of_each_stage(service: Service, http: Http) -> None:
    document = service.document(service.collection(), TEXT)
    answer = await http.post("/api/v1/search", json={"question": "reset link valid", "collection": "guides", "k": 2})
    first = answer.json()["passages"][0]
    assert first["document"] == document
    assert first["text"] == TEXT[first["start"] : first["end"]]
    assert {"dense", "lexical"} & set(first["stages"])
    both = {"question": "link", "collections": ["guides", first["collection"]], "filters": {"product": "router"}}
    assert (await http.post("/api/v1/search", json=both)).status_code == 200
    for wrong, status in (
        ({"question": "x"}, 422),
        ({"question": "", "collection": "guides"}, 422),
        ({"question": "x", "collection": "nowhere"}, 404),
        ({"question": "x", "collection": "guides", "k": 0}, 422),
        ({"question": "x", "collection": "guides", "mode": "psychic"}, 422),
        ({"question": "x", "collection": "guides", "filters": {"year": {"near": 3}}}, 422),
    ):
        assert (await http.post("/api/v1/search", json=wrong)).status_code == status, wrong


async def test_uploads_raw_and_multipart(service: Service, http: Http) -> None:
    service.collection()
    where = "/api/v1/collections/guides/documents"
    raw = await http.post(f"{where}?name=manuals/reset.md", content=b"# Reset\n")
    assert raw.status_code == 202
    job = raw.json()["job"]
    assert (job["name"], job["state"], job["size"]) == ("manuals/reset.md", "queued", 8)
    named = await http.post(
        where, content=b"x", headers={"content-disposition": "attachment; filename*=UTF-8''%C3%BCber.txt"}
    )
    assert named.json()["job"]["name"] == "über.txt"
    form = await http.post(where, files={"file": ("a.md", b"# A", "text/markdown")})
    assert (form.json()["job"]["name"], form.json()["batch"]) == ("a.md", None)
    several = await http.post(where, files=[("file", ("b.md", b"# B")), ("file", ("sub/c.md", b"# C"))])
    assert [job["name"] for job in several.json()["jobs"]] == ["b.md", "sub/c.md"]
    batch = (await http.get(f"/api/v1/batches/{several.json()['batch']}")).json()
    assert (batch["counts"], batch["total"], batch["ended"]) == ({"queued": 2}, 2, False)
    jobs = (await http.get("/api/v1/jobs?collection=guides&state=queued")).json()["items"]
    assert len(jobs) == 5
    assert (await http.get(f"/api/v1/jobs/{job['id']}")).json()["id"] == job["id"]


async def test_an_upload_repeated_with_its_key_is_one_job(service: Service, http: Http) -> None:
    service.collection()
    where, headers = "/api/v1/collections/guides/documents?name=a.md", {"idempotency-key": "k-1"}
    first = (await http.post(where, content=b"# A", headers=headers)).json()["job"]
    again = (await http.post(where, content=b"# A", headers=headers)).json()["job"]
    assert first["id"] == again["id"]


async def test_names_of_uploads_stay_inside(service: Service, http: Http) -> None:
    service.collection()
    for given, kept in (
        ("../../etc/passwd", "etc/passwd"),
        ("..\\..\\windows\\system.ini", "windows/system.ini"),
        ("/absolute/path.md", "absolute/path.md"),
        ("a/./b//c.md", "a/b/c.md"),
        ("line\nbreak\0.md", "linebreak.md"),
    ):
        answer = await http.post("/api/v1/collections/guides/documents", params={"name": given}, content=b"x")
        assert answer.json()["job"]["name"] == kept


async def test_uploads_that_cannot_be_are_refused_and_leave_nothing(build: Callable[..., Service]) -> None:
    service = build(ingest_max_file_bytes=3_000_000)
    service.collection()
    where = "/api/v1/collections/guides/documents"

    async with client_of(service) as http:
        assert (await http.post(f"{where}?name=a.md", content=b"x" * 4_000_000)).status_code == 413
        big = await http.post(where, files={"file": ("a.md", b"x" * 3_100_000)})
        assert (big.status_code, big.json()["type"].rsplit("/")[-1]) == (413, "upload-too-large")
        assert (await http.post(where, content=b"x")).status_code == 422
        assert (await http.post(where, data={"name": "no file"}, files={})).status_code == 422
        broken = {"content-type": "multipart/form-data; boundary=b"}
        cut = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.md"\r\n\r\nhalf'
        assert (await http.post(where, content=cut, headers=broken)).status_code == 400
        assert (
            await http.post(where, content=b"x", headers={"content-type": "multipart/form-data"})
        ).status_code == 422
        nowhere = await http.post("/api/v1/collections/nowhere/documents?name=a.md", content=b"x")
        assert nowhere.status_code == 404
        assert (await http.post(f"{where}?name=a.md&batch=b_none", content=b"x")).status_code == 404
        assert (await http.get("/api/v1/jobs")).json()["items"] == []


async def test_a_large_upload_goes_to_disk_whole(service: Service, http: Http) -> None:
    service.collection()
    data = bytes(range(256)) * 20_000
    answer = await http.post("/api/v1/collections/guides/documents", files={"file": ("big.bin", data)})
    assert answer.json()["job"]["size"] == len(data)


async def test_jobs_are_cancelled_retried_and_followed(service: Service, http: Http) -> None:
    service.collection()
    job = (await http.post("/api/v1/collections/guides/documents?name=a.md", content=b"x")).json()["job"]["id"]
    assert (await http.post(f"/api/v1/jobs/{job}/retry")).status_code == 409
    assert (await http.post(f"/api/v1/jobs/{job}/cancel")).json()["state"] == "cancelled"
    events = await http.get(f"/api/v1/jobs/{job}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.text.startswith("event: done\ndata: ")
    assert (await http.post(f"/api/v1/jobs/{job}/retry")).json()["state"] == "queued"
    for path in ("/api/v1/jobs/j_none", "/api/v1/jobs/j_none/events", "/api/v1/batches/b_none"):
        assert (await http.get(path)).status_code == 404, path


async def test_settings_are_shown_with_their_origin_and_without_secrets(build: Callable[..., Service]) -> None:
    address = "https://someone:very-secret@models.example/v1"
    service = build(openai_api_key="sk-very-secret", openai_base_url=address, server_port=8123)
    async with client_of(service) as http:
        answer = await http.get("/api/v1/settings")
    assert "very-secret" not in answer.text
    assert "https://***@models.example/v1" in answer.text
    settings = {item["name"]: item for item in answer.json()["items"]}
    assert (settings["server.port"]["value"], settings["server.port"]["origin"]) == (8123, "command line")
    assert settings["openai.api_key"]["value"] == "(set)"
    assert settings["answer.passages"]["help"]


async def test_models_health_and_metrics(service: Service, http: Http) -> None:
    service.document(service.collection(), TEXT)
    assert (await http.get("/api/v1/models")).json()["items"] == [{"name": "scripted", "local": True}]
    assert (await http.get("/api/v1/health/live")).json() == {"status": "alive"}
    ready = await http.get("/api/v1/health/ready")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    metrics = (await http.get("/api/v1/metrics")).text
    assert "\nfootnote_documents 1\n" in metrics
    assert "\nfootnote_chunks 3\n" in metrics
    assert "\nfootnote_view_lag 0\n" in metrics


async def test_errors_and_pages_carry_the_policy(http: Http) -> None:
    for path in ("/api/v1/collections", "/api/v1/nothing", "/api/docs"):
        assert (await http.get(path)).headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert (await http.get("/api/v1/collections", headers={"host": "evil.example"})).status_code == 400
    forged = await http.post("/api/v1/collections", json={"name": "a"}, headers={"origin": "http://evil.example"})
    assert forged.status_code == 403


async def test_an_archive_is_a_batch_of_documents_that_can_be_paused_and_followed(service: Service, http: Http) -> None:
    service.collection()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/one.md", "# One")
        archive.writestr("two.txt", "words")
    files = {"file": ("docs.zip", buffer.getvalue())}
    data = {"metadata": '{"effective": "2026-01-01"}'}
    accepted = await http.post("/api/v1/collections/guides/documents", files=files, data=data)
    assert accepted.status_code == 202
    body = accepted.json()
    assert [job["name"] for job in body["jobs"]] == ["a/one.md", "two.txt"]
    assert [job["attributes"] for job in body["jobs"]] == [{"effective": "2026-01-01"}] * 2
    batch = f"/api/v1/batches/{body['batch']}"
    assert (await http.post(f"{batch}/pause")).json()["counts"] == {"paused": 2}
    job = f"/api/v1/jobs/{body['job']['id']}"
    assert (await http.post(f"{job}/resume")).json()["state"] == "queued"
    assert (await http.post(f"{job}/resume")).status_code == 409
    assert (await http.post(f"{job}/pause")).json()["state"] == "paused"
    assert (await http.post(f"{batch}/resume")).json()["counts"] == {"queued": 2}
    assert (await http.post(f"{batch}/cancel")).json()["ended"]
    events = await http.get(f"{batch}/events")
    assert events.text.startswith("event: done")
    assert (await http.post(f"{batch}/retry")).json()["counts"] == {"cancelled": 2}
    bad = await http.post("/api/v1/collections/guides/documents", files=files, data={"metadata": "[1]"})
    assert (bad.status_code, "plain values" in bad.json()["detail"]) == (422, True)


async def test_many_files_in_one_request_take_little_memory(service: Service, http: Http) -> None:
    service.collection()
    files = [("file", (f"{n}.txt", f"words {n}".encode())) for n in range(60)] + [
        ("file", ("big.txt", b"w " * 400_000))
    ]
    accepted = await http.post("/api/v1/collections/guides/documents", files=files)
    assert len(accepted.json()["jobs"]) == 61
    assert accepted.json()["jobs"][-1]["size"] == 800_000


async def test_usage_is_told_by_person_and_by_collections(service: Service, http: Http) -> None:
    guides = service.collection()
    service.document(guides, TEXT)
    for _ in range(2):
        await http.post("/api/v1/ask", json={"question": "How long?", "collection": "guides"})
    (by_person,) = (await http.get("/api/v1/usage")).json()["items"]
    (by_collection,) = (await http.get("/api/v1/usage?by=collection")).json()["items"]
    assert (by_person["answers"], by_person["collections"]) == (2, [])
    assert by_collection == {**by_person, "collections": [guides]}
    assert (await http.get("/api/v1/usage?by=mood")).status_code == 422
