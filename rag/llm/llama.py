"""The one room of llama.cpp: its model, memory, batches and samplers behind plain Python values.

Knows no requests, no queue and no text beyond tokens. The low-level functions are used on purpose: the library's
high-level class holds one sequence, has no queue and cannot be stopped.
"""

import ctypes
import logging
import os
import threading
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelUnavailable
from rag.llm.decoder import GrammarEnded, Sampling, Segment
from rag.llm.gguf import read_header
from rag.llm.passes import fillers, in_passes
from rag.llm.tiles import whole_tiles

logger = logging.getLogger(__name__)

_SPECIAL = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
_USER_DEFINED = llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
_PENALISED = 256  # tokens back that penalties look at
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data
_LIBRARY = Path(os.environ.get("LLAMA_CPP_LIB_PATH") or Path(llama_cpp.__file__).parent / "lib")
_backend = threading.Lock()
_backend_ready = False


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _log(_level: int, text: bytes, _data: object) -> None:
    # Kept alive by this module: llama.cpp calls it for as long as the process lives.
    if line := text.decode("utf-8", "replace").strip(" .\n"):
        logger.debug("llama.cpp: %s", line)


def _start_backend() -> None:
    global _backend_ready
    with _backend:
        if not _backend_ready:
            llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
            llama_cpp.llama_backend_init()
            _backend_ready = True


def build_features() -> str:
    """Processor and backend features this build of llama.cpp uses, as it says itself."""
    _start_backend()
    features: bytes = llama_cpp.llama_print_system_info()
    return features.decode("utf-8", "replace").strip()


@cache
def extra_layouts() -> bool:
    """Whether weights may be laid out as the fastest kernels of this build want them; AMX is entered by them only."""
    return "AMX_INT8 = 1" not in build_features() or whole_tiles(_LIBRARY)


def quantize(source: Path, target: Path, kind: str, threads: int) -> None:
    """Write `source` in another kind of numbers, as in "Q8_0" or "BF16". Raises ModelUnavailable."""
    _start_backend()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    params.allow_requantize = True
    params.nthread = threads
    result = llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params))
    if result != 0 or not target.exists():
        raise ModelUnavailable(
            f"llama.cpp cannot write {source.name} as {kind} (it gave {result}); leave this kind out"
        )


class LlamaModel:
    """Weights and vocabulary of one GGUF file; a Vocabulary. Raises ModelUnavailable if it cannot be loaded."""

    def __init__(self, path: Path, *, gpu_layers: int = 0) -> None:
        self.header = read_header(path)
        self.on_processor = gpu_layers == 0
        _start_backend()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.use_extra_bufts = extra_layouts()
        self.handle: Any = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            raise ModelUnavailable(
                f"llama.cpp cannot load {path}; the file is damaged, of an unknown kind, or too large for the memory"
            )
        # Freed with its last user: contexts and tokenizing callers hold this object. At exit the system frees it.
        self._free = weakref.finalize(self, llama_cpp.llama_model_free, self.handle)
        self._free.atexit = False
        self._vocab = llama_cpp.llama_model_get_vocab(self.handle)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self.context_trained: int = llama_cpp.llama_model_n_ctx_train(self.handle)
        kinds = [llama_cpp.llama_vocab_get_attr(self._vocab, token) for token in range(self.size)]
        self._special = MappingProxyType(
            {self.text_of(token): token for token, kind in enumerate(kinds) if kind & (_SPECIAL | _USER_DEFINED)}
        )
        self._stubborn = frozenset(self.text_of(token) for token, kind in enumerate(kinds) if kind & _USER_DEFINED)

    @property
    def special(self) -> Mapping[str, int]:
        return self._special

    @property
    def stubborn(self) -> Collection[str]:
        return self._stubborn

    @property
    def first_token(self) -> int | None:
        token: int = llama_cpp.llama_vocab_bos(self._vocab)
        return token if llama_cpp.llama_vocab_get_add_bos(self._vocab) and token >= 0 else None

    @property
    def edges(self) -> tuple[str, str]:
        """Texts of the tokens that open and end a text, empty where the model has none."""
        tokens = (llama_cpp.llama_vocab_bos(self._vocab), llama_cpp.llama_vocab_eos(self._vocab))
        first, last = (self.text_of(token) if token >= 0 else "" for token in tokens)
        return first, last

    @property
    def chat_template(self) -> str | None:
        source: bytes | None = llama_cpp.llama_model_chat_template(self.handle, None)
        return None if source is None else source.decode("utf-8")

    def text_of(self, token: int) -> str:
        text: bytes = llama_cpp.llama_vocab_get_text(self._vocab, token)
        return text.decode("utf-8", "replace")

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """`special=True` is for comparisons only: it lets text become special tokens."""
        if not text:
            return []
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            tokens = (llama_cpp.llama_token * room)()
            count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, room, False, special)
            if count >= 0:
                return list(tokens[:count])
            room = -count

    def piece(self, token: int) -> bytes:
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            size = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, room, 0, False)
            if size >= 0:
                return buffer.raw[:size]
            room = -size

    def is_end(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    def accepts_grammar(self, grammar: str) -> bool:
        sampler = self.grammar(grammar)
        if sampler:
            llama_cpp.llama_sampler_free(sampler)
        return bool(sampler)

    def grammar(self, grammar: str) -> Any:
        """A link of a sampler chain, null if the grammar cannot be read."""
        return llama_cpp.llama_sampler_init_grammar(self._vocab, grammar.encode(), b"root")


class LlamaContext:
    """Memory for `sequences` texts of `context_tokens` each, over one model; a Decoder.

    Every sequence has a memory of its own (not one unified buffer): attention then costs what the sequence holds,
    not what all of them hold.
    """

    def __init__(
        self,
        model: LlamaModel,
        *,
        sequences: int,
        context_tokens: int,
        batch_tokens: int = 256,
        threads: int,
        kv: str = "f16",
        adapter: Path | None = None,
    ) -> None:
        params = llama_cpp.llama_context_default_params()
        params.n_seq_max = sequences
        # Each sequence's share is rounded up to 256 by llama.cpp; asking for whole shares keeps it from rounding down.
        params.n_ctx = sequences * (-(-context_tokens // 256) * 256)
        params.n_batch = params.n_ubatch = batch_tokens
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = False
        if kv == "q8_0":
            # Values can only be held in few bits where flash attention reads them.
            params.type_k = params.type_v = llama_cpp.GGML_TYPE_Q8_0
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        elif model.on_processor:
            # Measured over 600 tokens of context: words come 1.6 times and short prompts 2.4 times as fast without.
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.no_perf = True
        self._model = model
        self.sequences, self.context_tokens, self.batch_tokens = sequences, context_tokens, batch_tokens
        self.handle: Any = llama_cpp.llama_init_from_model(model.handle, params)
        if not self.handle:
            raise ModelUnavailable(
                f"there is no memory for {sequences} contexts of {context_tokens} tokens; "
                "lower model.sequences or model.context_tokens"
            )
        if adapter is not None:
            self._put_on(adapter)
        self._memory = llama_cpp.llama_get_memory(self.handle)
        self._batch = _Batch(batch_tokens)
        self._rows: list[int] = []
        self._scores_of_a_row = ctypes.c_float * model.size
        # A model that cannot take back a token must not be given one in vain.
        self._can_fill = not (
            llama_cpp.llama_model_is_recurrent(model.handle) or llama_cpp.llama_model_is_hybrid(model.handle)
        )

    def _put_on(self, adapter: Path) -> None:
        """A LoRA adapter, for everything that this context decodes. It is freed with the model."""
        read_header(adapter)
        loaded = llama_cpp.llama_adapter_lora_init(self._model.handle, str(adapter).encode())
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(loaded)
        if not loaded or llama_cpp.llama_set_adapters_lora(self.handle, adapters, 1, (ctypes.c_float * 1)(1.0)) != 0:
            self.close()
            raise ModelUnavailable(f"the adapter {adapter} does not fit this model; promote another version")

    def decode(self, segments: Sequence[Segment]) -> int:
        room = self.batch_tokens - sum(len(segment.tokens) for segment in segments)
        woken = fillers(segments, self.length, room) if self._can_fill else []
        together = [*segments, *woken]
        order = in_passes(together)
        starts = dict(zip(order, accumulate((len(together[n].tokens) for n in order), initial=0), strict=False))
        self._rows = [starts[n] + at for n, segment in enumerate(segments) for at in range(len(segment.tokens))]
        result: int = llama_cpp.llama_decode(self.handle, self._batch.fill([together[n] for n in order]))
        for segment in woken:
            self.forget(segment.sequence, segment.start)
        return result

    def scores(self, row: int) -> NDArray[np.float32]:
        """The scores after batch row `row` of the last decode, counted over its segments as they were given.

        Shape (vocabulary,). They are llama.cpp's own: the next decode writes over them.
        """
        first = llama_cpp.llama_get_logits_ith(self.handle, self._rows[row]).contents
        return np.frombuffer(memoryview(self._scores_of_a_row.from_address(ctypes.addressof(first))), np.float32)

    def place(self, row: int) -> int:
        """Where that row is in llama.cpp's batch."""
        return self._rows[row]

    def logits(self, row: int) -> NDArray[np.float32]:
        """A copy of the scores after batch row `row` of the last decode, shape (vocabulary,)."""
        return self.scores(row).copy()

    def forget(self, sequence: int, start: int) -> bool:
        return bool(llama_cpp.llama_memory_seq_rm(self._memory, sequence, start, -1))

    def copy(self, source: int, target: int, length: int) -> bool:
        # Between separate memories llama.cpp copies whole sequences only (a part would end the process).
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        return self.forget(target, length)

    def length(self, sequence: int) -> int:
        """Positions held for a sequence."""
        last: int = llama_cpp.llama_memory_seq_pos_max(self._memory, sequence)
        return last + 1

    def likely(self, row: int, token: int, others: int) -> tuple[float, list[tuple[int, float]]]:
        scores = self.logits(row).astype(np.float64)
        top = float(scores.max())
        scores -= top + float(np.log(np.exp(scores - top).sum()))
        best = np.argsort(scores)[::-1][:others].tolist()
        return float(scores[token]), [(other, float(scores[other])) for other in best]

    def sampler(self, sampling: Sampling) -> "LlamaSampler":
        return LlamaSampler(self._model, self, sampling)

    def close(self) -> None:
        if self.handle:
            llama_cpp.llama_free(self.handle)
            self.handle = None


class LlamaSampler:
    """Penalties, then the likeliest token at temperature 0, else top-k, top-p, min-p, temperature and the seeded draw.

    A grammar comes before all of them. Then the choice is looked at before it is accepted: llama.cpp ends the process
    when it is told that a token follows which the grammar forbids.
    """

    def __init__(self, model: LlamaModel, context: LlamaContext, sampling: Sampling) -> None:
        self._context = context
        # The likeliest token alone needs no list of candidates, which costs more than all of our Python.
        self._greedy = sampling.temperature <= 0.0 and not sampling.grammar and not _penalises(sampling)
        self._candidates = np.zeros(model.size, _CANDIDATE) if sampling.grammar else None
        self._chain: Any = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        for link in _links(model, sampling):
            llama_cpp.llama_sampler_chain_add(self._chain, link)

    def sample(self, row: int) -> int:
        if self._candidates is not None:
            return self._sample_by_grammar(self._candidates, row)
        if self._greedy:
            return int(self._context.scores(row).argmax())
        token: int = llama_cpp.llama_sampler_sample(self._chain, self._context.handle, self._context.place(row))
        return token

    def _sample_by_grammar(self, candidates: NDArray[Any], row: int) -> int:
        candidates["id"] = np.arange(len(candidates))
        candidates["logit"] = self._context.scores(row)
        field = dict(llama_cpp.llama_token_data_array._fields_)["data"]
        array = llama_cpp.llama_token_data_array(candidates.ctypes.data_as(field), len(candidates), -1, False)
        llama_cpp.llama_sampler_apply(self._chain, ctypes.byref(array))
        chosen = array.data[array.selected] if array.selected >= 0 else None
        if chosen is None or not np.isfinite(chosen.logit):
            raise GrammarEnded
        token = int(chosen.id)
        llama_cpp.llama_sampler_accept(self._chain, token)
        return token

    def close(self) -> None:
        if self._chain:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None


def _links(model: LlamaModel, sampling: Sampling) -> Iterator[Any]:
    if sampling.grammar:
        yield model.grammar(sampling.grammar)
    if _penalises(sampling):
        penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
        yield llama_cpp.llama_sampler_init_penalties(model.size, _PENALISED, *penalties)
    if sampling.temperature <= 0.0:
        yield llama_cpp.llama_sampler_init_greedy()
        return
    if sampling.top_k > 0:
        yield llama_cpp.llama_sampler_init_top_k(sampling.top_k)
    yield llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1)
    if sampling.min_p > 0.0:
        yield llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1)
    yield llama_cpp.llama_sampler_init_temp(sampling.temperature)
    yield llama_cpp.llama_sampler_init_dist(sampling.seed & 0xFFFF_FFFF)


def _penalises(sampling: Sampling) -> bool:
    return (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty) != (1.0, 0.0, 0.0)


class _Batch:
    """One llama.cpp batch over numpy memory, refilled for each decode. Each token belongs to one sequence."""

    def __init__(self, room: int) -> None:
        self._token = np.zeros(room, np.int32)
        self._position = np.zeros(room, np.int32)
        self._sequence = np.zeros(room, np.int32)
        self._count = np.ones(room, np.int32)
        self._output = np.zeros(room, np.int8)
        first, step = self._sequence.ctypes.data, self._sequence.itemsize
        self._sequences = np.arange(first, first + room * step, step, dtype=np.uintp)  # (room,) pointers into _sequence
        field = dict(llama_cpp.llama_batch._fields_)
        self._batch = llama_cpp.llama_batch(
            token=self._token.ctypes.data_as(field["token"]),
            pos=self._position.ctypes.data_as(field["pos"]),
            n_seq_id=self._count.ctypes.data_as(field["n_seq_id"]),
            seq_id=self._sequences.ctypes.data_as(field["seq_id"]),
            logits=self._output.ctypes.data_as(field["logits"]),
        )

    def fill(self, segments: Sequence[Segment]) -> Any:
        total = 0
        for segment in segments:
            end = total + len(segment.tokens)
            self._token[total:end] = segment.tokens
            self._position[total:end] = np.arange(segment.start, segment.start + end - total)
            self._sequence[total:end] = segment.sequence
            self._output[total:end] = 0
            self._output[end - 1 - segment.guessed : end] = segment.sample
            total = end
        self._batch.n_tokens = total
        return self._batch
