"""Anthropic's messages.

Knows no retries and no time limits of content: rag/llm/remote.py has those for all remote models.
"""

import json
from typing import Any

import anthropic
import httpx2
from anthropic.types import RawContentBlockDeltaEvent, RawMessageDeltaEvent, RawMessageStartEvent, RawMessageStopEvent

from rag.llm.estimate import TokenEstimate
from rag.llm.generator import FinishReason, GenerationRequest, Usage
from rag.llm.remote import (
    Problem,
    RemoteEvents,
    Step,
    status_problem,
)
from rag.llm.remote_model import RemoteModel

OFFICIAL = "https://api.anthropic.com"


class AnthropicGenerator(RemoteModel[anthropic.AsyncAnthropic]):
    """A Generator over the messages endpoint. `silence`: longest wait for content, in seconds."""

    def __init__(self, model: str, api_key: str, *, base_url: str = "", context_tokens: int, silence: float) -> None:
        url, estimate = base_url or OFFICIAL, TokenEstimate()
        super().__init__("anthropic", model, api_key, url, estimate, tokens=context_tokens, silence=silence)

    def client(self, api_key: str, url: str, timeout: httpx2.Timeout) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(api_key=api_key, base_url=url, timeout=timeout, max_retries=0)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        return (anthropic.AnthropicError, httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError)

    async def open(self, request: GenerationRequest) -> RemoteEvents:
        stream: RemoteEvents = await self._clients.get().messages.create(**self._body(request))
        return stream

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        system = "\n\n".join(message.content for message in request.messages if message.role == "system")
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": message.role, "content": message.content}
                for message in request.messages
                if message.role != "system"
            ],
            "max_tokens": request.max_tokens,
            "stream": True,
        }
        if system:
            body["system"] = system
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        # Newer models refuse to be given both.
        if request.top_p < 1.0:
            return body | {"extra_body": {"top_p": request.top_p}}
        return body | {"extra_body": {"temperature": min(request.temperature, 1.0)}}

    def step(self, event: Any) -> Step:
        match event:
            case RawMessageStartEvent():
                paid = event.message.usage
                cached, written = paid.cache_read_input_tokens or 0, paid.cache_creation_input_tokens or 0
                return Step(usage=Usage(paid.input_tokens + cached + written, cached, 0))
            case RawContentBlockDeltaEvent():
                text = event.delta.text if event.delta.type == "text_delta" else ""
                return Step(text=text, alive=event.delta.type == "thinking_delta")
            case RawMessageDeltaEvent():
                usage = Usage(completion_tokens=event.usage.output_tokens)
                return Step(reason=_reason(event.delta.stop_reason), usage=usage)
            case RawMessageStopEvent():
                return Step(last=True)
            case _:
                return Step()

    def problem(self, error: Exception) -> Problem:
        if isinstance(error, anthropic.APIStatusError):
            return status_problem(error.status_code, error.response.headers, error.body)
        if isinstance(error, anthropic.APITimeoutError):
            return Problem("connect" if isinstance(error.__cause__, httpx2.ConnectTimeout) else "timeout")
        if isinstance(error, anthropic.APIConnectionError):
            return Problem("connect" if isinstance(error.__cause__, httpx2.ConnectError) else "cut")
        return Problem("broken")


def _reason(reason: str | None) -> FinishReason | None:
    if reason is None:
        return None
    return "length" if reason in ("max_tokens", "model_context_window_exceeded") else "stop"
