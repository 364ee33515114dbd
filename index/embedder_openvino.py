"""Embedding on the processor with OpenVINO. Knows no torch: a warm start loads the files converted once before."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.embedder_int8 import CONFIG as INT8_CONFIG
from index.embedder_int8 import Embed, quantised, verdict
from index.embedder_lanes import Lane, Lanes
from index.embedder_model import EmbeddingModel
from index.embedder_stamp import EmbedderStamp
from index.embedder_tokens import Tokens
from index.errors import EmbedderUnavailable
from index.openvino_files import choose_precision, read_or_convert
from index.quiet_openvino import openvino

WINDOW = 1024  # texts of one caller that are sorted by length together
BUDGET = 2048  # padded tokens of a batch
LEAST = 512  # padded tokens below which a batch is not worth dividing
STEP = 16  # batch widths are multiples of this many tokens
QUERY_STEP = 8
_TOGETHER = 8  # texts of a batch when two precisions are compared


class OpenVINOEmbedder:
    """Thread-safe; texts of several threads share batches, questions have a lane of their own."""

    def __init__(self, model: EmbeddingModel, precision: str, threads: int, cache: Path) -> None:
        """`precision` is auto, bf16, int8 or fp32; `threads` 0 means all. Raises EmbedderUnavailable."""
        if not model.convertible:
            raise EmbedderUnavailable(
                f"{model.name} has the modules {', '.join(model.modules)} with {model.pooling} pooling, which cannot "
                "be converted for OpenVINO; set embedder.backend to sentence-transformers"
            )
        core = openvino.Core()
        self._tokens = Tokens(model.folder, model.max_tokens)
        self._prompts = (model.query_prompt, model.document_prompt)
        self.max_tokens = self._tokens.content_limit - self._tokens.count(model.document_prompt) + 2
        self._pad = model.pad_id
        lanes = threads or len(os.sched_getaffinity(0))
        precision, self._compiled = self._choose(core, model, precision, lanes, cache)
        self.stamp = EmbedderStamp(
            model.name, model.revision, precision, model.pooling, model.max_tokens, model.dimension
        )
        self._lanes = Lanes([self._lane(self._compiled) for _ in range(lanes)], budget=BUDGET, least=LEAST, step=STEP)
        self._request = self._compiled.create_infer_request()
        self._single = threading.Lock()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dimension) unit rows. Raises ValueError for a text beyond the model's limit."""
        out = np.empty((len(texts), self.stamp.dimension), dtype=np.float32)
        prompt = self._prompts[1]
        for start in range(0, len(texts), WINDOW):
            window = texts[start : start + WINDOW]
            rows = self._tokens.encode([prompt + text for text in window] if prompt else window)
            self._lanes.run(rows, out[start : start + WINDOW])
        return out

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """(dimension,) unit row; the end of a question beyond the limit is left out."""
        ids = self._tokens.encode_query(self._prompts[0] + text)
        inputs = _pad([ids], -(-len(ids) // QUERY_STEP) * QUERY_STEP, self._pad)
        with self._single:
            self._request.infer(inputs)
            return np.array(self._request.get_output_tensor(0).data[0], dtype=np.float32)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return self._tokens.offsets(text)

    def count(self, text: str) -> int:
        return self._tokens.count(text)

    def close(self) -> None:
        """Wait for what is running. The embedder may not be used afterwards."""
        self._lanes.close()

    def _choose(
        self, core: openvino.Core, model: EmbeddingModel, wanted: str, lanes: int, cache: Path
    ) -> tuple[str, Any]:
        """What the arithmetic runs in, and the model compiled for it."""
        graph = _load_graph(core, model, cache)
        # One single-threaded stream per core does more per second than one batch shared by all cores.
        config = {
            "INFERENCE_NUM_THREADS": lanes,
            "NUM_STREAMS": lanes,
            "CACHE_DIR": str(cache / "compiled"),  # halves the time that a later start compiles
        }
        precision = choose_precision(core, wanted)
        if precision == "bf16":
            return precision, core.compile_model(graph, "CPU", config | {"INFERENCE_PRECISION_HINT": "bf16"})

        def exact() -> Any:
            return core.compile_model(graph, "CPU", config | {"INFERENCE_PRECISION_HINT": "f32"})

        def eight() -> Any:
            return core.compile_model(quantised(graph), "CPU", config | INT8_CONFIG)

        if wanted == "fp32":
            return wanted, exact()
        kept = cache / f"{model.name}-{model.revision}-int8.json"
        found = verdict(lambda: (self._plainly(exact()), self._plainly(eight())), kept)
        if found.good and (found.faster or wanted == "int8"):
            return "int8", eight()
        if wanted == "int8":
            raise EmbedderUnavailable(
                f"in eight bits {model.name} loses too much here: mean cosine {found.cosine:.4f} to fp32, "
                f"{found.recall:.0%} of the ten nearest kept; set embedder.precision to auto or fp32"
            )
        return "fp32", exact()

    def _plainly(self, compiled: Any) -> Embed:
        """Embedding with one lane of a compiled model, for a comparison of two."""

        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            lane = self._lane(compiled)
            rows = self._tokens.encode(texts)
            order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
            out = np.empty((len(rows), compiled.output(0).partial_shape[1].get_length()), dtype=np.float32)
            for start in range(0, len(order), _TOGETHER):
                batch = order[start : start + _TOGETHER]
                out[batch] = lane([rows[row] for row in batch], max(len(rows[row]) for row in batch))
            return out

        return embed

    def _lane(self, compiled: Any) -> Lane:
        request, pad_id = compiled.create_infer_request(), self._pad

        def infer(rows: list[list[int]], width: int) -> NDArray[np.float32]:
            request.infer(_pad(rows, width, pad_id))
            found: NDArray[np.float32] = request.get_output_tensor(0).data
            return found

        return infer


def _pad(rows: Sequence[Sequence[int]], width: int, pad_id: int) -> dict[int, NDArray[np.int64]]:
    """Inputs by port: 0 the ids, 1 the mask, each (n, width)."""
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {0: ids, 1: mask}


def _load_graph(core: openvino.Core, model: EmbeddingModel, cache: Path) -> Any:
    def made() -> Any:
        from index.embedder_convert import convert  # imports torch and transformers, which takes seconds

        return convert(model)

    # The files hold fp32 weights whatever the arithmetic runs in, so precision is no part of the name.
    return read_or_convert(core, cache / f"{model.name}-{model.pooling}-{model.revision}", made)
