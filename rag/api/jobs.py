"""Jobs and batches: list, show, follow, retry, cancel, pause. Knows no queue library."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from litestar import Controller, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct

from index.schema import utc_now
from ingest.job import CANCELLABLE, ENDED, PAUSABLE, BatchInfo, JobInfo, JobState
from rag.api import sse
from rag.api.listing import Cursor, Limit, Listing
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import known, on
from rag.app import App

_POLL_SECONDS: Final = 0.25
_FOUND_SECONDS: Final = 2.0  # that the end of a job waits at most until its document can be found
_LATELY: Final = timedelta(seconds=5)  # later, views that still do not follow are in trouble of their own


class JobView(Struct):
    """One upload on its way to being searchable. `reason` names why it failed, `error` says it in a line."""

    id: str
    collection: str
    batch: str | None
    name: str
    state: JobState
    size: int
    pages_done: int
    pages_total: int
    chunks_done: int
    chunks_total: int
    attempts: int
    reason: str | None
    error: str | None
    document: str | None
    outcome: str | None
    report: Mapping[str, Any]
    attributes: Mapping[str, Any]
    chunks_per_second: float | None
    seconds_left: float | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class BatchView(Struct):
    """Uploads watched together: how many jobs are in each state."""

    id: str
    collection: str
    counts: Mapping[str, int]
    total: int
    ended: bool
    created_at: datetime


class NewBatch(Struct, forbid_unknown_fields=True):
    """The collection, by id or name, that the batch's uploads go to."""

    collection: str


class JobController(Controller):
    """`/api/v1/jobs`."""

    path = "/jobs"
    tags = ("jobs",)

    @get(sync_to_thread=True, opt=known("read"))
    def list_jobs(
        self,
        app: AppPart,
        permit: PermitPart,
        limit: Limit = 50,
        cursor: Cursor = None,
        collection: FromQuery[str | None] = None,
        batch: FromQuery[str | None] = None,
        job_state: Annotated[JobState | None, QueryParameter(name="state")] = None,
    ) -> Listing[JobView]:
        """List jobs, newest first."""
        chosen = permit.collection(collection).id if collection else None
        page = app.jobs.jobs(
            collection=chosen, batch=batch, state=job_state, limit=limit, cursor=cursor, among=permit.readable()
        )
        _await_found(app, page.items)
        return Listing([job_view(job) for job in permit.visible_jobs(page.items)], page.next_cursor)

    @get("/{job:str}", sync_to_thread=True, opt=on("job"))
    def show_job(self, app: AppPart, job: FromPath[str]) -> JobView:
        """Show one job."""
        found = app.jobs.job(job)
        _await_found(app, [found])
        return job_view(found)

    @get(
        "/{job:str}/events",
        opt=on("job"),
        responses={200: ResponseSpec(str, description="Events `progress`, then `done`", media_type=sse.MEDIA_TYPE)},
    )
    async def events(self, app: AppPart, job: FromPath[str]) -> Response[bytes]:
        """Follow a job as server-sent events: `progress` at each change, `done` at its end; data is the job."""
        first = await asyncio.to_thread(app.jobs.job, job)
        return sse.EventStream(_follow(app, first))

    @post("/{job:str}/retry", status_code=200, sync_to_thread=True, opt=on("job", "write", audit="jobs.retry"))
    def retry(self, app: AppPart, job: FromPath[str]) -> JobView:
        """Try a failed or cancelled job again."""
        return job_view(app.jobs.retry(job))

    @post("/{job:str}/cancel", status_code=200, sync_to_thread=True, opt=on("job", "write", audit="jobs.cancel"))
    def cancel(self, app: AppPart, job: FromPath[str]) -> JobView:
        """Cancel a job that has not ended."""
        return job_view(app.jobs.cancel(job))

    @post("/{job:str}/pause", status_code=200, sync_to_thread=True, opt=on("job", "write", audit="jobs.pause"))
    def pause(self, app: AppPart, job: FromPath[str]) -> JobView:
        """Hold a waiting or running job back until it is resumed."""
        return job_view(app.jobs.pause(job))

    @post("/{job:str}/resume", status_code=200, sync_to_thread=True, opt=on("job", "write", audit="jobs.resume"))
    def resume(self, app: AppPart, job: FromPath[str]) -> JobView:
        """Go on with a paused job; it begins anew."""
        return job_view(app.jobs.resume(job))


class BatchController(Controller):
    """`/api/v1/batches`."""

    path = "/batches"
    tags = ("jobs",)

    @post(sync_to_thread=True, opt=known("write"))
    def create_batch(self, app: AppPart, permit: PermitPart, data: JSONBody[NewBatch]) -> BatchView:
        """Open a batch; uploads join it with `?batch=`."""
        batch = app.jobs.create_batch(permit.collection(data.collection, "write").id)
        return _batch_view(app.jobs.batch(batch))

    @get("/{batch:str}", sync_to_thread=True, opt=on("batch"))
    def show_batch(self, app: AppPart, batch: FromPath[str]) -> BatchView:
        """How many of the batch's jobs are in each state."""
        found = app.jobs.batch(batch)
        if found.ended:
            app.searcher.wait_for_log(_FOUND_SECONDS)
        return _batch_view(found)

    @get(
        "/{batch:str}/events",
        opt=on("batch"),
        responses={200: ResponseSpec(str, description="Events `progress`, then `done`", media_type=sse.MEDIA_TYPE)},
    )
    async def events(self, app: AppPart, batch: FromPath[str]) -> Response[bytes]:
        """Follow a batch as server-sent events: `progress` at each change, `done` at its end; data is the batch."""
        first = await asyncio.to_thread(app.jobs.batch, batch)
        return sse.EventStream(_follow_batch(app, first))

    @post("/{batch:str}/retry", status_code=200, sync_to_thread=True, opt=on("batch", "write", audit="batches.retry"))
    def retry(self, app: AppPart, batch: FromPath[str]) -> BatchView:
        """Try every failed job of the batch again."""
        app.jobs.each_of(batch, ("failed",), app.jobs.retry)
        return _batch_view(app.jobs.batch(batch))

    @post("/{batch:str}/cancel", status_code=200, sync_to_thread=True, opt=on("batch", "write", audit="batches.cancel"))
    def cancel(self, app: AppPart, batch: FromPath[str]) -> BatchView:
        """Cancel every job of the batch that has not ended."""
        app.jobs.each_of(batch, CANCELLABLE, app.jobs.cancel)
        return _batch_view(app.jobs.batch(batch))

    @post("/{batch:str}/pause", status_code=200, sync_to_thread=True, opt=on("batch", "write", audit="batches.pause"))
    def pause(self, app: AppPart, batch: FromPath[str]) -> BatchView:
        """Hold every job of the batch that has not ended."""
        app.jobs.each_of(batch, PAUSABLE, app.jobs.pause)
        return _batch_view(app.jobs.batch(batch))

    @post("/{batch:str}/resume", status_code=200, sync_to_thread=True, opt=on("batch", "write", audit="batches.resume"))
    def resume(self, app: AppPart, batch: FromPath[str]) -> BatchView:
        """Go on with every paused job of the batch."""
        app.jobs.each_of(batch, ("paused",), app.jobs.resume)
        return _batch_view(app.jobs.batch(batch))


async def _follow_batch(app: AppPart, batch: BatchInfo) -> AsyncGenerator[bytes, None]:
    """Frames of one batch until all its jobs have ended. An empty batch goes on: its uploads may be under way."""
    seen: BatchInfo | None = None
    while True:
        if batch != seen:
            ended = batch.ended and batch.total > 0
            if ended:
                await asyncio.to_thread(app.searcher.wait_for_log, _FOUND_SECONDS)
            yield sse.frame("done" if ended else "progress", _batch_view(batch))
            if ended:
                return
            seen = batch
        await asyncio.sleep(_POLL_SECONDS)
        batch = await asyncio.to_thread(app.jobs.batch, batch.id)


async def _follow(app: AppPart, job: JobInfo) -> AsyncGenerator[bytes, None]:
    """Frames of one job until it ends. A job that vanishes with its collection ends the stream."""
    seen: JobInfo | None = None
    while True:
        if job != seen:
            ended = job.state in ENDED
            await asyncio.to_thread(_await_found, app, [job])
            yield sse.frame("done" if ended else "progress", job_view(job))
            if ended:
                return
            seen = job
        await asyncio.sleep(_POLL_SECONDS)
        job = await asyncio.to_thread(app.jobs.job, job.id)


def _await_found(app: App, jobs: Sequence[JobInfo]) -> None:
    """Whoever is told that a job is done may ask about its document at once: the views follow within a second."""
    since = utc_now() - _LATELY
    if any(job.state == "done" and job.finished_at is not None and job.finished_at > since for job in jobs):
        app.searcher.wait_for_log(_FOUND_SECONDS)


def job_view(job: JobInfo) -> JobView:
    """A job as clients see it."""
    now = utc_now()
    stored = {name: getattr(job, name) for name in JobInfo.__dataclass_fields__}
    return JobView(**stored, chunks_per_second=job.speed(now), seconds_left=job.seconds_left(now))


def _batch_view(batch: BatchInfo) -> BatchView:
    return BatchView(batch.id, batch.collection, batch.counts, batch.total, batch.ended, batch.created_at)
