"""Where a chunk stands in its file: the line is the one that an editor shows, and recognised text is marked."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunk import chunk_document
from ingest.document import Document, Page, Report
from ingest.parse.formats import parse_bytes
from ingest.parse.limits import ParseLimits
from ingest.parse.line_numbers import with_lines
from tests.fakes import HashEmbedder

MARKDOWN = """---
title: Guide
---

# Guide

Some words
of an opening.

<!-- a comment
of two lines -->

## Limits of *queues*

- first `item` of the list
- second [item](https://example.org) of it

```
code = 1
more = 2
```
"""
RST = """Guide
=====

.. note:: hidden
   words

A paragraph *with* marks
over two lines.

Second part
-----------

The end of it.
"""


def parsed(text: str, name: str) -> Document:
    return parse_bytes(text.encode(), name, ParseLimits())


@pytest.mark.parametrize(("text", "name"), [(MARKDOWN, "guide.md"), (RST, "guide.rst")])
def test_lines_are_those_of_the_file_not_of_the_text(text: str, name: str) -> None:
    document = parsed(text, name)
    lines = text.split("\n")
    known = 0
    for start, number in document.lines:
        first = re.search(r"\w+", document.text[start:])
        assert first is not None
        assert first[0].casefold() in lines[number - 1].casefold()
        known += 1
    assert known >= len([line for line in document.text.split("\n") if line]) - 1


def test_what_comes_twice_is_told_apart_by_its_order() -> None:
    text = "Options\n\nmore words here\n\nOptions\n\nother words here\n"
    document = parsed(text, "a.txt")
    assert [number for _, number in document.lines] == [1, 3, 5, 7]


def test_rows_of_tables_and_records_know_their_line() -> None:
    table = parsed('name,note\na,"two\nlines"\nb,one\n', "t.csv")
    assert [number for _, number in table.lines] == [2, 4]
    records = parsed('{"a": 1}\n\n{"a": 2}\n', "r.jsonl")
    assert [number for _, number in records.lines] == [1, 3]


def test_chunks_carry_the_line_where_they_begin() -> None:
    rows = "".join(f"plan {n},{n} days,a note about plan {n}\n" for n in range(60))
    document = parsed("name,term,note\n" + rows, "plans.csv")
    chunks = chunk_document(document, HashEmbedder(), 64)
    assert len(chunks) > 5
    for chunk in chunks:
        first = int(chunk.text.split("plan ")[1].split(";")[0])
        assert chunk.line == first + 2


def test_formats_with_pages_have_no_lines_and_recognised_pages_are_marked() -> None:
    text = "words of the first page\n\nwords of the second page"
    pages = (Page(1, 0, 23), Page(2, 25, len(text)))
    document = Document("scan.pdf", "application/pdf", "scan", text, pages, report=Report(pages_recognised=(2,)))
    chunks = chunk_document(document, HashEmbedder(), 12)
    assert {chunk.page: chunk.recognised for chunk in chunks} == {1: False, 2: True}
    assert all(chunk.line is None for chunk in chunks)


@settings(max_examples=50)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_texts_give_lines_in_order(text: str, source: str) -> None:
    document = with_lines(Document("a", "text/plain", "a", text), source)
    numbers = [number for _, number in document.lines]
    assert numbers == sorted(numbers)
    assert all(1 <= number <= source.count("\n") + source.count("\r") + 1 for number in numbers)
    assert all(start == 0 or text[start - 1] == "\n" for start, _ in document.lines)


def test_a_very_long_file_is_left_without() -> None:
    document = parsed("words\n" * 10, "a.txt")
    assert with_lines(replace(document, lines=()), "words\n" * 500_000).lines == ()


def test_the_samples_know_nearly_every_line() -> None:
    folder = next(Path(__file__).parents[2].glob("samples/*/documents"))
    for path in sorted(folder.rglob("*.md"))[:5]:
        document = parse_bytes(path.read_bytes(), path.name, ParseLimits())
        texts = [line for line in document.text.split("\n") if line.strip()]
        assert len(document.lines) >= 0.8 * len(texts), path
