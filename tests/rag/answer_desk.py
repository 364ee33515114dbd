"""A desk that answers over real storage with a scripted model, for the tests of answers."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from index.catalog import Catalog, NewChunk, NewDocument
from index.passage import Passage, SearchResult
from rag.answer import Answerer, Ask
from rag.events import (
    AnswerEvent,
    Delta,
    Done,
    Replace,
)
from rag.history import History
from rag.llm.generator import Queued
from rag.settings import Settings
from tests.databases import migrated
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

    def spelled(self, text, *, collections, filters=None) -> str:
        return text.replace("pasword", "password")

    def counts(self, words, *, collections, filters=None) -> tuple[list[int], int]:
        held = [passage.text.lower() for passage in self.passages]
        return [sum(word in text for text in held) for word in words], len(held)

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
    database = migrated(f"sqlite:///{tmp_path / 'footnote.db'}")
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
