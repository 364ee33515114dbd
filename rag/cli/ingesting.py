"""`footnote ingest` and `footnote jobs`: handing in files and watching them. Knows no parser and no queue."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from index.catalog import Catalog, CollectionInfo
from index.errors import NoSuchCollection
from ingest.errors import IngestError, UnreadableDocument
from ingest.job import STATES, JobInfo, JobState
from ingest.jobs import Jobs
from rag.app import IngestParts, ingest_parts, worker_parts
from rag.cli.show import json_option, messages, print_json, print_table, settings_of

_FINAL = ("done", "failed", "cancelled")
_POLL_SECONDS = 0.2


@click.command("ingest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--collection", "-c", required=True, help="Name of the collection; it is created if there is none.")
@click.option(
    "--metadata",
    "-m",
    multiple=True,
    metavar="KEY=VALUE",
    help="What the documents are to bear, as effective=2026-01-01.",
)
@click.option("--wait", is_flag=True, help="Show progress until all is searchable, then the report.")
@json_option
@click.pass_context
def ingest(
    ctx: click.Context, paths: tuple[Path, ...], collection: str, metadata: tuple[str, ...], wait: bool, as_json: bool
) -> None:
    """Take in files and folders. With --wait the exit code is 1 if a file failed."""
    attributes = _attributes(metadata)
    settings = settings_of(ctx)
    parts = ingest_parts(settings)
    ctx.call_on_close(parts.close)
    info = _collection(parts.catalog, collection)
    files = list(_files(paths))
    if not files:
        raise IngestError(f"{', '.join(map(str, paths))} holds no files; name a folder or files to take in")
    batch, count, refused = _submit(parts, info, files, attributes)
    for name, reason in refused:
        messages.print(f"{name} was not accepted: {reason}", markup=False)
    if not wait:
        _say_accepted(parts, batch, info, count, as_json)
        return
    # A worker of a running server takes part; without one, ours does everything.
    with _own_worker(ctx):
        found = _watch(parts.jobs, batch, count, quiet=as_json)
    _report(found, info, batch, as_json)
    if refused or any(job.state != "done" for job in found):
        ctx.exit(1)


def _attributes(given: Sequence[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    wrong = [one for one, (key, equals, _) in zip(given, pairs, strict=True) if not key or not equals]
    if wrong:
        raise click.UsageError(f"--metadata {wrong[0]} is no KEY=VALUE, as in effective=2026-01-01")
    return {key: value for key, _, value in pairs}


def _say_accepted(parts: IngestParts, batch: str, info: CollectionInfo, count: int, as_json: bool) -> None:
    if as_json:
        print_json({"batch": batch, "collection": info.id, "jobs": _jobs_of(parts.jobs, batch)})
    else:
        click.echo(f"{count} files are safe and queued as batch {batch}; a running worker takes them in.")
        click.echo(f"Watch: footnote jobs list --batch {batch}")


def _collection(catalog: Catalog, name: str) -> CollectionInfo:
    try:
        return catalog.collection(name)
    except NoSuchCollection:
        return catalog.create_collection(name)


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """(file, name) of every file to take in; hidden files and folders are left out."""
    for path in paths:
        if path.is_file():
            yield path, path.name
            continue
        for file in sorted(path.rglob("*")):
            relative = file.relative_to(path)
            if file.is_file() and not any(part.startswith(".") for part in relative.parts):
                yield file, relative.as_posix()


def _submit(
    parts: IngestParts, info: CollectionInfo, files: Sequence[tuple[Path, str]], metadata: Mapping[str, str]
) -> tuple[str, int, list[tuple[str, str]]]:
    """(batch, how many jobs, files that were refused at the door with the reason)."""
    batch = parts.jobs.create_batch(info.id)
    count, refused = 0, []
    for path, name in files:
        try:
            with path.open("rb") as stream:
                count += len(parts.door.enter(info.id, name, stream, batch=batch, metadata=metadata).jobs)
        except UnreadableDocument as error:
            refused.append((name, str(error)))
    return batch, count, refused


@contextmanager
def _own_worker(ctx: click.Context) -> Iterator[None]:
    stop = threading.Event()
    worker = worker_parts(settings_of(ctx))
    thread = threading.Thread(target=worker.run, args=(stop,), name="ingest-worker")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _jobs_of(jobs: Jobs, batch: str) -> list[JobInfo]:
    found: list[JobInfo] = []
    cursor: str | None = None
    while True:
        page = jobs.jobs(batch=batch, limit=200, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def _watch(jobs: Jobs, batch: str, total: int, quiet: bool) -> list[JobInfo]:
    """Follow a batch until every job has ended."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[now]}"),
    )
    with Progress(*columns, console=messages, disable=quiet, transient=False) as progress:
        task = progress.add_task("Taking in", total=total, now="")
        while True:
            counts = jobs.batch(batch).counts
            ended = sum(counts.get(state, 0) for state in _FINAL)
            progress.update(task, completed=ended, now=_in_progress(counts))
            if ended >= total:
                return _jobs_of(jobs, batch)
            time.sleep(_POLL_SECONDS)


def _in_progress(counts: dict[str, int]) -> str:
    shown = [f"{counts[s]} {s}" for s in ("parsing", "embedding", "committing", "failed") if counts.get(s)]
    return ", ".join(shown)


def _report(found: Sequence[JobInfo], info: CollectionInfo, batch: str, as_json: bool) -> None:
    if as_json:
        print_json({"batch": batch, "collection": info.id, "jobs": found})
        return
    worst_first = sorted(found, key=lambda job: (job.state == "done", -len(job.report.get("dropped", ())), job.name))
    notable = [job for job in worst_first if job.state != "done" or job.report.get("dropped")]
    if notable:
        print_table(
            ("file", "state", "what was lost"),
            ((job.name, job.state, job.error or "; ".join(job.report.get("dropped", ()))) for job in notable[:20]),
            empty="",
        )
        if len(notable) > 20:
            click.echo(f"... and {len(notable) - 20} more: footnote jobs list --batch {batch}")
    counts = {state: sum(job.state == state for job in found) for state in _FINAL}
    unchanged = sum(job.outcome == "unchanged" for job in found)
    chunks = sum(job.chunks_done for job in found)
    click.echo(
        f"{info.name}: {counts['done']} of {len(found)} files are searchable ({unchanged} unchanged, {chunks} passages)"
        + (f"; {counts['failed']} failed" if counts["failed"] else "")
        + "."
    )


@click.group("jobs")
def jobs_group() -> None:
    """List, show, retry, pause and cancel ingestion jobs."""


def _open_jobs(ctx: click.Context) -> IngestParts:
    parts = ingest_parts(settings_of(ctx))
    ctx.call_on_close(parts.close)
    return parts


@jobs_group.command("list")
@click.option("--collection", help="Only of this collection.")
@click.option("--batch", help="Only of this batch.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--limit", default=50, show_default=True)
@click.option("--cursor", help="Where the last list ended.")
@json_option
@click.pass_context
def list_jobs(
    ctx: click.Context,
    collection: str | None,
    batch: str | None,
    state: JobState | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List jobs, newest first."""
    parts = _open_jobs(ctx)
    chosen = parts.catalog.collection(collection).id if collection else None
    page = parts.jobs.jobs(collection=chosen, batch=batch, state=state, limit=limit, cursor=cursor)
    if as_json:
        print_json({"items": page.items, "next": page.next_cursor})
        return
    print_table(
        ("id", "file", "state", "passages", "attempts", "reason"),
        ((j.id, j.name, j.state, j.chunks_done, j.attempts, j.error or "") for j in page.items),
        empty="No jobs.",
    )
    if page.next_cursor:
        click.echo(f"More: --cursor {page.next_cursor}")


@jobs_group.command("show")
@click.argument("job")
@json_option
@click.pass_context
def show_job(ctx: click.Context, job: str, as_json: bool) -> None:
    """Show one job."""
    info = _open_jobs(ctx).jobs.job(job)
    if as_json:
        print_json(info)
    else:
        names = (
            "id",
            "name",
            "state",
            "attempts",
            "reason",
            "error",
            "document",
            "outcome",
            "created_at",
            "finished_at",
        )
        print_table(("field", "value"), ((name, getattr(info, name)) for name in names), empty="")


@jobs_group.command("retry")
@click.argument("job", required=False)
@click.option("--failed", is_flag=True, help="All failed jobs, of a collection or batch where given.")
@click.option("--collection", help="With --failed: only of this collection.")
@click.option("--batch", help="With --failed: only of this batch.")
@click.pass_context
def retry_job(ctx: click.Context, job: str | None, failed: bool, collection: str | None, batch: str | None) -> None:
    """Try a failed or cancelled job, or all failed ones, again."""
    if (job is None) == (not failed):
        raise click.UsageError("name one job, or give --failed")
    parts = _open_jobs(ctx)
    if job is None:
        chosen = parts.catalog.collection(collection).id if collection else None
        click.echo(f"{parts.jobs.retry_failed(collection=chosen, batch=batch)} jobs are queued again.")
        return
    info = parts.jobs.retry(job)
    click.echo(f"{info.name} is {info.state}.")


@jobs_group.command("pause")
@click.argument("job")
@click.pass_context
def pause_job(ctx: click.Context, job: str) -> None:
    """Hold a waiting or running job."""
    info = _open_jobs(ctx).jobs.pause(job)
    click.echo(f"{info.name} is {info.state}.")


@jobs_group.command("resume")
@click.argument("job")
@click.pass_context
def resume_job(ctx: click.Context, job: str) -> None:
    """Go on with a paused job."""
    info = _open_jobs(ctx).jobs.resume(job)
    click.echo(f"{info.name} is {info.state}.")


@jobs_group.command("cancel")
@click.argument("job")
@click.pass_context
def cancel_job(ctx: click.Context, job: str) -> None:
    """Cancel a job that has not ended."""
    info = _open_jobs(ctx).jobs.cancel(job)
    click.echo(f"{info.name} is {info.state}.")


COMMANDS = (ingest, jobs_group)
