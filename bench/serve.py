"""Words and first words of whole servers as several askers see them: ours, llama-cpp-python's, llama.cpp's own.

Same file, threads, prompts and machine in one run, in turns. What is known is kept after every scene, and a scene for
which no time is left is left out. Knows no measure of quality.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import httpx
import numpy as np
import psutil

from bench.askers import ask_all, client, hear, open_streams
from bench.generate import PACKAGES, Board, converted_file
from bench.prompts import Counter, Prompts
from bench.record import RESULTS, record, show
from bench.servers import Server, native_server, our_server, peer_server
from rag.llm.generator import GenerationRequest
from rag.llm.llama import LlamaModel, build_features
from rag.llm.local import chat_template
from rag.llm.registry import packaged_model
from rag.llm.tokens import PromptMaker
from rag.processors import shares
from rag.settings import Settings

T = TypeVar("T")
ASKERS = (1, 4, 8, 16)
CONTEXT = 1536
RUNNING_TOKENS = 200  # of the answer that runs while a long prompt arrives
PROMPT, LONGEST_PROMPT = 200, 1000  # tokens
IDLE, IDLE_CROWDS = 1000, 8  # streams, which come in so many crowds
IDLE_KB, GAP_SECONDS = 30.0, 0.25  # what is wanted at most
WANTED = {"kb_per_idle_stream_as_wanted": 1.0, "seconds_between_tokens_beside_1000_p95_as_wanted": 1.0}
# Keeps a model talking for long, whatever it would say.
_ENDLESS = "root ::= line line line line line line line line line line line line\nline ::= [a-z ]{200}\n"


class NoTimeLeft(Exception):
    """There is no time left for a scene."""


@click.command("serve")
@click.option("--model", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Another GGUF file.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.5),
    default=8.0,
    show_default=True,
    help="Longest run.",
)
@click.option("--tokens", type=click.IntRange(min=2), default=48, show_default=True, help="Longest answer.")
@click.option("--askers", type=click.IntRange(min=1), multiple=True, default=ASKERS, show_default=True)
@click.option("--idle", type=click.IntRange(min=0), default=IDLE, show_default=True, help="Streams that only wait.")
@click.option("--optimized/--as-shipped", default=False, show_default=True, help="Also ours over the converted file.")
@click.option("--alone", is_flag=True, help="Without the other server.")
@click.option(
    "--native",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="llama.cpp's own `llama-server`, built elsewhere: measured as well.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "serve.json", help="Where figures are kept."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def serve_command(
    ctx: click.Context,
    model: Path | None,
    minutes: float,
    tokens: int,
    askers: Sequence[int],
    idle: int,
    optimized: bool,
    alone: bool,
    native: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """Throughput and first words at 1, 4, 8 and 16 askers against llama_cpp.server; memory of idle streams."""
    settings: Settings = ctx.obj[0]
    path, began = model or packaged_model(), time.monotonic()
    threads = shares(settings).model
    kept = settings.data / "models"
    board = Board()
    about: dict[str, Any] = {"model": path.name, "threads": threads, "llama_cpp_build": build_features()}
    result: dict[str, Any] = {}

    def keep() -> None:
        nonlocal result
        told = about | board.figures() | {"seconds_taken": round(time.monotonic() - began, 1)}
        result = record(ratios(board.figures()), told, PACKAGES, output, WANTED)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shape = {"threads": threads, "context_tokens": CONTEXT}
        ours = stack.enter_context(our_server(path, kept, sequences=max(askers), **shape))
        servers = [ours]
        if not alone:
            servers.append(stack.enter_context(peer_server(path, **shape)))
        if native is not None:
            servers.append(stack.enter_context(native_server(native, path, sequences=max(askers), **shape)))
        if optimized and (converted := converted_file(settings, path, threads, folder)) is not None:
            about["optimized_model"] = converted.name
            best = stack.enter_context(our_server(converted, kept, sequences=max(askers), **shape))
            servers.append(replace(best, name="optimized"))
        scenes = Scenes(counter_of(path), tokens, time.monotonic() + 60 * minutes)
        steps: list[Callable[[], None]] = [lambda: scenes.warm(servers)]
        steps += [partial(scenes.together, board, servers, n) for n in askers]
        steps += [lambda: scenes.beside_a_prompt(board, servers)]
        if idle:
            steps += [lambda: scenes.idle_streams(board, ours, max(askers), idle)]
        for step in steps:
            try:
                step()
            except (NoTimeLeft, httpx.HTTPError, ValueError) as error:
                board.say(f"a scene is left out: {error}")
            keep()
    show(result, as_json=as_json)


class Scenes:
    """What is asked of the servers. `end`: the moment (`time.monotonic`) by which everything is over."""

    def __init__(self, counter: Counter, tokens: int, end: float) -> None:
        self._prompts = Prompts(counter)
        self._tokens = tokens
        self._end = end

    def warm(self, servers: Sequence[Server]) -> None:
        """Load what is loaded late."""
        for server in servers:
            self._run(ask_all(server, [self._prompts.request(PROMPT, f"warm {server.name}", 4)]))

    def together(self, board: Board, servers: Sequence[Server], askers: int) -> None:
        """Several people ask at once, each something else."""
        for server in servers:
            asked = self._prompts.several(PROMPT, f"{askers} at once", askers, self._tokens)
            heard = self._run(ask_all(server, asked))
            longest = max(one.whole for one in heard)
            first = [one.first for one in heard]
            board.put(f"answers_per_second_{askers}_askers_{server.name}", len(heard) / longest)
            board.put(f"tokens_per_second_{askers}_askers_{server.name}", sum(one.pieces for one in heard) / longest)
            board.put(f"seconds_to_first_word_{askers}_askers_{server.name}", statistics.median(first))
            board.put(f"seconds_to_first_word_{askers}_askers_slowest_{server.name}", max(first))

    def beside_a_prompt(self, board: Board, servers: Sequence[Server]) -> None:
        """How long a running answer pauses while a long prompt arrives, and when that one's first word comes."""
        for server in servers:
            running = replace(self._prompts.request(PROMPT, "runs", RUNNING_TOKENS), grammar=_ENDLESS)
            arriving = self._prompts.request(LONGEST_PROMPT, "arrives", 2)
            late, gaps = self._run(_beside(server, running, arriving))
            board.put(f"seconds_to_first_word_1000_beside_another_{server.name}", late)
            if gaps:
                board.put(f"seconds_between_tokens_beside_1000_p95_{server.name}", float(np.percentile(gaps, 95)))

    def idle_streams(self, board: Board, server: Server, sequences: int, count: int) -> None:
        """Memory of streams that wait for their turn, in KB (1,000 bytes) each."""
        busy = replace(self._prompts.request(1, "holds all", CONTEXT // 2), grammar=_ENDLESS)
        waits = self._prompts.request(1, "waits", 1)
        taken = self._run(_idle(server, [busy] * sequences, [waits] * count))
        board.put("kb_per_idle_stream_ours", taken / 1000)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(max(0.0, self._end - time.monotonic())):
                return await work

        try:
            return asyncio.run(bounded())
        except TimeoutError:
            raise NoTimeLeft("no time is left for a scene; give more with --minutes") from None


async def _beside(server: Server, running: GenerationRequest, arriving: GenerationRequest) -> tuple[float, list[float]]:
    """Seconds until the first word of what arrives, and the gaps of what runs meanwhile."""
    spoken = asyncio.Event()
    async with client(server, 2) as http:
        first = asyncio.create_task(hear(http, server, running, time.perf_counter(), spoken))
        waiting = asyncio.create_task(spoken.wait())
        await asyncio.wait((first, waiting), return_when=asyncio.FIRST_COMPLETED)
        start = time.perf_counter()
        arrived = await hear(http, server, arriving, start)
        end = time.perf_counter()
        heard = await first
        waiting.cancel()
    return arrived.first, [gap for gap, moment in heard.gaps if start < moment <= end]


async def _idle(server: Server, busy: Sequence[GenerationRequest], waiting: Sequence[GenerationRequest]) -> float:
    """Bytes of the server's memory that one of those who wait takes, while those that are `busy` have every sequence.

    The median of several crowds: once in a while the server gives back what something else had taken.
    """
    size = max(1, len(waiting) // IDLE_CROWDS)
    async with AsyncExitStack() as room:
        await open_streams(server, busy, room)
        held, grown = own_memory(server.pid), []
        for start in range(0, len(waiting), size):
            crowd = waiting[start : start + size]
            await open_streams(server, crowd, room)
            before, held = held, own_memory(server.pid)
            grown.append((held - before) / len(crowd))
        return statistics.median(grown)


def own_memory(pid: int) -> int:
    """Bytes of a process that no file stands behind: those of mapped models come and go as the system likes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has it
        resident: int = psutil.Process(pid).memory_info().rss
        return resident
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def counter_of(path: Path) -> Counter:
    """Counts tokens as the model does."""
    model = LlamaModel(path)
    maker = PromptMaker(model, chat_template(model))
    return lambda messages: len(maker.prompt(messages).tokens)


def ratios(known: Mapping[str, float]) -> dict[str, float]:
    """Larger is better for us. Those `as_wanted` are 1 where a limit is just kept."""
    found = {}
    for name, ours in known.items():
        what, _, who = name.rpartition("_")
        for side, mark in (("peer", ""), ("native", "_against_native")):
            if who in ("ours", "optimized") and (other := known.get(f"{what}_{side}")) is not None:
                better = ours / other if "per_second" in what else other / ours
                found[(what if who == "ours" else name) + mark] = better
    for what, most in (("kb_per_idle_stream", IDLE_KB), ("seconds_between_tokens_beside_1000_p95", GAP_SECONDS)):
        if (measured := known.get(f"{what}_ours")) is not None:
            found[f"{what}_as_wanted"] = most / max(measured, 1e-9)
    return found
