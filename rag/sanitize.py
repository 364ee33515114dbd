"""Clean a model's text while it streams: no invented markers, links, images or tags. Knows no model, no HTTP.

What comes out depends on the whole text alone, never on where the stream was cut. The scanner holds back only what
may still turn out to be something else: the word at the end, an open bracket, an open tag, white space.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

LONGEST_BRACKET = 400
LONGEST_TARGET = 2_000
LONGEST_TAG = 300

_MARKER = re.compile(r"\[\s*\^?\d{1,3}(?:\s*[,;–-]\s*\^?\d{1,3})*\s*\]")
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}:)?//[^\s<>\"']+|www\.[^\s<>\"']+|\b(?:javascript|data|mailto|vbscript|tel):[^\s<>\"']+"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}/[^\s<>\"']*",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?:answer|response|a):$", re.IGNORECASE)


@dataclass
class Sanitizer:
    """Feed it pieces, take out clean text; `finish` gives the rest.

    `known` is the text of the sources in the prompt: a link or a tag that stands there word for word is kept as
    plain text. `valid` are the numbers of sources that a marker may name; markers never reach the text.
    """

    known: str = ""
    valid: frozenset[int] = frozenset()
    named: list[tuple[int, int]] = field(default_factory=list)  # (offset in the clean text, source number)
    invented: int = 0  # markers that name no source
    removed: list[str] = field(default_factory=list)  # links, images, tags that were taken out
    _held: str = ""
    _space: str = ""
    _length: int = 0

    def feed(self, piece: str) -> str:
        """The clean text that is certain now; may be empty."""
        self._held += piece
        return self._drain(last=False)

    def finish(self) -> str:
        """What was still held back. White space at the end is dropped."""
        rest = self._drain(last=True)
        self._space = ""
        return rest

    def _drain(self, *, last: bool) -> str:
        out: list[str] = []
        while self._held:
            step = self._step(last=last)
            if step is None:
                break
            taken, clean = step
            self._held = self._held[taken:]
            if clean:
                out.append(self._emit(clean))
        return "".join(out)

    def _emit(self, clean: str) -> str:
        if self._length == 0:
            self._space = ""
        text = self._space + clean
        self._space = ""
        self._length += len(text)
        return text

    def _step(self, *, last: bool) -> tuple[int, str] | None:
        """(characters taken, clean text) of the next piece, or None to wait for more."""
        held = self._held
        if held[0].isspace():
            stop = next((place for place, letter in enumerate(held) if not letter.isspace()), len(held))
            if stop == len(held) and not last:
                return None
            self._space = self._space or held[:stop]  # space on both sides of something removed counts once
            return stop, ""
        if held[0] == "[" or held.startswith("!["):
            return self._bracket(last=last)
        if held == "!" and not last:
            return None
        if held[0] == "<":
            return self._tag(last=last)
        return self._word(last=last)

    def _bracket(self, *, last: bool) -> tuple[int, str] | None:
        held = self._held
        opening = 2 if held[0] == "!" else 1
        close = held.find("]", opening, opening + LONGEST_BRACKET)
        if close < 0:
            if len(held) < opening + LONGEST_BRACKET and not last:
                return None
            return opening, "" if opening == 2 else "["
        if close + 1 == len(held) and not last:
            return None
        if held[close + 1 : close + 2] == "(":
            return self._link(opening, close, last=last)
        if opening == 1 and _MARKER.fullmatch(held[: close + 1]):
            self._take_marker(held[: close + 1])
            self._space = ""
            return close + 1, ""
        if opening == 2:
            self.removed.append(held[: close + 1])
            return close + 1, ""
        return 1, "["

    def _link(self, opening: int, close: int, *, last: bool) -> tuple[int, str] | None:
        held = self._held
        end = held.find(")", close, close + LONGEST_TARGET)
        if end < 0:
            if len(held) < close + LONGEST_TARGET and not last:
                return None
            end = min(len(held), close + LONGEST_TARGET) - 1
        label = re.sub(r"[\[\]!<>]", "", _URL.sub("", held[opening:close])).strip()
        target = held[close + 2 : end].split(" ")[0]
        if opening == 2:
            self.removed.append(held[: end + 1])
            return end + 1, ""
        if target and self._is_known(target):
            return end + 1, f"{label} ({target})"
        self.removed.append(target)
        return end + 1, label

    def _tag(self, *, last: bool) -> tuple[int, str] | None:
        held = self._held
        if len(held) == 1 and not last:
            return None
        if not re.match(r"<[a-zA-Z/!|?]", held):
            return 1, "<"
        close = held.find(">", 1, LONGEST_TAG)
        if close < 0:
            if len(held) < LONGEST_TAG and not last:
                return None
            self.removed.append("<")
            return 1, ""
        tag = held[: close + 1]
        if self._is_known(tag):
            return close + 1, tag
        self.removed.append(tag)
        return close + 1, ""

    def _word(self, *, last: bool) -> tuple[int, str] | None:
        held = self._held
        stop = next((place for place in range(1, len(held)) if self._ends_word(place)), len(held))
        if stop == len(held) and not last:
            return None
        word = held[:stop]
        if self._length == 0 and _LABEL.match(word):
            return stop, ""
        clean = _URL.sub(self._keep_known, word)
        if "](" in clean:
            self.removed.append(clean)
            clean = clean.split("](")[0]
        return stop, clean

    def _ends_word(self, place: int) -> bool:
        letter = self._held[place]
        return letter.isspace() or letter in "[<" or self._held.startswith("![", place)

    def _keep_known(self, match: re.Match[str]) -> str:
        url = match.group().rstrip(".,;:!?)'\"*`")
        if self._is_known(url):
            return match.group()
        self.removed.append(url)
        return match.group()[len(url) :]

    def _is_known(self, piece: str) -> bool:
        return piece in self.known

    def _take_marker(self, marker: str) -> None:
        for number in _numbers_of(marker):
            if number in self.valid:
                self.named.append((self._length, number))
            else:
                self.invented += 1


def sanitize(text: str, known: str = "", valid: Iterable[int] = ()) -> str:
    """The whole text at once: what a stream of it ends as."""
    sanitizer = Sanitizer(known, frozenset(valid))
    return sanitizer.feed(text) + sanitizer.finish()


def _numbers_of(marker: str) -> list[int]:
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:\s*[–-]\s*\^?(\d+))?", marker):
        low, high = int(first), int(last or first)
        found += range(low, high + 1) if low <= high <= low + 20 else [low]
    return found
