"""What evidence can do for questions with one part and with several: with a scorer and a judge made of words."""

from collections.abc import Sequence

from index.passage import Passage
from rag.decide import decide
from rag.evidence import Answerability, Evidence
from rag.words import content_stems, share

LINK = "The reset link is valid for 30 minutes."
OLD = "Hardware may be returned within 14 days of delivery."
NEW = "Hardware may be returned within 30 days of delivery."


def passage(n: int, text: str, name: str) -> Passage:
    return Passage(n, f"d_{n}", "c_1", 1, name, "", "", None, 0, len(text), text, 0.5)


PASSAGES = [passage(1, LINK, "reset.md"), passage(2, OLD, "refunds-2025.md"), passage(3, NEW, "refunds-2026.md")]


class WordScorer:
    """Scores a passage by the share of the question's words that it holds."""

    def rank(self, question: str, passages: Sequence[Passage]) -> tuple[Evidence, ...]:
        wanted = content_stems(question)
        ranked = [
            Evidence(n, p.document, "sentence", 0, len(p.text), p.text, "", share(wanted, content_stems(p.text)))
            for n, p in enumerate(passages, 1)
        ]
        return tuple(sorted(ranked, key=lambda item: -item.score))


class BestJudge:
    """The best evidence's score."""

    def judge(
        self, question: str, passages: Sequence[Passage], ranked: Sequence[Evidence], subject: float = 0.0
    ) -> Answerability:
        return Answerability(ranked[0].score + subject if ranked else 0.0)


def decided(*questions: str, least: float = 0.6, passages: Sequence[Passage] = PASSAGES):
    return decide(WordScorer(), BestJudge(), questions, passages, least)


def test_one_question_with_an_answer() -> None:
    decision = decided("Is the reset link valid?")
    assert decision.answers
    assert decision.chosen[0].text == LINK
    assert (decision.notices, decision.needs_several) == ((), False)


def test_what_the_collections_speak_of_speaks_for_an_answer_to_the_question_it_is_of() -> None:
    asked = ("Is the reset link valid?", "hardware colour?")
    silent = decide(WordScorer(), BestJudge(), asked, PASSAGES, 0.6)
    spoken = decide(WordScorer(), BestJudge(), asked, PASSAGES, 0.6, (0.0, 0.3))
    assert [part.answered for part in silent.parts] == [True, False]
    assert [part.answered for part in spoken.parts] == [True, True]


def test_each_part_is_answered_from_its_own_evidence() -> None:
    decision = decided("Is the reset link valid?", "hardware returned delivery?", passages=PASSAGES[:2])
    assert [item.text for item in decision.chosen[:2]] == [LINK, OLD]
    assert (decision.notices, decision.needs_several) == ((), True)
    spans = [(item.document, item.start) for item in decision.ranked]
    assert len(set(spans)) == len(spans)


def test_a_part_without_an_answer_is_named() -> None:
    decision = decided("Is the reset link valid?", "Who is the chief executive?", passages=PASSAGES[:1])
    (notice,) = decision.notices
    assert (notice.kind, notice.options) == ("partial", ("Who is the chief executive?",))
    assert decision.answers
    assert not decision.needs_several


def test_sources_that_disagree_are_both_chosen_newest_first() -> None:
    decision = decided("hardware returned delivery days?")
    (notice,) = decision.notices
    assert (notice.kind, notice.sources) == ("conflict", (3, 2))
    assert "the newer one comes first" in notice.text
    assert [item.text for item in decision.chosen[:2]] == [NEW, OLD]
    assert decision.needs_several


def test_what_cannot_be_answered_is_asked_back_only_if_it_may_mean_several_things() -> None:
    again = decided("hardware delivery?", least=1.1)
    (notice,) = again.notices
    assert (again.answers, notice.kind, notice.options) == (False, "clarify", ("refunds-2025.md", "refunds-2026.md"))
    assert decided("Who is the chief executive?", least=1.1).notices == ()
    assert decided("hardware delivery?", "Who is it?", least=1.1).notices == ()


def test_a_phone_number_is_answered_by_one_only() -> None:
    question = "What is the phone number of the emergency line?"
    near = passage(1, "The phone number of the emergency line is in your contract.", "a.md")
    there = passage(2, "The phone number of the emergency line is +31 40 1234567.", "b.md")
    unwritten = decided(question, least=0.5, passages=[near])
    assert not unwritten.answers
    assert unwritten.best.answerability.score < 0.5  # what is told of the decision agrees with it
    assert decided(question, least=0.5, passages=[near, there]).answers


def test_nothing_was_found() -> None:
    decision = decided("Is the reset link valid?", passages=[])
    assert (decision.answers, decision.chosen, decision.notices) == (False, (), ())
