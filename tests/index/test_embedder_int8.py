"""The gate before eight bits: what passes, what it remembers, and for whom."""

import json
from pathlib import Path

import numpy as np
import pytest

from index.embedder_int8 import Verdict, probes, verdict


def rows(texts, noise=0.0):
    random = np.random.default_rng(7)
    made = random.normal(size=(len(texts), 32)) + noise * np.random.default_rng(8).normal(size=(len(texts), 32))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("found", "good", "faster"),
    [
        (Verdict(0.9995, 0.98, 1.6), True, True),
        (Verdict(0.9985, 0.98, 1.6), False, True),
        (Verdict(0.9995, 0.90, 1.6), False, True),
        (Verdict(0.9995, 0.98, 1.0), True, False),
    ],
)
def test_what_passes(found, good, faster):
    assert (found.good, found.faster) == (good, faster)


def test_equal_vectors_are_good_and_noisy_ones_are_not(tmp_path):
    assert verdict(lambda: (rows, rows), tmp_path / "same.json").good
    assert not verdict(lambda: (rows, lambda texts: rows(texts, 0.5)), tmp_path / "noisy.json").good


def test_it_is_measured_once_for_a_processor_and_a_version(tmp_path):
    kept, asked = tmp_path / "models" / "kept.json", []

    def both():
        asked.append(True)
        return rows, rows

    first = verdict(both, kept)
    assert (verdict(both, kept), len(asked)) == (first, 1)
    for damaged in ("", "[]", "{}", json.dumps({"measured_on": "elsewhere"} | {"cosine": 1, "recall": 1, "speed": 9})):
        kept.write_text(damaged)
        assert verdict(both, kept).good
    assert len(asked) == 5
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_arithmetic_that_the_processor_lacks_is_no_error(tmp_path):
    def broken(texts):
        raise RuntimeError("Exception from a plugin\nunsupported")

    found = verdict(lambda: (rows, broken), Path(tmp_path) / "kept.json")
    assert (found.good, found.faster) == (False, False)


def test_there_is_prose_to_measure_on_everywhere():
    texts = probes()
    assert len(texts) == 160
    assert probes() == texts
    assert all(20 <= len(text.split()) < 80 for text in texts)
