"""A remote model that misbehaves on request, as a server process over raw sockets. Knows no Footnote.

The last word of the user's message chooses the scene; `/seen` tells how often each scene was asked for and how many
connections the clients closed early.
"""

import asyncio
import json
import sys
from collections import Counter

asked: Counter[str] = Counter()
left: Counter[str] = Counter()
last: dict[str, object] = {}  # the newest request


def openai_events(words, *, end=True):
    first = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    yield first | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
    for word in words:
        yield first | {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
    if end:
        yield first | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        usage = {
            "prompt_tokens": 11,
            "completion_tokens": 3,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 4},
        }
        yield first | {"choices": [], "usage": usage}
        yield "[DONE]"


def anthropic_events(words, *, end=True):
    usage = {"input_tokens": 7, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0, "output_tokens": 1}
    message = {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    yield {"type": "message_start", "message": message}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for word in words:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    if end:
        yield {"type": "content_block_stop", "index": 0}
        yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
        yield {"type": "message_stop"}


def responses_events(words, *, end=True):
    place = {"item_id": "1", "output_index": 0, "content_index": 0, "logprobs": []}
    yield {"type": "response.created", "sequence_number": 0, "response": {"id": "r", "status": "in_progress"}}
    for number, word in enumerate(words, start=1):
        yield {"type": "response.output_text.delta", "delta": word, "sequence_number": number} | place
    if end:
        usage = {
            "input_tokens": 11,
            "output_tokens": 3,
            "total_tokens": 14,
            "input_tokens_details": {"cached_tokens": 4},
        }
        response = {"id": "r", "status": "completed", "output": [], "incomplete_details": None, "usage": usage}
        yield {"type": "response.completed", "sequence_number": 99, "response": response}


def events_of(path):
    path = path.partition("?")[0]
    return {"messages": anthropic_events, "responses": responses_events}.get(path.rpartition("/")[2], openai_events)


def sse(event):
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


STATUSES = {
    "400": (400, {}, {"error": {"code": "context_length_exceeded", "message": "sk-secret is too long"}}),
    "401": (401, {}, {"error": {"code": "invalid_api_key", "message": "bad key sk-secret"}}),
    "404": (404, {}, {"error": {"code": "model_not_found", "message": "sk-secret"}}),
    "429": (429, {"retry-after": "300"}, {"error": {"type": "rate_limit_error", "message": "sk-secret"}}),
    "500": (500, {}, "<html>sk-secret</html>"),
    "529": (529, {}, {"type": "error", "error": {"type": "overloaded_error", "message": "sk-secret"}}),
}


class Scene:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def status(self, status, headers, body):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(data)}", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()] + ["connection: close", "", ""]
        await self.send("\r\n".join(lines).encode() + data)

    async def begin(self):
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")

    async def stream(self, events, pause=0.0):
        for event in events:
            await self.send(sse(event))
            await asyncio.sleep(pause)

    async def until_left(self, name, keep_alive=b""):
        """Say nothing (or only this) until the client closes; count that it did."""
        while True:
            try:
                if await asyncio.wait_for(self.reader.read(100), 0.1) == b"":
                    left[name] += 1
                    return
            except TimeoutError:
                if keep_alive:
                    await self.send(keep_alive)


async def play(scene, name, events):
    asked[name] += 1
    kind, number = [*name.split("-"), "", ""][:2]
    if kind == "seen":
        return await scene.status(200, {}, {"asked": dict(asked), "left": dict(left), "last": last})
    if kind in STATUSES:
        return await scene.status(*STATUSES[kind])
    if kind == "flaky" and asked[name] <= int(number):
        return await scene.status(429 if asked[name] == 1 else 503, {"retry-after": "0.05"}, {"error": {}})
    if kind == "silent":
        return await scene.until_left(name)
    if kind == "hangup":
        await scene.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/ev"[: int(number)])
        return scene.writer.transport.abort()
    await scene.begin()
    if kind in ("good", "flaky"):
        await scene.stream(events(["Hel", "lo ", "wörld"]))
    elif kind == "keepalive":
        await scene.stream(list(events(["Hel"], end=False))[: int(number)])
        await scene.until_left(name, b': keep-alive\n\nevent: ping\ndata: {"type": "ping"}\n\n')
    elif kind == "halfjson":
        await scene.stream(events(["Hel"], end=False))
        await scene.send(b'event: content_block_delta\ndata: {"choices": [{"del\n\n')
    elif kind == "disconnect":
        await scene.stream(list(events(["Hel"], end=False))[: int(number)])
        scene.writer.transport.abort()
    elif kind == "noend":
        await scene.stream(events(["Hel"], end=False))
    elif kind == "twoends":
        await scene.stream([*events(["Hel"]), *events(["lo"])])
    elif kind == "afterend":
        told = list(events(["Hel", "lo"]))
        # What closes a stream is left out; the last event of a response is its end itself.
        await scene.stream(told if events is responses_events else told[:-1])
        await scene.until_left(name, b": keep-alive\n\n")
    elif kind == "hugeline":
        await scene.stream(events(["x" * 10_000_000]))
    elif kind == "error":
        await scene.stream(events(["Hel"], end=False))
        await scene.send(
            b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "sk-secret"}}\n\n'
        )
    elif kind == "slow":
        await scene.stream(events([f"{n} " for n in range(200)]), pause=0.05)
    return None


async def serve(reader, writer):
    name = "?"
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        path = head.split(" ", 2)[1]
        length = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
        body = json.loads(await reader.readexactly(length) or b"{}")
        name = "seen" if path == "/seen" else (body.get("messages") or body["input"])[-1]["content"].split()[-1]
        if path != "/seen":
            last.update(path=path, body=body)
        await play(Scene(reader, writer), name, events_of(path))
    except (ConnectionError, asyncio.IncompleteReadError):
        left[name] += 1
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
