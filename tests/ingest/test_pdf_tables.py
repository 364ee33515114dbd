"""Tables of PDFs: from real pages, and from lines alone."""

import io

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

from ingest.parse.limits import ParseLimits
from ingest.parse.pdf import parse_pdf
from ingest.parse.pdf_lines import Line
from ingest.parse.pdf_tables import tables_of

STYLES = getSampleStyleSheet()


def page(*parts: object) -> bytes:
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer, pagesize=A4).build(list(parts))
    return buffer.getvalue()


def words(text: str) -> Paragraph:
    return Paragraph(text, STYLES["BodyText"])


def test_a_table_between_paragraphs_keeps_its_rows_and_its_header() -> None:
    rows = [["", "Hub", "Hub Pro"], ["Weight", "240 g", "520 g"], ["Battery", "none", "6 hours"]]
    document = parse_pdf(page(words("Both models."), Table(rows), words("Ask us.")), "a.pdf", ParseLimits())
    assert document.text == (
        "Both models.\n\n| Hub | Hub Pro\nWeight | 240 g | 520 g\nBattery | none | 6 hours\n\nAsk us."
    )
    (table,) = [block for block in document.blocks if block.kind == "table"]
    assert table.header
    assert [document.text[start:end] for start, end in table.rows][1] == "Weight | 240 g | 520 g"
    assert document.report.tables == 1


def test_cells_of_several_lines_stay_whole() -> None:
    long = "Restart of the hub, in which nothing at all that was kept is lost, not even the last readings"
    rows = [["Press", "What happens"], ["Once, briefly", words(long)], [words(long), "Never"], ["Twice", "Bluetooth"]]
    document = parse_pdf(page(Table(rows, colWidths=[150, 150])), "a.pdf", ParseLimits())
    assert document.text.split("\n") == [
        "Press | What happens",
        f"Once, briefly | {long}",
        f"{long} | Never",
        "Twice | Bluetooth",
    ]


def test_running_text_in_columns_and_a_single_pair_are_no_tables() -> None:
    prose = "These words run on for much longer than the cells of any table ever would in a book."
    columns = [Line(prose, 10, gap, left=left) for _ in range(4) for gap, left in ((12, 60), (0, 320))]
    assert tables_of(columns) == []
    assert tables_of([Line("Name", 10, 0, left=60), Line("Value", 10, 0, left=200)]) == []
    assert (
        tables_of([Line("One.", 10, 0, left=60), Line("Two.", 10, 12, left=60), Line("Three.", 10, 12, left=60)]) == []
    )
