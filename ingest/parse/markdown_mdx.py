"""Brings MDX (Markdown with components, as Docusaurus sites write it) back to Markdown and HTML. Knows no fences.

In MDX the text between HTML tags is Markdown, indentation means nothing, and expressions in braces are code.
"""

import re
from collections.abc import Callable

_TAGS = (
    "table|thead|tbody|tfoot|tr|td|th|caption|div|figure|figcaption|section|p|ul|ol|li|dl|dt|dd|details|summary|article"
)
_LEADING = re.compile(rf"\s*((?:</?(?:{_TAGS})\b[^<>]*>\s*)+)")
_TRAILING = re.compile(rf"((?:\s*</(?:{_TAGS})\s*>)+)\s*$")
_OPEN_OR_CLOSE = re.compile(rf"<(/?)(?:{_TAGS})\b[^<>]*?(/?)>")
_LIST_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")
_SIGN = re.compile(
    r"^(?:import\s.+\sfrom\s+['\"]|export\s+(?:const|default)|</?Tab|#{1,6} .*\{#[\w.-]+\}\s*$|"
    r":::(?:note|tip|info|warning|danger|important|caution|success)\b)",
    re.M,
)
_COMMENT = re.compile(r"\{/\*.*?\*/\}", re.S)
_ANCHOR = re.compile(r"[^\S\n]*\{#[A-Za-z_][\w.-]*\}")
_EXPRESSION = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_ATTRIBUTE = re.compile(rf"(<[A-Za-z][^<>{{}}]*?)\s[\w-]+={_EXPRESSION}")
_CALL = re.compile(rf"\{{[A-Za-z]\w*\((?:[^{{}}]|{_EXPRESSION})*\)[^{{}}\n]*\}}")
_COMPONENT = re.compile(r"</?[A-Z][\w.]*(?:\s+[\w-]+(?:=(?:\"[^\"]*\"|'[^']*'|\{[^}]*\}))?)*\s*/?>", re.S)
_LABEL = re.compile(r"\blabel=(?:\"([^\"]*)\"|'([^']*)'|\{[\"'`]([^\"'`]*)[\"'`]\})")


def is_mdx(text: str) -> bool:
    """Whether imports, components, heading ids or `:::` blocks show that the file is MDX."""
    return _SIGN.search(text) is not None


def without_components(text: str, count: Callable[[str], None]) -> str:
    """Take out expressions and components; tab labels stay. `count` is told what was lost."""
    text = _ANCHOR.sub("", _COMMENT.sub("", text))
    text = _COMPONENT.sub(lambda match: _component(match[0], count), text)
    previous = ""
    while previous != text:
        previous, text = text, _ATTRIBUTE.sub(r"\1", text)

    def lose(_: re.Match[str]) -> str:
        count("values filled in by the site")
        return ""

    return _CALL.sub(lose, text)


def _component(tag: str, count: Callable[[str], None]) -> str:
    """Tab labels are content; other components are decoration."""
    if tag.startswith("<TabItem") and (match := _LABEL.search(tag)):
        label = match[1] or match[2] or match[3] or ""
        return f"\n\n**{label}**\n\n"
    if tag.endswith("/>"):
        count("page components")
        return ""
    return "\n\n" if tag.startswith(("<Tab", "</Tab")) else ""


class TagLines:
    """Parts HTML tags from the Markdown between them, line by line, and takes back its indentation."""

    def __init__(self) -> None:
        self._depth = 0

    def lines(self, line: str) -> list[str]:
        """One line of prose to the lines that Markdown needs."""
        if self._depth and not _LIST_ITEM.match(line):
            line = line.lstrip()
        leading = _LEADING.match(line)
        start = leading.end() if leading else 0
        trailing = _TRAILING.search(line, start)
        end = trailing.start() if trailing else len(line)
        opened = sum(-1 if match[1] else 1 for match in _OPEN_OR_CLOSE.finditer(line) if not match[2])
        self._depth = max(0, self._depth + opened)
        if not leading and not trailing:
            return [line]
        found = ["", leading[1].strip(), ""] if leading else []
        if line[start:end].strip():
            found.append(line[start:end].strip() if leading else line[start:end])
        if trailing:
            found += ["", trailing[1].strip(), ""]
        return found

    def code(self, text: str) -> str:
        """A fence inside tags moves to the margin, where Markdown sees it; fences in lists stay."""
        lines = text.split("\n")
        indent = len(lines[0]) - len(lines[0].lstrip(" "))
        if not self._depth or not indent:
            return text
        return "\n".join(line[min(indent, len(line) - len(line.lstrip(" "))) :] for line in lines)
