"""The pages of evaluation runs: the list with its trend, one run, what changed between two. Reads runs; asks nothing.

`rag` may not import this room: the routes are found by the entry point `footnote.pages`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery

from eval.compare import compare
from eval.errors import NoSuchRun
from eval.runs import RunCase, RunInfo, Runs
from rag.api.permit import Permit, permit_of, reviewers
from rag.api.problems import Problem
from rag.web.frame import PageRequest, page

_TEMPLATES: Final = (Path(__file__).parent / "templates",)
_MOST_RUNS: Final = 200
_LISTED: Final = ("questions", "answered_right", "abstained_unanswerable", "wrong", "f1", "seconds_per_question_p50")
_EACH_CASE: Final = "named by each case"
_WIDE, _HIGH = 220.0, 36.0  # of a trend, in its own units

Shown = Literal["all", "wrong", "right"]


@dataclass(frozen=True, slots=True)
class Trend:
    """The share answered right over the finished runs of one suite, oldest first; `points` as SVG takes them."""

    suite: str
    runs: int
    last: float
    points: str


@get("/runs", include_in_schema=False, sync_to_thread=True, opt=reviewers())
def runs_page(request: PageRequest) -> Response[str]:
    """The newest runs, and how each suite went over time."""
    permit = permit_of(request)
    found = [info for info in Runs(permit.app.database).runs(_MOST_RUNS) if visible(permit, info)]
    return _page(request, "runs.html", runs=found, measures=_LISTED, trends=trends(found))


@get("/runs/{run:str}", include_in_schema=False, sync_to_thread=True, opt=reviewers())
def run_page(request: PageRequest, run: FromPath[str], show: FromQuery[Shown] = "all") -> Response[str]:
    """Metrics with intervals, and each case's answer beside the expected one with its evidence."""
    try:
        info, cases = _run(request, run)
    except NoSuchRun as error:
        return _missing(request, error)
    permit = permit_of(request)
    others = [
        other
        for other in Runs(permit.app.database).runs(_MOST_RUNS)
        if other.cases_hash == info.cases_hash and other.id != run and visible(permit, other)
    ]
    kept = [case for case in cases if show == "all" or case.score.right == (show == "right")]
    measures = {name: value for name, value in info.summary.items() if not isinstance(value, Mapping | list)}
    intervals = info.summary.get("intervals", {})
    values = {"measures": measures, "intervals": intervals, "others": others, "total": len(cases)}
    return _page(request, "run.html", run=info, cases=kept, show=show, spread=spread(cases), **values)


@get("/runs/{run:str}/compare/{other:str}", include_in_schema=False, sync_to_thread=True, opt=reviewers())
def compare_page(request: PageRequest, run: FromPath[str], other: FromPath[str]) -> Response[str]:
    """What changed from one run to another, with paired intervals; only the cases that changed."""
    try:
        (before, old), (after, new) = _run(request, run), _run(request, other)
    except NoSuchRun as error:
        return _missing(request, error)
    return _page(request, "compare.html", before=before, after=after, comparison=compare(old, new))


@get("/runs/{run:str}/cases", include_in_schema=False, sync_to_thread=True, opt=reviewers(audit="runs.download"))
def download(request: PageRequest, run: FromPath[str]) -> Response[Any]:
    """Every case of a run as JSON lines."""
    try:
        info, cases = _run(request, run)
    except NoSuchRun as error:
        return _missing(request, error)
    headers = {"Content-Disposition": f'attachment; filename="{info.id}.jsonl"'}
    body = b"".join(msgspec.json.encode(case) + b"\n" for case in cases)
    return Response(body, media_type="application/x-ndjson", headers=headers)


PAGES: Final = (runs_page, run_page, compare_page, download)


def visible(permit: Permit, info: RunInfo) -> bool:
    """Whether the caller may read what the run quotes: the collection it asked, or what was made for it alone."""
    if permit.caller.administers:
        return True
    corpus = info.about.get("corpus", _EACH_CASE)
    everything = permit.app.catalog.collections()
    if corpus == _EACH_CASE:
        return all(permit.caller.may(one.id, "read") for one in everything)
    return all(permit.caller.may(one.id, "read") for one in everything if corpus in (one.id, one.name))


def trends(runs: Sequence[RunInfo]) -> list[Trend]:
    """One per suite that was run to its end more than once; `runs` are newest first."""
    by_suite: dict[str, list[float]] = {}
    for info in reversed(runs):
        if "answered_right" in info.summary:
            by_suite.setdefault(info.suite, []).append(float(info.summary["answered_right"]))
    return [
        Trend(suite, len(values), values[-1], points(values)) for suite, values in by_suite.items() if len(values) > 1
    ]


def points(values: Sequence[float]) -> str:
    """Shares between 0 and 1 as the points of a line from left to right."""
    step = _WIDE / (len(values) - 1)
    return " ".join(f"{place * step:.1f},{2 + (_HIGH - 4) * (1 - value):.1f}" for place, value in enumerate(values))


def spread(cases: Sequence[RunCase]) -> list[tuple[str, int, int]]:
    """(tenth of confidence, cases that were right, others) of those that were answered."""
    counts: dict[int, list[int]] = {}
    for case in cases:
        if case.score.outcome in ("answered", "quoted"):
            tenth = min(9, int(case.score.confidence * 10))
            counts.setdefault(tenth, [0, 0])[0 if case.score.right else 1] += 1
    return [(f"{tenth / 10:.1f} – {(tenth + 1) / 10:.1f}", *counts[tenth]) for tenth in sorted(counts)]  # type: ignore[misc]  # two counts each


def _run(request: PageRequest, id: str) -> tuple[RunInfo, list[RunCase]]:
    permit = permit_of(request)
    runs = Runs(permit.app.database)
    info = runs.run(id)
    if not visible(permit, info):
        raise NoSuchRun(f"there is no run {id!r}; `footnote eval runs` lists them")
    return info, runs.cases(id)


def _missing(request: PageRequest, error: NoSuchRun) -> Response[str]:
    problem = Problem(404, "no-such-run", "No such run", str(error), request.scope["path"])
    return page(request, "error.html", {}, active="runs", status=404, title="Not Found", problem=problem)


def _page(request: PageRequest, template: str, **values: Any) -> Response[str]:
    return page(request, template, {}, active="runs", templates=_TEMPLATES, **values)
