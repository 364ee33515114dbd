"""PDF and DOCX: made here, read back, damaged, protected."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from ingest.document import Document
from ingest.errors import BrokenDocument, EmptyFile, EncryptedDocument, NoTextFound, ParserLimit
from ingest.parse import parse
from ingest.parse.limits import ParseLimits


def parsed(tmp_path: Path, name: str, data: bytes, limits: ParseLimits | None = None) -> Document:
    path = tmp_path / "upload"
    path.write_bytes(data)
    return parse(path, name, limits=limits)


def pdf(pages: list[list[tuple[int, str]]], draw: Callable[[Canvas], None] | None = None) -> bytes:
    """Pages of (size, line); an empty line leaves a gap."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.setTitle("A made document")
    for page in pages:
        height = 800
        for size, line in page:
            canvas.setFont("Helvetica", size)
            if line:
                canvas.drawString(60, height, line)
            height -= int(size * 1.3)
        if draw:
            draw(canvas)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def text_pages(count: int) -> list[list[tuple[int, str]]]:
    body = "This is one full line of ordinary body text that runs on to the next one"
    return [
        [
            (8, "Company handbook"),
            (8, ""),
            (18, f"Chapter {number}"),
            (11, ""),
            *[(11, f"{body} {number}.{line}") for line in range(6)],
            (11, ""),
            (11, "A new paragraph starts here and is long enough to be hyphen-"),
            (11, "ated over two lines " + "very " * number + "truly."),
            (11, ""),
            (8, f"Page {number} of {count}"),
        ]
        for number in range(1, count + 1)
    ]


def encrypted(data: bytes, user: str, owner: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password=user, owner_password=owner, algorithm="AES-256")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_pdf_pages_paragraphs_and_headings(tmp_path: Path) -> None:
    document = parsed(tmp_path, "handbook.pdf", pdf(text_pages(4)))
    assert document.title == "A made document"
    assert document.report.pages == 4
    headings = [document.text[block.start : block.end] for block in document.blocks if block.kind == "heading"]
    assert headings == ["Chapter 1", "Chapter 2", "Chapter 3", "Chapter 4"]
    assert "be hyphenated over two lines very" in document.text
    assert "Company handbook" not in document.text
    assert "of 4" not in document.text
    assert any("Company handbook" in sentence for sentence in document.report.dropped)
    assert [page.number for page in document.pages] == [1, 2, 3, 4]
    for page in document.pages:
        text = document.text[page.start : page.end]
        assert text.startswith(f"Chapter {page.number}\n\nThis is one")
        assert text.endswith("truly.")


def test_a_paragraph_runs_on_over_the_page_break(tmp_path: Path) -> None:
    pages = [
        [(11, "A paragraph that begins on the first page and is clearly not at its end because it")],
        [(11, "continues on the second page with a small letter and then ends.")],
    ]
    document = parsed(tmp_path, "a.pdf", pdf(pages))
    assert len(document.blocks) == 1
    first, second = document.pages
    assert document.text[first.start : first.end].endswith("because it")
    assert document.text[second.start : second.end].startswith("continues on")


def test_pages_without_text_are_reported(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.pdf", pdf([[(11, "Words here.")], [], [(11, "And here.")]]))
    assert document.report.pages_without_text == (2,)
    assert document.report.pages == 3


def test_scanned_pdf(tmp_path: Path) -> None:
    data = pdf([[], []], draw=lambda canvas: canvas.rect(100, 100, 200, 200, fill=1))
    with pytest.raises(NoTextFound, match="none of the 2 pages has a text layer"):
        parsed(tmp_path, "scan.pdf", data)


def test_encrypted_pdf(tmp_path: Path) -> None:
    plain = pdf([[(11, "Secret words.")]])
    with pytest.raises(EncryptedDocument, match="protected by a password"):
        parsed(tmp_path, "a.pdf", encrypted(plain, "user", "owner"))
    assert parsed(tmp_path, "a.pdf", encrypted(plain, "", "owner")).text == "Secret words."


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_truncated_pdf_ends_in_text_or_one_reason(tmp_path: Path, share: float) -> None:
    data = pdf(text_pages(5))
    end: Document | Exception
    try:
        end = parsed(tmp_path, "a.pdf", data[: int(len(data) * share)])
    except (BrokenDocument, NoTextFound) as error:
        end = error
    assert end.text.strip() if isinstance(end, Document) else "\n" not in str(end)


def make_docx() -> bytes:
    file = docx.Document()
    file.core_properties.title = "Policy"
    file.core_properties.author = "Ann"
    file.add_heading("Refund policy", 1)
    file.add_paragraph("We refund within 30 days.")
    file.add_heading("How", 2)
    file.add_paragraph("Write to us", style="List Bullet")
    file.add_paragraph("Wait", style="List Number")
    hidden = file.add_paragraph("Visible ").add_run("vanished")
    hidden.font.hidden = True
    table = file.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ["plan", "days", "Pro", "30"], strict=True):
        cell.text = text
    buffer = io.BytesIO()
    file.save(buffer)
    return buffer.getvalue()


def test_docx_structure(tmp_path: Path) -> None:
    document = parsed(tmp_path, "policy.docx", make_docx())
    assert document.title == "Policy"
    assert document.metadata["author"] == "Ann"
    assert [(block.kind, document.text[block.start : block.end]) for block in document.blocks] == [
        ("heading", "Refund policy"),
        ("paragraph", "We refund within 30 days."),
        ("heading", "How"),
        ("list", "- Write to us"),
        ("list", "1. Wait"),
        ("paragraph", "Visible"),
        ("table", "plan | days\nPro | 30"),
    ]
    assert document.blocks[-1].header


def test_docx_of_zero_bytes(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile, match="0 bytes"):
        parsed(tmp_path, "a.docx", b"")


def test_damaged_docx(tmp_path: Path) -> None:
    data = make_docx()
    with pytest.raises(BrokenDocument, match="damaged"):
        parsed(tmp_path, "a.docx", data[: len(data) // 2])


def rezipped(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.namelist():
            target.writestr(entry, change(entry, source.read(entry)))
    return buffer.getvalue()


def test_docx_without_text(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    docx.Document().save(buffer)
    with pytest.raises(NoTextFound, match="no text"):
        parsed(tmp_path, "a.docx", buffer.getvalue())


def test_docx_with_entities_reads_no_file(tmp_path: Path) -> None:
    def attack(name: str, data: bytes) -> bytes:
        if name != "word/document.xml":
            return data
        entity = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
        body = data.split(b"?>", 1)[1].replace(b"We refund", b"We &f; refund")
        return b'<?xml version="1.0"?>' + entity + body

    document = parsed(tmp_path, "a.docx", rezipped(make_docx(), attack))
    assert "root:" not in document.text


def test_docx_bomb(tmp_path: Path) -> None:
    def inflate(name: str, data: bytes) -> bytes:
        return data.replace(b"<w:body>", b"<w:body>" + b" " * 30_000_000) if name == "word/document.xml" else data

    with pytest.raises(ParserLimit, match="more XML than the limits allow"):
        parsed(tmp_path, "a.docx", rezipped(make_docx(), inflate), ParseLimits(memory_bytes=200 * 1024**2))
