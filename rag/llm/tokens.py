"""Messages -> the tokens of a prompt, and how long a prompt will be. Knows no weights and no scheduling.

The law: special tokens come from the template alone. What people and documents wrote is tokenised as letters, whatever
it says. Text of both kinds that touches is tokenised together, so that ordinary prompts have exactly the tokens
the model was trained on.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag.llm.decoder import Vocabulary
from rag.llm.generator import Message
from rag.llm.template import ChatTemplate, Part


@dataclass(frozen=True, slots=True)
class Prompt:
    """`shared`: how many leading tokens depend on the template and the system message only."""

    tokens: tuple[int, ...]
    shared: int


class PromptMaker:
    """Builds prompts for one model. Safe to call from several threads."""

    def __init__(self, vocabulary: Vocabulary, template: ChatTemplate) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._special = _any_of(vocabulary.special)
        self._stubborn = _any_of(text for text in vocabulary.stubborn if len(text) > 1 and not text.isspace())

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """The whole prompt, the model's first token included. Raises GenerationFailed if the template refuses."""
        parts = self._template.render(messages)
        first = self._vocabulary.first_token
        tokens: list[int] = []
        shared: int | None = None
        for run in self._runs(parts):
            if isinstance(run, int):
                tokens.append(run)
                continue
            if shared is None and any(
                part.message is not None and messages[part.message].role != "system" for part in run
            ):
                shared = len(tokens)
            tokens += self.plain("".join(part.text for part in run))
        if first is not None and tokens[:1] != [first]:
            tokens.insert(0, first)
            shared = None if shared is None else shared + 1
        return Prompt(tuple(tokens), len(tokens) if shared is None else shared)

    def plain(self, text: str) -> list[int]:
        """Tokens of text in which nothing is special. Cut after the first letter, a special text is none any more."""
        tokens: list[int] = []
        start = 0
        while match := self._stubborn.search(text, start):
            tokens += self._vocabulary.tokenize(text[start : match.start() + 1])
            start = match.start() + 1
        return tokens + self._vocabulary.tokenize(text[start:])

    def _runs(self, parts: Sequence[Part]) -> list[int | list[Part]]:
        """Special tokens of the template, and between them runs of text that touch."""
        runs: list[int | list[Part]] = []
        for part in parts:
            for piece in [part.text] if part.message is not None else self._special.split(part.text):
                if part.message is None and piece in self._vocabulary.special:
                    runs.append(self._vocabulary.special[piece])
                elif piece:
                    if not runs or isinstance(runs[-1], int):
                        runs.append([])
                    run = runs[-1]
                    assert isinstance(run, list)
                    run.append(Part(piece, part.message))
        return runs


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """A pattern with one group that matches any of these texts, the longest first; for none, one that never matches."""
    ordered = sorted((text for text in texts if text), key=len, reverse=True)
    return re.compile(f"({'|'.join(re.escape(text) for text in ordered)})" if ordered else r"((?!))")
