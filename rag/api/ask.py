"""`POST /api/v1/ask`: a question in, a stream of events or one object out. Knows nothing of how an answer is made."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, TypeVar

from litestar import Request, Response, post
from litestar.exceptions import ClientException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody
from msgspec import Meta, Struct

from index.filters import parse_filters
from rag.answer import Ask
from rag.api import sse
from rag.api.choosing import Question, chosen_collections
from rag.api.parts import AppPart, PermitPart, RunningPart
from rag.api.permit import Permit, known
from rag.api.running import RunningAnswer, RunningAnswers
from rag.api.wire import Transcript
from rag.app import App
from rag.errors import NoSuchAnswer
from rag.events import Sources

T = TypeVar("T")

BEGIN_SECONDS: Final = 5.0  # an answer that fails before its first event within this time is an HTTP error, no stream

LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID", max_length=200, description="The last event seen: the stream goes on after it."
    ),
]


class AskRequest(Struct, forbid_unknown_fields=True):
    """A question and where to look. Without `stream` the Accept header decides.

    With `linger` the answer goes on for `server.linger_seconds` when the connection is lost, for who comes back to it.
    """

    question: Question
    collection: str | None = None
    collections: list[str] | None = None
    conversation: str | None = None
    model: str | None = None
    mode: Literal["auto", "quote", "search"] = "auto"
    filters: dict[str, Any] | None = None
    k: Annotated[int, Meta(ge=1, le=50)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=4096)] | None = None
    stream: bool | None = None
    linger: bool = False


@post(
    "/ask",
    status_code=200,
    opt=known("ask", audit="ask", counted="streams"),
    tags=["answers"],
    responses={
        200: ResponseSpec(
            dict[str, Any],
            description="The answer as one object, or with `Accept: text/event-stream` as events",
            generate_examples=False,
        )
    },
)
async def ask(
    app: AppPart,
    permit: PermitPart,
    running: RunningPart,
    request: Request[Any, Any, Any],
    data: JSONBody[AskRequest],
    last_event_id: LastEventId = None,
) -> Response[Any]:
    """Ask a question about one or more collections. The answer comes with footnotes and a verdict per sentence.

    With `Accept: text/event-stream` it streams the events queued, started, sources, delta, citation, verdict, replace,
    usage and done (or error). Closing the connection stops it.
    """
    if last_event_id is not None:
        return await resumed(permit, running, last_event_id, owner=permit.caller.person)
    question = await asyncio.to_thread(_question, permit, data)
    answer = begin(app, permit, running, question, request.scope["path"], lingers=data.linger)
    streams = data.stream if data.stream is not None else sse.MEDIA_TYPE in request.headers.get("accept", "")
    if streams:
        return await streamed(running, answer)
    return Response(await whole(running, answer, request), status_code=200)


def begin(
    app: App, permit: Permit, running: RunningAnswers, question: Ask, path: str, *, lingers: bool = False
) -> RunningAnswer:
    """Begin an answer under the permit that its question came with: it rests on what the caller may read alone."""
    question = replace(question, filters=permit.sight.filters(question.collections, question.filters))
    permit.told |= {"object": {"collections": ",".join(question.collections)}, "mode": question.mode}
    events = permit.guarded(app.answerer.answer(question))
    return running.start(events, path, permit.caller.person, lingers=lingers)


async def streamed(running: RunningAnswers, answer: RunningAnswer) -> Response[Any]:
    """The events of an answer just begun. One that fails before its first event raises instead."""
    try:
        await answer.begun(BEGIN_SECONDS)
    except BaseException:
        running.leave(answer)
        raise
    return sse.EventStream(answer.frames(), on_close=lambda: running.leave(answer))


async def resumed(
    permit: Permit, running: RunningAnswers, last_event_id: str, id: str | None = None, owner: str | None = None
) -> Response[Any]:
    """The events after the last one that a client saw."""
    answer, seen = running.resume(last_event_id, id, owner)
    return await followed(permit, running, answer, seen)


async def followed(permit: Permit, running: RunningAnswers, answer: RunningAnswer, seen: int = 0) -> Response[Any]:
    """The events of an answer from number `seen` + 1 on, for a reader who has just joined and may read it now."""
    try:
        await asyncio.to_thread(_join, permit, answer)
    except BaseException:
        running.leave(answer)
        raise
    return sse.EventStream(answer.frames(seen), on_close=lambda: running.leave(answer))


def _join(permit: Permit, answer: RunningAnswer) -> None:
    if answer.answer is None:
        return  # nothing was found yet, and whoever asked is looked at before anything is
    record = permit.answer(answer.answer)
    theirs = answer.owner == permit.caller.person
    if not (theirs or answer.ended or all(permit.whole(collection) for collection in record.collections)):
        raise NoSuchAnswer(f"answer {answer.answer!r} has not ended, and what it will rest on may not be yours to read")
    found = [event.sources for event in list(answer.events) if isinstance(event, Sources)]
    permit.drawn |= {source.document for sources in found for source in sources}
    permit.look_again()


async def whole(running: RunningAnswers, answer: RunningAnswer, request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The answer as one object once it has ended. A client that leaves meanwhile stops it."""
    await finished_or_left(running, answer, request)
    return Transcript(answer.events).json()


async def finished_or_left(running: RunningAnswers, answer: RunningAnswer, request: Request[Any, Any, Any]) -> None:
    """Wait for the end of an answer; raises what it failed with. A client that leaves meanwhile stops it."""
    try:
        await while_connected(request, answer.finished())
    finally:
        running.leave(answer)


async def while_connected(request: Request[Any, Any, Any], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client leaves: litestar does not do that by itself."""
    task = asyncio.create_task(work)
    left = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((left, task), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientException("the client left before its answer was ready")  # nobody is there to read it
        return task.result()
    finally:
        left.cancel()
        task.cancel()
        await asyncio.gather(left, task, return_exceptions=True)


async def _disconnected(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _question(permit: Permit, data: AskRequest) -> Ask:
    permit.check_quota()
    return Ask(
        question=data.question,
        collections=chosen_collections(permit, data.collection, data.collections),
        conversation=data.conversation,
        model=data.model,
        mode=data.mode,
        filters=parse_filters(data.filters) if data.filters else None,
        k=data.k,
        max_tokens=data.max_tokens,
        tenant=permit.caller.tenant or "",
        credential=permit.caller.key or "",
    )
