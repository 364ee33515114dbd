"""What the routes of evaluation share: who may see what, how errors are told, the runner. Knows no page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Request, Response
from litestar.di import Provide
from litestar.types import ExceptionHandlersMap

from eval.errors import (
    CaseTaken,
    DatasetUnreadable,
    EvaluationError,
    NoSuchCase,
    NoSuchRun,
    NoSuchSuite,
    NothingToAsk,
    RunBusy,
    SuiteTaken,
)
from eval.runs import RunInfo, Runs
from eval.suite_runner import Progress, SuiteRunner
from eval.suite_shelf import SuiteInfo, SuiteShelf
from index.errors import FootnoteError
from index.rows import CollectionInfo
from rag.api.permit import Permit, permit_of
from rag.api.problems import Problem, problem_response, told

_RUNNER: Final = "suite_runner"
_EACH_CASE: Final = "named by each case"
_ROWS: Final[tuple[tuple[type[EvaluationError], int, str, str], ...]] = (
    (NoSuchRun, 404, "no-such-run", "No such run"),
    (NoSuchSuite, 404, "no-such-suite", "No such suite"),
    (NoSuchCase, 404, "no-such-case", "No such case"),
    (SuiteTaken, 409, "suite-taken", "The suite is there already"),
    (CaseTaken, 409, "case-taken", "The case is there already"),
    (RunBusy, 409, "run-busy", "A suite is running"),
    (NothingToAsk, 409, "nothing-to-ask", "There is nothing to ask"),
    (DatasetUnreadable, 422, "bad-case", "The case is malformed"),
)


def problem_of(error: EvaluationError, path: str) -> Problem:
    """How an error of an evaluation is told."""
    for kind, status, slug, title in _ROWS:
        if isinstance(error, kind):
            return Problem(status, slug, title, str(error), path)
    return Problem(500, "evaluation", "The evaluation failed", str(error), path)


def refused(request: Request[Any, Any, Any], error: EvaluationError) -> Response[Any]:
    """An error of an evaluation as a problem document."""
    return told(problem_of(error, request.scope["path"]))


ERRORS: Final[ExceptionHandlersMap] = {
    EvaluationError: refused,
    FootnoteError: problem_response,  # said here again: pages tell these in their own way
    Exception: problem_response,
}


def _permit(request: Request[Any, Any, Any]) -> Permit:
    return permit_of(request)


# Said here, since the server that takes these routes need not know that they want it.
PARTS: Final[Mapping[str, Provide]] = {"permit": Provide(_permit, sync_to_thread=False)}


def runner_of(request: Request[Any, Any, Any], permit: Permit) -> SuiteRunner:
    """The one runner of this service, made when it is first needed and ended with it; on the event loop only."""
    state = request.app.state
    if _RUNNER not in state:
        state[_RUNNER] = SuiteRunner(permit.app)
        state.closing.append(state[_RUNNER].close)
    runner: SuiteRunner = state[_RUNNER]
    return runner


def progress_of(request: Request[Any, Any, Any], run: str) -> Progress | None:
    """How far a run of this service is; None for one of before, or of the command line."""
    runner: SuiteRunner | None = request.app.state.get(_RUNNER)
    return runner.progress(run) if runner is not None else None


def visible_run(permit: Permit, id: str) -> RunInfo:
    """A run whose answers the caller may read. Raises NoSuchRun."""
    info = Runs(permit.app.database).run(id)
    if not sees(permit, info):
        raise NoSuchRun(f"there is no run {id!r}; `footnote eval runs` lists them")
    return info


def visible_suite(permit: Permit, id: str) -> SuiteInfo:
    """A suite over a collection that the caller may read all of. Raises NoSuchSuite."""
    info = SuiteShelf(permit.app.database).suite(id)
    if not permit.whole(info.collection):
        raise NoSuchSuite(f"there is no suite {id!r}; the page of evaluation lists those there are")
    return info


def visible_runs(permit: Permit, most: int) -> list[RunInfo]:
    """The newest runs that the caller may see, newest first."""
    found = Runs(permit.app.database).runs(most)
    if permit.caller.administers:
        return found
    everything = permit.app.catalog.collections()
    return [info for info in found if _sees(permit, info, everything)]


def sees(permit: Permit, info: RunInfo) -> bool:
    """Whether the caller may read what a run quotes: all of the collection it asked, or what was made for it alone."""
    return permit.caller.administers or _sees(permit, info, permit.app.catalog.collections())


def _sees(permit: Permit, info: RunInfo, everything: Sequence[CollectionInfo]) -> bool:
    corpus = info.about.get("corpus", _EACH_CASE)
    asked = [one for one in everything if corpus in (_EACH_CASE, one.id, one.name)]
    return all(permit.whole(one.id) for one in asked)
