"""The engine over a decoder whose text betrays every slip: see ByteModel."""

import asyncio
import contextlib
import gc
import random
import threading
import time

import pytest

from rag.errors import BadRequest, ContextTooLong, GenerationFailed, ModelUnavailable, QueueFull
from rag.llm.engine import LocalEngine
from rag.llm.generator import Finished, GenerationRequest, Message, Queued, TextDelta, Usage
from rag.llm.template import CHATML, ChatTemplate
from rag.llm.tokens import PromptMaker
from tests.fakes import ByteModel


@contextlib.contextmanager
def engine_over(model, **options):
    engine = LocalEngine("bytes", model, model, PromptMaker(model, ChatTemplate(CHATML)), **options)
    try:
        yield engine
    finally:
        engine.close()
        assert model.open_samplers == 0


def ask(question="Why?", *, system="Be brief.", **options):
    return GenerationRequest((Message("system", system), Message("user", question)), **{"max_tokens": 40} | options)


async def told(stream):
    """(text, finished, queued events)"""
    text, queued, finished = "", [], None
    async for event in stream:
        match event:
            case TextDelta(text=more):
                text += more
            case Queued():
                queued.append(event)
            case Finished():
                finished = event
    return text, finished, queued


def alone(request, *, ends=True):
    """What the model says to this request: the slow right answer, with no engine at all."""
    model = ByteModel()
    tokens = list(PromptMaker(model, ChatTemplate(CHATML)).prompt(request.messages).tokens)
    said = []
    while len(said) < request.max_tokens:
        token = ByteModel.following(tokens + said)
        if token == ByteModel.END and ends:
            break
        said.append(ord("e") if token == ByteModel.END else token)
    return bytes(said).decode()


async def eventually(condition, seconds=60.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it never happened"
        await asyncio.sleep(0.002)


def busy(engine):
    return len(engine._slots.active())


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


def test_context_too_long_says_both_numbers_before_decoding():
    model = ByteModel(context_tokens=100)
    with engine_over(model) as engine:
        with pytest.raises(ContextTooLong, match=r"prompt has \d+ tokens and up to 40 .* holds 100"):
            asyncio.run(told(engine.stream(ask("w" * 80))))
        with pytest.raises(ContextTooLong):
            asyncio.run(told(engine.stream(ask("w" * 30_000))))
        with pytest.raises(BadRequest, match="max_tokens is 0"):
            asyncio.run(told(engine.stream(ask(max_tokens=0))))
    assert model.batches == []


def test_stop_strings_end_an_answer_and_are_not_shown():
    request = ask(max_tokens=60)
    whole = alone(request)
    stop = whole[10:14]
    with engine_over(ByteModel()) as engine:
        text, finished, _ = asyncio.run(told(engine.stream(ask(max_tokens=60, stop=(stop,)))))
    assert text == whole[: whole.index(stop)]
    assert finished.reason == "stop"


class PoisonedBy:
    """Decodes fail whenever a sequence is involved whose prompt held this byte."""

    def __init__(self, byte, result):
        self.byte, self.result, self.sick = ord(byte), result, set()

    def __call__(self, segments):
        for segment in segments:
            if segment.start == 0 or self.byte in segment.tokens:
                self.sick.discard(segment.sequence)
            if self.byte in segment.tokens:
                self.sick.add(segment.sequence)
        if any(segment.sequence in self.sick for segment in segments):
            if isinstance(self.result, Exception):
                raise self.result
            return self.result
        return None


@pytest.mark.parametrize("result", [-1, -2, -3, 2, ValueError("bad token")])
def test_one_failing_request_never_fails_its_neighbours(result):
    model = ByteModel(fault=PoisonedBy("\x07", result))
    requests = [ask(f"question {n}" + "\x07" * (n == 2)) for n in range(8)]

    async def scene(engine):
        return await asyncio.gather(*(told(engine.stream(each)) for each in requests), return_exceptions=True)

    with engine_over(model) as engine:
        results = asyncio.run(scene(engine))
    assert isinstance(results[2], GenerationFailed)
    for n, each in enumerate(results):
        assert n == 2 or each[0] == alone(requests[n])


def test_no_room_is_met_by_smaller_batches_and_by_forgetting_what_is_kept():
    """Room for 40 tokens a batch, and none at all while idle prefixes are kept."""
    calls = []

    def narrow(segments):
        calls.append(sum(len(segment.tokens) for segment in segments))
        kept = len(model.memory[0]) > 0 and all(segment.sequence != 0 for segment in segments)
        return 1 if calls[-1] > 40 or kept else None

    model = ByteModel(sequences=2, fault=narrow)
    with engine_over(model) as engine:
        for question in ("first", "q" * 100, "r" * 150):
            request = ask(question, system=question[:2] * 20, tenant=question)
            assert asyncio.run(told(engine.stream(request)))[0] == alone(request)
    assert max(calls) > 40


def test_an_answer_that_finds_no_room_at_all_ends_alone():
    def full(segments):
        return 1 if any(segment.start + len(segment.tokens) > 90 for segment in segments) else None

    with engine_over(ByteModel(fault=full, ends=False)) as engine:
        request = ask(max_tokens=200)
        text, finished, _ = asyncio.run(told(engine.stream(request)))
        assert finished.reason == "length"
        assert alone(request, ends=False).startswith(text)
        with pytest.raises(GenerationFailed, match="memory is full"):
            asyncio.run(told(engine.stream(ask("v" * 100))))
        assert asyncio.run(told(engine.stream(ask(max_tokens=5))))[0] == alone(ask(max_tokens=5), ends=False)


def test_close_ends_what_runs_and_what_waits_and_frees_the_model():
    model = ByteModel(sequences=1, context_tokens=6000, ends=False, pause=0.002)

    async def scene(engine):
        streams = [engine.stream(ask(str(n), max_tokens=4000)) for n in range(3)]
        tasks = [asyncio.create_task(told(stream)) for stream in streams]
        await eventually(lambda: busy(engine) == 1 and len(engine._waiting) == 2)
        await asyncio.to_thread(engine.close)
        return await asyncio.gather(*tasks, return_exceptions=True)

    with engine_over(model) as engine:
        results = asyncio.run(scene(engine))
        assert {type(result) for result in results} == {GenerationFailed, ModelUnavailable}
        with pytest.raises(ModelUnavailable, match="shut down"):
            asyncio.run(told(engine.stream(ask())))
        engine.close()
    assert model.closed
    assert not [thread for thread in threading.enumerate() if thread.name == "engine-bytes"]


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


def test_an_answer_that_cannot_be_begun_fails_alone():
    class NoSampler(ByteModel):
        def sampler(self, sampling):
            if sampling.seed == 13:
                raise OSError("no memory for a sampler")
            return super().sampler(sampling)

    with engine_over(NoSampler()) as engine:
        for _ in range(6):
            with pytest.raises(GenerationFailed, match="could not begin"):
                asyncio.run(told(engine.stream(ask(seed=13))))
        assert asyncio.run(told(engine.stream(ask())))[0] == alone(ask())
        assert engine._inside == 0


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
