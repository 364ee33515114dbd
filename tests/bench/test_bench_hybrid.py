"""The measurements of the whole search and of searching beside peers, small: figures are there and counted rightly."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.hybrid import FILTERS, measure
from bench.made_up import made_up
from bench.peer_search_child import measured
from bench.plots import pictures
from bench.search_ours import Ours
from bench.search_peers import ratios, write_corpus

LIMITS = {"flat_limit": 100_000, "sq8_limit": 300_000, "delta_limit": 20_000}


@pytest.mark.real
def test_filters_and_a_writer_have_their_figures() -> None:
    figures = measure(1000, asked=10, rate=200, seconds=1.0, limits=LIMITS)
    for name in FILTERS:
        assert figures[f"{name}_recall_at_10"] == 1.0, "the flat class is exact"
    assert figures["class"] == "flat"
    assert figures["searches_beside_writing"] >= 1
    assert figures["written_chunks_per_s"] > 0
    assert figures["seconds_to_be_found_most"] >= figures["seconds_to_be_found_p50"] > 0


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_our_side_is_measured_as_the_peers_are(tmp_path: Path, kind: str) -> None:
    write_corpus(made_up(1000), tmp_path, questions=10, seconds=60)
    (tmp_path / "ours").mkdir()
    figures = measured(Ours(tmp_path / "ours", kind), tmp_path, tmp_path / "ours")
    assert figures["unfiltered_best_recall"] >= 0.95
    assert "unfiltered_at_recall_0.95_ms_p50" in figures
    assert figures["filter_1_percent_best_recall"] == 1.0
    assert figures["disk_mib"] > 0
    assert json.dumps(figures)
    truth = np.load(tmp_path / "truth.npz")
    assert truth["filter_0.1_percent"].shape == (10, 10), "short answers are filled up"


def test_ratios_say_how_many_times_faster_ours_is() -> None:
    sides = {
        "ours": {"unfiltered_at_recall_0.95_ms_p50": 2.0},
        "theirs": {"unfiltered_at_recall_0.95_ms_p50": 3.0, "unfiltered_at_recall_0.99_ms_p50": 9.0},
        "broken": {"error": "no word"},
    }
    assert ratios(sides) == {"unfiltered_ours_vs_theirs_at_recall_0.95": 1.5}


def test_pictures_are_drawn_of_what_was_kept() -> None:
    kept = {
        "sizes": {
            "2000 flat": {
                "sides": {
                    "ours": {"unfiltered_at_recall_0.95_ms_p50": 0.5, "build_seconds": 1.0},
                    "theirs <b>": {"unfiltered_at_recall_0.95_ms_p50": 1.0},
                }
            }
        }
    }
    drawn = pictures(kept)
    assert list(drawn) == ["search-2000-flat-unfiltered_at_recall_0.95.svg"]
    (picture,) = drawn.values()
    words = [
        element.text for element in ElementTree.fromstring(picture).iter() if element.text and element.text.strip()
    ]
    assert words[2:] == ["ours", "2,000", "theirs <b>", "1,000"]
