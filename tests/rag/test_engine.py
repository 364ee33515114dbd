"""The engine over a decoder whose text betrays every slip: see ByteModel."""

import asyncio
import random

import pytest

from rag.errors import QueueFull
from rag.llm.generator import Usage
from tests.fakes import ByteModel
from tests.rag.engine_scenes import alone, ask, busy, engine_over, eventually, told


def test_one_answer():
    with engine_over(ByteModel()) as engine:
        request = ask()
        text, finished, queued = asyncio.run(told(engine.stream(request)))
        assert text == alone(request)
        assert queued == []
        assert finished.usage.prompt_tokens == engine.count_tokens(request.messages)
        assert finished.reason in ("stop", "length")


@pytest.mark.parametrize("seed", range(6))
def test_many_answers_at_once_say_what_each_would_say_alone(seed):
    draw = random.Random(seed)
    requests = [
        ask(
            "x" * draw.randint(1, 200),
            system=draw.choice(["a", "b" * 60]),
            max_tokens=draw.randint(1, 60),
            tenant=draw.choice(["", "t"]),
        )
        for _ in range(30)
    ]

    async def all_told(engine):
        return await asyncio.gather(*(told(engine.stream(request)) for request in requests))

    with engine_over(ByteModel(whole_only=seed % 3 == 2)) as engine:
        results = asyncio.run(all_told(engine))
    assert [text for text, _, _ in results] == [alone(request) for request in requests]


def test_prompts_are_read_in_small_pieces_while_others_generate():
    model = ByteModel(batch_tokens=256, context_tokens=2048, ends=False)

    async def scene(engine):
        first = engine.stream(ask(max_tokens=400))
        await anext(first)
        await told(engine.stream(ask("y" * 1000, max_tokens=1)))
        await first.aclose()

    with engine_over(model) as engine:
        asyncio.run(scene(engine))
    mixed = [batch for batch in model.batches if len(batch) > 1]
    assert mixed
    assert all(sum(len(segment.tokens) for segment in batch) <= 65 for batch in mixed)


def test_a_follow_up_is_not_read_again():
    with engine_over(ByteModel()) as engine:
        asyncio.run(told(engine.stream(ask("first"))))
        again = asyncio.run(told(engine.stream(ask("first, and more"))))[1]
        assert again.usage.cached_tokens >= engine.count_tokens(ask("first").messages) - 15


def test_tenants_share_the_system_prompt_and_nothing_else():
    request = ask("a secret question", tenant="a", max_tokens=1)
    prompt_shared = len(b"system\nBe brief.\n") + 3
    with engine_over(ByteModel(sequences=1)) as engine:
        usages = [
            asyncio.run(told(engine.stream(each)))[1].usage.cached_tokens
            for each in (request, ask("a secret question", tenant="b", max_tokens=1))
        ]
    assert usages == [0, prompt_shared]


@pytest.mark.parametrize("whole_only", [False, True])
def test_askers_with_the_same_beginning_who_come_together_read_it_once(whole_only):
    """Also where it is longer than a batch, and each says what it would say alone."""
    model = ByteModel(context_tokens=2048, whole_only=whole_only)
    requests = [ask("z" * 700 + str(n), max_tokens=20) for n in range(4)]

    async def scene(engine):
        return await asyncio.gather(*(told(engine.stream(request)) for request in requests))

    with engine_over(model) as engine:
        results = asyncio.run(scene(engine))
        prompts = [engine.count_tokens(request.messages) for request in requests]
    assert [text for text, _, _ in results] == [alone(request) for request in requests]
    if not whole_only:
        assert sorted(finished.usage.cached_tokens > 700 for _, finished, _ in results) == [False, True, True, True]
        read = sum(len(segment.tokens) for batch in model.batches for segment in batch if len(segment.tokens) > 1)
        assert read < prompts[0] + 300


def test_different_tenants_who_come_together_share_the_system_prompt_and_nothing_else():
    requests = [ask("z" * 300, system="s" * 100, max_tokens=5, tenant=name) for name in "abc"]

    async def scene(engine):
        return await asyncio.gather(*(told(engine.stream(request)) for request in requests))

    with engine_over(ByteModel(context_tokens=1024)) as engine:
        results = asyncio.run(scene(engine))
    shared = len("system\n" + "s" * 100 + "\n") + 3
    assert [finished.usage.cached_tokens for _, finished, _ in results] == [0, shared, shared]


def test_those_who_follow_a_reader_that_leaves_go_on_without_it():
    model = ByteModel(context_tokens=4096, pause=0.002)
    long = "z" * 3000

    async def scene(engine):
        first = asyncio.create_task(told(engine.stream(ask(long, max_tokens=5))))
        await eventually(lambda: busy(engine) == 1)
        second = asyncio.create_task(told(engine.stream(ask(long + "!", max_tokens=5))))
        await eventually(lambda: busy(engine) == 2)
        first.cancel()
        return await second

    with engine_over(model) as engine:
        text, finished, _ = asyncio.run(scene(engine))
    assert text == alone(ask(long + "!", max_tokens=5))
    assert finished.reason in ("stop", "length")


def test_invariant_10_every_queue_is_bounded():
    model = ByteModel(sequences=1, pause=0.01, ends=False)

    async def scene(engine):
        running = engine.stream(ask(max_tokens=400))
        await anext(running)
        waiting = [engine.stream(ask(f"{n}")) for n in range(2)]
        places = [await anext(stream) for stream in waiting]
        with pytest.raises(QueueFull, match="2 questions wait") as full:
            await anext(engine.stream(ask("one too many")))
        await running.aclose()
        return places, full.value, [await told(stream) for stream in waiting]

    with engine_over(model, queue=2) as engine:
        places, full, results = asyncio.run(scene(engine))
    assert [place.position for place in places] == [0, 1]
    assert places[0].eta_seconds < places[1].eta_seconds
    assert full.retry_after >= 1.0
    assert results[1][2][0].position == 0, "the second learns that it is next"
    assert [text for text, _, _ in results] == [alone(ask("0"), ends=False), alone(ask("1"), ends=False)]


def test_stop_strings_end_an_answer_and_are_not_shown():
    request = ask(max_tokens=60)
    whole = alone(request)
    stop = whole[10:14]
    with engine_over(ByteModel()) as engine:
        text, finished, _ = asyncio.run(told(engine.stream(ask(max_tokens=60, stop=(stop,)))))
    assert text == whole[: whole.index(stop)]
    assert finished.reason == "stop"


def test_usage_of_an_answer_counts_its_tokens():
    with engine_over(ByteModel()) as engine:
        text, finished, _ = asyncio.run(told(engine.stream(ask(max_tokens=7))))
    ended = finished.reason == "stop"
    assert finished.usage == Usage(engine.count_tokens(ask().messages), 0, len(text) + ended)


def test_a_burst_fills_the_sequences_before_the_queue():
    async def scene(engine):
        return await asyncio.gather(*(told(engine.stream(ask(str(n)))) for n in range(8)), return_exceptions=True)

    with engine_over(ByteModel(sequences=3, pause=0.002), queue=4) as engine:
        results = asyncio.run(scene(engine))
    assert [type(result) for result in results] == [tuple] * 7 + [QueueFull]


def test_background_work_leaves_a_sequence_for_people_and_goes_last():
    model = ByteModel(sequences=2, context_tokens=6000, ends=False, pause=0.002)

    async def scene(engine):
        streams = [engine.stream(ask(str(n), max_tokens=4000, background=True)) for n in range(3)]
        tasks = [asyncio.create_task(told(stream)) for stream in streams]
        await eventually(lambda: busy(engine) == 1 and len(engine._waiting) == 2)
        person = await told(engine.stream(ask("me", max_tokens=5)))
        assert busy(engine) == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return person

    with engine_over(model) as engine:
        assert asyncio.run(scene(engine))[1].reason == "length"


def test_a_question_that_waits_too_long_is_told_so():
    model = ByteModel(sequences=1, context_tokens=6000, ends=False, pause=0.002)

    async def scene(engine):
        first = asyncio.create_task(told(engine.stream(ask(max_tokens=4000))))
        await eventually(lambda: busy(engine) == 1)
        with pytest.raises(QueueFull, match="was busy for 0 s"):
            await told(engine.stream(ask("late")))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    with engine_over(model, longest_wait=0.2) as engine:
        asyncio.run(scene(engine))
