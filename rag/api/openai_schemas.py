"""The bodies of the OpenAI protocol that we read and write. Unknown fields are ignored, as that protocol expects."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from rag.api.footnotes import Footnote
from rag.errors import BadRequest
from rag.events import AnswerUsage
from rag.llm.generator import Message, Usage


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
