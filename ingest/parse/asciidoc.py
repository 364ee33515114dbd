"""AsciiDoc, line by line: sections, lists, tables, listings and admonitions. Includes no other file, runs no macro."""

import re
from collections.abc import Iterator

from ingest.document import Document
from ingest.parse.build import TextBuilder
from ingest.parse.encoding import Decoded
from ingest.parse.limits import ParseLimits

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?$")
_ATTRIBUTE = re.compile(r":(!?[\w-]+!?):(?:[ \t]+(.*))?$")
_ITEM = re.compile(r"[ \t]*(\*{1,6}|-|\.{1,6}|\d{1,3}\.|<\d+>)[ \t]+(\S.*)$")
_TERM = re.compile(r"(?!//)(\S.*?)(:{2,4}|;;)(?:[ \t]+(.*))?$")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+(.*)$")
_FENCE = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|={4,}|\*{4,}|_{4,}|--|```\w*)$")
_BLOCK_LINE = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]$")
_TABLE_FENCE = re.compile(r"[|,:!]={3,}$")
_MACRO = re.compile(r"(include|image|video|audio|toc|ifdef|ifndef|ifeval|endif)::")
_VERBATIM = "-.+`"
_LINK = re.compile(r"(?:link:|xref:|mailto:|https?://)[^\s\[\]]*\[((?:[^\[\]\\]|\\.)*)\]")
_CROSS = re.compile(r"<<([^<>,]+)(?:,([^<>]+))?>>")
_IMAGE = re.compile(r"image::?[^\s\[\]]*\[[^\[\]]*\]")
_ROLE = re.compile(r"\[[.#][\w.#-]+\](?=[#*_`])")
_QUOTED = re.compile(r"(?<!\w)(\*\*|__|``|##|[*_`#])(?=\S)(.+?)(?<=\S)\1(?!\w)")
_PASS = re.compile(r"(?:pass:[a-z,]*\[|\+{2,3})(.*?)(?:\]|\+{2,3})")
_ANCHOR = re.compile(r"\[\[[\w:.-]+(?:,[^\[\]]*)?\]\]")
_PROSE = 10_000  # characters
_REFERENCE = re.compile(r"\{([\w-]+)\}")


def parse_asciidoc(decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """Included files are named in the report; attributes of the header are put in. Raises NoTextFound."""
    builder = TextBuilder(limits.max_characters)
    reader = _Reader(builder)
    reader.run(decoded.text.replace("\r\n", "\n").split("\n"))
    for what, count in sorted(reader.dropped.items()):
        builder.note(f"left out: {what} ({count})")
    metadata: dict[str, str] = {
        key: reader.attributes[key] for key in ("author", "description", "keywords") if key in reader.attributes
    }
    return builder.document(
        name,
        "text/asciidoc",
        title=reader.title,
        metadata=metadata,
        encoding=decoded.encoding,
        encoding_confidence=decoded.confidence,
    )


class _Reader:
    def __init__(self, builder: TextBuilder) -> None:
        self.builder = builder
        self.title = ""
        self.attributes: dict[str, str] = {}
        self.dropped: dict[str, int] = {}
        self._paragraph: list[str] = []
        self._label = ""  # of the block that follows: ".Title" or "[NOTE]"
        self._item: tuple[int, str] | None = None  # (depth, marker) while lines may go on with the item

    def run(self, lines: list[str]) -> None:
        """All lines of one file."""
        rest = iter(lines)
        for raw in rest:
            line = raw.rstrip()
            if not line:
                self._end()
            elif line.startswith("//") and not line.startswith("////"):
                continue
            elif _TABLE_FENCE.match(line):
                self._end()
                self._table(list(_until(rest, line)))
            elif _FENCE.match(line) and not (self._paragraph and not line.startswith("`")):
                self._end()
                self._fenced(line, rest)
            else:
                self._line(line)
        self._end()

    def _line(self, line: str) -> None:
        if match := _ATTRIBUTE.match(line):
            self._end()
            self.attributes[match[1]] = match[2] or ""
        elif match := _MACRO.match(line):
            self._end()
            self._count({"include": "included files", "image": "images"}.get(match[1], ""))
        elif (match := _HEADING.match(line)) and not self._paragraph:
            self._end()
            text = self._inline(match[2])
            self.title = self.title or (text if len(match[1]) == 1 else "")
            self.builder.heading(text, len(match[1]))
        elif _BLOCK_LINE.match(line) and not self._paragraph:
            word = line[1:-1].partition(",")[0].strip("%.# ")
            self._label = f"{word.capitalize()}: " if word in ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION") else ""
        elif line.startswith(".") and len(line) > 1 and line[1] not in ". \t" and not self._paragraph:
            self._label = f"{line[1:]}: "
        elif match := _ITEM.match(line):
            self._end()
            mark = match[1]
            depth = len(mark) if mark[0] in "*." else 1
            self._item = (depth, "- " if mark[0] in "*-" else "1. " if mark[0] == "." else f"{mark.strip('<>.')}. ")
            self._paragraph.append(match[2])
        elif line == "+":
            self._end()
        elif (match := _TERM.match(line)) and not self._paragraph:
            self._item = (1, "")
            self._paragraph.append(match[1] + (f": {match[3]}" if match[3] else ":"))
        else:
            self._paragraph.append(line)

    def _fenced(self, fence: str, rest: Iterator[str]) -> None:
        """A delimited block; what is no verbatim text is read as if it stood outside."""
        body = list(_until(rest, "```" if fence.startswith("`") else fence))
        if fence.startswith("/"):
            return
        if fence[0] in _VERBATIM and fence != "--":
            if self._label:
                self.builder.paragraph(self._inline(self._label.strip()))
                self._label = ""
            self.builder.code("\n".join(line for line in body if not _MACRO.match(line)))
            return
        # The fence of the inner block differs, or it would have ended this one.
        self.run(body)

    def _table(self, lines: list[str]) -> None:
        """Cells begin with a bar; the first line with bars says how many make a row."""
        if self._label:
            self.builder.paragraph(self._inline(self._label.strip()))
            self._label = ""
        rows: list[list[str]] = []
        width = 0
        cells: list[str] = []
        blank_after_first = False
        for line in lines:
            if not line.strip():
                blank_after_first = blank_after_first or len(rows) == 1
                continue
            if _MACRO.match(line):
                continue
            found = re.split(r"(?:^|(?<=\s))(?:\d+[*+]|\.\d+\+)?[<^>.]*[aehlmsd]?\|", line)
            if len(found) == 1:
                if cells:
                    cells[-1] += " " + line.strip()
                continue
            cells += [self._inline(cell.strip()) for cell in found[1:]]
            width = width or len(found) - 1
            while width and len(cells) > width:
                rows.append(cells[:width])
                cells = cells[width:]
            if len(cells) == width:
                rows.append(cells)
                cells = []
        if cells:
            rows.append(cells)
        self.builder.table(rows, header=blank_after_first or (len(rows) > 1 and all(0 < len(c) <= 60 for c in rows[0])))

    def _end(self) -> None:
        """End the running paragraph or item."""
        lines, self._paragraph = self._paragraph, []
        item, self._item = self._item, None
        if not lines:
            return
        label, self._label = self._label, ""
        if lines[0][:1] in " \t" and item is None:
            self.builder.code("\n".join(lines))
            return
        if match := _ADMONITION.match(lines[0]):
            label, lines[0] = f"{match[1].capitalize()}: ", match[2]
        text = self._inline(label + "\n".join(line.removesuffix(" +") for line in lines))
        if item is not None:
            self.builder.item(text, *item)
        else:
            self.builder.paragraph(text)

    def _inline(self, text: str) -> str:
        """Text without markup; a paragraph too long to be prose stays as it is."""
        if len(text) > _PROSE:
            return text
        if _IMAGE.search(text):
            self._count("images")
            text = _IMAGE.sub("", text)
        text = _LINK.sub(lambda match: match[1].rstrip("^") or match[0].partition("[")[0], text)
        text = _CROSS.sub(lambda match: match[2] or match[1].lstrip("#_").replace("_", " "), text)
        text = _PASS.sub(r"\1", _ROLE.sub("", _ANCHOR.sub("", text)))
        for _ in range(3):
            text, count = _QUOTED.subn(r"\2", text)
            if not count:
                break
        return _REFERENCE.sub(lambda match: self.attributes.get(match[1], match[0]), text)

    def _count(self, what: str) -> None:
        if what:
            self.dropped[what] = self.dropped.get(what, 0) + 1


def _until(rest: Iterator[str], fence: str) -> Iterator[str]:
    """The lines up to the closing fence, or to the end of the file."""
    for line in rest:
        if line.rstrip() == fence:
            return
        yield line
