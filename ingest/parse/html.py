"""HTML pages: what a reader sees, without navigation, scripts and hidden parts. Fetches nothing."""

import re
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from ingest.document import Document
from ingest.errors import BrokenDocument
from ingest.parse.build import TextBuilder
from ingest.parse.encoding import Decoded
from ingest.parse.html_walk import HtmlWalk, describe_dropped
from ingest.parse.limits import ParseLimits

_META = {"author": "author", "description": "description", "keywords": "keywords", "date": "date"}
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def parse_html(decoded: Decoded, name: str, limits: ParseLimits) -> Document:
    """Title from <title>; headings, lists, tables and <pre> keep their structure. Raises NoTextFound."""
    root = read_html(decoded.text)
    builder = TextBuilder(limits.max_characters)
    walk = HtmlWalk(builder)
    body = root.find("body")
    walk.run(root if body is None else body)
    if sentence := describe_dropped(walk.dropped):
        builder.note(sentence)
    return builder.document(
        name,
        "text/html",
        title=_title(root),
        metadata=_metadata(root),
        encoding=decoded.encoding,
        encoding_confidence=decoded.confidence,
        nothing="the HTML page holds no visible text",
    )


def read_html(text: str) -> Any:
    """An lxml <html> element. Raises BrokenDocument when not even a lenient reader finds a tree."""
    parser = lxml_html.HTMLParser(
        encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, no_network=True
    )
    data = _DECLARATION.sub("", text).replace("\x00", "").encode("utf-8", errors="replace")
    try:
        root = lxml_html.document_fromstring(data or b"<p></p>", parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise BrokenDocument(f"the HTML cannot be read: {error}") from error
    return root


def _title(root: Any) -> str:
    found = root.find(".//title")
    return "" if found is None else "".join(found.itertext())


def _metadata(root: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in root.iterfind(".//meta"):
        key = _META.get((element.get("name") or "").lower())
        content = (element.get("content") or "").strip()
        if key and content:
            found[key] = content[:2000]
    language = root.get("lang")
    if language:
        found["language"] = language[:35]
    return found
