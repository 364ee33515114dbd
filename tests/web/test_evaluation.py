"""An evaluator's way in a real browser: from a thumbs-down to a case, to a suite, to two runs and what changed."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.rag.conftest import Service
from tests.web.conftest import kept
from tests.web.live import served

pytestmark = [pytest.mark.real, pytest.mark.browser]

TEXT = "The reset link is valid for 30 minutes.\n\nChoose a password of 12 characters."


@pytest.fixture
def service(build: Callable[..., Service]) -> Service:
    service = build("The reset link is valid for 30 minutes.", pause=0.05)
    service.document(service.collection("guides"), TEXT)
    return service


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    with served(service) as address:
        context = browser.new_context(base_url=address)
        context.set_default_timeout(120_000)
        expect.set_options(timeout=120_000)
        complaints: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        context.close()
    assert complaints == []


def a_thumbs_down(page: Page) -> None:
    page.goto("/?collection=guides")
    page.locator("#question").fill("How long is the reset link valid?")
    page.keyboard.press("Enter")
    page.locator(".turn .actions").wait_for()
    page.get_by_role("button", name="Not helpful").click()
    page.locator(".reasons textarea, .reasons input").last.fill("30 minutes")
    page.locator(".reasons").get_by_role("button", name="Send").click()
    expect(page.locator("#announce")).to_have_text("Noted, thank you")


def test_from_a_thumbs_down_to_what_changed(page: Page) -> None:
    a_thumbs_down(page)
    page.goto("/review")
    page.get_by_role("button", name="Make a test case").click()
    expect(page.locator(".case-form textarea").nth(1)).to_have_value("30 minutes")
    kept(page, "review-case")
    page.get_by_role("button", name="Save case").click()
    expect(page.locator("#none")).to_be_visible()

    page.goto("/runs")
    page.get_by_role("link", name="Review of guides").click()
    expect(page.locator("#cases li")).to_have_count(1)
    page.get_by_role("button", name="Add a case").click()
    page.keyboard.type("Who won the match?")
    page.locator("#new-case select").select_option("offtopic")
    page.get_by_role("button", name="Save case").click()
    expect(page.locator("#cases li")).to_have_count(2)
    page.keyboard.press("Escape")  # the empty form for the next one
    expect(page.locator("#new-case form")).to_have_count(0)
    page.get_by_role("button", name="Edit: Who won the match?").click()
    page.locator("#cases textarea").first.fill("Who won the final?")
    page.get_by_role("button", name="Save case").click()
    expect(page.locator("#cases h3").last).to_have_text("Who won the final?")
    kept(page, "suite-edited")

    for _ in range(2):
        suite = page.url
        page.get_by_role("button", name="Run", exact=True).click()
        page.locator("#measures-title").wait_for()
        expect(page.locator("#going")).to_have_count(0)
        expect(page.locator("#cases-title")).to_have_text("Cases (2)")
        kept(page, "run-finished")
        page.goto(suite)
        page.locator("#run-mode").select_option("quote")
    expect(page.locator(".trend circle")).to_have_count(2)
    page.locator("tbody a").first.click()
    page.get_by_text("Compare with another run").click()
    page.locator(".rows a").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What changed")

    page.goto(suite)
    page.get_by_role("button", name="Remove: Who won the final?").click()
    expect(page.locator("#cases li")).to_have_count(1)
    page.get_by_role("button", name="Delete suite").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/runs")
    expect(page.get_by_role("link", name="Review of guides", exact=True)).to_have_count(0)
