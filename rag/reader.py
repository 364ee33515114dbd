"""Runs the grounding network: where a text answers a question, and whether a text supports a claim. Knows no sentences.

The network reads at most `MAX_TOKENS` tokens at a time; a longer text is read in windows that overlap. Trained by
`train/grounding.py`, which says from what data; figures stand in `docs/decisions/`.
"""

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from index.embedder_batches import plan_batches
from index.embedder_model import PACKAGED_NAMES, find_model
from index.openvino_files import choose_precision, read_or_convert
from index.quiet_openvino import openvino
from rag.reading import Reading

MAX_TOKENS = 288  # of a window, with question or claim and special tokens: what the training used
MOST_FIRST_TOKENS = 96  # of a question or claim; the rest is not read
OVERLAP_TOKENS = 64
BUDGET = 2048  # padded tokens of a batch
STEP = 16
WEIGHTS = "weights/grounding.safetensors"
FORM = 2  # of the converted graph: another number, and files converted before are not used again


@dataclass(frozen=True, slots=True)
class _Window:
    """Tokens of one pass. `places` are the positions of the text's tokens in the whole text's token list."""

    text: int
    ids: list[int]
    kinds: list[int]
    first: int  # position of the first token of the text within `ids`
    places: range


class OpenVINOReader:
    """The packaged network on the processor."""

    def __init__(self, cache: Path, precision: str = "auto", threads: int = 0) -> None:
        """`cache` keeps the converted files. Raises EmbedderUnavailable when the encoder's package is missing."""
        encoder = find_model(PACKAGED_NAMES[0])
        core = openvino.Core()
        precision = choose_precision(core, "auto" if precision == "int8" else precision)
        self._tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        special = self._tokenizer.encode("").ids
        self._cls, self._sep = special[0], special[-1]
        self._lanes = threads or len(os.sched_getaffinity(0))
        with as_file(files("rag").joinpath(WEIGHTS)) as weights:
            self.revision = hashlib.blake2b(weights.read_bytes(), digest_size=6).hexdigest()

            def made() -> object:
                from rag.reader_convert import convert  # imports torch and transformers, which takes seconds

                return convert(encoder, weights)

            graph = read_or_convert(core, cache / f"grounding-{self.revision}-{FORM}", made)
        config = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": self._lanes,
            "NUM_STREAMS": self._lanes,
            "CACHE_DIR": str(cache / "compiled"),  # halves the time that a later start compiles
        }
        compiled = core.compile_model(graph, "CPU", config)
        self._requests = [compiled.create_infer_request() for _ in range(self._lanes)]
        self._turn = threading.Lock()

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        """See `Reader.read`. Texts of a few thousand characters cost tens of milliseconds together."""
        whole = [self._tokenizer.encode(text, add_special_tokens=False) for text in texts]
        windows = self._windows(question, [encoding.ids for encoding in whole])
        found = self._infer(windows)
        readings = []
        for place, encoding in enumerate(whole):
            starts = np.full(len(encoding.ids), -20.0, dtype=np.float32)
            ends = np.full(len(encoding.ids), -20.0, dtype=np.float32)
            answerable = -20.0
            for window, (span, can, _) in zip(windows, found, strict=True):
                if window.text != place:
                    continue
                here = slice(window.places.start, window.places.stop)
                logits = span[window.first : window.first + len(window.places)] - span[0]
                starts[here] = np.maximum(starts[here], logits[:, 0])
                ends[here] = np.maximum(ends[here], logits[:, 1])
                answerable = max(answerable, can)
            spans = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
            readings.append(Reading(spans, starts, ends, answerable))
        return readings

    def check(self, claim: str, texts: Sequence[str]) -> list[float]:
        """See `Reader.check`."""
        whole = [self._tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        windows = self._windows(claim, whole)
        scores = [-20.0] * len(texts)
        for window, (_, _, supported) in zip(windows, self._infer(windows), strict=True):
            scores[window.text] = max(scores[window.text], supported)
        return scores

    def _windows(self, first: str, texts: Sequence[list[int]]) -> list[_Window]:
        head = self._tokenizer.encode(first, add_special_tokens=False).ids[:MOST_FIRST_TOKENS]
        front = [self._cls, *head, self._sep]
        room = MAX_TOKENS - len(front) - 1
        windows = []
        for place, ids in enumerate(texts):
            start = 0
            while ids:
                part = ids[start : start + room]
                kinds = [0] * len(front) + [1] * (len(part) + 1)
                whole = [*front, *part, self._sep]
                windows.append(_Window(place, whole, kinds, len(front), range(start, start + len(part))))
                if start + room >= len(ids):
                    break
                start += room - OVERLAP_TOKENS
        return windows

    def _infer(self, windows: Sequence[_Window]) -> list[tuple[NDArray[np.float32], float, float]]:
        """Span logits (t, 2), answerable and supported logits of each window."""
        found: list[tuple[NDArray[np.float32], float, float]] = [(np.empty((0, 2), np.float32), 0.0, 0.0)] * len(
            windows
        )
        lengths = [len(window.ids) for window in windows]
        batches = plan_batches(lengths, budget=BUDGET, step=STEP, lanes=self._lanes)
        with self._turn:
            for start in range(0, len(batches), self._lanes):
                running = list(zip(batches[start : start + self._lanes], self._requests, strict=False))
                for batch, request in running:
                    request.start_async(_pad([windows[row] for row in batch.rows], batch.width))
                for batch, request in running:
                    request.wait()
                    span, can, supported = (request.get_output_tensor(port).data for port in range(3))
                    for place, row in enumerate(batch.rows):
                        length = len(windows[row].ids)
                        found[row] = (span[place, :length].copy(), float(can[place]), float(supported[place]))
        return found


def _pad(windows: Sequence[_Window], width: int) -> list[NDArray[np.int64]]:
    """Ids, mask and segments, each (n, width)."""
    ids, mask, kinds = (np.zeros((len(windows), width), dtype=np.int64) for _ in range(3))
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
        kinds[row, : len(window.ids)] = window.kinds
    return [ids, mask, kinds]
