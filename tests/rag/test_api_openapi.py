"""The OpenAPI document is valid, whole, and shown without any foreign script."""

import re
from typing import Any

import pytest

from rag.api.server import create_server
from tests.rag.conftest import Http, Service

pytestmark = pytest.mark.anyio


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for child in value.values() for ref in references(child)]
    return [ref for child in value for ref in references(child)] if isinstance(value, list) else []


async def test_the_document_lists_every_route(service: Service, http: Http) -> None:
    document = (await http.get("/api/openapi.json")).json()
    listed = {(path, method) for path, item in document["paths"].items() for method in item if method != "parameters"}
    served = set()
    for route in create_server(service.app).routes:
        for handler in route.route_handlers if hasattr(route, "route_handlers") else []:
            if route.path.startswith(("/api/v1", "/v1")):
                served |= {(route.path_format, method.lower()) for method in handler.http_methods}
    served = {(path, method) for path, method in served if method != "options"}
    assert listed == served
    assert len(listed) > 30


async def test_the_document_is_sound(http: Http) -> None:
    document = (await http.get("/api/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for reference in references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for path, item in document["paths"].items():
        placed = set(re.findall(r"{(\w+)}", path))
        for method, operation in item.items():
            inside = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert inside == placed, (method, path)
            assert operation["responses"], (method, path)
            assert operation.get("description"), (method, path)


async def test_the_page_lists_the_routes_and_needs_nothing_else(http: Http) -> None:
    page = await http.get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "POST /api/v1/ask" in page.text
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
