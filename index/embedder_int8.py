"""An embedding graph in eight bits, and the gate that it must pass before its vectors are used. Knows no SQL.

For processors without bf16. Weights keep a scale for every 128 of a row; activations get theirs as they are computed,
for every 32 of one token, so that a vector depends on its text alone and not on its neighbours in the batch.
"""

import hashlib
import importlib
import inspect
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.quiet_openvino import openvino, ops

logger = logging.getLogger(__name__)

Embed = Callable[[Sequence[str]], NDArray[np.float32]]  # texts -> (n, dimension) unit rows

CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"}

_GROUP = 128  # weights that share a scale
_SMALLEST = 64  # of a weight matrix's sides: smaller ones cost nothing
_LEAST_COSINE = 0.999  # to fp32, on average
_LEAST_RECALL = 0.95  # of the ten nearest in fp32
_LEAST_SPEED = 1.15  # times fp32
_PROBES = 160
_PROBE_WORDS = range(20, 80)
_ROUNDS = 2
_PROSE = (
    "argparse asyncio collections concurrent.futures configparser csv ctypes datetime decimal email.message fractions "
    "http.client http.server imaplib inspect json logging mailbox pathlib random re shutil smtplib socket sqlite3 ssl "
    "statistics string subprocess tarfile tempfile textwrap threading traceback unittest urllib.request zipfile"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Eight bits against fp32 on one processor: mean cosine, share of the ten nearest kept, and times as fast."""

    cosine: float
    recall: float
    speed: float

    @property
    def good(self) -> bool:
        return self.cosine >= _LEAST_COSINE and self.recall >= _LEAST_RECALL

    @property
    def faster(self) -> bool:
        return self.speed >= _LEAST_SPEED


def quantised(graph: Any) -> Any:
    """The graph with the weights of its matrix products in eight bits; a copy."""
    graph = graph.clone()
    for node in graph.get_ordered_ops():
        if node.get_type_name() != "MatMul" or not node.get_attributes()["transpose_b"]:
            continue
        source = node.input_value(1).get_node()
        if source.get_type_name() == "Constant" and min(source.data.shape) >= _SMALLEST:
            node.input(1).replace_source_output(_eight_bits(source.data).output(0))
    graph.validate_nodes_and_infer_types()
    return graph


def _eight_bits(weights: NDArray[Any]) -> Any:
    """(rows, columns) as whole numbers of -127 to 127 times a scale for each group of columns."""
    rows, columns = weights.shape
    group = _GROUP if columns % _GROUP == 0 else columns
    grouped = weights.astype(np.float32).reshape(rows, columns // group, group)
    scale = np.maximum(np.abs(grouped).max(axis=2, keepdims=True) / 127, np.finfo(np.float32).tiny)
    whole = np.clip(np.round(grouped / scale), -127, 127).astype(np.int8)
    restored = ops.multiply(ops.convert(ops.constant(whole), "f32"), ops.constant(scale))
    return ops.reshape(restored, ops.constant(np.array(weights.shape, np.int64)), special_zero=False)


def verdict(exact_and_eight: Callable[[], tuple[Embed, Embed]], kept: Path) -> Verdict:
    """How eight bits compare with fp32 here. Takes seconds once; the file `kept` remembers it for this processor."""
    here = f"{_processor()}, OpenVINO {openvino.__version__}"
    try:
        found = json.loads(kept.read_text("utf-8"))
        if found.pop("measured_on") == here:
            return Verdict(**found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # not measured yet, elsewhere, or damaged: measured now
    try:
        logger.info("comparing eight bits with fp32 on this processor, once")
        measured = _measured(*exact_and_eight(), probes())
    except RuntimeError as error:  # what OpenVINO raises for arithmetic that this processor lacks
        logger.info("eight bits do not run here (%s); fp32 is used", str(error).splitlines()[-1])
        measured = Verdict(0.0, 0.0, 0.0)
    part = kept.with_suffix(f".{os.getpid()}")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(json.dumps(asdict(measured) | {"measured_on": here}), "utf-8")
    part.replace(kept)
    return measured


def _measured(exact: Embed, eight: Embed, texts: Sequence[str]) -> Verdict:
    if len(texts) < _PROBES // 2:
        logger.info("this Python keeps no documentation to measure eight bits on; fp32 is used")
        return Verdict(0.0, 0.0, 0.0)
    seconds: dict[str, float] = {}
    rows: dict[str, NDArray[np.float32]] = {}
    for _ in range(_ROUNDS):
        for name, embed in (("exact", exact), ("eight", eight)):
            began = time.perf_counter()
            rows[name] = embed(texts)
            seconds[name] = min(seconds.get(name, np.inf), time.perf_counter() - began)
    cosine = float(np.einsum("nd,nd->n", rows["exact"], rows["eight"]).mean())
    near = [_nearest(rows[name]) for name in ("exact", "eight")]
    recall = float(np.mean([len(a & b) / len(a) for a, b in zip(*near, strict=True)]))
    return Verdict(cosine, recall, seconds["exact"] / seconds["eight"])


def _nearest(rows: NDArray[np.float32]) -> list[set[int]]:
    """The ten nearest other rows of each."""
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    return [set(map(int, order[:10])) for order in np.argsort(-scores, axis=1)]


def probes() -> list[str]:
    """English prose that every machine has: what Python's own modules say of themselves."""
    found: set[str] = set()
    for name in _PROSE.split():
        try:
            module = importlib.import_module(name)
        except ImportError:  # left out of some builds of Python
            continue
        things = inspect.getmembers(module, lambda one: inspect.isclass(one) or inspect.isfunction(one))
        told = [" ".join(thing.__doc__.split()) for _, thing in things if isinstance(thing.__doc__, str)]
        found |= {text for text in told if text.count(" ") + 1 in _PROBE_WORDS}
    return sorted(found)[:: max(len(found) // _PROBES, 1)][:_PROBES]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return "unknown"
    told = sorted({line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "flags"))})
    return hashlib.blake2b(" ".join(told).encode(), digest_size=8).hexdigest()
