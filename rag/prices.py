"""What answers of remote models cost, by the table of prices in the settings. Knows no answer and no SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.errors import SettingsError
from rag.llm.generator import Usage

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Of a million tokens: of the prompt, of the answer, and of the prompt's part that the other side had cached."""

    prompt: float
    answer: float
    cached: float


class Prices:
    """The table. A model that is not in it costs nothing."""

    def __init__(self, table: Mapping[str, Price] | None = None, currency: str = "USD") -> None:
        self._table = dict(table or {})
        self.currency = currency

    @classmethod
    def read(cls, lines: Sequence[str], currency: str) -> "Prices":
        """Lines as `openai:gpt-x=0.5/1.5` or, with cached tokens, `openai:gpt-x=0.5/1.5/0.05`. Raises SettingsError."""
        table = {}
        for line in lines:
            name, _, figures = line.rpartition("=")
            try:
                prompt, answer, *rest = (float(figure) for figure in figures.split("/"))
                cached = rest[0] if rest else prompt
            except ValueError:
                prompt = answer = cached = -1.0
                rest = []
            if not name.strip() or len(rest) > 1 or min(prompt, answer, cached) < 0:
                raise SettingsError(
                    f"price.models holds {line!r}, but MODEL=PROMPT/ANSWER per million tokens was wanted, "
                    "as in openai:gpt-x=0.5/1.5"
                )
            table[name.strip()] = Price(prompt, answer, cached)
        return cls(table, currency)

    def most(self, usage: Usage) -> float:
        """What this would cost with the dearest model of the table."""
        return max((self.cost(model, usage) for model in self._table), default=0.0)

    def cost(self, model: str, usage: Usage) -> float:
        """In the currency of the table."""
        price = self._table.get(model)
        if price is None:
            return 0.0
        fresh = usage.prompt_tokens - usage.cached_tokens
        whole = fresh * price.prompt + usage.cached_tokens * price.cached + usage.completion_tokens * price.answer
        return round(whole / _MILLION, 8)
