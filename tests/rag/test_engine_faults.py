"""The engine where something fails: one answer's trouble stays its own."""

import asyncio
import threading

import pytest

from rag.errors import BadRequest, ContextTooLong, GenerationFailed, ModelUnavailable
from tests.fakes import ByteModel
from tests.rag.engine_scenes import alone, ask, busy, engine_over, eventually, told


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
