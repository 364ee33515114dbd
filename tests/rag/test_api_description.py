"""The description of the API against the API: schemathesis calls every route with what it allows, and with what not.

As an owner no call may be an error of ours; as a stranger no answer may tell of what only others may read.
"""

from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from schemathesis import GenerationMode, openapi

from tests.rag.access.people import MARK, World, populate
from tests.rag.conftest import Service
from tests.web.live import served

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]  # its libraries' own warnings
EXAMPLES = 3  # calls of each route; the same ones in every run
HONEST = (502, 503, 507)  # what is not there now, and says so


@pytest.fixture
def world(build: Callable[..., Service]) -> World:
    limits = dict.fromkeys(("limit_requests", "limit_streams", "limit_uploads", "limit_unknown", "limit_sign_ins"), 0)
    world = populate(build("The plan.", **limits))
    world.document(world.granted())
    return world


@pytest.fixture
def address(world: World) -> Iterator[str]:
    with served(world.service) as found:
        yield found


def complaints(
    address: str, headers: dict[str, str], told: str = "", mode: GenerationMode = GenerationMode.POSITIVE
) -> tuple[list[str], int]:
    """What is wrong with the answers to made-up calls, and how many routes were called."""
    description = openapi.from_url(f"{address}/api/openapi.json", headers=headers, timeout=300)
    wrong: list[str] = []
    operations = [found.ok() for found in description.get_all_operations()]
    return wrong, sum(called(operation, headers, told, wrong, mode) for operation in operations)


def called(operation: Any, headers: dict[str, str], told: str, wrong: list[str], mode: GenerationMode) -> bool:
    """Call one route a few times, and note what is wrong. False where no call can be wrong."""

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        answer = case.call(headers=headers, timeout=60)
        if answer.status_code >= 500 and answer.status_code not in HONEST:
            wrong.append(f"{operation.label}: {answer.status_code} {answer.text[:300]} for {case!r:.300}")
        if told and told in answer.text and told not in repr(case):
            wrong.append(f"{operation.label} tells: {answer.text[:300]}")

    try:
        call()
    except hypothesis.errors.Unsatisfiable:
        if mode is GenerationMode.POSITIVE:
            raise
        return False
    return True


def test_no_call_is_an_error_of_ours(world: World, address: str) -> None:
    wrong, routes = complaints(address, world.headers("owner"))
    assert wrong == []
    assert routes > 70


def test_no_wrong_call_is_an_error_of_ours(world: World, address: str) -> None:
    wrong, routes = complaints(address, world.headers("owner"), mode=GenerationMode.NEGATIVE)
    assert wrong == []
    assert routes > 50


def test_no_answer_tells_a_stranger_anything(world: World, address: str) -> None:
    wrong, _ = complaints(address, world.headers("outsider"), MARK)
    assert wrong == []
