"""Conversations and their answers as they are kept: order, owners, sharing, search, deletion."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from index.errors import CorpusError
from rag.errors import BadRequest, NoSuchAnswer, NoSuchConversation
from rag.events import AnswerUsage, Citation, Source, SourceSpan, Verdict
from rag.history import History
from rag.history_values import Ending, NewAnswer
from tests.databases import migrated


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    database = migrated(f"sqlite:///{tmp_path / 'footnote.db'}")
    yield History(database)
    database.close()


def new(question: str = "Why?", conversation: str | None = None, tenant: str = "") -> NewAnswer:
    return NewAnswer(question, question, ("c_1",), "auto", "local", conversation, tenant)


ENDING = Ending(
    "answered",
    "It is so.",
    [Source(1, "d_1", 2, "Title", 3, "A > B", 10, 20, "0123456789", 0.5, "/documents/d_1?start=10&end=20")],
    [Citation(0, 9, (SourceSpan(1, 12, 15, 3),))],
    [Verdict(0, 9, "supported", 0.9)],
    AnswerUsage(10, 2, 3, 0.0, "USD", {"total": 12.5}),
    0.8,
    {"decision": "because"},
)


def test_an_answer_comes_back_as_it_was_stored(history):
    begun = history.begin(new())
    assert history.answer(begun.answer).status == "running"
    history.finish(begun.answer, ENDING)
    record = history.answer(begun.answer)
    assert (record.status, record.text, record.usage) == ("answered", "It is so.", ENDING.usage)
    assert list(record.sources) == ENDING.sources
    assert list(record.citations) == ENDING.citations
    assert list(record.verdicts) == ENDING.verdicts
    assert record.finished_at is not None
    assert record.finished_at >= record.created_at
    assert history.trace(begun.trace) == history.trace(begun.answer) == {"decision": "because"}


def test_ids_are_long_and_say_what_they_are(history):
    begun = history.begin(new())
    assert begun.answer.startswith("a_")
    assert begun.conversation.startswith("v_")
    assert min(len(begun.answer), len(begun.conversation), len(begun.trace)) >= 24


def test_turns_come_in_order(history):
    begun = history.begin(new("First?"))
    history.begin(new("Second?", begun.conversation))
    assert [turn.question for turn in history.turns(begun.conversation)] == ["First?", "Second?"]
    assert [a.question for a in history.conversation(begun.conversation).answers] == ["First?", "Second?"]


def test_a_long_conversation_comes_in_parts_the_newest_first(history):
    begun = history.begin(new("0?"))
    for number in range(1, 5):
        history.begin(new(f"{number}?", begun.conversation))
    parts, before = [], None
    while not parts or before is not None:
        record = history.conversation(begun.conversation, last=2, before=before)
        parts.append([answer.question for answer in record.answers])
        before = record.earlier
    assert parts == [["3?", "4?"], ["1?", "2?"], ["0?"]]
    assert history.conversation(begun.conversation).earlier is None
    with pytest.raises(CorpusError, match="no cursor"):
        history.conversation(begun.conversation, last=2, before="§")


def test_conversations_are_listed_newest_first_page_by_page(history):
    ids = [history.begin(new(f"{n}?")).conversation for n in range(5)]
    first = history.conversations(limit=3)
    assert [item.id for item in first.items] == ids[:1:-1]
    second = history.conversations(limit=3, cursor=first.next_cursor)
    assert [item.id for item in second.items] == ids[1::-1]
    assert second.next_cursor is None
    assert first.items[0].answers == 1


def test_nonsense_in_a_list_request_is_refused(history):
    with pytest.raises(BadRequest, match="limit is 0"):
        history.conversations(limit=0)
    with pytest.raises(CorpusError):
        history.conversations(cursor="###")


def test_deleting_a_conversation_takes_its_answers_and_traces(history):
    begun = history.begin(new())
    assert history.delete_conversation(begun.conversation)
    assert not history.delete_conversation(begun.conversation)
    history.finish(begun.answer, ENDING)
    with pytest.raises(NoSuchAnswer):
        history.answer(begun.answer)
    with pytest.raises(NoSuchConversation):
        history.conversation(begun.conversation)


def test_invariant_4_another_tenant_sees_nothing(history):
    begun = history.begin(new(tenant="ada"))
    for look in (history.conversation, history.turns):
        with pytest.raises(NoSuchConversation):
            look(begun.conversation, tenant="bob")
    with pytest.raises(NoSuchAnswer):
        history.trace(begun.trace, tenant="bob")
    with pytest.raises(NoSuchConversation):
        history.begin(new(conversation=begun.conversation, tenant="bob"))
    assert history.conversations(tenant="bob").items == ()
    assert not history.delete_conversation(begun.conversation, tenant="bob")
    assert history.answer(begun.answer, tenant="ada").question == "Why?"


def test_answers_of_a_dead_process_are_closed(history):
    begun = history.begin(new())
    assert history.close_unfinished() == 0
    assert history.close_unfinished(timedelta(seconds=-1)) == 1
    assert history.answer(begun.answer).status == "stopped"
