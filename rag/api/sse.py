"""Server-sent events: their bytes, and a response that always closes its source. Knows no event of ours."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, TypeVar

import msgspec
from anyio import CancelScope
from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Scope, Send

KEEP_ALIVE_SECONDS: Final = 10.0
KEEP_ALIVE: Final = b": keep-alive\n\n"
MEDIA_TYPE: Final = "text/event-stream"

Event = TypeVar("Event")
_encoder = msgspec.json.Encoder()


def frame(event: str, data: Any, id: str | None = None) -> bytes:
    """One event. JSON has no raw line break, so `data` is one line; `event` and `id` are never a user's words."""
    head = f"id: {id}\nevent: {event}\ndata: " if id else f"event: {event}\ndata: "
    return head.encode() + _encoder.encode(data) + b"\n\n"


def comment(words: str) -> bytes:
    """What a reader of events passes over, one line: it keeps a connection alive and can be read by people."""
    return f": {words}\n\n".encode()


async def with_silence(source: AsyncGenerator[Event, None]) -> AsyncGenerator[Event | None, None]:
    """The events, and None whenever nothing came for the time of a keep-alive. The wait for the next is never cut."""
    async with aclosing(source) as events:
        upcoming: asyncio.Future[Event] | None = None
        try:
            while True:
                upcoming = upcoming or asyncio.ensure_future(anext(events))
                done, _ = await asyncio.wait((upcoming,), timeout=KEEP_ALIVE_SECONDS)
                if not done:
                    yield None
                    continue
                finished, upcoming = upcoming, None
                try:
                    event = finished.result()
                except StopAsyncIteration:
                    return
                yield event
        finally:
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)


class EventStream(Response[bytes]):
    """A stream of frames. `on_close` runs exactly once, however the stream ends: read, cut, or never begun."""

    def __init__(self, frames: AsyncGenerator[bytes, None], on_close: Callable[[], None] | None = None) -> None:
        super().__init__(content=b"", media_type=MEDIA_TYPE, status_code=200)
        self._frames = frames
        self._on_close = on_close

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **given: Any) -> ASGIResponse:  # noqa: ARG002
        """The response that is sent; litestar's own would leave the generator to the garbage collector."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(given.get("headers") or {})}
        return _ClosingStream(
            iterator=self._frames, on_close=self._on_close, headers=headers, media_type=MEDIA_TYPE, status_code=200
        )


class _ClosingStream(ASGIStreamingResponse):
    """Litestar cancels the send when a client leaves, yet never closes the generator (its issue 3772)."""

    def __init__(
        self,
        *,
        iterator: AsyncGenerator[bytes, None],
        on_close: Callable[[], None] | None,
        headers: dict[str, str],
        media_type: str,
        status_code: int,
    ) -> None:
        super().__init__(iterator=iterator, headers=headers, media_type=media_type, status_code=status_code)
        self._source = iterator
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._on_close is not None:
                self._on_close()
            with CancelScope(shield=True):
                await self._source.aclose()
