"""What one file may cost. Knows no parser and enforces nothing."""

from dataclasses import dataclass
from typing import Literal

OcrMode = Literal["off", "auto", "always"]


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Bounds on parsing one file.

    `seconds` is wall and processor time, `memory_bytes` the address space of the child process,
    `max_characters` the length of `document.text`. `ocr` says which pages may be drawn and read: none, those without
    text, or all; `ocr_languages` is in tesseract's form ("eng+deu").
    """

    seconds: float = 300.0
    memory_bytes: int = 1536 * 1024**2
    max_characters: int = 50_000_000
    ocr: OcrMode = "auto"
    ocr_languages: str = "eng"
