"""The addresses that a sitemap names. Pure; fetches nothing."""

import gzip
import io
import zlib

from lxml import etree

from ingest.errors import SourceRefused

_MOST_BYTES = 50 * 1024**2  # what the protocol of sitemaps allows


def read_sitemap(data: bytes) -> tuple[list[str], list[str]]:
    """(addresses of pages, addresses of further sitemaps), in order, equal ones once. Raises SourceRefused."""
    if data[:2] == b"\x1f\x8b":
        data = _gunzipped(data)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SourceRefused(f"the sitemap is no proper XML ({error}); give the address of a sitemap.xml") from error
    kind = etree.QName(root).localname
    if kind not in ("urlset", "sitemapindex"):
        raise SourceRefused(f"the sitemap begins with <{kind}>; <urlset> or <sitemapindex> was wanted")
    found = dict.fromkeys(
        (element.text or "").strip()
        for entry in root
        for element in entry
        if isinstance(element.tag, str) and etree.QName(element).localname == "loc"
    )
    addresses = [address for address in found if address]
    return (addresses, []) if kind == "urlset" else ([], addresses)


def _gunzipped(data: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(data)) as file:
            whole = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceRefused(f"the sitemap is packed, but not in a way that can be unpacked ({error})") from error
    if len(whole) > _MOST_BYTES:
        raise SourceRefused(f"the sitemap has more than {_MOST_BYTES:,} bytes unpacked; divide it")
    return whole
