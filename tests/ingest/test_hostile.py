"""Whatever a file is, it ends in bounded time with text or with one typed reason, and the next file is read."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docx
import openpyxl
import pytest
from pptx import Presentation

from ingest.document import Document
from ingest.errors import UnreadableDocument
from ingest.parse.limits import ParseLimits
from ingest.parse.sandbox import Sandbox
from tests.ingest import made_files as made
from tests.ingest.hostile_files import HOSTILE

pytestmark = pytest.mark.real
LIMITS = ParseLimits(seconds=20, memory_bytes=1024**3)
CUT = 4096


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def end_of(sandbox: Sandbox, folder: Path, name: str, data: bytes) -> Document | UnreadableDocument:
    """The end of one file, held to the laws of every end."""
    path = folder / "upload"
    path.write_bytes(data)
    started = time.monotonic()
    try:
        found: Document | UnreadableDocument = sandbox.parse(path, name, LIMITS)
    except UnreadableDocument as error:
        found = error
    assert time.monotonic() - started < LIMITS.seconds + 65
    if isinstance(found, Document):
        assert found.text.strip()
    else:
        assert type(found) is not UnreadableDocument
        assert "\n" not in str(found)
        assert 10 < len(str(found)) < 500
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_and_the_next_file_is_read(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    end_of(sandbox, tmp_path, name, HOSTILE[name]())
    assert isinstance(end_of(sandbox, tmp_path, "a.txt", b"words"), Document)


def noise(count: int) -> list[str]:
    """Lines that pack badly, always the same."""
    chance = random.Random(4)
    return ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz     ", k=80)) for _ in range(count)]


def long_word() -> bytes:
    file = docx.Document()
    for line in noise(300):
        file.add_paragraph(line)
    return made.saved(file)


def long_workbook() -> bytes:
    book = openpyxl.Workbook()
    for line in noise(400):
        book.active.append([line, len(line)])
    return made.saved(book)


def long_slides() -> bytes:
    show = Presentation()
    for line in noise(12):
        show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = line
    return made.saved(show)


LONG: dict[str, Callable[[], bytes]] = {
    "a.pdf": lambda: made.pdf(tuple(noise(500))),
    "a.docx": long_word,
    "a.xlsx": long_workbook,
    "a.pptx": long_slides,
    "a.odt": lambda: made.odt("".join(f"<text:p>{line}</text:p>" for line in noise(500))),
    "a.epub": lambda: made.epub(tuple(f"<p>{line}</p>" for line in noise(300))),
    "a.rtf": lambda: b"{\\rtf1\\ansi " + "\\par ".join(noise(300)).encode() + b"}",
    "a.eml": lambda: made.mail("cut", {"a.docx": long_word(), "b.txt": "\n".join(noise(100)).encode()}),
    "a.html": lambda: ("<!doctype html>" + "".join(f"<p>{line}" for line in noise(300))).encode(),
    "a.json": lambda: ("[" + ",".join(f'{{"a": "{line}"}}' for line in noise(300)) + "]").encode(),
}


@pytest.mark.parametrize("name", LONG)
def test_a_file_cut_anywhere_ends_in_text_or_a_reason(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    whole = LONG[name]()
    assert len(whole) > 3 * CUT
    assert isinstance(end_of(sandbox, tmp_path, name, whole), Document)
    for length in range(0, len(whole), CUT):
        end_of(sandbox, tmp_path, name, whole[:length])


@pytest.mark.parametrize("name", made.MADE)
def test_a_file_with_damaged_bytes_ends_in_text_or_a_reason(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    chance = random.Random(name)
    whole = made.MADE[name]()
    for _ in range(15):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 3, 20))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        end_of(sandbox, tmp_path, name, bytes(damaged))
