"""The pages in a real browser against the real server: the way from nothing to a footnote, and back."""

import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Watched

pytestmark = [pytest.mark.real, pytest.mark.browser]

DOCUMENTS = Path(__file__).parents[2] / "samples" / "merrowdeck" / "documents"
COLLECTION = "merrowdeck"
EXAMPLE = "How do I reset my password?"
READ_SECONDS = 300.0

# Events as the wire has them: a character outside the BMP before every offset, markup that must stay text.
EVENTS: list[dict[str, Any]] = [
    {"event": "started", "data": {"answer": None, "conversation": "v_1", "model": "m", "question": "q"}},
    {
        "event": "sources",
        "data": [
            {
                "n": 4,
                "document": "d_1",
                "version": 1,
                "title": "<b>T</b>",
                "start": 0,
                "end": 9,
                "text": "",
                "score": 1,
                "url": "/documents/d_1?start=0&end=9",
            }
        ],
    },
    {"event": "delta", "data": {"start": 0, "text": "😀 It is so. "}},
    {"event": "citation", "data": {"start": 0, "end": 11, "sources": [{"n": 4, "start": 2, "end": 5}]}},
    {"event": "verdict", "data": {"start": 0, "end": 11, "verdict": "supported", "score": 0.9}},
    {"event": "delta", "data": {"start": 12, "text": "<img src=x onerror=alert(1)> is not."}},
    {"event": "verdict", "data": {"start": 12, "end": 48, "verdict": "unsupported", "score": 0.1}},
    {"event": "done", "data": {"answer": None, "status": "answered", "confidence": 0.5, "trace": "t_1"}},
]
DRAW = """async (events) => {
  const { Transcript } = await import("/static/transcript.js");
  const { AnswerView } = await import("/static/answer.js");
  const transcript = new Transcript("<i>why</i>");
  const view = new AnswerView(transcript, () => {});
  document.querySelector("#turns").append(view.node);
  for (const event of events) {
    transcript.take(event);
    view.draw();
  }
  return transcript.plain("http://host");
}"""


def answered(page: Page, number: int = 1) -> None:
    page.locator(f".turn:nth-child({number}) .actions").wait_for()


def ask(page: Page, question: str, number: int = 1) -> None:
    page.locator("#question[placeholder]").wait_for()  # the page's modules have come
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    answered(page, number)


@pytest.fixture(scope="module")
def stocked(address: str) -> str:
    """The name of a collection with the sample documents."""
    with httpx.Client(base_url=f"{address}/api/v1", timeout=60) as client:
        client.post("/collections", json={"name": COLLECTION}).raise_for_status()
        batch = client.post("/batches", json={"collection": COLLECTION}).raise_for_status().json()["id"]
        for path in sorted(path for path in DOCUMENTS.rglob("*") if path.is_file()):
            name = path.relative_to(DOCUMENTS).as_posix()
            sent = client.post(
                f"/collections/{COLLECTION}/documents",
                params={"name": name, "batch": batch},
                content=path.read_bytes(),
                headers={"Content-Type": "application/octet-stream"},
            )
            sent.raise_for_status()
        wait_for_batch(client, batch)
    return COLLECTION


def wait_for_batch(client: httpx.Client, batch: str) -> None:
    deadline = time.monotonic() + READ_SECONDS
    while time.monotonic() < deadline:
        found = client.get(f"/batches/{batch}").raise_for_status().json()
        if found["ended"]:
            assert found["counts"] == {"done": found["total"]}
            return
        time.sleep(0.5)
    raise TimeoutError(f"the sample documents were not read within {READ_SECONDS} seconds")


def test_from_nothing_to_a_searchable_document(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.address)
    page.get_by_role("link", name="Make a collection").or_(page.get_by_role("link", name="Collections")).last.click()
    page.get_by_label("Name").fill("first-steps")
    page.get_by_role("button", name="Make collection").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("first-steps")
    expect(page.locator("#no-documents")).to_be_visible()

    page.locator("#files").set_input_files(
        [
            {
                "name": "cellar.txt",
                "mimeType": "text/plain",
                "buffer": b"The key of the cellar hangs behind the clock.",
            },
            {"name": "empty.pdf", "mimeType": "application/pdf", "buffer": b""},
        ]
    )
    expect(page.locator("#documents tbody tr")).to_have_count(1, timeout=240_000)
    failed = page.locator("#jobs li.failed")
    expect(failed).to_contain_text("empty", timeout=240_000)
    expect(failed.get_by_role("button", name="Dismiss")).to_be_visible()

    page.get_by_role("link", name="Ask this collection").click()
    expect(page.locator("#collection")).to_have_value("first-steps")
    ask(page, "Where does the key of the cellar hang?")
    expect(page.locator(".answer")).to_contain_text("behind the clock")


def test_a_document_is_deleted_only_after_a_question(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{watched.address}/collections/first-steps")
    page.get_by_role("button", name="Delete cellar.txt").click()
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#documents tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Delete cellar.txt").click()
    page.locator("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#no-documents")).to_be_visible()


def test_a_footnote_shows_the_exact_passage(watched: Watched, stocked: str) -> None:
    page = watched.page
    page.goto(f"{watched.address}/?collection={stocked}")
    page.get_by_role("button", name=EXAMPLE).click()
    answered(page)
    expect(page.locator(".badge")).to_have_text(re.compile("Answered|Quoted"))

    button = page.locator(".footnote").first
    button.click()
    panel = page.locator("#source")
    expect(panel.locator("mark.cited").first).to_be_in_viewport()
    stored = page.evaluate(
        """async () => {
          const id = new URL(location.href).searchParams.get("conversation");
          const conversation = await (await fetch(`/api/v1/conversations/${id}`)).json();
          const { sources, citations } = conversation.answers[0];
          const span = citations[0].sources[0];
          const source = sources.find(({ n }) => n === span.n);
          const path = `/api/v1/documents/${source.document}/text`;
          const cut = async ({ start, end }) => (await (await fetch(`${path}?start=${start}&end=${end}`)).json()).text;
          return { cited: await cut(span), passage: await cut(source), shown: source.text };
        }"""
    )
    assert stored["shown"] == stored["passage"]
    assert stored["cited"] in "".join(panel.locator("mark.cited").all_text_contents())
    assert "".join(panel.locator("mark").all_text_contents()) == stored["passage"]

    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(button).to_be_focused()

    button.click()
    panel.get_by_role("link", name="Open in the document").click()
    expect(page.locator("mark.passage").first).to_be_in_viewport()
    assert "".join(page.locator("mark").all_text_contents()) == stored["passage"]


def test_rows_of_a_table_are_shown_as_a_table(watched: Watched, stocked: str) -> None:
    page = watched.page
    page.goto(f"{watched.address}/?collection={stocked}")
    ask(page, "How long are readings kept on each plan?")
    cells = page.locator(".answer .table-row").filter(has_text="Studio").locator(".table-cell .words")
    expect(cells).to_have_text(["Readings, Studio", "13 months"])
    lefts = page.locator(".answer .table-row").evaluate_all("rows => rows.map(row => row.lastChild.offsetLeft)")
    assert len(lefts) > 3
    assert len(set(lefts)) == 1  # one column
    expect(page.locator(".answer")).not_to_contain_text("|")
    assert watched.complaints == []


def test_a_follow_up_stays_in_the_conversation_and_outlives_a_reload(watched: Watched, stocked: str) -> None:
    page = watched.page
    page.goto(f"{watched.address}/?collection={stocked}")
    ask(page, "How long is the warranty on a Hub M2?")
    conversation = page.url
    ask(page, "And on the Hub M2 Pro?", number=2)
    assert page.url == conversation
    said = page.locator(".answer").all_text_contents()
    page.reload()
    answered(page, 2)
    assert page.locator(".answer").all_text_contents() == said
    page.get_by_role("button", name="Why this answer?").first.click()
    expect(page.locator(".why").first).to_contain_text("Decision")


def test_what_the_documents_do_not_say_is_said_to_be_so(watched: Watched, stocked: str) -> None:
    page = watched.page
    page.goto(f"{watched.address}/?collection={stocked}")
    ask(page, "What is the capital of Mongolia?")
    expect(page.locator(".badge")).to_have_text("Not in the documents")
    page.locator(".source-link").first.click()
    expect(page.locator("#source mark.passage").first).to_be_visible()


def test_an_answer_can_be_stopped(watched: Watched, stocked: str) -> None:
    page = watched.page
    page.goto(f"{watched.address}/?collection={stocked}")
    page.locator("#question").fill(EXAMPLE)
    page.locator("#question").press("Enter")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".badge")).to_have_text("Stopped")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()


def test_doubtful_sentences_are_marked_and_markup_stays_text(watched: Watched, stocked: str) -> None:
    page = watched.page
    page.goto(f"{watched.address}/?collection={stocked}")
    plain = page.evaluate(DRAW, EVENTS)
    assert plain.startswith(
        "😀 It is so.[1] <img src=x onerror=alert(1)> is not.\n\n[1] <b>T</b>, http://host/documents/d_1"
    )
    sentences = page.locator(".sentence")
    expect(sentences.nth(0)).to_have_class(re.compile("supported"))
    assert sentences.nth(0).locator(".words").all_text_contents() == ["😀 It is ", "so."]
    doubtful = page.locator(".sentence.unsupported")
    expect(doubtful).to_contain_text("<img src=x onerror=alert(1)> is not.")
    expect(doubtful.locator(".flag")).to_have_text("not backed by a source")
    expect(page.locator(".turn img, .turn i, .turn b")).to_have_count(0)
    expect(page.get_by_role("button", name="Footnote 1: <b>T</b>")).to_be_visible()


def test_the_page_is_usable_on_a_phone(watched: Watched, stocked: str) -> None:
    page = watched.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{watched.address}/?collection={stocked}")
    page.get_by_role("button", name=EXAMPLE).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    ask(page, "What does the Studio plan cost per month?")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
