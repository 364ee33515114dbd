"""How much memory a local model will take, reckoned before anything is loaded. Knows no llama.cpp.

Weights, the memory of all sequences, and what one batch computes with. A plan that cannot fit is refused in one
sentence; the context is never cut to make it fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from rag.errors import ModelUnavailable
from rag.llm.gguf import GgufHeader

KV_BYTES: Final[Mapping[str, float]] = {"f16": 2.0, "q8_0": 34 / 32}  # of one number
_ROUND = 256  # llama.cpp rounds each sequence's tokens up to this
_SCRATCH = 16  # rows of the model's width that a token of a batch is computed with


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """In bytes."""

    weights: int
    sequences: int
    buffers: int

    @property
    def total(self) -> int:
        return self.weights + self.sequences + self.buffers


def plan_memory(header: GgufHeader, *, sequences: int, context_tokens: int, batch_tokens: int, kv: str) -> MemoryPlan:
    """What `sequences` texts of `context_tokens` each will take. Figures a header lacks count as nothing."""
    layers, width = _figure(header, "block_count"), _figure(header, "embedding_length")
    heads = _figure(header, "attention.head_count") or 1
    kv_heads = _figure(header, "attention.head_count_kv") or heads
    head = width // heads
    key, value = _figure(header, "attention.key_length") or head, _figure(header, "attention.value_length") or head
    tokens = sequences * (-(-context_tokens // _ROUND) * _ROUND)
    held = int(tokens * layers * kv_heads * (key + value) * KV_BYTES[kv])
    vocabulary = _figure(header, "vocab_size")
    hidden = _figure(header, "feed_forward_length")
    per_token = 4 * (vocabulary + _SCRATCH * width + 3 * hidden) + 4 * heads * context_tokens
    return MemoryPlan(header.size, held, batch_tokens * per_token)


def check_memory(plan: MemoryPlan, name: str, *, free: int | None = None) -> None:
    """Raises ModelUnavailable if the plan does not fit into the free memory of this machine or container."""
    left = free_memory() if free is None else free
    if plan.total > left:
        raise ModelUnavailable(
            f"{name} would take {_shown(plan.total)} of memory (weights {_shown(plan.weights)}, contexts "
            f"{_shown(plan.sequences)}, buffers {_shown(plan.buffers)}), but {_shown(left)} are free; lower "
            "model.sequences or model.context_tokens, set model.kv to q8_0, or take a smaller file"
        )


def free_memory(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that may still be used: of the machine, or of the container where that is less."""
    free: int = psutil.virtual_memory().available
    try:
        most, used = (group / "memory.max").read_text().strip(), int((group / "memory.current").read_text())
        # What files are cached of counts as used there, and is given back when it is wanted.
        lines = (group / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return free
    if not most.isdecimal():
        return free
    cached = sum(int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "active_file ")))
    return max(0, min(free, int(most) - used + cached))


def _figure(header: GgufHeader, key: str) -> int:
    value: Any = header.metadata.get(f"{header.text('general.architecture')}.{key}", 0)
    return value if isinstance(value, int) else 0


def _shown(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 else f"{size / 1024**2:.0f} MiB"
