"""The one-time conversion of the grounding network to OpenVINO. Knows no texts.

Imported only when the converted files are missing: a warm start loads neither torch nor transformers.
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from index.quiet_openvino import openvino
from rag.reader_network import GroundingNetwork


def convert(encoder: Path, weights: Path) -> Any:
    """The network as an OpenVINO graph with inputs ids, mask and segments, each (n, t) int64."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    network = GroundingNetwork(encoder).eval()
    network.restore(weights)
    # The second row is padded: a trace without padding would drop the mask from the graph.
    ids = torch.full((2, 9), 100, dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    kinds = torch.zeros_like(ids)
    kinds[:, 4:] = 1
    example = {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns about branches that the network never takes otherwise
        graph = openvino.convert_model(network, example_input=example)
    graph.reshape({port: openvino.PartialShape([-1, -1]) for port in graph.inputs})
    return graph
