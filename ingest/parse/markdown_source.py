"""Takes out of Markdown source what is no Markdown: front matter, imports, components, anchors. Renders nothing.

Documentation sites write dialects (Docusaurus and MDX, Microsoft Learn); each is brought back to plain Markdown here.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_FRONT = re.compile(r"\A\ufeff?---[^\S\n]*\n(.*?)\n(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.S)
_FRONT_LINE = re.compile(r"([A-Za-z_][\w .-]*):\s*(.*)$")
_FENCE = re.compile(r"^([ \t>]*(?:[-*+]\s+|\d+[.)]\s+)?)(`{3,}|~{3,})(.*)$")
_MDX_SIGN = re.compile(
    r"^(?:import\s.+\sfrom\s+['\"]|export\s+(?:const|default)|</?[A-Z]\w*[^>]*>\s*$|#{1,6} .*\{#[\w.-]+\}\s*$|:::\w)",
    re.M,
)
_HEADING_ID = re.compile(r"\s*\{#[^}\n]*\}\s*$")
_IMPORT = re.compile(r"^(?:import\s+(?:[\w*{].*\sfrom\s+)?['\"].*|export\s+(?:const|default|function)\b.*)$")
_IMPORT_OPEN = re.compile(r"^import\s*\{[^}]*$")
_COMPONENT = re.compile(r"</?[A-Z][\w.]*(?:\s+[\w-]+(?:=(?:\"[^\"]*\"|'[^']*'|\{[^}]*\}))?)*\s*/?>", re.S)
_LABEL = re.compile(r"\blabel=(?:\"([^\"]*)\"|'([^']*)'|\{[\"'`]([^\"'`]*)[\"'`]\})")
_JSX_COMMENT = re.compile(r"\{/\*.*?\*/\}", re.S)
_JSX_ATTRIBUTE = re.compile(r"\s(?:style|className|class)=\{(?:\{[^{}]*\}|[^{}]*)\}")
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
    source = MarkdownSource(text, metadata, mdx=_MDX_SIGN.search(text) is not None)
    parts = []
    for is_code, part in _split_fences(text):
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
    if source.mdx:
        text = _JSX_COMMENT.sub("", text)
        text = _JSX_ATTRIBUTE.sub("", text)
        text = _COMPONENT.sub(lambda match: _component(match[0], source), text)
    lines: list[str] = []
    importing = False
    for line in text.split("\n"):
        if importing or (source.mdx and (_IMPORT.match(line) or _IMPORT_OPEN.match(line))):
            importing = (importing or _IMPORT_OPEN.match(line) is not None) and "}" not in line
            continue
        lines += _line(line, source)
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


def _component(tag: str, source: MarkdownSource) -> str:
    """Tab labels are content; other components are decoration or values filled in at build time."""
    if tag.startswith("<TabItem") and (match := _LABEL.search(tag)):
        label = match[1] or match[2] or match[3] or ""
        return f"\n\n**{label}**\n\n"
    if tag.endswith("/>"):
        source.count("page components")
        return ""
    return "\n\n" if tag.startswith(("<Tab", "</Tab")) else ""


def _dropped(source: MarkdownSource, what: str) -> str:
    source.count(what)
    return ""
