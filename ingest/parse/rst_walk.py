"""Walks a docutils tree in reading order and hands its blocks to the builder. Knows no directives by name."""

from dataclasses import dataclass, field, replace
from typing import Any

from docutils import nodes

from ingest.parse.build import TextBuilder, flow

_SKIPPED = (
    nodes.comment,
    nodes.system_message,
    nodes.substitution_definition,
    nodes.target,
    nodes.image,
    nodes.pending,
    nodes.raw,
    nodes.meta,
    nodes.decoration,
    nodes.generated,
)
_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class _Place:
    depth: int = 0
    section: int = 0
    list_depth: int = 0
    quote: bool = False


@dataclass(slots=True)
class RstWalk:
    """One walk; `metadata` and `dropped` are read after `run`."""

    builder: TextBuilder
    metadata: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    _marker: str | None = None
    _callout: str = ""

    def run(self, tree: nodes.document) -> None:
        self._children(tree, _Place())

    def _children(self, node: Any, place: _Place) -> None:
        for child in node.children:
            self._node(child, replace(place, depth=place.depth + 1))

    def _node(self, node: Any, place: _Place) -> None:
        if place.depth > _MAX_DEPTH:
            self._paragraph(node.astext(), place)
        elif isinstance(node, _SKIPPED):
            self._count(node)
        elif isinstance(node, nodes.docinfo):
            self._docinfo(node)
        elif isinstance(node, nodes.section):
            self._children(node, replace(place, section=place.section + 1))
        elif isinstance(node, nodes.title | nodes.subtitle):
            self.builder.heading(inline_text(node), max(1, place.section))
        elif isinstance(node, nodes.rubric):
            self.builder.heading(_without_marks(inline_text(node)), place.section + node.get("level", 1))
        elif isinstance(node, nodes.literal_block | nodes.doctest_block | nodes.math_block):
            self.builder.code(node.astext())
        elif isinstance(node, nodes.table):
            self._table(node, place)
        elif isinstance(node, nodes.line_block):
            self._paragraph("\n".join(inline_text(line) for line in node.findall(nodes.line)), place)
        elif isinstance(node, nodes.Admonition | nodes.topic | nodes.sidebar):
            self._admonition(node, place)
        else:
            self._list_or_text(node, place)

    def _list_or_text(self, node: Any, place: _Place) -> None:
        if isinstance(node, nodes.bullet_list | nodes.enumerated_list):
            self._list(node, replace(place, list_depth=place.list_depth + 1))
        elif isinstance(node, nodes.definition_list_item | nodes.field | nodes.option_list_item):
            self._definition(node, place)
        elif isinstance(node, nodes.block_quote):
            self._children(node, replace(place, quote=True))
        elif isinstance(node, nodes.footnote | nodes.citation):
            label = next(iter(node.findall(nodes.label)), None)
            self._marker = f"[{inline_text(label)}] " if label is not None else None
            self._children(node, replace(place, list_depth=place.list_depth + 1))
        elif isinstance(node, nodes.label):
            return
        elif isinstance(node, nodes.TextElement):
            self._paragraph(inline_text(node), place)
        elif isinstance(node, nodes.Text):
            self._paragraph(node.astext(), place)
        else:
            self._children(node, place)

    def _paragraph(self, text: str, place: _Place) -> None:
        text = flow(text)
        if not text:
            return
        if self._callout:
            text, self._callout = f"{self._callout}: {text}", ""
        if place.list_depth:
            marker, self._marker = self._marker, None
            self.builder.item(text, place.list_depth, "  " if marker is None else marker)
        elif place.quote:
            self.builder.quote(text)
        else:
            self.builder.paragraph(text)

    def _list(self, node: Any, place: _Place) -> None:
        number = int(node.get("start", 1))
        for item in node.children:
            self._marker = f"{number}. " if isinstance(node, nodes.enumerated_list) else "- "
            number += 1
            self._children(item, place)
            self._marker = None

    def _definition(self, node: Any, place: _Place) -> None:
        """The term on its own line, what it means indented below."""
        inner = replace(place, list_depth=place.list_depth + 1)
        for child in node.children:
            if isinstance(child, nodes.term | nodes.field_name | nodes.option_group):
                self._marker = ""
                self._paragraph(inline_text(child), inner)
            elif not isinstance(child, nodes.classifier):
                self._children(child, replace(inner, list_depth=inner.list_depth + 1))

    def _admonition(self, node: Any, place: _Place) -> None:
        title = next((child for child in node.children if isinstance(child, nodes.title)), None)
        self._callout = inline_text(title) if title is not None else node.tagname.capitalize()
        for child in node.children:
            if child is not title:
                self._node(child, replace(place, depth=place.depth + 1))
        self._callout = ""

    def _table(self, node: Any, place: _Place) -> None:
        for title in node.children:
            if isinstance(title, nodes.title):
                self._paragraph(inline_text(title), place)
        rows = [[flow(entry.astext()) for entry in row.children] for row in node.findall(nodes.row)]
        header = next(iter(node.findall(nodes.thead)), None) is not None
        self.builder.table(rows, header=header)

    def _docinfo(self, node: Any) -> None:
        for child in node.children:
            if isinstance(child, nodes.field):
                key, value = child.children[0].astext(), child.children[1].astext()
            else:
                key, value = child.tagname, child.astext()
            if value.strip() and key not in ("orphan", "tocdepth", "layout", "nosearch"):
                self.metadata[key] = " ".join(value.split())[:2000]

    def _count(self, node: Any) -> None:
        what = (
            "images"
            if isinstance(node, nodes.image)
            else node.get("dropped")
            if isinstance(node, nodes.Element)
            else None
        )
        if what:
            self.dropped[what] = self.dropped.get(what, 0) + 1


def inline_text(node: Any) -> str:
    """Text of an inline tree: source line ends are spaces, messages and images are left out."""
    parts: list[str] = []
    for child in node.children:
        if isinstance(child, nodes.Text):
            parts.append(child.astext().replace("\n", " "))
        elif isinstance(child, nodes.problematic):
            parts.append(child.astext().strip("`|").replace("\n", " "))
        elif isinstance(child, nodes.footnote_reference | nodes.citation_reference):
            parts.append(f"[{child.astext()}]")
        elif not isinstance(child, _SKIPPED) or isinstance(child, nodes.target):
            parts.append(inline_text(child))
    return "".join(parts)


def _without_marks(text: str) -> str:
    """Titles of directives are not parsed: their inline markup is taken off here."""
    return text.replace("``", "").replace("`", "")
