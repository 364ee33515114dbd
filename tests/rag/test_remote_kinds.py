"""OpenAI's other forms, its responses and Azure, through its own library against the server that misbehaves."""

import asyncio

import pytest

from rag.errors import GenerationFailed, ModelUnavailable
from rag.llm.generator import GenerationRequest, Message, Usage
from rag.llm.openai import OpenAIGenerator
from rag.llm.openai_responses import ResponsesGenerator
from tests.rag.test_remote import KEY, ask, port, seen, told, told_until_error

pytestmark = pytest.mark.real
__all__ = ["port"]


def responses(port):
    url = f"http://127.0.0.1:{port}/v1"
    return ResponsesGenerator("m", KEY, base_url=url, context_tokens=1000, silence=60.0)


def azure(port):
    url = f"http://127.0.0.1:{port}"
    return OpenAIGenerator("m", KEY, base_url=url, context_tokens=1000, silence=60.0, azure_version="2026-01-01")


@pytest.mark.parametrize("make", [responses, azure])
def test_a_good_stream(make, port):
    text, finished = asyncio.run(told(make(port).stream(ask("good"))))
    assert (text, finished.reason, finished.usage) == ("Hello wörld", "stop", Usage(11, 4, 3))


def test_a_response_is_not_stored_and_its_rule_is_an_instruction(port):
    asyncio.run(told(responses(port).stream(ask("good"))))
    last = seen(port)["last"]
    assert last["path"] == "/v1/responses"
    assert (last["body"]["store"], last["body"]["instructions"]) == (False, "Be brief.")
    assert last["body"]["max_output_tokens"] == 50


def test_azure_is_asked_for_its_deployment_and_version(port):
    request = GenerationRequest((Message("user", "play good"),), presence_penalty=0.5, frequency_penalty=0.25, seed=7)
    asyncio.run(told(azure(port).stream(request)))
    last = seen(port)["last"]
    assert last["path"] == "/openai/deployments/m/chat/completions?api-version=2026-01-01"
    wanted = {"presence_penalty": 0.5, "frequency_penalty": 0.25, "seed": 7}
    assert {name: last["body"][name] for name in wanted} == wanted


@pytest.mark.parametrize("scene", ["noend", "halfjson", "disconnect-2", "error"])
def test_a_response_that_breaks_off_keeps_its_text(scene, port):
    text, error = asyncio.run(told_until_error(responses(port).stream(ask(scene))))
    assert (text, type(error)) == ("Hel", GenerationFailed)
    assert "sk-secret" not in str(error)


@pytest.mark.parametrize("scene", ["429", "529", "401"])
def test_a_refusal_is_told_in_one_line(scene, port):
    text, error = asyncio.run(told_until_error(responses(port).stream(ask(scene))))
    assert (text, type(error)) == ("", ModelUnavailable)
    assert "sk-secret" not in str(error)
