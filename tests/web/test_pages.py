"""The pages as HTML, over a real catalog: what they show, what they escape, and that they hold no inline code."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from bs4 import BeautifulSoup
from litestar import Litestar, Request
from litestar.testing import TestClient

import eval.web_pages
from index.catalog import Catalog
from index.rows import NewChunk, NewDocument
from rag.access.limits import Limits
from rag.api.credentials import Credentials
from rag.api.permit import Permit, put_permit
from rag.app import App
from rag.settings import Settings
from rag.web.frame import FOLDER
from rag.web.pages import create_page_router
from tests.databases import migrated

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "rag" / "web" / "static"
TEXT = "One <b>bold</b> page.\n\nA second & last 😀 page with the answer in it."
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    database = migrated(f"sqlite:///{tmp_path / 'footnote.db'}")
    yield Catalog(database)
    database.close()


@pytest.fixture
def client(catalog: Catalog) -> Iterator[TestClient[Litestar]]:
    parts = SimpleNamespace(  # the pages touch nothing else
        catalog=catalog,
        database=catalog.database,
        access=SimpleNamespace(in_use=False, readers=None),
        searcher=SimpleNamespace(status=dict),
        models=SimpleNamespace(names=lambda: ("local",)),
        settings=Settings(),
    )
    app = cast(App, parts)

    async def let_in(request: Request[Any, Any, Any]) -> None:
        permit = Permit(app, Credentials(None, None, None, "", ""), Limits())
        permit.identify()
        put_permit(request.scope, permit)

    server = Litestar([create_page_router()], before_request=let_in, openapi_config=None)
    with TestClient(server) as opened:
        yield opened


def add_document(catalog: Catalog, collection: str, title: str = "Guide") -> str:
    new = NewDocument(
        collection=collection,
        name="guide.txt",
        title=title,
        media_type="text/plain",
        content_hash="0" * 64,
        size=len(TEXT),
        text=TEXT,
        pages=((1, 0, 21), (2, 23, len(TEXT))),
        metadata={},
        report={},
        blob="00",
        chunks=[NewChunk(0, 0, len(TEXT), TEXT, "", 1, 10)],
        vectors=np.ones((1, 4), dtype=np.float32) / 2,
        stamp="test",
    )
    return catalog.put_document(new).document


def page(client: TestClient[Litestar], path: str, status: int = 200) -> BeautifulSoup:
    response = client.get(path)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    return BeautifulSoup(response.text, "html.parser")


def test_without_collections_the_next_step_is_named(client: TestClient[Litestar]) -> None:
    found = page(client, "/")
    assert found.find("form") is None
    assert [link["href"] for link in found.select("main a")] == ["/collections"]


def test_a_collection_with_documents_is_chosen_before_an_empty_one(
    client: TestClient[Litestar], catalog: Catalog
) -> None:
    catalog.create_collection("a-empty")
    add_document(catalog, catalog.create_collection("b-full").id)
    chosen = page(client, "/").select("option[selected]")
    assert [option["value"] for option in chosen] == ["b-full"]


def test_the_collection_in_the_address_is_chosen(client: TestClient[Litestar], catalog: Catalog) -> None:
    catalog.create_collection("one")
    catalog.create_collection("two")
    chosen = page(client, "/?collection=two").select("option[selected]")
    assert [option["value"] for option in chosen] == ["two"]


def test_a_passage_is_marked_exactly(client: TestClient[Litestar], catalog: Catalog) -> None:
    document = add_document(catalog, catalog.create_collection("docs").id)
    start, end = TEXT.index("A second"), len(TEXT)
    cited = TEXT.index("the answer")
    found = page(client, f"/documents/{document}?start={start}&end={end}&cited={cited}-{cited + 10}")
    marks = found.find_all("mark")
    assert "".join(mark.text for mark in marks) == TEXT[start:end]
    assert [mark.text for mark in marks if "cited" in mark["class"]] == ["the answer"]
    assert [mark.get("id") for mark in marks].count("passage") == 1
    assert [mark.text for mark in found.select(".page-mark")] == ["Page 1", "Page 2"]


def test_text_titles_and_names_are_escaped(client: TestClient[Litestar], catalog: Catalog) -> None:
    collection = catalog.create_collection("docs", description=HOSTILE)
    document = add_document(catalog, collection.id, title=HOSTILE)
    for path in ("/collections", "/collections/docs", f"/documents/{document}", "/?collection=" + HOSTILE):
        assert HOSTILE not in client.get(path).text
    found = page(client, f"/documents/{document}")
    assert "<b>bold</b>" in found.select(".text")[0].text


@pytest.mark.parametrize("path", ["/collections/none", "/documents/d_none"])
def test_what_does_not_exist_is_a_page_with_a_way_back(client: TestClient[Litestar], path: str) -> None:
    found = page(client, path, status=404)
    assert "no" in found.select("h1")[0].text.lower()
    assert found.select("main a")[0]["href"] == "/"


def test_no_form_puts_what_is_typed_into_an_address() -> None:
    """A browser submits a form by itself while the page's modules are still coming."""
    filters = {"filter", "usage-filter", "audit-filter", "search", None}  # made of what an address may hold
    found = [
        form
        for folder in (FOLDER / "templates", Path(eval.web_pages.__file__).parent / "templates")
        for path in folder.glob("*.html")
        for form in BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")("form")
    ]
    assert len(found) > 15
    assert [form.get("id") for form in found if form.get("id") not in filters and form.get("method") != "post"] == []
    assert [form.get("id") for form in found if form.get("id") in filters and form.select("[type=password]")] == []


def test_every_style_sheet_is_linked_once(client: TestClient[Litestar]) -> None:
    linked = [link["href"] for link in page(client, "/").select("link[rel=stylesheet]")]
    static = FOLDER / "static"
    assert sorted(linked) == sorted(f"/static/{path.name}" for path in static.glob("*.css"))


def test_pages_hold_no_inline_code_and_load_nothing_from_elsewhere(
    client: TestClient[Litestar], catalog: Catalog
) -> None:
    document = add_document(catalog, catalog.create_collection("docs").id)
    for path in ("/", "/collections", "/collections/docs", f"/documents/{document}"):
        found = page(client, path)
        assert all(script.get("src", "").startswith("/static/") and not script.text for script in found("script"))
        assert found("style") == []
        for tag in found(True):
            assert not [name for name in tag.attrs if name == "style" or name.startswith("on")]
            for name in ("src", "href", "action"):
                assert not re.match(r"(\w+:)?//", tag.get(name, "/"))


def test_every_control_has_a_name(client: TestClient[Litestar], catalog: Catalog) -> None:
    catalog.create_collection("docs")
    for path in ("/", "/collections", "/collections/docs"):
        found = page(client, path)
        labelled = {label["for"] for label in found("label") if label.get("for")}
        for control in found(["input", "select", "textarea"]):
            assert control["id"] in labelled or control.find_parent("label") or control.get("aria-label")
        assert len(found("h1")) == 1


def test_modules_make_no_markup_from_data() -> None:
    for module in STATIC.glob("*.js"):
        code = module.read_text(encoding="utf-8")
        for forbidden in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "://",
        ):
            assert forbidden not in code, module.name


def test_static_files_are_served_and_checked_again(client: TestClient[Litestar]) -> None:
    response = client.get("/static/ask.js")
    assert response.status_code == 200
    assert "javascript" in response.headers["content-type"]
    assert response.headers["cache-control"] == "no-cache"


def test_offered_examples_are_those_of_the_sample_collection() -> None:
    packaged = json.loads((ROOT / "rag" / "web" / "examples.json").read_text(encoding="utf-8"))
    assert packaged == json.loads((ROOT / "samples" / "merrowdeck" / "examples.json").read_text(encoding="utf-8"))
