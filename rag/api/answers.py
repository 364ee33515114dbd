"""Answers that were given, why they became what they are, and the streams of those in progress."""

from datetime import datetime
from typing import Any

from litestar import Controller, Response, delete, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from rag.api import sse
from rag.api.ask import LastEventId, followed, resumed
from rag.api.parts import AppPart, PermitPart, RunningPart
from rag.api.permit import on
from rag.api.wire import citation_json, notice_json, source_json, usage_json, verdict_json
from rag.history_values import AnswerRecord


class AnswerController(Controller):
    """`/api/v1/answers`."""

    path = "/answers/{answer:str}"
    tags = ("answers",)

    @get(sync_to_thread=True, opt=on("answer"))
    def show_answer(self, app: AppPart, answer: FromPath[str]) -> dict[str, Any]:
        """An answer as stored, in the form that `ask` gives without streaming."""
        return answer_json(app.history.answer(answer))

    @get("/trace", sync_to_thread=True, opt=on("answer"))
    def trace(self, app: AppPart, answer: FromPath[str]) -> dict[str, Any]:
        """Why this answer: the rewritten question, candidates and scores, what was dropped, prompt, model, timings."""
        return dict(app.history.trace(answer))

    @get(
        "/stream",
        opt=on("answer", counted="streams"),
        responses={200: ResponseSpec(str, description="The events of `ask`", media_type=sse.MEDIA_TYPE)},
    )
    async def stream(
        self, permit: PermitPart, running: RunningPart, answer: FromPath[str], last_event_id: LastEventId = None
    ) -> Response[Any]:
        """Follow an answer in progress, or read it again up to 5 minutes after its end; whole or what is missing."""
        if last_event_id is not None:
            return await resumed(permit, running, last_event_id, answer)
        return await followed(permit, running, running.attach(answer))

    @delete("/stream", opt=on("answer", "write", scope="ask"))
    async def stop(self, running: RunningPart, answer: FromPath[str]) -> None:
        """Stop an answer in progress; what it said so far is kept. Stopping what has ended is no error."""
        running.stop(answer)


def answer_json(record: AnswerRecord) -> dict[str, Any]:
    """A stored answer in the form that `ask` gives without streaming, with what the store knows beside."""
    finished: datetime | None = record.finished_at
    return {
        "answer": record.id,
        "conversation": record.conversation,
        "status": record.status,
        "asked": record.question,
        "question": record.rewritten,
        "text": record.text,
        "sources": [source_json(source) for source in record.sources],
        "notices": [notice_json(notice) for notice in record.notices],
        "citations": [citation_json(citation) for citation in record.citations],
        "verdicts": [verdict_json(verdict) for verdict in record.verdicts],
        "usage": usage_json(record.usage) if record.usage else None,
        "confidence": record.confidence,
        "trace": record.trace_id,
        "model": record.model,
        "mode": record.mode,
        "collections": list(record.collections),
        "error": record.error,
        "created_at": record.created_at,
        "finished_at": finished,
    }
