"""The packaged network on the processor: against torch as its oracle, and on texts a person can judge."""

from pathlib import Path

import numpy as np
import pytest

from index.embedder_model import PACKAGED_NAMES, find_model
from rag.reader import MAX_TOKENS, WEIGHTS, OpenVINOReader

pytestmark = pytest.mark.real
WARRANTY = (
    "The hub is made of recycled aluminium. Merrowdeck was founded in 2011 in Bergen by two sisters. "
    "The warranty of the hub lasts 3 years from the day of delivery. Sensors can be cleaned with water."
)
FILLER = "The garden behind the office has many trees and a small pond with fish. " * 60


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> OpenVINOReader:
    return OpenVINOReader(tmp_path_factory.mktemp("models"))


def best_words(reader: OpenVINOReader, question: str, text: str) -> str:
    """The sentence with the best span."""
    (reading,) = reader.read(question, [text])
    starts = [0, *(place + 2 for place in range(len(text)) if text.startswith(". ", place))]
    ends = [*(start - 1 for start in starts[1:]), len(text)]
    scores = [reading.best(start, end) for start, end in zip(starts, ends, strict=True)]
    place = int(np.argmax(scores))
    return text[starts[place] : ends[place]]


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("How long is the warranty?", "3 years"),
        ("Who founded the company?", "two sisters"),
        ("What is the hub made of?", "aluminium"),
        ("How do I clean a sensor?", "water"),
    ],
)
def test_it_finds_the_sentence_that_answers(reader: OpenVINOReader, question: str, holds: str) -> None:
    assert holds in best_words(reader, question, WARRANTY)
    assert holds in best_words(reader, question, FILLER + WARRANTY + " " + FILLER)


def test_a_text_that_answers_stands_above_one_that_does_not(reader: OpenVINOReader) -> None:
    there, elsewhere = reader.read("How long is the warranty?", [WARRANTY, FILLER])
    assert there.answerable > elsewhere.answerable
    assert there.best(0, len(WARRANTY)) > elsewhere.best(0, len(FILLER))


@pytest.mark.parametrize(
    ("claim", "false"),
    [
        ("The company was founded by two sisters.", "The company was founded by three brothers."),
        ("The warranty lasts 3 years.", "The warranty lasts 8 months."),
        ("The hub is made of aluminium.", "The hub is not made of aluminium."),
    ],
)
def test_a_true_claim_is_supported_more_than_a_false_one(reader: OpenVINOReader, claim: str, false: str) -> None:
    assert reader.check(claim, [WARRANTY])[0] > reader.check(false, [WARRANTY])[0]
    assert reader.check(claim, [WARRANTY])[0] > reader.check(claim, [FILLER])[0]


def test_many_texts_give_what_each_gives_alone(reader: OpenVINOReader) -> None:
    texts = [WARRANTY, FILLER[:700], "", "One line only.", FILLER]
    together = reader.read("How long is the warranty?", texts)
    for text, found in zip(texts, together, strict=True):
        (alone,) = reader.read("How long is the warranty?", [text])
        assert found.spans.tolist() == alone.spans.tolist()
        assert np.allclose(found.starts, alone.starts, atol=0.6)
        assert all(0 <= start <= end <= len(text) for start, end in found.spans)
    assert together[2].best(0, 10) == -20.0
    assert len(reader.check("x", texts)) == len(texts)


def test_a_question_longer_than_the_network_reads_is_cut_and_not_refused(reader: OpenVINOReader) -> None:
    (reading,) = reader.read("why " * 2_000, [WARRANTY])
    assert len(reading.starts) == len(reading.spans) > 0


def test_the_converted_network_equals_its_oracle() -> None:
    import torch
    from tokenizers import Tokenizer

    from index.quiet_openvino import openvino
    from rag.reader_convert import convert
    from rag.reader_network import GroundingNetwork

    encoder, weights = find_model(PACKAGED_NAMES[0]), Path("rag") / WEIGHTS
    network = GroundingNetwork(encoder).eval()
    network.restore(weights)
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    encoded = tokenizer.encode_batch([("How long is the warranty?", WARRANTY), ("Why?", "Because.")])
    inputs = [
        np.array([getattr(row, name) for row in encoded], dtype=np.int64)
        for name in ("ids", "attention_mask", "type_ids")
    ]
    with torch.no_grad():
        wanted = [tensor.numpy() for tensor in network(*(torch.from_numpy(values) for values in inputs))]
    compiled = openvino.Core().compile_model(convert(encoder, weights), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(inputs)
    for port, values in enumerate(wanted):
        assert np.allclose(found[port], values, atol=2e-3)
