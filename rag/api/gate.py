"""The layer around every request that knows it while it runs: its permit, its end when access is taken back, its pace.

Knows no route and no rule. Whether a request is allowed is decided in `permit`, behind the router.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from anyio import CancelScope
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from index.errors import FootnoteError, NoSuchCollection, NoSuchDocument
from rag.access.errors import NotSignedIn, TooSlow
from rag.access.limits import Limits
from rag.api import sse
from rag.api.credentials import credentials_of, set_cookie
from rag.api.permit import Permit, put_permit
from rag.api.problems import MEDIA_TYPE, problem_for
from rag.app import App

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0  # how often running requests are looked at again
_SLOWEST: Final = 1024  # bytes a second that a body must bring on average, after a first while
_HEADER_START: Final = "http.response.start"


class Gate:
    """Gives each request its permit, and cuts it when the permit ends."""

    def __init__(self, asgi: ASGIApp, app: App) -> None:
        self._asgi = asgi
        self._app = app
        self._limits = Limits()
        self._live: dict[Permit, float] = {}  # permit -> monotonic seconds of its beginning

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._asgi(scope, receive, send)
            return
        credentials = credentials_of(scope, self._app.settings.server_trusted_proxies)
        permit = Permit(self._app, credentials, self._limits)
        put_permit(scope, permit)
        seconds = self._app.settings.server_body_seconds
        sent = _Sent(permit, send, seconds, int(self._app.settings.access_session_days * 86400))
        self._live[permit] = time.monotonic()
        try:
            with permit.cancel:
                await self._asgi(scope, _Paced(receive, seconds), sent)
            if permit.cancel.cancelled_caught:
                await sent.cut(scope)
        finally:
            del self._live[permit]
            permit.close()
            with CancelScope(shield=True):  # what was done is written down also when the client has left
                await self._record(permit, sent.status)

    async def watch(self) -> None:
        """Look at running requests again and again; runs until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            before = time.monotonic() - LOOK_SECONDS
            running = [permit for permit, began in self._live.items() if began < before and permit.someone is not None]
            if not running:
                continue
            try:
                ended = await asyncio.to_thread(_ended, running)
            except Exception:  # the watch must outlive whatever a look meets
                logger.exception("running requests could not be looked at again")
                continue
            for permit in ended:
                permit.cancel.cancel()

    async def _record(self, permit: Permit, status: int) -> None:
        """Write what was done into the audit log; without accounts there is nobody to name."""
        rule, caller = permit.rule, permit.someone
        if rule is None or not rule.audit or caller is None or caller.open or not 200 <= status < 400:
            return
        told = dict(permit.told)
        thing = " ".join(f"{name}:{value}" for name, value in {**permit.path, **told.pop("object", {})}.items())
        try:
            await asyncio.to_thread(self._app.access.audit.record, caller.actor(), rule.audit, thing, **told)
        except FootnoteError:
            logger.exception("the audit log could not be written")


def _ended(running: Sequence[Permit]) -> list[Permit]:
    return [permit for permit in running if not _still_good(permit)]


def _still_good(permit: Permit) -> bool:
    try:
        permit.look_again()
    except (NotSignedIn, NoSuchCollection, NoSuchDocument):
        return False
    except FootnoteError as error:
        logger.warning("a running request could not be looked at again: %s", error)
    return True


class _Paced:
    """`receive` that gives up on a body that does not come: silent for too long, or a trickle."""

    __slots__ = ("_began", "_bytes", "_receive", "_seconds", "_whole")

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive = receive
        self._seconds = seconds
        self._began = time.monotonic()
        self._bytes = 0
        self._whole = False

    async def __call__(self) -> Any:
        if self._whole or self._seconds <= 0:
            return await self._receive()
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._receive()
        except TimeoutError as error:
            raise TooSlow(f"nothing of the body came for {self._seconds:g} s; send it again") from error
        if message["type"] != "http.request":
            return message
        self._bytes += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        spent = time.monotonic() - self._began
        if not self._whole and spent > self._seconds and self._bytes < _SLOWEST * spent:
            raise TooSlow(f"the body came at less than {_SLOWEST} bytes a second; send it over a better connection")
        return message


class _Sent:
    """`send` that knows how far the response is, adds the session's new cookie, and gives up on who does not read."""

    __slots__ = (
        "_cookie_seconds", "_measured", "_permit", "_seconds", "_send", "_stalled", "_streams", "_whole", "status",
    )  # fmt: skip

    def __init__(self, permit: Permit, send: Send, seconds: float, cookie_seconds: int) -> None:
        self._permit = permit
        self._send = send
        self._seconds = seconds
        self._stalled = False
        self._cookie_seconds = cookie_seconds
        self._measured = self._streams = False  # it says its length; it is a stream of events
        self._whole = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == _HEADER_START:
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            if self._permit.renewed is not None:
                name = self._permit.credentials.cookie
                headers.append((b"set-cookie", set_cookie(name, self._permit.renewed, self._cookie_seconds)))
            message["headers"] = headers
            told = {key.lower(): value for key, value in headers}
            self._measured = b"content-length" in told
            self._streams = told.get(b"content-type", b"").startswith(sse.MEDIA_TYPE.encode())
        elif message["type"] == "http.response.body":
            self._whole = not message.get("more_body", False)
        if self._seconds <= 0:
            await self._send(message)
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
        except TimeoutError:
            # The client takes nothing more: what makes this response must not wait for it.
            self._stalled = True
            self._permit.cancel.cancel()

    async def cut(self, scope: HTTPScope) -> None:
        """End the response of a request whose permit has ended."""
        if self._stalled:
            return
        problem = problem_for(NotSignedIn("access was taken back while this ran; sign in again"), scope["path"])
        if self.status == 0:
            body = msgspec.json.encode(problem.body())
            headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
            await self({"type": _HEADER_START, "status": problem.status, "headers": headers})
            await self({"type": "http.response.body", "body": body, "more_body": False})
        elif not self._whole and not self._measured:
            # A download with a length is left short, which the client notices.
            last = sse.frame("error", problem.body()) if self._streams else b""
            await self({"type": "http.response.body", "body": last, "more_body": False})
