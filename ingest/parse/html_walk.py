"""Walks an HTML tree in reading order and hands its blocks to the builder. Knows no files and no Markdown."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.parse.build import TextBuilder, flow

_HIDDEN_STYLE = re.compile(
    r"(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[01](?:px|pt)?\s*(?:;|$))", re.I
)
_HEADING = re.compile(r"h([1-6])$")
_CALLOUT = re.compile(r"\[!(\w+)\]\s*")
_MAX_DEPTH = 150

SKIPPED = frozenset(
    str.split(
        "script style noscript template head nav iframe object embed svg canvas math audio video source track map "
        "area button select input textarea datalist progress meter dialog link meta base title"
    )
)
BLOCKS = frozenset(
    str.split(
        "html body div p section article main aside header footer address figure figcaption details summary form "
        "fieldset legend center hgroup search ul ol li dl dt dd menu table caption thead tbody tfoot tr td th pre "
        "blockquote hr h1 h2 h3 h4 h5 h6 frameset noframes"
    )
)
_CONTAINED = frozenset(("article", "main", "section", "blockquote"))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the structure the walk stands."""

    depth: int = 0  # of elements
    list_depth: int = 0
    quote: bool = False
    footer_is_content: bool = False


@dataclass(slots=True)
class HtmlWalk:
    """One walk; `title` and `dropped` are read after `run`."""

    builder: TextBuilder
    dropped: dict[str, int] = field(default_factory=dict)
    _inline: list[str] = field(default_factory=list)
    _marker: str | None = None  # of a list item whose first line is still to come
    _callout: str = ""

    def run(self, root: Any) -> None:
        """`root` is an lxml element."""
        place = _Place()
        self._element(root, place)
        self._flush(place)

    def _children(self, element: Any, place: _Place) -> None:
        self._text(element.text)
        for child in element:
            if isinstance(child.tag, str):
                self._element(child, place)
            self._text(child.tail)

    def _element(self, element: Any, place: _Place) -> None:
        tag = element.tag.lower() if isinstance(element.tag, str) else ""
        if tag in SKIPPED or (tag == "footer" and not place.footer_is_content):
            self._count(tag)
            return
        if _is_hidden(element):
            if any(text.strip() for text in element.itertext()):
                self._count("hidden")
            return
        place = replace(place, depth=place.depth + 1, footer_is_content=place.footer_is_content or tag in _CONTAINED)
        if place.depth > _MAX_DEPTH:
            self._inline.append(" ".join(element.itertext()))
            return
        if tag not in BLOCKS:
            self._inline_element(element, tag, place)
            return
        self._flush(place)
        self._block(element, tag, place)
        self._flush(place)

    def _inline_element(self, element: Any, tag: str, place: _Place) -> None:
        if tag == "br":
            self._inline.append("\n")
        elif tag == "img":
            self._count("img")
        elif tag == "code" and "\n" in (element.text or "") and len(element) == 0:
            self._flush(place)
            self.builder.code(element.text)
        else:
            self._children(element, place)

    def _block(self, element: Any, tag: str, place: _Place) -> None:
        if match := _HEADING.match(tag):
            self._children(element, place)
            text = flow("".join(self._inline)).replace("\n", " ")
            self._inline.clear()
            self.builder.heading(text, int(match[1]))
        elif tag == "pre":
            self.builder.code(_verbatim(element))
        elif tag == "table":
            self._table(element, place)
        elif tag in ("ul", "ol", "menu"):
            self._list(element, tag, replace(place, list_depth=place.list_depth + 1))
        elif tag == "dl":
            self._children(element, place)
        elif tag == "dt":
            self._marker = ""
            self._children(element, replace(place, list_depth=place.list_depth + 1))
            self._flush(replace(place, list_depth=place.list_depth + 1))
        elif tag == "dd":
            inner = replace(place, list_depth=place.list_depth + 2)
            self._children(element, inner)
            self._flush(inner)
        elif tag == "blockquote":
            inner = replace(place, quote=True)
            self._children(element, inner)
            self._flush(inner)
            self._callout = ""
        else:
            if callout := element.get("data-callout"):
                self._callout = callout
            self._children(element, place)
            if callout:
                self._flush(place)
                self._callout = ""

    def _list(self, element: Any, tag: str, place: _Place) -> None:
        start = element.get("start", "1")
        number = int(start) if start.isdecimal() and len(start) < 7 else 1
        for child in element:
            if not isinstance(child.tag, str):
                continue
            if child.tag == "li":
                self._marker = f"{number}. " if tag == "ol" else "- "
                number += 1
                self._children(child, replace(place, depth=place.depth + 1))
                self._flush(place)
                self._marker = None
            else:
                self._element(child, place)

    def _table(self, element: Any, place: _Place) -> None:
        """A table of data becomes rows; a table that only lays out blocks is walked through."""
        rows = [row for row in element.iter("tr") if _owner(row, "table") is element]
        cells = [[cell for cell in row if cell.tag in ("td", "th")] for row in rows]
        for caption in element.findall("caption"):
            self._children(caption, place)
            self._flush(place)
        if max((len(row) for row in cells), default=0) <= 1 or any(
            True for _ in element.iterdescendants("table", "h1", "h2")
        ):
            for row in cells:
                for cell in row:
                    self._children(cell, place)
                    self._flush(place)
            return
        texts = [[_cell_text(cell) for cell in row if not _is_hidden(cell)] for row in cells]
        in_head = bool(rows) and _owner(rows[0], "thead") is not None
        header = bool(cells) and bool(cells[0]) and (in_head or all(cell.tag == "th" for cell in cells[0]))
        self.builder.table(texts, header=header)

    def _text(self, text: str | None) -> None:
        if text:
            self._inline.append(_collapse(text))

    def _flush(self, place: _Place) -> None:
        """End the running paragraph."""
        text = flow("".join(self._inline))
        self._inline.clear()
        if not text:
            return
        if place.quote and (match := _CALLOUT.match(text)):
            self._callout = match[1].capitalize()
            text = text[match.end() :]
            if not text:
                return
        if self._callout:
            text = f"{self._callout}: {text}"
            self._callout = ""
        if place.list_depth:
            marker, self._marker = self._marker, None
            indent = "  " if marker is None else marker
            self.builder.item(text, place.list_depth, indent)
        elif place.quote:
            self.builder.quote(text)
        else:
            self.builder.paragraph(text)

    def _count(self, tag: str) -> None:
        self.dropped[tag] = self.dropped.get(tag, 0) + 1


def describe_dropped(dropped: dict[str, int]) -> str | None:
    """One sentence for the report: only what could have carried content."""
    names = {
        "img": "images",
        "nav": "navigation blocks",
        "iframe": "embedded pages",
        "svg": "drawings",
        "footer": "footers",
        "hidden": "hidden parts",
    }
    parts = [f"{what} ({dropped[tag]})" for tag, what in names.items() if dropped.get(tag)]
    return "left out: " + ", ".join(parts) if parts else None


def _is_hidden(element: Any) -> bool:
    attributes = element.attrib
    return bool(attributes) and (
        "hidden" in attributes
        or attributes.get("aria-hidden", "").lower() == "true"
        or ("style" in attributes and _HIDDEN_STYLE.search(attributes["style"]) is not None)
    )


def _collapse(text: str) -> str:
    """Source line ends are spaces; only <br> breaks a line."""
    return re.sub(r"[ \t\r\n\f]+", " ", text)


def _verbatim(element: Any) -> str:
    parts = []
    for node in element.iter():
        if node.tag == "br":
            parts.append("\n")
        if isinstance(node.tag, str) and node.text:
            parts.append(node.text)
        if node is not element and node.tail:
            parts.append(node.tail)
    return "".join(parts)


def _cell_text(cell: Any) -> str:
    """Blocks in a cell are parted by a space."""
    parts: list[str] = []

    def visit(element: Any, depth: int) -> None:
        if not isinstance(element.tag, str) or element.tag in SKIPPED or (depth and _is_hidden(element)):
            return
        if depth > _MAX_DEPTH:
            parts.extend(element.itertext())
            return
        gap = " " if element.tag in BLOCKS or element.tag == "br" else ""
        parts.append(gap + (element.text or ""))
        for child in element:
            visit(child, depth + 1)
            parts.append(child.tail or "")
        parts.append(gap)

    visit(cell, 0)
    return "".join(parts)


def _owner(element: Any, tag: str) -> Any:
    return next(element.iterancestors(tag), None)
