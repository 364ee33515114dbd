"""Tells what a file is by its content; the name only decides between text formats. Parses nothing.

A name that promises a container (.pdf, .docx, .xlsx) must hold one: anything else is WrongType with a clear sentence.
"""

import json
import re
from pathlib import PurePosixPath
from typing import Literal

from ingest.errors import EmptyFile, EncryptedDocument, WrongType
from ingest.parse.delimited import looks_delimited
from ingest.parse.mail import looks_like_mail, looks_like_mailbox
from ingest.parse.sniff_zip import ZIP, zip_kind

Kind = Literal[
    "pdf",
    "docx",
    "pptx",
    "xlsx",
    "odt",
    "epub",
    "rtf",
    "eml",
    "mbox",
    "html",
    "markdown",
    "rst",
    "asciidoc",
    "text",
    "csv",
    "json",
    "jsonl",
]

SUPPORTED = (
    "PDF, DOCX, PPTX, XLSX, ODT, EPUB, RTF, HTML, Markdown, reStructuredText, AsciiDoc, plain text, CSV, TSV, JSON, "
    "JSONL, EML and MBOX, and ZIP archives of these"
)

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"8BPS", "a Photoshop image"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"%!PS", "a PostScript file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"\xca\xfe\xba\xbe", "a Java class or macOS program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ID3", "an MP3 recording"),
    (b"OggS", "an Ogg recording"),
    (b"fLaC", "a FLAC recording"),
    (b"GGUF", "a model file"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"\x00\x01\x00\x00\x00", "a font"),
)
_SHORT_MAGIC = {b"BM", b"MZ", b"ID3", b"BZh"}  # could open a plain text: only taken when the bytes are binary
_CONTAINER_SUFFIXES: dict[str, Kind] = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".odt": "odt",
    ".epub": "epub",
    ".rtf": "rtf",
}
_SUFFIX_KINDS: dict[str, Kind] = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".mdx": "markdown",
    ".markdown": "markdown",
    ".rst": "rst",
    ".rest": "rst",
    ".adoc": "asciidoc",
    ".asciidoc": "asciidoc",
    ".asc": "asciidoc",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "text",
    ".text": "text",
    ".log": "text",
}
_HTML_START = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_FENCE_OR_HEADING = re.compile(r"^(?:#{1,6} \S|```|\[[^\]\n]+\]\([^)\n]+\)|\*\*\w)", re.M)
_ASCIIDOC_SIGN = re.compile(
    r"^(?:={1,5} \S|:[\w-]+:(?: \S|$)|\[source[,\]]|(?:NOTE|TIP|WARNING|CAUTION|IMPORTANT): )", re.M
)
_RST_SIGN = re.compile(r"^(?:\.\. [\w:-]+::|\S.*\n([=\-~^\"'#*+])\1{3,}$)", re.M)


def sniff_bytes(data: bytes, name: str) -> Kind | None:
    """The kind of a container format, or None for text.

    Raises EmptyFile, EncryptedDocument, WrongType, BrokenDocument, ParserLimit.
    """
    if not data.strip(b"\x00\t\r\n\x0c "):
        raise EmptyFile(f"{name} is empty: it has no content" if data else f"{name} is empty: it has 0 bytes")
    suffix = PurePosixPath(name.lower()).suffix
    kind, found = _container(data)
    wanted = _CONTAINER_SUFFIXES.get(suffix)
    if wanted is not None and kind != wanted:
        found = found or (f"{_article(kind)} {kind.upper()}" if kind else _text_or_damage(data, suffix))
        raise WrongType(f"the file is {found}, not the {wanted.upper()} its name says; upload it under its real type")
    if kind is None and found is None:
        kind = _mail(data, suffix)
    if kind is not None:
        return kind
    if found == ZIP:
        raise WrongType("the file is a ZIP archive; upload it by itself, and its documents are taken in one by one")
    if found is not None:
        raise WrongType(f"the file is {found}, which cannot be read; supported are {SUPPORTED}")
    return None


def sniff_text(text: str, name: str) -> Kind:
    """The kind of a text format: by its structure, where that is unmistakable, else by the name."""
    by_name = _SUFFIX_KINDS.get(PurePosixPath(name.lower()).suffix)
    if by_name not in ("markdown", "rst", "asciidoc") and _HTML_START.match(text):
        return "html"
    if by_name in ("json", "jsonl", None, "text"):
        records = _json_kind(text)
        if records is not None:
            return records
        if by_name in ("json", "jsonl"):
            return by_name
    if by_name in (None, "text") and looks_delimited(text):
        return "csv"
    return by_name or _markup(text)


def _container(data: bytes) -> tuple[Kind | None, str | None]:
    """(kind, None) of a readable container, (None, what it is) of another, (None, None) of text."""
    head = data[:1024]
    if b"%PDF-" in head:
        return "pdf", None
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return zip_kind(data)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise EncryptedDocument("the document is protected by a password; save it without one and upload it again")
        return (
            None,
            "an Office document of the old binary form (DOC, XLS, PPT or MSG); save it as DOCX, XLSX, PPTX or EML",
        )
    if head.startswith(b"{\\rtf"):
        return "rtf", None
    for magic, what in _MAGIC:
        if head.startswith(magic) and (magic not in _SHORT_MAGIC or b"\x00" in head):
            return None, what
    if head[4:8] == b"ftyp":
        return None, "a video or HEIC image"
    if head[:4] == b"RIFF":
        return None, "a WAV, AVI or WebP file"
    return None, None


def _mail(data: bytes, suffix: str) -> Kind | None:
    if looks_like_mailbox(data):
        return "mbox"
    # Text that begins with a few "Name: value" lines is a mail only where its name agrees or the headers are telling.
    return "eml" if suffix not in _SUFFIX_KINDS and looks_like_mail(data) else None


def _article(kind: str) -> str:
    return "an" if kind in ("odt", "epub", "rtf", "xlsx", "eml", "mbox") else "a"


def _text_or_damage(data: bytes, suffix: str) -> str:
    if b"\x00" in data[:4096]:
        return "binary data of no known type"
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return f"text without a {suffix[1:].upper()} header"


def _json_kind(text: str) -> Kind | None:
    start = text.lstrip()[:1]
    if start not in ("{", "["):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        lines = [line for line in text.split("\n", 4)[:4] if line.strip()]
        return "jsonl" if len(lines) > 1 and all(_is_json(line) for line in lines[:3]) else None
    return "json"


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _markup(text: str) -> Kind:
    sample = text[:20_000]
    if len(_RST_SIGN.findall(sample)) >= 3:
        return "rst"
    if len(_ASCIIDOC_SIGN.findall(sample)) >= 3:
        return "asciidoc"
    return "markdown" if len(_FENCE_OR_HEADING.findall(sample)) >= 3 else "text"
