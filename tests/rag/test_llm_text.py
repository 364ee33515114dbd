"""Characters and stop strings that cross tokens."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rag.llm.text import StreamText, possible_stop


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(borders)]


@given(
    st.text(max_size=60), st.lists(st.integers(0, 500)), st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)
)
def test_any_division_into_tokens_gives_the_text_up_to_the_first_stop(text, places, stops):
    ends = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    stream = StreamText(stops)
    shown = ""
    for piece in cut(text.encode(), places):
        shown += stream.push(piece)
        assert text.startswith(shown)
    shown += stream.finish()
    assert shown == text[: min(ends, default=(0, len(text)))[1]]
    assert stream.stopped == bool(ends)


def test_a_character_appears_once_it_is_whole():
    stream = StreamText()
    euro = "€".encode()
    assert [stream.push(euro[:1]), stream.push(euro[1:2]), stream.push(euro[2:])] == ["", "", "€"]


def test_bytes_of_an_unfinished_character_are_dropped_at_the_end():
    stream = StreamText()
    assert stream.push(b"ok " + "€".encode()[:2]) == "ok "
    assert stream.finish() == ""


def test_the_beginning_of_a_stop_string_is_held_back_until_it_turns_out_to_be_none():
    stream = StreamText(["\n\nQ:"])
    assert stream.push(b"yes\n") == "yes"
    assert stream.push(b"\nand") == "\n\nand"


def test_the_longest_end_that_a_stop_string_begins_with():
    assert possible_stop("abab", ["abac"]) == 2
    assert possible_stop("abaab", ["abaabb"]) == 5
    assert possible_stop("xyz", ["q"]) == 0
    assert possible_stop("", ["q"]) == 0
