"""Answers from question to last event, over real storage with a scripted model."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from index.catalog import Catalog, NewChunk, NewDocument
from index.database import Database
from index.errors import NoSuchCollection
from index.passage import Passage, SearchResult
from index.schema import Base
from rag.answer import Answerer, Ask
from rag.collection_rules import EVIDENCE_THRESHOLD
from rag.errors import BadRequest, EgressDenied, GenerationFailed, NoSuchAnswer, NoSuchConversation
from rag.events import (
    AnswerEvent,
    AnswerUsage,
    Citation,
    Delta,
    Done,
    Notice,
    Replace,
    Sources,
    Started,
    Verdict,
    Waiting,
)
from rag.evidence import Answerability, Evidence
from rag.history import History
from rag.llm.generator import Queued
from rag.prices import Prices
from rag.replay import ask_again, differences, outcome_of
from rag.settings import Settings
from tests.fakes import HashEmbedder, ScriptedGenerator

LINK = "The reset link is valid for 30 minutes and works only once."
PASSWORD = "Choose a password of at least 12 characters."
TEXT = f"{LINK} {PASSWORD}\n\nPasswords are never stored in plain text."
QUESTION = "How long is the reset link valid?"


@dataclass
class ListSearch:
    """Gives the passages it was made with."""

    passages: tuple[Passage, ...]
    asked: list[str] = field(default_factory=list)

    def search(self, query, *, collections, k=10, filters=None, background=()) -> SearchResult:
        self.asked.append(query)
        return SearchResult(self.passages[:k], (), 1, {"dense": 0.1})


@dataclass
class OneModel:
    generator: ScriptedGenerator

    def get(self, name: str | None) -> ScriptedGenerator:
        return self.generator


@dataclass
class Desk:
    answerer: Answerer
    history: History
    catalog: Catalog
    search: ListSearch
    generator: ScriptedGenerator
    collection: str

    def ask(self, question: str = QUESTION, **fields) -> Ask:
        return Ask(question, (self.collection,), **fields)

    def events(self, ask: Ask | None = None) -> list[AnswerEvent]:
        async def collect() -> list[AnswerEvent]:
            return [event async for event in self.answerer.answer(ask or self.ask())]

        return asyncio.run(collect())


def add_document(catalog: Catalog, collection: str, embedder: HashEmbedder) -> str:
    chunk = NewChunk(0, 0, len(TEXT), TEXT, "", None, embedder.count(TEXT))
    new = NewDocument(
        collection=collection,
        name="reset.md",
        title="Reset",
        media_type="text/markdown",
        content_hash="0" * 64,
        size=len(TEXT),
        text=TEXT,
        pages=(),
        metadata={},
        report={},
        blob="",
        chunks=[chunk],
        vectors=embedder.embed([TEXT]),
        stamp=embedder.stamp.key,
    )
    return catalog.put_document(new).document


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    database = Database(f"sqlite:///{tmp_path / 'footnote.db'}")
    Base.metadata.create_all(database.engine)
    catalog, embedder, history = Catalog(database), HashEmbedder(128), History(database)
    made: list[Desk] = []

    def make(
        script: Sequence[str | Queued | Exception] = (),
        *,
        egress="deny",
        documents=True,
        threshold=0.0,
        generated="supported",
        **model,
    ) -> Desk:
        collection = catalog.create_collection(f"help-{len(made)}", egress=egress).id
        document = add_document(catalog, collection, embedder) if documents else "d_0"
        passage = Passage(
            1, document, collection, 1, "reset.md", "Reset", "", None, 0, len(TEXT), TEXT, 0.5, {"dense": 0.7}
        )
        search = ListSearch((passage,) if documents else ())
        generator = ScriptedGenerator(script, **model)
        settings = Settings(
            answer_evidence_threshold=threshold, answer_support_threshold=0.5, answer_generated=generated
        )
        answerer = Answerer(search, catalog, embedder, OneModel(generator), history, settings)
        made.append(Desk(answerer, history, catalog, search, generator, collection))
        return made[-1]

    yield make
    for one in made:
        one.answerer.close()
    database.close()


def kinds(events: Sequence[AnswerEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def text_of(events: Sequence[AnswerEvent]) -> str:
    text = ""
    for event in events:
        if isinstance(event, Delta):
            assert event.start == len(text)
            text += event.text
        elif isinstance(event, Replace):
            text = event.text
    return text


def last(events: Sequence[AnswerEvent]) -> Done:
    assert isinstance(events[-1], Done)
    return events[-1]


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


def test_a_talkative_model_is_stopped(desk):
    one = desk([f"The reset link number {n} is valid for 30 minutes and works only once. " for n in range(50)])
    events = one.events()
    assert one.generator.cancelled == 1
    assert one.history.trace(last(events).trace)["finish"] == "long enough"


def test_waiting_is_passed_on(desk):
    events = desk([Queued(3, 2.5), Queued(0, 0.1), LINK]).events()
    assert [event for event in events if isinstance(event, Waiting)] == [Waiting(3, 2.5), Waiting(0, 0.1)]
    assert next(event for event in events if isinstance(event, AnswerUsage)).completion_tokens == len(LINK.split())


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

    def judge(self, question: str, passages: Sequence[Passage], ranked: Sequence[Evidence]) -> Answerability:
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
