"""Makes the PDF and DOCX files of the sample collection from the Markdown files in `merrowdeck/sources`.

Knows nothing of Footnote. Equal sources give equal bytes: dates are fixed and ids come from the content.

    python samples/make_binary_documents.py [TARGET_FOLDER]
"""

import io
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import docx
from docx.enum.text import WD_BREAK
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import BaseDocTemplate, Frame, PageBreak, PageTemplate, Paragraph, Spacer, Table

SAMPLES = Path(__file__).resolve().parent
SOURCES = SAMPLES / "merrowdeck" / "sources"
DOCUMENTS = SAMPLES / "merrowdeck" / "documents"
DATE = datetime(2026, 9, 1, 12, 0, 0)  # noqa: DTZ001 - the DOCX core properties hold naive UTC times
AUTHOR = "Merrowdeck Systems (invented)"
TARGETS = {
    "hub-m2-manual.md": "hardware/hub-m2-manual.pdf",
    "service-level-agreement.md": "policies/service-level-agreement.pdf",
    "sensor-reference.md": "hardware/sensor-reference.docx",
    "warranty.md": "policies/warranty.docx",
}


@dataclass(frozen=True)
class Piece:
    """One block of a source: "heading", "text", "bullets", "steps", "table" or "break"."""

    kind: str
    level: int = 0
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def read_pieces(markdown: str) -> Iterator[Piece]:
    """The small part of Markdown that the sources use: blocks are parted by empty lines."""
    for block in re.split(r"\n{2,}", markdown.strip()):
        lines = block.splitlines()
        first = lines[0]
        if first == "---":
            yield Piece("break")
        elif first.startswith("#"):
            marks, title = first.split(" ", 1)
            yield Piece("heading", level=len(marks), lines=(title,))
        elif first.startswith("|"):
            rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
            yield Piece("table", rows=(rows[0], *rows[2:]))
        elif first.startswith("- "):
            yield Piece("bullets", lines=tuple(line[2:] for line in lines))
        elif re.match(r"\d+\. ", first):
            yield Piece("steps", lines=tuple(line.split(". ", 1)[1] for line in lines))
        else:
            yield Piece("text", lines=(" ".join(lines),))


def runs(text: str) -> Iterator[tuple[str, str]]:
    """("bold" | "italic" | "code" | "plain", words) in order."""
    for part in re.split(r"(\*\*.+?\*\*|\*.+?\*|`.+?`)", text):
        if part.startswith("**"):
            yield "bold", part[2:-2]
        elif part.startswith("*"):
            yield "italic", part[1:-1]
        elif part.startswith("`"):
            yield "code", part[1:-1]
        elif part:
            yield "plain", part


# --- PDF ---------------------------------------------------------------------------------------------------------

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=14, spaceAfter=7)
ITEM = ParagraphStyle("item", parent=BODY, leftIndent=16, bulletIndent=4, bulletFontName="Helvetica", spaceAfter=3)
HEADINGS = {
    1: ParagraphStyle("h1", parent=BODY, fontName="Helvetica-Bold", fontSize=20, leading=25, spaceAfter=12),
    2: ParagraphStyle("h2", parent=BODY, fontName="Helvetica-Bold", fontSize=14, leading=18, spaceBefore=9),
    3: ParagraphStyle("h3", parent=BODY, fontName="Helvetica-Bold", fontSize=11, leading=14, spaceBefore=4),
}
TAGS = {"bold": "<b>{}</b>", "italic": "<i>{}</i>", "code": '<font face="Courier">{}</font>', "plain": "{}"}
TABLE_STYLE = [
    ("GRID", (0, 0), (-1, -1), 0.4, colors.HexColor("#9aa3ad")),
    ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#e8ecf0")),
    ("FONTSIZE", (0, 0), (-1, -1), 8.5),
]


def _markup(text: str) -> str:
    escaped = [
        (kind, words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")) for kind, words in runs(text)
    ]
    return "".join(TAGS[kind].format(words) for kind, words in escaped)


def _flowables(piece: Piece) -> list[Any]:
    if piece.kind == "break":
        return [PageBreak()]
    if piece.kind == "heading":
        return [Paragraph(_markup(piece.lines[0]), HEADINGS[piece.level])]
    if piece.kind == "text":
        return [Paragraph(_markup(piece.lines[0]), BODY)]
    if piece.kind == "table":
        return [Table(piece.rows, hAlign="LEFT", style=TABLE_STYLE, repeatRows=1), Spacer(0, 8)]
    marks = ["•"] * len(piece.lines) if piece.kind == "bullets" else [f"{n}." for n in range(1, len(piece.lines) + 1)]
    return [Paragraph(_markup(line), ITEM, bulletText=mark) for line, mark in zip(piece.lines, marks, strict=True)]


def make_pdf(pieces: list[Piece]) -> bytes:
    """A PDF with a page number at the foot of each page. Cells of tables hold plain words."""
    title = pieces[0].lines[0]
    out = io.BytesIO()
    template = BaseDocTemplate(out, pagesize=A4, title=title, author=AUTHOR, invariant=1, pageCompression=0)

    def foot(canvas: Any, _: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(22 * mm, 12 * mm, title)
        canvas.drawRightString(A4[0] - 22 * mm, 12 * mm, f"Page {canvas.getPageNumber()}")

    frame = Frame(22 * mm, 20 * mm, A4[0] - 44 * mm, A4[1] - 40 * mm)
    template.addPageTemplates([PageTemplate(frames=[frame], onPageEnd=foot)])
    template.build([part for piece in pieces for part in _flowables(piece)])
    return out.getvalue()


# --- DOCX --------------------------------------------------------------------------------------------------------


def _write_runs(paragraph: Any, text: str) -> None:
    for kind, words in runs(text):
        run = paragraph.add_run(words)
        run.bold = kind == "bold" or None
        run.italic = kind == "italic" or None
        if kind == "code":
            run.font.name = "Courier New"


def _add_table(document: Any, piece: Piece) -> None:
    table = document.add_table(rows=len(piece.rows), cols=len(piece.rows[0]), style="Table Grid")
    for row, cells in zip(table.rows, piece.rows, strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            _write_runs(cell.paragraphs[0], text)
    document.add_paragraph()


def make_docx(pieces: list[Piece]) -> bytes:
    """A DOCX with real heading, list and table styles."""
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author, properties.last_modified_by = pieces[0].lines[0], AUTHOR, AUTHOR
    properties.created = properties.modified = DATE
    properties.revision = 1
    for piece in pieces:
        if piece.kind == "heading":
            document.add_heading(level=piece.level).add_run(piece.lines[0])
        elif piece.kind == "table":
            _add_table(document, piece)
        elif piece.kind == "break":
            document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
        else:
            style = {"bullets": "List Bullet", "steps": "List Number"}.get(piece.kind)
            for line in piece.lines:
                _write_runs(document.add_paragraph(style=style), line)
    out = io.BytesIO()
    document.save(out)
    return _with_fixed_dates(out.getvalue())


def _with_fixed_dates(archive: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, date_time=DATE.timetuple()[:6])
            new.writestr(entry, old.read(name), compress_type=zipfile.ZIP_DEFLATED)
    return out.getvalue()


def make_all(target: Path) -> list[Path]:
    """Write every binary document below `target`; returns their paths."""
    written = []
    for source, name in TARGETS.items():
        pieces = list(read_pieces((SOURCES / source).read_text(encoding="utf-8")))
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_pdf(pieces) if path.suffix == ".pdf" else make_docx(pieces))
        written.append(path)
    return written


if __name__ == "__main__":
    for made in make_all(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS):
        print(made)
