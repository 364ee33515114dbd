"""Accounts in a real browser: sign in, make a person, a group, a grant and a key, read the log, sign out."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Page, expect, sync_playwright

from rag.access.policy import COMMAND_LINE
from rag.api.server import create_server
from rag.serve import listening
from tests.rag.conftest import Service

pytestmark = [pytest.mark.real, pytest.mark.browser]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PASSWORD = "correct horse battery"


@pytest.fixture
def service(build: Callable[..., Service]) -> Service:
    service = build("x")
    service.app.access.people.create("olga", "owner", COMMAND_LINE, PASSWORD)
    service.collection("handbook")
    return service


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    """The address of a server in this process."""
    config = uvicorn.Config(create_server(service.app), log_config=None, ws="none", lifespan="on")
    server = uvicorn.Server(config)
    with listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


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
