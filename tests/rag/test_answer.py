"""Answers from question to last event, over real storage with a scripted model."""

import asyncio

import pytest

from rag.errors import GenerationFailed, NoSuchAnswer
from rag.events import (
    AnswerEvent,
    AnswerUsage,
    Citation,
    Delta,
    Replace,
    Sources,
    Started,
    Verdict,
    Waiting,
)
from rag.llm.generator import Queued
from tests.rag.answer_desk import (
    LINK,
    QUESTION,
    TEXT,
    kinds,
    last,
    text_of,
)


def test_a_supported_answer_streams_in_order_with_footnotes(desk):
    one = desk([Queued(1, 0.5), "The reset link is valid ", "for 30 minutes [1]."])
    events = one.events()
    assert kinds(events)[:2] == ["Started", "Sources"]
    assert kinds(events)[2] == "Waiting"
    assert kinds(events)[-4:] == ["Citation", "Verdict", "AnswerUsage", "Done"]
    assert text_of(events) == "The reset link is valid for 30 minutes."
    assert last(events).status == "answered"
    cited = next(event for event in events if isinstance(event, Citation))
    span = cited.sources[0]
    assert TEXT[span.start : span.end] == LINK
    assert (cited.start, cited.end) == (0, len(text_of(events)))


def test_a_mistyped_question_is_searched_and_answered_as_it_was_meant(desk):
    one = desk()
    events = one.events(one.ask("How long must a pasword be?", mode="quote"))
    started = next(event for event in events if isinstance(event, Started))
    meant = "How long must a password be?"
    assert (started.question, one.search.asked) == (meant, [meant])
    assert "at least 12 characters" in text_of(events)
    record = one.history.answer(last(events).answer)
    assert (record.question, record.rewritten) == ("How long must a pasword be?", meant)
    assert one.history.trace(last(events).trace)["retrieval"]["subjects"] == [1.0]


def test_what_is_stored_is_what_was_streamed(desk):
    one = desk(["The reset link is valid for 30 minutes."])
    events = one.events()
    record = one.history.answer(last(events).answer)
    assert (record.status, record.text) == ("answered", text_of(events))
    assert list(record.citations) == [event for event in events if isinstance(event, Citation)]
    assert list(record.verdicts) == [event for event in events if isinstance(event, Verdict)]
    trace = one.history.trace(last(events).trace)
    assert trace["prompt"]["messages"][1]["content"].endswith(QUESTION)
    assert trace["evidence"][0]["text"] == LINK
    assert trace["retrieval"]["candidates"][0]["stages"] == {"dense": 0.7}
    assert trace["generated"] == record.text
    assert record.usage is not None
    assert set(record.usage.ms) == {"queue", "retrieve", "evidence", "verify", "first_token", "total"}


def test_an_unsupported_text_is_replaced_by_quoted_evidence(desk):
    one = desk(["Lions sleep in Kenya for 99 years under trees."])
    events = one.events()
    replace = next(event for event in events if isinstance(event, Replace))
    after = events[events.index(replace) + 1 :]
    assert kinds(after)[-2:] == ["AnswerUsage", "Done"]
    assert {type(event) for event in after[:-2]} == {Citation, Verdict}
    assert LINK in replace.text
    assert last(events).status == "quoted"
    for cited in (event for event in after if isinstance(event, Citation)):
        (span,) = cited.sources
        assert TEXT[span.start : span.end] == replace.text[cited.start : cited.end]
    assert one.history.answer(last(events).answer).text == replace.text
    assert "unsupported" in {event.verdict for event in events if isinstance(event, Verdict)}


def test_a_distrusted_model_is_shown_only_what_was_checked(desk):
    script = ["The reset link is valid for 30 minutes and works once. ", "It was invented in Kenya. ", "And more. "]
    one = desk(script, generated="strict")
    events = one.events()
    assert text_of(events) == "The reset link is valid for 30 minutes and works once."
    assert last(events).status == "answered"
    assert "unsupported" not in {event.verdict for event in events if isinstance(event, Verdict)}
    assert one.generator.cancelled == 1


def test_a_distrusted_model_that_errs_at_once_is_never_shown(desk):
    one = desk(["The reset link is valid for 45 minutes. ", "And more. "], generated="auto")
    events = one.events()
    assert kinds(events).count("Delta") == 1
    assert "Replace" not in kinds(events)
    assert text_of(events).startswith(LINK)
    assert last(events).status == "quoted"
    trace = one.history.trace(last(events).trace)
    assert "45" in trace["generated"]
    assert trace["objection"] == "a sentence does not follow the best evidence"


@pytest.mark.parametrize("script", [(), ("   ",), ("How long is the reset link valid?",), ("wait wait wait. " * 8,)])
def test_a_text_that_says_nothing_is_replaced(desk, script):
    assert last(desk(script).events()).status == "quoted"


def test_quote_mode_needs_no_model(desk):
    one = desk(["never said"])
    events = one.events(one.ask(mode="quote"))
    assert one.generator.requests == []
    assert "Replace" not in kinds(events)
    assert LINK in text_of(events)
    assert last(events).status == "quoted"
    assert next(event for event in events if isinstance(event, Started)).model == ""


def test_search_mode_gives_sources_only(desk):
    one = desk(["never said"])
    assert kinds(one.events(one.ask(mode="search"))) == ["Started", "Sources", "AnswerUsage", "Done"]
    assert one.generator.requests == []


def test_weak_evidence_abstains_without_the_model_and_shows_the_nearest(desk):
    one = desk(["never said"], threshold=1.0)
    events = one.events()
    assert last(events).status == "abstained"
    assert one.generator.requests == []
    assert len(next(event for event in events if isinstance(event, Sources)).sources) == 1
    assert "do not hold an answer" in text_of(events)
    assert "Citation" not in kinds(events)


def test_an_empty_collection_says_so(desk):
    one = desk(documents=False)
    events = one.events()
    assert text_of(events) == "The collection “help-0” has no documents yet."
    assert last(events).status == "abstained"


def test_only_evidence_reaches_the_prompt_and_only_prompted_sources_are_cited(desk):
    one = desk(["The reset link is valid for 30 minutes [1][9]."])
    events = one.events()
    trace = one.history.trace(last(events).trace)
    assert trace["invented_markers"] == 1
    prompted = {item["n"] for item in trace["evidence"] if item["chosen"]}
    assert {span.n for event in events if isinstance(event, Citation) for span in event.sources} <= prompted


def test_a_follow_up_is_rewritten_and_shown(desk):
    one = desk(["The reset link is valid for 30 minutes."])
    first = one.events()
    conversation = next(event for event in first if isinstance(event, Started)).conversation
    second = one.events(one.ask("And for owners?", conversation=conversation))
    started = next(event for event in second if isinstance(event, Started))
    assert started.conversation == conversation
    assert started.question == "And for owners? (long reset link valid)"
    assert one.search.asked[-1] == started.question


def test_words_of_another_collections_question_are_not_carried_over(desk):
    one, other = desk(["x"]), desk(["x"])
    conversation = next(event for event in one.events() if isinstance(event, Started)).conversation
    events = other.events(other.ask("And for owners?", conversation=conversation))
    assert next(event for event in events if isinstance(event, Started)).question == "And for owners?"


def test_a_failure_in_the_middle_keeps_the_text_and_propagates(desk):
    one = desk(["The reset link ", "is valid ", GenerationFailed("the model broke off")])
    events: list[AnswerEvent] = []

    async def collect() -> None:
        async for event in one.answerer.answer(one.ask()):
            events.append(event)  # noqa: PERF401  # kept when the stream raises

    with pytest.raises(GenerationFailed):
        asyncio.run(collect())
    assert "Done" not in kinds(events)
    record = one.history.answer(next(event for event in events if isinstance(event, Started)).answer)
    assert (record.status, record.text, record.error) == ("failed", "The reset link is valid", "the model broke off")
    assert one.generator.open_streams == 0


def test_stop_ends_the_generation_and_says_done(desk):
    one = desk(["word "] * 500, pause=0.01)

    async def collect() -> list[AnswerEvent]:
        events: list[AnswerEvent] = []
        async for event in one.answerer.answer(one.ask()):
            events.append(event)
            if isinstance(event, Delta):
                one.answerer.stop(next(e for e in events if isinstance(e, Started)).answer)
        return events

    events = asyncio.run(collect())
    assert kinds(events)[-2:] == ["AnswerUsage", "Done"]
    assert last(events).status == "stopped"
    assert one.generator.open_streams == 0
    assert one.generator.cancelled == 1
    assert one.history.answer(last(events).answer).text == text_of(events)
    with pytest.raises(NoSuchAnswer):
        one.answerer.stop(last(events).answer)


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_invariant_11_a_client_that_leaves_ends_the_generation(desk, how):
    one = desk(["word "] * 500, pause=0.01)
    seen: list[AnswerEvent] = []

    async def leave() -> None:
        stream = one.answerer.answer(one.ask())
        speaking = asyncio.Event()

        async def read() -> None:
            async for event in stream:
                seen.append(event)
                if isinstance(event, Delta):
                    speaking.set()
                    if how == "close":
                        break

        task = asyncio.create_task(read())
        if how == "cancel":
            await speaking.wait()
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.aclose()

    asyncio.run(leave())
    assert one.generator.open_streams == 0
    answer = next(event for event in seen if isinstance(event, Started)).answer
    assert one.history.answer(answer).status == "stopped"
    assert one.history.answer(answer).text.startswith("word")


def test_a_talkative_model_is_stopped(desk):
    one = desk([f"The reset link number {n} is valid for 30 minutes and works only once. " for n in range(50)])
    events = one.events()
    assert one.generator.cancelled == 1
    assert one.history.trace(last(events).trace)["finish"] == "long enough"


def test_waiting_is_passed_on(desk):
    events = desk([Queued(3, 2.5), Queued(0, 0.1), LINK]).events()
    assert [event for event in events if isinstance(event, Waiting)] == [Waiting(3, 2.5), Waiting(0, 0.1)]
    assert next(event for event in events if isinstance(event, AnswerUsage)).completion_tokens == len(LINK.split())
