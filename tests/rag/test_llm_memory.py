"""What a model will take of the memory, and what does not fit."""

import asyncio

import pytest

from rag.errors import ModelUnavailable
from rag.llm.generator import Finished, GenerationRequest, Message
from rag.llm.gguf import read_header
from rag.llm.local import open_local_engine
from rag.llm.memory import MemoryPlan, check_memory, free_memory, plan_memory
from rag.llm.registry import packaged_model
from tests.rag.tiny_model import write_tiny_model

MIB = 1024**2


def plan(header, **changes):
    return plan_memory(header, **({"sequences": 4, "context_tokens": 4096, "batch_tokens": 128, "kv": "f16"} | changes))


def test_the_packaged_model_is_planned_as_llama_cpp_reports_it():
    found = plan(read_header(packaged_model()))
    # 30 layers, 3 heads of 64 numbers for keys and for values, two bytes each, 4 x 4096 tokens.
    assert found.sequences == 4 * 4096 * 30 * 3 * (64 + 64) * 2
    assert found.weights == packaged_model().stat().st_size
    assert 20 * MIB < found.buffers < 120 * MIB


def test_fewer_bits_sequences_and_tokens_take_less():
    header = read_header(packaged_model())
    assert plan(header, kv="q8_0").sequences == pytest.approx(plan(header).sequences * 17 / 32)
    assert plan(header, sequences=1).sequences == plan(header).sequences / 4
    assert plan(header, context_tokens=100).sequences == plan(header, context_tokens=256).sequences


def test_what_cannot_fit_is_refused_in_one_sentence():
    check_memory(MemoryPlan(1, 2, 3), "x.gguf", free=6)
    with pytest.raises(ModelUnavailable, match=r"x.gguf would take 8.0 GiB .* but 4.0 GiB are free; lower") as refused:
        check_memory(MemoryPlan(4 * 1024 * MIB, 3 * 1024 * MIB, 1024 * MIB), "x.gguf", free=4 * 1024 * MIB)
    assert "\n" not in str(refused.value)


def test_a_container_may_have_less_than_the_machine(tmp_path):
    whole = free_memory(tmp_path)
    assert whole > 0
    (tmp_path / "memory.current").write_text(str(60 * MIB))
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {10 * MIB}\nactive_file {5 * MIB}\n")
    (tmp_path / "memory.max").write_text(str(100 * MIB))
    assert free_memory(tmp_path) == 55 * MIB
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) > 55 * MIB


@pytest.mark.real
def test_a_context_that_cannot_fit_is_refused_before_loading(tmp_path):
    path = write_tiny_model(tmp_path / "tiny.gguf", context=2**31 - 1)
    with pytest.raises(ModelUnavailable, match=r"lower model.sequences or model.context_tokens"):
        open_local_engine(path, sequences=64, context_tokens=2**31 - 1)


@pytest.mark.real
def test_memory_of_few_bits_answers_too(tmp_path):
    engine = open_local_engine(write_tiny_model(tmp_path / "tiny.gguf"), context_tokens=512, threads=1, kv="q8_0")

    async def told():
        request = GenerationRequest((Message("user", "hello"),), max_tokens=8)
        return [event async for event in engine.stream(request)][-1]

    finished = asyncio.run(told())
    assert isinstance(finished, Finished)
    assert finished.usage.completion_tokens > 0
    engine.close()
