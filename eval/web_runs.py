"""`/api/v1/runs`: begin a run of a suite, see how far it is, end it. Judges no answer.

What may be seen: runs whose corpus the caller may read all of.
"""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from litestar import Controller, Request, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from eval.runs import RunInfo, Runs
from eval.suite_runner import Progress
from eval.suite_shelf import SuiteShelf
from eval.web_room import ERRORS, PARTS, progress_of, runner_of, visible_run, visible_runs, visible_suite
from rag.api.listing import Cursor, Limit, Listing, slice_page
from rag.api.parts import PermitPart
from rag.api.permit import Permit, reviewers

_MOST: Final = 500
State = Literal["running", "finished", "cancelled", "failed", "unfinished"]


class RunView(Struct):
    """A run; `asked` of `total` cases (0: not known), `right` of them right. `measures` once it is finished."""

    id: str
    suite: str
    state: State
    asked: int
    total: int
    right: int
    error: str
    measures: dict[str, float]
    created_at: datetime
    finished_at: datetime | None


class RunWanted(Struct, forbid_unknown_fields=True):
    """Which suite, by id or name, and how it is asked. No model: the one that answers there."""

    suite: str
    model: Annotated[str, Meta(max_length=200)] = ""
    mode: Literal["auto", "quote"] = "auto"


class RunController(Controller):
    """`/api/v1/runs`."""

    path = "/api/v1/runs"
    tags = ("evaluation",)
    exception_handlers = ERRORS
    dependencies = PARTS

    @get(sync_to_thread=True, opt=reviewers())
    def list_runs(
        self, request: Request[Any, Any, Any], permit: PermitPart, limit: Limit = 100, cursor: Cursor = None
    ) -> Listing[RunView]:
        """List the newest runs, newest first."""
        items, following = slice_page(visible_runs(permit, _MOST), limit, cursor)
        return Listing([_view(info, progress_of(request, info.id)) for info in items], following)

    @post(status_code=202, opt=reviewers("ask", audit="runs.begin"))
    async def begin(self, request: Request[Any, Any, Any], permit: PermitPart, data: JSONBody[RunWanted]) -> RunView:
        """Ask every case of a suite in the background, one suite at a time.

        One that was broken off under the same conditions goes on.
        """
        info = await asyncio.to_thread(visible_suite, permit, data.suite)
        cases = await asyncio.to_thread(SuiteShelf(permit.app.database).cases, info.id)
        progress = await runner_of(request, permit).start(info, cases, data.model or None, data.mode)
        permit.told["run"] = progress.run
        return await asyncio.to_thread(_show, request, permit, progress.run)

    @get("/{run:str}", sync_to_thread=True, opt=reviewers())
    def show_run(self, request: Request[Any, Any, Any], permit: PermitPart, run: FromPath[str]) -> RunView:
        """Show one run, and how far it is."""
        return _show(request, permit, run)

    @post("/{run:str}/cancel", status_code=200, opt=reviewers("ask", audit="runs.cancel"))
    async def cancel(self, request: Request[Any, Any, Any], permit: PermitPart, run: FromPath[str]) -> RunView:
        """End a run; what was answered stays. One that has ended is no error."""
        await asyncio.to_thread(visible_run, permit, run)
        await runner_of(request, permit).cancel(run)
        return await asyncio.to_thread(_show, request, permit, run)


def _show(request: Request[Any, Any, Any], permit: Permit, run: str) -> RunView:
    info = visible_run(permit, run)
    progress = progress_of(request, run)
    asked = len(Runs(permit.app.database).cases(run)) if progress is None else 0
    return _view(info, progress, asked)


def _view(info: RunInfo, progress: Progress | None, asked: int = 0) -> RunView:
    measures = {name: float(value) for name, value in info.summary.items() if isinstance(value, int | float)}
    if progress is None:
        state: State = "finished" if info.finished_at else "unfinished"
        progress = Progress(info.id, int(measures.get("questions", 0)), asked or int(measures.get("questions", 0)))
    else:
        state = progress.state
    counts = (progress.asked, progress.total, progress.right, progress.error)
    return RunView(info.id, info.suite, state, *counts, measures, info.created_at, info.finished_at)
