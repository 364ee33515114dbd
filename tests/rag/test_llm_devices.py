"""How many layers go to a graphics processor, with literals; and none on a build without one."""

from pathlib import Path

import llama_cpp
import pytest

from rag.llm.devices import AUTO, fitting_layers, free_device_memory, layers_for
from rag.llm.gguf import GgufHeader
from rag.llm.memory import MemoryPlan

HEADER = GgufHeader(Path("m.gguf"), 900, 1, {"general.architecture": "llama", "llama.block_count": 8}, {})
PLAN = MemoryPlan(weights=900, sequences=900, buffers=100)  # 200 bytes of each for a layer


@pytest.mark.parametrize(("free", "layers"), [(0, 0), (300, 0), (334, 1), (1000, 4), (2112, 9), (10_000, 9)])
def test_as_many_layers_as_fit_beside_the_buffers(free, layers):
    assert fitting_layers(HEADER, PLAN, free) == layers


def test_a_number_that_was_set_is_kept():
    assert layers_for(3, HEADER, PLAN) == 3
    assert layers_for(0, HEADER, PLAN) == 0


@pytest.mark.skipif(llama_cpp.llama_supports_gpu_offload(), reason="this build can use a graphics processor")
def test_a_build_for_processors_takes_none():
    assert free_device_memory() == 0
    assert layers_for(AUTO, HEADER, PLAN) == 0
