"""What a request carries to say who sends it: bearer key, session cookie, socket peer; pure. Knows no account."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from litestar.datastructures import Headers
from litestar.types import HTTPScope

SECURE_COOKIE: Final = "__Host-footnote"  # browsers take it over TLS only, for this host only
PLAIN_COOKIE: Final = "footnote"  # on loopback without TLS, where no network is
FORGERY_HEADER: Final = "x-csrf-token"
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """`bearer` and `session` are secrets as sent, None when absent; `peer` is the address limits count by."""

    bearer: str | None
    session: str | None
    forgery_token: str | None
    peer: str
    cookie: str  # the name under which this client keeps its session


def credentials_of(scope: HTTPScope, trusted_proxies: Sequence[str] = ()) -> Credentials:
    """Read them from a request. A bearer key goes before a cookie."""
    headers = Headers.from_scope(scope)
    kind, _, value = headers.get("authorization", "").partition(" ")
    bearer = value.strip() if kind.lower() == "bearer" else None
    cookie = cookie_name(scope["scheme"], headers.get("host", ""))
    return Credentials(
        bearer=bearer,
        session=None if bearer is not None else _cookie(headers.get("cookie", ""), cookie),
        forgery_token=headers.get(FORGERY_HEADER),
        peer=peer_of(scope, headers, trusted_proxies),
        cookie=cookie,
    )


def cookie_name(scheme: str, host: str) -> str:
    """The plain name only where nothing leaves the machine: another host without TLS never gets a session."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return PLAIN_COOKIE if scheme == "http" and name.lower() in _LOOPBACK_NAMES else SECURE_COOKIE


def attempt_cookie(cookie: str, token: str, seconds: int) -> bytes:
    """The value of a Set-Cookie header for a browser that is sent to a sign-in provider, beside its session's name."""
    return set_cookie(f"{cookie}-sign-on", token, seconds, secure=cookie == SECURE_COOKIE)


def attempt_token(scope: HTTPScope, cookie: str) -> str:
    """What that browser brings back; empty when it brings nothing."""
    return _cookie(Headers.from_scope(scope).get("cookie", ""), f"{cookie}-sign-on") or ""


def set_cookie(name: str, token: str, seconds: int, *, secure: bool | None = None) -> bytes:
    """The value of a Set-Cookie header; an empty token ends the session in the browser."""
    flag = "; Secure" if (name == SECURE_COOKIE if secure is None else secure) else ""
    return f"{name}={token}; Path=/; Max-Age={seconds if token else 0}; HttpOnly; SameSite=Lax{flag}".encode()


def peer_of(scope: HTTPScope, headers: Headers, trusted_proxies: Sequence[str]) -> str:
    """The address at the other end; behind a trusted proxy the last one in X-Forwarded-For that is no such proxy."""
    client = scope.get("client")
    peer = client[0] if client else "unknown"
    if peer not in trusted_proxies:
        return peer
    # Every header of that name, in order: a proxy may add its own behind one that the client made up.
    hops = ",".join(headers.getall("x-forwarded-for", [])).split(",")
    for hop in reversed([part.strip() for part in hops]):
        if hop in trusted_proxies:
            continue
        try:
            return str(ipaddress.ip_address(hop))
        except ValueError:
            break
    return peer


def _cookie(header: str, name: str) -> str | None:
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name and value:
            return value
    return None
