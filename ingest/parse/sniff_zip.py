"""Tells what a ZIP container is by what lies in it. Parses nothing; knows no other file."""

from typing import Literal

from ingest.errors import BrokenDocument
from ingest.parse.archive import Archive

ZipKind = Literal["docx", "pptx", "xlsx", "odt", "epub"]
ZIP = "a ZIP archive"  # what `zip_kind` calls an archive that is no document

_TYPES: tuple[tuple[str, ZipKind | None, str], ...] = (
    ("wordprocessingml.document", "docx", ""),
    ("wordprocessingml.template", "docx", ""),
    ("ms-word.", "docx", ""),
    ("spreadsheetml.sheet", "xlsx", ""),
    ("spreadsheetml.template", "xlsx", ""),
    ("ms-excel.sheet.macro", "xlsx", ""),
    ("ms-excel.template.macro", "xlsx", ""),
    ("ms-excel.sheet.binary", None, "a binary workbook (XLSB); save it as XLSX"),
    ("presentationml.presentation", "pptx", ""),
    ("presentationml.slideshow", "pptx", ""),
    ("presentationml.template", "pptx", ""),
    ("ms-powerpoint.", "pptx", ""),
)
_FOLDERS: tuple[tuple[str, ZipKind], ...] = (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx"))
_DECLARED: tuple[tuple[str, ZipKind], ...] = (("epub", "epub"), ("opendocument.text", "odt"))
_SIGNS = (b"word/", b"xl/", b"ppt/", b"[Content_Types].xml", b"META-INF/container.xml")
_TYPE_BYTES = 1 << 20


def zip_kind(data: bytes) -> tuple[ZipKind | None, str | None]:
    """(kind, None) of a document, (None, what it is) of another archive.

    Raises BrokenDocument for a document that cannot be opened, and what `Archive` raises for one beyond its limits.
    """
    try:
        archive = Archive(data, "archive")
    except BrokenDocument as error:
        if any(sign in data for sign in _SIGNS):
            raise BrokenDocument("the document is damaged or incomplete: its archive cannot be opened") from error
        return None, "a damaged ZIP archive"
    return archive_kind(archive)


def archive_kind(archive: Archive) -> tuple[ZipKind | None, str | None]:
    """As `zip_kind`, of an archive that is open."""
    if "[Content_Types].xml" in archive:
        types = archive.read("[Content_Types].xml", _TYPE_BYTES).decode("utf-8", errors="replace")
        for sign, kind, what in _TYPES:
            if sign in types and "main+xml" in types:
                return kind, what or None
        names = list(archive.names())
        for folder, kind in _FOLDERS:
            if any(name.startswith(folder) for name in names):
                return kind, None
        return None, "an Office file of no known type"
    if "mimetype" in archive:
        declared = archive.read("mimetype", _TYPE_BYTES)[:200].decode("ascii", errors="replace").strip()
        for sign, kind in _DECLARED:
            if sign in declared:
                return kind, None
        return None, f"an archive of type {declared}"
    if "META-INF/container.xml" in archive:
        return "epub", None
    return None, ZIP
