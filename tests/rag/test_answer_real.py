"""The read path with the packaged models: from a sample file to footnotes that stand where they say."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.parse.limits import ParseLimits
from ingest.pipeline import Pipeline
from rag.answer import Ask
from rag.app import App, build_app
from rag.events import AnswerEvent, Citation, Done, Sources
from rag.settings import Settings

SAMPLES = Path(__file__).parents[2] / "samples" / "merrowdeck" / "documents"
FILES = (
    "accounts/reset-your-password.md",
    "billing/billing-faq.md",
    "hardware/hub-offline.md",
    "policies/data-retention.md",
    "policies/refund-policy-2025.md",
    "policies/refund-policy-2026.md",
    "policies/warranty.docx",
)

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = build_app(Settings(data=tmp_path_factory.mktemp("data")))
    app.catalog.create_collection("merrowdeck")
    collection = app.catalog.collection("merrowdeck").id
    pipeline = Pipeline(app.catalog, app.embedder, app.blobs, ParseLimits())
    for name in FILES:
        blob = app.blobs.put(io.BytesIO((SAMPLES / name).read_bytes()))
        pipeline.ingest(collection, name, blob, lambda progress: None)
    app.searcher.refresh()
    yield app
    app.close()


def ask(app: App, question: str, mode: str = "auto") -> list[AnswerEvent]:
    collection = app.catalog.collection("merrowdeck").id

    async def collect() -> list[AnswerEvent]:
        return [event async for event in app.answerer.answer(Ask(question, (collection,), mode=mode))]

    return asyncio.run(collect())


@pytest.mark.parametrize("mode", ["auto", "quote"])
@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("How long is the reset link valid?", "30 minutes"),
        ("How do I reset my password?", "Forgot your password?"),
        ("How long is the warranty?", "Repeater R1, smart plug P1 | 2 years\nSpare parts and cables | 6 months"),
        ("What is not covered by the warranty?", "Products that have been opened or painted."),
        ("Can I return hardware after 21 days?", "within 30 days of delivery"),
    ],
)
def test_an_answer_holds_the_fact_and_its_footnotes_stand_in_the_document(app, mode, question, holds):
    events = ask(app, question, mode)
    done = events[-1]
    assert isinstance(done, Done)
    assert done.status in ("answered", "quoted")
    record = app.history.answer(done.answer)
    assert holds in record.text
    assert record.citations
    sources = {source.n: source for event in events if isinstance(event, Sources) for source in event.sources}
    for cited in (event for event in events if isinstance(event, Citation)):
        for span in cited.sources:
            source = sources[span.n]
            text = app.catalog.document_text(source.document)
            assert source.start <= span.start < span.end <= source.end
            assert text[source.start : source.end] == source.text
    for cited in record.citations if done.status == "quoted" else ():
        (span,) = cited.sources
        text = app.catalog.document_text(sources[span.n].document)
        assert text[span.start : span.end] == record.text[cited.start : cited.end]


@pytest.mark.parametrize("question", ["Who won the football match last night?", "How do I bake a sourdough bread?"])
def test_an_off_topic_question_is_abstained(app, question):
    done = ask(app, question)[-1]
    assert isinstance(done, Done)
    assert done.status == "abstained"
