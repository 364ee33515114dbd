"""What one file may cost. Knows no parser and enforces nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Bounds on parsing one file.

    `seconds` is wall and processor time, `memory_bytes` the address space of the child process,
    `max_characters` the length of `document.text`.
    """

    seconds: float = 300.0
    memory_bytes: int = 1536 * 1024**2
    max_characters: int = 50_000_000
