"""Replaces personal data by placeholders before text leaves the site, and puts it back into what comes in.

Hides e-mail addresses, telephone numbers, IBANs, card numbers, IP addresses, keys and tokens. Names of people are not
found. Too much is hidden rather than too little: what was hidden comes back, so that only the remote model misses it.
Knows no model beyond the protocol it wraps.
"""

import ipaddress
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from rag.llm.generator import Finished, GenerationEvent, GenerationRequest, Generator, Message, TextDelta

_LONGEST_PLACEHOLDER = 24


def _is_iban(text: str) -> bool:
    letters = re.sub(r"\s", "", text).upper()
    turned = letters[4:] + letters[:4]
    return 15 <= len(letters) <= 34 and int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def _is_card(text: str) -> bool:
    digits = [int(digit) for digit in re.sub(r"\D", "", text)]
    doubled = [digit if n % 2 == 0 else digit * 2 - 9 * (digit > 4) for n, digit in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and sum(doubled) % 10 == 0


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_phone(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    dated = re.fullmatch(r"\s*(\d{4}[-./ ]\d{1,2}[-./ ]\d{1,2}|\d{1,2}[-./ ]\d{1,2}[-./ ]\d{4})\s*", text)
    return 7 <= len(digits) <= 15 and not dated


def _always(_text: str) -> bool:
    return True


# In this order: what one kind has taken, the next does not see.
_KINDS: Sequence[tuple[str, re.Pattern[str], Callable[[str], bool]]] = (
    (
        "KEY",
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
            r"|\b(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abpr]|fn)[-_][A-Za-z0-9_-]{12,}"
            r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}"
            r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|\b[0-9a-fA-F]{32,}\b",
            re.DOTALL,
        ),
        _always,
    ),
    ("EMAIL", re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]+(?:\.[\w-]+)+"), _always),
    ("IBAN", re.compile(r"\b[A-Za-z]{2}\d{2}(?:[ ]?[A-Za-z0-9]){11,30}\b"), _is_iban),
    ("CARD", re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.]\d)"), _is_card),
    (
        "IP",
        re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:])"),
        _is_address,
    ),
    (
        "PHONE",
        re.compile(r"(?<![\w.])(?:\+\s?\d|\(\d|\d)[\d]*(?:[ ./()-]{1,2}\d+){1,6}(?!\w)|(?<!\w)\+?\d{9,15}(?!\w)"),
        _is_phone,
    ),
)
_PLACEHOLDER = re.compile(r"<(?:KEY|EMAIL|IBAN|CARD|IP|PHONE)_\d{1,6}>")


class Redaction:
    """Placeholders of one request. Equal data has one placeholder; text that looks like one is hidden as well."""

    def __init__(self) -> None:
        self._placeholders: dict[str, str] = {}
        self._hidden: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    @property
    def hidden(self) -> int:
        """How many different pieces of data were replaced."""
        return len(self._hidden)

    def hide(self, text: str) -> str:
        """The text with placeholders."""
        # Cut at placeholders, so that no later kind looks into one.
        text = _PLACEHOLDER.sub(lambda match: self._place("KEY", match[0]), text)
        for kind, pattern, holds in _KINDS:
            pieces = re.split(f"({_PLACEHOLDER.pattern})", text)
            text = "".join(
                piece if n % 2 else self._hide(kind, pattern, holds, piece) for n, piece in enumerate(pieces)
            )
        return text

    def show(self, text: str) -> str:
        """The text with the data back in place; placeholders that nobody gave stay."""
        return _PLACEHOLDER.sub(lambda match: self._hidden.get(match[0], match[0]), text)

    def _hide(self, kind: str, pattern: re.Pattern[str], holds: Callable[[str], bool], text: str) -> str:
        return pattern.sub(lambda match: self._place(kind, match[0]) if holds(match[0]) else match[0], text)

    def _place(self, kind: str, found: str) -> str:
        if found not in self._placeholders:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            placeholder = f"<{kind}_{self._counts[kind]}>"
            self._placeholders[found], self._hidden[placeholder] = placeholder, found
        return self._placeholders[found]


class RedactingGenerator:
    """A Generator whose model sees placeholders only, and whose readers see the data."""

    def __init__(self, inner: Generator) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def local(self) -> bool:
        return self._inner.local

    @property
    def context_tokens(self) -> int:
        return self._inner.context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Of the longer of both texts."""
        hidden = _hidden(messages, Redaction())
        return max(self._inner.count_tokens(messages), self._inner.count_tokens(hidden))

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        redaction, held = Redaction(), ""
        hidden = replace(request, messages=_hidden(request.messages, redaction))
        events = cast("AsyncGenerator[GenerationEvent, None]", self._inner.stream(hidden))
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TextDelta):
                    held += event.text
                    keep = _unfinished(held)
                    ready, held = held[: len(held) - keep], held[len(held) - keep :]
                    if ready:
                        yield TextDelta(redaction.show(ready))
                    continue
                if isinstance(event, Finished) and held:
                    yield TextDelta(redaction.show(held))
                yield event

    def close(self) -> None:
        self._inner.close()


def _hidden(messages: Sequence[Message], redaction: Redaction) -> tuple[Message, ...]:
    return tuple(replace(message, content=redaction.hide(message.content)) for message in messages)


def _unfinished(text: str) -> int:
    """Length of the end of a text that may be the beginning of a placeholder."""
    at = text.rfind("<", max(0, len(text) - _LONGEST_PLACEHOLDER))
    return len(text) - at if at >= 0 and re.fullmatch(r"<[A-Z]{0,5}(?:_\d{0,6})?", text[at:]) else 0
