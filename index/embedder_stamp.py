"""Who made a vector: the identity that travels with every vector and snapshot. Knows no model and no arithmetic."""

import hashlib
import re
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class EmbedderStamp:
    """Two embedders with equal stamps give interchangeable vectors; any difference means they must never be mixed."""

    model: str  # short name, for people
    revision: str  # digest of weights, tokenizer and architecture
    precision: str  # "fp32", "bf16" or "int8": what the arithmetic runs in
    pooling: str  # "mean", "cls", "max"; with "+normalize" always implied
    max_tokens: int  # longest input including special tokens
    dimension: int

    @property
    def key(self) -> str:
        """Short and stable: `all-MiniLM-L6-v2-bf16-1f2e3d4c5b6a`. Fits file names and 72 characters of SQL."""
        digest = hashlib.blake2b("\x00".join(map(str, astuple(self))).encode(), digest_size=6).hexdigest()
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.model)[:40].strip("-") or "model"
        return f"{name}-{self.precision}-{digest}"
