"""Takes out of Markdown source what is no Markdown: front matter, imports, components, anchors. Renders nothing.

Documentation sites write dialects (Docusaurus and MDX, Microsoft Learn); each is brought back to plain Markdown here.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.parse.markdown_mdx import TagLines, is_mdx, without_components

_FRONT = re.compile(r"\A\ufeff?---[^\S\n]*\n(.*?)\n(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.S)
_FRONT_LINE = re.compile(r"([A-Za-z_][\w .-]*):\s*(.*)$")
_FENCE = re.compile(r"^([ \t>]*(?:[-*+]\s+|\d+[.)]\s+)?)(`{3,}|~{3,})(.*)$")
_HEADING_ID = re.compile(r"\s*\{#[^}\n]*\}\s*$")
_IMPORT = re.compile(r"^(?:import\s+(?:[\w*{].*\sfrom\s+)?['\"].*|export\s+(?:const|default|function)\b.*)$")
_IMPORT_OPEN = re.compile(r"^import\s*\{[^}]*$")
_CALLOUT = re.compile(r"^(\s*):::+\s*([A-Za-z]+)\s*(?:\[(.*)\]|(.*?))\s*$")
_CALLOUT_END = re.compile(r"^\s*:::+\s*$")
_LEARN_DIRECTIVE = re.compile(
    r"^\s*:::\s*(?:code|image|zone|moniker|row|column|row-end|column-end|zone-end)\b.*$", re.I
)
_LEARN_INCLUDE = re.compile(r"\[!(?:INCLUDE|VIDEO|div)[^\]]*(?:\[[^\]]*\])?\]?\([^)]*\)", re.I)
_XREF = re.compile(r"<xref:([^>?*\s]+)[^>\s]*>")
_HEADING_IN_HTML = re.compile(r"^#{1,6} \S")


@dataclass(slots=True)
class MarkdownSource:
    """Plain Markdown with what the dialect said besides."""

    text: str
    metadata: dict[str, str] = field(default_factory=dict)
    mdx: bool = False
    dropped: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, number: int = 1) -> None:
        if number:
            self.dropped[what] = self.dropped.get(what, 0) + number


def prepare(text: str) -> MarkdownSource:
    """`text` with `\\n` line ends to plain Markdown; code fences are left as they are."""
    metadata, text = front_matter(text)
    segments = list(_split_fences(text))
    source = MarkdownSource("", metadata, mdx=any(is_mdx(part) for is_code, part in segments if not is_code))
    parts = []
    tags = TagLines()
    for is_code, part in segments:
        if source.mdx:
            parts.append(tags.code(part) if is_code else _mdx_prose(part, source, tags))
        else:
            parts.append(part if is_code else _prose(part, source))
    source.text = "\n".join(parts)
    return source


def front_matter(text: str) -> tuple[dict[str, str], str]:
    """Flat `key: value` lines of the front matter, and the rest. Nested values are skipped."""
    match = _FRONT.match(text)
    if match is None:
        return {}, text
    found: dict[str, str] = {}
    for line in match[1].split("\n"):
        entry = _FRONT_LINE.match(line)
        if entry and (value := entry[2].strip()) and value not in ("|", ">", ">-", "|-"):
            found[entry[1].strip()] = value.strip("'\"")[:2000]
    return found, text[match.end() :]


def _split_fences(text: str) -> Iterator[tuple[bool, str]]:
    """(is code, lines) in turn; a fence that never closes runs to the end, as in CommonMark."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if not fence and match and not (match[2][0] == "`" and "`" in match[3]):
            if lines:
                yield False, "\n".join(lines)
            lines, fence = [line], match[2]
        elif fence:
            lines.append(line)
            stripped = line.lstrip(" \t>").rstrip()
            if stripped.startswith(fence) and not stripped.strip(fence[0]):
                yield True, "\n".join(lines)
                lines, fence = [], ""
        else:
            lines.append(line)
    if lines:
        yield bool(fence), "\n".join(lines)


def _prose(text: str, source: MarkdownSource) -> str:
    text = _LEARN_INCLUDE.sub(lambda _: _dropped(source, "included files"), text)
    text = _XREF.sub(lambda match: "`" + match[1].replace("%2A", "").replace("%60", "`").strip("`*") + "`", text)
    return "\n".join(part for line in text.split("\n") for part in _line(line, source))


def _mdx_prose(text: str, source: MarkdownSource, tags: TagLines) -> str:
    lines: list[str] = []
    importing = False
    for line in without_components(text, source.count).split("\n"):
        if importing or _IMPORT.match(line) or _IMPORT_OPEN.match(line):
            importing = (importing or _IMPORT_OPEN.match(line) is not None) and "}" not in line
            continue
        lines += (part for tag_line in tags.lines(line) for part in _line(tag_line, source))
    return "\n".join(lines)


def _line(line: str, source: MarkdownSource) -> list[str]:
    if _LEARN_DIRECTIVE.match(line):
        source.count("included code samples or images")
        return [""]
    if match := _CALLOUT.match(line):
        title = (match[3] or match[4] or "").strip()
        kind = match[2].capitalize() + (f", {title}" if title else "")
        return ["", f'{match[1]}<div data-callout="{html.escape(kind)}">', ""]
    if _CALLOUT_END.match(line):
        return ["", line[: len(line) - len(line.lstrip())] + "</div>", ""]
    if line.startswith("#") and _HEADING_IN_HTML.match(line):
        return ["", _HEADING_ID.sub("", line), ""]
    return [line]


def _dropped(source: MarkdownSource, what: str) -> str:
    source.count(what)
    return ""
