"""Prompts fitted to a model's context."""

import pytest

from rag.errors import ContextTooLong
from rag.evidence import Evidence
from rag.prompt import SYSTEM, build_prompt, prompt_messages
from tests.fakes import ScriptedGenerator


def evidence(n: int, text: str, score: float = 0.9, heading: str = "", kind: str = "sentence") -> Evidence:
    return Evidence(n, f"d_{n}", kind, 10, 10 + len(text), text, heading, score)


COUNT = ScriptedGenerator().count_tokens


def test_the_prompt_begins_the_same_for_every_question():
    one = build_prompt("Why?", [evidence(1, "Because.")], COUNT, context_tokens=200, max_tokens=20)
    two = build_prompt("When?", [evidence(2, "Now.")], COUNT, context_tokens=200, max_tokens=20)
    assert one.messages[0] == two.messages[0]
    assert one.messages[0].content == SYSTEM


def test_notes_carry_number_heading_and_text():
    prompt = build_prompt(
        "Why?", [evidence(3, "It is\nso.", heading="Guide > TTL")], COUNT, context_tokens=200, max_tokens=20
    )
    assert "[3] (TTL) It is so." in prompt.messages[1].content
    assert prompt.messages[1].content.endswith("Question: Why?")
    assert prompt.tokens == COUNT(prompt.messages)


def test_evidence_is_left_out_from_the_end_until_it_fits():
    items = [evidence(n, "word " * 20) for n in (1, 2, 3)]
    prompt = build_prompt("Why?", items, COUNT, context_tokens=110, max_tokens=20)
    assert [item.n for item in prompt.evidence] == [1, 2]
    assert [item.n for item in prompt.left_out] == [3]
    assert prompt.tokens <= 90


def test_too_long_even_alone_is_an_error_with_both_numbers():
    with pytest.raises(ContextTooLong, match=r"room for 30"):
        build_prompt("Why?", [evidence(1, "word " * 90)], COUNT, context_tokens=50, max_tokens=20)


def test_a_row_is_noted_with_the_names_of_its_columns():
    row = Evidence(1, "d_1", "row", 0, 12, "Pro | 10 EUR", "Plans", 0.9, {}, "Plan | Price", 20)
    assert "[1] (Plans) Plan: Pro; Price: 10 EUR" in prompt_messages("How much is Pro?", [row])[1].content
