"""reStructuredText through docutils, every file and raw feature off. Knows Sphinx only as names to tolerate."""

import re
from collections.abc import Callable
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles
from docutils.utils import SystemMessage

from ingest.document import Document
from ingest.errors import BrokenDocument
from ingest.parse.build import TextBuilder
from ingest.parse.encoding import Decoded
from ingest.parse.limits import ParseLimits
from ingest.parse.rst_walk import RstWalk

_DIRECTIVE = re.compile(r"^\s*(?:\.\.|:::)\s+(?:\|[^|\n]+\|\s+)?([A-Za-z][\w:.+-]*)::", re.M)
_ROLE = re.compile(r":([A-Za-z][\w:.+-]*):`")
_DEFAULT_DOMAIN = re.compile(r"^(\s*\.\. ):(\w+)::", re.M)
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 5,
    "_disable_config": True,
    "doctitle_xform": False,
    "sectsubtitle_xform": False,
    "smart_quotes": False,
    "syntax_highlight": "none",
    "embed_stylesheet": False,
    "warning_stream": None,
    "line_length_limit": 1_000_000,
    "output_encoding": "unicode",
}
_CODE = frozenset(str.split("code-block code sourcecode prompt parsed-literal highlight-block doctest testcode"))
_FILES = frozenset(["literalinclude", "include", "csv-table-file"])
_SILENT = frozenset(
    str.split(
        "toctree index currentmodule py:currentmodule module py:module highlight default-domain image raw rst-class "
        "meta only-meta sectionauthor codeauthor tabularcolumns mermaid graphviz uml contents role default-role "
        "autosummary title"
    )
)
_OBJECTS = re.compile(
    r"^(?:\w+:)?(?:auto\w+|class|function|method|attribute|data|exception|decorator|module|property|option|envvar|"
    r"staticmethod|classmethod|click)$"
)
_LABELLED = frozenset(
    str.split(
        "seealso versionadded versionchanged versionremoved deprecated todo dropdown tab-item tab card "
        "grid-item-card topic rubric"
    )
)
_LAYOUT = frozenset(("glossary", "grid", "container", "tab-set", "card-carousel"))  # their argument is no text
_ENTRIES = {"changelog": 1, "change": 2}  # below the section they stand in
_WORDS = {
    "seealso": "See also:",
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "versionremoved": "Removed in version",
    "deprecated": "Deprecated since version",
}
_OWN = frozenset(
    str.split(
        "note tip hint warning caution danger error important attention admonition table list-table csv-table replace "
        "unicode date math figure container compound epigraph highlights pull-quote line-block sidebar footer header "
        "class restructuredtext-test-directive target-notes sectnum"
    )
)


def parse_rst(decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """Unknown directives keep their content, unknown roles their text. Raises NoTextFound, BrokenDocument."""
    text = decoded.text.replace("\r\n", "\n").replace("\x00", "")
    text = _DEFAULT_DOMAIN.sub(r"\1\2::", text)
    _tolerate(text)
    try:
        tree = publish_doctree(text, settings_overrides=dict(_SETTINGS))
    except (SystemMessage, ValueError, AttributeError, RecursionError) as error:
        raise BrokenDocument(f"the reStructuredText cannot be read: {error}") from error
    builder = TextBuilder(limits.max_characters)
    walk = RstWalk(builder)
    walk.run(tree)
    for what, count in sorted(walk.dropped.items()):
        builder.note(f"left out: {what} ({count})")
    return builder.document(
        name,
        "text/x-rst",
        metadata=walk.metadata,
        encoding=decoded.encoding,
        encoding_confidence=decoded.confidence,
        nothing="the file holds no text of its own, it only includes others"
        if walk.dropped
        else "the file holds no text",
    )


class _AnyOption(dict[str, Callable[[str], Any]]):
    """An option table that knows every option."""

    def __missing__(self, key: str) -> Callable[[str], Any]:
        return str

    def __contains__(self, key: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True


class _Tolerant(Directive):
    """Any directive that docutils does not know: its content is parsed as if it stood there."""

    has_content = True
    required_arguments = 0
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = _AnyOption()

    def run(self) -> list[nodes.Node]:
        name = self.name.lower()
        argument = " ".join(self.arguments).strip()
        if name in _CODE:
            return [nodes.literal_block("\n".join(self.content), "\n".join(self.content))]
        if name in _FILES:
            return [nodes.comment("", "", dropped="included files")]
        if name in _SILENT:
            return []
        if _OBJECTS.match(name):
            first = nodes.paragraph("", argument)
            return [first, *self._parsed()] if argument else self._parsed()
        if name in _LAYOUT:
            return self._parsed()
        if name in _ENTRIES:
            return [nodes.rubric("", argument, level=_ENTRIES[name]), *self._parsed()]
        if name in _LABELLED or (argument and self.content):
            return self._labelled(_WORDS.get(name, ""), argument)
        return self._parsed()

    def _labelled(self, word: str, argument: str) -> list[nodes.Node]:
        texts, _ = self.state.inline_text(argument, self.lineno) if argument else ([], [])
        label = nodes.paragraph("", "", nodes.Text(f"{word} " if word and argument else word), *texts)
        label["label"] = True
        return [label, *self._parsed()]

    def _parsed(self) -> list[nodes.Node]:
        holder = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, holder, match_titles=False)
        return list(holder.children)


def _plain_role(
    name: str, _raw: str, text: str, _line: int, _inliner: Any, _options: Any = None, _content: Any = None
) -> tuple[list[Any], list[Any]]:
    """`Title <target>` reads as Title, `~package.Name` as Name; icons are no text."""
    text = nodes.unescape(text)
    if name.split("-")[0] in ("octicon", "fa", "fas", "fab", "material"):
        return [], []
    if match := re.match(r"(.+?)\s*<[^<>]+>$", text, re.S):
        text = match[1]
    elif text.startswith("~"):
        text = text.rsplit(".", 1)[-1].lstrip("~")
    return [nodes.Text(text.lstrip("!."))], []


def _tolerate(text: str) -> None:
    """Register what this source uses and docutils does not know. The tables are docutils' own, per process."""
    for name in set(_DIRECTIVE.findall(text)):
        if name.lower() not in _OWN:
            directives.register_directive(name.lower(), _Tolerant)
    for name in set(_ROLE.findall(text)):
        if name.lower() not in ("sub", "sup", "subscript", "superscript", "emphasis", "strong", "literal"):
            roles.register_local_role(name.lower(), _plain_role)
