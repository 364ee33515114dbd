"""Generation without retrieval, in the OpenAI protocol, by a local model. Knows no collection and no citation."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any, Final, cast

from litestar import Request, Response

from rag.access.policy import Caller
from rag.api import sse
from rag.api.ask import while_connected
from rag.api.openai_schemas import (
    DONE,
    PREFIX,
    ChatRequest,
    chunk,
    data_frame,
    error_json,
    head_of,
    logprobs_json,
    usage_json,
)
from rag.api.permit import Permit
from rag.app import App
from rag.errors import EgressDenied
from rag.llm.generator import (
    Finished,
    GenerationEvent,
    GenerationRequest,
    Generator,
    Queued,
    TextDelta,
    TokenChance,
    Usage,
)

_FINISH: Final = {"stop": "stop", "length": "length", "cancelled": "stop"}


async def plain_chat(app: App, data: ChatRequest, request: Request[Any, Any, Any], permit: Permit) -> Response[Any]:
    """Generation without retrieval, by a local model. What it takes counts as what answers take."""
    data.question()
    await asyncio.to_thread(permit.check_quota)
    generator = await asyncio.to_thread(app.models.get, data.model)
    if not generator.local:
        raise EgressDenied(
            f"model {data.model!r} is remote, and without a collection no rule lets text leave this site; "
            f"ask a collection that allows it: {PREFIX}<collection>:{data.model}"
        )
    events = _counted(app, permit.caller, generator, _generation(app, data, permit.caller.tenant or ""))
    first = await while_connected(request, _next(events))
    if data.stream:
        silence = _Silence()
        return sse.EventStream(_plain_chunks(data, first, events, silence), silence=silence)
    whole = await while_connected(request, _plain_completion(data, _rejoined(first, events)))
    return Response(whole, status_code=200)


async def _next(events: AsyncIterator[GenerationEvent]) -> GenerationEvent:
    return await anext(events)


def _generation(app: App, data: ChatRequest, tenant: str) -> GenerationRequest:
    return GenerationRequest(
        messages=data.turns(),
        max_tokens=data.most_tokens or app.settings.answer_max_tokens,
        temperature=app.settings.answer_temperature if data.temperature is None else data.temperature,
        top_p=1.0 if data.top_p is None else data.top_p,
        stop=data.stops(),
        seed=data.seed or 0,
        tenant=tenant,
        top_k=data.top_k or 0,
        min_p=data.min_p or 0.0,
        repeat_penalty=data.repeat_penalty or 1.0,
        presence_penalty=data.presence_penalty or 0.0,
        frequency_penalty=data.frequency_penalty or 0.0,
        grammar=data.grammar_text(),
        alternatives=data.top_logprobs or 0 if data.logprobs else None,
    )


async def _counted(
    app: App, caller: Caller, generator: Generator, request: GenerationRequest
) -> AsyncGenerator[GenerationEvent, None]:
    """The events; what was read and said is noted at the end, also where the asker leaves before it."""
    said, usage = 0, None
    events = cast("AsyncGenerator[GenerationEvent, None]", generator.stream(request))
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TextDelta):
                    said += 1
                elif isinstance(event, Finished):
                    usage = event.usage
                    await asyncio.to_thread(_note, app, caller, generator.name, usage)
                yield event
    finally:
        if usage is None and said:
            # Not waited for: whoever has left is not to hold the connection's place.
            prompt = generator.count_tokens(request.messages)
            work = partial(_note, app, caller, generator.name, Usage(prompt, 0, said))
            asyncio.get_running_loop().run_in_executor(None, work)


def _note(app: App, caller: Caller, model: str, usage: Usage) -> None:
    app.usage.note(caller.tenant or "", caller.key or "", model, (usage.prompt_tokens, usage.completion_tokens))


async def _rejoined(
    first: GenerationEvent, rest: AsyncIterator[GenerationEvent]
) -> AsyncGenerator[GenerationEvent, None]:
    """The event that was waited for, then the others; closing this closes the generation."""
    try:
        yield first
        async for event in rest:
            yield event
    finally:
        close = getattr(rest, "aclose", None)
        if close is not None:
            await close()


async def _plain_completion(data: ChatRequest, events: AsyncGenerator[GenerationEvent, None]) -> dict[str, Any]:
    text, finish, usage = "", "stop", Usage()
    tokens: list[TokenChance] = []
    async with aclosing(events):
        async for event in events:
            match event:
                case TextDelta():
                    text += event.text
                    tokens += event.tokens
                case Finished():
                    finish, usage = _FINISH[event.reason], event.usage
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    return {
        **head_of("chat.completion", data.model, []),
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs_json(data, tokens)}],
        "usage": usage_json(usage),
    }


class _Silence:
    """What is said while nothing comes: the protocol has no place for places in a queue, so a comment tells them."""

    __slots__ = ("_words",)

    def __init__(self) -> None:
        self._words = sse.KEEP_ALIVE

    def __call__(self) -> bytes:
        return self._words

    def take(self, event: GenerationEvent) -> None:
        """Learn of a place, or that its time is over."""
        if isinstance(event, Queued):
            self._words = sse.comment(f"place {event.position + 1} in the queue, about {event.eta_seconds:.0f} s")
        else:
            self._words = sse.KEEP_ALIVE


async def _plain_chunks(
    data: ChatRequest, first: GenerationEvent, rest: AsyncGenerator[GenerationEvent, None], silence: _Silence
) -> AsyncGenerator[bytes, None]:
    head = head_of("chat.completion.chunk", data.model, [])
    finish, usage = "stop", Usage()
    event: GenerationEvent | None = first
    try:
        yield chunk(head, {"role": "assistant", "content": ""})
        while event is not None:
            silence.take(event)
            match event:
                case TextDelta():
                    yield chunk(head, {"content": event.text}, logprobs=logprobs_json(data, event.tokens))
                case Finished():
                    finish, usage = _FINISH[event.reason], event.usage
                case Queued() if event is first:  # later ones in a silence: not each step of a long queue
                    yield silence()
            event = await anext(rest, None)
    except Exception as error:  # noqa: BLE001  # the stream has begun: the error can only be told inside it
        yield data_frame(error_json(error, "/v1/chat/completions")) + DONE
        return
    finally:
        await rest.aclose()
    yield chunk(head, {}, finish=finish)
    if data.stream_options is not None and data.stream_options.include_usage:
        yield data_frame({**head, "choices": [], "usage": usage_json(usage)})
    yield DONE
