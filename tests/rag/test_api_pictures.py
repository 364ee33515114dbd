"""Pages of documents as pictures over HTTP."""

import pytest

from tests.rag.conftest import Http, Service

pytestmark = [pytest.mark.anyio, pytest.mark.real]
SENTENCE = "The reset link is valid for 30 minutes."


async def test_a_page_is_drawn_with_its_passage_marked(service: Service, http: Http) -> None:
    document = service.pdf_document(service.collection(), SENTENCE)
    path = f"/api/v1/documents/{document}/pages/1"
    plain = await http.get(path, params={"width": "400"})
    assert (plain.status_code, plain.headers["content-type"]) == (200, "image/png")
    assert plain.content.startswith(b"\x89PNG")
    assert plain.headers["cache-control"] == "no-store"
    marked = await http.get(path, params={"width": "400", "highlight": f"0,{len(SENTENCE)}"})
    assert marked.content != plain.content
    boxes = (await http.get(f"{path}/boxes", params={"highlight": [f"0,{len(SENTENCE)}", "4,9"]})).json()
    assert [box["span"] for box in boxes["boxes"]] == [0, 1]
    assert boxes["ratio"] > 1


async def test_pages_that_are_none_and_spans_that_are_none_are_refused(service: Service, http: Http) -> None:
    guides = service.collection()
    document, text = service.pdf_document(guides, SENTENCE), service.document(guides, SENTENCE)
    assert (await http.get(f"/api/v1/documents/{document}/pages/2")).status_code == 404
    refused = await http.get(f"/api/v1/documents/{text}/pages/1")
    assert (refused.status_code, refused.json()["type"].rsplit("/")[-1]) == (404, "no-such-page")
    for query in ("highlight=9,1", "highlight=a", "highlight=-1,2", "width=5", "width=99999"):
        assert (await http.get(f"/api/v1/documents/{document}/pages/1?{query}")).status_code == 422, query
