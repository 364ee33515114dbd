"""Identifiers in a text: error codes, part numbers, versions. Pure; knows no index.

"E-1042", "E1042" and "e_1042" are one code, "v3.12.1" and "3.12.1" another: how it is typed differs between a manual
and a customer. "1042" alone is no code: it may be any number.
"""

import re
from collections.abc import Iterator

_DIGIT = re.compile(r"\d")
_TOKEN = re.compile(r"[^\W_]+(?:[._/@+:#-][^\W_]+)*")
_BESIDE_A_LETTER = re.compile(r"(?<=[^\W\d_])[_/@+:#-]|[_/@+:#-](?=[^\W\d_])")
_BETWEEN_DIGITS = re.compile(r"[_/@+:#-]")
_CODE = re.compile(r"^[^\W\d_][^\d]*\d|^0x[\da-f]|^\d+[._/@+:#-]\d+[._/@+:#-]\d")
_VERSION = re.compile(r"v(?=\d)")
LONGEST = 60


def codes(text: str) -> list[str]:
    """The codes of a text in their order and in one form: small letters, separators only where digits meet.

    A code has letters before its first digit, or three groups of digits: "19th", "20km" and "3.5" are none.
    """
    # Every passage is looked through when it is indexed, and most words are words: they are passed over quickly.
    pieces = (piece for piece in text.split() if not piece.isalpha() and _DIGIT.search(piece))
    return [code for piece in pieces for code in _codes_of(piece)]


def _codes_of(piece: str) -> Iterator[str]:
    for match in _TOKEN.finditer(piece):
        token = match.group().lower()
        if len(token) > LONGEST or not _CODE.search(token):
            continue
        plain = _BETWEEN_DIGITS.sub("-", _BESIDE_A_LETTER.sub("", token))
        yield _VERSION.sub("", plain, count=1) if _VERSION.match(plain) else plain
