"""Who answers in the measurement of generation: our engine, the library's high-level class, and bare batched decoding.

Knows no prompts and no ratios.
"""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import llama_cpp

from rag.llm.decoder import Segment
from rag.llm.engine import LocalEngine
from rag.llm.generator import Finished, GenerationRequest, TextDelta
from rag.llm.llama import LlamaContext, LlamaModel
from rag.llm.local import BATCH_TOKENS, chat_template
from rag.llm.tokens import PromptMaker


@dataclass(frozen=True, slots=True)
class Timing:
    """One answer: seconds to the first text and to the end since it was asked for, and its tokens.

    `gaps`: seconds between one text and the next, with the moment (`time.perf_counter`) at which each ended.
    """

    first: float
    whole: float
    tokens: int
    gaps: tuple[tuple[float, float], ...] = ()


class Side(Protocol):
    """Somebody who answers prompts."""

    def answers(self, requests: Sequence[GenerationRequest]) -> list[Timing]:
        """All answers, timed from the moment when the first was asked for."""
        ...


class TimedContext(LlamaContext):
    """Counts what the engine's thread does inside decoding and outside, in seconds it had a processor."""

    inside = outside = 0.0
    _left = 0.0

    def decode(self, segments: Sequence[Segment]) -> int:
        began = time.thread_time()
        if self._left:
            self.outside += began - self._left
        result = super().decode(segments)
        self._left = time.thread_time()
        self.inside += self._left - began
        return result

    def begin(self) -> None:
        """Count anew, from the next decode on."""
        self.inside = self.outside = self._left = 0.0

    @property
    def overhead(self) -> float:
        """What all but decoding takes, as a share of decoding."""
        return self.outside / self.inside if self.inside else 0.0


class Ours:
    """The engine: all requests are asked at once."""

    def __init__(self, path: Path, *, sequences: int, context_tokens: int, threads: int) -> None:
        model = LlamaModel(path)
        self.context = TimedContext(
            model, sequences=sequences, context_tokens=context_tokens, batch_tokens=BATCH_TOKENS, threads=threads
        )
        prompts = PromptMaker(model, chat_template(model))
        self.engine = LocalEngine("measured", model, self.context, prompts, queue=64)

    def answers(self, requests: Sequence[GenerationRequest]) -> list[Timing]:
        return asyncio.run(self._all(requests))

    async def _all(self, requests: Sequence[GenerationRequest]) -> list[Timing]:
        return list(await asyncio.gather(*(self.one(request) for request in requests)))

    async def one(self, request: GenerationRequest, begun: asyncio.Event | None = None) -> Timing:
        """One answer; `begun` is set with its first text."""
        began = last = time.perf_counter()
        first, tokens, gaps = 0.0, 0, []
        async for event in self.engine.stream(request):
            if isinstance(event, TextDelta):
                now = time.perf_counter()
                if first:
                    gaps.append((now - last, now))
                first, last = first or now - began, now
                if begun is not None:
                    begun.set()
            elif isinstance(event, Finished):
                tokens = event.usage.completion_tokens
        return Timing(first, time.perf_counter() - began, tokens, tuple(gaps))

    def close(self) -> None:
        self.engine.close()


class Plain:
    """The library's high-level class, as its documentation shows it: one after another.

    Without `layouts` weights stay as they lie in the file, and AMX is not entered.
    """

    def __init__(
        self, path: Path, *, context_tokens: int, threads: int, engine: LocalEngine, layouts: bool = True
    ) -> None:
        with nullcontext() if layouts else _layouts_of_the_file():
            self._llama = llama_cpp.Llama(
                str(path), n_ctx=context_tokens, n_threads=threads, n_threads_batch=threads, verbose=False
            )
        self._engine = engine  # builds the same tokens for both sides

    def answers(self, requests: Sequence[GenerationRequest]) -> list[Timing]:
        began = time.perf_counter()
        return [self._one(request, began) for request in requests]

    def _one(self, request: GenerationRequest, began: float) -> Timing:
        first, tokens = 0.0, 0
        prompt = list(self._engine.prepare(request).tokens)
        for piece in self._llama.create_completion(prompt, max_tokens=request.max_tokens, temperature=0.0, stream=True):
            if piece["choices"][0]["text"]:
                first = first or time.perf_counter() - began
                tokens += 1
        return Timing(first, time.perf_counter() - began, tokens)

    def close(self) -> None:
        self._llama.close()


@contextmanager
def _layouts_of_the_file() -> Iterator[None]:
    library = llama_cpp.llama_cpp
    usual = library.llama_model_default_params

    def plain() -> llama_cpp.llama_model_params:
        params = usual()
        params.use_extra_bufts = False
        return params

    library.llama_model_default_params = plain
    try:
        yield
    finally:
        library.llama_model_default_params = usual


def batched_bench(binary: Path, path: Path, *, streams: int, prompt: int, tokens: int, threads: int) -> float:
    """Tokens per second of all streams together by llama.cpp's own `llama-batched-bench`, built elsewhere."""
    given = {
        "-m": path,
        "-c": streams * (prompt + tokens),
        "-npp": prompt,
        "-ntg": tokens,
        "-npl": streams,
        "-t": threads,
        "-tb": threads,
        "-fa": "off",
        "--output-format": "jsonl",
    }
    command = [str(binary), *(str(part) for pair in given.items() for part in pair)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout
    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    return float(found["speed_tg"])


def batched_speed(path: Path, *, streams: int, prompt: Sequence[int], tokens: int, threads: int) -> float:
    """Tokens per second of all streams together, as `llama-batched-bench` counts them: nothing is sampled or sent.

    Every stream holds the prompt; then `tokens` batches follow with one token of each.
    """
    room = len(prompt) + tokens
    model = LlamaModel(path)
    context = LlamaContext(model, sequences=streams, context_tokens=room, batch_tokens=512, threads=threads)
    try:
        for start in range(0, len(prompt), 512):
            context.decode([Segment(0, start, prompt[start : start + 512], True)])
        for sequence in range(1, streams):
            context.copy(0, sequence, len(prompt))
        began = time.perf_counter()
        for n in range(tokens):
            at = len(prompt) + n
            context.decode([Segment(s, at, [prompt[(at + s) % len(prompt)]], True) for s in range(streams)])
        context.logits(0)
        return streams * tokens / (time.perf_counter() - began)
    finally:
        context.close()
