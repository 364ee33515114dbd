"""How units are scored, and what tells whether they answer."""

import pytest

from index.passage import Passage
from rag.calibration import Logistic, packaged
from rag.coverage import OTHER_WORD, covered, found_share, weighted_stems
from rag.evidence import Evidence, FeatureJudge, FeatureScorer, decision_features, fit_to_embedder, unit_features
from rag.questions import answer_kind, asked_sentence, asked_stems, asked_words, could_answer, is_heading, wanted_form
from tests.fakes import HashEmbedder

EMBEDDER = HashEmbedder(64)


def passage(text: str, document: str = "d_1", start: int = 0, heading: str = "") -> Passage:
    return Passage(
        1, document, "c_1", 1, "a.md", "A", heading, None, start, start + len(text), text, 0.5, {"dense": 0.6}
    )


RESET = passage(
    "Sign-in\n\nThe reset link is valid for 30 minutes and works only once. Choose a long password. "
    "Passwords are never stored in plain text.",
    start=40,
)
BILLING = passage("Invoices are sent on the first day of each month. Pay them within 14 days.", "d_2")


def test_the_answering_sentence_ranks_first_with_its_exact_span():
    scorer = FeatureScorer(EMBEDDER, packaged("evidence", reader=False))
    ranked = scorer.rank("How long is the reset link valid?", [BILLING, RESET])
    best = ranked[0]
    assert best.text == "The reset link is valid for 30 minutes and works only once."
    assert (best.n, best.document) == (2, "d_1")
    assert RESET.text[best.start - 40 : best.end - 40] == best.text
    assert [item.score for item in ranked] == sorted((item.score for item in ranked), reverse=True)


def test_headings_are_no_evidence():
    texts = [unit.text for unit, _ in unit_features(EMBEDDER, "sign-in", [RESET])]
    assert "Sign-in" not in texts


def test_no_passages_no_evidence_and_no_confidence():
    assert FeatureScorer(EMBEDDER, packaged("evidence", reader=False)).rank("why?", []) == ()
    assert FeatureJudge(packaged("decision", reader=False)).judge("why?", [], ()).score == 0.0


def test_the_judge_doubts_what_is_found_nowhere():
    scorer = FeatureScorer(EMBEDDER, packaged("evidence", reader=False))
    judge = FeatureJudge(packaged("decision", reader=False))

    def score(question: str) -> float:
        passages = [RESET, BILLING]
        return judge.judge(question, passages, scorer.rank(question, passages)).score

    assert score("How long is the reset link valid?") > score("Where can I watch lions in the zoo?")


def test_another_scorer_needs_one_method_only():
    class First:
        def rank(self, question, passages):
            text = passages[0].text
            return (Evidence(1, passages[0].document, "sentence", 0, len(text), text, "", 1.0),)

    assert First().rank("why?", [BILLING])[0].text == BILLING.text


def test_a_long_text_is_cut_for_scoring_only():
    long = "word " * 500
    assert EMBEDDER.count(fit_to_embedder(EMBEDDER, long)) <= EMBEDDER.max_tokens - 2


def test_coverage_weighs_rare_words_more():
    wanted = weighted_stems("queue ttl", {"queu": 0.2, "ttl": 1.8, "": 2.0})
    assert covered(wanted, {"ttl"}) == 0.9
    assert covered({}, {"ttl"}) == 0.0


def test_a_word_that_means_the_same_counts_somewhat_less():
    assert covered({"bill": 1.0, "due": 1.0}, {"invoic", "due"}) == (OTHER_WORD + 1.0) / 2
    assert found_share({"bill", "due"}, {"invoic"}) == OTHER_WORD / 2
    assert found_share(set(), {"invoic"}) == 1.0


def test_words_that_ask_how_much_are_not_looked_for():
    assert asked_stems("How many days do I have, and how long are many days?") == ["day", "many", "day"]
    assert asked_words("How long is the Reset link valid in 2026? The reset link!") == ["reset", "link", "valid"]


def test_the_evidence_is_found_by_words_of_the_documents_own():
    scorer = FeatureScorer(EMBEDDER, packaged("evidence", reader=False))
    assert scorer.rank("When are bills mailed?", [RESET, BILLING])[0].document == "d_2"


def test_only_a_subject_that_is_spoken_of_much_speaks_for_an_answer():
    ranked = FeatureScorer(EMBEDDER, packaged("evidence", reader=False)).rank("Pay invoices?", [BILLING])
    found = [decision_features("Pay invoices?", [BILLING], ranked, subject)["subject"] for subject in (0.0, 0.5, 0.9)]
    assert found[0] == found[1] == 0.0 < found[2]
    judge = FeatureJudge(packaged("decision", reader=False))
    scores = [judge.judge("Pay invoices?", [BILLING], ranked, subject).score for subject in (0.0, 0.5, 0.9)]
    assert scores[0] == scores[1] < scores[2]


def test_logistic_is_what_it_says():
    assert Logistic(0.0, {"a": 2.0}).probability({"a": 0.0}) == 0.5
    assert Logistic(-1.0, {"a": 2.0}).logit({"a": 1.0, "unused": 5.0}) == 1.0


def test_kinds_of_question():
    kinds = {
        "How many nodes does a cluster need?": "number",
        "when was the policy changed": "time",
        "Who owns the account?": "person",
        "How do I reset my password?": "steps",
        "Why is the light red?": "reason",
        "What is a quorum queue?": "definition",
        "Can I export logs?": "yes_no",
        "Tell me about billing": "other",
    }
    assert {question: answer_kind(question) for question in kinds} == kinds


def test_a_phone_number_and_an_address_are_written_in_one_way():
    phone, address = "+49 40 1234567", "help@merrowdeck.example"
    asks_phone = (
        "What is the phone number of the emergency line?", "What's your telephone number?", "Which number can I call?",
        "What is the fax number for orders",
    )  # fmt: skip
    asks_address = (
        "What is the support e-mail address?", "What's the email of billing?", "Which email address should I use?",
    )  # fmt: skip
    for question in asks_phone:
        assert could_answer(answer_kind(question), question, f"Call {phone} at any time.")
        assert could_answer(answer_kind(question), question, "Plan: all; Emergency line: 040/123456")
        assert could_answer(answer_kind(question), question, "Help desk: 4711")
        assert not could_answer(answer_kind(question), question, "The line is open 24 hours, since 2023, at 99.95 %.")
    for question in asks_address:
        assert could_answer(answer_kind(question), question, f"Write to `{address}`.")
        assert not could_answer(answer_kind(question), question, f"Call {phone} at any time.")
    asks_neither = (
        "Where do I change my phone number?", "What phone number formats are accepted?", "What is email routing?",
        "What is the largest email attachment?", "How do I set the phone number for calls?", "What is e-mail?",
    )  # fmt: skip
    assert [question for question in asks_neither if wanted_form(question)] == []


def test_could_answer():
    assert could_answer("number", "How many nodes?", "It needs three nodes.")
    assert not could_answer("number", "How many nodes?", "It needs nodes.")
    assert could_answer("person", "who owns it", "Ask Ada about it.")
    assert could_answer("other", "x", "y") is None


def test_the_sentence_that_asks_is_found_behind_a_story_and_before_carried_words():
    assert asked_sentence("I am the owner, my phone is gone. How long must I wait?") == "How long must I wait?"
    assert asked_sentence("What is it? I need it now.") == "What is it?"
    assert asked_sentence("My phone is gone. How long? (reset link)") == "How long? (reset link)"
    assert asked_sentence("password reset (again)") == "password reset (again)"


@pytest.mark.parametrize(
    ("question", "heading", "title", "says"),
    [
        ("What is not covered by the warranty?", "3. What is not covered", "Hardware warranty", True),
        ("What is covered by the warranty?", "3. What is not covered", "Hardware warranty", False),
        ("What roles are there?", "People and roles > Roles", "People and roles", True),
        ("How do I reset my password?", "Reset your password > What changes when you reset it", "Passwords", False),
        ("What does the warranty cost?", "Hardware warranty > How long it lasts", "Hardware warranty", False),
        ("What does it cost?", "", "Prices", False),
    ],
)
def test_a_heading_may_say_what_the_question_says(question, heading, title, says):
    assert is_heading(question, heading, title) is says
