"""Sources that disagree, and those that only seem to."""

from dataclasses import replace

import pytest

from index.passage import Passage
from rag.conflict import disagree, find_conflict, newest
from rag.evidence import Evidence

OLD = "Hardware may be returned within 14 days of delivery if it is unused."
NEW = "Hardware may be returned within 30 days of delivery, opened or unopened."
QUESTION = "How long may I return hardware?"


def passage(text: str, name: str = "policy.md", **fields: object) -> Passage:
    return Passage(1, f"d_{name}", "c_1", 1, name, "", "", None, 0, len(text), text, 0.5, **fields)  # type: ignore[arg-type]


def evidence(n: int, text: str, score: float = 0.9, document: str = "") -> Evidence:
    return Evidence(n, document or f"d_{n}", "sentence", 0, len(text), text, "", score)


def test_the_newer_document_comes_first_whichever_scored_better() -> None:
    passages = [passage(OLD, "refunds-2025.md"), passage(NEW, "refunds-2026.md")]
    found = find_conflict(QUESTION, [evidence(1, OLD, 0.9), evidence(2, NEW, 0.5)], passages)
    assert found is not None
    assert (found.first.text, found.second.text, found.dated) == (NEW, OLD, True)


def test_without_dates_the_better_one_comes_first_and_nothing_is_claimed() -> None:
    found = find_conflict(QUESTION, [evidence(1, OLD, 0.9), evidence(2, NEW, 0.5)], [passage(OLD), passage(NEW)])
    assert found is not None
    assert (found.first.text, found.dated) == (OLD, False)


def test_a_date_of_the_metadata_counts_before_the_name() -> None:
    assert newest(passage(OLD, "policy-2025.md", metadata={"effective_date": "2027-01-01"})) == "2027-01-01"
    assert newest(passage(OLD, "policy-2024-2025.md")) == "2025"
    assert newest(passage(OLD, metadata={"date": "soon"})) == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (NEW, NEW),  # the same
        (OLD, "Refunds are paid within 5 working days."),  # other words
        ("The warranty of the Hub is 2 years.", "The warranty of the Sensor is 1 year."),  # other things
        ("Readings are kept for 30 days.", "Readings are kept for a month."),  # no second number
        ("2.1 Returns are free for all hubs.", "3.4 Returns are free for all hubs."),  # numbers of clauses
        ("Do not open it.", "A restocking fee of 10 % is deducted."),  # denies something else
    ],
)
def test_what_is_no_contradiction(one: str, other: str) -> None:
    assert not disagree("How long?", evidence(1, one), evidence(2, other))


def test_a_denial_contradicts() -> None:
    assert disagree(
        "Is it free?", evidence(1, "Return shipping is paid by us."), evidence(2, "Return shipping is not paid by us.")
    )


def test_a_short_denial_contradicts_a_long_claim() -> None:
    fee = evidence(1, "1.2 A restocking fee of 10 % of the price is deducted for opened packages.")
    assert disagree("What is the restocking fee?", fee, evidence(2, "1.2 There is no restocking fee."))


def test_the_best_evidence_may_take_no_part_in_the_conflict() -> None:
    passages = [passage("x"), passage(OLD, "refunds-2025.md"), passage(NEW, "refunds-2026.md")]
    ranked = [evidence(1, "The time for returning has grown."), evidence(2, OLD, 0.6), evidence(3, NEW, 0.5)]
    found = find_conflict(QUESTION, ranked, passages)
    assert found is not None
    assert (found.first.n, found.second.n) == (3, 2)


def test_one_document_does_not_contradict_itself_and_weak_evidence_says_nothing() -> None:
    passages = [passage(OLD, "refunds-2025.md"), passage(NEW, "refunds-2026.md")]
    assert find_conflict(QUESTION, [evidence(1, OLD, document="d"), evidence(2, NEW, document="d")], passages) is None
    assert find_conflict(QUESTION, [evidence(1, OLD), evidence(2, NEW, score=0.1)], passages) is None
    assert find_conflict(QUESTION, [], []) is None
    assert find_conflict(QUESTION, [replace(evidence(1, OLD), kind="steps"), evidence(2, NEW)], passages) is None
