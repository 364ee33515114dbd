"""Figures of runs as places in a drawing; pure. Knows no template, no SQL and no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eval.runs import RunCase, RunInfo

WIDE: Final = 360.0  # of a trend, in its own units
HIGH: Final = 120.0
_LEFT: Final = 30.0
_RIGHT: Final = 10.0
_TOP: Final = 8.0
_FOOT: Final = 18.0
_SECONDS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # upper ends of the bars of times


@dataclass(frozen=True, slots=True)
class Mark:
    """One run in a trend: where its share stands, and its interval from `low` to `high` (y; equal when unknown)."""

    run: str
    said: str
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Trend:
    """The shares answered right and wrong over the finished runs of a suite, oldest first; lines as SVG has them."""

    suite: str
    last: float
    marks: tuple[Mark, ...]
    line: str
    wrong_line: str
    first_day: str
    last_day: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Cases of one class: how many were right and how many were not, and both as shares of the highest bar."""

    name: str
    right: int
    others: int
    right_share: float
    others_share: float


def trends(runs: Sequence[RunInfo]) -> list[Trend]:
    """One per suite that was run to its end more than once; `runs` are newest first."""
    by_suite: dict[str, list[RunInfo]] = {}
    for info in reversed(runs):
        if "answered_right" in info.summary and info.finished_at is not None:
            by_suite.setdefault(info.suite, []).append(info)
    return [_trend(suite, found) for suite, found in by_suite.items() if len(found) > 1]


def confidences(cases: Sequence[RunCase]) -> list[Bar]:
    """Those that were answered, by tenth of confidence."""
    spoke = [case for case in cases if case.score.outcome in ("answered", "quoted")]
    tenths = [min(9, int(case.score.confidence * 10)) for case in spoke]
    names = {tenth: f"{tenth / 10:.1f} – {(tenth + 1) / 10:.1f}" for tenth in sorted(set(tenths))}
    return _bars(list(names.values()), [names[tenth] for tenth in tenths], spoke)


def times(cases: Sequence[RunCase]) -> list[Bar]:
    """All cases by how long they took, in seconds."""
    ends = [*_SECONDS, float("inf")]
    names = [f"≤ {end:g} s" for end in _SECONDS] + [f"> {_SECONDS[-1]:g} s"]
    places = [next(i for i, end in enumerate(ends) if case.score.seconds <= end) for case in cases]
    return _bars([names[place] for place in sorted(set(places))], [names[place] for place in places], cases)


def outcomes(cases: Sequence[RunCase]) -> list[Bar]:
    """All cases by kind and outcome."""
    classes = [f"{case.kind}: {case.score.outcome}" for case in cases]
    return _bars(sorted(set(classes)), classes, cases)


def _bars(names: Sequence[str], classes: Sequence[str], cases: Sequence[RunCase]) -> list[Bar]:
    counts = {name: [0, 0] for name in names}
    for name, case in zip(classes, cases, strict=True):
        counts[name][0 if case.score.right else 1] += 1
    most = max((right + others for right, others in counts.values()), default=0) or 1
    return [Bar(name, right, others, right / most, others / most) for name, (right, others) in counts.items()]


def _trend(suite: str, runs: Sequence[RunInfo]) -> Trend:
    step = (WIDE - _LEFT - _RIGHT) / (len(runs) - 1)
    places = [_LEFT + number * step for number in range(len(runs))]
    shares = [float(info.summary["answered_right"]) for info in runs]
    marks = []
    for info, x, share in zip(runs, places, shares, strict=True):
        low, high = info.summary.get("intervals", {}).get("answered_right", (share, share))
        day = f"{info.created_at:%Y-%m-%d %H:%M}"
        marks.append(Mark(info.id, f"{day}: {share:.3f}", x, height(share), height(low), height(high)))
    wrong = [float(info.summary.get("wrong", 0.0)) for info in runs]
    days = [f"{info.created_at:%Y-%m-%d}" for info in (runs[0], runs[-1])]
    return Trend(suite, shares[-1], tuple(marks), _line(places, shares), _line(places, wrong), *days)


def height(share: float) -> float:
    """The y of a share between 0 and 1."""
    return round(_TOP + (HIGH - _TOP - _FOOT) * (1 - share), 1)


def _line(places: Sequence[float], shares: Sequence[float]) -> str:
    return " ".join(f"{x:.1f},{height(share):.1f}" for x, share in zip(places, shares, strict=True))
