"""The measurement of search, small: the figures of the contract are there and recall is counted rightly."""

import numpy as np
import pytest

from bench.made_up import QUESTIONS, made_up
from bench.search import _recall, measure


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_a_small_measurement_has_its_figures(kind: str) -> None:
    corpus = made_up(3000)
    assert corpus.rows.shape == (3000, 384)
    assert np.allclose(np.linalg.norm(corpus.rows, axis=1), 1, atol=1e-5)
    assert len(corpus.questions) == QUESTIONS
    _, figures = measure(corpus, kind, peers=False)
    assert figures["recall_at_10"] >= (1.0 if kind == "flat" else 0.9)
    assert figures["filter_0.1_percent_recall_at_10"] >= 0.9
    assert {"ms_p50", "ms_p95", "build_seconds", "open_seconds", "disk_mib", "chunks", "kind"} <= set(figures)


def test_recall_is_the_share_of_what_was_to_be_found() -> None:
    assert _recall([np.array([1, 2]), np.array([9])], [np.array([1, 3]), np.array([9])]) == pytest.approx(2 / 3)
