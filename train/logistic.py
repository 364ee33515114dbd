"""Fit weights to labelled features, and say how well scores separate. Pure numpy; knows no text."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.calibration import Logistic

Row = tuple[Mapping[str, float], bool, float]  # features, label, weight
FIRM = 1e7  # a pull that no data moves


def fit(
    rows: Sequence[Row], prior: Mapping[str, float], *, ridge: float = 30.0, fixed: Collection[str] = ()
) -> Logistic:
    """Weighted logistic regression by damped Newton steps, pulled towards the prior.

    `fixed` features keep their prior. A weight that would take the other sign than its prior is an artefact of the
    data: it becomes zero and the others are fitted again.
    """
    prior = dict(prior)
    pinned = set(fixed)
    while True:
        found = _newton(rows, prior, ridge, pinned)
        turned = {name for name, weight in found.weights.items() if weight * prior[name] < 0}
        if not turned:
            return found
        prior |= dict.fromkeys(turned, 0.0)
        pinned |= turned


def _newton(rows: Sequence[Row], prior: Mapping[str, float], ridge: float, fixed: Collection[str]) -> Logistic:
    names = list(prior)
    x = np.array([[features[name] for name in names] + [1.0] for features, _, _ in rows])
    y = np.array([float(label) for _, label, _ in rows])
    weight = np.array([weight for _, _, weight in rows])
    centre = np.array([*prior.values(), 0.0])
    pull = np.array([FIRM if name in fixed else ridge for name in names] + [1e-3])

    def loss(beta: NDArray[np.float64]) -> float:
        z = x @ beta
        return float((weight * (np.logaddexp(0.0, z) - y * z)).sum() + 0.5 * (pull * (beta - centre) ** 2).sum())

    beta = centre.copy()
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        gradient = x.T @ (weight * (p - y)) + pull * (beta - centre)
        hessian = (x.T * (weight * p * (1 - p))) @ x + np.diag(pull)
        step = np.linalg.solve(hessian, gradient)
        rate = 1.0
        while rate > 1e-6 and loss(beta - rate * step) > loss(beta):
            rate /= 2
        beta = beta - rate * step
        if float(np.abs(rate * step).max()) < 1e-6:
            break
    return Logistic(float(beta[-1]), {name: float(value) for name, value in zip(names, beta, strict=False)})
