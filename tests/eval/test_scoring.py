"""One answer against one case: with literals only."""

from dataclasses import replace

import pytest

from eval.asking import Asked
from eval.datasets import Case, Span
from eval.scoring import cited_spans, found_at, locate, score, summarise
from rag.events import AnswerUsage, Citation, Source, SourceSpan

TEXT = "Reset links are valid for 30 minutes.\nThey work once. Ask again for another."
FIRST = Source(1, "d_1", 1, "Reset", None, "", 0, 37, TEXT[0:37], 0.9, "/")
SECOND = Source(2, "d_2", 1, "Other", None, "", 0, 5, "Other", 0.5, "/")
CASE = Case(
    "a",
    "how long?",
    "answerable",
    answers=("30 minutes",),
    spans=(Span("reset.md", TEXT[0:37]),),
    documents=("reset.md",),
)
SILENT = Case("u", "who?", "unanswerable")


class Shelf:
    """Two documents."""

    def name(self, document: str) -> str:
        return {"d_1": "reset.md", "d_2": "other.md"}.get(document, "")

    def text(self, document: str) -> str:
        return {"d_1": TEXT, "d_2": "Other"}.get(document, "")


def answer(text: str, *places: SourceSpan, outcome: str = "answered") -> Asked:
    citations = [Citation(0, len(text), places)] if places else []
    return Asked("q", outcome, text, "m", (FIRST, SECOND), citations, [], 0.8, 1.5)  # type: ignore[arg-type]


GOOD = answer("It is valid for 30 minutes [1].", SourceSpan(1, 0, 37, None))


def test_a_right_answer_says_gold_and_cites_the_right_document() -> None:
    got = score(CASE, GOOD, Shelf())
    assert (got.right, got.wrong, got.contains_gold) == (True, False, True)
    assert (got.citations_exist, got.citations_contain_gold, got.found_at) == (True, True, (1,))


@pytest.mark.parametrize(
    ("given", "right", "wrong"),
    [
        (answer("It is valid for 30 minutes.", SourceSpan(2, 0, 5, None)), False, True),  # cites another document
        (answer("It is valid for 30 minutes."), False, True),  # cites nothing
        (answer("It is valid for a day.", SourceSpan(1, 0, 37, None)), False, True),
        (answer("Nothing was found.", outcome="abstained"), False, False),
        (Asked("q"), False, False),  # crashed
    ],
)
def test_other_answers_are_not_right(given: Asked, right: bool, wrong: bool) -> None:
    got = score(CASE, given, Shelf())
    assert (got.right, got.wrong) == (right, wrong)


def test_an_unanswerable_question_wants_an_abstention() -> None:
    silent = score(SILENT, answer("Nothing was found.", outcome="abstained"), Shelf())
    loud = score(SILENT, GOOD, Shelf())
    crashed = score(SILENT, Asked("q"), Shelf())
    assert [(s.right, s.wrong, s.f1) for s in (silent, loud, crashed)] == [
        (True, False, 1.0),
        (False, True, 0.0),
        (False, False, 0.0),
    ]


@pytest.mark.parametrize(
    ("place", "exists"),
    [
        (SourceSpan(1, 0, 37, None), True),
        (SourceSpan(1, 0, 38, None), False),  # beyond its source
        (SourceSpan(1, 5, 5, None), False),  # empty
        (SourceSpan(3, 0, 5, None), False),  # no such source
    ],
)
def test_invariant_6_a_citation_counts_only_if_its_source_and_span_exist(place: SourceSpan, exists: bool) -> None:
    assert [span.exists for span in cited_spans(answer("It is so.", place), Shelf())] == [exists]


def test_a_citation_of_a_changed_document_does_not_exist() -> None:
    given = answer("It is so.", SourceSpan(1, 0, 10, None))
    given.sources = (replace(FIRST, text="Something else that is as long"),)
    assert not cited_spans(given, Shelf())[0].exists
    given.sources = (replace(FIRST, document="d_gone"),)
    assert not cited_spans(given, Shelf())[0].exists


def test_gold_spans_are_found_in_overlapping_sources() -> None:
    split = replace(FIRST, n=2, start=30, end=60, text=TEXT[30:60])
    given = answer("x")
    given.sources = (SECOND, split)
    assert found_at(CASE, given, Shelf()) == (2,)
    given.sources = (SECOND,)
    assert found_at(CASE, given, Shelf()) == (0,)


def test_white_space_does_not_hide_a_span() -> None:
    assert locate("a  b\nc", "a b c") == (0, 6)
    assert locate("a b", "c") is None


def test_invariant_12_crashed_and_lost_cases_stay_in_every_denominator() -> None:
    cases = [CASE, replace(CASE, id="crashed"), replace(CASE, id="lost"), SILENT]
    scores = {
        "a": score(CASE, GOOD, Shelf()),
        "crashed": score(cases[1], Asked("q", error="boom"), Shelf()),
        "u": score(SILENT, answer("No.", outcome="abstained"), Shelf()),
    }
    got = summarise(cases, scores)
    assert (got["questions"], got["answerable"], got["unanswerable"], got["crashed"]) == (4, 3, 1, 2)
    assert got["answered_right"] == got["contains_gold"] == got["recall@1"] == pytest.approx(1 / 3)
    assert (got["abstained_unanswerable"], got["wrong"], got["answered"]) == (1.0, 0.0, 0.25)
    assert (got["abstention_precision"], got["abstention_recall"]) == (1.0, 1.0)
    assert (got["citations_exist"], got["citations_contain_gold"]) == (1.0, 1.0)


def test_the_keys_of_the_contract_are_there() -> None:
    wanted = (
        "questions answerable answered_right unanswerable abstained_unanswerable wrong f1 contains_gold "
        "citations_exist citations_contain_gold seconds_per_question_p50"
    )
    assert set(wanted.split()) <= set(summarise([CASE], {}))


def test_facts_and_rules_decide_with_the_answers() -> None:
    case = replace(CASE, answers=(), facts=("30 minutes", "once"), must_cite=("reset.md",), must_not_say=("forever",))
    both = answer("Valid for 30 minutes, and once.", SourceSpan(1, 0, 37, None))
    half = answer("Valid for 30 minutes, not forever.", SourceSpan(2, 0, 5, None))
    good, bad = score(case, both, Shelf()), score(case, half, Shelf())
    assert (good.right, good.facts, good.broken) == (True, 1.0, ())
    assert (bad.right, bad.wrong, bad.facts) == (False, True, 0.5)
    assert (good.unsaid, bad.unsaid) == ((), ("once",))
    assert bad.broken == ("does not cite reset.md", "says 'forever'")
    summary = summarise([case, replace(case, id="b")], {"a": good, "b": replace(bad, case="b")})
    assert (summary["facts_said"], summary["rules_broken"]) == (0.75, 0.5)


def test_citations_are_held_against_the_gold_spans_and_usage_is_kept() -> None:
    usage = AnswerUsage(100, 0, 20, 0.5, "USD", {"first_token": 250.0, "evidence": 80.0, "verify": 20.0})
    given = replace(answer("30 minutes.", SourceSpan(1, 0, 37, None), SourceSpan(2, 0, 5, None)), usage=usage)
    got = score(CASE, given, Shelf())
    assert (got.citations, got.cited_on_gold, got.gold_cited, got.gold_spans) == (2, 1, 1, 1)
    assert (got.tokens, got.cost, got.first_word_seconds) == (120, 0.5, 0.25)
    missed = score(replace(CASE, id="b"), answer("None.", outcome="abstained"), Shelf())
    figures = summarise([CASE, replace(CASE, id="b")], {"a": got, "b": missed})
    assert (figures["citation_precision"], figures["citation_recall"]) == (0.5, 0.5)
    assert figures["grounding_ms_p50"] == 100.0
    assert (figures["tokens_per_question"], figures["cost"], figures["seconds_to_first_word_p50"]) == (60.0, 0.5, 0.25)


def test_nothing_is_said_of_places_where_no_case_names_one() -> None:
    placeless = replace(CASE, documents=(), spans=())
    found = summarise([placeless], {placeless.id: score(placeless, answer("30 minutes."), Shelf())})
    assert not [name for name in found if name.startswith("recall@")]


def test_an_abstention_breaks_no_rule() -> None:
    silent = score(replace(SILENT, must_cite=("reset.md",)), answer("Nothing.", outcome="abstained"), Shelf())
    assert (silent.right, silent.broken) == (True, ())
