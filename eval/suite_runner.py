"""Runs suites inside the service, in the background, one at a time; says how far it is. Knows no HTTP and no page."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from eval.datasets import Case
from eval.errors import EvaluationError, NothingToAsk, RunBusy
from eval.runs import Runs
from eval.scoring import Score
from eval.suite_shelf import SuiteInfo
from eval.suites import ask_cases, conditions
from index.errors import FootnoteError
from rag.app import App
from rag.course import Mode

logger = logging.getLogger(__name__)

State = Literal["running", "finished", "cancelled", "failed"]
_KEPT: Final = 50  # runs whose end is remembered here; SQL knows all of them


@dataclass(slots=True)
class Progress:
    """How far a run is: `asked` of `total` cases, `right` of them right. `error` says why it failed."""

    run: str
    total: int
    asked: int = 0
    right: int = 0
    state: State = "running"
    error: str = ""


class SuiteRunner:
    """The background runs of one service. Used on its event loop only."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._runs = Runs(app.database)
        self._known: dict[str, Progress] = {}
        self._task: asyncio.Task[None] | None = None
        self._beginning = False

    async def start(self, suite: SuiteInfo, cases: Sequence[Case], model: str | None, mode: Mode) -> Progress:
        """Begin a run, or go on with the one that was broken off under the same conditions.

        Raises RunBusy, NothingToAsk, NoSuchModel.
        """
        if self._beginning or (self._task is not None and not self._task.done()):
            raise RunBusy("a suite is running; wait until it has ended, or cancel it")
        if not cases:
            raise NothingToAsk(f"the suite {suite.name!r} has no case yet; add one first")
        self._beginning = True
        try:
            progress, known = await asyncio.to_thread(self._begin, suite, cases, model, mode)
        finally:
            self._beginning = False
        self._known[progress.run] = progress
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        going = self._go(progress, cases, known, suite.collection, model, mode)
        self._task = asyncio.create_task(going, name=f"suite-{progress.run}")
        return progress

    def progress(self, run: str) -> Progress | None:
        """How far a run of this service is; None for one of before, or of the command line."""
        return self._known.get(run)

    async def cancel(self, run: str) -> None:
        """End a run; what was answered stays, and starting the suite again goes on from there."""
        progress = self._known.get(run)
        if progress is not None and progress.state == "running" and self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """End what runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _begin(
        self, suite: SuiteInfo, cases: Sequence[Case], model: str | None, mode: Mode
    ) -> tuple[Progress, dict[str, Score]]:
        if model is not None:
            self._app.models.get(model)
        about = conditions(self._app, model=model, mode=mode, corpus=suite.collection)
        run, known = self._runs.begin(suite.name, cases, about)
        asked = sum(case.id in known for case in cases)
        return Progress(run, len(cases), asked, sum(score.right for score in known.values())), known

    async def _go(
        self,
        progress: Progress,
        cases: Sequence[Case],
        known: dict[str, Score],
        collection: str,
        model: str | None,
        mode: Mode,
    ) -> None:
        def keep(case: Case, score: Score, cited: Sequence[str]) -> None:
            self._runs.record(progress.run, case, score, cited)
            progress.asked += 1
            progress.right += score.right

        try:
            done = await ask_cases(
                self._app, cases, collection=collection, model=model, mode=mode, known=known, keep=keep, background=True
            )
            await asyncio.to_thread(self._runs.finish, progress.run, done.summary)
            progress.state = "finished"
        except asyncio.CancelledError:
            progress.state = "cancelled"
        except (FootnoteError, EvaluationError) as error:
            progress.state, progress.error = "failed", str(error)
        except Exception as error:  # nobody awaits this task: what ends it must be seen
            logger.exception("the run %s failed", progress.run)
            progress.state, progress.error = "failed", f"internal error ({type(error).__name__})"
