"""By confidence: the local model answers, and another is asked only where that answer does not hold."""

import pytest

from rag.errors import ModelUnavailable
from rag.llm.router import RoutedGenerator, escalation
from tests.fakes import ScriptedGenerator
from tests.rag.answer_desk import LINK, kinds, last, text_of

GOOD = "The reset link is valid for 30 minutes."
BAD = ("The reset link is valid for 45 minutes. ", "And more. ")


@pytest.fixture
def asked(desk):
    def make(first, second, **options):
        one = desk(first, generated="auto", **{"egress": "allow"} | options)
        far = ScriptedGenerator(second, name="openai:x", local=False)
        one.answerer._models.generator = RoutedGenerator("by-confidence", one.generator, far, patience=20.0)
        events = one.events()
        return one, far, events

    return make


def test_an_answer_that_holds_is_not_asked_for_again(asked):
    one, far, events = asked([GOOD], ["never said"])
    assert (text_of(events), last(events).status, far.requests) == (GOOD, "answered", [])
    assert one.history.answer(last(events).answer).model == "scripted"


def test_an_answer_that_does_not_hold_is_given_by_the_other_model(asked):
    one, far, events = asked(BAD, [GOOD])
    assert (text_of(events), last(events).status, len(far.requests)) == (GOOD, "answered", 1)
    record = one.history.answer(last(events).answer)
    assert (record.text, record.model) == (GOOD, "openai:x")


def test_where_the_other_cannot_speak_the_evidence_is_quoted(asked):
    one, _, events = asked(BAD, [ModelUnavailable("it is away")])
    assert last(events).status == "quoted"
    assert text_of(events).startswith(LINK)
    assert kinds(events)[-1] == "Done"
    assert one.history.answer(last(events).answer).model == "scripted"


def test_nothing_leaves_where_the_collection_denies_it(asked):
    _, far, events = asked(BAD, [GOOD], egress="deny")
    assert (last(events).status, far.requests) == ("quoted", [])


def test_other_models_have_nobody_to_escalate_to():
    one = ScriptedGenerator()
    assert escalation(one) == (one, None)
