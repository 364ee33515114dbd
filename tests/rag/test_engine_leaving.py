"""Askers who leave, at any moment and in any way: nothing is held for them afterwards."""

import asyncio
import contextlib
import gc
import random
import time

import pytest

from tests.fakes import ByteModel
from tests.rag.engine_scenes import alone, ask, busy, engine_over, eventually, told


@pytest.mark.parametrize("way", ["aclose", "cancel", "drop"])
@pytest.mark.parametrize("when", ["reading the prompt", "generating", "waiting"])
def test_invariant_11_a_client_that_leaves_costs_nothing_after_one_batch(way, when):
    model = ByteModel(sequences=1, context_tokens=6000, ends=False, batch_tokens=32, pause=0.005)

    async def scene(engine):
        if when == "waiting":
            runner = asyncio.create_task(told(engine.stream(ask(max_tokens=4000))))
            await eventually(lambda: busy(engine) == 1)
        stream = engine.stream(ask("z" * 3000 if when == "reading the prompt" else "z", max_tokens=2000))
        if when == "generating":
            await anext(stream)
        task = asyncio.create_task(told(stream))
        if when == "waiting":
            await eventually(lambda: len(engine._waiting) == 1)
        else:
            await eventually(lambda: busy(engine) == 1 and len(model.batches) > 2)
        if way == "aclose":
            await stream.aclose()
        elif way == "cancel":
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        else:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            del task, stream
            gc.collect()
        before = len(model.batches)
        if when == "waiting":
            await eventually(lambda: len(engine._waiting) == 0)
            runner.cancel()
        await eventually(lambda: busy(engine) == 0)
        assert when == "waiting" or len(model.batches) - before <= 2
        if way == "aclose":
            await task

    with engine_over(model) as engine:
        asyncio.run(scene(engine))


def test_a_stream_that_is_never_read_is_given_up():
    model = ByteModel(sequences=1, context_tokens=6000, ends=False, pause=0.002)

    async def scene(engine):
        stream = engine.stream(ask(max_tokens=4000))
        await anext(stream)
        await eventually(lambda: busy(engine) == 0)
        return await told(stream)

    with engine_over(model, lease=0.2) as engine:
        _, finished, _ = asyncio.run(scene(engine))
    assert finished.reason == "cancelled"


def test_a_reader_whose_loop_has_ended_frees_its_sequence():
    model = ByteModel(sequences=1, context_tokens=6000, ends=False, pause=0.002)
    kept = []

    async def scene(engine):
        kept.append(engine.stream(ask(max_tokens=4000)))
        await anext(kept[0])

    with engine_over(model) as engine:
        asyncio.run(scene(engine))
        limit = time.monotonic() + 5
        while busy(engine):
            assert time.monotonic() < limit
            time.sleep(0.01)


def test_a_stream_that_was_never_begun_costs_nothing():
    model = ByteModel()
    with engine_over(model) as engine:
        stream = engine.stream(ask())
        asyncio.run(stream.aclose())
        assert asyncio.run(told(stream)) == ("", None, [])
    assert model.batches == []


def test_a_random_crowd_leaves_nothing_behind():
    """Requests of random length, a third of which leave at a random time."""
    draw = random.Random(5)
    model = ByteModel(context_tokens=400)

    async def visitor(engine, n):
        request = ask("u" * draw.randint(1, 150), max_tokens=draw.randint(1, 80), tenant=str(n % 3))
        stream = engine.stream(request)
        if n % 3:
            assert (await told(stream))[0] == alone(request)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told(stream), draw.random() * 0.02)

    async def scene(engine):
        await asyncio.gather(*(visitor(engine, n) for n in range(150)))
        await eventually(lambda: busy(engine) == 0 and not engine._waiting)

    with engine_over(model, queue=200) as engine:
        asyncio.run(scene(engine))
        assert engine._inside == 0
        for slot in engine._slots.views():
            assert list(slot.tokens) == model.memory[slot.sequence]
    assert model.open_samplers == 0
