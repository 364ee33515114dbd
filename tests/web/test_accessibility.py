"""Every page before axe-core in light and dark, on a phone, and by keyboard alone."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from eval.runs import Runs
from eval.scoring import Score
from eval.suite_shelf import SuiteShelf
from tests.rag.conftest import Service
from tests.web.conftest import kept
from tests.web.live import served

pytestmark = [pytest.mark.real, pytest.mark.browser]

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
JUDGE = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(" / ")}`);
}"""
SCORE = Score("", "quoted", True, False, True, 1.0, (1,), 1, True, True, 4, 0.1, 0.9, "It is 30 minutes.", "")
TEXT = "The reset link is valid for 30 minutes.\n\nChoose a password of 12 characters."


@pytest.fixture
def service(build: Callable[..., Service]) -> Service:
    service = build("The reset link is valid for 30 minutes.")
    guides = service.collection("guides", description="All guides")
    service.document(guides, TEXT)
    service.pdf_document(guides, "The hub restarts by itself.")
    shelf, runs = SuiteShelf(service.app.database), Runs(service.app.database)
    suite = shelf.create("Links", guides, "Everything about links")
    shelf.add(
        suite.id, [{"id": f"c{n}", "question": f"How long is link {n} valid?", "answers": ["30"]} for n in (1, 2)]
    )
    for right in (False, True):
        run, _ = runs.begin("Links", shelf.cases(suite.id), {"corpus": guides, "right": right})
        for case in shelf.cases(suite.id):
            runs.record(run, case, replace(SCORE, case=case.id, right=right), ["The link is valid for 30 minutes."])
        share = {"questions": 2, "answered_right": float(right), "intervals": {"answered_right": [0.2, 0.9]}}
        runs.finish(run, share)
    return service


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    with served(service) as found:
        yield found


def answered(page: Page, question: str = "How long is the reset link valid?") -> None:
    page.goto("/?collection=guides")
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    page.locator(".turn .actions").wait_for()


def everything_open(page: Page) -> None:
    """An answer with its source, its trace and the form to rate it."""
    answered(page)
    page.get_by_role("button", name="Not helpful").click()
    page.locator(".reasons").wait_for()
    page.get_by_role("button", name="Why this answer?").click()
    page.locator(".why details").first.wait_for()
    page.locator(".source-link").first.click()
    page.locator("#source mark, #source img").first.wait_for()


def a_collection(page: Page) -> None:
    """Its documents, how well they were read, a search and the form to change it."""
    page.goto("/collections/guides")
    page.locator("#documents tbody tr").first.wait_for()
    for disclosure in page.locator(".tools summary").all():
        disclosure.click()
    page.locator("#quality tbody tr").first.wait_for()
    page.get_by_label("Question or words").fill("reset link")
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator("#found .excerpt").first.wait_for()


def a_suite(page: Page, suite: str) -> None:
    """Its cases, one of them being edited, and a new one."""
    page.goto(f"/suites/{suite}")
    page.get_by_role("button", name="Edit: How long is link 2 valid?").click()
    page.get_by_role("button", name="Add a case").click()
    page.locator("#new-case textarea").first.wait_for()


def seen(service: Service) -> dict[str, Callable[[Page], object]]:
    """Each page, and what makes it show everything."""
    document = next(iter(service.app.catalog.documents(service.app.catalog.collection("guides").id, 10, None).items))

    def plain(path: str, *ready: str) -> Callable[[Page], object]:
        def show(page: Page) -> None:
            page.goto(path)
            for selector in ready:
                page.locator(selector).first.wait_for()

        return show

    suite = SuiteShelf(service.app.database).suite("Links").id
    after, before = (run.id for run in Runs(service.app.database).runs())
    return {
        "runs": plain("/runs", ".trend"),
        "run": plain(f"/runs/{after}", ".bars"),
        "compare": plain(f"/runs/{before}/compare/{after}", ".beside"),
        "suite": lambda page: a_suite(page, suite),
        "answer": everything_open,
        "ask": plain("/"),
        "history": plain("/history", ".rows li"),
        "review": plain("/review", ".opinions li"),
        "collections": plain("/collections"),
        "collection": a_collection,
        "document": plain(f"/documents/{document.id}?start=0&end=10"),
        "admin": plain("/admin"),
        "usage": plain("/admin/usage", "#sums tbody tr"),
        "system": plain("/admin/system", "#settings tbody tr", "#models tbody tr"),
        "audit": plain("/admin/audit"),
        "account": plain("/account"),
        "sign in": plain("/sign-in"),
        "nothing there": plain("/collections/none"),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, address: str, service: Service, scheme: Any) -> None:
    context = browser.new_context(base_url=address, color_scheme=scheme, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    page = context.new_page()
    found = {}
    for name, show in seen(service).items():
        show(page)
        kept(page, f"{name.replace(' ', '-')}-{scheme}")
        page.evaluate(AXE)
        complaints = page.evaluate(JUDGE)
        if complaints:
            found[name] = complaints
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert page.evaluate(JUDGE), "the judge sees what is wrong"
    context.close()
    assert found == {}


def test_nothing_is_wider_than_a_phone(browser: Browser, address: str, service: Service) -> None:
    context = browser.new_context(base_url=address, viewport={"width": 360, "height": 740})
    context.set_default_timeout(60_000)
    page = context.new_page()
    wide = {}
    for name, show in seen(service).items():
        show(page)
        kept(page, f"{name.replace(' ', '-')}-phone")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            wide[name] = width
    context.close()
    assert wide == {}


def test_a_document_shows_what_is_searched_and_goes_when_told_so(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address)
    context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    page = context.new_page()
    page.goto("/collections/guides")
    page.locator("#documents tbody a", has_text="Guide").last.click()
    page.locator("#chunks summary").click()
    expect(page.locator("#chunks .excerpt").first).to_contain_text("reset link")
    page.get_by_role("button", name="Delete").first.click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#documents tbody tr")).to_have_count(1)
    context.close()


def test_every_file_of_a_folder_is_sent_under_its_path(browser: Browser, address: str, tmp_path: Path) -> None:
    folder = tmp_path / "manual"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text("# A")
    (folder / "deep" / "b.md").write_text("# B")
    (folder / ".hidden").write_text("no")
    context = browser.new_context(base_url=address)
    context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    page = context.new_page()
    page.goto("/collections/guides")
    page.locator("#folder").set_input_files(folder)
    lines = page.locator("#jobs li")
    expect(lines).to_have_count(2)
    expect(lines.get_by_role("button", name="Pause")).to_have_count(2)
    assert sorted(page.locator(".job-name").all_text_contents()) == ["manual/a.md", "manual/deep/b.md"]
    page.get_by_role("button", name="Pause manual/a.md").click()
    page.get_by_role("button", name="Go on with manual/a.md").click()
    page.get_by_role("button", name="Cancel manual/a.md").click()
    expect(page.get_by_role("button", name="Try manual/a.md again")).to_be_visible()
    context.close()


def test_from_question_to_source_and_back_by_keyboard(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address)
    context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    page = context.new_page()
    page.goto("/?collection=guides")
    page.keyboard.press("Tab")  # from the question to the collection
    expect(page.locator("#collection")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("How long is the reset link valid?")
    page.keyboard.press("Enter")
    page.locator(".turn .actions").wait_for()
    note = page.locator(".footnote").first
    note.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#source")).to_be_visible()
    expect(page.locator("#source-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(note).to_be_focused()
    page.goto("/history")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    context.close()
