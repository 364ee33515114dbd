"""Drawn pages and the boxes of passages on them: the alignment as a pure function, the drawing in its real child."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter

from ingest.errors import BrokenDocument
from ingest.parse.limits import ParseLimits
from ingest.parse.picture import Box, Order, Picture, aligned, runs, words_of
from ingest.parse.sandbox import Sandbox
from tests.ingest.made_files import pdf

LIMITS = ParseLimits(seconds=60.0, memory_bytes=1024**3)
LINES = ("The hub restarts by itself.", "Press the red button twice.", "The hub restarts by itself.", "Then wait.")
TEXT = "\n".join(LINES)


def words(text: str) -> list[str]:
    return [word for word, _, _ in words_of(text)]


def test_words_know_where_they_stand_and_compare_without_case_and_ligatures() -> None:
    assert words_of("Oﬃce 2, NOW") == [("office", 0, 4), ("2", 5, 6), ("now", 8, 11)]


def test_a_repeated_sentence_is_told_from_its_twin_by_what_stands_around_it() -> None:
    read, drawn = words(TEXT), words("Running head " + TEXT + " page 3")
    mapping = aligned(read, drawn)
    third = range(10, 15)
    assert runs(list(third), mapping) == [(12, 16)]


def test_a_hyphen_at_the_end_of_a_line_is_bridged() -> None:
    mapping = aligned(words("the configuration is saved"), words("the configu- ration is saved"))
    assert runs([0, 1, 2, 3], mapping) == [(0, 4)]


def test_a_passage_that_is_hardly_found_has_no_place() -> None:
    mapping = aligned(words("one two three four"), words("five six seven one"))
    assert runs([0, 1, 2, 3], mapping) == []


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def draw(sandbox: Sandbox, path: Path, *sentences: str, width: int = 600) -> Picture:
    spans = tuple((TEXT.index(one), TEXT.index(one) + len(one)) for one in sentences)
    return sandbox.draw(path, Order(1, width, TEXT, spans), LIMITS)


def middle(box: Box) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(LINES))
    return path


@pytest.mark.real
def test_the_box_lies_on_the_ink_of_its_passage(sandbox: Sandbox, page: Path) -> None:
    drawn = draw(sandbox, page, LINES[1])
    (box,) = drawn.boxes
    with Image.open(io.BytesIO(drawn.png)) as picture:
        assert picture.size == (drawn.width, drawn.height)
        assert picture.width == 600
        left, top = round(box.left * picture.width), round(box.top * picture.height)
        right, bottom = left + round(box.width * picture.width), top + round(box.height * picture.height)
        inside = picture.convert("RGB").crop((left, top, right, bottom))
        darkest, brightest = inside.convert("L").getextrema()
        assert darkest < 100  # its letters
        assert inside.getpixel((inside.width - 1, 0)) != (255, 255, 255)  # marked
        assert brightest < 255
    (alone,) = draw(sandbox, page, LINES[1], width=0).boxes
    assert middle(alone) == pytest.approx(middle(box), abs=0.003)


@pytest.mark.real
def test_on_a_turned_page_the_box_turns_with_it(sandbox: Sandbox, page: Path, tmp_path: Path) -> None:
    (upright,) = draw(sandbox, page, LINES[1]).boxes
    turned = tmp_path / "turned.pdf"
    writer = PdfWriter()
    writer.add_page(PdfReader(page).pages[0].rotate(90))
    writer.write(turned)
    (box,) = draw(sandbox, turned, LINES[1]).boxes
    x, y = middle(upright)
    assert middle(box) == pytest.approx((1 - y, x), abs=0.01)


@pytest.mark.real
def test_what_cannot_be_drawn_is_refused_and_the_child_goes_on(sandbox: Sandbox, page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 nothing")
    with pytest.raises(BrokenDocument, match="cannot be drawn"):
        sandbox.draw(broken, Order(1), LIMITS)
    with pytest.raises(BrokenDocument, match="has 1 pages"):
        sandbox.draw(page, Order(2), LIMITS)
    assert sandbox.draw(page, Order(1, 300), LIMITS).width == 300
