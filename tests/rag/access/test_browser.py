"""Accounts in a real browser: sign in, make a person, a group, a grant and a key, read the log, sign out.

And on the page of a collection: who may use it, who alone may read a document, a folder's difference, the export.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pyotp
import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from rag.access import second_factor
from rag.access.policy import COMMAND_LINE
from tests.rag.conftest import Service
from tests.web.live import served

pytestmark = [pytest.mark.real, pytest.mark.browser]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PASSWORD = "correct horse battery"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the server that collections may follow."""
    made = tmp_path / "guides"
    made.mkdir()
    (made / "cellar.txt").write_text("The cellar is cold.", encoding="utf-8")
    return made


@pytest.fixture
def service(build: Callable[..., Service], folder: Path) -> Service:
    service = build("x", sources_folders=(str(folder),))
    service.app.access.people.create("olga", "owner", COMMAND_LINE, PASSWORD)
    service.collection("handbook")
    return service


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    with served(service) as found:
        yield found


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """A page that must neither complain nor leave the server."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed; `apt-get install chromium` lets the tests of the pages run")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(base_url=address, viewport={"width": 1280, "height": 900})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text) if said.type == "error" and "status of 401" not in said.text else None
            ),
        )
        page.on("request", lambda sent: None if sent.url.startswith(address) else complaints.append(sent.url))
        yield page
        browser.close()
    assert complaints == []


def test_an_owner_signs_in_administers_and_signs_out(page: Page, service: Service, tmp_path: Path) -> None:
    expect.set_options(timeout=30_000)
    page.goto("/collections")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("Name").fill("Olga")
    page.get_by_label("Password").fill("wrong horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("the name or the password is wrong")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Collections")

    page.get_by_role("link", name="Administration").click()
    page.locator("#person-name").fill("Mia")
    page.locator("#person-password").fill(PASSWORD)
    page.get_by_role("button", name="Add person").click()
    expect(page.locator("#people tbody")).to_contain_text("mia")
    page.locator("#group-name").fill("Support")
    page.get_by_role("button", name="Add group").click()
    page.get_by_label("Add someone to support").select_option(label="mia")
    expect(page.get_by_role("button", name="Take mia out of support")).to_be_visible()
    page.locator("#grant-who").select_option(label="support (group)")
    page.get_by_role("button", name="Grant", exact=True).click()
    expect(page.locator("#grants tbody")).to_contain_text("handbook")
    page.locator("#key-name").fill("nightly")
    page.get_by_role("button", name="Make key").click()
    expect(page.locator("#secret")).to_contain_text("fn_")
    assert service.app.access.by_key(page.locator("#secret").inner_text()).name == "olga"
    page.get_by_role("button", name="Suspend: mia").click()
    expect(page.locator("#people tbody")).to_contain_text("suspended")
    page.screenshot(path=tmp_path / "admin.png", full_page=True)
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("#audit tbody")).to_contain_text("people.suspend")
    page.get_by_label("Did").fill("groups.")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#audit tbody")).not_to_contain_text("people.suspend")
    page.get_by_role("button", name="Is it whole?").click()
    expect(page.locator("#audit-whole")).to_contain_text("The log is whole")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto("/admin")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_what_is_sent_before_a_page_has_its_module_is_done_once_it_has(page: Page, service: Service) -> None:
    """A browser quicker than the module would send the form by itself, the password in it."""
    expect.set_options(timeout=30_000)
    held: list[Route] = []
    holding = True
    page.route(
        re.compile(r"/static/(?!early)\w+\.js$"), lambda route: held.append(route) if holding else route.continue_()
    )

    def early(path: str, heading: str) -> None:
        nonlocal holding
        holding = True
        page.goto(path, wait_until="commit")
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)

    def come() -> None:
        nonlocal holding
        holding = False
        while held:
            held.pop().continue_()

    early("/sign-in?next=/account", "Sign in")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    come()
    expect(page).to_have_url(re.compile("/account$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Account")

    early("/admin", "Administration")
    page.locator("#person-name").fill("Mia")
    page.locator("#person-password").fill(PASSWORD)
    page.get_by_role("button", name="Add person").click()
    come()
    expect(page.locator("#people tbody")).to_contain_text("mia")
    assert service.app.access.people.person("mia").role == "member"


def test_an_admin_says_who_may_use_a_collection_and_read_a_document(page: Page, service: Service, folder: Path) -> None:
    expect.set_options(timeout=60_000)
    access = service.app.access
    access.people.create("mia", "member", COMMAND_LINE, PASSWORD)
    access.grants.create_group("support", COMMAND_LINE)
    collection = service.app.catalog.collection("handbook").id
    document = service.document(collection, "The plan is to open a shop.", "plan.md", "Plan")
    page.goto("/sign-in?next=/collections/handbook")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("handbook")
    expect(page.get_by_text("Index of meanings")).to_be_visible()

    part = page.locator("#access")
    part.locator("summary").click()
    expect(part.get_by_text("Nobody is named")).to_be_visible()
    part.get_by_label("Who").select_option(label="a group")
    part.get_by_label("Name of the person or the group").fill("support")
    part.get_by_label("May").select_option(label="read and write")
    part.get_by_role("button", name="Add").click()
    expect(part.locator("li")).to_contain_text("support (group)")
    expect(part.locator("li")).to_contain_text("read and write")
    assert [(one.name, one.level) for one in access.grants.grants(collection)] == [("support", "write")]
    part.get_by_role("button", name="Take back: support (group)").click()
    expect(part.get_by_text("Nobody is named")).to_be_visible()

    page.locator("details", has=page.locator("#sync")).locator("summary").first.click()
    page.locator("#sync-place").fill(str(folder))
    page.get_by_role("button", name="Show the difference").click()
    expect(page.locator("#difference")).to_contain_text("New (1)")
    with page.expect_download() as kept:
        page.get_by_role("link", name="Export").click()
    assert kept.value.suggested_filename == "handbook.jsonl"

    page.goto(f"/documents/{document}")
    part = page.locator("#readers")
    part.locator("summary").click()
    expect(part.get_by_text("Nobody is named")).to_be_visible()
    part.get_by_label("Name of the person or the group").fill("mia")
    part.get_by_role("button", name="Add").click()
    expect(part.locator("li")).to_contain_text("mia")
    assert [reader.name for reader in access.readers.of(document)] == ["mia"]
    part.get_by_role("button", name="Take back: mia").click()
    expect(part.get_by_text("Nobody is named")).to_be_visible()
    assert access.readers.of(document) == ()


def test_one_time_codes_are_turned_on_and_wanted(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    expect.set_options(timeout=60_000)
    now = 1_800_000_000  # it stands still, so that a code outlives any wait
    monkeypatch.setattr(second_factor, "time", SimpleNamespace(time=lambda: float(now)))
    page.goto("/sign-in?next=/account")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("#codes-begin").click()
    expect(page.locator("#codes-picture")).to_be_visible()
    secret = page.locator("#codes-secret").inner_text().replace(" ", "")
    page.locator("#codes-code").fill(pyotp.TOTP(secret).at(now))
    page.locator("#codes-go").click()
    expect(page.locator("#codes-state")).to_have_text("Codes are on.")
    recovery = page.locator("#codes-recovery pre").inner_text().split()
    page.get_by_role("button", name="Sign out").click()

    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    code = page.locator("#code")
    expect(code).to_be_visible()
    code.fill(recovery[0])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Sign in")
