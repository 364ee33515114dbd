"""Choosing the fastest kind of a model within a loss, and swapping models while a server runs."""

import asyncio
import json
import os
import sys
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner

from rag.cli import main
from rag.llm.generator import Finished, GenerationRequest, Message
from rag.llm.measure import Measured, Speed
from rag.llm.optimize import Candidate, choose, optimize
from rag.llm.registry import SHELF_FOLDER, Models
from rag.llm.shelf import Shelf
from rag.optimizing import BackgroundOptimizer
from rag.settings import Settings
from tests.rag.tiny_model import write_tiny_model

TEXT = "Hold the lower button until the lamp turns green, then release it. " * 12


def candidate(kind, prefill, perplexity):
    return Candidate(kind, 1, Measured(Speed(prefill, 100.0, 200.0), perplexity))


def test_the_quickest_within_the_loss_is_chosen():
    shipped, good = candidate("Q4_1", 100, 16.80), candidate("Q8_0", 300, 16.90)
    bad, unmeasured = candidate("Q4_0", 900, 20.9), Candidate("F16", 1, None, "no room")
    assert choose([shipped, good, bad, unmeasured], 0.01) is good
    assert choose([shipped, good, bad], 0.5) is bad
    assert choose([shipped, good], 0.001) is shipped
    assert choose([shipped, candidate("BF16", 101, 16.8)], 0.01) is shipped, "a hair's breadth is not worth a change"


def test_reading_prompts_counts_in_the_time_of_an_answer():
    assert Speed(1000, 100, 200).seconds(300, 48) == pytest.approx(0.3 + 48 * (0.005 + 0.01))


def ask(text="hello", **options):
    return GenerationRequest((Message("user", text),), **{"max_tokens": 8} | options)


async def finished(stream):
    async for event in stream:
        if isinstance(event, Finished):
            return event
    raise AssertionError("it did not end")


@pytest.mark.real
def test_a_model_is_converted_measured_registered_and_speaks(tmp_path):
    base = write_tiny_model(tmp_path / "tiny.gguf")
    shelf = Shelf(tmp_path / SHELF_FOLDER)
    seen = []
    # A loss of any size, so that the outcome depends on the speeds alone.
    outcome = optimize(shelf, "local", base, TEXT, most_loss=1e9, threads=1, rounds=1, say=seen.append)
    assert [c.kind for c in seen] == ["F32", "Q8_0", "BF16", "F16", "Q4_0"]
    assert all(c.measured is not None and c.measured.perplexity > 1 for c in seen)
    entry = shelf.read().entry("local")
    assert entry.optimized_for
    assert entry.current == outcome.version
    assert outcome.version.measured["perplexity"] > 1
    names = {path.name for path in shelf.folder.glob("*.gguf")}
    assert names == ({outcome.version.file} if outcome.chosen != "F32" else set()), "what was not chosen is gone"
    models = Models(replace(Settings(), data=tmp_path, model_path=str(base), model_threads=1))
    assert models.file("local") == shelf.path(outcome.version)
    assert asyncio.run(finished(models.get().stream(ask()))).usage.completion_tokens > 0
    models.close()


@pytest.mark.real
def test_the_command_shows_every_kind_and_the_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("FOOTNOTE_MODEL_PATH", str(write_tiny_model(tmp_path / "tiny.gguf")))
    (tmp_path / "text.txt").write_text(TEXT)
    arguments = ["models", "optimize", "--text", str(tmp_path / "text.txt"), "--rounds", "1", "--json"]
    done = CliRunner().invoke(main, ["--data", str(tmp_path / "data"), *arguments])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [row["kind"] for row in told["candidates"]] == ["F32", "Q8_0", "BF16", "F16", "Q4_0"]
    assert [row["chosen"] for row in told["candidates"]].count(True) == 1
    assert told["version"]["sha256"]


@pytest.mark.real
def test_a_promotion_swaps_the_model_while_it_is_in_use(tmp_path):
    first = write_tiny_model(tmp_path / "first.gguf")
    shelf = Shelf(tmp_path / SHELF_FOLDER)
    shelf.put("tiny", first, "added", promote=True)
    models = Models(replace(Settings(), data=tmp_path, model_threads=1, model_context_tokens=512))
    engine = models.get("tiny")

    async def scene():
        stream = engine.stream(ask(max_tokens=200))
        begun = await anext(stream)
        version = shelf.put("tiny", write_tiny_model(tmp_path / "b.gguf", seed=2), "added", promote=True)
        await asyncio.to_thread(models.tidy)
        assert models.file("tiny") == shelf.path(version)
        assert models.get("tiny") is not engine
        return begun, await finished(stream)

    _, end = asyncio.run(scene())
    assert end.reason in ("stop", "length"), "what ran on the old file came to its end"
    assert asyncio.run(finished(models.get("tiny").stream(ask()))).usage.completion_tokens > 0
    shelf.roll_back("tiny")
    models.tidy()
    assert models._files["tiny"][0] == first
    models.close()


@pytest.mark.real
def test_a_model_nobody_uses_leaves_the_memory_and_comes_back(tmp_path):
    base = write_tiny_model(tmp_path / "tiny.gguf")
    changes = {"data": tmp_path, "model_path": str(base), "model_threads": 1, "model_idle_seconds": 0.01}
    models = Models(replace(Settings(), **changes))
    engine = models.get()
    assert asyncio.run(finished(engine.stream(ask()))).usage.completion_tokens > 0
    limit = time.monotonic() + 60
    while models.describe()[0].ready:
        assert time.monotonic() < limit
        time.sleep(0.02)
        models.tidy()
    assert asyncio.run(finished(models.get().stream(ask()))).usage.completion_tokens > 0
    models.close()


def wait_for(condition):
    limit = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.real
def test_the_server_converts_its_model_once_when_it_has_nothing_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("FOOTNOTE_MODEL_PATH", str(write_tiny_model(tmp_path / "tiny.gguf")))
    settings = replace(
        Settings(), data=tmp_path / "data", model_path=str(tmp_path / "tiny.gguf"), model_optimize="auto"
    )
    models, free = Models(settings), []
    background = BackgroundOptimizer(models, settings, free=lambda: bool(free), look_seconds=0.05)
    background.start()
    time.sleep(0.3)
    assert models.contents().models == {}, "not while the server is busy"
    free.append(True)
    wait_for(lambda: "local" in models.contents().models and models.contents().entry("local").optimized_for)
    background.close()
    again = BackgroundOptimizer(models, settings, free=lambda: True, look_seconds=0.01, command=("false",))
    again.start()
    wait_for(lambda: not again._thread.is_alive())
    assert again._child is None, "once is enough"
    models.close()


@pytest.mark.real
def test_closing_ends_a_conversion_that_runs(tmp_path):
    base = write_tiny_model(tmp_path / "tiny.gguf")
    settings = replace(Settings(), data=tmp_path, model_path=str(base), model_optimize="auto")
    models = Models(settings)
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    background = BackgroundOptimizer(models, settings, free=lambda: True, look_seconds=0.01, command=command)
    background.start()
    wait_for(lambda: background._child is not None)
    background.close()
    assert background._child.returncode is not None
    models.close()


def test_servers_of_tests_do_not_convert_models():
    assert os.environ["FOOTNOTE_MODEL_OPTIMIZE"] == "off"
