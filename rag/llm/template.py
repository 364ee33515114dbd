"""Renders a model's chat template in a sandbox. Knows no tokens.

The template comes with a model file, so it is foreign code: it runs in jinja2's immutable sandbox. It never sees
what people and documents wrote: contents are put in as unguessable marks, and the rendered text is cut at the marks.
So no content can change what the template does, and afterwards it is certain who wrote which character.
"""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rag.errors import GenerationFailed, ModelUnavailable
from rag.llm.generator import Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAIN = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a rendered prompt. `message`: index of the message it comes from, None for the template's own."""

    text: str
    message: int | None


class ChatTemplate:
    """One compiled template. Raises ModelUnavailable if it is no template."""

    def __init__(self, source: str, *, first: str = "", last: str = "") -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = _to_json
        environment.globals.update(raise_exception=_refuse, strftime_now=_now)
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise ModelUnavailable(
                f"the model's chat template cannot be read ({error}); choose another model file"
            ) from error
        self._names = {"bos_token": first, "eos_token": last}

    def render(self, messages: Sequence[Message]) -> list[Part]:
        """The prompt up to where the assistant speaks, cut at the borders of the contents.

        Contents stand exactly as given: a template's own trimming of them does not happen.
        Raises GenerationFailed if the template refuses these messages or loses one.
        """
        mark = f"\ue000{secrets.token_hex(12)}:"
        views = [{"role": m.role, "content": f"{mark}{n}\ue001"} for n, m in enumerate(messages)]
        try:
            rendered = self._template.render(messages=views, add_generation_prompt=True, **self._names)
        except (TemplateError, TypeError, ValueError, KeyError, RecursionError) as error:
            raise GenerationFailed(
                f"the model's chat template refuses these messages ({error}); use another model"
            ) from error
        pieces = re.split(f"{mark}(\\d+)\ue001", rendered)
        found = [int(number) for number in pieces[1::2]]
        if missing := sorted(set(range(len(messages))) - set(found)):
            lost = messages[missing[0]].role
            raise GenerationFailed(
                f"the model's chat template drops the {lost} message {missing[0]}; use another model"
            )
        parts = [Part(pieces[0], None)]
        for number, own in zip(found, pieces[2::2], strict=True):
            parts += [Part(messages[number].content, number), Part(own, None)]
        return [part for part in parts if part.text]


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now(UTC).strftime(form)
