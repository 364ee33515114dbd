"""`/v1`: the OpenAI protocol over collections, so that existing clients work and keep their citations.

A collection is a model. Earlier messages are the conversation that a follow-up question is understood by; system
messages are not used there, because the grounded prompt is ours. Knows nothing of how an answer is made.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import numpy as np
from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from index.embedder_serving import at_once
from rag.answer import Ask
from rag.api import sse
from rag.api.ask import BEGIN_SECONDS, begin, finished_or_left
from rag.api.footnotes import FootnotedText
from rag.api.openai_schemas import (
    DONE,
    PREFIX,
    ChatRequest,
    EmbeddingsRequest,
    annotations_json,
    chunk,
    data_frame,
    error_json,
    head_of,
    usage_json,
)
from rag.api.parts import AppPart, PermitPart, RunningPart
from rag.api.permit import Permit, known
from rag.api.plain import plain_chat
from rag.api.problems import problem_for
from rag.api.running import RunningAnswer
from rag.api.wire import Transcript
from rag.app import App
from rag.errors import BadRequest, NoSuchModel
from rag.events import AnswerEvent


class OpenAIController(Controller):
    """`/v1`."""

    path = "/v1"
    tags = ("openai",)

    @post(
        "/chat/completions",
        status_code=200,
        opt=known("ask", audit="ask", counted="streams"),
        request_max_body_size=8 * 1024 * 1024,
        responses={200: ResponseSpec(dict[str, Any], description="A completion, or chunks", generate_examples=False)},
    )
    async def chat(
        self,
        app: AppPart,
        permit: PermitPart,
        running: RunningPart,
        request: Request[Any, Any, Any],
        data: JSONBody[ChatRequest],
    ) -> Response[Any]:
        """Answer the last message from a collection (`footnote/<collection>`), or plainly with a local model."""
        if data.model.startswith(PREFIX):
            data.grounded()
            ask = await asyncio.to_thread(_question, permit, data)
            answer = begin(app, permit, running, ask, request.scope["path"])
            if not data.stream:
                await finished_or_left(running, answer, request)
                return Response(_completion(data.model, answer.events), status_code=200)
            try:
                await answer.begun(BEGIN_SECONDS)
            except BaseException:
                running.leave(answer)
                raise
            return sse.EventStream(_chunks(data, answer), on_close=lambda: running.leave(answer))
        permit.told["model"] = data.model
        return await plain_chat(app, data, request, permit)

    @get("/models", sync_to_thread=True, opt=known("read"))
    def list_models(self, app: AppPart, permit: PermitPart) -> dict[str, Any]:
        """Every collection as a model, then the local models."""
        return {"object": "list", "data": _models(app, permit)}

    @get("/models/{model:path}", sync_to_thread=True, opt=known("read"))
    def show_model(self, app: AppPart, permit: PermitPart, model: FromPath[str]) -> dict[str, Any]:
        """One model by name."""
        name = str(model).lstrip("/")
        found = next((item for item in _models(app, permit) if item["id"] == name), None)
        if found is None:
            raise NoSuchModel(f"there is no model {name!r}; /v1/models lists those there are")
        return found

    @post(
        "/embeddings",
        status_code=200,
        request_max_body_size=8 * 1024 * 1024,
        sync_to_thread=True,
        opt=known("ask"),
    )
    def embed(self, app: AppPart, data: JSONBody[EmbeddingsRequest]) -> dict[str, Any]:
        """Embed texts with the model of the index. A text longer than it reads is refused, never cut."""
        return _embeddings(app, data)


def openai_error(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """The exception handler of `/v1`."""
    problem = problem_for(error, request.scope["path"])
    body = error_json(error, request.scope["path"])
    return Response(body, status_code=problem.status, media_type="application/json", headers=problem.headers())


def _question(permit: Permit, data: ChatRequest) -> Ask:
    permit.check_quota()
    name, _, model = data.model.removeprefix(PREFIX).partition(":")
    question = data.question()
    earlier = tuple(message.text for message in data.messages[:-1] if message.role == "user" and message.text.strip())
    return Ask(
        question=question,
        collections=(permit.collection(name).id,),
        model=model or None,
        max_tokens=data.most_tokens,
        earlier=earlier,
        tenant=permit.caller.tenant or "",
        credential=permit.caller.key or "",
    )


def _completion(model: str, events: list[AnswerEvent]) -> dict[str, Any]:
    """A `chat.completion` object of a finished answer."""
    marked = FootnotedText()
    for event in events:
        marked.take(event)
    told = Transcript(events)
    message = {
        "role": "assistant",
        "content": marked.text,
        "refusal": None,
        "annotations": annotations_json(marked.footnotes),
    }
    return {
        **head_of("chat.completion", model, events),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": usage_json(told.usage),
        "footnote": _told(told),
    }


async def _chunks(data: ChatRequest, answer: RunningAnswer) -> AsyncGenerator[bytes, None]:
    """An answer in progress as `chat.completion.chunk` frames: role, text, annotations, usage, [DONE]."""
    marked = FootnotedText()
    head = head_of("chat.completion.chunk", data.model, [])
    yield chunk(head, {"role": "assistant", "content": ""})
    try:
        async with aclosing(answer.follow()) as events:
            async for event in events:
                if piece := marked.take(event):
                    yield chunk(head, {"content": piece})
    except Exception as error:  # noqa: BLE001  # the stream has begun: the error can only be told inside it
        yield data_frame(error_json(error, answer.path)) + DONE
        return
    told = Transcript(answer.events)
    yield chunk(head, {"annotations": annotations_json(marked.footnotes)}, finish="stop", footnote=_told(told))
    if data.stream_options is not None and data.stream_options.include_usage:
        yield data_frame({**head, "choices": [], "usage": usage_json(told.usage)})
    yield DONE


def _told(told: Transcript) -> dict[str, Any]:
    """What the protocol has no place for: which answer this is and how it ended."""
    whole = told.json()
    return {name: whole[name] for name in ("answer", "conversation", "status", "confidence", "trace", "model")}


def _models(app: App, permit: Permit) -> list[dict[str, Any]]:
    collections = [
        {
            "id": PREFIX + info.name,
            "object": "model",
            "created": int(info.created_at.timestamp()),
            "owned_by": "footnote",
        }
        for info in permit.collections()
    ]
    names = [{"id": name, "object": "model", "created": 0, "owned_by": "footnote"} for name in app.models.names()]
    return [*collections, *names]


def _embeddings(app: App, data: EmbeddingsRequest) -> dict[str, Any]:
    embedder = at_once(app.embedder)
    stamp = embedder.stamp
    if data.model != stamp.model:
        raise NoSuchModel(f"model {data.model!r} does not embed here; the model of this index is {stamp.model!r}")
    if data.dimensions not in (None, stamp.dimension):
        raise BadRequest(f"dimensions is {data.dimensions}, but {stamp.model} has {stamp.dimension}")
    texts = [data.input] if isinstance(data.input, str) else data.input
    counts = [embedder.count(text) for text in texts]
    most = embedder.max_tokens - 2
    for number, count in enumerate(counts):
        if count > most:
            raise BadRequest(f"input {number} has {count} tokens, but {stamp.model} reads {most}; split it")
    rows = embedder.embed(texts)
    return {
        "object": "list",
        "model": stamp.model,
        "data": [
            {"object": "embedding", "index": number, "embedding": _row(row, data.encoding_format)}
            for number, row in enumerate(rows)
        ],
        "usage": {"prompt_tokens": sum(counts), "total_tokens": sum(counts)},
    }


def _row(row: Any, encoding: str) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(np.ascontiguousarray(row, dtype="<f4").tobytes()).decode()
    numbers: list[float] = row.tolist()
    return numbers
