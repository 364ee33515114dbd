"""EPUB books: the chapters of the spine in reading order, each an HTML page. Opens nothing outside the archive."""

import posixpath
from typing import Any
from urllib.parse import unquote

from ingest.document import Document
from ingest.errors import BrokenDocument, EncryptedDocument, UnreadableDocument
from ingest.parse.archive import Archive, XmlParts
from ingest.parse.build import TextBuilder
from ingest.parse.encoding import decode
from ingest.parse.html import read_html
from ingest.parse.html_walk import HtmlWalk, describe_dropped
from ingest.parse.limits import ParseLimits

MEDIA_TYPE = "application/epub+zip"
_BYTES_PER_XML_BYTE = 10  # that a parsed tree takes in memory
_PART_BYTES = 256 * 1024**2
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # scrambled fonts hide no text
_META = {"title": "title", "creator": "author", "language": "language", "publisher": "publisher", "date": "date"}


def parse_epub(data: bytes, name: str, limits: ParseLimits) -> Document:
    """Chapters that are missing or damaged are left out and reported. Raises the typed errors."""
    parts = XmlParts(Archive(data, "EPUB"), min(limits.memory_bytes // _BYTES_PER_XML_BYTE, _PART_BYTES))
    _refuse_protected(parts)
    package = _package_name(parts)
    root = parts.tree(package)
    builder = TextBuilder(limits.max_characters)
    walk = HtmlWalk(builder)
    lost = []
    for path, kind in _spine(root, posixpath.dirname(package)):
        if kind not in _PAGES:
            lost.append(path)
            continue
        try:
            body = _body(parts, path)
        except BrokenDocument:
            lost.append(path)
            continue
        walk.run(body)
    if sentence := describe_dropped(walk.dropped):
        builder.note(sentence)
    if lost:
        shown = ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
        builder.note(f"{len(lost)} parts of the book cannot be read and were left out: {shown}")
    metadata = _metadata(root)
    title = metadata.pop("title", "")
    return builder.document(name, MEDIA_TYPE, title=title, metadata=metadata, nothing="the book holds no text")


def _refuse_protected(parts: XmlParts) -> None:
    encryption = parts.optional("META-INF/encryption.xml")
    methods = [] if encryption is None else [found.get("Algorithm") for found in encryption.iter("{*}EncryptionMethod")]
    if any(method not in _FONTS for method in methods):
        raise EncryptedDocument("the book is protected against copying; upload a copy without protection")


def _package_name(parts: XmlParts) -> str:
    container = parts.optional("META-INF/container.xml")
    for found in () if container is None else container.iter("{*}rootfile"):
        path = (found.get("full-path") or "").lstrip("/")
        if path in parts:
            return path
    for path in parts.archive.names():
        if path.endswith(".opf"):
            return path
    raise BrokenDocument("the EPUB is damaged: its list of contents is missing")


def _spine(root: Any, folder: str) -> list[tuple[str, str]]:
    """(path in the archive, media type) of each chapter, in order."""
    items = {
        item.get("id"): (
            posixpath.normpath(posixpath.join(folder, unquote((item.get("href") or "").partition("#")[0]))),
            (item.get("media-type") or "").lower(),
        )
        for item in root.iter("{*}item")
    }
    found = [items[ref.get("idref")] for ref in root.iter("{*}itemref") if ref.get("idref") in items]
    if not found:
        raise BrokenDocument("the EPUB is damaged: it lists no chapters")
    return list(dict.fromkeys(found))


def _body(parts: XmlParts, path: str) -> Any:
    if path not in parts:
        raise BrokenDocument(f"the EPUB is damaged: {path} is missing")
    data = parts.raw(path)
    if not data.strip():
        raise BrokenDocument(f"the EPUB is damaged: {path} is empty")
    try:
        root = read_html(decode(data).text)
    except UnreadableDocument as error:
        raise BrokenDocument(str(error)) from error
    body = root.find("body")
    return root if body is None else body


def _metadata(root: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    metadata = root.find("{*}metadata")
    for element in () if metadata is None else metadata.iter("{http://purl.org/dc/elements/1.1/}*"):
        key = _META.get(element.tag.rpartition("}")[2])
        if key and element.text and element.text.strip():
            found.setdefault(key, " ".join(element.text.split())[:2000])
    return found
