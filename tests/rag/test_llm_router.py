"""Which model speaks, what it is shown, what it costs, and when a failing one is left alone. No real model."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import GenerationFailed, ModelUnavailable, NoSuchModel, QueueFull, SettingsError
from rag.llm.breaker import FAILURES, LONGEST_REST, REST_SECONDS, Breaker
from rag.llm.generator import Finished, GenerationRequest, Message, Queued, TextDelta, Usage
from rag.llm.redact import RedactingGenerator, Redaction
from rag.llm.registry import Models
from rag.llm.router import RoutedGenerator, only_local, redacted
from rag.prices import Prices
from rag.settings import Settings
from tests.fakes import ScriptedGenerator


def ask(text="hello", **options):
    return GenerationRequest((Message("system", "Be brief."), Message("user", text)), **options)


def told(generator, request=None):
    async def all_events():
        return [event async for event in generator.stream(request or ask())]

    events = asyncio.run(all_events())
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events[-1]


def routed(first, second, patience=20.0):
    here = ScriptedGenerator(first, name="local")
    there = ScriptedGenerator(second, name="openai:x", local=False)
    return here, there, RoutedGenerator("local-then-closed", here, there, patience=patience)


# The router


def test_the_first_speaks_while_it_can_and_the_second_is_not_asked():
    here, there, both = routed(["I am", " here"], ["I am far"])
    text, finished = told(both)
    assert (text, finished.model) == ("I am here", "local")
    assert (len(here.requests), len(there.requests)) == (1, 0)
    assert not both.local
    assert only_local(both) is here


@pytest.mark.parametrize("error", [ModelUnavailable("x"), QueueFull("x", 1.0), GenerationFailed("x")])
def test_the_second_speaks_when_the_first_cannot(error):
    _, there, both = routed([error], ["I am far"])
    text, finished = told(both)
    assert (text, finished.model, len(there.requests)) == ("I am far", "openai:x", 1)


def test_a_first_that_has_spoken_is_never_followed_by_another():
    _, there, both = routed(["I am", GenerationFailed("broke off")], ["I am far"])
    with pytest.raises(GenerationFailed, match="broke off"):
        told(both)
    assert there.requests == []


def test_a_long_queue_sends_the_question_on_and_frees_its_place():
    here, _, both = routed([Queued(3, 60.0), "late"], ["soon"], patience=20.0)
    assert told(both)[0] == "soon"
    assert (here.cancelled, here.open_streams) == (1, 0)
    here, _, both = routed([Queued(3, 5.0), "late"], ["soon"], patience=20.0)
    assert told(both)[0] == "late"


def test_leaving_closes_the_one_that_speaks():
    _, there, both = routed([ModelUnavailable("x")], ["a", "b", "c"])

    async def scene():
        stream = both.stream(ask())
        assert isinstance(await anext(stream), TextDelta)
        await stream.aclose()

    asyncio.run(scene())
    assert (there.cancelled, there.open_streams) == (1, 0)


def test_policies_exist_once_a_closed_model_does(tmp_path):
    settings = replace(Settings(), data=tmp_path)
    with pytest.raises(NoSuchModel, match="no model 'closed'"):
        Models(settings).get("closed")
    keyed = replace(settings, openai_api_key="k", openai_model="gpt-x", model_path=str(tmp_path / "missing.gguf"))
    models = Models(keyed)
    assert models.get("closed").name == "openai:gpt-x"
    assert models.get("local-then-closed").name == "openai:gpt-x", "without a local model the closed one speaks alone"
    models.close()


# Redaction

PERSONAL = (
    "Write to jane.o'doe+x@mail.example.co.uk or call +49 (0)30 1234-5678, also 555-867-5309. "
    "IBAN DE89 3704 0044 0532 0130 00, card 4111 1111 1111 1111, host 10.20.30.40 or fe80::1, "
    "key sk-abcdefghijklmnop1234 and AKIAABCDEFGHIJKLMNOP."
)
HARMLESS = (
    "On 2026-11-22 at 14:30 version 3.2 took 30 minutes; see section 4.1.2 and press A1:B2 for 5 seconds. <b>x</b>"
)


def test_personal_data_becomes_placeholders_and_comes_back():
    redaction = Redaction()
    hidden = redaction.hide(PERSONAL)
    for secret in ("jane", "mail.example", "1234-5678", "867", "DE89", "4111", "10.20", "fe80", "sk-abc", "AKIA"):
        assert secret not in hidden
    assert "<EMAIL_1>" in hidden
    assert "<IBAN_1>" in hidden
    assert "<CARD_1>" in hidden
    assert redaction.show(hidden) == PERSONAL
    assert redaction.hide("again: 10.20.30.40") == "again: <IP_1>", "equal data has one placeholder"


def test_what_is_no_personal_data_stays():
    assert Redaction().hide(HARMLESS) == HARMLESS


def test_text_that_looks_like_a_placeholder_cannot_fetch_the_data_of_another():
    redaction = Redaction()
    hidden = redaction.hide("a@b.example says <EMAIL_1>")
    assert redaction.show(hidden) == "a@b.example says <EMAIL_1>"
    assert hidden.count("<EMAIL_1>") == 1


@given(st.text(alphabet="ab1 2.3-4@:+<>_EMAIL567890(/)dk", max_size=80))
def test_whatever_is_hidden_comes_back(text):
    redaction = Redaction()
    assert redaction.show(redaction.hide(text)) == text


def test_the_remote_model_sees_placeholders_and_the_reader_sees_the_data():
    answer = "Write to <EMAIL_1> today <3, or <EMAIL_9>."
    inner = ScriptedGenerator(list(answer), name="openai:x", local=False)  # one letter at a time
    text, finished = told(RedactingGenerator(inner), ask("Whom? a@b.example"))
    assert text == "Write to a@b.example today <3, or <EMAIL_9>."
    assert finished.reason == "stop"
    assert "a@b.example" not in repr(inner.requests)


def test_only_what_leaves_is_redacted():
    here, there, both = routed([ModelUnavailable("x")], ["<EMAIL_1>"])
    assert told(redacted(both), ask("a@b.example"))[0] == "a@b.example"
    assert here.requests[0].messages[1].content == "a@b.example"
    assert there.requests[0].messages[1].content == "<EMAIL_1>"
    assert redacted(here) is here


# The breaker


class Clock:
    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


def test_a_failing_model_is_left_alone_then_tried_with_one_request():
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        assert breaker.wait() == 0
        breaker.failed()
    assert breaker.wait() == REST_SECONDS
    clock.at += REST_SECONDS
    assert breaker.wait() == 0
    assert breaker.wait() > 0, "one probe at a time"
    breaker.failed()
    assert breaker.wait() == 2 * REST_SECONDS, "each failed probe makes the rest longer"
    clock.at += 2 * REST_SECONDS
    assert breaker.wait() == 0
    breaker.left()
    assert breaker.wait() == 0, "a probe whose asker left is tried again"
    breaker.succeeded()
    assert [breaker.wait() for _ in range(3)] == [0, 0, 0]


def test_the_rest_has_an_end_and_a_wish_for_rest_is_obeyed():
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES + 20):
        clock.at += LONGEST_REST
        breaker.wait()
        breaker.failed()
    assert breaker.wait() <= LONGEST_REST
    other = Breaker(clock)
    other.failed(retry_after=30.0)
    assert other.wait() == 30.0
    clock.at += 30.0
    assert other.wait() == 0


# Prices


def test_an_answer_costs_what_the_table_says():
    prices = Prices.read(("openai:gpt-x=0.5/2", "anthropic:c=3/15/0.3"), "EUR")
    assert prices.cost("openai:gpt-x", Usage(1_000_000, 400_000, 500_000)) == pytest.approx(1.5)
    assert prices.cost("anthropic:c", Usage(1_000_000, 1_000_000, 0)) == pytest.approx(0.3)
    assert prices.cost("local", Usage(9, 0, 9)) == 0.0
    assert prices.currency == "EUR"


@pytest.mark.parametrize("line", ["x", "x=1", "=1/2", "x=a/b", "x=1/-2", "x=1/2/3/4"])
def test_a_price_that_cannot_be_read_is_named(line):
    with pytest.raises(SettingsError, match="MODEL=PROMPT/ANSWER"):
        Prices.read((line,), "USD")


def test_the_last_event_says_who_spoke():
    _, _, both = routed(["x"], ["y"])
    assert told(both)[1] == Finished("stop", Usage(3, 0, 1), "local")


# By length and by load


@pytest.mark.parametrize(("words", "speaker"), [(10, "local"), (60, "openai:x")])
def test_by_length_a_long_prompt_goes_to_the_second_at_once(words, speaker):
    here, there = ScriptedGenerator(["here"], name="local"), ScriptedGenerator(["far"], name="openai:x", local=False)
    both = RoutedGenerator("by-length", here, there, patience=20.0, long=50)
    _, finished = told(both, ask("word " * words))
    assert finished.model == speaker
    assert len(here.requests) + len(there.requests) == 1


def test_by_load_any_wait_is_too_long():
    here = ScriptedGenerator([Queued(0, 0.5), "here"], name="local")
    both = RoutedGenerator("by-load", here, ScriptedGenerator(["far"], name="x", local=False), patience=20.0)
    assert told(both)[0] == "far"
