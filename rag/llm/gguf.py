"""Reads the header of a GGUF file. Knows no llama.cpp and no weights: it answers before anything is loaded.

Layout: magic, version, counts, key-value pairs, tensor directory, padding, weights. All little-endian.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rag.errors import ModelUnavailable

Scalar = str | int | float | bool
Array = tuple[Scalar, ...]

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# A header says how much follows; a torn one may say anything. These bounds keep reading it cheap.
_MOST_PAIRS, _MOST_TENSORS, _LONGEST_STRING, _LONGEST_ARRAY = 65_536, 1_048_576, 16 * 1024**2, 16 * 1024**2


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a model file says about itself. `size` is in bytes; arrays are there only if they were asked for."""

    path: Path
    size: int
    tensors: int
    metadata: Mapping[str, Scalar]
    arrays: Mapping[str, Array]

    def text(self, key: str, otherwise: str = "") -> str:
        """A value as text, or `otherwise` if the file does not say."""
        value = self.metadata.get(key)
        return otherwise if value is None else str(value)

    @property
    def name(self) -> str:
        return self.text("general.name", self.path.stem)

    @property
    def licence(self) -> str:
        return self.text("general.license")

    @property
    def context_tokens(self) -> int:
        """Context the model was trained with, 0 if the file does not say."""
        value = self.metadata.get(f"{self.text('general.architecture')}.context_length", 0)
        return value if isinstance(value, int) else 0


def read_header(path: Path, *, arrays: bool = False) -> GgufHeader:
    """Read and check the header. Raises ModelUnavailable with one line: missing, not GGUF, or cut short.

    Corrupt files are refused here because the native loader may end the process instead of answering.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _read(_Reader(file, size), path, arrays)
    except FileNotFoundError:
        raise ModelUnavailable(
            f"there is no model file at {path}; set model.path to a GGUF file, or leave it empty for the packaged model"
        ) from None
    except OSError as error:
        raise ModelUnavailable(
            f"the model file {path} cannot be read ({error.strerror}); check its permissions"
        ) from error
    except _DamagedError as damage:
        raise ModelUnavailable(f"the model file {path} {damage}; fetch it again or choose another GGUF file") from None


class _DamagedError(Exception):
    """What is wrong with the file, as the end of a sentence."""


class _Reader:
    """Little-endian values from a file whose length is known, so that a wild count is noticed before it is believed."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def take(self, length: int) -> bytes:
        data = self._file.read(length) if length <= self._left else b""
        if len(data) != length:
            raise _DamagedError("is cut short: its header ends before it is complete")
        self._left -= length
        return data

    def skip(self, length: int) -> None:
        if length > self._left:
            raise _DamagedError("is cut short: its header ends before it is complete")
        self._file.seek(length, 1)
        self._left -= length

    def number(self, form: str) -> int:
        value: int = struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]
        return value

    def count(self, most: int, what: str) -> int:
        value = self.number("Q")
        if value > most:
            raise _DamagedError(f"is damaged: it announces {value} {what}, at most {most} are believable")
        return value

    def string(self) -> str:
        return self.take(self.count(_LONGEST_STRING, "bytes of text")).decode("utf-8", "replace")

    def scalar(self, kind: int) -> Scalar:
        if kind == _STRING:
            return self.string()
        form = _SCALARS.get(kind)
        if form is None:
            raise _DamagedError(f"is damaged: it holds a value of the unknown type {kind}")
        value: Scalar = struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]
        return value

    def array(self, *, keep: bool) -> Array:
        kind, length = self.number("I"), self.count(_LONGEST_ARRAY, "array items")
        if keep:
            return tuple(self.scalar(kind) for _ in range(length))
        if kind == _STRING:
            for _ in range(length):
                self.skip(self.count(_LONGEST_STRING, "bytes of text"))
        elif kind in _SCALARS:
            self.skip(length * struct.calcsize("<" + _SCALARS[kind]))
        else:
            raise _DamagedError(f"is damaged: it holds an array of the unknown type {kind}")
        return ()

    @property
    def left(self) -> int:
        return self._left


def _read(reader: _Reader, path: Path, arrays: bool) -> GgufHeader:
    size = reader.left
    if size < len(_MAGIC) or reader.take(len(_MAGIC)) != _MAGIC:
        raise _DamagedError("is not a GGUF file")
    version = reader.number("I")
    if version not in _VERSIONS:
        raise _DamagedError(
            f"is of GGUF version {version}, but versions {_VERSIONS[0]} and {_VERSIONS[1]} are understood"
        )
    tensors = reader.count(_MOST_TENSORS, "tensors")
    pairs = reader.count(_MOST_PAIRS, "properties")
    metadata: dict[str, Scalar] = {}
    kept: dict[str, Array] = {}
    for _ in range(pairs):
        key, kind = reader.string(), reader.number("I")
        if kind == _ARRAY:
            kept[key] = reader.array(keep=arrays)
        else:
            metadata[key] = reader.scalar(kind)
    _check_directory(reader, tensors)
    return GgufHeader(path, size, tensors, metadata, kept if arrays else {})


def _check_directory(reader: _Reader, tensors: int) -> None:
    if tensors == 0:
        raise _DamagedError("holds no weights")
    furthest = 0
    for _ in range(tensors):
        reader.string()
        dimensions = reader.number("I")
        if dimensions > 8:
            raise _DamagedError(f"is damaged: it announces a tensor of {dimensions} dimensions")
        reader.skip(8 * dimensions + 4)
        furthest = max(furthest, reader.number("Q"))
    if furthest >= reader.left:
        raise _DamagedError("is cut short: its last weights are missing")
