"""Builds the engine of one GGUF file: weights, memory, template, thread. Knows no settings table, no registry."""

import logging
from pathlib import Path

from rag.llm.devices import layers_for
from rag.llm.engine import LocalEngine
from rag.llm.gguf import read_header
from rag.llm.llama import LlamaContext, LlamaModel
from rag.llm.memory import check_memory, plan_memory
from rag.llm.template import CHATML, PLAIN, ChatTemplate
from rag.llm.tokens import PromptMaker
from rag.processors import physical_cores

logger = logging.getLogger(__name__)

# Of one decode. Reading prompts in larger batches is hardly faster on a processor (76 tokens/s at 128, 77 at 512),
# while leaving and arriving are noticed between batches only.
BATCH_TOKENS = 128


def open_local_engine(
    path: Path,
    *,
    name: str = "local",
    sequences: int = 4,
    context_tokens: int = 4096,
    queue: int = 32,
    threads: int = 0,
    gpu_layers: int = 0,
    kv: str = "f16",
    longest_wait: float = 0.0,
    adapter: Path | None = None,
) -> LocalEngine:
    """Load a model and start its thread. `context_tokens` is the room of each sequence; 0 threads: every physical core.

    Raises ModelUnavailable with one line if the file is missing, damaged, or does not fit into memory.
    """
    header = read_header(path)
    room = context_tokens
    if 0 < header.context_tokens < context_tokens:
        room = header.context_tokens
        logger.warning("%s was trained for %d tokens of context; %d were set", path.name, room, context_tokens)
    plan = plan_memory(header, sequences=sequences, context_tokens=room, batch_tokens=BATCH_TOKENS, kv=kv)
    gpu_layers = layers_for(gpu_layers, header, plan)
    if gpu_layers == 0:
        check_memory(plan, path.name)
    model = LlamaModel(path, gpu_layers=gpu_layers)
    context = LlamaContext(
        model,
        sequences=sequences,
        context_tokens=room,
        batch_tokens=BATCH_TOKENS,
        threads=threads or physical_cores(),
        kv=kv,
        adapter=adapter,
    )
    prompts = PromptMaker(model, chat_template(model))
    return LocalEngine(name, model, context, prompts, queue=queue, longest_wait=longest_wait)


def chat_template(model: LlamaModel) -> ChatTemplate:
    """The file's own chat template, or the plainest one its vocabulary allows."""
    first, last = model.edges
    otherwise = CHATML if "<|im_start|>" in model.special else PLAIN
    return ChatTemplate(model.chat_template or otherwise, first=first, last=last)
