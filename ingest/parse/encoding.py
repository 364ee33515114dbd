"""Bytes to text, with how sure the guess is. Knows no file format."""

import codecs
from dataclasses import dataclass

from charset_normalizer import from_bytes

from ingest.errors import WrongType

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 128 * 1024  # bytes that the statistical guess looks at
_CONTROL = bytes(range(9)) + bytes(range(14, 27)) + bytes(range(28, 32)) + b"\x7f"


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with the encoding it was read in; `confidence` is 0..1, `replaced` counts bytes that made no character."""

    text: str
    encoding: str
    confidence: float
    replaced: int = 0


def decode(data: bytes) -> Decoded:
    """Read by byte order mark, then as UTF-8, then UTF-16 without a mark, then by statistics.

    Raises WrongType when the bytes are no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _replacing(data[len(mark) :], encoding, 1.0)
    if b"\x00" in data[:_SAMPLE]:
        wide = _wide_encoding(data[:_SAMPLE])
        if wide is None:
            raise WrongType("the content is binary data, not text; save it as one of the supported formats")
        return _replacing(data, wide, 0.9)
    try:
        return Decoded(data.decode("utf-8"), "utf-8", 1.0)
    except UnicodeDecodeError:
        pass
    if is_binary(data):
        raise WrongType("the content is binary data, not text; save it as one of the supported formats")
    return _almost_utf8(data) or _guess(data)


def is_binary(data: bytes) -> bool:
    """Whether control characters are too many for text in a one-byte or UTF-8 encoding."""
    sample = data[:_SAMPLE]
    return len(sample) - len(sample.translate(None, _CONTROL)) > len(sample) * 0.02


def _replacing(data: bytes, encoding: str, confidence: float) -> Decoded:
    text = data.decode(encoding, errors="replace")
    return Decoded(text, encoding, confidence, text.count("\ufffd"))


def _wide_encoding(sample: bytes) -> str | None:
    """UTF-16 of mostly Western text has a zero in every other byte."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) / 2
    if odd > half * 0.6 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.6 and odd < half * 0.05:
        return "utf-16-be"
    return None


def _almost_utf8(data: bytes) -> Decoded | None:
    """UTF-8 with a few damaged places, which statistics would take for something exotic."""
    text = data.decode("utf-8", errors="replace")
    replaced = text.count("\ufffd")
    foreign = sum(not character.isascii() for character in text) - replaced
    return Decoded(text, "utf-8", 0.8, replaced) if foreign >= 4 * replaced else None


def _guess(data: bytes) -> Decoded:
    best = from_bytes(data[:_SAMPLE]).best()
    if best is not None:
        try:
            return Decoded(data.decode(best.encoding), best.encoding, round(max(0.0, 1.0 - best.chaos) * 0.9, 3))
        except UnicodeDecodeError:
            return _replacing(data, best.encoding, round(max(0.0, 1.0 - best.chaos) * 0.5, 3))
    return _replacing(data, "cp1252", 0.2)
