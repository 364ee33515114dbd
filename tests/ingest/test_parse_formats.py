"""Workbooks, slides, ODT, EPUB, RTF, AsciiDoc and mail: what they hold, by content and not by name."""

import zipfile
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ingest.document import Document
from ingest.errors import BrokenDocument, EncryptedDocument, NoTextFound, ParserLimit, UnreadableDocument, WrongType
from ingest.parse import parse, plugins
from ingest.parse.limits import ParseLimits
from tests.ingest import made_files as made


def parsed(tmp_path: Path, name: str, data: bytes, limits: ParseLimits | None = None) -> Document:
    path = tmp_path / "upload"
    path.write_bytes(data)
    return parse(path, name, limits=limits)


def blocks(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


@pytest.mark.parametrize("name", made.MADE)
def test_every_format_is_known_by_its_content_under_a_foreign_name(name: str, tmp_path: Path) -> None:
    data = made.MADE[name]()
    right = parsed(tmp_path, name, data)
    for chunk in right.blocks:
        assert right.text[chunk.start : chunk.end].strip()
        assert all(chunk.start <= start < end <= chunk.end for start, end in chunk.rows)
    if name.rpartition(".")[2] not in ("txt", "md", "rst", "tsv", "csv"):  # these say nothing of themselves
        assert parsed(tmp_path, "upload.bin", data).text == right.text


def test_workbook(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.xlsx", made.workbook())
    assert blocks(document) == [
        ("heading", "Plans"),
        ("table", "plan: Free; days: 7; since: 2024-01-02\nplan: Pro; days: 30.5"),
    ]
    assert document.report.tables == 1
    assert document.report.dropped == ("left out: sheet 'Margins', which is hidden",)


def test_slides(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.pptx", made.slides())
    assert [document.text[page.start : page.end] for page in document.pages] == [
        "Refunds\n\n- within 30 days\n- without a reason\n\nNotes: Say it slowly",
        "Plans\n\nplan | days\nPro | 30",
        "",
    ]
    assert document.report.dropped == ("left out: slide 3, which is hidden",)
    assert document.report.pages_without_text == (3,)


def test_odt(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.odt", made.odt())
    assert document.title == "Refund policy"
    assert blocks(document) == [
        ("heading", "Refunds"),
        ("paragraph", "We refund within 30 days."),
        ("list", "- one"),
        ("list", "  - inner"),
        ("table", "plan | days\nPro | 30"),
        ("list", "[1] Working days."),
    ]
    assert document.report.dropped == ("left out: hidden text (1)",)


def test_protected_odt_and_epub(tmp_path: Path) -> None:
    manifest = '<m:manifest xmlns:m="urn:x"><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>'
    kind = "application/vnd.oasis.opendocument.text"
    odt = made.zipped({"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": "x"})
    with pytest.raises(EncryptedDocument, match="password"):
        parsed(tmp_path, "a.odt", odt)
    locked = '<e:encryption xmlns:e="urn:x"><e:EncryptionMethod Algorithm="aes"/></e:encryption>'
    with pytest.raises(EncryptedDocument, match="protected against copying"):
        parsed(tmp_path, "a.epub", made.zipped({"mimetype": "application/epub+zip", "META-INF/encryption.xml": locked}))


def test_epub_reads_its_chapters_in_order_and_reports_missing_ones(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.epub", made.epub())
    assert (document.title, document.metadata) == ("The book of refunds", {"author": "Ann"})
    assert document.text == "One\n\nWe refund.\n\nTwo\n\nWithin 30 days."
    with pytest.raises(NoTextFound, match="book"):
        parsed(tmp_path, "a.epub", made.epub(("", "")))


def test_rtf(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.rtf", made.RTF)
    assert document.title == "Refund policy"
    assert document.text == "We refund within 30 days.\n\nSecond line.\n\nplan | days\nPro | 30\n\nAfter."
    assert document.report.dropped == ("left out: hidden text (1)",)


def test_asciidoc(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.adoc", made.ASCIIDOC)
    assert document.title == "Refund policy"
    assert blocks(document) == [
        ("heading", "Refund policy"),
        ("paragraph", "We refund within 30 days, see the site."),
        ("paragraph", "Note: Working days."),
        ("list", "- one"),
        ("list", "  - inner"),
        ("code", "days = 30"),
        ("table", "plan | days\nPro | 30"),
    ]
    assert document.report.dropped == ("left out: included files (1)",)


def test_mail_with_attachments(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.eml", made.mail())
    assert document.title == "Refund für alle"
    assert document.metadata == {"author": "Ann <ann@example.org>", "date": "2024-01-01T10:00:00+01:00"}
    assert "We refund within 30 days.\n\nAnn\n\nAttachment: plans.csv\n\nplan: Free; days: 7" in document.text
    assert [sentence[:41] for sentence in document.report.dropped] == ["attachment 'photo.png' left out: the file"]
    (table,) = [block for block in document.blocks if block.kind == "table"]
    assert [document.text[start:end] for start, end in table.rows] == ["plan: Free; days: 7", "plan: Pro; days: 30"]


def test_mails_in_mails_end_at_a_limit(tmp_path: Path) -> None:
    inner = made.mail("the innermost", {})
    for number in range(6):
        inner = made.mail(f"level {number}", {"inner.eml": inner})
    document = parsed(tmp_path, "a.eml", inner)
    assert "level 3" in document.text
    assert "the innermost" not in document.text
    assert any("nested more than 4 deep" in sentence for sentence in document.report.dropped)


def test_mailbox(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.mbox", made.mailbox())
    headings = [text for kind, text in blocks(document) if kind == "heading"]
    assert headings == ["Question 1", "Question 2", "Question 3"]
    assert document.metadata == {"messages": 3}


def test_text_that_only_begins_like_a_mail_is_text(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.txt", b"Subject: queues\nDate: today\nFrom: here\n\nWords.")
    assert document.media_type == "text/plain"


@pytest.mark.parametrize("suffix", ["pptx", "xlsx", "odt", "epub", "rtf", "docx", "pdf"])
def test_a_name_that_promises_a_container_must_hold_it(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(WrongType, match=f"not the {suffix.upper()} its name says"):
        parsed(tmp_path, f"a.{suffix}", made.ASCIIDOC)


def test_an_archive_of_documents_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(WrongType, match="taken in one by one"):
        parsed(tmp_path, "a.zip", made.zipped({"a.txt": "words"}))


def test_limits_of_archives(tmp_path: Path) -> None:
    many = {f"{number}.xml": b"" for number in range(20_001)} | {"word/document.xml": b"<x/>"}
    with pytest.raises(ParserLimit, match="more than the 20,000 allowed"):
        parsed(tmp_path, "a.docx", made.zipped(many, zipfile.ZIP_STORED))
    bomb = {"[Content_Types].xml": b"wordprocessingml.document.main+xml", "word/document.xml": b" " * 80_000_000}
    with pytest.raises(ParserLimit, match="looks like an archive bomb"):
        parsed(tmp_path, "a.docx", made.zipped(bomb))
    with pytest.raises(ParserLimit, match="unusual method"):
        parsed(tmp_path, "a.docx", made.zipped({"word/document.xml": b"<x/>"}, zipfile.ZIP_LZMA))


class Shouting:
    """A parser as another package would bring it."""

    @staticmethod
    def accepts(head: bytes, name: str) -> bool:
        return head.startswith(b"SHOUT")

    @staticmethod
    def parse(data: bytes, name: str, limits: ParseLimits) -> Document:
        if len(data) < 10:
            raise BrokenDocument("too quiet")
        return Document(name, "text/x-shout", name, data.decode().lower())


@pytest.fixture
def shouting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = [
        EntryPoint("shout", f"{__name__}:Shouting", plugins.GROUP),
        EntryPoint("gone", "no_such_package:Parser", plugins.GROUP),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found if group == plugins.GROUP else [])
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(Shouting=Shouting))
    plugins._loaded.cache_clear()
    yield
    plugins._loaded.cache_clear()


@pytest.mark.usefixtures("shouting")
def test_parsers_of_other_packages_come_first_and_broken_ones_are_named(tmp_path: Path) -> None:
    assert parsed(tmp_path, "a.shout", b"SHOUT HELLO").text == "shout hello"
    with pytest.raises(UnreadableDocument, match="too quiet"):
        parsed(tmp_path, "a.shout", b"SHOUT")
    with pytest.raises(WrongType, match="did not load: gone"):
        parsed(tmp_path, "a.png", b"\x89PNG\r\n\x1a\n\x00")
