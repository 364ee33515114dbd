import pytest

from rag.accept import Checked, follows_closely, long_enough, objection, refuses, repeats_itself
from rag.cite import Match
from rag.events import Verdict
from rag.evidence import Evidence

TEXT = "The Hub M2 Pro runs for 6 hours with mobile data and for 9 hours without."
BEST = Evidence(1, "d_1", "sentence", 0, len(TEXT), TEXT, "Batteries", 0.9)
WEAK = Evidence(2, "d_2", "sentence", 0, 5, "Weak.", "", 0.1)


def checked(text: str, verdict: str = "supported", backing: Evidence = BEST) -> Checked:
    return Checked(text, (Match(backing, 0.9),), Verdict(0, len(text), verdict, 0.9))


@pytest.mark.parametrize(
    ("sentence", "stands"),
    [
        ("The Hub M2 Pro runs 6 hours with mobile data and 9 hours without.", True),
        ("The Hub M2 Pro runs for 6 hours.", False),
        ("The Hub M2 Pro runs for 7 hours.", False),
        ("It runs on batteries with mobile data.", False),
        ("It runs on diesel with mobile data.", False),
        ("It does not run for 6 hours with mobile data, nor for 9 hours.", False),
        ("The Hub M2 Pro runs.", False),
    ],
)
def test_a_distrusted_sentence_must_follow_the_best_evidence(sentence, stands):
    assert follows_closely("How long does the Hub M2 Pro run?", checked(sentence), BEST) is stands


def test_an_unsupported_sentence_never_follows():
    assert not follows_closely("How long?", checked(TEXT, "unsupported"), BEST)


@pytest.mark.parametrize(
    ("sentences", "reason"),
    [
        ([], "said nothing"),
        ([checked("It is so.")], "said nothing"),
        ([checked(TEXT), checked(TEXT)], "repeated itself"),
        ([checked("The notes do not say that.")], "did not answer"),
        ([checked("How long does it run?")], "only repeated the question"),
        ([checked(TEXT, "unsupported")], "not supported"),
        ([checked(TEXT, backing=WEAK)], "does not rest on"),
    ],
)
def test_objections(sentences, reason):
    assert reason in (objection("How long does it run?", sentences, BEST.score) or "")


def test_a_good_text_stands_also_with_a_little_unsupported():
    assert objection("How long?", [checked(TEXT), checked("Buy one now.", "unsupported")], BEST.score) is None


def test_refusing_and_looping():
    assert refuses("I'm sorry, the notes don't mention it.")
    assert not refuses("Do not unplug it while it is installing.")
    assert repeats_itself([checked("go stop go stop go stop go stop go stop go stop")])
    assert not repeats_itself([checked(TEXT)])


def test_enough_is_enough():
    assert long_enough("word " * 60, 1)
    assert long_enough("word", 5)
    assert not long_enough("word " * 59, 4)
