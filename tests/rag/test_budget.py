"""What may still be spent, and what of it outlives the answers."""

from datetime import timedelta

import pytest

from index.database import Database
from index.schema import Base, utc_now
from rag.access.errors import TooMany
from rag.budget import RUNNING_SECONDS, USED_UP_SECONDS, Budget, check_budget, likely_spending
from rag.events import AnswerUsage
from rag.history import History
from rag.history_values import Ending, NewAnswer
from rag.quota import check_quota
from rag.settings import Settings
from rag.usage import Spent, Usage

EACH = Spent(1, 80, 20, 0.5)


@pytest.mark.parametrize(
    ("spent", "running", "wait"),
    [
        (Spent(3, 400, 99, 1.0), 0, None),
        (Spent(3, 400, 100, 1.0), 0, USED_UP_SECONDS),
        (Spent(3, 100, 100, 2.0), 0, USED_UP_SECONDS),
        (Spent(3, 300, 99, 0.1), 1, None),
        (Spent(3, 300, 100, 0.1), 2, RUNNING_SECONDS),
        (Spent(3, 0, 0, 1.5), 1, RUNNING_SECONDS),
    ],
)
def test_tokens_and_money_stop_hard_with_what_runs(spent, running, wait):
    budget = Budget(spent, tokens=500, cost=2.0)
    if wait is None:
        check_budget("your answers", "30 days", budget, running, EACH)
        return
    with pytest.raises(TooMany, match="of your answers in 30 days came to") as refused:
        check_budget("your answers", "30 days", budget, running, EACH)
    assert refused.value.retry_after == wait


def test_no_limit_is_none():
    much = Spent(9, 10**9, 10**9, 10.0**9)
    check_budget("your answers", "24 hours", Budget(much, 0, 0.0), 99, EACH)
    for limited in (Budget(much, 1, 0.0), Budget(much, 0, 0.01)):
        with pytest.raises(TooMany):
            check_budget("your answers", "24 hours", limited, 99, EACH)


def test_what_runs_is_reckoned_with_the_dearest_model():
    settings = Settings(price_models=("openai:small=1/2", "openai:large=10/20"), answer_max_tokens=100)
    likely = likely_spending(settings)
    assert likely.completion_tokens == 100
    assert likely.cost == pytest.approx((likely.prompt_tokens * 10 + 100 * 20) / 1_000_000)
    assert likely_spending(Settings()).cost == 0.0


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'footnote.db'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


def answered(history, tenant, credential="", cost=0.25):
    begun = history.begin(NewAnswer("Why?", "Why?", ("c_1",), "auto", "openai:m", None, tenant, credential))
    usage = AnswerUsage(10, 2, 3, cost, "USD", {"total": 12.5})
    history.finish(begun.answer, Ending("answered", "So.", [], [], [], usage, 0.8, {}))
    return begun


def test_who_deletes_a_conversation_has_spent_what_it_cost(database):
    history, usage, day = History(database), Usage(database), utc_now() - timedelta(days=1)
    gone, kept = answered(history, "p_1", "k_1"), answered(history, "p_1")
    answered(history, "p_2")
    before = usage.spent("p_1", day), usage.spent("p_1", day, "k_1")
    assert before == (Spent(2, 20, 6, 0.5), Spent(1, 10, 3, 0.25))
    assert not history.delete_conversation(gone.conversation, "p_2"), "nobody else may delete it"
    assert history.delete_conversation(gone.conversation, "p_1")
    assert (usage.spent("p_1", day), usage.spent("p_1", day, "k_1")) == before
    until = utc_now() + timedelta(seconds=60)
    assert sum(line.spent.answers for line in usage.lines(day, until)) == 3
    assert {line.credential for line in usage.lines_by_keys(day, until, "p_1")} == {"", "k_1"}
    assert {line.collections for line in usage.lines_by_collections(day, until)} == {("c_1",)}
    assert history.delete_conversation(kept.conversation, "p_1")
    assert usage.spent("p_1", day) == Spent(2, 20, 6, 0.5)
    assert not history.delete_conversation(kept.conversation, "p_1"), "and it is counted once"
    assert usage.spent("p_1", day) == Spent(2, 20, 6, 0.5)


def test_what_is_not_stored_is_counted(database):
    usage, day = Usage(database), utc_now() - timedelta(days=1)
    usage.note("p_1", "k_1", "local", (7, 5))
    assert usage.spent("p_1", day, "k_1") == Spent(1, 7, 5, 0.0)
    assert usage.spent("p_1", utc_now() + timedelta(days=1)) == Spent(0, 0, 0, 0.0)


def test_quotas_are_of_a_person_or_a_key_in_a_day_or_a_month(database):
    usage = Usage(database)
    usage.note("ann", "k_1", "m", (60, 40))
    check_quota(Settings(limit_tokens=101), usage, "ann", None, (0, 0))
    for settings, key in (
        (Settings(limit_tokens=100), None),
        (Settings(limit_month_tokens=100), None),
        (Settings(limit_key_tokens=100), "k_1"),
        (Settings(limit_key_month_tokens=100), "k_1"),
    ):
        with pytest.raises(TooMany):
            check_quota(settings, usage, "ann", key, (0, 0))
        check_quota(settings, usage, "bob", "k_2", (0, 0))
    with pytest.raises(TooMany, match="1 more that run now"):
        check_quota(Settings(limit_tokens=150), usage, "ann", None, (1, 0))
