"""The one-time conversion of a sentence-transformers model to OpenVINO files. Knows no texts.

Imported only when the converted files are missing: a warm start loads neither torch nor transformers.
"""

import warnings
from typing import Any

import torch
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from index.embedder_model import EmbeddingModel
from index.errors import EmbedderUnavailable
from index.quiet_openvino import openvino


class Pooled(torch.nn.Module):  # type: ignore[misc]  # torch comes untyped
    """Transformer, pooling over the real tokens, and length 1: (n, t) ids and mask -> (n, dimension) float32."""

    def __init__(self, encoder: Any, pooling: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (n, t, d)
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        if self.pooling == "mean":
            pooled = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)
        elif self.pooling == "cls":
            pooled = states[:, 0]
        else:
            pooled = states.masked_fill(mask == 0, float("-inf")).max(dim=1).values
        return torch.nn.functional.normalize(pooled, p=2, dim=1)


def convert(model: EmbeddingModel) -> Any:
    """The model as an OpenVINO graph. Raises EmbedderUnavailable."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        encoder = AutoModel.from_pretrained(model.folder, dtype=torch.float32, local_files_only=True).eval()
        # The second row is padded: a trace without padding would drop the mask from the graph.
        ids = torch.full((2, 7), model.pad_id, dtype=torch.int64)
        mask = torch.ones_like(ids)
        mask[1, 4:] = 0
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer warns about branches that these models never take otherwise
            graph = openvino.convert_model(
                Pooled(encoder, model.pooling), example_input={"input_ids": ids, "attention_mask": mask}
            )
        graph.reshape({port: openvino.PartialShape([-1, -1]) for port in graph.inputs})
        return graph
    except Exception as error:  # three libraries with error classes of their own
        raise EmbedderUnavailable(
            f"the embedding model {model.name} cannot be converted for OpenVINO ({error}); "
            "set embedder.backend to sentence-transformers"
        ) from error
