"""Remote models that are real servers: a second process of this service, and the server of llama-cpp-python."""

import asyncio
import os
import signal

import pytest

from bench.servers import our_server, peer_server
from rag.errors import GenerationFailed, ModelUnavailable
from rag.llm.generator import Finished, GenerationRequest, Message, TextDelta
from rag.llm.local import open_local_engine
from rag.llm.openai import OpenAIGenerator
from rag.llm.registry import packaged_model

pytestmark = pytest.mark.real

CONTEXT = 1024
QUESTION = "List three primary colours."


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")

    def begin(kind):
        shape = {"threads": 1, "context_tokens": CONTEXT}
        if kind == "peer":
            return peer_server(packaged_model(), **shape)
        return our_server(packaged_model(), models, sequences=2, **shape)

    return begin


@pytest.fixture(scope="module", params=["ours", "peer"])
def server(request, start):
    with start(request.param) as running:
        yield running


def remote(server, model="local"):
    url = f"{server.address}/v1"
    return OpenAIGenerator(model, "sk-test", base_url=url, context_tokens=CONTEXT, silence=300.0)


def ask(question=QUESTION, max_tokens=24):
    return GenerationRequest((Message("system", "Be brief."), Message("user", question)), max_tokens)


async def told(stream):
    text, finished = "", None
    async for event in stream:
        match event:
            case TextDelta():
                text += event.text
            case Finished():
                finished = event
    return text, finished


def heard(server, *requests, model="local"):
    """What is told to each, all asking at once; the connections are closed at the end."""

    async def scene():
        speaker = remote(server, model)
        try:
            return await asyncio.gather(*(told(speaker.stream(request)) for request in requests))
        finally:
            await speaker._clients.get().close()

    return asyncio.run(scene())


def test_an_answer_comes_whole(server):
    [(text, finished)] = heard(server, ask())
    assert text.strip()
    assert finished.reason in ("stop", "length")


def test_several_ask_at_once(server):
    answers = heard(server, *(ask(f"{QUESTION} {n}") for n in range(3)))
    assert all(text.strip() and finished for text, finished in answers)


@pytest.mark.parametrize("server", ["ours"], indirect=True)  # another server renders prompts in its own way
def test_this_service_says_and_counts_the_same_from_afar(server):
    engine = open_local_engine(packaged_model(), context_tokens=CONTEXT, sequences=2, threads=1)
    try:
        here = asyncio.run(told(engine.stream(ask())))
    finally:
        engine.close()
    [(text, finished)] = heard(server, ask())
    assert text == here[0]
    assert finished.reason == here[1].reason
    assert finished.usage.prompt_tokens == here[1].usage.prompt_tokens
    assert finished.usage.completion_tokens == here[1].usage.completion_tokens
    with pytest.raises(ModelUnavailable, match="does not know this model"):
        heard(server, ask(), model="nobody")


def kill(pid):
    """Until a process is gone, its port still takes callers in."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize("kind", ["ours", "peer"])
def test_a_server_that_dies_leaves_the_text_so_far(start, kind):
    said = []

    async def listen(server, model):
        async for event in model.stream(ask("Count from one to a thousand, in words.", 800)):
            if isinstance(event, TextDelta):
                if not said:
                    kill(server.pid)
                said.append(event.text)

    async def scene(server, model):
        try:
            with pytest.raises(GenerationFailed):
                await listen(server, model)
            with pytest.raises(ModelUnavailable, match="cannot be reached"):
                await told(model.stream(ask()))
        finally:
            await model._clients.get().close()

    with start(kind) as server:
        asyncio.run(scene(server, remote(server)))
    assert "".join(said).strip()
