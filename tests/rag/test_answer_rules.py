"""What may be asked, who may answer, what may leave, and answers to several things, over real storage."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from index.errors import NoSuchCollection
from index.passage import Passage
from rag.answer import Ask
from rag.collection_rules import EVIDENCE_THRESHOLD
from rag.errors import BadRequest, EgressDenied, NoSuchConversation
from rag.events import (
    AnswerUsage,
    Notice,
)
from rag.evidence import Answerability, Evidence
from rag.prices import Prices
from rag.replay import ask_again, differences, outcome_of
from tests.rag.answer_desk import LINK, QUESTION, Desk, kinds, last, text_of


def test_invariant_14_nothing_leaves_unless_the_collection_allows_it(desk):
    one = desk(["x"], egress="deny", local=False, name="far")
    with pytest.raises(EgressDenied, match="egress 'deny'"):
        one.events()
    assert one.generator.requests == []
    assert one.search.asked == []


def test_invariant_14_personal_data_stays_where_the_collection_says_redact(desk):
    one = desk(["The reset link is valid for 30 minutes."], egress="redact", local=False, name="far")
    question = "How long is the reset link valid that jane@mail.example got?"
    assert last(one.events(one.ask(question=question))).status in ("answered", "quoted")
    sent = repr(one.generator.requests[0].messages)
    assert "jane@mail.example" not in sent
    assert "<EMAIL_1>" in sent


def test_a_collection_may_say_who_answers_and_who_may(desk):
    one = desk(["The reset link is valid for 30 minutes."], name="near")
    one.catalog.update_collection(one.collection, metadata={"models": ["other"], "model": "near"})
    assert last(one.events()).status == "answered", "its own choice needs no permission"
    with pytest.raises(BadRequest, match=r"'near' may not answer .* those that may are other"):
        one.events(one.ask(model="near"))


def test_a_remote_answer_has_its_price(desk):
    one = desk(["The reset link is valid for 30 minutes."], egress="allow", local=False, name="far")
    one.answerer._prices = Prices.read(("far=1000000/0",), "EUR")
    usage = next(event for event in one.events() if isinstance(event, AnswerUsage))
    assert usage.cost == usage.prompt_tokens > 0
    assert usage.currency == "EUR"


def test_a_collection_that_allows_it_may_use_a_remote_model(desk):
    one = desk(["The reset link is valid for 30 minutes."], egress="allow", local=False)
    assert last(one.events()).status == "answered"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"question": "  "}, "question is empty"),
        ({"question": "x" * 5000}, "5000 characters"),
        ({"k": 0}, "k is 0"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"mode": "shout"}, "mode is 'shout'"),
    ],
)
def test_a_bad_question_is_refused_before_it_costs_anything(desk, fields, message):
    one = desk(["x"])
    with pytest.raises(BadRequest, match=message):
        one.events(one.ask(**fields))
    assert one.history.conversations().items == ()


def test_no_collection_no_such_collection_no_such_conversation(desk):
    one = desk(["x"])
    with pytest.raises(BadRequest, match="no collection was named"):
        one.events(Ask(QUESTION, ()))
    with pytest.raises(NoSuchCollection):
        one.events(Ask(QUESTION, ("c_nowhere",)))
    with pytest.raises(NoSuchConversation):
        one.events(one.ask(conversation="v_nowhere"))


def test_a_collection_may_ask_for_better_evidence_than_the_settings(desk: Callable[..., Desk]) -> None:
    one = desk([LINK])
    assert one.events()[-1].status != "abstained"
    one.catalog.update_collection(one.collection, metadata={EVIDENCE_THRESHOLD: 1.0})
    assert one.events()[-1].status == "abstained"
    other = one.catalog.create_collection("other")
    both = Ask(QUESTION, (other.id, one.collection))
    assert one.events(both)[-1].status == "abstained"  # the strictest collection decides
    one.catalog.update_collection(one.collection, metadata={EVIDENCE_THRESHOLD: None})
    assert one.events()[-1].status != "abstained"


class LinkJudge:
    """Knows about links only."""

    def judge(
        self, question: str, passages: Sequence[Passage], ranked: Sequence[Evidence], subject: float = 0.0
    ) -> Answerability:
        return Answerability(0.9 if "link" in question else 0.1)


def test_the_part_that_has_no_answer_is_named_before_the_text_and_kept(desk):
    one = desk([LINK], threshold=0.5)
    one.answerer.grounding = replace(one.answerer.grounding, judge=LinkJudge())
    events = one.events(one.ask("How long is the reset link valid, and what does the hub cost?"))
    assert one.search.asked[-2:] == ["How long is the reset link valid?", "what does the hub cost?"]
    notice = next(event for event in events if isinstance(event, Notice))
    assert notice.options == ("what does the hub cost?",)
    assert kinds(events).index("Notice") < kinds(events).index("Delta")
    assert LINK in text_of(events)
    stored = one.history.answer(last(events).answer)
    assert (stored.notices, stored.status) == ((notice,), last(events).status)
    parts = one.history.trace(last(events).trace)["parts"]
    assert [part["score"] for part in parts] == [0.9, 0.1]


def test_nothing_is_said_in_the_words_of_the_part_that_has_no_answer(desk):
    made_up = "The reset link is valid for 30 minutes, and can be changed by an admin."
    one = desk([made_up], threshold=0.5, generated="strict")
    one.answerer.grounding = replace(one.answerer.grounding, judge=LinkJudge())
    events = one.events(one.ask("How long is the reset link valid, and can an admin change the password?"))
    assert "admin" not in text_of(events)
    assert LINK in text_of(events)


def test_an_answer_is_replayed_as_its_trace_says_and_differences_are_named(desk):
    one = desk([LINK], threshold=0.2)
    first = last(one.events(one.ask(k=3)))
    record, trace = one.history.answer(first.answer), one.history.trace(first.answer)
    again = ask_again(record, trace)
    assert (again.question, again.k, again.evidence_threshold, again.mode) == (QUESTION, 3, 0.2, "auto")
    same = last(one.events(again)).answer
    before = outcome_of(record, trace)
    assert differences(before, outcome_of(one.history.answer(same), one.history.trace(same))) == ()
    one.search.passages = ()
    other = last(one.events(again)).answer
    found = differences(before, outcome_of(one.history.answer(other), one.history.trace(other)))
    assert {"status", "text", "sources", "cited spans", "evidence score"} <= {item.what for item in found}
