"""Closed models through their own libraries, against a server process that misbehaves on request."""

import asyncio
import contextlib
import json
import logging
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from rag.errors import AnswerError, ContextTooLong, GenerationFailed, ModelUnavailable
from rag.llm.anthropic import AnthropicGenerator
from rag.llm.breaker import FAILURES
from rag.llm.generator import Finished, GenerationRequest, Message, TextDelta, Usage
from rag.llm.openai import OpenAIGenerator
from rag.llm.remote import Problem, status_problem

pytestmark = pytest.mark.real

KEY = "sk-secret-0123456789"


@pytest.fixture(scope="module")
def port():
    script = Path(__file__).with_name("remote_end.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        yield int(process.stdout.readline())
        process.kill()


@pytest.fixture(params=["openai", "anthropic"])
def vendor(request):
    return request.param


def generator(vendor, port, silence=5.0):
    if vendor == "openai":
        url = f"http://127.0.0.1:{port}/v1"
        return OpenAIGenerator("m", KEY, base_url=url, context_tokens=1000, silence=silence)
    url = f"http://127.0.0.1:{port}"
    return AnthropicGenerator("m", KEY, base_url=url, context_tokens=1000, silence=silence)


def ask(scene):
    return GenerationRequest((Message("system", "Be brief."), Message("user", f"play {scene}")), max_tokens=50)


async def told(stream):
    text, finished = "", None
    async for event in stream:
        if isinstance(event, TextDelta):
            text += event.text
        elif isinstance(event, Finished):
            finished = event
    return text, finished


async def told_until_error(stream):
    text = ""
    try:
        async for event in stream:
            if isinstance(event, TextDelta):
                text += event.text
    except AnswerError as error:
        return text, error
    raise AssertionError("it did not fail")


def seen(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/seen") as response:
        return json.load(response)


def test_a_good_stream(vendor, port):
    text, finished = asyncio.run(told(generator(vendor, port).stream(ask("good"))))
    assert text == "Hello wörld"
    assert finished == Finished("stop", Usage(11, 4, 3))


def test_one_generator_serves_several_event_loops(vendor, port):
    remote = generator(vendor, port)
    assert [asyncio.run(told(remote.stream(ask("good"))))[0] for _ in range(3)] == ["Hello wörld"] * 3
    remote.close()


def test_a_refusal_for_now_is_tried_again_as_soon_as_asked(vendor, port):
    scene = f"flaky-2-{vendor}"
    began = time.monotonic()
    assert asyncio.run(told(generator(vendor, port).stream(ask(scene))))[0] == "Hello wörld"
    assert time.monotonic() - began < 4
    assert seen(port)["asked"][scene] == 3


@pytest.mark.parametrize(
    ("scene", "kind", "words", "calls"),
    [
        ("400", ContextTooLong, "too long for .* .HTTP 400, context_length_exceeded.", 1),
        ("401", ModelUnavailable, "refuses the key .HTTP 401, invalid_api_key.; check .*api_key", 1),
        ("404", ModelUnavailable, "does not know this model or address", 1),
        ("429", ModelUnavailable, "takes no more requests now .*ask again in 30 s", 1),
        ("500", ModelUnavailable, "fails on its side .HTTP 500.", 3),
        ("529", ModelUnavailable, "takes no more requests now", 3),
    ],
)
def test_refusals_are_one_clear_line_without_keys(vendor, port, scene, kind, words, calls, caplog):
    caplog.set_level(logging.DEBUG, logger="rag")
    before = seen(port)["asked"].get(scene, 0)
    text, error = asyncio.run(told_until_error(generator(vendor, port).stream(ask(scene))))
    assert text == ""
    assert type(error) is kind
    with pytest.raises(kind, match=words):
        raise error
    assert "\n" not in str(error)
    assert "secret" not in str(error) + caplog.text
    assert error.__cause__ is None
    assert seen(port)["asked"][scene] - before == calls


def test_a_model_that_keeps_failing_is_left_alone_and_then_tried_again(vendor, port):
    remote, before = generator(vendor, port), seen(port)["asked"].get("500", 0)
    for _ in range(FAILURES):
        _, error = asyncio.run(told_until_error(remote.stream(ask("500"))))
        assert "fails on its side" in str(error)
    calls = seen(port)["asked"]["500"] - before
    _, error = asyncio.run(told_until_error(remote.stream(ask("500"))))
    assert "has failed repeatedly" in str(error)
    assert seen(port)["asked"]["500"] - before == calls
    remote._line.breaker._open_until = 0.0
    assert asyncio.run(told(remote.stream(ask("good"))))[0] == "Hello wörld"
    assert remote._line.breaker.wait() == 0


def test_a_wish_for_rest_is_obeyed_by_the_next_request_too(vendor, port):
    remote, before = generator(vendor, port), seen(port)["asked"].get("429", 0)
    _, error = asyncio.run(told_until_error(remote.stream(ask("429"))))
    assert "ask again in 30 s" in str(error)
    _, error = asyncio.run(told_until_error(remote.stream(ask("good"))))
    assert "asked for a rest" in str(error)
    assert seen(port)["asked"]["429"] - before == 1


def test_nobody_at_the_other_end(vendor):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    _, error = asyncio.run(told_until_error(generator(vendor, port).stream(ask("good"))))
    assert isinstance(error, ModelUnavailable)
    assert f"cannot be reached at 127.0.0.1:{port}; check {vendor}.base_url" in str(error)


def test_silence_ends_and_is_not_paid_twice(vendor, port):
    before = seen(port)["asked"].get("silent", 0)
    began = time.monotonic()
    _, error = asyncio.run(told_until_error(generator(vendor, port, silence=0.6).stream(ask("silent"))))
    assert isinstance(error, ModelUnavailable)
    assert "did not answer within" in str(error)
    assert time.monotonic() - began < 5
    assert seen(port)["asked"]["silent"] - before == 1


@pytest.mark.parametrize(("scene", "kind"), [("keepalive-0", ModelUnavailable), ("keepalive-9", GenerationFailed)])
def test_keep_alives_are_no_content(vendor, port, scene, kind):
    text, error = asyncio.run(told_until_error(generator(vendor, port, silence=0.6).stream(ask(scene))))
    assert type(error) is kind
    assert "no content for" in str(error)
    assert text == ("Hel" if kind is GenerationFailed else "")


@pytest.mark.parametrize("scene", ["halfjson", "disconnect-9", "noend", "error"])
def test_a_stream_that_breaks_keeps_the_text_so_far(vendor, port, scene):
    before = seen(port)["asked"].get(scene, 0)
    text, error = asyncio.run(told_until_error(generator(vendor, port).stream(ask(scene))))
    assert text == "Hel"
    assert type(error) is GenerationFailed
    assert "secret" not in str(error)
    assert "\n" not in str(error)
    assert seen(port)["asked"][scene] - before == 1, "an accepted request is never sent again"


def test_a_stream_that_breaks_before_its_first_word(vendor, port):
    before = seen(port)["asked"].get("disconnect-0", 0)
    text, error = asyncio.run(told_until_error(generator(vendor, port).stream(ask("disconnect-0"))))
    assert text == ""
    assert isinstance(error, AnswerError)
    assert seen(port)["asked"]["disconnect-0"] - before == 1


def test_what_follows_the_end_does_not_count(vendor, port):
    text, finished = asyncio.run(told(generator(vendor, port).stream(ask("twoends"))))
    assert (text, finished.reason) == ("Hel", "stop")
    began = time.monotonic()
    text, finished = asyncio.run(told(generator(vendor, port, silence=60).stream(ask("afterend"))))
    assert (text, finished.reason) == ("Hello", "stop")
    assert time.monotonic() - began < 20


def test_a_line_of_ten_megabytes(vendor, port):
    text, finished = asyncio.run(told(generator(vendor, port, silence=60).stream(ask("hugeline"))))
    assert len(text) == 10_000_000
    assert finished.reason == "stop"


@pytest.mark.parametrize("way", ["aclose", "cancel"])
def test_leaving_closes_the_connection(vendor, port, way):
    before = seen(port)["left"].get("slow", 0)

    async def scene():
        stream = generator(vendor, port).stream(ask("slow"))
        assert await anext(stream) == TextDelta("0 ")
        if way == "aclose":
            await stream.aclose()
        else:
            task = asyncio.create_task(told(stream))
            await asyncio.sleep(0.1)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.5)

    asyncio.run(scene())
    limit = time.monotonic() + 5
    while seen(port)["left"].get("slow", 0) == before:
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_only_short_error_names_are_taken_from_a_body():
    assert (
        status_problem(400, {}, {"error": {"code": "sk-123", "type": "invalid_request_error"}}).code
        == "invalid_request_error"
    )
    assert status_problem(400, {}, {"error": {"code": "x" * 500}}).code == ""
    assert status_problem(400, {"retry-after": "Wed, 21 Oct"}, "no json") == Problem("status", 400)
    assert status_problem(429, {"retry-after": "7"}, None) == Problem("status", 429, "", 7.0)
