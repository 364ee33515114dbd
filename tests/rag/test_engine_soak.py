"""Some hundred requests over native code, with leavers of every kind: afterwards nothing is held that was not before.

A very small model with random weights, so that it is the engine that is tried and not the arithmetic.
"""

import asyncio
import contextlib
import os
import random
import threading
from pathlib import Path

import llama_cpp
import psutil
import pytest

from bench.record import record
from rag.errors import QueueFull
from rag.llm.generator import Finished, GenerationRequest, Message, TextDelta
from rag.llm.local import open_local_engine
from tests.rag.tiny_model import write_tiny_model

pytestmark = pytest.mark.real

REQUESTS = int(os.environ.get("SOAK_REQUESTS", "320"))  # `make soak` asks for 2,000
OUTPUT = os.environ.get("SOAK_OUTPUT", "")  # where figures are kept
WORDS = ("lamp", "button", "hub", "sensor", "blinks", "green", "reset", "hold", "press", "seconds", "gateway")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture
def engine(file):
    engine = open_local_engine(file, context_tokens=512, sequences=4, queue=1000, threads=1)
    yield engine
    engine.close()


def request_of(draw):
    text = " ".join(draw.choices(WORDS, k=draw.randint(1, 40)))
    options = {"max_tokens": draw.randint(1, 40), "tenant": str(draw.randint(0, 3))}
    if draw.random() < 0.3:
        options |= {"temperature": 1.2, "seed": draw.randint(0, 9), "top_k": draw.randint(0, 5)}
    if draw.random() < 0.2:
        options |= {"grammar": "root ::= [a-z ]{5,30}"}
    if draw.random() < 0.2:
        options |= {"alternatives": 2}
    return GenerationRequest((Message("system", "Be brief."), Message("user", text)), **options)


async def visit(engine, draw, ends):
    """One request that is read to its end, left at some moment, or not read at all."""
    stream = engine.stream(request_of(draw))
    way = draw.random()
    try:
        if way < 0.5:
            async for event in stream:
                if isinstance(event, Finished):
                    ends.append(event.reason)
        elif way < 0.7:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(anext(stream), draw.random() * 0.05)
            await stream.aclose()
        elif way < 0.9:
            task = asyncio.create_task(anext(stream))
            await asyncio.sleep(draw.random() * 0.02)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await task
    except QueueFull:
        pass


async def crowd(engine, seed, count):
    draw, ends = random.Random(seed), []
    await asyncio.gather(*(visit(engine, draw, ends) for _ in range(count)))
    while engine._inside:  # noqa: ASYNC110 - the thread has no event to wait for
        await asyncio.sleep(0.005)
    return ends


def held():
    """Threads, open files and resident bytes of this process."""
    process = psutil.Process()
    return threading.active_count(), process.num_fds(), process.memory_info().rss


def test_soak_nothing_is_held_after_a_crowd_has_come_and_gone(engine):
    # The first crowd fills what is kept on purpose: prefixes, buffers, the allocator's arenas.
    asyncio.run(crowd(engine, 1, REQUESTS // 4))
    before = held()
    for round_number in range(3):
        ends = asyncio.run(crowd(engine, 2 + round_number, REQUESTS // 4))
        assert ends
        assert set(ends) <= {"stop", "length"}
    after = held()
    kept = sum(engine._decoder.length(view.sequence) for view in engine._slots.views())
    assert after[:2] == before[:2]
    assert after[2] - before[2] < 64 * 1024**2
    assert engine._slots.active() == []
    assert (len(engine._waiting), engine._inside) == (0, 0)
    for view in engine._slots.views():
        assert engine._decoder.length(view.sequence) == len(view.tokens), "what is thought to be held is what is held"
    engine._slots.drop_idle()
    assert [engine._decoder.length(view.sequence) for view in engine._slots.views()] == [0] * 4
    if OUTPUT:
        names = ("threads", "files", "resident_bytes")
        figures = {f"{name}_before": value for name, value in zip(names, before, strict=True)}
        figures |= {f"{name}_after": value for name, value in zip(names, after, strict=True)}
        record(
            {}, {"requests": REQUESTS, **figures, "tokens_kept": kept, "tokens_held_at_the_end": 0}, (), Path(OUTPUT)
        )


def tokens_alone(model, prompt, count):
    """The library's own greedy answer, one at a time."""
    model.reset()
    said = []
    for token in model.generate(list(prompt), temp=0.0, top_k=0, top_p=1.0, min_p=0.0, repeat_penalty=1.0):
        if token == model.token_eos() or len(said) == count:
            break
        said.append(token)
    return said


def test_reused_prefixes_say_what_the_library_says_from_scratch(engine, file):
    """Follow-ups on kept prefixes, on copies of busy sequences and on cut ones, against one-at-a-time decoding."""
    plain = llama_cpp.Llama(str(file), n_ctx=512, n_threads=1, verbose=False)
    draw = random.Random(11)
    system = " ".join(draw.choices(WORDS, k=30))
    turns = [Message("system", system), Message("user", "How does the lamp blink?")]

    async def told(request):
        text, cached = "", 0
        async for event in engine.stream(request):
            if isinstance(event, TextDelta):
                text += event.text
            elif isinstance(event, Finished):
                cached = event.usage.cached_tokens
        return text, cached

    async def scene():
        reused = 0
        for turn in range(3):
            several = [(*turns, Message("user", f"{draw.choice(WORDS)} {turn} {n}?")) for n in range(3)]
            requests = [GenerationRequest(tuple(messages), max_tokens=8, tenant="t") for messages in several]
            for request, (text, cached) in zip(requests, await asyncio.gather(*map(told, requests)), strict=True):
                prompt = engine.prepare(request).tokens
                expected = tokens_alone(plain, prompt, 8)
                pieces = b"".join(engine._vocabulary.piece(token) for token in expected)
                assert pieces.decode("utf-8", "replace").startswith(text.rstrip("\ufffd"))
                assert len(text) >= len(pieces.decode("utf-8", "ignore")) - 1
                reused += cached
            turns.append(Message("assistant", " ".join(draw.choices(WORDS, k=3))))
            turns.append(Message("user", draw.choice(WORDS)))
        return reused

    assert asyncio.run(scene()) > 200, "most of the prompts was not read again"
    plain.close()


def test_a_process_that_opens_and_closes_engines_holds_nothing(file):
    def once():
        engine = open_local_engine(file, context_tokens=512, sequences=2, threads=1)
        asyncio.run(crowd(engine, 5, 10))
        engine.close()

    once()
    before = (threading.active_count(), psutil.Process().num_fds())
    for _ in range(6):
        once()
    assert (threading.active_count(), psutil.Process().num_fds()) == before
