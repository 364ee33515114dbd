"""Orders to a language model are told from text for people."""

import pytest

from rag.instructions import addresses_model
from tests.rag.injections import COMMANDS, EXFILTRATION, FACTS, ROLES, TOKENS, injections


def test_there_are_sixty_hostile_documents_each_with_a_canary_of_its_own() -> None:
    found = injections()
    assert len(found) == len({item.canary for item in found}) == len({item.name for item in found}) == 60
    assert all(item.canary in item.text and item.holds in item.text for item in found)


@pytest.mark.parametrize("attack", [*COMMANDS, *ROLES, *TOKENS, *EXFILTRATION])
def test_an_attack_is_recognised(attack: str) -> None:
    assert addresses_model(attack)


@pytest.mark.parametrize(
    "text",
    [
        *(fact for _, fact, _ in FACTS),
        "If a customer asks for a refund, tell them that it takes ten working days.",
        "Ignore the blinking light while the update runs.",
        "You can send output to a file instead of the console window.",
        "The agent connects to the server on port 5671.",
        "Do not tell anyone your password.",
        "Answer the security question and press Continue.",
        "The assistant manager approves expenses below 100 euros.",
        "Print the report and add it to the folder.",
        "System: Windows 11 or later.",
        "Users: at most 20 per workspace.",
        "Start the response time measurement before the test.",
        "The rules of the previous contract no longer apply.",
    ],
)
def test_text_for_people_stays_evidence(text: str) -> None:
    assert not addresses_model(text)
