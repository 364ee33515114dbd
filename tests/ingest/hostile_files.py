"""Files that want to break a parser, made by script. Knows no test."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping

from tests.ingest.made_files import CONTAINER, ODT_NAMES, epub, mail, odt, slides, word, workbook, zipped

WORD_TYPES = (
    b'<Types><Override ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml" '
    b'PartName="/word/document.xml"/></Types>'
)
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
LAUGHS = (
    "<!DOCTYPE x ["
    + '<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    + "]>"
)


def replaced(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """An archive with every entry passed through `change`."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        return zipped({name: change(name, source.read(name)) for name in source.namelist()})


def laughing(data: bytes, part: str) -> bytes:
    """The billion laughs in one part of an archive."""

    def change(name: str, content: bytes) -> bytes:
        if name != part:
            return content
        head, _, rest = content.partition(b"?>") if content.startswith(b"<?xml") else (b"", b"", content)
        cut = rest.rindex(b"</")
        return (head + b"?>" if head else b"") + LAUGHS.encode() + rest[:cut] + b"&a11;" + rest[cut:]

    return replaced(data, change)


def word_of(body: bytes) -> bytes:
    return zipped({"[Content_Types].xml": WORD_TYPES, "word/document.xml": body})


def deep_word(levels: int) -> bytes:
    inner = b"<w:p><w:r><w:t>deep</w:t></w:r></w:p>"
    body = b"<w:sdt><w:sdtContent>" * levels + inner + b"</w:sdtContent></w:sdt>" * levels
    return word_of(f'<w:document xmlns:w="{WORD}"><w:body>'.encode() + body + b"</w:body></w:document>")


def wide_workbook() -> bytes:
    """A sheet that claims every cell there can be and has two, far apart, in each of many rows."""
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>x</t></is></c><c r="XFD{n}"><v>1</v></c></row>'
        for n in (*range(1, 60), 1_048_576)
    )

    def change(name: str, content: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return content
        space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        return f'<worksheet {space}><dimension ref="A1:XFD1048576"/><sheetData>{rows}</sheetData></worksheet>'.encode()

    return replaced(workbook(), change)


def overlapping_zip(entries: int = 2000) -> bytes:
    """Many directory entries over one piece of packed data."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packed.compress(bytes(1_000_000)) + packed.flush()
    crc = zlib.crc32(bytes(1_000_000))
    name = b"word/document.xml"
    fields = struct.pack("<HHHHHLLLHH", 20, 0, 8, 0, 0x21, crc, len(data), 1_000_000, len(name), 0)
    local = b"PK\x03\x04" + fields + name + data
    central = (b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<HHHLL", 0, 0, 0, 0, 0) + name) * entries
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, entries, entries, len(central), len(local), 0)
    return local + central + end


def announced_directory() -> bytes:
    """An archive whose list of entries claims three gigabytes."""
    return b"PK\x03\x04" + bytes(4000) + b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 1, 1, 3 << 30, 0, 0)


def pdf_of(*objects: bytes, root: bytes = b"1 0 R") -> bytes:
    """A PDF with a true table of its objects, numbered from 1."""
    out, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size %d /Root %s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, root, len(out))
    return out + table + trailer


def stream(data: bytes, extra: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n" % (len(data), extra) + data + b"\nendstream"


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
ONE_PAGE = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"


def pdf_page_loop() -> bytes:
    return pdf_of(CATALOG, b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 9999999 >>")


def pdf_bomb() -> bytes:
    packed = zlib.compress(b"BT (x) Tj ET " * 20_000_000, 9)
    return pdf_of(
        CATALOG, ONE_PAGE, b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>", stream(packed, b"/Filter /FlateDecode")
    )


def pdf_nested_bomb() -> bytes:
    packed = bytes(300_000_000)
    for _ in range(2):
        packed = zlib.compress(packed, 9)
    content = stream(packed, b"/Filter [/FlateDecode /FlateDecode]")
    return pdf_of(CATALOG, ONE_PAGE, b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>", content)


def pdf_form_loop() -> bytes:
    """A form that draws itself."""
    resources = b"/Resources << /XObject << /F 5 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R " + resources + b" >>"
    return pdf_of(CATALOG, ONE_PAGE, page, stream(b"/F Do"), stream(b"/F Do /F Do", b"/Subtype /Form " + resources))


def pdf_table_loop() -> bytes:
    """A cross-reference table whose earlier one is itself."""
    data = pdf_of(CATALOG, ONE_PAGE, b"<< /Type /Page /Parent 2 0 R >>")
    at = data.rindex(b"xref\n0")
    return data.replace(b"trailer\n<<", b"trailer\n<< /Prev %d" % at)


def deep_mail(levels: int) -> bytes:
    head = b"From: a@x.org\nSubject: deep\nMessage-ID: <1@x>\nMIME-Version: 1.0\n"
    parts = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(levels))
    return head + parts + b"Content-Type: text/plain\n\nthe end\n"


def nested_zip(levels: int, content: Mapping[str, bytes | str]) -> bytes:
    data = zipped(content)
    for _ in range(levels):
        data = zipped({"inner.zip": data})
    return data


HOSTILE: Mapping[str, Callable[[], bytes]] = {
    "bomb.docx": lambda: word_of(b"<w:document>" + b" " * 90_000_000 + b"</w:document>"),
    "spaces.docx": lambda: word_of(f'<w:document xmlns:w="{WORD}"><w:body>'.encode() + b" " * 60_000_000),
    "entries.docx": lambda: zipped({f"{n}": b"" for n in range(65_000)} | {"word/document.xml": b"<x/>"}),
    "overlap.docx": overlapping_zip,
    "directory.docx": announced_directory,
    "nested.zip": lambda: nested_zip(40, {"a.txt": "words"}),
    "deep.docx": lambda: deep_word(100_000),
    "deep-800.docx": lambda: deep_word(800),
    "laughs.docx": lambda: laughing(word(), "word/document.xml"),
    "laughs.odt": lambda: laughing(odt(), "content.xml"),
    "laughs.xlsx": lambda: laughing(workbook(), "xl/worksheets/sheet1.xml"),
    "laughs-strings.xlsx": lambda: laughing(workbook(), "xl/workbook.xml"),
    "laughs.pptx": lambda: laughing(slides(), "ppt/slides/slide1.xml"),
    "laughs.epub": lambda: laughing(epub(), "OPS/book.opf"),
    "deep.odt": lambda: odt("<text:section>" * 3000 + "<text:p>deep</text:p>" + "</text:section>" * 3000),
    "repeated.odt": lambda: odt(
        '<table:table><table:table-row><table:table-cell table:number-columns-repeated="99999999"><text:p>x</text:p>'
        "</table:table-cell></table:table-row></table:table>"
    ),
    "deep.epub": lambda: epub(("<div>" * 50_000 + "deep",)),
    "empty-list.epub": lambda: zipped({"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER}),
    "no-body.odt": lambda: zipped(
        {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": f"<office:x {ODT_NAMES}/>"}
    ),
    "wide.xlsx": wide_workbook,
    "deep.html": lambda: b"<!doctype html><body>" + b"<div><b>" * 200_000 + b"deep",
    "deep.json": lambda: b"[" * 500_000,
    "deep-pairs.json": lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "numbers.json": lambda: b"[" + b"9" * 100_000 + b"]",
    "columns.csv": lambda: b",".join(b"c%d" % n for n in range(200_000)) + b"\n" + b"1," * 200_000 + b"\n",
    "quote.csv": lambda: b'a,b\n1,"' + b"x\n" * 2_000_000,
    "braces.rtf": lambda: b"{\\rtf1 " + b"{" * 500_000 + b"x",
    "hidden.rtf": lambda: b"{\\rtf1 " + b"{\\b\\v " * 50_000 + b"x",
    "binary.rtf": lambda: b"{\\rtf1 {\\pict\\bin99999999999999999999 x}}",
    "links.rtf": lambda: b"{\\rtf1 " + b'{\\field{\\*\\fldinst{ HYPERLINK "x' * 3_000 + b"}",
    "bars.adoc": lambda: b"= T\n\n" + b"*_`" * 50_000 + b"\n\n" + b"[[" * 50_000 + b"\n" + b"link:x[" * 30_000,
    "stars.md": lambda: b"*a_ " * 20_000 + b"\n" + b"[" * 20_000 + b"\n" + b"> " * 20_000 + b"x",
    "titles.rst": lambda: b"".join(b"T%d\n%s\n\n" % (n, bytes([33 + n % 15]) * 4) for n in range(2000)),
    "deep.eml": lambda: deep_mail(1500),
    "headers.eml": lambda: (
        b"From: a\nMessage-ID: <1>\nSubject: x\n" + b"X-A: " + b"=?utf-8?q?a?= " * 50_000 + b"\n\nhi"
    ),
    "parts.eml": lambda: (
        b"From: a\nMessage-ID: <1>\nSubject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 20_000
    ),
    "self.eml": lambda: mail(
        "x", {"a.eml": mail("y", {"b.docx": overlapping_zip(), "c.zip": nested_zip(3, {"a": "b"})})}
    ),
    "loop.pdf": pdf_page_loop,
    "bomb.pdf": pdf_bomb,
    "nested-bomb.pdf": pdf_nested_bomb,
    "form-loop.pdf": pdf_form_loop,
    "table-loop.pdf": pdf_table_loop,
}
