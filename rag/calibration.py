"""Logistic weights that were fitted offline, by name. Knows not what the features mean.

`calibration.json` is written by `train/calibrate.py`, which says from which data and how well they do.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

ModelName = Literal["evidence", "decision", "support"]
WITHOUT_READER = "_without_reader"


@dataclass(frozen=True, slots=True)
class Logistic:
    """probability = 1 / (1 + exp(-(intercept + sum of weight * feature)))."""

    intercept: float
    weights: Mapping[str, float]

    def logit(self, features: Mapping[str, float]) -> float:
        """The sum before the squashing. Raises KeyError when a feature with a weight is missing."""
        return self.intercept + sum(weight * features[name] for name, weight in self.weights.items())

    def probability(self, features: Mapping[str, float]) -> float:
        """Between 0 and 1."""
        return squash(self.logit(features))


def squash(logit: float) -> float:
    """The logistic function, safe for any finite number."""
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit))))


def packaged(name: ModelName, *, reader: bool) -> Logistic:
    """The weights that come with Footnote, fitted with or without what the trained reader says."""
    tables = json.loads(files("rag").joinpath("calibration.json").read_text(encoding="utf-8"))
    table = tables[name if reader else f"{name}{WITHOUT_READER}"]
    return Logistic(float(table["intercept"]), {key: float(value) for key, value in table["weights"].items()})
