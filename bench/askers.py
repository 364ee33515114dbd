"""People who ask a server in the OpenAI protocol, timed as they see it. Knows no server's making and no ratios."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from bench.servers import Server
from rag.llm.generator import GenerationRequest

LONGEST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: seconds to the first text and to the end since all began to ask, and its pieces of text.

    `first` is the end where nothing was said.
    `gaps`: seconds between one text and the next, with the moment (`time.perf_counter`) at which each ended.
    """

    first: float
    whole: float
    pieces: int
    gaps: tuple[tuple[float, float], ...] = ()


def client(server: Server, askers: int = 1) -> httpx.AsyncClient:
    """Connections enough for so many at once."""
    limits = httpx.Limits(max_connections=askers + 4)
    return httpx.AsyncClient(base_url=server.address, timeout=LONGEST_SECONDS, limits=limits)


async def ask_all(server: Server, requests: Sequence[GenerationRequest]) -> list[Heard]:
    """All at once. Raises httpx.HTTPError."""
    async with client(server, len(requests)) as http:
        began = time.perf_counter()
        return list(await asyncio.gather(*(hear(http, server, request, began) for request in requests)))


async def hear(
    http: httpx.AsyncClient,
    server: Server,
    request: GenerationRequest,
    began: float,
    spoken: asyncio.Event | None = None,
) -> Heard:
    """One answer to its end; `spoken` is set with its first text. Raises httpx.HTTPError, ValueError."""
    first, last, pieces, gaps = 0.0, 0.0, 0, []
    async with http.stream("POST", "/v1/chat/completions", json=body(server, request)) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not _text_of(line):
                continue
            now = time.perf_counter()
            if first:
                gaps.append((now - last, now))
            first, last, pieces = first or now - began, now, pieces + 1
            if spoken is not None:
                spoken.set()
    whole = time.perf_counter() - began
    return Heard(first or whole, whole, pieces, tuple(gaps))


async def open_streams(server: Server, requests: Sequence[GenerationRequest], room: AsyncExitStack) -> None:
    """Open a stream for each and leave them open in `room`; returns once all have their head."""
    http = await room.enter_async_context(client(server, len(requests)))
    doors = asyncio.Semaphore(50)

    async def one(request: GenerationRequest) -> None:
        async with doors:
            stream = http.stream("POST", "/v1/chat/completions", json=body(server, request))
            (await room.enter_async_context(stream)).raise_for_status()

    await asyncio.gather(*(one(request) for request in requests))


def body(server: Server, request: GenerationRequest) -> dict[str, object]:
    """The request as JSON."""
    told: dict[str, object] = {
        "model": server.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": 0.0,
        "stream": True,
    }
    return told | ({"grammar": request.grammar} if request.grammar else {})


def _text_of(line: str) -> str:
    data = line.removeprefix("data: ")
    if data == line or data == "[DONE]":
        return ""
    event = json.loads(data)
    if "error" in event:
        raise ValueError(f"a server broke off: {str(event['error'])[:200]}")
    choices = event["choices"]
    text: str = (choices[0]["delta"].get("content") or "") if choices else ""
    return text
