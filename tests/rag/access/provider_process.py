"""A small OpenID Connect provider in a process of its own, made with authlib and joserfc; it can lie in many ways.

Run as `python provider_process.py`: it prints its address and reads nothing. Whoever is sent to it is signed in at once
as the person in its `/be` form. The ways to lie are set with `POST /lie`.
"""

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT, SECRET = "footnote", "a secret of the client"


class State:
    """What the provider knows; one of it per process."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}, private=True)
        self.stranger = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}, private=True)
        self.codes: dict[str, dict[str, str]] = {}
        self.lie = ""
        self.person: dict[str, Any] = {}


STATE = State()


def letters(part: dict[str, Any]) -> str:
    """A part of a token, as tokens are written."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def id_token(issuer: str, asked: dict[str, str]) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {"iss": issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
    claims |= STATE.person
    lies: dict[str, dict[str, Any]] = {
        "nonce": {"nonce": "another"},
        "audience": {"aud": "someone else"},
        "party": {"aud": [CLIENT, "someone else"], "azp": "someone else"},
        "expired": {"iat": now - 1000, "exp": now - 500},
        "future": {"iat": now + 1000},
        "issuer": {"iss": "https://evil.example"},
        "nobody": {"sub": ""},
    }
    claims |= lies.get(STATE.lie, {})
    if STATE.lie == "none":
        return f"{letters({'alg': 'none', 'typ': 'JWT'})}.{letters(claims)}."
    if STATE.lie == "hmac":  # signed with what everybody knows: the public key's letters
        body = f"{letters({'alg': 'HS256', 'kid': 'first'})}.{letters(claims)}"
        signed = hmac.digest(STATE.key.as_pem(private=False), body.encode(), "sha256")
        return f"{body}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"
    key = STATE.stranger if STATE.lie == "signature" else STATE.key
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, key)


class Provider(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # as the library calls it
        return

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, told: Any, status: int = 200, **headers: str) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:  # as the library calls it
        place = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(place.query))
        if place.path == "/.well-known/openid-configuration":
            paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            self.answer({"issuer": self.issuer, **{name: f"{self.issuer}/{path}" for name, path in paths.items()}})
        elif place.path == "/keys":
            self.answer(KeySet([STATE.key]).as_dict(private=False))
        elif place.path == "/authorize" and asked.get("client_id") == CLIENT and asked.get("response_type") == "code":
            code = secrets.token_urlsafe(16)
            STATE.codes[code] = asked
            back = urllib.parse.urlencode({"code": code, "state": asked["state"]})
            self.answer({}, 302, Location=f"{asked['redirect_uri']}?{back}")
        else:
            self.answer({"error": "not_found"}, 404)

    def do_POST(self) -> None:  # as the library calls it
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/lie":
            told = json.loads(body)
            STATE.lie, STATE.person = told["lie"], told["person"]
            self.answer({})
            return
        sent = dict(urllib.parse.parse_qsl(body))
        asked = STATE.codes.pop(sent.get("code", ""), None)  # a code is good once
        known = base64.b64encode(f"{CLIENT}:{urllib.parse.quote_plus(SECRET)}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if self.headers.get("Authorization") not in (f"Basic {known}", f"Basic {plain}"):
            self.answer({"error": "invalid_client"}, 401)
        elif asked is None or sent.get("redirect_uri") != asked["redirect_uri"]:
            self.answer({"error": "invalid_grant"}, 400)
        elif create_s256_code_challenge(sent.get("code_verifier", "")) != asked["code_challenge"]:
            self.answer({"error": "invalid_grant", "error_description": "PKCE"}, 400)
        else:
            token = id_token(self.issuer, asked)
            self.answer(
                {"access_token": hashlib.sha256(token.encode()).hexdigest(), "token_type": "Bearer", "id_token": token}
            )


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
