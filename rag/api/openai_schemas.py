"""The bodies of the OpenAI protocol that we read and write. Unknown fields are ignored, as that protocol expects."""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from rag.api.footnotes import Footnote
from rag.api.problems import problem_for
from rag.api.wire import Transcript
from rag.errors import BadRequest
from rag.events import AnswerEvent, AnswerUsage
from rag.llm.generator import Message, TokenChance, Usage
from rag.llm.grammar import json_grammar

PREFIX: Final = "footnote/"
DONE: Final = b"data: [DONE]\n\n"


class TextPart(Struct, tag_field="type", tag="text"):
    """A part of a message; only text is understood."""

    text: str


class ChatMessage(Struct):
    """One turn. `developer` is taken as `system`."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Meta(max_length=400_000)] | list[TextPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(Struct):
    """`include_usage` adds a last chunk with token counts."""

    include_usage: bool = False


class JsonSchema(Struct):
    """The schema that an answer is to follow; its other fields are not needed."""

    schema: dict[str, Any] | None = None


class ResponseFormat(Struct):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None


class ChatRequest(Struct):
    """`model` is `footnote/<collection>`, `footnote/<collection>:<model>`, or a local model for plain generation."""

    model: str
    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=500)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=32_768)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1, le=32_768)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int = 1
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    # Not in the protocol, but what llama.cpp's own server takes
    top_k: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Meta(ge=0.5, le=2)] | None = None
    grammar: Annotated[str, Meta(max_length=50_000)] | None = None

    @property
    def most_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    def question(self) -> str:
        """The last message, which must be the user's. Raises BadRequest."""
        if self.n != 1:
            raise BadRequest(f"n is {self.n}, but one choice per request was wanted; send several requests")
        if self.messages[-1].role != "user" or not self.messages[-1].text.strip():
            raise BadRequest("the last message is not a question; end `messages` with a user message that has text")
        return self.messages[-1].text.strip()

    def grammar_text(self) -> str:
        """What the answer must follow, as GBNF; empty for free text. Raises BadRequest."""
        form = self.response_format
        if form is None or form.type == "text":
            return self.grammar or ""
        if form.type == "json_object":
            return json_grammar()
        if form.json_schema is None or form.json_schema.schema is None:
            raise BadRequest("response_format is json_schema, but json_schema.schema is missing; give the schema")
        return json_grammar(form.json_schema.schema)

    def grounded(self) -> None:
        """Answers from documents are text with footnotes. Raises BadRequest if another form is wanted."""
        if self.logprobs or self.grammar or (self.response_format and self.response_format.type != "text"):
            raise BadRequest(
                "a collection answers with text and footnotes; response_format, grammar and logprobs are for models"
            )

    def turns(self) -> tuple[Message, ...]:
        """All messages as a model reads them."""
        return tuple(
            Message("system" if message.role == "developer" else message.role, message.text)
            for message in self.messages
        )

    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class EmbeddingsRequest(Struct):
    """Texts to embed with the model of the index."""

    model: str
    input: str | Annotated[list[str], Meta(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


def usage_json(usage: AnswerUsage | Usage | None) -> dict[str, Any]:
    """Token counts in that protocol's names; zeros when no model spoke."""
    prompt = usage.prompt_tokens if usage else 0
    completion = usage.completion_tokens if usage else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens if usage else 0},
    }


def annotations_json(footnotes: Sequence[Footnote]) -> list[dict[str, Any]]:
    """The footnotes of an answer in full."""
    return [
        {
            "type": "footnote",
            "start": footnote.start,
            "end": footnote.end,
            "document": footnote.document,
            "title": footnote.title,
            "page": footnote.page,
            "source_start": footnote.source_start,
            "source_end": footnote.source_end,
            "verdict": footnote.verdict,
        }
        for footnote in footnotes
    ]


def logprobs_json(data: ChatRequest, tokens: Sequence[TokenChance]) -> dict[str, Any] | None:
    """Log-probabilities of tokens as that protocol tells them; None unless they were asked for."""
    if not data.logprobs:
        return None
    return {
        "content": [
            {**_chance_json(token.piece, token.logprob), "top_logprobs": [_chance_json(*other) for other in token.top]}
            for token in tokens
        ],
        "refusal": None,
    }


def _chance_json(piece: bytes, logprob: float) -> dict[str, Any]:
    return {"token": piece.decode("utf-8", "replace"), "logprob": max(logprob, -9999.0), "bytes": list(piece)}


def error_json(error: BaseException, path: str) -> dict[str, Any]:
    """An error in that protocol's form."""
    problem = problem_for(error, path)
    kind = "invalid_request_error" if problem.status < 500 else "server_error"
    code = {
        "no-such-model": "model_not_found",
        "no-such-collection": "model_not_found",
        "not-signed-in": "invalid_api_key",
    }.get(problem.slug, problem.slug)
    return {"error": {"message": problem.detail, "type": kind, "param": None, "code": code}}


def head_of(kind: str, model: str, events: list[AnswerEvent]) -> dict[str, Any]:
    """What every object and chunk begins with."""
    told = Transcript(events).started
    completion = f"chatcmpl-{told.answer if told else secrets.token_hex(12)}"
    return {"id": completion, "object": kind, "created": int(time.time()), "model": model}


def chunk(
    head: Mapping[str, Any],
    delta: Mapping[str, Any],
    finish: str | None = None,
    logprobs: Mapping[str, Any] | None = None,
    **more: Any,
) -> bytes:
    """A `chat.completion.chunk` frame."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish, "logprobs": logprobs}
    return data_frame({**head, "choices": [choice], **more})


def data_frame(value: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
