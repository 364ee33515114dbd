"""What OpenAI's other forms, its responses and Azure, are sent. What they answer is tried in test_remote.py."""

import asyncio

import pytest

from rag.llm.generator import GenerationRequest, Message
from tests.rag.test_remote import ask, generator, port, seen, told

pytestmark = pytest.mark.real
__all__ = ["port"]


def test_a_response_is_not_stored_and_its_rule_is_an_instruction(port):
    asyncio.run(told(generator("responses", port).stream(ask("good"))))
    last = seen(port)["last"]
    assert last["path"] == "/v1/responses"
    assert (last["body"]["store"], last["body"]["instructions"]) == (False, "Be brief.")
    assert last["body"]["max_output_tokens"] == 50


def test_azure_is_asked_for_its_deployment_and_version(port):
    request = GenerationRequest((Message("user", "play good"),), presence_penalty=0.5, frequency_penalty=0.25, seed=7)
    asyncio.run(told(generator("azure", port).stream(request)))
    last = seen(port)["last"]
    assert last["path"] == "/openai/deployments/m/chat/completions?api-version=2026-01-01"
    wanted = {"presence_penalty": 0.5, "frequency_penalty": 0.25, "seed": 7}
    assert {name: last["body"][name] for name in wanted} == wanted
