"""The layer around everything: hosts, origins, headers."""

import pytest
from litestar import Litestar, get, post
from litestar.testing import TestClient

from rag.api.guard import CONTENT_SECURITY_POLICY, Guard, host_allowed


@get("/api/read")
async def read() -> str:
    return "read"


@post("/api/write")
async def write() -> str:
    return "written"


def client() -> TestClient[Litestar]:
    app = Litestar([read, write], logging_config=None)
    app.asgi_handler = Guard(app.asgi_handler, ("127.0.0.1", "localhost", "[::1]"))
    return TestClient(app, base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8000", True),
        ("LOCALHOST:1", True),
        ("[::1]:8000", True),
        ("[::1]", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:80", False),
        ("localhost:80:90", False),
        ("127x0x0x1", False),
        ("", False),
        (":8000", False),
    ],
)
def test_hosts(host: str, allowed: bool) -> None:
    assert host_allowed(host, ("127.0.0.1", "localhost", "[::1]")) is allowed


def test_wildcards() -> None:
    assert host_allowed("docs.example.com:443", ("*.example.com",))
    assert not host_allowed("example.com", ("*.example.com",))
    assert not host_allowed("badexample.com", ("*.example.com",))
    assert host_allowed("anything", ("*",))


def test_an_unknown_host_is_refused_even_with_a_forwarded_one() -> None:
    with client() as http:
        answer = http.get("/api/read", headers={"host": "evil.example", "x-forwarded-host": "localhost"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_writes_of_other_origins_are_refused(headers: dict[str, str]) -> None:
    with client() as http:
        assert http.post("/api/write", headers=headers).status_code == 403
        assert http.get("/api/read", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://127.0.0.1:8000"}, {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8000"}],
)
def test_writes_of_programs_and_own_pages_are_taken(headers: dict[str, str]) -> None:
    with client() as http:
        assert http.post("/api/write", headers=headers).status_code == 201


@pytest.mark.parametrize("path", ["/api/read", "/nowhere"])
def test_every_response_carries_the_security_headers(path: str) -> None:
    with client() as http:
        headers = http.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


def test_the_policy_names_no_other_site_and_no_inline_code() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")
