"""The OpenAPI document at /api/openapi.json and a page at /api/docs that lists it. Needs no script and no network."""

from html import escape
from importlib import metadata
from typing import Any

from litestar import Request, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme

from rag.api.permit import known

_METHODS = ("get", "post", "put", "patch", "delete")

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title></head>
<body><main>
<h1>{title} {version}</h1>
<p>{description}</p>
<p>The same for programs: <a href="/api/openapi.json">/api/openapi.json</a> (OpenAPI).</p>
{sections}
</main></body></html>
"""


class ListingPage(OpenAPIRenderPlugin):
    """Every route with its parameters, body and answers as plain HTML, fit for the strictest content policy."""

    def __init__(self) -> None:
        super().__init__(path="/docs", favicon="", style="")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002  # litestar's
        """The page, from the document."""
        info = openapi_schema["info"]
        sections = [
            _operation(method.upper(), path, operations[method])
            for path, operations in sorted(openapi_schema["paths"].items())
            for method in _METHODS
            if method in operations
        ]
        page = _PAGE.format(
            title=escape(info["title"]),
            version=escape(info["version"]),
            description=escape(info.get("description", "")),
            sections="\n".join(sections),
        )
        return page.encode()


def openapi_config() -> OpenAPIConfig:
    """The document's head; the routes describe themselves."""
    return OpenAPIConfig(
        title="Footnote",
        version=metadata.version("footnote"),
        description="Answers support questions from your own documents, with a footnote on every sentence.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        components=Components(
            security_schemes={
                "key": SecurityScheme(type="http", scheme="bearer", description="An API key; `footnote keys create`."),
                "session": SecurityScheme(
                    type="apiKey",
                    name="__Host-footnote",
                    security_scheme_in="cookie",
                    description="From `POST /api/v1/session`; writes need X-CSRF-Token. On loopback it is `footnote`.",
                ),
            }
        ),
        security=[{}, {"key": []}, {"session": []}],
        openapi_router=Router("/api", route_handlers=[], include_in_schema=False, opt=known("read")),
        use_handler_docstrings=True,
        render_plugins=[ListingPage(), JsonRenderPlugin()],
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"<h2><code>{method} {escape(path)}</code></h2>"]
    lines.append(f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>")
    if parameters := operation.get("parameters"):
        rows = "".join(
            f"<li><code>{escape(item['name'])}</code> in {escape(item['in'])}: {_kind(item.get('schema', {}))}"
            f"{', required' if item.get('required') else ''}. {escape(item.get('description', ''))}</li>"
            for item in parameters
        )
        lines.append(f"<ul>{rows}</ul>")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        lines.append(f"<p>Body: <code>{escape(media)}</code>, {_kind(content.get('schema', {}))}</p>")
    answers = ", ".join(
        f"{escape(status)} {escape(answer.get('description', ''))}"
        for status, answer in sorted(operation.get("responses", {}).items())
    )
    lines.append(f"<p>Answers: {answers}</p>")
    return f"<section>{''.join(lines)}</section>"


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return escape(str(schema["$ref"]).rsplit("/", 1)[-1])
    if options := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(_kind(option) for option in options)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return escape(str(schema.get("type", "any")))
