"""Where sentences begin and end. Pure; knows no chunks and no models.

Rules, not a model: the same text always gives the same spans.
"""

import re

_END = re.compile(r"[.!?…。！？]+[\"'”’)\]»]*")
_WIDE = frozenset("。！？")
_BREAK = re.compile(r"\n[^\S\n]*\n+|\n")
_ITEM = re.compile(r"[^\S\n]*(?:[-*+•●▪–—]|\(?\d{1,3}[.)]|\(?[A-Za-z][.)]|\[\d{1,3}\])[^\S\n]+(?=\S)")
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘]+$")
_INITIALS = re.compile(r"(?:[A-Za-z]\.)+$")
_ABBREVIATIONS = frozenset(
    str.split(
        "mr. mrs. ms. dr. prof. st. sr. jr. vs. etc. e.g. i.e. eg. ie. cf. al. approx. appr. dept. est. fig. figs. "
        "eq. sec. ch. vol. vols. no. nos. p. pp. ed. eds. inc. ltd. co. corp. gmbh. ver. v. rev. ref. refs. resp. "
        "incl. excl. max. min. avg. a.m. p.m. u.s. u.k. ph.d. jan. feb. mar. apr. jun. jul. aug. sep. sept. oct. nov. "
        "dec. mon. tue. wed. thu. fri. art. para. tel. ext. temp. gen. gov. sen. rep. capt. lt. col. hon. z.b. d.h. "
        "bzw. usw. ca. nr. bspw."
    )
)
# These end a sentence as often as they do not: a capital letter after them decides.
_MAY_END = frozenset(str.split("etc. al. inc. ltd. co. corp. a.m. p.m. u.s. u.k. usw. ver. max. min. no."))
_ASKS_NUMBER = frozenset(
    str.split("no. nos. fig. figs. eq. sec. ch. vol. p. pp. ver. v. art. para. ref. ext. rev. nr.")
)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Spans [start, end) of the sentences of `text`, in order, trimmed of white space.

    Every character that is not white space lies in exactly one span. A line that begins a list item, a table row or
    a heading begins a sentence; a line end inside running text does not.
    """
    spans: list[tuple[int, int]] = []
    for start, end in _runs(text):
        spans += _sentences(text, start, end)
    return spans


def _runs(text: str) -> list[tuple[int, int]]:
    """Stretches of running text: lines that belong together."""
    lines: list[tuple[int, int]] = []
    position = 0
    for match in _BREAK.finditer(text):
        lines.append((position, match.start()))
        if match[0].count("\n") > 1:
            lines.append((match.start(), match.start()))
        position = match.end()
    lines.append((position, len(text)))
    runs: list[tuple[int, int]] = []
    open_run = False
    previous = ""
    for start, end in lines:
        line = text[start:end]
        if not line.strip():
            open_run = False
            continue
        if open_run and _continues(previous, line):
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
        open_run, previous = True, line
    return runs


def _continues(previous: str, line: str) -> bool:
    """Whether a line goes on with the sentence of the line before."""
    if _ITEM.match(line) or " | " in line or " | " in previous:
        return False
    first = line.lstrip()[0]
    if first.islower():
        return True
    if previous.rstrip().endswith((",", ";", "-", "(")):
        return True
    return len(previous) >= 50 and not previous.rstrip().endswith((".", "!", "?", ":", "…"))


def _sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    marker = _ITEM.match(text, start, end)
    position = start
    search_from = marker.end() if marker else start
    for match in _END.finditer(text, search_from, end):
        if match.start() >= position and _is_end(text, match, position, end):
            _add(spans, text, position, match.end())
            position = match.end()
    _add(spans, text, position, end)
    return spans


def _is_end(text: str, match: re.Match[str], start: int, end: int) -> bool:
    after = match.end()
    if match[0][0] in _WIDE:
        return True
    if after >= end:
        return True
    if not text[after].isspace():
        return False
    following = text[after:end].lstrip()
    first = following[:1]
    if not first:
        return True
    if first.islower() and match[0][0] in ".…":
        return False
    if match[0] != ".":
        return not first.islower() or match[0][0] not in "…"
    return _period_ends(text, match.start() + 1, start, first)


def _period_ends(text: str, after: int, start: int, first: str) -> bool:
    found = _LAST_WORD.search(text, max(start, after - 40), after)
    word = found[0].lower() if found else "."
    if word in _ASKS_NUMBER and first.isdigit():
        return False
    if word in _ABBREVIATIONS:
        return word in _MAY_END and (first.isupper() or first in "\"'“‘(")
    if _INITIALS.match(word):
        return len(word) == 2 and word in ("a.", "i.") and first.isupper() and after - start > 12
    return True


def _add(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        begin = start + piece.index(stripped[0])
        spans.append((begin, begin + len(stripped)))
