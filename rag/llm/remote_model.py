"""What the generators of all vendors share: name, limits, clients, and the conversation. Knows no vendor's words."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpx2

from rag.llm.estimate import TokenEstimate
from rag.llm.generator import GenerationEvent, GenerationRequest, Message
from rag.llm.remote import CONNECT_SECONDS, ClientPerLoop, Line, Problem, RemoteEvents, Step, converse

Client = TypeVar("Client")


class RemoteModel(ABC, Generic[Client]):
    """A Generator whose subclass is the dialect of one vendor. `silence`: longest wait for content, in seconds."""

    def __init__(
        self, section: str, model: str, api_key: str, url: str, estimate: TokenEstimate, *, tokens: int, silence: float
    ) -> None:
        """`section` is that of the settings; `tokens` is the context's length."""
        self._model = model
        self._section = section
        self._context_tokens = tokens
        self._estimate = estimate
        timeout = httpx2.Timeout(silence, connect=min(CONNECT_SECONDS, silence))
        self._clients = ClientPerLoop(lambda: self.client(api_key, url, timeout))
        self._line = Line(self.name, section, urlsplit(url).netloc.rpartition("@")[2], silence)

    @property
    def name(self) -> str:
        return f"{self._section}:{self._model}"

    @property
    def local(self) -> bool:
        return False

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Never fewer than the truth; see rag/llm/estimate.py."""
        return self._estimate.count(messages)

    def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        return converse(self._line, self, request)

    def close(self) -> None:
        self._clients.clear()

    @abstractmethod
    def client(self, api_key: str, url: str, timeout: httpx2.Timeout) -> Client:
        """A new client of the vendor's library, without retries of its own."""

    @property
    @abstractmethod
    def errors(self) -> tuple[type[Exception], ...]:
        """See `Dialect`."""

    @abstractmethod
    async def open(self, request: GenerationRequest) -> RemoteEvents:
        """See `Dialect`."""

    @abstractmethod
    def step(self, event: Any) -> Step:
        """See `Dialect`."""

    @abstractmethod
    def problem(self, error: Exception) -> Problem:
        """See `Dialect`."""
