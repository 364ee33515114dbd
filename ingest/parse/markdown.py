"""Markdown: rendered by markdown-it and read like an HTML page. Follows no links and includes no files."""

import html
import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.document import Document
from ingest.parse.build import TextBuilder
from ingest.parse.encoding import Decoded
from ingest.parse.html import read_html
from ingest.parse.html_walk import BLOCKS, SKIPPED, HtmlWalk, describe_dropped
from ingest.parse.limits import ParseLimits
from ingest.parse.markdown_source import MarkdownSource, prepare

_INLINE_TAGS = frozenset(
    str.split(
        "a abbr b bdi bdo br cite code col colgroup data del dfn em font i img ins kbd label mark optgroup option "
        "output picture q rp rt ruby s samp slot small span strike strong sub sup time tt u var wbr big param"
    )
)
_KNOWN = BLOCKS | SKIPPED | _INLINE_TAGS
_TAG = re.compile(r"</?([A-Za-z][\w:.-]*)[^<>]*>")


def parse_markdown(decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """Front matter becomes metadata and title. Raises NoTextFound."""
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    source = prepare(text)
    builder = TextBuilder(limits.max_characters)
    walk = HtmlWalk(builder)
    rendered = render(source)
    if rendered.strip():
        walk.run(read_html(f"<body>{rendered}</body>"))
    for sentence in (describe_dropped(walk.dropped), _describe(source)):
        if sentence:
            builder.note(sentence)
    metadata = {key: value for key, value in source.metadata.items() if key != "title"}
    return builder.document(
        name,
        "text/markdown",
        title=source.metadata.get("title", ""),
        metadata=metadata,
        encoding=decoded.encoding,
        encoding_confidence=decoded.confidence,
    )


def render(source: MarkdownSource) -> str:
    """HTML of prepared Markdown; tags that HTML does not know are shown as the text they are."""
    markdown = MarkdownIt("commonmark", {"html": True, "maxNesting": 40}).enable(["table", "strikethrough"])
    if source.mdx:
        markdown.disable("code")  # MDX has no indented code: the indentation is that of the tags around
    for rule in ("html_inline", "html_block"):
        markdown.add_render_rule(rule, _render_raw)
    return str(markdown.render(source.text))


def _render_raw(_renderer: Any, tokens: Sequence[Token], position: int, _options: Any, _env: Any) -> str:
    return _TAG.sub(_known_or_escaped, tokens[position].content)


def _known_or_escaped(match: re.Match[str]) -> str:
    return match[0] if match[1].lower() in _KNOWN else html.escape(match[0])


def _describe(source: MarkdownSource) -> str | None:
    if not source.dropped:
        return None
    return "left out: " + ", ".join(f"{what} ({count})" for what, count in source.dropped.items())
