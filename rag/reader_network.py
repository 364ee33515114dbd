"""The grounding network: one small encoder with heads for reading and for checking. Knows no data and no training.

Input: token ids of `[CLS] first [SEP] second [SEP]`, (n, t) int64, with mask and segment ids of the same shape.
Output: span logits (n, t, 2) for start and end, answerable (n,) and supported (n,) logits.

Imports torch and transformers, which takes seconds: only conversion and training do so.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, AutoModel
from transformers.masking_utils import sdpa_mask

EMBEDDINGS = "encoder.embeddings."  # these weights stay those of the packaged encoder and are not stored again


def _attend(
    _module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Attention in 32 bits: four times as fast as in 16 bits in torch on a processor, while linear layers gain."""
    with torch.autocast("cpu", enabled=False):
        mixed = nn.functional.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), attn_mask=attention_mask
        )
    return mixed.transpose(1, 2), None


AttentionInterface.register("sdpa_float32", _attend)
AttentionMaskInterface.register("sdpa_float32", sdpa_mask)  # without it padding would be read like words


class GroundingNetwork(nn.Module):  # type: ignore[misc]  # torch comes untyped
    """MiniLM with three heads. `[CLS]` at position 0 stands for "no span" in the span logits."""

    def __init__(self, folder: Path) -> None:
        """Start from the pre-trained encoder in `folder`; the heads are untrained."""
        super().__init__()
        self.encoder = AutoModel.from_pretrained(
            str(folder), add_pooling_layer=False, attn_implementation="sdpa_float32", local_files_only=True
        )
        width = self.encoder.config.hidden_size
        self.span = nn.Linear(width, 2)
        self.answerable = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.supported = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        states = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state  # (n, t, width)
        first = states[:, 0]
        return self.span(states), self.answerable(first).squeeze(-1), self.supported(first).squeeze(-1)

    def store(self, path: Path) -> None:
        """Write the trained weights: matrices as 8-bit integers with one scale a row, all else as 16-bit floats."""
        kept: dict[str, NDArray[np.generic]] = {}
        for name, weight in self.state_dict().items():
            if name.startswith(EMBEDDINGS):
                continue
            values = weight.detach().float().numpy()
            if values.ndim < 2:
                kept[name] = values.astype(np.float16)
                continue
            scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-8) / 127.0
            kept[name] = np.rint(values / scale).astype(np.int8)
            kept[f"{name}.scale"] = scale.astype(np.float32)
        save_file(kept, path)

    def restore(self, path: Path) -> None:
        """Read what `store` wrote. Raises what safetensors and torch raise for a file of another kind."""
        stored = load_file(path)
        state = {}
        for name, values in stored.items():
            if name.endswith(".scale"):
                continue
            scale = stored.get(f"{name}.scale")
            whole = values.astype(np.float32) if scale is None else values.astype(np.float32) * scale
            state[name] = torch.from_numpy(whole)
        missing, unexpected = self.load_state_dict(state, strict=False)
        lost = [name for name in missing if not name.startswith(EMBEDDINGS)]
        if lost or unexpected:
            raise ValueError(f"{path} does not fit the network: {len(lost)} weights missing, {len(unexpected)} unknown")
