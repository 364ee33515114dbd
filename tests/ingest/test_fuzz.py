"""A short turn of the fuzzer with a fixed seed, and everything it ever found: none may surprise a parser again."""

from pathlib import Path

import pytest

from ingest.parse.sandbox import Sandbox
from tests.ingest.fuzz import REGRESSIONS, SEEDS, fuzz, mutation, surprise

PATIENCE = 600.0
ROUNDS = 6


def test_a_recipe_always_makes_the_same_file() -> None:
    for name in SEEDS:
        assert mutation(name, 1, 2) == mutation(name, 1, 2)
        assert len({mutation(name, 1, number) for number in range(20)}) > 10


@pytest.mark.real
def test_mutated_files_end_with_text_or_a_reason() -> None:
    found = [finding for _, finding in fuzz(list(SEEDS), seed=7, seconds=PATIENCE, rounds=ROUNDS) if finding]
    assert [(finding.name, finding.number, finding.what) for finding in found] == []


@pytest.mark.real
@pytest.mark.parametrize("name", REGRESSIONS)
def test_what_was_found_once_is_no_surprise_any_more(name: str, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        assert surprise(sandbox, tmp_path, name, REGRESSIONS[name]()) == ""
