"""How tokens are chosen: every parameter over native code, grammars, log-probabilities, and what is refused."""

import asyncio
import json
import math

import pytest

from rag.errors import BadRequest
from rag.llm.generator import Finished, GenerationRequest, Message, TextDelta
from rag.llm.grammar import check_sampling, json_grammar
from rag.llm.local import open_local_engine
from tests.rag.tiny_model import write_tiny_model

real = pytest.mark.real


def ask(text="hello", **options):
    return GenerationRequest((Message("user", text),), **{"max_tokens": 24} | options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 2.5}, "temperature is 2.5, but 0 to 2 was wanted"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"top_p": -0.1}, "top_p is -0.1"),
        ({"min_p": 2}, "min_p is 2"),
        ({"top_k": -1}, "top_k is -1"),
        ({"repeat_penalty": 0}, "repeat_penalty is 0"),
        ({"alternatives": 21}, "21 alternatives"),
        ({"stop": ("x",) * 17}, "at most 16 stop strings"),
        ({"grammar": "x" * 50_001}, "the grammar has 50001 characters"),
    ],
)
def test_values_out_of_range_are_named(options, words):
    with pytest.raises(BadRequest, match=words):
        check_sampling(ask(**options))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.org/schema.json"},
        {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd#/x"}}},
        {"$ref": "#/nowhere"},
        {"type": "no such type"},
    ],
)
def test_schemas_that_cannot_be_used_are_refused_and_fetch_nothing(schema):
    with pytest.raises(BadRequest, match="JSON schema"):
        json_grammar(schema)


def test_a_schema_nested_without_end_is_refused():
    schema = {"type": "string"}
    for _ in range(200):
        schema = {"type": "array", "items": schema}
    with pytest.raises(BadRequest, match="nested too deeply"):
        json_grammar(schema)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    path = write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf")
    engine = open_local_engine(path, context_tokens=512, threads=1)
    yield engine
    engine.close()


def told(engine, request):
    async def all_events():
        return [event async for event in engine.stream(request)]

    events = asyncio.run(all_events())
    assert isinstance(events[-1], Finished)
    deltas = [event for event in events if isinstance(event, TextDelta)]
    return "".join(delta.text for delta in deltas), [token for delta in deltas for token in delta.tokens], events[-1]


@real
def test_a_schema_is_followed_at_every_temperature(engine):
    schema = {
        "type": "object",
        "properties": {"answer": {"enum": ["yes", "no"]}, "sure": {"type": "boolean"}},
        "required": ["answer", "sure"],
        "additionalProperties": False,
    }
    for temperature in (0.0, 1.5):
        request = ask(grammar=json_grammar(schema), temperature=temperature, seed=3, max_tokens=120)
        text, _, finished = told(engine, request)
        assert set(json.loads(text)) == {"answer", "sure"}
        assert finished.reason == "stop"


@real
def test_a_grammar_without_a_way_on_ends_the_answer_alone(engine):
    text, _, finished = told(engine, ask(grammar='root ::= "ab" [0-9]'))
    assert (text[:2], len(text), finished.reason) == ("ab", 3, "stop")
    assert text[2].isdecimal()


@real
@pytest.mark.parametrize("grammar", ["root ::= (", "leaf ::= [a]", 'root ::= root "a"', "\x00"])
def test_a_grammar_that_cannot_be_read_is_refused_and_the_engine_lives(engine, grammar):
    with pytest.raises(BadRequest, match="the grammar cannot be read"):
        told(engine, ask(grammar=grammar))
    assert told(engine, ask(max_tokens=4))[2].usage.completion_tokens > 0


@real
def test_top_k_of_one_is_greedy_and_so_is_a_min_p_of_one(engine):
    greedy = told(engine, ask())[0]
    assert told(engine, ask(temperature=1.7, top_k=1, seed=5))[0] == greedy
    assert told(engine, ask(temperature=1.7, min_p=1.0, seed=5))[0] == greedy
    assert told(engine, ask(temperature=1.7, seed=5))[0] != greedy


@real
def test_penalties_change_what_repeats(engine):
    letters = {"grammar": "root ::= [a-z]{40}", "max_tokens": 60}
    repeating = told(engine, ask(**letters, repeat_penalty=0.5, frequency_penalty=-2.0))[0]
    penalised = told(engine, ask(**letters, repeat_penalty=1.9, presence_penalty=2.0, frequency_penalty=2.0))[0]
    assert len(repeating) == len(penalised) == 40
    assert len(set(repeating)) < len(set(penalised))


@real
def test_log_probabilities_belong_to_the_tokens_of_the_text(engine):
    text, tokens, finished = told(engine, ask(alternatives=3))
    assert 0 < len(tokens) <= finished.usage.completion_tokens
    assert b"".join(token.piece for token in tokens).decode("utf-8", "replace").startswith(text)
    for token in tokens:
        assert len(token.top) == 3
        assert token.top[0][1] == pytest.approx(token.logprob), "greedy takes the likeliest"
        assert token.logprob < 0.0
        assert [chance for _, chance in token.top] == sorted((chance for _, chance in token.top), reverse=True)
    assert told(engine, ask())[1] == []
