"""How quickly the pages come and how smoothly a long conversation scrolls, in a real Chromium over loopback.

`python -m bench.pages [--answers 1000] [--shots FOLDER]`: makes a data folder with a short and a long conversation,
serves it, prints the figures and keeps them in bench/results/pages.json. The references are the short conversation and
the long one with everything drawn, in the same run. Needs playwright and Chromium (`pip install footnote[dev]`);
measures no answer and no model.
"""

import argparse
import json
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.record import RESULTS, record
from index.catalog import Catalog
from index.database import Database
from index.schema import utc_now
from rag.schema import Answer, Conversation

PAGES: Final = ("/", "/history", "/collections", "/review", "/runs", "/admin", "/admin/usage", "/admin/system")
LOADS: Final = 3
SHORT: Final = 20  # answers of the conversation that the long one is compared with
SLOW_MS: Final = 50
STEPS: Final = 240  # turns of the wheel
WORDS: Final = "The reset link is valid for 30 minutes and can be used once. Ask for a new one on the sign-in page. "
# Every module has run before DOMContentLoaded ends: from then on a click does something.
READY: Final = "() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
SCROLL: Final = """async (steps) => {
  const frames = [];
  let last = performance.now();
  for (let step = 0; step < steps; step += 1) {
    window.scrollBy(0, step % 60 < 30 ? -400 : 300);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""


def fill(folder: Path, *answers: int) -> list[str]:
    """Conversations of so many answers each in a new data folder; their ids."""
    database = Database(f"sqlite:///{(folder / 'footnote.db').resolve()}")
    database.migrate()
    collection = Catalog(database).create_collection("guides").id
    made = [_fill(database, collection, count) for count in answers]
    database.close()
    return made


def _fill(database: Database, collection: str, answers: int) -> str:
    made = "v_" + secrets.token_hex(12)
    with database.write() as session:
        conversation = Conversation(id=made, tenant="", title="A long conversation")
        session.add(conversation)
        session.flush()
        session.add_all(_answer(conversation.key, collection, number) for number in range(answers))
    return made


def _answer(conversation: int, collection: str, number: int) -> Answer:
    return Answer(
        id="a_" + secrets.token_hex(12),
        conversation=conversation,
        question=f"How long is reset link {number} valid?",
        rewritten="",
        collections=[collection],
        mode="quote",
        model="",
        status="quoted",
        text=WORDS * (1 + number % 4),
        sources=[],
        citations=[],
        verdicts=[],
        usage={},
        confidence=0.9,
        trace_id="t_" + secrets.token_hex(12),
        trace={},
        error="",
        finished_at=utc_now(),
    )


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of `footnote serve` on that folder."""
    command = [sys.executable, "-c", "from rag.cli import main; main()", "--data", str(folder), "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--workers", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"Footnote is ready: (http://\S+)", line):
                yield found.group(1)
                return
        raise RuntimeError("the server ended before it was ready")
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        process.stdout.close()
        process.wait()


def measure(address: str, short: str, long: str, shots: Path | None) -> tuple[dict[str, float], dict[str, Any]]:
    """Ratios and figures: until each page is interactive, and the frames of a scroll through short and long ones."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(base_url=address, viewport={"width": 1280, "height": 900})
        ready = _interactive(page)
        brief = _scroll(page, short)
        page.goto("about:blank")
        whole = _scroll(page, long)
        if shots is not None:
            shots.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=shots / "long-conversation.png")
        while page.locator("#earlier").is_visible():
            page.locator("#earlier button").dispatch_event("click")
            page.wait_for_timeout(20)
        everything = _frames(page)
        turns = page.locator("#turns > .turn").count()
        browser.close()
    most = max(times["median_ms"] for times in ready.values())
    ratios = {
        "frame_p95_short_over_long": brief["frame_p95_ms"] / whole["frame_p95_ms"],
        "frame_p95_all_drawn_over_long": everything["frame_p95_ms"] / whole["frame_p95_ms"],
        "second_over_slowest_page": 1000 / most,
    }
    return ratios, {
        "interactive": ready,
        "short": brief,
        "long": whole,
        "long_all_drawn": everything | {"turns": turns},
    }


def _interactive(page: Any) -> dict[str, dict[str, float]]:
    """Address -> milliseconds until a click does something."""
    ready = {}
    for path in PAGES:
        times = []
        for _ in range(LOADS):
            page.goto(path, wait_until="load")
            times.append(float(page.evaluate(READY)))
        ready[path] = {"median_ms": round(median(times), 1), "most_ms": round(max(times), 1)}
    return ready


def _scroll(page: Any, conversation: str) -> dict[str, float]:
    """Open a conversation and scroll: when its end was shown, and the frames."""
    page.goto(f"/?conversation={conversation}")
    page.locator("#turns > :last-child .actions").wait_for(timeout=120_000)
    shown = float(page.evaluate("performance.now()"))
    return {"shown_ms": round(shown), **_frames(page), "turns": page.locator("#turns > .turn").count()}


def _frames(page: Any) -> dict[str, float]:
    frames = sorted(page.evaluate(SCROLL, STEPS))
    slow = sum(frame > SLOW_MS for frame in frames) / len(frames)
    told = {f"frame_p{share}_ms": round(frames[len(frames) * share // 100], 1) for share in (50, 95, 99)}
    return told | {f"frames_over_{SLOW_MS}_ms": round(slow, 3)}


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=1000, help="Of the long conversation; each is two messages.")
    parser.add_argument("--shots", type=Path, help="Keep a picture of it here.")
    parser.add_argument("--output", type=Path, default=RESULTS / "pages.json", help="Where the figures are kept.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short, long = fill(folder, SHORT, given.answers)
        with served(folder) as address:
            ratios, figures = measure(address, short, long, given.shots)
    result = record(ratios, {"answers": given.answers, **figures}, ("playwright", "litestar"), given.output)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
