"""Guessing how an answer goes on: it changes how many batches an answer takes, and nothing that is said."""

import asyncio
import zlib

import pytest

from rag.llm.draft import LEAST_RIGHT, MOST, REST, Drafter
from tests.fakes import ByteModel
from tests.rag.engine_scenes import ask, engine_over, told

TEXT = b"hold the lower button until the lamp turns green, then wait. "


class CopyModel(ByteModel):
    """Says one text over and over, but now and then a letter that depends on all tokens before."""

    slips = 9  # every so many tokens

    @classmethod
    def following(cls, tokens):
        draw = zlib.crc32(repr(list(tokens)).encode())
        return ord("A") + draw % 26 if draw % cls.slips == 0 else TEXT[len(tokens) % len(TEXT)]


class LoyalModel(CopyModel):
    slips = 1 << 33


def said_alone(model, engine, request):
    tokens, said = list(engine.prepare(request).tokens), []
    while len(said) < request.max_tokens:
        said.append(model.following(tokens + said))
    return bytes(said).decode()


@pytest.mark.parametrize("model", [CopyModel(), CopyModel(whole_only=True), LoyalModel()])
def test_with_guesses_the_text_is_the_same(model):
    with engine_over(model) as engine:
        requests = [ask("x" * n, max_tokens=150) for n in (1, 30)]
        for request in requests:
            expected = said_alone(model, engine, request)
            text, finished, _ = asyncio.run(told(engine.stream(request)))
            assert text == expected
            assert finished.usage.completion_tokens == 150
        for slot in engine._slots.views():
            assert list(slot.tokens) == model.memory[slot.sequence]


def test_a_copied_text_takes_far_fewer_batches_than_it_has_tokens():
    model = LoyalModel()
    with engine_over(model) as engine:
        asyncio.run(told(engine.stream(ask(TEXT.decode() * 3, max_tokens=200))))
    assert len(model.batches) < 100


def test_a_guess_never_passes_the_last_token_asked_for():
    model = LoyalModel()
    with engine_over(model) as engine:
        for most in range(1, 9):
            request = ask(TEXT.decode() * 3, max_tokens=most)
            text, finished, _ = asyncio.run(told(engine.stream(request)))
            assert (len(text), finished.reason) == (most, "length")


def test_nobody_guesses_while_many_are_served():
    model = LoyalModel(sequences=4, pause=0.001)
    requests = [ask(TEXT.decode() * 3, max_tokens=60, tenant=str(n)) for n in range(4)]

    async def scene(engine):
        await asyncio.gather(*(told(engine.stream(request)) for request in requests))

    with engine_over(model) as engine:
        asyncio.run(scene(engine))
    assert all(segment.guessed == 0 for batch in model.batches if len(batch) > 2 for segment in batch)


def test_a_failed_guess_is_decoded_again_without():
    model = LoyalModel(fault=lambda segments: -1 if any(segment.guessed for segment in segments) else None)
    with engine_over(model) as engine:
        request = ask(TEXT.decode() * 3, max_tokens=40)
        text, _, _ = asyncio.run(told(engine.stream(request)))
        assert text == said_alone(model, engine, request)


def test_a_drafter_repeats_what_followed_last():
    drafter = Drafter()
    assert drafter.guess([1, 2, 3, 4, 5, 9, 2, 3], 8) == [4, 5, 9]
    assert drafter.guess([1, 2, 3, 4, 5, 9, 2, 3, 7, 2, 3], 1) == [7]
    assert drafter.guess([1, 2, 3, 4, 5, 9, 2, 3, 7, 2, 3, 8], 8) == []


def test_a_drafter_rests_after_wrong_guesses_and_dares_more_after_right_ones():
    drafter, tokens = Drafter(), [*range(8)] * 5
    drafter.guess(tokens, 8)
    drafter.judged(3, 3)
    drafter.judged(5, 5)
    assert len(drafter.guess(tokens, 8)) == MOST
    share = 1.0
    while share >= LEAST_RIGHT:
        drafter.judged(4, 0)
        share *= 0.75
    assert drafter.guess(tokens, 8) == []
    assert drafter.guess([*tokens, *[*range(8)] * (REST // 8)], 8) != []
