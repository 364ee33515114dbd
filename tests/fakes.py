"""Stand-ins with the real signatures, for tests that need no real model. Knows no test."""

import asyncio
import errno
import hashlib
import os
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from index.embedder import EmbedderStamp
from ingest.files import Files
from rag.errors import ContextTooLong, NoSuchModel
from rag.llm.decoder import Sampling, Segment
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
        self.shelf: Any = None  # where a test keeps versions

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


class ByteModel:
    """A Vocabulary and a Decoder whose tokens are bytes. What it says depends on all tokens before, on nothing else.

    So a slip in positions, kept prefixes or batches changes the text. `fault` may answer for a decode (None: work);
    after a failure below -1 the memory is left torn, as llama.cpp leaves it. A decode takes `pause` seconds.
    """

    START, END, TOOL = 256, 257, 258

    def __init__(
        self,
        *,
        sequences: int = 4,
        context_tokens: int = 512,
        batch_tokens: int = 64,
        pause: float = 0.0,
        fault: Callable[[Sequence[Segment]], int | None] = lambda _segments: None,
        whole_only: bool = False,
        ends: bool = True,
    ) -> None:
        self.sequences, self.context_tokens, self.batch_tokens = sequences, context_tokens, batch_tokens
        self.pause, self.fault, self.whole_only, self.ends = pause, fault, whole_only, ends
        self.memory: list[list[int]] = [[] for _ in range(sequences)]
        self.batches: list[list[Segment]] = []
        self.closed = False
        self.open_samplers = 0
        self._rows: dict[int, int] = {}
        self.special = {"<|im_start|>": self.START, "<|im_end|>": self.END, "<tool>": self.TOOL}
        self.stubborn = frozenset({"<tool>"})
        self.first_token = None

    def text_of(self, token: int) -> str:
        return next((text for text, special in self.special.items() if special == token), chr(token))

    def tokenize(self, text: str) -> list[int]:
        pieces = re.split("(<tool>)", text)
        return [t for piece in pieces for t in ([self.TOOL] if piece == "<tool>" else piece.encode("utf-8", "replace"))]

    def piece(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b""

    def is_end(self, token: int) -> bool:
        return token == self.END

    def decode(self, segments: Sequence[Segment]) -> int:
        if self.pause:
            time.sleep(self.pause)
        if sum(len(segment.tokens) for segment in segments) > self.batch_tokens:
            raise ValueError("the batch is longer than agreed")
        result = self.fault(segments)
        if result is not None and result != 0:
            if result < -1:
                for segment in segments:
                    self.memory[segment.sequence] += segment.tokens[: len(segment.tokens) // 2]
            return result
        if any(segment.start + len(segment.tokens) > self.context_tokens for segment in segments):
            return 1
        self.batches.append(list(segments))
        self._rows, row = {}, -1
        for segment in segments:
            memory = self.memory[segment.sequence]
            if segment.start != len(memory):
                raise ValueError(f"sequence {segment.sequence} holds {len(memory)} tokens, not {segment.start}")
            memory += segment.tokens
            row += len(segment.tokens)
            for back in range(segment.guessed + 1 if segment.sample else 0):
                said = self.following(memory[: len(memory) - back])
                self._rows[row - back] = ord("e") if said == self.END and not self.ends else said
        return 0

    def forget(self, sequence: int, start: int) -> bool:
        if self.whole_only and 0 < start < len(self.memory[sequence]):
            return False
        del self.memory[sequence][start:]
        return True

    def copy(self, source: int, target: int, length: int) -> bool:
        self.memory[target] = list(self.memory[source])
        return self.forget(target, length)

    def likely(self, row: int, token: int, others: int) -> tuple[float, list[tuple[int, float]]]:
        return (0.0, [(token, 0.0)][:others])

    def accepts_grammar(self, grammar: str) -> bool:
        return "root" in grammar

    def sampler(self, sampling: Sampling) -> "_ByteSampler":
        self.open_samplers += 1
        return _ByteSampler(self)

    def row(self, row: int) -> int:
        return self._rows[row]

    def close(self) -> None:
        self.closed = True

    @classmethod
    def following(cls, tokens: Sequence[int]) -> int:
        """What this model says after these tokens: a letter, now and then a space, seldom the end."""
        draw = zlib.crc32(repr(list(tokens)).encode())
        return cls.END if draw % 53 == 0 else 32 if draw % 7 == 0 else ord("a") + draw % 26


class _ByteSampler:
    def __init__(self, model: ByteModel) -> None:
        self._model = model

    def sample(self, row: int) -> int:
        return self._model.row(row)

    def close(self) -> None:
        self._model.open_samplers -= 1
