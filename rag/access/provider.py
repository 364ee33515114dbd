"""Speaks OpenID Connect with the provider of the settings: where to send a browser, and whom its answer vouches for.

Knows no table and no role. What the provider says counts only in an ID token with the provider's own signature.
"""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from rag.access.errors import SignOnFailed

SIGNATURES: Final = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512")
SCOPES: Final = "openid profile email"
_SECONDS: Final = 20.0  # that the provider may take for each of its answers
_KEPT_SECONDS: Final = 600.0  # how long its description and keys are believed
_LEEWAY: Final = 60  # seconds by which its clock may differ
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Begun:
    """What is remembered while someone signs in at the provider; all but `address` is secret."""

    address: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider vouches for. `subject` is theirs for ever; the e-mail may change."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Description:
    authorize: str
    token: str
    keys: str
    userinfo: str
    read_at: float


class Provider:
    """One provider, found by its issuer's address. Safe to use from many threads."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, *, groups_claim: str = "groups") -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._groups_claim = groups_claim
        self._lock = threading.Lock()
        self._description: _Description | None = None
        self._keys: tuple[KeySet, float] | None = None

    def begin(self, redirect: str) -> Begun:
        """Where to send a browser, which comes back to `redirect`. Raises SignOnFailed."""
        description = self._described()
        nonce, verifier = secrets.token_urlsafe(32), generate_token(64)
        with self._client(redirect) as client:
            address, state = client.create_authorization_url(
                description.authorize, state=secrets.token_urlsafe(32), code_verifier=verifier, nonce=nonce
            )
        return Begun(address, state, nonce, verifier)

    def finish(self, redirect: str, code: str, nonce: str, verifier: str) -> Identity:
        """Whom a code stands for. Raises SignOnFailed."""
        description = self._described()
        try:
            with self._client(redirect) as client:
                token = client.fetch_token(description.token, code=code, code_verifier=verifier)
        except (OAuthError, httpx2.HTTPError, ValueError) as error:
            raise SignOnFailed(f"the sign-in provider did not take the code ({error}); begin again") from error
        claims = self._claims(str(token.get("id_token") or ""), nonce)
        if "email" not in claims or self._groups_claim not in claims:
            claims = self._more(description, str(token.get("access_token") or ""), claims)
        return self._identity(claims)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        found = claims.get(self._groups_claim) or ()
        groups = (found,) if isinstance(found, str) else tuple(str(one) for one in found)
        verified = claims.get("email_verified") in (True, "true")
        return Identity(self._issuer, claims["sub"], str(claims.get("email") or ""), verified, groups)

    def _claims(self, id_token: str, nonce: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(id_token, self._key_set(), algorithms=SIGNATURES).claims
        except (JoseError, ValueError):
            # Its keys may have changed since they were read; whatever is still not good is refused.
            try:
                claims = jwt.decode(id_token, self._key_set(anew=True), algorithms=SIGNATURES).claims
            except (JoseError, ValueError) as error:
                raise _distrusted(f"its signature is not good: {error}") from error
        self._check(claims, nonce)
        return dict(claims)

    def _check(self, claims: Mapping[str, Any], nonce: str) -> None:
        audience = claims.get("aud")
        audiences = [audience] if isinstance(audience, str) else list(audience or ())
        now = time.time()
        if claims.get("iss") != self._issuer:
            raise _distrusted("it names another issuer")
        if self._client_id not in audiences or (len(audiences) > 1 and claims.get("azp") != self._client_id):
            raise _distrusted("it is for another audience")
        if not isinstance(claims.get("exp"), int | float) or claims["exp"] + _LEEWAY <= now:
            raise _distrusted("it has expired")
        if not isinstance(claims.get("iat"), int | float) or claims["iat"] - _LEEWAY > now:
            raise _distrusted("it comes from the future")
        if not secrets.compare_digest(str(claims.get("nonce") or "").encode(), nonce.encode()):
            raise _distrusted("it belongs to another attempt")
        if not isinstance(claims.get("sub"), str) or not 1 <= len(claims["sub"]) <= 255:
            raise _distrusted("it names nobody")

    def _more(self, description: _Description, access_token: str, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims with what the provider says of the same person elsewhere; the ID token's own words stand."""
        if not description.userinfo or not access_token:
            return claims
        told = self._get(description.userinfo, {"Authorization": f"Bearer {access_token}"})
        return {**told, **claims} if told.get("sub") == claims["sub"] else claims

    def _described(self) -> _Description:
        with self._lock:
            known = self._description
            if known is not None and known.read_at + _KEPT_SECONDS > time.monotonic():
                return known
            told = self._get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
            if told.get("issuer") != self._issuer:
                raise SignOnFailed(
                    f"the sign-in provider calls itself {str(told.get('issuer'))[:200]!r}, but oidc.issuer is "
                    f"{self._issuer!r}; make them equal"
                )
            names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
            authorize, token, keys, userinfo = (_safe(str(told.get(name) or ""), name) for name in names)
            self._description = _Description(authorize, token, keys, userinfo, time.monotonic())
            return self._description

    def _key_set(self, *, anew: bool = False) -> KeySet:
        description = self._described()
        with self._lock:
            if not anew and self._keys is not None and self._keys[1] + _KEPT_SECONDS > time.monotonic():
                return self._keys[0]
            told: Any = self._get(description.keys)
            self._keys = (KeySet.import_key_set(told), time.monotonic())
            return self._keys[0]

    def _get(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = httpx2.get(_safe(address, "oidc.issuer"), headers=headers, timeout=_SECONDS)
            answer.raise_for_status()
            told = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise SignOnFailed(
                f"the sign-in provider does not answer ({error}); try again, or tell an admin"
            ) from error
        if not isinstance(told, dict):
            raise SignOnFailed("the sign-in provider answers with no object; tell an admin")
        return told

    def _client(self, redirect: str) -> OAuth2Client:
        return OAuth2Client(
            self._client_id,
            self._client_secret or None,
            scope=SCOPES,
            redirect_uri=redirect,
            code_challenge_method="S256",
            timeout=_SECONDS,
        )


def _safe(address: str, name: str) -> str:
    """An address that nobody on the way can read: https, or this machine. Raises SignOnFailed."""
    parts = urlsplit(address)
    if address and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise SignOnFailed(f"{name} is {address[:200]!r}, but https was wanted; tell an admin")
    if not address and name != "userinfo_endpoint":
        raise SignOnFailed(f"the sign-in provider describes no {name}; tell an admin")
    return address


def _distrusted(why: str) -> SignOnFailed:
    return SignOnFailed(f"the token of the sign-in provider is not trusted: {why}; begin again")
