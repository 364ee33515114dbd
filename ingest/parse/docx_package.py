"""Opens the archive of a DOCX and reads its parts as XML, each within bounds. Knows no paragraphs.

Read straight from the archive, because a missing picture or an odd property must not cost the text.
"""

import posixpath
from typing import Any

from lxml import etree

from ingest.errors import BrokenDocument
from ingest.parse.archive import Archive, XmlParts

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = (
    (
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    ),
)
_MAIN_TYPES = ("wordprocessingml.document", "wordprocessingml.template", "ms-word.document", "ms-word.template")
_PROPERTIES = ("title", "creator", "subject", "keywords", "category", "language", "created", "modified")


class DocxPackage:
    """Parts of one file. `part_bytes` bounds the size of each part and of all together."""

    def __init__(self, data: bytes, part_bytes: int) -> None:
        self._parts = XmlParts(Archive(data, "DOCX"), part_bytes)
        self._folder = ""

    def body(self) -> Any:
        """The <w:body> element. Raises BrokenDocument when the main part is missing or no XML."""
        name = self._main_part()
        self._folder = posixpath.dirname(name)
        root = self._xml(name)
        body = root.find(f"{W}body")
        if body is None:
            raise BrokenDocument("the DOCX is damaged: it has no body")
        return body

    def part(self, name: str) -> Any | None:
        """Root of a part beside the main one ("styles.xml"); None when it is missing or damaged."""
        path = posixpath.join(self._folder, name)
        return self._parts.optional(path)

    def parts(self, kind: str) -> list[Any]:
        """Roots of the parts that are numbered: "header" gives header1.xml, header2.xml and so on."""
        found = []
        for name in sorted(self._parts.archive.names()):
            folder, _, file = name.rpartition("/")
            if folder == self._folder and file.startswith(kind) and file.endswith(".xml"):
                root = self._parts.optional(name)
                if root is not None:
                    found.append(root)
        return found

    def properties(self) -> dict[str, str]:
        """Title, creator, dates and so on, where given."""
        root = self._parts.optional("docProps/core.xml")
        if root is None:
            return {}
        found: dict[str, str] = {}
        for element in root.iter():
            name = etree.QName(element).localname if isinstance(element.tag, str) else ""
            if name in _PROPERTIES and element.text and element.text.strip():
                found.setdefault(name, " ".join(element.text.split())[:2000])
        return found

    def _main_part(self) -> str:
        types = self._xml("[Content_Types].xml") if "[Content_Types].xml" in self._parts else None
        for element in () if types is None else types.iter():
            kind = element.get("ContentType") or ""
            if kind.endswith("main+xml") and any(sign in kind for sign in _MAIN_TYPES):
                name = (element.get("PartName") or "").lstrip("/")
                if name in self._parts:
                    return name
        if "word/document.xml" in self._parts:
            return "word/document.xml"
        raise BrokenDocument("the DOCX is damaged: its main part is missing")

    def _xml(self, name: str) -> Any:
        return self._parts.tree(name, _STRICT)
