"""Passages as sentences, items, rows and steps."""

from hypothesis import given
from hypothesis import strategies as st

from index.passage import Passage
from rag.units import split_passage, units_of, whole_sentences

GUIDE = """Reset a password

To reset your password:

1. Open the sign-in page.
2. Choose Forgot your password?
   Then wait.
3. Enter your email.

The link is valid for 30 minutes. If it has expired, ask for a new one.

Plan | Price
Basic | 5 EUR
Pro | 10 EUR
"""


def passage(text: str, start: int = 0, document: str = "d_1") -> Passage:
    return Passage(1, document, "c_1", 1, "a.md", "A", "", None, start, start + len(text), text, 0.5)


def test_every_unit_is_an_exact_span():
    for unit in split_passage(GUIDE, 100):
        assert unit.text == GUIDE[unit.start - 100 : unit.end - 100]


def test_a_lead_in_comes_with_its_steps_and_the_steps_alone():
    units = split_passage(GUIDE)
    steps = next(unit for unit in units if unit.kind == "steps")
    assert steps.text.startswith("To reset your password:")
    assert steps.text.endswith("3. Enter your email.")
    items = [unit.text for unit in units if unit.kind == "item"]
    assert items == ["Open the sign-in page.", "Choose Forgot your password?\n   Then wait.", "Enter your email."]


def test_units_know_what_introduces_them():
    leads = {unit.text: unit.lead for unit in split_passage(GUIDE)}
    assert leads["Enter your email."] == "Reset a password To reset your password:"
    assert leads["Pro | 10 EUR"] == "Reset a password Plan | Price"
    assert leads["The link is valid for 30 minutes."] == "Reset a password"


def test_a_numbered_list_needs_no_lead_in_but_bullets_do():
    assert [u.kind for u in split_passage("1. Open.\n2. Close.")] == ["steps", "item", "item"]
    assert [u.kind for u in split_passage("- red\n- blue")] == ["item", "item"]


def test_rows_and_items_know_their_table_and_list():
    tables = "Name | Age\nAnn | 7\nBob | 8\n\nCode | Cause\nE1 | heat\n\n"
    text = tables + "They are:\n\n- red\n- blue\n\nAlso this.\n\n- green\n"
    runs = {unit.text: unit.among - 50 for unit in split_passage(text, 50) if unit.kind in {"row", "item"}}
    assert runs["Ann | 7"] == runs["Bob | 8"] == text.index("Ann")
    assert runs["E1 | heat"] == text.index("E1")
    assert runs["red"] == runs["blue"] == text.index("red")
    assert runs["green"] == text.index("green")
    assert {unit.among for unit in split_passage(text, 50) if unit.kind not in {"row", "item"}} == {-1}


def test_code_stays_in_one_piece():
    kinds = [(u.kind, u.text) for u in split_passage("Run this now, please.\n\n```\na\n\nb\n```\n")]
    assert kinds == [("sentence", "Run this now, please."), ("code", "```\na\n\nb\n```")]


def test_a_span_that_two_passages_share_comes_once():
    units = units_of([passage("One is here. Two is here.", 10), passage("Two is here. Three is here.", 23)])
    assert [(unit.passage, unit.text) for unit in units] == [
        (0, "One is here."),
        (0, "Two is here."),
        (1, "Three is here."),
    ]


def test_records_are_rows_and_a_lone_numbered_line_is_a_heading():
    text = "1. Limits\n\nLimit: Sites; Basic: 1; Unit: sites\nLimit: Hubs; Basic: 2; Unit: hubs"
    assert [(u.kind, u.lead) for u in split_passage(text)] == [
        ("heading", ""),
        ("row", "1. Limits"),
        ("row", "1. Limits"),
    ]


def test_a_short_line_introduces_what_follows():
    text = "Slow amber\n    No connection. Wait.\nBlue\n    Ready."
    assert [(u.kind, u.lead) for u in split_passage(text)] == [
        ("heading", ""),
        ("sentence", "Slow amber"),
        ("sentence", "Slow amber"),
        ("heading", ""),
        ("sentence", "Blue"),
    ]


def test_cells_of_a_table_that_lost_its_form_stay_together():
    text = "Press\n\nWhat happens\n\nHold for 5 seconds\n\nPairing window opens\n\nThen wait for it."
    assert [(u.kind, u.text[-6:]) for u in split_passage(text)] == [("row", " opens"), ("sentence", "or it.")]


def test_a_question_mark_in_a_name_does_not_end_the_sentence():
    text = "Choose Forgot your password? on the page. Then wait."
    assert [text[a:b] for a, b in whole_sentences(text)] == ["Choose Forgot your password? on the page.", "Then wait."]


@given(st.text(alphabet="ab.1-|:#`\n \t(A", max_size=80), st.integers(0, 50))
def test_units_of_any_text_are_exact_spans_in_order(text, offset):
    units = split_passage(text, offset)
    assert [unit.start for unit in units] == sorted(unit.start for unit in units)
    for unit in units:
        assert unit.text
        assert unit.text == text[unit.start - offset : unit.end - offset]


def test_a_row_is_told_with_the_names_of_its_columns_and_an_item_with_what_introduces_it():
    units = split_passage(GUIDE)
    told = {unit.text: unit.told("Help > Accounts") for unit in units}
    text, start = told["Pro | 10 EUR"] or ("", 0)
    assert text == "Accounts: Reset a password: Plan: Pro; Price: 10 EUR"
    assert text[start:] == "Plan: Pro; Price: 10 EUR"
    text, start = told["Enter your email."] or ("", 0)
    assert (text, text[start:]) == (
        "Accounts: Reset a password To reset your password: Enter your email.",
        "Enter your email.",
    )
    assert told["The link is valid for 30 minutes."] is None


def test_each_table_has_its_own_header_and_a_row_of_data_is_none():
    text = "Plan | Price\nPro | 10 EUR\n\n| M1 | M2\nWeight | 1 kg | 2 kg\n\nSize | 3 cm\nWidth | 4 cm"
    units = split_passage(text)
    assert [(unit.text, unit.kind, unit.header) for unit in units] == [
        ("Plan | Price", "heading", ""),
        ("Pro | 10 EUR", "row", "Plan | Price"),
        ("| M1 | M2", "heading", ""),
        ("Weight | 1 kg | 2 kg", "row", "| M1 | M2"),
        ("Size | 3 cm", "row", ""),
        ("Width | 4 cm", "row", ""),
    ]
    assert units[3].told("") == ("Weight; M1: 1 kg; M2: 2 kg", 0)
