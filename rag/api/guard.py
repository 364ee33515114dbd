"""The outermost layer: which hosts are answered, whose writes are taken, which headers every response carries.

Knows no route. It wraps the whole application, so that errors and pages pass it too.

There are no accounts on loopback, so the browser is the only thing between another site and this service: the
host check stops DNS rebinding, the origin check stops forged writes, and no CORS header is ever sent.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from rag.api.problems import MEDIA_TYPE, Problem

logger = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final[Sequence[tuple[bytes, bytes]]] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Checks the host and the origin, adds the headers, writes one log line per request without query or body."""

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._allowed_hosts = tuple(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_security(list(message.get("headers", ())), scope["path"])
            await send(message)

        refused = self._refusal(scope)
        if refused is None:
            await self._app(scope, receive, send_guarded)
        else:
            await _send_problem(refused, send_guarded)
        ms = (time.perf_counter() - began) * 1000
        logger.debug("%s %s %d %.0f ms", scope["method"], scope["path"], status, ms)

    def _refusal(self, scope: HTTPScope) -> Problem | None:
        headers = Headers.from_scope(scope)
        path = scope["path"]
        if not host_allowed(headers.get("host", ""), self._allowed_hosts):
            detail = (
                "The Host header names no host of this service; call it by one of "
                f"{', '.join(self._allowed_hosts)}, or add the name to the setting server.allowed_hosts."
            )
            return Problem(400, "host", "Unknown host", detail, path)
        if scope["method"] not in _READING and not _same_origin(headers):
            detail = "A page of another origin tried to write here; only pages of this service and programs may."
            return Problem(403, "origin", "Another origin", detail, path)
        return None


def host_allowed(host: str, allowed: Sequence[str]) -> bool:
    """Whether a Host header (`name`, `name:port`, `[v6]:port`) names an allowed host. `*.x` allows what is below x."""
    name, separator, port = host.lower().rpartition(":")
    if not separator or name.endswith(":") or not port.isdecimal():
        name = host.lower()
    return any(
        rule in ("*", name) or (rule.startswith("*.") and name.endswith(rule[1:]) and name != rule[1:])
        for rule in allowed
        if name
    )


def _same_origin(headers: Headers) -> bool:
    """Browsers say where a write comes from; programs say nothing, and nothing is fine."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()


def _with_security(headers: list[Any], path: str) -> list[Any]:
    present = {name.lower() for name, _ in headers}
    headers.extend(header for header in SECURITY_HEADERS if header[0] not in present)
    if b"cache-control" not in present and path.startswith(("/api", "/v1")):
        headers.append((b"cache-control", b"no-store"))
    return headers


async def _send_problem(problem: Problem, send: Any) -> None:
    body = msgspec.json.encode(problem.body())
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
