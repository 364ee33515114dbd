"""Stand-ins with the real signatures, for tests that need no real model. Knows no test."""

import asyncio
import errno
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from index.embedder import EmbedderStamp
from ingest.files import Files
from rag.errors import ContextTooLong, NoSuchModel
from rag.llm.generator import Finished, GenerationEvent, GenerationRequest, Message, Queued, TextDelta, Usage

_WORD = re.compile(r"\w+|[^\w\s]")


class HashEmbedder:
    """A hashed bag of words: texts that share words are alike. Deterministic across processes; no model needed."""

    def __init__(self, dimension: int = 32, max_tokens: int = 256) -> None:
        self.max_tokens = max_tokens
        self.stamp = EmbedderStamp("hash", "1", "fp32", "bag", max_tokens, dimension)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        for text in texts:
            tokens = self.count(text)
            if tokens > self.max_tokens - 2:
                raise ValueError(
                    f"a text has {tokens} tokens but this model reads {self.max_tokens - 2}; split it first"
                )
        rows = np.zeros((len(texts), self.stamp.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._row(_WORD.findall(text.lower()))
        return rows

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._row(_WORD.findall(text.lower())[: self.max_tokens - 2])

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _WORD.finditer(text)]

    def count(self, text: str) -> int:
        return sum(1 for _ in _WORD.finditer(text))

    def close(self) -> None:
        pass

    def _row(self, words: Sequence[str]) -> NDArray[np.float32]:
        row = np.zeros(self.stamp.dimension, dtype=np.float32)
        for word in words or [""]:
            digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
            sign = 1.0 if digest & 1 else -1.0
            row[(digest >> 1) % self.stamp.dimension] += sign
        length = float(np.linalg.norm(row))
        if length == 0.0:  # the signs of the words cancelled each other
            row[0] = length = 1.0
        return (row / np.float32(length)).astype(np.float32)


class ScriptedGenerator:
    """Says what the script says, piece by piece, and remembers what it was asked. A token is a word.

    An exception in the script is raised at its place. `pause` is the time between pieces in seconds; `open_streams`
    counts streams that have begun and neither ended nor been closed.
    """

    def __init__(
        self,
        script: Sequence[str | Queued | Exception] = (),
        *,
        name: str = "scripted",
        local: bool = True,
        context_tokens: int = 4096,
        pause: float = 0.0,
    ) -> None:
        self.script = list(script)
        self.name = name
        self.local = local
        self.context_tokens = context_tokens
        self.pause = pause
        self.requests: list[GenerationRequest] = []
        self.open_streams = 0
        self.cancelled = 0

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    async def stream(self, request: GenerationRequest) -> AsyncIterator[GenerationEvent]:
        self.requests.append(request)
        prompt = self.count_tokens(request.messages)
        if prompt + request.max_tokens > self.context_tokens:
            raise ContextTooLong(f"the prompt has {prompt} tokens, the context {self.context_tokens}")
        self.open_streams += 1
        said = 0
        try:
            for piece in self.script:
                await asyncio.sleep(self.pause)
                if isinstance(piece, Exception):
                    raise piece
                if isinstance(piece, Queued):
                    yield piece
                    continue
                said += len(piece.split())
                yield TextDelta(piece)
            yield Finished("stop", Usage(prompt, 0, said))
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += 1
            raise
        finally:
            self.open_streams -= 1

    def close(self) -> None:
        pass


class ScriptedModels:
    """A room of models with one scripted generator; `None` and its name find it."""

    def __init__(self, generator: ScriptedGenerator) -> None:
        self.generator = generator

    def names(self) -> list[str]:
        return [self.generator.name]

    def describe(self) -> list[dict[str, Any]]:
        return [{"name": self.generator.name, "local": self.generator.local}]

    def get(self, name: str | None) -> ScriptedGenerator:
        if name not in (None, self.generator.name):
            raise NoSuchModel(f"there is no model {name!r}; {self.generator.name!r} is the only one")
        return self.generator

    def close(self) -> None:
        self.generator.close()


class FaultyFiles(Files):
    """The disk, failing or dying at the Nth call. `at` counts from 1 over all operations; 0 never."""

    def __init__(self, at: int = 0, fault: Callable[[str], None] | None = None) -> None:
        self.at = at
        self.calls: list[str] = []
        self._fault = fault or _no_space

    def create(self, path: Path) -> BinaryIO:
        self._count("create")
        return super().create(path)

    def write(self, file: BinaryIO, data: bytes) -> None:
        self._count("write")
        super().write(file, data)

    def sync(self, file: BinaryIO) -> None:
        self._count("sync")
        super().sync(file)

    def rename(self, source: Path, target: Path) -> None:
        self._count("rename")
        super().rename(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._count("sync_folder")
        super().sync_folder(folder)

    def make_folder(self, folder: Path) -> None:
        self._count("make_folder")
        super().make_folder(folder)

    def remove(self, path: Path) -> None:
        self._count("remove")
        super().remove(path)

    def _count(self, call: str) -> None:
        self.calls.append(call)
        if len(self.calls) == self.at:
            self._fault(call)


def _no_space(_call: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
