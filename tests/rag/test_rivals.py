"""Evidence about another thing of the same kind does not stand beside the answer, nor before it."""

from rag.evidence import Evidence
from rag.rivals import COUNTS, without_rivals

QUESTION = "How long is the reset link valid?"
RESET = "The reset link is valid for 30 minutes and works only once."
OTHER = "The link is valid for 7 days."


def evidence(text: str, score: float, held: float) -> Evidence:
    return Evidence(1, "d_1", "sentence", 0, len(text), text, "", score, {"overlap_heading": held})


def texts(*ranked: Evidence, question: str = QUESTION) -> list[str]:
    return [item.text for item in without_rivals(question, ranked)]


def test_what_lacks_a_part_of_the_question_gives_way_to_what_holds_all_of_it() -> None:
    ranked = (evidence(OTHER, 0.5, 0.7), evidence(RESET, 0.4, 1.0))
    best, rival = without_rivals(QUESTION, ranked)
    assert (best.text, best.score) == (RESET, 0.4)
    assert rival.text == OTHER
    assert rival.score <= COUNTS * best.score


def test_a_weaker_rival_is_no_longer_quoted_beside_the_answer() -> None:
    best, rival = without_rivals(QUESTION, (evidence(RESET, 0.9, 1.0), evidence(OTHER, 0.3, 0.7)))
    assert (best.score, rival.score) == (0.9, COUNTS * 0.9)


def test_order_stays_where_nothing_shows_that_another_thing_is_meant() -> None:
    other, reset = evidence(OTHER, 0.5, 0.7), evidence(RESET, 0.4, 1.0)
    stays = [OTHER, RESET]
    assert texts(other, reset, question="Is the reset link valid?") == stays  # no number is asked for
    assert texts(other, evidence(RESET, 0.2, 1.0)) == stays  # too weak to show anything
    assert texts(other, evidence(RESET, 0.4, 0.9)) == stays  # lacks a part itself
    assert texts(evidence(OTHER, 0.5, 0.9), reset) == stays  # lacks hardly anything
    assert texts(evidence("It is valid for 30 minutes.", 0.5, 0.7), reset)[1] == RESET  # says the same
    assert texts(evidence("The link is in the email.", 0.5, 0.7), reset)[1] == RESET  # gives no number
    assert without_rivals(QUESTION, ()) == ()


def test_scores_stay_in_order_and_nothing_is_lost() -> None:
    ranked = [evidence(f"The link is valid for {n} days.", 0.9 - n / 20, 0.5) for n in range(5)]
    ranked.insert(2, evidence(RESET, 0.81, 1.0))
    found = without_rivals(QUESTION, ranked)
    assert found[0].text == RESET
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    assert sorted(item.text for item in found) == sorted(item.text for item in ranked)
