"""Teaching a model: what counts as an example, what is held out, and that the adapter does in the engine what it did in
PyTorch."""

import asyncio
import json

import numpy as np
import pytest
from gguf import GGUFReader

from rag.errors import BadRequest, ModelUnavailable, NoSuchModel
from rag.llm import lora
from rag.llm.decoder import Segment
from rag.llm.generator import GenerationRequest, Message
from rag.llm.gguf import read_header
from rag.llm.llama import LlamaContext, LlamaModel
from rag.llm.lora import Lesson, Plan, teach
from rag.llm.registry import Models
from rag.settings import Settings
from rag.tuning import CANNOT, Example, Score, overlap, read_examples, split, tune
from tests.rag.tiny_model import write_tiny_model

real = pytest.mark.real


def test_examples_are_read_in_the_forms_that_are_about(tmp_path):
    rows = [
        {"question": "a?", "evidence": "x", "answer": "y"},
        {"question": "b?", "context": ["x", "z"], "answers": ["y", "w"]},
        {"question": "c?", "context": "x", "answers": [], "answerable": False},
        {"question": "no evidence?", "answer": "y"},
        {"question": "no answer?", "context": "x"},
    ]
    path = tmp_path / "examples.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    found = read_examples(path)
    assert found == [Example("a?", ("x",), "y"), Example("b?", ("x", "z"), "y"), Example("c?", ("x",), CANNOT)]
    path.write_text('{"question": \n')
    with pytest.raises(BadRequest, match=r"line 1 of .* is no JSON"):
        read_examples(path)


def test_held_out_examples_share_no_evidence_with_those_taught():
    examples = [Example(f"q{n}", (f"passage {n % 7}",), "a") for n in range(40)]
    taught, held = split(examples, 0.2, seed=1)
    assert len(taught) + len(held) == 40
    assert len(held) >= 8
    assert not {e.evidence for e in taught} & {e.evidence for e in held}
    with pytest.raises(BadRequest, match="there are 3 examples, but at least 8"):
        split(examples[:3], 0.2, seed=1)
    with pytest.raises(BadRequest, match="all examples share"):
        split([Example(f"q{n}", ("one",), "a") for n in range(9)], 0.2, seed=1)


def test_better_means_better_in_both():
    assert Score(1.0, 0.5).better_than(Score(1.1, 0.4))
    assert not Score(1.2, 0.5).better_than(Score(1.1, 0.4))
    assert not Score(1.0, 0.4).better_than(Score(1.1, 0.4))
    assert overlap("The lamp is green.", "A green lamp") == pytest.approx(1.0)
    assert overlap("nothing of it", "A green lamp") == 0.0


@real
def test_an_adapter_changes_the_engine_as_it_changed_pytorch(tmp_path, monkeypatch):
    monkeypatch.setattr(lora, "_quick_in_bfloat16", lambda _device: False)  # the comparison is exact
    base = write_tiny_model(tmp_path / "tiny.gguf")
    plan = Plan(rank=4, rate=0.05, steps=4, batch=2, threads=1)
    taught = lora._with_adapter(base, plan)
    lessons = [Lesson(tuple(range(3, 30)), (40, 41, 42, 43)), Lesson(tuple(range(60, 80)), (44, 45))]
    losses = lora._trained(taught, lessons, plan, lambda *_: None)
    assert losses[-1] < losses[0]
    state = {name: value.detach().numpy() for name, value in lora._adapter_of(taught).items()}
    adapter = tmp_path / "adapter.gguf"
    lora.write_adapter(state, adapter, read_header(base), plan.alpha)
    tokens = list(range(5, 45))
    import torch

    with torch.no_grad():
        wanted = taught(torch.tensor([tokens])).logits[0, -1].numpy()
    model = LlamaModel(base)
    scores = {}
    for put_on in (None, adapter):
        context = LlamaContext(model, sequences=1, context_tokens=256, threads=1, adapter=put_on)
        assert context.decode([Segment(0, 0, tokens, True)]) == 0
        scores[put_on] = context.logits(len(tokens) - 1)
        context.close()
    assert np.abs(scores[adapter] - wanted).max() < 0.05
    assert np.abs(scores[None] - wanted).max() > 0.5, "without the adapter it is another model"


@real
def test_teaching_in_few_bits_learns_too_and_writes_while_it_learns(tmp_path, monkeypatch):
    monkeypatch.setattr(lora, "_quick_in_bfloat16", lambda _device: True)
    base, target, sizes = write_tiny_model(tmp_path / "tiny.gguf"), tmp_path / "adapter.gguf", []
    lessons = [Lesson(tuple(range(3, 30)), (40, 41, 42, 43)), Lesson(tuple(range(60, 80)), (44, 45))]
    matrices = ("q_proj", "down_proj")
    plan = Plan(rank=4, rate=0.05, steps=5, batch=2, threads=1, layers=1, matrices=matrices, keep_every=2)

    def say(_step, _steps, _loss):
        sizes.append(target.stat().st_size if target.is_file() else 0)

    losses = teach(base, lessons, target, plan, say)
    assert losses[-1] < losses[0]
    assert [size > 0 for size in sizes] == [False, False, True, True, True]
    tensors = {tensor.name for tensor in GGUFReader(target).tensors}
    assert {name.split(".")[1] for name in tensors} == {str(read_header(base).metadata["llama.block_count"] - 1)}
    assert {name.split(".")[2] for name in tensors} == {"attn_q", "ffn_down"}


@real
def test_teaching_registers_a_version_that_can_be_chosen_and_taken_back(tmp_path):
    settings = Settings(
        data=tmp_path / "data",
        model_path=str(write_tiny_model(tmp_path / "tiny.gguf", context=1024)),
        model_context_tokens=512,
        model_threads=1,
    )
    models = Models(settings)
    try:
        # Always the same few letters: even a model of random weights learns to say them.
        examples = [Example(f"{n}?", (f"passage {n}",), "aaaa") for n in range(16)]
        tuned = tune(models, "local", examples, Plan(rank=4, rate=0.02, steps=8, threads=1), threads=1)
        assert tuned.after.loss < tuned.before.loss
        assert tuned.promoted == tuned.after.better_than(tuned.before)
        assert (tuned.version.origin, tuned.version.version) == ("tuned", 2)
        models.shelf.promote("local", 2)
        file, adapter = models.weights("local")
        assert adapter is not None
        assert adapter.is_file()
        assert models.weights("local@1") == (file, None)

        async def said(model):
            stream = models.get(model).stream(GenerationRequest((Message("user", "x"),), max_tokens=4))
            return [event async for event in stream]

        assert asyncio.run(said("local"))
        assert asyncio.run(said("local@1"))
        with pytest.raises(NoSuchModel, match="has no version 7"):
            models.get("local@7")
        models.shelf.promote("local", 1)
        assert models.shelf.remove("local", 2) == (str(adapter),)
        assert file.is_file(), "the file that another version speaks from stays"
    finally:
        models.close()


@real
def test_what_cannot_be_taught_is_said(tmp_path):
    base = write_tiny_model(tmp_path / "tiny.gguf")
    with pytest.raises(BadRequest, match="no examples"):
        teach(base, [], tmp_path / "a.gguf", Plan())
    other = tmp_path / "other.gguf"
    other.write_bytes(base.read_bytes().replace(b"llama", b"bloom"))
    with pytest.raises(ModelUnavailable, match="of the kind 'bloom'"):
        teach(other, [Lesson((1,), (2,))], tmp_path / "a.gguf", Plan())
    with pytest.raises(ModelUnavailable, match="adapter"):
        LlamaContext(LlamaModel(base), sequences=1, context_tokens=256, threads=1, adapter=base)
