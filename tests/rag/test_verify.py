"""Verdicts over hand-made evidence with the weights that serve without the network. Runs no model."""

import pytest

from rag.calibration import packaged
from rag.verify import FeatureVerifier, Support, is_verbatim, nearest_first, premises_of, support_features, verdict_of

VERIFIER = FeatureVerifier(packaged("support", reader=False))
EVIDENCE = ["The reset link is valid for 30 minutes and works only once. Owners may not disable it."]


def test_a_quoted_sentence_is_supported():
    assert VERIFIER.support("the reset link is valid for 30 minutes", EVIDENCE).score == 0.99


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("The reset link is valid for about 30 minutes.", "The reset link is valid for about 45 minutes."),
        ("The reset link works once, for 30 minutes.", "The reset link works once, for Ada Lovelace."),
        ("So owners may not disable the link.", "So owners may disable the link."),
    ],
)
def test_a_changed_fact_is_supported_less(true, false):
    assert VERIFIER.support(true, EVIDENCE).score > VERIFIER.support(false, EVIDENCE).score


def test_what_the_question_says_needs_no_support():
    features = support_features("In Berlin it is 30 minutes.", EVIDENCE, "How long in Berlin?")
    assert features["name_missing"] == 0.0
    assert support_features("In Berlin it is 30 minutes.", EVIDENCE, "")["name_missing"] == 1.0


def test_a_sentence_that_claims_nothing_is_unverified():
    assert VERIFIER.support("Yes, it is.", EVIDENCE).score is None
    assert verdict_of(Support(None), 0.5) == ("unverified", 0.5)


def test_verdicts_follow_the_threshold():
    assert verdict_of(Support(0.5), 0.5) == ("supported", 0.5)
    assert verdict_of(Support(0.49), 0.5) == ("unsupported", 0.49)


def test_no_evidence_no_support():
    assert VERIFIER.support("The link is valid.", []).score == 0.0


def test_verbatim_respects_word_borders():
    assert is_verbatim("valid for 3", ["valid for 3 days"])
    assert not is_verbatim("valid for 3", ["valid for 30 days"])


def test_long_evidence_is_cut_to_the_nearest_premises():
    many = " ".join(f"Sentence number {n} is here." for n in range(60))
    premises = premises_of([many], "number 59")
    assert len(premises) == 24
    assert any("59" in premise for premise in premises)
    assert premises == sorted(premises, key=many.index), "in the order of the text"


def test_rare_words_say_which_premise_is_nearest():
    premises = ["The link is in the mail.", "Cobalt lamps are blue.", "The link is in the log.", "A link stays."]
    assert nearest_first("The cobalt link lasts.", premises)[0] == 1
    assert nearest_first("The link in the log.", premises)[0] == 2
