"""Whatever a model writes stays text: every prefix of sixty hostile outputs, through the page's own renderer."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page

from tests.rag.conftest import Service
from tests.web.conftest import Watched
from tests.web.hostile_outputs import hostile_outputs
from tests.web.live import served

pytestmark = [pytest.mark.real, pytest.mark.browser]

# Draws the page after every character, as the slowest stream would, and once more with verdicts and citations.
DRAW = """async (outputs) => {
  const { Transcript } = await import("/static/transcript.js");
  const { AnswerView } = await import("/static/answer.js");
  const turns = document.querySelector("#turns");
  const wrong = [];
  const source = { n: 1, document: "d_1", version: 1, start: 0, end: 9, text: "", score: 1, url: "/documents/d_1" };
  const names = "SPAN BUTTON SUP DIV LI ARTICLE H2 P METER UL DETAILS SUMMARY FORM SELECT OPTION LABEL TEXTAREA";
  const plain = names.split(" ");
  let prefixes = 0;
  for (const output of outputs) {
    const letters = Array.from(output);
    const transcript = new Transcript(output);
    const view = new AnswerView(transcript, () => {});
    turns.replaceChildren(view.node);
    transcript.take({ event: "sources", data: [{ ...source, title: output, heading: output }] });
    // Lines of a list are blocks, so white space is not compared.
    for (let place = 0; place < letters.length; place += 1) {
      transcript.take({ event: "delta", data: { start: place, text: letters[place] } });
      view.draw();
      prefixes += 1;
      if (view.text.textContent.length === 0 && letters[place].trim()) wrong.push(`nothing is shown of ${output}`);
    }
    const shown = view.text.textContent.replace(/\\s+/g, "");
    if (shown !== output.replace(/\\s+/g, "")) wrong.push(`${shown} is shown of ${output}`);
    const middle = Math.floor(letters.length / 2);
    for (const [start, end, verdict] of [[0, middle, "supported"], [middle, letters.length, "unsupported"]]) {
      transcript.take({ event: "citation", data: { start, end, sources: [{ n: 1, start: 0, end: 4 }] } });
      transcript.take({ event: "verdict", data: { start, end, verdict, score: 1 } });
      view.draw();
    }
    transcript.take({ event: "replace", data: { text: output, reason: output } });
    transcript.take({ event: "done", data: { answer: null, status: "answered", confidence: 1, trace: "t" } });
    view.draw();
    for (const node of turns.querySelectorAll("*")) {
      if (!plain.includes(node.tagName)) wrong.push(`${output} made ${node.tagName}`);
      for (const { name } of node.attributes) {
        if (/^(on|style|href|src)/.test(name)) wrong.push(`${output} made ${name}`);
      }
    }
    if (window.ran) wrong.push(`${output} ran`);
    window.ran = 0;
  }
  await new Promise((resolve) => setTimeout(resolve, 200)); // what would load or run late
  return { wrong: wrong.slice(0, 5), prefixes, ran: window.ran ?? 0 };
}"""


@pytest.fixture
def service(build: Callable[..., Service]) -> Service:
    service = build("".join(hostile_outputs()[::9]))
    service.document(service.collection("guides"), "The reset link is valid for 30 minutes.", title="<b>Guide</b>")
    return service


def opened(browser: Browser, address: str) -> tuple[Page, Watched]:
    page = browser.new_page(base_url=address)
    page.set_default_timeout(60_000)
    page.on("dialog", lambda dialog: dialog.dismiss())
    watched = Watched(page, address)
    watched.watch()
    return page, watched


def test_no_prefix_of_a_hostile_output_makes_a_request_or_runs(browser: Browser, service: Service) -> None:
    outputs = hostile_outputs()
    assert len(set(outputs)) == 60
    with served(service) as address:
        page, watched = opened(browser, address)
        page.goto("/?collection=guides")
        page.locator("#question").wait_for()
        found = page.evaluate(DRAW, outputs)
        assert found["wrong"] == []
        assert (found["ran"], watched.complaints) == (0, [])
        assert found["prefixes"] == sum(map(len, outputs))
        page.close()


def test_a_hostile_answer_comes_through_the_whole_service_as_text(browser: Browser, service: Service) -> None:
    with served(service) as address:
        page, watched = opened(browser, address)
        page.goto("/?collection=guides")
        page.locator("#question").fill("How long is the reset link valid?")
        page.locator("#question").press("Enter")
        page.locator(".turn .actions").wait_for()
        page.get_by_role("button", name="Why this answer?").click()
        page.locator(".why details").first.wait_for()
        page.reload()
        page.locator(".turn .actions").wait_for()
        assert page.locator(".turn :is(img, script, svg, iframe, a[href^=http], b, style)").count() == 0
        assert page.evaluate("window.ran ?? 0") == 0
        assert watched.complaints == []
        page.close()
