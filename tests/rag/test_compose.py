"""Which evidence is chosen, and how it is quoted."""

from rag.compose import choose_evidence, quote
from rag.evidence import Evidence


def evidence(
    text: str, score: float, n: int = 1, start: int = 0, kind: str = "sentence", document: str = ""
) -> Evidence:
    return Evidence(n, document or f"d_{n}", kind, start, start + len(text), text, "", score)


def test_overlapping_and_repeated_evidence_is_chosen_once():
    steps = evidence("To stop:\n1. Press stop.\n2. Wait.", 0.9, start=0, kind="steps")
    item = evidence("Press stop.", 0.8, start=12, kind="item")
    copy = evidence("To stop: 1. press stop. 2. wait.", 0.7, n=2)
    other = evidence("Stopping takes a minute.", 0.6, start=90)
    assert choose_evidence([steps, item, copy, other]) == (steps, other)


def test_a_quote_is_exact_text_in_the_documents_order():
    first = evidence("It expires after 30 minutes.", 0.9, start=50)
    second = evidence("The link works once.", 0.8, start=10)
    quotation = quote([first, second])
    assert quotation.text == "The link works once. It expires after 30 minutes."
    for part in quotation.parts:
        assert quotation.text[part.start : part.end] == part.evidence.text


def test_weak_evidence_and_too_many_words_stay_out():
    best = evidence("word " * 30, 0.9)
    assert len(quote([best, evidence("weak words", 0.1, start=500)]).parts) == 1
    assert len(quote([best, evidence("more " * 40, 0.8, start=500)]).parts) == 1


def test_steps_are_quoted_alone_line_by_line_however_long():
    steps = evidence(
        "To do it:\n" + "\n".join(f"{n}. Do this and that and more" for n in range(1, 12)), 0.9, kind="steps"
    )
    quotation = quote([steps, evidence("Also this.", 0.8, start=900)])
    assert quotation.text == steps.text


def test_rows_stand_on_their_own_lines():
    rows = [evidence("Basic | 5 EUR", 0.9, start=0, kind="row"), evidence("Pro | 10 EUR", 0.8, start=20, kind="row")]
    assert quote(rows).text == "Basic | 5 EUR\nPro | 10 EUR"


def test_nothing_to_quote():
    assert quote([]).text == ""


def test_rows_are_quoted_below_the_names_of_their_columns_once():
    first, second = (
        Evidence(1, "d_1", "row", start, start + len(text), text, "Plans", score, {}, "Plan | Price", 100)
        for start, text, score in ((140, "Pro | 10 EUR", 0.9), (113, "Free | 0 EUR", 0.8))
    )
    quotation = quote([first, second])
    assert quotation.text == "Plan | Price\nFree | 0 EUR\nPro | 10 EUR"
    assert [(part.evidence.start, part.evidence.end) for part in quotation.parts] == [
        (100, 112),
        (113, 125),
        (140, 152),
    ]
    assert all(quotation.text[part.start : part.end] == part.evidence.text for part in quotation.parts)
