"""The corpus as frozen values: what the catalog takes and gives. Knows no SQL session, no embedder, no file format."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

Egress = Literal["deny", "redact", "allow"]
DocumentState = Literal["current", "superseded"]
ChangeKind = Literal["add", "delete"]
Outcome = Literal["added", "replaced", "unchanged"]
GenerationState = Literal["building", "serving", "old", "dropping"]


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection; `documents` and `chunks` count current ones. `stamp` is empty before the first vectors."""

    id: str
    name: str
    description: str
    egress: Egress
    created_at: datetime
    documents: int
    chunks: int
    stamp: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Who answers from it when a question names no model; empty: whoever answers by default."""
        return str(self.metadata.get("model", ""))

    @property
    def models(self) -> tuple[str, ...]:
        """The only models that may answer from it; none: all."""
        return tuple(self.metadata.get("models", ()))


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A document without its text. `size` is in bytes, `characters` in code points, pages are (number, start, end)."""

    id: str
    collection: str
    name: str
    title: str
    media_type: str
    content_hash: str
    version: int
    size: int
    characters: int
    chunks: int
    pages: tuple[tuple[int, int, int], ...]
    metadata: Mapping[str, Any]
    report: Mapping[str, Any]
    blob: str
    state: DocumentState
    superseded_by: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ChunkInfo:
    """A chunk as stored: `text == document.text[start:end]`."""

    id: int
    document: str
    ordinal: int
    start: int
    end: int
    text: str
    heading: str
    page: int | None
    tokens: int
    line: int | None = None
    recognised: bool = False


@dataclass(frozen=True, slots=True)
class ChangeInfo:
    """One line of the change log."""

    seq: int
    collection: str
    document: str
    kind: ChangeKind
    at: datetime


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to be stored. `ordinal` counts from 0; `tokens` counts heading and text with the embedder's tokenizer."""

    ordinal: int
    start: int
    end: int
    text: str
    heading: str = ""
    page: int | None = None
    tokens: int = 0
    line: int | None = None  # of the file, from 1
    recognised: bool = False  # read by OCR


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A whole document to be stored in one transaction. `collection` is an id; `content_hash` is sha256, hexadecimal.

    `vectors[i]` embeds `embedded_text(chunks[i].heading, chunks[i].text)` under the embedder of `stamp`.
    """

    collection: str
    name: str
    title: str
    media_type: str
    content_hash: str
    size: int
    text: str
    pages: Sequence[tuple[int, int, int]]
    metadata: Mapping[str, Any]
    report: Mapping[str, Any]
    blob: str
    chunks: Sequence[NewChunk]
    vectors: NDArray[np.float32]  # (len(chunks), d), unit rows
    stamp: str


@dataclass(frozen=True, slots=True)
class PutOutcome:
    """What became of a put. `document` is the id of the document that now holds these bytes."""

    document: str
    outcome: Outcome
    version: int


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A page of a list. `next_cursor` is None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


def embedded_text(heading: str, text: str) -> str:
    """What the embedder reads for a chunk: its headings give a short passage the context it lacks."""
    return f"{heading}\n{text}" if heading else text


def text_hash(embedded: str) -> str:
    """The key of the embedding cache: 32 hexadecimal characters."""
    return hashlib.blake2b(embedded.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def encode_vector(row: NDArray[np.float32]) -> bytes:
    """A unit row as SQL keeps it: d little-endian float16 numbers."""
    return row.astype("<f2").tobytes()


def decode_vectors(stored: Sequence[bytes]) -> NDArray[np.float32]:
    """(n, d) float32 unit rows; rounding to float16 is evened out by scaling to length 1 again. n must not be 0."""
    rows = np.frombuffer(b"".join(stored), dtype="<f2").reshape(len(stored), -1).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(lengths == 0, 1, lengths)
    return rows


def check_document(new: NewDocument) -> None:
    """Hold a new document to the law of spans and its vectors to their shape. Raises ValueError with both sides."""
    for place, chunk in enumerate(new.chunks):
        if chunk.ordinal != place:
            raise ValueError(
                f"chunk {place} of {new.name!r} has ordinal {chunk.ordinal}; ordinals count from 0 in order"
            )
        if not 0 <= chunk.start < chunk.end <= len(new.text) or new.text[chunk.start : chunk.end] != chunk.text:
            raise ValueError(
                f"chunk {place} of {new.name!r} is not the text at [{chunk.start}, {chunk.end}) of its document; "
                "a chunk must be an exact span"
            )
    vectors = new.vectors
    if vectors.ndim != 2 or vectors.shape[0] != len(new.chunks):
        raise ValueError(
            f"{new.name!r} has {len(new.chunks)} chunks, but vectors of shape {vectors.shape}; one row per chunk"
        )
    if not new.stamp:
        raise ValueError(f"{new.name!r} has vectors without the stamp of their embedder")
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.all(np.abs(lengths - 1) < 1e-2):
        raise ValueError(
            f"{new.name!r} has vectors of length {lengths.min():.3f} to {lengths.max():.3f}, but unit rows were wanted"
        )
