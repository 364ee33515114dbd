"""A real server in a process of its own and a real browser, for the tests of the pages."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.rag.conftest import build as build  # the fixture of a service over real storage with a scripted model

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 240.0  # the first start converts the embedding model
SHOTS = Path(os.environ.get("SCREENSHOTS") or Path(__file__).parents[2] / "build" / "screenshots")
READY = re.compile(r"Footnote is ready: (http://\S+)")


@dataclass
class Watched:
    """A page and everything that it must not do."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.complaints.append(m.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.address + "/", "data:", "blob:")):
            self.complaints.append(f"a request left for {request.url}")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `footnote serve` on an empty data folder."""
    command = [sys.executable, "-c", "from rag.cli import main; main()", "--data", str(tmp_path_factory.mktemp("data"))]
    process = subprocess.Popen(
        [*command, "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    try:
        yield _address(lines)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed; `apt-get install chromium` lets the tests of the pages run")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


def kept(page: Page, name: str) -> None:
    """Keep how a page looks now, for people; nothing is compared with it."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.evaluate("window.scrollTo(0, 0)")  # what stays on top stands there once
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    """A fresh page; afterwards it must have made no error, no policy violation and no request to another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(240_000)  # an answer of the local model on a machine that is busy otherwise
    expect.set_options(timeout=60_000)
    found = Watched(context.new_page(), address)
    found.watch()
    yield found
    context.close()
    assert found.complaints == []


def _read(process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            lines.put(line)
    lines.put(None)


def _address(lines: "queue.Queue[str | None]") -> str:
    said = []
    while (line := lines.get(timeout=START_SECONDS)) is not None:
        said.append(line)
        if match := READY.search(line):
            return match.group(1)
    raise RuntimeError("the server ended before it was ready:\n" + "".join(said))
