"""The heading of a chunk: the path of titles above it, shortened to what fits. Pure; knows no chunks."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from ingest.chunk_units import TokenCounter
from ingest.document import Document

_BETWEEN = " > "
_SHORTEST = 3  # tokens: less says nothing


class HeadingPaths:
    """Writes paths as one line of at most so many tokens; the title of the document comes first."""

    def __init__(self, document: Document, tokenizer: TokenCounter) -> None:
        self._tokenizer = tokenizer
        self._counts: dict[str, int] = {"": 0}
        stem = PurePosixPath(document.name).stem or document.name
        # A file name is worth its tokens where it is all that tells one "Options" section from another.
        has_headings = any(block.kind == "heading" for block in document.blocks)
        self._title = "" if document.title in (stem, document.name) and not has_headings else document.title

    def line(self, path: Sequence[str], budget: int, table_header: str = "") -> tuple[str, int]:
        """(heading, its tokens). The innermost and outermost names are kept longest; "" when nothing fits."""
        names = self._names(path)
        choices = [names]
        if table_header:
            choices = [[*names, table_header], [*names[-1:], table_header], names]
        if len(names) > 2:
            choices.append([names[0], names[-1]])
        choices.append(names[-1:])
        for choice in choices:
            line = _BETWEEN.join(choice)
            if self._count(line) <= budget:
                return line, self._count(line)
        return self._cut(names[-1], budget) if names else ("", 0)

    def _names(self, path: Sequence[str]) -> list[str]:
        names: list[str] = [self._title] if self._title else []
        for name in path:
            if not names or name.casefold() != names[-1].casefold():
                names.append(name)
        return names

    def _count(self, line: str) -> int:
        if line not in self._counts:
            self._counts[line] = self._tokenizer.count(line)
        return self._counts[line]

    def _cut(self, name: str, budget: int) -> tuple[str, int]:
        spans = self._tokenizer.offsets(name)
        for kept in range(min(budget, len(spans)), _SHORTEST - 1, -1):
            line = name[: spans[kept - 1][1]].rstrip()
            if self._count(line) <= budget:
                return line, self._count(line)
        return "", 0
