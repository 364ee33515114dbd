"""Removes characters that a reader cannot see. Knows no file format and no structure.

Invisible characters carry instructions past a person's eyes and break exact search, so they are taken out and counted.
"""

import re
import unicodedata
from collections import Counter

_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\U000e0100-\U000e01ef"
_ZERO_WIDTH = "\u200b\u2060-\u2064\ufeff\u00ad\u180e"
_DIRECTION = "\u200e\u200f\u061c\u202a-\u202e\u2066-\u206f"
_CONTROL = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
# Joiners shape Persian, Indic scripts and emoji; beside an ASCII character they can only hide something.
_IDLE_JOINER = "(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
_HIDDEN = re.compile(f"[{_TAGS}{_SELECTORS}{_ZERO_WIDTH}{_DIRECTION}{_CONTROL}]|{_IDLE_JOINER}")
_KINDS = (
    (re.compile(f"[{_TAGS}{_SELECTORS}]"), "tag characters"),
    (re.compile(f"[{_DIRECTION}]"), "direction marks"),
    (re.compile(f"[{_CONTROL}]"), "control characters"),
)
_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str, removed: Counter[str]) -> str:
    """Return `text` in NFC with `\\n` line ends and without invisible characters; count those by kind in `removed`."""
    if text.isascii() and text.isprintable():
        return text
    text = _NEWLINES.sub("\n", text)
    text = _SURROGATES.sub("\ufffd", text)

    def drop(match: re.Match[str]) -> str:
        kind = next((name for pattern, name in _KINDS if pattern.match(match[0])), "zero-width characters")
        removed[kind] += 1
        return ""

    return unicodedata.normalize("NFC", _HIDDEN.sub(drop, text))


def describe_removed(removed: Counter[str]) -> str | None:
    """One sentence for the report, or None when nothing was removed."""
    if not removed:
        return None
    parts = ", ".join(f"{count} {kind}" for kind, count in sorted(removed.items()))
    return f"invisible characters removed: {parts}"
