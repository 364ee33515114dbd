"""OpenAI's chat completions, and every endpoint that speaks them (vLLM, llama-server, managed open models).

Knows no retries and no time limits of content: rag/llm/remote.py has those for all remote models.
"""

import json
import re
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk

from rag.llm.estimate import TokenEstimate
from rag.llm.generator import FinishReason, GenerationRequest, Usage
from rag.llm.remote import (
    Problem,
    RemoteEvents,
    Step,
    status_problem,
)
from rag.llm.remote_model import RemoteModel

OFFICIAL = "https://api.openai.com/v1"
_REASONING = re.compile(r"(o\d|gpt-[5-9])")  # official models that take no sampling parameters


class OpenAIGenerator(RemoteModel[openai.AsyncOpenAI]):
    """A Generator over a chat-completions endpoint. `silence`: longest wait for content, in seconds.

    With `azure_version` the endpoint is Azure's: `base_url` is the resource and the model is a deployment's name.
    """

    def __init__(
        self,
        model: str,
        api_key: str,
        *,
        base_url: str = "",
        context_tokens: int,
        silence: float,
        azure_version: str = "",
    ) -> None:
        self._azure_version = azure_version
        self._official = not base_url or bool(azure_version)
        self._reasons = self._official and bool(_REASONING.match(model))
        self.broken = openai.OpenAIError("the answer failed on the other side")
        url, estimate = base_url or OFFICIAL, TokenEstimate(model)
        super().__init__("openai", model, api_key, url, estimate, tokens=context_tokens, silence=silence)

    def client(self, api_key: str, url: str, timeout: httpx2.Timeout) -> openai.AsyncOpenAI:
        if self._azure_version:
            return openai.AsyncAzureOpenAI(
                api_key=api_key, azure_endpoint=url, api_version=self._azure_version, timeout=timeout, max_retries=0
            )
        return openai.AsyncOpenAI(api_key=api_key, base_url=url, timeout=timeout, max_retries=0)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        return (openai.OpenAIError, httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError)

    async def open(self, request: GenerationRequest) -> RemoteEvents:
        stream: RemoteEvents = await self._clients.get().chat.completions.create(**self._body(request))
        return stream

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            # The official endpoint has renamed this; compatible ones know the old name.
            "max_completion_tokens" if self._official else "max_tokens": request.max_tokens,
        }
        if self._reasons:
            return body
        body |= {"temperature": request.temperature, "top_p": request.top_p}
        if request.stop:
            body["stop"] = list(request.stop)
        if request.seed:
            body["seed"] = request.seed
        for name in ("presence_penalty", "frequency_penalty"):
            if penalty := getattr(request, name):
                body[name] = penalty
        return body

    def step(self, event: Any) -> Step:
        assert isinstance(event, ChatCompletionChunk)
        step = Step()
        if event.usage is not None:
            details = event.usage.prompt_tokens_details
            cached = (details.cached_tokens or 0) if details else 0
            step.usage = Usage(event.usage.prompt_tokens or 0, cached, event.usage.completion_tokens or 0)
        # Compatible endpoints leave out what the library's types promise.
        choice = event.choices[0] if event.choices else None
        if choice is not None:
            delta = choice.delta
            step.text = (delta.content or "") if delta else ""
            step.alive = bool(delta and (delta.model_extra or {}).get("reasoning_content"))
            step.reason = _reason(choice.finish_reason)
        return step

    def problem(self, error: Exception) -> Problem:
        if isinstance(error, openai.APIStatusError):
            return status_problem(error.status_code, error.response.headers, error.body)
        if isinstance(error, openai.APITimeoutError):
            return Problem("connect" if isinstance(error.__cause__, httpx2.ConnectTimeout) else "timeout")
        if isinstance(error, openai.APIConnectionError):
            return Problem("connect" if isinstance(error.__cause__, httpx2.ConnectError) else "cut")
        return Problem("broken")


def _reason(reason: str | None) -> FinishReason | None:
    if reason is None:
        return None
    return "length" if reason == "length" else "stop"
