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
from email.utils import formatdate
from pathlib import Path

import pytest

from rag.errors import AnswerError, ContextTooLong, GenerationFailed, ModelUnavailable
from rag.llm.anthropic import AnthropicGenerator
from rag.llm.breaker import FAILURES
from rag.llm.generator import Finished, GenerationRequest, Message, TextDelta, Usage
from rag.llm.openai import OpenAIGenerator
from rag.llm.openai_responses import ResponsesGenerator
from rag.llm.remote import Problem, status_problem

pytestmark = pytest.mark.real

KEY = "sk-secret-0123456789"


@pytest.fixture(scope="module")
def port():
    script = Path(__file__).with_name("remote_end.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        yield int(process.stdout.readline())
        process.kill()


# Every way in which a remote model can be spoken to.
@pytest.fixture(params=["openai", "responses", "azure", "anthropic"])
def kind(request):
    return request.param


def generator(kind, port, silence=120.0):
    root, shape = f"http://127.0.0.1:{port}", {"context_tokens": 1000, "silence": silence}
    match kind:
        case "openai":
            return OpenAIGenerator("m", KEY, base_url=f"{root}/v1", **shape)
        case "responses":
            return ResponsesGenerator("m", KEY, base_url=f"{root}/v1", **shape)
        case "azure":
            return OpenAIGenerator("m", KEY, base_url=root, azure_version="2026-01-01", **shape)
    return AnthropicGenerator("m", KEY, base_url=root, **shape)


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


def test_a_good_stream(kind, port):
    text, finished = asyncio.run(told(generator(kind, port).stream(ask("good"))))
    assert text == "Hello wörld"
    assert finished == Finished("stop", Usage(11, 4, 3))


def test_one_generator_serves_several_event_loops(kind, port):
    remote = generator(kind, port)
    assert [asyncio.run(told(remote.stream(ask("good"))))[0] for _ in range(3)] == ["Hello wörld"] * 3
    remote.close()


def test_a_refusal_for_now_is_tried_again(kind, port):
    scene = f"flaky-2-{kind}"
    assert asyncio.run(told(generator(kind, port).stream(ask(scene))))[0] == "Hello wörld"
    assert seen(port)["asked"][scene] == 3


@pytest.mark.parametrize(
    ("scene", "error_kind", "words", "calls"),
    [
        ("400", ContextTooLong, "too long for .* .HTTP 400, context_length_exceeded.", 1),
        ("401", ModelUnavailable, "refuses the key .HTTP 401, invalid_api_key.; check .*api_key", 1),
        ("404", ModelUnavailable, "does not know this model or address", 1),
        ("429", ModelUnavailable, "takes no more requests now .*ask again in 300 s", 1),
        ("500", ModelUnavailable, "fails on its side .HTTP 500.", 3),
        ("529", ModelUnavailable, "takes no more requests now", 3),
    ],
)
def test_refusals_are_one_clear_line_without_keys(kind, port, scene, error_kind, words, calls, caplog):
    caplog.set_level(logging.DEBUG, logger="rag")
    before = seen(port)["asked"].get(scene, 0)
    text, error = asyncio.run(told_until_error(generator(kind, port).stream(ask(scene))))
    assert text == ""
    assert type(error) is error_kind
    with pytest.raises(error_kind, match=words):
        raise error
    assert "\n" not in str(error)
    assert "secret" not in str(error) + caplog.text
    assert error.__cause__ is None
    assert seen(port)["asked"][scene] - before == calls


def test_a_model_that_keeps_failing_is_left_alone_and_then_tried_again(kind, port):
    remote, before = generator(kind, port), seen(port)["asked"].get("500", 0)
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


def test_a_wish_for_rest_is_obeyed_by_the_next_request_too(kind, port):
    remote, before = generator(kind, port), seen(port)["asked"].get("429", 0)
    _, error = asyncio.run(told_until_error(remote.stream(ask("429"))))
    assert "ask again in 300 s" in str(error)
    _, error = asyncio.run(told_until_error(remote.stream(ask("good"))))
    assert "asked for a rest" in str(error)
    assert seen(port)["asked"]["429"] - before == 1


def test_nobody_at_the_other_end(kind):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    _, error = asyncio.run(told_until_error(generator(kind, port).stream(ask("good"))))
    section = "anthropic" if kind == "anthropic" else "openai"
    assert isinstance(error, ModelUnavailable)
    assert f"cannot be reached at 127.0.0.1:{port}; check {section}.base_url" in str(error)


def with_more_and_more_patience(kind, port, scene, reached):
    """(text, error) of the first try in which the scene was reached: a busy machine may need longer than we wait."""
    for silence in (1.0, 10.0, 60.0):
        before = seen(port)["asked"].get(scene, 0)
        text, error = asyncio.run(told_until_error(generator(kind, port, silence=silence).stream(ask(scene))))
        calls = seen(port)["asked"].get(scene, 0) - before
        assert calls <= 1, "a request that may have been accepted is never sent again"
        if calls == 1 and reached(text, error):
            return text, error
    raise AssertionError(f"the scene was never reached: {text!r}, {error}")


def test_silence_ends_and_is_not_paid_twice(kind, port):
    def reached(_: str, error: Exception) -> bool:
        return "did not answer within" in str(error)

    _, error = with_more_and_more_patience(kind, port, "silent", reached)
    assert type(error) is ModelUnavailable


@pytest.mark.parametrize(
    ("scene", "error_kind"), [("keepalive-0", ModelUnavailable), ("keepalive-9", GenerationFailed)]
)
def test_keep_alives_are_no_content(kind, port, scene, error_kind):
    wanted = "Hel" if error_kind is GenerationFailed else ""

    def reached(text: str, error: Exception) -> bool:
        return text == wanted and "no content for" in str(error)

    _, error = with_more_and_more_patience(kind, port, scene, reached)
    assert type(error) is error_kind


@pytest.mark.parametrize("scene", ["halfjson", "disconnect-9", "noend", "error"])
def test_a_stream_that_breaks_keeps_the_text_so_far(kind, port, scene):
    before = seen(port)["asked"].get(scene, 0)
    text, error = asyncio.run(told_until_error(generator(kind, port).stream(ask(scene))))
    assert text == "Hel"
    assert type(error) is GenerationFailed
    assert "secret" not in str(error)
    assert "\n" not in str(error)
    assert seen(port)["asked"][scene] - before == 1, "an accepted request is never sent again"


def test_a_stream_that_breaks_before_its_first_word(kind, port):
    before = seen(port)["asked"].get("disconnect-0", 0)
    text, error = asyncio.run(told_until_error(generator(kind, port).stream(ask("disconnect-0"))))
    assert text == ""
    assert isinstance(error, AnswerError)
    assert seen(port)["asked"]["disconnect-0"] - before == 1


@pytest.mark.parametrize("scene", ["hangup-0", "hangup-30"])
def test_a_connection_that_is_closed_before_an_answer_is_told_as_that(kind, port, scene):
    before = seen(port)["asked"].get(scene, 0)
    text, error = asyncio.run(told_until_error(generator(kind, port).stream(ask(scene))))
    assert text == ""
    assert type(error) is ModelUnavailable
    assert "closed the connection before it answered" in str(error)
    assert seen(port)["asked"][scene] - before == 1, "it may have been accepted"


def test_what_follows_the_end_does_not_count(kind, port):
    text, finished = asyncio.run(told(generator(kind, port).stream(ask("twoends"))))
    assert (text, finished.reason) == ("Hel", "stop")
    began = time.monotonic()
    text, finished = asyncio.run(told(generator(kind, port, silence=600).stream(ask("afterend"))))
    assert (text, finished.reason) == ("Hello", "stop")
    assert time.monotonic() - began < 300


def test_a_line_of_ten_megabytes(kind, port):
    text, finished = asyncio.run(told(generator(kind, port, silence=600).stream(ask("hugeline"))))
    assert len(text) == 10_000_000
    assert finished.reason == "stop"


@pytest.mark.parametrize("way", ["aclose", "cancel"])
def test_leaving_closes_the_connection(kind, port, way):
    before = seen(port)["left"].get("slow", 0)

    async def scene():
        stream = generator(kind, port).stream(ask("slow"))
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
    limit = time.monotonic() + 60
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


def test_a_wish_for_rest_may_be_seconds_milliseconds_or_a_date():
    later, past = (formatdate(time.time() + seconds, usegmt=True) for seconds in (600, -600))
    assert 400 < (status_problem(503, {"retry-after": later}, None).retry_after or 0) <= 600
    wishes = [
        ({"retry-after": past}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "86400"}, 3600.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({}, None),
    ]
    for headers, seconds in wishes:
        assert status_problem(429, headers, None).retry_after == seconds, headers
