"""Plain text, tables and JSON; what a file is and in which encoding."""

import json
from pathlib import Path

import pytest

from ingest.document import Document
from ingest.errors import BrokenDocument, EmptyFile, ParserLimit, WrongType
from ingest.parse import parse
from ingest.parse.limits import ParseLimits

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def parsed(tmp_path: Path, name: str, data: bytes | str, limits: ParseLimits | None = None) -> Document:
    path = tmp_path / "upload"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return parse(path, name, limits=limits)


def rows(document: Document) -> list[str]:
    return [document.text[start:end] for block in document.blocks for start, end in block.rows]


def test_csv_rows_carry_their_headers(tmp_path: Path) -> None:
    document = parsed(tmp_path, "plans.csv", 'plan;price;note\nFree;0;"two\nlines"\nPro;9,50;\n')
    assert rows(document) == ["plan: Free; price: 0; note: two lines", "plan: Pro; price: 9,50"]
    assert document.metadata == {"columns": ["plan", "price", "note"]}
    assert document.media_type == "text/csv"


def test_csv_without_header_and_with_tabs(tmp_path: Path) -> None:
    document = parsed(tmp_path, "data.tsv", "1\t2\n3\t4\n")
    assert rows(document) == ["1; 2", "3; 4"]
    assert document.media_type == "text/tab-separated-values"


def test_a_table_is_known_without_its_name(tmp_path: Path) -> None:
    document = parsed(tmp_path, "export", "id,name,city\n1,Ann,Rome\n2,Bob,Oslo\n3,Eve,Bonn\n")
    assert rows(document)[0] == "id: 1; name: Ann; city: Rome"


def test_json_becomes_readable_lines(tmp_path: Path) -> None:
    value = {"title": "Faq", "tags": ["a", "b"], "items": [{"q": "Why?", "a": {"text": "So.", "n": 3}}, {"q": None}]}
    document = parsed(tmp_path, "faq.json", json.dumps(value))
    assert document.title == "Faq"
    assert document.text == "title: Faq\n\ntags: a, b\n\nitems\n\nq: Why?\na.text: So.\na.n: 3"


def test_json_lines_leave_out_what_is_broken(tmp_path: Path) -> None:
    document = parsed(tmp_path, "log.jsonl", '{"a": 1}\n{"a": \n{"a": "\\ud800x"}\n')
    assert document.text == "a: 1\n\na: \ufffdx"
    assert any("1 lines are no valid JSON" in sentence for sentence in document.report.dropped)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": }'])
def test_broken_json(tmp_path: Path, text: str) -> None:
    with pytest.raises(BrokenDocument):
        parsed(tmp_path, "a.json", text)


def test_plain_text_keeps_its_lines(tmp_path: Path) -> None:
    document = parsed(tmp_path, "readme.txt", "First line\nsecond line\n\n    code = 1\n    more\n\n- a\n- b\n")
    assert [block.kind for block in document.blocks] == ["paragraph", "code", "list"]
    assert document.text == "First line\nsecond line\n\n    code = 1\n    more\n\n- a\n- b"


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8-sig", ""), ("utf-16", ""), ("utf-16-le", ""), ("utf-16-be", "\ufeff"), ("utf-32", "")],
)
def test_wide_encodings(tmp_path: Path, encoding: str, mark: str) -> None:
    document = parsed(tmp_path, "a.txt", (mark + "Grüße und viel Text").encode(encoding))
    assert document.text == "Grüße und viel Text"


def test_other_encodings_are_guessed_and_said(tmp_path: Path) -> None:
    text = "Der Schlüssel für die Tür ist größer als gewöhnlich. Ärger über Öl. " * 20
    document = parsed(tmp_path, "a.txt", text.encode("cp1252"))
    assert "Schlüssel für die Tür" in document.text
    assert document.report.encoding not in (None, "utf-8")
    assert document.report.encoding_confidence is not None
    assert document.report.encoding_confidence < 1.0


def test_almost_utf8_stays_utf8(tmp_path: Path) -> None:
    data = ("Größe für Größe, süß. " * 50).encode() + b"\xff tail"
    document = parsed(tmp_path, "a.txt", data)
    assert document.report.encoding == "utf-8"
    assert "Größe" in document.text
    assert any("1 places were no valid utf-8" in sentence for sentence in document.report.dropped)


def test_invisible_characters_are_taken_out_and_counted(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.txt", "ig\u200bno\u202ere\U000e0041 this\x07, but می\u200cخواهم 👩\u200d💻 stay")
    assert document.text == "ignore this, but می\u200cخواهم 👩\u200d💻 stay"
    (sentence,) = document.report.dropped
    for part in ("1 zero-width", "1 direction", "1 tag", "1 control"):
        assert part in sentence


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\x00\x00\x00"])
def test_empty_files(tmp_path: Path, data: bytes) -> None:
    for name in ("a.txt", "a.pdf", "a.docx", "a.md"):
        with pytest.raises(EmptyFile, match="empty"):
            parsed(tmp_path, name, data)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("scan.pdf", PNG, "the file is a PNG image, not the PDF its name says"),
        ("letter.docx", b"%PDF-1.7 ...", "the file is a PDF, not the DOCX its name says"),
        ("page.pdf", b"<html><p>x", "the file is an HTML page, not the PDF its name says"),
        ("data.pdf", b"just words", "not the PDF its name says"),
        ("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(100), "a JPEG image, which cannot be read; supported are PDF"),
        ("noise.txt", bytes(range(256)) * 8, "binary data"),
        ("noise.md", b"\x01\x02\x03\x80\xff" * 50, "binary data"),
    ],
)
def test_another_type(tmp_path: Path, name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(WrongType, match=sentence):
        parsed(tmp_path, name, data)


def test_pdf_is_known_without_its_name(tmp_path: Path) -> None:
    with pytest.raises(BrokenDocument, match="PDF"):
        parsed(tmp_path, "upload.bin", b"%PDF-1.7\nnothing more")


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.md", "a.jsonl"])
def test_text_longer_than_the_limit(tmp_path: Path, name: str) -> None:
    line = '{"a": "some words"}\n' if name.endswith("jsonl") else "some words, and more of them\n\n"
    with pytest.raises(ParserLimit, match="more than 500 characters"):
        parsed(tmp_path, name, line * 100, ParseLimits(max_characters=500))
