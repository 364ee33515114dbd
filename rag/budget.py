"""What may still be spent: the one rule for tokens and money, of persons and of keys, in a day and in a month.

Pure: knows neither who asks nor where figures are kept. It stops hard: what runs at the moment is reckoned as spent, so
that questions asked together cannot pass a limit by more than the last answer let in.
"""

from dataclasses import dataclass
from typing import Final

from rag.access.errors import TooMany
from rag.llm.generator import Usage
from rag.prices import Prices
from rag.settings import Settings
from rag.usage import Spent

USED_UP_SECONDS: Final = 600.0  # when to try again once a quota is used up; it comes back bit by bit
RUNNING_SECONDS: Final = 10.0  # when to try again while the answers that run may use up what is left
PROMPT_TOKENS: Final = 1000  # that a prompt with its evidence is reckoned with


@dataclass(frozen=True, slots=True)
class Budget:
    """What was spent, and the most that may be, in tokens and in money; 0: any."""

    spent: Spent
    tokens: int
    cost: float


def likely_spending(settings: Settings) -> Spent:
    """What an answer that still runs is reckoned with: a large prompt, the longest answer, the dearest model."""
    prices = Prices.read(settings.price_models, settings.price_currency)
    return Spent(
        1,
        PROMPT_TOKENS,
        settings.answer_max_tokens,
        prices.most(Usage(PROMPT_TOKENS, 0, settings.answer_max_tokens)),
    )


def check_budget(whose: str, named: str, budget: Budget, running: int, each: Spent) -> None:
    """`running` answers are on their way and reckoned with `each`. Raises TooMany."""
    spent = budget.spent
    for what, used, most, reckoned in (
        ("tokens", spent.tokens, budget.tokens, each.tokens),
        ("cost", spent.cost, budget.cost, each.cost),
    ):
        if 0 < most <= used:
            raise TooMany(
                f"the {what} of {whose} in {named} came to {used:g} of {most:g}; ask again later", USED_UP_SECONDS
            )
        if 0 < most <= used + running * reckoned:
            raise TooMany(
                f"the {what} of {whose} in {named} came to {used:g} of {most:g}, and {running} more that run now may "
                "use up the rest; ask again when they have ended",
                RUNNING_SECONDS,
            )
