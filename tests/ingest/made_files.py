"""A small file of every format, made by script. Knows no test."""

import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import date
from email.message import EmailMessage
from typing import Any

import docx
import openpyxl
from pptx import Presentation
from reportlab.pdfgen.canvas import Canvas

ODT_NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table", "style", "drawing", "meta")
)
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def zipped(entries: Mapping[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these entries, in order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def saved(file: Any) -> bytes:
    """What a library's document writes."""
    buffer = io.BytesIO()
    file.save(buffer)
    return buffer.getvalue()


def pdf(lines: tuple[str, ...] = ("A page of plain words.",)) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1)
    for number, line in enumerate(lines):
        canvas.drawString(60, 800 - 14 * number, line)
    canvas.save()
    return buffer.getvalue()


def word() -> bytes:
    file = docx.Document()
    file.add_heading("Refunds", 1)
    file.add_paragraph("We refund within 30 days.")
    return saved(file)


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Plans"
    for row in (["plan", "days", "since"], ["Free", 7, date(2024, 1, 2)], ["Pro", 30.5, None]):
        sheet.append(row)
    secret = book.create_sheet("Margins")
    secret.append(["secret"])
    secret.sheet_state = "hidden"
    return saved(book)


def slides() -> bytes:
    show = Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "Refunds"
    first.placeholders[1].text = "within 30 days\nwithout a reason"
    first.notes_slide.notes_text_frame.text = "Say it slowly"
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Plans"
    table = second.shapes.add_table(2, 2, 0, 0, 100, 100).table
    for cell, text in zip(table.iter_cells(), ("plan", "days", "Pro", "30"), strict=True):
        cell.text = text
    hidden = show.slides.add_slide(show.slide_layouts[5])
    hidden.shapes.title.text = "Margins"
    hidden._element.set("show", "0")
    return saved(show)


def odt(body: str | None = None) -> bytes:
    body = body or (
        '<text:h text:outline-level="1">Refunds</text:h>'
        "<text:p>We refund<text:s text:c='2'/>within 30 days<text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>Working days.</text:p></text:note-body></text:note>."
        '<text:span text:style-name="T1">secret</text:span></text:p>'
        "<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>inner</text:p>"
        "</text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>plan</text:p></table:table-cell><table:table-cell>"
        "<text:p>days</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell><text:p>Pro"
        "</text:p></table:table-cell><table:table-cell><text:p>30</text:p></table:table-cell></table:table-row>"
        "</table:table>"
    )
    style = '<style:style style:name="T1"><style:text-properties text:display="none"/></style:style>'
    content = (
        f"<office:document-content {ODT_NAMES}><office:automatic-styles>{style}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    meta = (
        f'<office:document-meta {ODT_NAMES} xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>'
        "<dc:title>Refund policy</dc:title></office:meta></office:document-meta>"
    )
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content, "meta.xml": meta})


def epub(chapters: tuple[str, ...] = ("<h1>One</h1><p>We refund.</p>", "<h1>Two</h1><p>Within 30 days.</p>")) -> bytes:
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(len(chapters))
    )
    refs = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>The book of refunds</dc:title><dc:creator>Ann</dc:creator></metadata>"
        f"<manifest>{items}</manifest><spine>{refs}</spine></package>"
    )
    pages = {f"OPS/c{n}.xhtml": f"<html><body>{text}</body></html>" for n, text in enumerate(chapters)}
    return zipped(
        {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OPS/book.opf": package, **pages}
    )


RTF = (
    rb"{\rtf1\ansi{\info{\title Refund policy}}{\fonttbl\f0 Arial;}We refund {\b within} 30 days.\par "
    rb"Second {\v secret} line.\par \trowd plan\cell days\cell\row \trowd Pro\cell 30\cell\row After.\par}"
)
ASCIIDOC = b"""= Refund policy
:days: 30

We refund within {days} days, see https://example.org[the *site*].

NOTE: Working days.

* one
** inner

[source,python]
----
days = 30
----

|===
|plan |days

|Pro |30
|===

include::other.adoc[]
"""


def mail(subject: str = "Refund für alle", attachments: Mapping[str, bytes] | None = None) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ann <ann@example.org>", "bob@example.org", subject
    message["Date"] = "Mon, 01 Jan 2024 10:00:00 +0100"
    message["Message-ID"] = "<1@example.org>"
    message.set_content("We refund within 30 days.\n\nAnn\n")
    message.add_alternative("<p>We refund.</p>", subtype="html")
    found = {"plans.csv": b"plan,days\nFree,7\nPro,30\n", "photo.png": b"\x89PNG\r\n\x1a\n\x00"}
    for name, content in (found if attachments is None else attachments).items():
        message.add_attachment(content, "application", "octet-stream", filename=name)
    return message.as_bytes()


def mailbox() -> bytes:
    return b"".join(
        b"From ann@example.org Mon Jan  1 10:00:00 2024\n" + mail(f"Question {n}", {}).rstrip() + b"\n\n"
        for n in (1, 2, 3)
    )


MADE: Mapping[str, Callable[[], bytes]] = {
    "a.pdf": pdf,
    "a.docx": word,
    "a.xlsx": workbook,
    "a.pptx": slides,
    "a.odt": odt,
    "a.epub": epub,
    "a.rtf": lambda: RTF,
    "a.adoc": lambda: ASCIIDOC,
    "a.eml": mail,
    "a.mbox": mailbox,
    "a.html": lambda: b"<!doctype html><title>T</title><h1>Refunds</h1><p>We refund.</p>",
    "a.md": lambda: b"# Refunds\n\nWe refund within 30 days.\n",
    "a.rst": lambda: b"Refunds\n=======\n\nWe refund within 30 days.\n",
    "a.txt": lambda: b"We refund within 30 days.\n",
    "a.csv": lambda: b"plan,days\nFree,7\nPro,30\n",
    "a.tsv": lambda: b"plan\tdays\nFree\t7\nPro\t30\n",
    "a.json": lambda: b'{"plan": "Pro", "days": 30}',
    "a.jsonl": lambda: b'{"plan": "Pro"}\n{"plan": "Free"}\n',
}
