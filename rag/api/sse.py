"""Server-sent events: their bytes, and a response that always closes its source. Knows no event of ours."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
from anyio import CancelScope
from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

KEEP_ALIVE_SECONDS: Final = 10.0
LOOKS: Final = 4  # at all streams in that time
KEEP_ALIVE: Final = b": keep-alive\n\n"
MEDIA_TYPE: Final = "text/event-stream"

_encoder = msgspec.json.Encoder()


def frame(event: str, data: Any, id: str | None = None) -> bytes:
    """One event. JSON has no raw line break, so `data` is one line; `event` and `id` are never a user's words."""
    head = f"id: {id}\nevent: {event}\ndata: " if id else f"event: {event}\ndata: "
    return head.encode() + _encoder.encode(data) + b"\n\n"


def comment(words: str) -> bytes:
    """What a reader of events passes over, one line: it keeps a connection alive and can be read by people."""
    return f": {words}\n\n".encode()


def keep_alive() -> bytes:
    """What is said in a silence about which there is nothing to say."""
    return KEEP_ALIVE


class EventStream(Response[bytes]):
    """A stream of frames. `on_close` runs exactly once, however the stream ends: read, cut, or never begun.

    Whenever no frame has come for the time of a keep-alive, `silence` says what is sent instead.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        on_close: Callable[[], None] | None = None,
        silence: Callable[[], bytes] = keep_alive,
    ) -> None:
        super().__init__(content=b"", media_type=MEDIA_TYPE, status_code=200)
        self._frames = frames
        self._on_close = on_close
        self._silence = silence

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **given: Any) -> ASGIResponse:  # noqa: ARG002
        """The response that is sent; litestar's own would leave the generator to the garbage collector."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(given.get("headers") or {})}
        return _ClosingStream(self._frames, self._on_close, self._silence, headers)


class _ClosingStream(ASGIResponse):
    """Litestar's own never closes the generator when a client leaves (its issue 3772), and holds a group of tasks.

    Here a stream holds two tasks: that of its request, and one that waits for the client to leave. Of the silences of
    all streams one timer takes care.
    """

    __slots__ = ("_last", "_on_close", "_send", "_silence", "_source", "_telling")
    _should_set_content_length = False

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        on_close: Callable[[], None] | None,
        silence: Callable[[], bytes],
        headers: dict[str, str],
    ) -> None:
        super().__init__(headers=headers, media_type=MEDIA_TYPE, status_code=200)
        self._source = source
        self._on_close = on_close
        self._silence = silence
        self._send: Send | None = None
        self._last = math.inf  # seconds of the loop at which something was said; infinite while it is being sent
        self._telling: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._on_close is not None:
                self._on_close()
            with CancelScope(shield=True):
                await self._source.aclose()

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Send the frames until they end or the client leaves."""
        loop = asyncio.get_running_loop()
        silences = _silences.setdefault(loop, _Silences())
        self._send, self._last = send, loop.time()
        self.headers.headers.clear()  # they have been sent, and a stream may live for long
        with CancelScope() as connected:
            leaving = loop.create_task(_until_left(receive, connected))
            silences.take(self)
            try:
                async for piece in self._source:
                    self._last = math.inf
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    self._last = loop.time()
                self._last = math.inf
                if self._telling is not None:
                    await self._telling
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                silences.leave(self)
                leaving.cancel()
                if self._telling is not None:
                    self._telling.cancel()

    def look(self, now: float) -> None:
        """Say something if nothing was said for long."""
        if now - self._last >= KEEP_ALIVE_SECONDS and (self._telling is None or self._telling.done()):
            self._last = now
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        assert self._send is not None
        await self._send({"type": "http.response.body", "body": self._silence(), "more_body": True})


class _Silences:
    """All streams of one event loop, looked at together."""

    def __init__(self) -> None:
        self._streams: set[_ClosingStream] = set()
        self._clock: asyncio.TimerHandle | None = None

    def take(self, stream: _ClosingStream) -> None:
        self._streams.add(stream)
        if self._clock is None:
            self._wind()

    def leave(self, stream: _ClosingStream) -> None:
        self._streams.discard(stream)
        if not self._streams and self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _wind(self) -> None:
        self._clock = asyncio.get_running_loop().call_later(KEEP_ALIVE_SECONDS / LOOKS, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for stream in self._streams:
            stream.look(now)
        self._wind()


_silences: WeakKeyDictionary[asyncio.AbstractEventLoop, _Silences] = WeakKeyDictionary()


async def _until_left(receive: Receive, connected: CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    connected.cancel()
