"""OpenAI's responses: the newer of its two protocols. Knows no retries and no limits, as rag/llm/openai.py."""

from typing import Any

from rag.llm.generator import FinishReason, GenerationRequest, Usage
from rag.llm.openai import OpenAIGenerator
from rag.llm.remote import RemoteEvents, Step


class ResponsesGenerator(OpenAIGenerator):
    """A Generator over the responses endpoint; nothing is stored on the other side."""

    async def open(self, request: GenerationRequest) -> RemoteEvents:
        stream: RemoteEvents = await self._clients.get().responses.create(**self._response_body(request))
        return stream

    def _response_body(self, request: GenerationRequest) -> dict[str, Any]:
        system = "\n\n".join(message.content for message in request.messages if message.role == "system")
        body: dict[str, Any] = {
            "model": self._model,
            "input": [
                {"role": message.role, "content": message.content}
                for message in request.messages
                if message.role != "system"
            ],
            "max_output_tokens": request.max_tokens,
            "stream": True,
            "store": False,
        }
        if system:
            body["instructions"] = system
        return body if self._reasons else body | {"temperature": request.temperature, "top_p": request.top_p}

    def step(self, event: Any) -> Step:
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                return Step(text=event.delta)
            case "response.completed" | "response.incomplete":
                return Step(reason=_reason(event.response), usage=_usage(event.response.usage), last=True)
            case "response.failed" | "error":
                raise self.broken
            case kind:
                return Step(alive="reasoning" in kind)


def _reason(response: Any) -> FinishReason:
    details = response.incomplete_details
    return "length" if details is not None and details.reason == "max_output_tokens" else "stop"


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    details = usage.input_tokens_details
    return Usage(usage.input_tokens, (details.cached_tokens or 0) if details else 0, usage.output_tokens)
