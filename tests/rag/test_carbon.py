"""The estimate of carbon dioxide: off unless it is set, and simple enough to reckon by hand."""

import pytest

from rag.carbon import Carbon
from rag.settings import Settings


def test_nothing_is_estimated_unless_it_is_set():
    assert Carbon.by(Settings()).grams(100.0, 5000) is None


def test_time_here_and_tokens_elsewhere_count():
    carbon = Carbon.by(Settings(carbon_grams_per_kwh=400.0, carbon_watts=90.0, carbon_remote_wh=0.5))
    assert carbon.grams(40.0, 0) == pytest.approx(1.0 * 400 / 1000)
    assert carbon.grams(0.0, 2000) == pytest.approx(1.0 * 400 / 1000)
