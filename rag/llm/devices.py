"""How many layers of a model go to a graphics processor: as many as its free memory holds. Knows no settings."""

import ctypes
from pathlib import Path

import llama_cpp

from rag.llm.gguf import GgufHeader
from rag.llm.memory import MemoryPlan

AUTO = -1  # layers: decide by free memory
_MARGIN = 0.9  # share of the free memory that is used
_GRAPHICS = (1, 2)  # of ggml's kinds of devices: with memory of its own, and sharing the machine's


def layers_for(wanted: int, header: GgufHeader, plan: MemoryPlan) -> int:
    """`wanted` as it is; for AUTO what fits, which is 0 in a build or on a machine without a graphics processor."""
    if wanted != AUTO:
        return wanted
    return fitting_layers(header, plan, free_device_memory())


def fitting_layers(header: GgufHeader, plan: MemoryPlan, free: int) -> int:
    """Of the model's layers and its output, with their part of the contexts. `free` in bytes."""
    blocks = header.metadata.get(f"{header.text('general.architecture')}.block_count", 0)
    layers = (blocks if isinstance(blocks, int) else 0) + 1
    room = int(free * _MARGIN) - plan.buffers
    return max(0, min(layers, room * layers // max(1, plan.weights + plan.sequences)))


def free_device_memory() -> int:
    """Bytes free on all graphics processors that this build of llama.cpp can use."""
    if not llama_cpp.llama_supports_gpu_offload():
        return 0
    folder = Path(llama_cpp.__file__).parent / "lib"
    registry = _library(folder, "ggml")
    devices = _library(folder, "ggml-base")
    registry.ggml_backend_dev_count.restype = ctypes.c_size_t
    registry.ggml_backend_dev_get.restype = ctypes.c_void_p
    registry.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    devices.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    size = ctypes.POINTER(ctypes.c_size_t)
    devices.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size, size]
    total = 0
    for number in range(registry.ggml_backend_dev_count()):
        device = registry.ggml_backend_dev_get(number)
        free, whole = ctypes.c_size_t(), ctypes.c_size_t()
        if devices.ggml_backend_dev_type(device) in _GRAPHICS:
            devices.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(whole))
            total += free.value
    return total


def _library(folder: Path, name: str) -> ctypes.CDLL:
    """One of llama.cpp's own libraries, which are loaded already."""
    return ctypes.CDLL(str(next(path for path in sorted(folder.glob(f"*{name}.*")) if name + "." in path.name)))
