"""A long conversation in a real browser: the newest part comes first, and the parts before it as one scrolls up."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bench.pages import fill, served
from tests.web.conftest import Watched

pytestmark = [pytest.mark.real, pytest.mark.browser]

ANSWERS = 70


def test_earlier_parts_come_as_one_scrolls_up_and_nothing_jumps(browser: Browser, tmp_path: Path) -> None:
    (conversation,) = fill(tmp_path, ANSWERS)
    with served(tmp_path) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(240_000)
        expect.set_options(timeout=60_000)
        watched = Watched(context.new_page(), address)
        watched.watch()
        page = watched.page
        page.goto(f"{address}/?conversation={conversation}")
        turns = page.locator("#turns > .turn")
        expect(turns).to_have_count(30)
        expect(turns.last).to_contain_text(f"How long is reset link {ANSWERS - 1} valid?")

        page.evaluate("window.scrollTo(0, 0)")
        expect(turns).to_have_count(60)
        # What stood at the top still stands on the screen, with what came before it above.
        old = page.locator(".turn", has_text=f"How long is reset link {ANSWERS - 30} valid?")
        assert -900 < old.evaluate("node => node.getBoundingClientRect().top") < 900

        page.locator("#earlier button").dispatch_event("click")
        expect(turns).to_have_count(ANSWERS)
        expect(page.locator("#earlier")).to_be_hidden()
        numbers = page.locator(".turn h2").all_text_contents()
        assert numbers == [f"How long is reset link {number} valid?" for number in range(ANSWERS)]
        context.close()
    assert watched.complaints == []
