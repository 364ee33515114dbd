"""Whether somebody may take one more answer: what is kept of their spending, held against the budgets of the settings.

Knows neither HTTP nor the command line; rag/budget.py has the rule.
"""

from collections.abc import Sequence
from datetime import timedelta

from index.schema import utc_now
from rag.budget import Budget, check_budget, likely_spending
from rag.settings import Settings
from rag.usage import Usage


def check_quota(settings: Settings, usage: Usage, person: str, key: str | None, beside: Sequence[int]) -> None:
    """What a person's answers, and those of a key of theirs, took in the last 24 hours and 30 days; blocking.

    `beside`: how many answers of the person and of the key run now. Raises TooMany.
    """
    for days, of_key, tokens, cost in (
        (1, False, settings.limit_tokens, settings.limit_cost),
        (30, False, settings.limit_month_tokens, settings.limit_month_cost),
        (1, True, settings.limit_key_tokens, settings.limit_key_cost),
        (30, True, settings.limit_key_month_tokens, settings.limit_key_month_cost),
    ):
        if (tokens or cost) and (key is not None or not of_key):
            spent = usage.spent(person, utc_now() - timedelta(days=days), key if of_key else None)
            check_budget(
                "this key's answers" if of_key else "your answers",
                "24 hours" if days == 1 else f"{days} days",
                Budget(spent, tokens, cost),
                beside[of_key],
                likely_spending(settings),
            )
