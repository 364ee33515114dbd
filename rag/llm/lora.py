"""Teaches a local model by examples: trains a LoRA adapter on tokens and writes it as a GGUF file.

Knows no questions and no registry. The weights are read from the GGUF file itself, so nothing is fetched; PyTorch and
peft are imported when they are needed, since they come with the extra `tune` only.
"""

import random
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rag.errors import BadRequest, ModelUnavailable
from rag.llm.gguf import GgufHeader, read_header

# The names of a layer's matrices: in transformers -> in GGUF.
_MATRICES: Final = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}
_KNOWN: Final = ("llama", "qwen2", "qwen3")  # architectures whose matrices have these names
_NAME = re.compile(r".*layers\.(\d+)\.\w+\.(\w+)\.lora_([AB])\.weight")
_NO_LABEL = -100  # PyTorch's sign for tokens that are not learned


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is asked and what is to be said, in the model's tokens."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to teach. `steps` 0: as many as `epochs` over all lessons take; `layers` 0: all, else so many of the last.

    Every adapted matrix is two more to multiply by for each word that is said: `matrices` may name fewer.

    The adapter is written after each `keep_every` steps too, so that teaching can be ended at any time.
    """

    rank: int = 8
    alpha: int = 16
    epochs: int = 2
    rate: float = 2e-4
    batch: int = 4
    steps: int = 0
    seed: int = 0
    threads: int = 0
    layers: int = 0
    matrices: tuple[str, ...] = tuple(_MATRICES)
    keep_every: int = 0


def teach(
    base: Path,
    lessons: Sequence[Lesson],
    target: Path,
    plan: Plan,
    say: Callable[[int, int, float], None] = lambda _step, _steps, _loss: None,
) -> list[float]:
    """Train on the lessons and write the adapter; the loss of each step. `say` gets step, steps and loss.

    Uses a graphics processor where PyTorch finds one. Raises ModelUnavailable for a model that cannot be taught,
    BadRequest without lessons.
    """
    header = read_header(base)
    architecture = header.text("general.architecture")
    if architecture not in _KNOWN:
        raise ModelUnavailable(f"{base.name} is of the kind {architecture!r}, but {', '.join(_KNOWN)} can be taught")
    if not lessons:
        raise BadRequest("there are no examples to teach by; give some with --examples")
    model = _with_adapter(base, plan)

    def keep() -> None:
        state = {name: value.detach().float().cpu().numpy() for name, value in _adapter_of(model).items()}
        write_adapter(state, target, header, plan.alpha)

    def heard(step: int, steps: int, loss: float) -> None:
        say(step, steps, loss)
        if plan.keep_every and step % plan.keep_every == 0:
            keep()

    losses = _trained(model, lessons, plan, heard)
    keep()
    return losses


def write_adapter(state: Mapping[str, NDArray[np.float32]], target: Path, header: GgufHeader, alpha: int) -> None:
    """Write matrices named as peft names them, (rank, in) and (out, rank), as a GGUF adapter of the model `header`."""
    import gguf

    architecture = header.text("general.architecture")
    heads = int(header.metadata[f"{architecture}.attention.head_count"])
    kv_heads = int(header.metadata.get(f"{architecture}.attention.head_count_kv", heads))
    writer = gguf.GGUFWriter(str(target), architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, value in state.items():
        found = _NAME.fullmatch(name)
        if found is None:
            raise ModelUnavailable(f"the adapter has a matrix {name}, which has no place in GGUF; teach without it")
        layer, matrix, side = found.groups()
        if architecture == "llama" and side == "B" and matrix in ("q_proj", "k_proj"):
            value = _interleaved(value, heads if matrix == "q_proj" else kv_heads)
        writer.add_tensor(
            f"blk.{layer}.{_MATRICES[matrix]}.weight.lora_{side.lower()}", np.ascontiguousarray(value, np.float16)
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _interleaved(value: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows as llama.cpp wants them: it rotates neighbouring pairs, transformers the two halves of a head."""
    rows = value.shape[0]
    return value.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(value.shape)


def _with_adapter(base: Path, plan: Plan) -> Any:
    try:
        import peft
        import torch
        import transformers
    except ImportError as error:
        raise ModelUnavailable(
            f"teaching needs {error.name}, which is not installed; pip install 'footnote[tune]'"
        ) from error
    if plan.threads:
        torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    transformers.utils.logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = torch.bfloat16 if _quick_in_bfloat16(device) else torch.float32  # of the weights that stay as they are
    model = transformers.AutoModelForCausalLM.from_pretrained(
        str(base.resolve().parent), gguf_file=base.name, dtype=kind, local_files_only=True
    )
    layers = model.config.num_hidden_layers
    config = peft.LoraConfig(
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=0.0,
        target_modules=list(plan.matrices),
        task_type="CAUSAL_LM",
        layers_to_transform=list(range(layers - plan.layers, layers)) if 0 < plan.layers < layers else None,
    )
    with warnings.catch_warnings():
        # peft still asks transformers by a name that will go.
        warnings.simplefilter("ignore", FutureWarning)
        taught = peft.get_peft_model(model, config)
    return taught.to(device)


def _adapter_of(model: Any) -> Mapping[str, Any]:
    import peft

    state: Mapping[str, Any] = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    return state


def _trained(model: Any, lessons: Sequence[Lesson], plan: Plan, say: Callable[[int, int, float], None]) -> list[float]:
    import torch

    steps = plan.steps or max(1, plan.epochs * len(lessons) // plan.batch)
    taught = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(taught, lr=plan.rate, weight_decay=0.0)
    warm = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (steps - step) / max(1, steps - warm))
    )
    model.train()
    losses = []
    for step, batch in zip(range(steps), _batches(lessons, plan), strict=False):
        loss = _loss(model, batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(taught, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        say(step + 1, steps, losses[-1])
    model.eval()
    return losses


def _loss(model: Any, batch: Sequence[Lesson]) -> Any:
    """Mean over the tokens of the right answers. Scores of the whole vocabulary are computed for these only."""
    import torch

    tokens, mask, labels = (torch.tensor(rows, device=model.device) for rows in _padded(batch))
    plain = model.get_base_model()
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=_quick_in_bfloat16(model.device.type)):
        states = plain.model(input_ids=tokens, attention_mask=mask).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        scores = plain.lm_head(states[wanted != _NO_LABEL])
    return torch.nn.functional.cross_entropy(scores.float(), wanted[wanted != _NO_LABEL])


def _quick_in_bfloat16(device: str) -> bool:
    """Whether this machine multiplies such numbers by itself."""
    import torch

    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.cpu._is_avx512_bf16_supported())


def _batches(lessons: Sequence[Lesson], plan: Plan) -> Iterator[list[Lesson]]:
    """Without end: all lessons in a new order again and again."""
    draw = random.Random(plan.seed)  # noqa: S311 - an order of lessons is no secret
    while True:
        order = draw.sample(list(lessons), len(lessons))
        for start in range(0, len(order), plan.batch):
            yield order[start : start + plan.batch]


def _padded(batch: Sequence[Lesson]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(lessons, longest) each: tokens, 1 where there is one, and what is learned: answers only."""
    longest = max(len(lesson.prompt) + len(lesson.answer) for lesson in batch)
    tokens = np.zeros((len(batch), longest), np.int64)
    mask, labels = np.zeros_like(tokens), np.full_like(tokens, _NO_LABEL)
    for row, lesson in enumerate(batch):
        whole = (*lesson.prompt, *lesson.answer)
        tokens[row, : len(whole)] = whole
        mask[row, : len(whole)] = 1
        labels[row, len(lesson.prompt) : len(whole)] = lesson.answer
    return tokens, mask, labels
