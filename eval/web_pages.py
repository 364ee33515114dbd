"""The pages of evaluation: suites edited in place, runs and their trend, one run, what changed between two.

`rag` may not import this room: the routes are found by the entry point `footnote.pages`. Asks nothing itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery

from eval.compare import compare
from eval.errors import EvaluationError
from eval.runs import RunCase, RunInfo, Runs
from eval.suite_shelf import SuiteShelf
from eval.web_plots import confidences, height, outcomes, times, trends
from eval.web_room import problem_of, visible_run, visible_runs, visible_suite
from eval.web_runs import RunController
from eval.web_suites import SuiteController, case_view, suites_of
from rag.api.permit import permit_of, reviewers
from rag.web.frame import PageRequest, page

_TEMPLATES: Final = (Path(__file__).parent / "templates",)
_MOST_RUNS: Final = 200
_LISTED: Final = ("questions", "answered_right", "abstained_unanswerable", "wrong", "f1", "seconds_per_question_p50")

Shown = Literal["all", "wrong", "right"]


@get("/runs", include_in_schema=False, sync_to_thread=True, opt=reviewers())
def runs_page(request: PageRequest) -> Response[str]:
    """The suites, the newest runs, and how each suite went over time."""
    permit = permit_of(request)
    found = visible_runs(permit, _MOST_RUNS)
    names = {info.id: info.name for info in permit.collections()}
    values: dict[str, Any] = {"runs": found, "measures": _LISTED, "trends": trends(found)}
    return _page(request, "runs.html", suites=suites_of(permit), names=names, **values)


@get("/suites/{suite:str}", include_in_schema=False, sync_to_thread=True, opt=reviewers())
def suite_page(request: PageRequest, suite: FromPath[str]) -> Response[str]:
    """A suite: its cases to edit, and the way to run it."""
    permit = permit_of(request)
    try:
        info = visible_suite(permit, suite)
    except EvaluationError as error:
        return _missing(request, error)
    found = [run for run in visible_runs(permit, _MOST_RUNS) if run.suite == info.name]
    cases = [msgspec.to_builtins(case_view(case)) for case in SuiteShelf(permit.app.database).cases(info.id)]
    data = {"suite": {"id": info.id, "name": info.name}, "cases": cases}
    collection = permit.app.catalog.collection(info.collection)
    values: dict[str, Any] = {"suite": info, "collection": collection, "runs": found[:10], "trends": trends(found)}
    return _page(request, "suite.html", data, **values)


@get("/runs/{run:str}", include_in_schema=False, sync_to_thread=True, opt=reviewers())
def run_page(request: PageRequest, run: FromPath[str], show: FromQuery[Shown] = "all") -> Response[str]:
    """Metrics with intervals, distributions, and each case's answer beside the expected one with its evidence."""
    try:
        info, cases = _run(request, run)
    except EvaluationError as error:
        return _missing(request, error)
    permit = permit_of(request)
    others = [one for one in visible_runs(permit, _MOST_RUNS) if one.suite == info.suite and one.id != run]
    kept = [case for case in cases if show == "all" or case.score.right == (show == "right")]
    measures = {name: value for name, value in info.summary.items() if not isinstance(value, Mapping | list)}
    values: dict[str, Any] = {"measures": measures, "intervals": info.summary.get("intervals", {}), "others": others}
    plots = {"outcomes": outcomes(cases), "confidence": confidences(cases), "seconds": times(cases)}
    data = {"run": {"id": info.id, "open": info.finished_at is None}}
    names = {one.id: one.name for one in permit.collections()}
    values |= {"total": len(cases), "plots": plots, "names": names}
    return _page(request, "run.html", data, run=info, cases=kept, show=show, **values)


@get("/runs/{run:str}/compare/{other:str}", include_in_schema=False, sync_to_thread=True, opt=reviewers())
def compare_page(request: PageRequest, run: FromPath[str], other: FromPath[str]) -> Response[str]:
    """What changed from one run to another, with paired intervals; only the cases that changed."""
    try:
        (before, old), (after, new) = _run(request, run), _run(request, other)
    except EvaluationError as error:
        return _missing(request, error)
    return _page(request, "compare.html", before=before, after=after, comparison=compare(old, new))


@get("/runs/{run:str}/cases", include_in_schema=False, sync_to_thread=True, opt=reviewers(audit="runs.download"))
def download(request: PageRequest, run: FromPath[str]) -> Response[Any]:
    """Every case of a run as JSON lines."""
    try:
        info, cases = _run(request, run)
    except EvaluationError as error:
        return _missing(request, error)
    headers = {"Content-Disposition": f'attachment; filename="{info.id}.jsonl"'}
    body = b"".join(msgspec.json.encode(case) + b"\n" for case in cases)
    return Response(body, media_type="application/x-ndjson", headers=headers)


PAGES: Final = (runs_page, suite_page, run_page, compare_page, download, SuiteController, RunController)


def _run(request: PageRequest, id: str) -> tuple[RunInfo, list[RunCase]]:
    permit = permit_of(request)
    info = visible_run(permit, id)
    return info, Runs(permit.app.database).cases(info.id)


def _missing(request: PageRequest, error: EvaluationError) -> Response[str]:
    problem = problem_of(error, request.scope["path"])
    return page(request, "error.html", {}, active="runs", status=problem.status, title=problem.title, problem=problem)


def _page(request: PageRequest, template: str, data: Mapping[str, Any] | None = None, **values: Any) -> Response[str]:
    return page(request, template, data or {}, active="runs", templates=_TEMPLATES, height=height, **values)
