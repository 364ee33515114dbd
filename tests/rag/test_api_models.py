"""Models over the API: which version speaks, and back; collections with their own rules, and as a file."""

import json
from pathlib import Path

import pytest

from tests.rag.conftest import Http, Service
from tests.rag.tiny_model import write_tiny_model

pytestmark = pytest.mark.anyio


async def test_a_version_is_promoted_and_rolled_back(service: Service, http: Http, tmp_path: Path) -> None:
    shelf = service.app.models.shelf
    for seed in (1, 2):
        shelf.put("tiny", write_tiny_model(tmp_path / f"{seed}.gguf", seed=seed), "added", promote=False)
    promoted = await http.post("/api/v1/models/tiny/promote", json={"version": 2})
    assert promoted.json() == {"name": "tiny", "version": 2}
    assert (await http.post("/api/v1/models/tiny/rollback")).json() == {"name": "tiny", "version": 1}
    assert (await http.post("/api/v1/models/tiny/rollback")).status_code == 422
    assert (await http.post("/api/v1/models/tiny/promote", json={"version": 9})).status_code == 404
    assert (await http.post("/api/v1/models/tiny/promote", json={"version": 0})).status_code == 422
    assert (await http.post("/api/v1/models/none/rollback")).status_code == 404


async def test_a_collection_is_exported_and_tells_what_it_amounts_to(service: Service, http: Http) -> None:
    guides = service.collection("guides")
    empty = await http.get("/collections/guides")
    assert empty.status_code == 200
    for number in range(3):
        service.document(guides, f"The plan {number}.", f"{number}.md")
    lines = (await http.get("/api/v1/collections/guides/export")).text.splitlines()
    assert sorted(json.loads(line)["text"] for line in lines) == ["The plan 0.", "The plan 1.", "The plan 2."]
    assert json.loads(lines[0])["metadata"] == {"product": "router"}
    changed = await http.patch("/api/v1/collections/guides", json={"evidence_threshold": 0.4, "model": "scripted"})
    assert changed.status_code == 200
    page = (await http.get("/collections/guides")).text
    assert 'value="0.4"' in page
    assert "33 Bytes" in page
