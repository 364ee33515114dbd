"""Cutting a document's text for showing keeps every character and every mark in its place."""

from hypothesis import given
from hypothesis import strategies as st

from rag.web.view import LEAD, WINDOW, Piece, pieces, window

TEXT = "First page. A second sentence. 😀 Third."


def test_passage_and_cited_part_are_marked_by_offsets_of_the_document() -> None:
    start = TEXT.index("A second")
    found = pieces(TEXT, 0, (start, start + 18), (start + 2, start + 8))
    assert [(piece.text, piece.passage, piece.cited) for piece in found] == [
        ("First page. ", False, False),
        ("A ", True, False),
        ("second", True, True),
        (" sentence.", True, False),
        (" 😀 Third.", False, False),
    ]


def test_a_window_in_the_middle_shifts_no_mark() -> None:
    found = pieces(TEXT[5:], 5, (6, 11), (0, 0))
    assert [piece.text for piece in found if piece.passage] == [TEXT[6:11]]


def test_pages_begin_where_they_begin() -> None:
    found = pieces(TEXT, 0, (0, 0), (0, 0), [(1, 0, 11), (2, 12, len(TEXT))])
    assert [(piece.page, piece.text[:5]) for piece in found] == [(1, "First"), (2, "A sec")]


def test_an_empty_text_has_no_pieces() -> None:
    assert pieces("", 0, (0, 0), (0, 0)) == []


@given(st.text(max_size=60), st.tuples(*[st.integers(0, 80)] * 4), st.integers(0, 20))
def test_joined_pieces_are_the_text(text: str, spans: tuple[int, int, int, int], offset: int) -> None:
    a, b, c, d = spans
    found = pieces(text, offset, (min(a, b), max(a, b)), (min(c, d), max(c, d)), [(1, 0, 7), (2, 7, 90)])
    assert "".join(piece.text for piece in found) == text
    marked = "".join(piece.text for piece in found if piece.passage)
    assert marked == text[max(min(a, b) - offset, 0) : max(max(a, b) - offset, 0)]
    assert all(isinstance(piece, Piece) and piece.text for piece in found)


def test_a_short_document_is_shown_whole() -> None:
    assert window(500, 300) == (0, 500)


def test_a_passage_far_inside_is_shown_with_what_stands_before_it() -> None:
    assert window(10 * WINDOW, 5 * WINDOW) == (5 * WINDOW - LEAD, 6 * WINDOW - LEAD)


def test_a_window_asked_for_stays_inside_the_document() -> None:
    assert window(100, 0, first=10_000) == (99, 100)
    assert window(100, 0, first=-5) == (0, 100)
    assert window(0, 0) == (0, 0)
