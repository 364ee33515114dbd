"""The order of a batch, and which resting sequences are woken to save a pass, with literals."""

import numpy as np
import pytest

from rag.llm.decoder import Sampling, Segment
from rag.llm.llama import LlamaContext, LlamaModel
from rag.llm.passes import MOST_FILLED, fillers, in_passes
from tests.rag.tiny_model import write_tiny_model


def words(*sequences, start=100):
    return [Segment(sequence, start, [7], True) for sequence in sequences]


def woken(segments, lengths=(), room=64):
    held = dict(enumerate(lengths))
    return [(segment.sequence, segment.start) for segment in fillers(segments, lambda n: held.get(n, 0), room)]


def test_a_batch_is_in_order_of_its_sequences():
    assert in_passes(words(3, 0, 2, 1)) == [1, 3, 2, 0]
    assert in_passes([]) == []


def test_small_gaps_between_answers_are_filled_and_large_ones_are_not():
    assert woken(words(0, 3, 4, 6), [0, 50, 60, 0, 0, 9]) == [(1, 50), (2, 60), (5, 9)]
    assert woken(words(0, MOST_FILLED + 2)) == []
    assert woken(words(2, 1, 0)) == []
    assert woken(words(5)) == woken([]) == []


def test_nobody_is_woken_who_is_longer_than_all_the_others_or_has_work():
    assert woken(words(0, 2), [0, 101]) == []
    assert woken(words(0, 2), [0, 100]) == [(1, 100)]
    assert woken([*words(0, 2), Segment(1, 0, [1, 2, 3], False)]) == []


def test_prompts_are_not_joined_and_a_full_batch_stays_as_it_is():
    assert woken([Segment(0, 0, [1, 2], False), *words(2)]) == []
    assert woken(words(0, 2, 4), room=1) == [(1, 0)]
    assert woken(words(0, 2), room=0) == []


@pytest.mark.real
def test_rows_are_those_of_the_segments_as_they_were_given_and_who_rests_stays_as_it_was(tmp_path):
    model = LlamaModel(write_tiny_model(tmp_path / "tiny.gguf"))
    context = LlamaContext(model, sequences=5, context_tokens=256, batch_tokens=64, threads=1)
    texts = {0: [5, 6, 7], 1: [8], 2: [], 3: [9, 10, 11, 12], 4: [13, 14]}
    for sequence, tokens in texts.items():
        assert not tokens or context.decode([Segment(sequence, 0, tokens, False)]) == 0
    asked = [(4, [20, 21]), (3, [22]), (0, [23])]  # out of order, with two that rest between
    expected = []
    for sequence, tokens in asked:
        start = len(texts[sequence])
        assert context.decode([Segment(sequence, start, tokens, True)]) == 0
        expected.append(context.logits(len(tokens) - 1))
        context.forget(sequence, start)
    together = [Segment(sequence, len(texts[sequence]), tokens, True) for sequence, tokens in asked]
    assert context.decode(together) == 0
    sampler = context.sampler(Sampling())
    for row, wanted in zip((1, 2, 3), expected, strict=True):
        np.testing.assert_allclose(context.logits(row), wanted, atol=1e-3)
        assert wanted[sampler.sample(row)] >= wanted.max() - 1e-3
    assert [context.length(sequence) for sequence in range(5)] == [4, 1, 0, 5, 4]
    sampler.close()
    context.close()
