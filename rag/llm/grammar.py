"""What may be asked of sampling, and JSON schemas as grammars. Knows no model, no request's text and no HTTP.

A schema comes from a client: it is never fetched from, and one that is too large or too deep is refused.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from llama_cpp.llama_grammar import JSON_GBNF, json_schema_to_gbnf

from rag.errors import BadRequest
from rag.llm.generator import GenerationRequest

LONGEST_GRAMMAR = 50_000  # characters
MOST_STOPS, LONGEST_STOP = 16, 200
MOST_ALTERNATIVES = 20
_RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "top_k": (0, 1_000_000),
    "repeat_penalty": (0.5, 2.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}


def check_sampling(request: GenerationRequest) -> None:
    """Raises BadRequest for the first field that is out of its range."""
    for name, (least, most) in _RANGES.items():
        value = getattr(request, name)
        if not least <= value <= most:
            raise BadRequest(f"{name} is {value}, but {least:g} to {most:g} was wanted")
    if request.alternatives is not None and not 0 <= request.alternatives <= MOST_ALTERNATIVES:
        raise BadRequest(f"{request.alternatives} alternatives were asked for, but 0 to {MOST_ALTERNATIVES} are told")
    if len(request.stop) > MOST_STOPS or any(len(stop) > LONGEST_STOP for stop in request.stop):
        raise BadRequest(f"at most {MOST_STOPS} stop strings of at most {LONGEST_STOP} characters are watched for")
    if "\0" in request.grammar:
        raise BadRequest("the grammar cannot be read; it holds a NUL")
    if len(request.grammar) > LONGEST_GRAMMAR:
        raise BadRequest(f"the grammar has {len(request.grammar)} characters, but {LONGEST_GRAMMAR} are the most")


def json_grammar(schema: Mapping[str, Any] | None = None) -> str:
    """GBNF of a JSON object, or of what a JSON schema describes. Raises BadRequest for a schema that cannot be used."""
    if schema is None:
        return str(JSON_GBNF)
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise BadRequest("the JSON schema refers to another document; put everything into one")
    try:
        grammar = json_schema_to_gbnf(json.dumps(schema))
    # The library shows what is wrong with a schema in many ways; none of them is an error of ours.
    except (AssertionError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise BadRequest("the JSON schema cannot be made a grammar; use simple types, properties and enums") from error
    if len(grammar) > LONGEST_GRAMMAR:
        raise BadRequest("the JSON schema makes too large a grammar; ask for less")
    return str(grammar)


def _references(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > 64:
        raise BadRequest("the JSON schema is nested too deeply; at most 64 levels are read")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "$ref":
                yield str(inner)
            yield from _references(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, depth + 1)
