"""The measurement of growth, small: its figures and pictures are there."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.growth import measured
from bench.made_up import made_up_in
from bench.plots import growth_pictures


@pytest.mark.real
def test_the_view_is_built_here_and_asked_elsewhere(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    figures = measured(2000, tmp_path, scratch)
    assert figures["class"] == "flat"
    assert figures["recall_at_10"] > 0.99, "rows are compared as they are kept"
    assert min(figures[name] for name in ("build_seconds", "disk_mib", "ready_seconds", "ms_p50", "ms_p95")) > 0
    assert json.dumps(figures)


def test_a_file_of_rows_is_used_again(tmp_path: Path) -> None:
    all_of_it = made_up_in(tmp_path / "rows.npy", 3000)
    part = made_up_in(tmp_path / "rows.npy", 1000)
    assert np.array_equal(part.rows, all_of_it.rows[:1000])
    assert np.allclose(np.linalg.norm(part.at(np.arange(10)), axis=1), 1, atol=1e-6)
    with pytest.raises(ValueError, match="has 3000 rows, but 4000 were wanted"):
        made_up_in(tmp_path / "rows.npy", 4000)


def test_growth_is_drawn_of_what_was_kept() -> None:
    figures = {"ms_p95": 1.0, "build_seconds": 3.0, "resident_mib": 20.0, "disk_mib": 30.0}
    kept = {"sizes": {"1000": figures, "100000": {name: 50 * value for name, value in figures.items()}}}
    drawn = growth_pictures(kept)
    assert set(drawn) == {f"growth-{name}.svg" for name in figures}
    assert all("<polyline" in picture and "100,000" in picture for picture in drawn.values())
