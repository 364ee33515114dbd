"""Opens the archive of a DOCX and reads its parts as XML, each within bounds. Knows no paragraphs.

Read straight from the archive, because a missing picture or an odd property must not cost the text.
"""

import posixpath
import zipfile
import zlib
from io import BytesIO
from typing import Any

from lxml import etree

from ingest.errors import BrokenDocument, EncryptedDocument, ParserLimit

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = {
    b"http://purl.oclc.org/ooxml/wordprocessingml/main": b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
}
_MAIN_TYPES = ("wordprocessingml.document", "wordprocessingml.template", "ms-word.document", "ms-word.template")
_MAX_ENTRIES = 20_000
_PROPERTIES = ("title", "creator", "subject", "keywords", "category", "language", "created", "modified")
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, KeyError)


class DocxPackage:
    """Parts of one file. `part_bytes` bounds the size of each part and of all together."""

    def __init__(self, data: bytes, part_bytes: int) -> None:
        self._left = part_bytes
        try:
            self._archive = zipfile.ZipFile(BytesIO(data))
            entries = self._archive.infolist()
        except _DAMAGE as error:
            raise BrokenDocument(f"the DOCX is damaged: {reason(error)}") from error
        if len(entries) > _MAX_ENTRIES:
            raise ParserLimit(f"the DOCX holds {len(entries):,} parts, more than the {_MAX_ENTRIES:,} allowed")
        if any(entry.flag_bits & 1 for entry in entries):
            raise EncryptedDocument("the document is protected by a password; save it without one and upload it again")
        self._names = {entry.filename.lstrip("/"): entry.filename for entry in entries}
        self._folder = ""

    def body(self) -> Any:
        """The <w:body> element. Raises BrokenDocument when the main part is missing or no XML."""
        name = self._main_part()
        self._folder = posixpath.dirname(name)
        root = self._xml(name)
        body = root.find(f"{W}body") if root is not None else None
        if body is None:
            raise BrokenDocument("the DOCX is damaged: it has no body")
        return body

    def part(self, name: str) -> Any | None:
        """Root of a part beside the main one ("styles.xml"); None when it is missing or damaged."""
        path = posixpath.join(self._folder, name)
        if path not in self._names:
            return None
        try:
            return self._xml(path)
        except BrokenDocument:
            return None

    def properties(self) -> dict[str, str]:
        """Title, creator, dates and so on, where given."""
        if "docProps/core.xml" not in self._names:
            return {}
        try:
            root = self._xml("docProps/core.xml")
        except BrokenDocument:
            return {}
        found: dict[str, str] = {}
        for element in root.iter():
            name = etree.QName(element).localname if isinstance(element.tag, str) else ""
            if name in _PROPERTIES and element.text and element.text.strip():
                found.setdefault(name, " ".join(element.text.split())[:2000])
        return found

    def _main_part(self) -> str:
        types = self._xml("[Content_Types].xml") if "[Content_Types].xml" in self._names else None
        for element in () if types is None else types.iter():
            kind = element.get("ContentType") or ""
            if kind.endswith("main+xml") and any(sign in kind for sign in _MAIN_TYPES):
                name = (element.get("PartName") or "").lstrip("/")
                if name in self._names:
                    return name
        if "word/document.xml" in self._names:
            return "word/document.xml"
        raise BrokenDocument("the DOCX is damaged: its main part is missing")

    def _xml(self, name: str) -> Any:
        try:
            with self._archive.open(self._names[name]) as stream:
                data = stream.read(self._left + 1)
        except _DAMAGE as error:
            raise BrokenDocument(f"the DOCX is damaged: {reason(error)}") from error
        self._left -= len(data)
        if self._left < 0:
            raise ParserLimit("the DOCX unpacks to more XML than the limits allow; divide it")
        for strict, usual in _STRICT.items():
            data = data.replace(strict, usual)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True)
        try:
            return etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            raise BrokenDocument(f"the DOCX is damaged: {name}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """One line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
